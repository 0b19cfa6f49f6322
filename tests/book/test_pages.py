"""The built book, as a reader opens it: headless Chromium, desktop and phone, light and dark, no other host.

Run `make book`, then `make browser`. Skipped where there is no browser or no built book.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_book import toc_files

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
CONTENT = "article.bd-article"  # ours; what is around it is the theme's

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (HTML / "index.html").exists(), reason="no built book: `make book` first"),
]


class Quiet(SimpleHTTPRequestHandler):
    """Serves the book without a line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of the built book."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@dataclass
class Opened:
    """A page, and what it asked for on the way."""

    page: Any
    elsewhere: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def open_page(browser: Any, site: str, address: str) -> Opened:
    """Open a page with every other host refused."""
    context = browser.new_context(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    opened = Opened(page)

    def gate(route: Any) -> None:
        if route.request.url.startswith((site, "data:", "blob:")):
            route.continue_()
        else:
            opened.elsewhere.append(route.request.url)
            route.abort()

    context.route("**/*", gate)
    page.on("response", lambda answer: opened.missing.append(answer.url) if answer.status >= 400 else None)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.goto(f"{site}/{address}.html", wait_until="networkidle")
    page.evaluate("async () => { if (window.MathJax?.startup?.promise) await MathJax.startup.promise }")
    page.evaluate("document.fonts.ready")
    return opened


@pytest.fixture(scope="module", params=toc_files())
def desktop(request: pytest.FixtureRequest, browser: Any, site: str) -> Iterator[Opened]:
    opened = open_page(browser, site, request.param)
    yield opened
    opened.page.context.close()


@pytest.fixture
def phone(desktop: Opened) -> Iterator[Opened]:
    """The same page as narrow as a phone."""
    desktop.page.set_viewport_size(PHONE)
    yield desktop
    desktop.page.set_viewport_size(DESKTOP)


def set_theme(page: Any, theme: str) -> None:
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)


def test_page_asks_no_other_host_and_misses_nothing(desktop: Opened) -> None:
    assert desktop.elsewhere == []
    assert desktop.missing == []
    assert desktop.errors == []


def test_mathematics_is_typeset(desktop: Opened) -> None:
    found = desktop.page.evaluate(
        """content => {
          const source = document.querySelectorAll(content + ' .math').length;
          const sizes = [...document.querySelectorAll(content + ' mjx-container')]
            .filter(e => e.offsetParent).map(e => [e.offsetWidth, e.offsetHeight]);
          const wrong = document.querySelectorAll(content + ' mjx-merror').length;
          return {source, sizes, wrong};
        }""",
        CONTENT,
    )
    assert found["wrong"] == 0
    assert bool(found["source"]) == bool(found["sizes"])
    assert all(width > 0 and height > 0 for width, height in found["sizes"])


def test_pictures_are_there_and_described(desktop: Opened) -> None:
    for loaded, alt, source in desktop.page.evaluate(
        """content => [...document.querySelectorAll(content + ' img')].map(
          img => [img.complete && img.naturalWidth > 0, img.alt, img.src.slice(0, 80)])""",
        CONTENT,
    ):
        assert loaded, source
        assert alt and not alt.endswith((".png", ".jpg", ".jpeg")), source


def test_dark_mode_is_dark_and_leaves_pictures_alone(desktop: Opened) -> None:
    set_theme(desktop.page, "dark")
    background = desktop.page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(value) for value in background.split("(")[1].rstrip(")").split(",")[:3]]
    filters = desktop.page.evaluate(
        "content => [...document.querySelectorAll(content + ' img')].map(img => getComputedStyle(img).filter)", CONTENT
    )
    set_theme(desktop.page, "light")
    assert max(channels) < 64
    assert set(filters) <= {"none"}


def test_interactive_figures_follow_the_keyboard(desktop: Opened) -> None:
    for slider in desktop.page.query_selector_all(f"{CONTENT} .styletut-figure input[type=range]"):
        slider.focus()
        key = "ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight"
        before = slider.get_attribute("aria-valuetext")
        desktop.page.keyboard.press(key)
        assert slider.get_attribute("aria-valuetext") != before
    for names in desktop.page.query_selector_all(f"{CONTENT} .styletut-figure [role=radiogroup]"):
        kept = names.query_selector("input:checked")
        kept.focus()
        desktop.page.keyboard.press("ArrowRight")
        assert not kept.is_checked() and names.query_selector("input:checked") is not None


def test_interactive_figures_show_one_picture_at_a_time(desktop: Opened) -> None:
    for figure in desktop.page.query_selector_all(f"{CONTENT} .styletut-figure"):
        shown = [picture.is_visible() for picture in figure.query_selector_all(".stage .pic")]
        assert sum(shown) == (2 if figure.query_selector(".knob") else 1)


def test_widgets_show_their_last_state_and_answer(desktop: Opened) -> None:
    views = desktop.page.locator(f"{CONTENT} script[type='application/vnd.jupyter.widget-view+json']").count()
    if not views:
        return
    desktop.page.wait_for_selector(f"{CONTENT} .widget-subarea .jupyter-widgets", timeout=20_000)
    assert desktop.page.locator(f"{CONTENT} .widget-subarea").count() >= views
    for handle in desktop.page.query_selector_all(f"{CONTENT} .widget-subarea .noUi-handle"):
        before = handle.get_attribute("aria-valuenow")
        handle.focus()
        desktop.page.keyboard.press("ArrowLeft" if before == handle.get_attribute("aria-valuemax") else "ArrowRight")
        assert handle.get_attribute("aria-valuenow") != before
    for button in desktop.page.query_selector_all(f"{CONTENT} .widget-play button"):
        button.click()
    assert desktop.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_content_has_no_serious_barrier(desktop: Opened, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    set_theme(desktop.page, theme)
    # ipywidgets' own controls carry no names; the book's own figures do.
    context: Any = {"include": [[CONTENT]], "exclude": [[".widget-subarea"]]}
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if theme == "dark":
        options["runOnly"] = ["color-contrast", "link-in-text-block"]  # what depends on colours
    results = Axe().run(desktop.page, context=context, options=options)
    set_theme(desktop.page, "light")
    serious = [
        f"{found['id']}: {[node['target'] for node in found['nodes']][:3]}"
        for found in results.response["violations"]
        if found["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_page_fits_a_phone(phone: Opened) -> None:
    width = phone.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], f"{width} pixels wide"


def test_interactive_figures_fit_a_phone_and_can_be_touched(phone: Opened) -> None:
    for figure in phone.page.query_selector_all(f"{CONTENT} .styletut-figure"):
        box = figure.bounding_box()
        assert 0 < box["width"] <= PHONE["width"] and box["height"] > 0
        for control in figure.query_selector_all("input"):
            assert control.bounding_box()["height"] >= 24


def test_live_figures_are_offered_and_load_only_what_offers_them(desktop: Opened) -> None:
    figures = desktop.page.locator(f"{CONTENT} .styletut-live")
    for figure in figures.all():
        assert figure.get_by_role("button", name="Start").is_visible()
        assert figure.get_by_role("link", name="Fig.").first.is_visible()  # its still picture
    if not figures.count():
        return
    asked = desktop.page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert sorted(name.split("/")[-1] for name in asked if "/painter/" in name) == ["live.css", "live.js"]


def test_every_chapter_opens_on_colab_and_can_be_downloaded(desktop: Opened) -> None:
    name = desktop.page.url.removesuffix(".html").rsplit("/", 1)[1]
    if not (ROOT / "book" / f"{name}.ipynb").exists():
        return
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    path = repository["url"].removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{path}/blob/{repository['branch']}/notebooks/{name}.ipynb"
    assert desktop.page.locator(f'a[href="{colab}"]').count() == 1
    assert desktop.page.locator(f'a[href$="_sources/notebooks/{name}.ipynb"]').count() >= 1


def test_the_index_page_leads_to_the_introduction(browser: Any, site: str) -> None:
    opened = open_page(browser, site, "index")
    opened.page.wait_for_selector(f"{CONTENT} h1")
    assert opened.page.url.endswith("book/intro.html")
    assert opened.page.locator(f"{CONTENT} .sd-card").count() == 3
    opened.page.context.close()


def test_search_works_without_a_network_connection(browser: Any, site: str) -> None:
    opened = open_page(browser, site, "search")
    opened.page.goto(f"{site}/search.html?q=gram", wait_until="networkidle")
    opened.page.wait_for_selector("#search-results li a", timeout=20_000)
    assert opened.elsewhere == []
    assert opened.page.locator("#search-results li a[href*='glossary']").count() >= 1
    opened.page.context.close()


def test_the_book_is_light() -> None:
    """The painter's scripts count by themselves: a reader asks for them, and once more for the deeper weights."""
    sizes = {path.relative_to(HTML): path.stat().st_size for path in HTML.rglob("*") if path.is_file()}
    painter = {path.name: size for path, size in sizes.items() if path.parent.name == "painter"}
    assert sum(sizes.values()) - sum(painter.values()) < 50_000_000
    assert sum(painter.values()) - painter["weights-finer.js"] < 7_000_000
    assert painter["weights-finer.js"] < 13_000_000
    assert max(size for path, size in sizes.items() if path.suffix == ".html") < 4_000_000
