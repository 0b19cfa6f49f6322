"""The built book, as a reader opens it: headless Chromium, desktop and phone, light and dark, no other host.

Run `make book`, then `make browser`. Skipped where there is no browser or no built book.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
    if page.locator(f"{CONTENT} .math").count():  # on a busy machine the promise can be kept before the formulas stand
        page.wait_for_selector(f"{CONTENT} mjx-container", state="attached", timeout=60_000)
    page.evaluate("document.fonts.ready")
    return opened


@pytest.fixture(scope="module", params=toc_files())
def desktop(request: pytest.FixtureRequest, browser: Any, site: str) -> Iterator[Opened]:
    opened = open_page(browser, site, request.param)
    yield opened
    opened.page.context.close()


@pytest.fixture
def paper(desktop: Opened) -> Iterator[Opened]:
    """The same page as it is printed, as wide as A4 between its margins."""
    desktop.page.emulate_media(media="print")
    desktop.page.set_viewport_size({"width": 718, "height": 1000})
    yield desktop
    desktop.page.set_viewport_size(DESKTOP)
    desktop.page.emulate_media(media="screen")


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


def asked(page: Any) -> list[Path]:
    """The files of the built book that a page has loaded, itself first."""
    addresses = page.evaluate("[location.href, ...performance.getEntriesByType('resource').map(each => each.name)]")
    paths = [HTML / urlsplit(address).path.lstrip("/") for address in addresses if address.startswith("http")]
    return list(dict.fromkeys(paths))


DISPLAYED = f"[...document.querySelectorAll('{CONTENT} mjx-container[display=true]')]"
WIDE = DISPLAYED + ".filter(formula => formula.scrollWidth > formula.clientWidth).length"
REACHED = DISPLAYED + ".filter(formula => formula.tabIndex === 0).length"


def test_mathjax_comes_only_to_a_page_with_a_formula(desktop: Opened) -> None:
    formulas = desktop.page.locator(f"{CONTENT} .math").count()
    assert bool(formulas) == any("mathjax" in path.parts for path in asked(desktop.page))


def test_formulas_are_no_stops_on_the_way_through_a_page(desktop: Opened) -> None:
    """They are read out where they stand; their menu is a right click away. Only one that scrolls is a stop."""
    desktop.page.wait_for_function(f"() => {REACHED} === {WIDE}")
    stops = desktop.page.evaluate(
        """content => [...document.querySelectorAll(content + ' *')]
          .filter(each => each.tabIndex >= 0 && each.checkVisibility() && !each.closest('.styletut-predict'))
          .map(each => each.closest('mjx-container') ? 'formula' : each.localName)""",
        CONTENT,
    )
    assert stops.count("formula") == desktop.page.evaluate(WIDE) <= 2
    if desktop.page.url.endswith("04-gram-matrices.html"):
        assert len(stops) < 195  # beside its predictions, of which each is two more


def test_folded_code_says_what_it_holds(desktop: Opened) -> None:
    folds = desktop.page.locator(f"{CONTENT} .cell details > summary p.collapsed").all_text_contents()
    assert set(folds) <= {"Install on Colab", "Code of this figure", "Code for the figures", "Check"}
    if "chapter-opening" in desktop.page.content():
        assert folds[0] == "Install on Colab" and "Check" in folds
    for code in desktop.page.query_selector_all(f"{CONTENT} details.check"):
        assert not code.query_selector("pre").is_visible()
        assert code.query_selector("pre").text_content().startswith("assert ")


def test_every_icon_is_drawn(desktop: Opened) -> None:
    missing = desktop.page.evaluate(
        """() => [...document.querySelectorAll('.fa-solid, .fas, .fab, .fa-regular, .far')]
          .filter(icon => !getComputedStyle(icon).maskImage.startsWith('url'))
          .map(icon => icon.className)"""
    )
    assert missing == []


def test_a_page_describes_itself_where_it_is_shared(desktop: Opened) -> None:
    about = dict(
        desktop.page.evaluate(
            """[...document.querySelectorAll('meta[content]')].map(
              meta => [meta.getAttribute('property') || meta.name, meta.content])"""
        )
    )
    assert about["og:title"] == desktop.page.locator(f"{CONTENT} h1").inner_text().rstrip("#").strip()
    address = yaml.safe_load((ROOT / "_config.yml").read_text())["html"]["baseurl"]
    assert about["og:url"].removeprefix(address) == urlsplit(desktop.page.url).path.lstrip("/")
    assert (HTML / about["og:image"].removeprefix(address)).is_file()
    assert 20 < len(about["description"]) <= 202 and about["description"] == about["og:description"]
    icon = desktop.page.locator("link[rel=icon]").evaluate("link => link.href")
    assert (HTML / urlsplit(icon).path.lstrip("/")).is_file()


def load_all(page: Any) -> None:
    """Load the pictures that wait until they are scrolled to, all of the page's."""
    page.evaluate(
        """async content => {
          const waiting = [...document.querySelectorAll(content + ' img[loading=lazy]')];
          for (const img of waiting) img.loading = 'eager';
          await Promise.all(waiting.map(img => img.decode().catch(() => {})));
        }""",
        CONTENT,
    )


def test_pictures_are_there_and_described(desktop: Opened) -> None:
    load_all(desktop.page)
    for loaded, alt, source in desktop.page.evaluate(
        """content => [...document.querySelectorAll(content + ' img')].map(
          img => [img.complete && img.naturalWidth > 0, img.alt, img.src.slice(0, 80)])""",
        CONTENT,
    ):
        assert loaded, source
        assert alt and not alt.endswith((".png", ".jpg", ".jpeg")), source


def test_dark_mode_is_dark_turns_plots_over_and_leaves_pictures_alone(desktop: Opened) -> None:
    set_theme(desktop.page, "dark")
    background = desktop.page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(value) for value in background.split("(")[1].rstrip(")").split(",")[:3]]
    dark = desktop.page.evaluate(FILTERS, CONTENT)
    set_theme(desktop.page, "light")
    light = desktop.page.evaluate(FILTERS, CONTENT)
    assert max(channels) < 64
    assert {how for _, how in light} <= {"none"}
    assert all(how.startswith("invert(1)") == plot for plot, how in dark)
    assert {how for plot, how in dark if not plot} <= {"none"}


FILTERS = """content => [...document.querySelectorAll(content + ' img')].map(
    img => [Boolean(img.closest('.tag_plot')), getComputedStyle(img).filter])"""


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


# A chapter has ten thousand tokens of code in a dozen colours: each kind on each background is looked at once.
MARK_REPEATED_CODE = """content => {
  const seen = new Set();
  const background = element => {
    const own = getComputedStyle(element).backgroundColor;
    return own === 'rgba(0, 0, 0, 0)' && element.parentElement ? background(element.parentElement) : own;
  };
  for (const code of document.querySelectorAll(content + ' .highlight pre')) {
    if (!code.checkVisibility()) continue;
    const behind = background(code);
    const kinds = [code, ...code.querySelectorAll('*')].map(each => each.className + ' on ' + behind);
    code.toggleAttribute('data-like-another', kinds.every(kind => seen.has(kind)));
    kinds.forEach(kind => seen.add(kind));
  }
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_content_has_no_serious_barrier(desktop: Opened, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    set_theme(desktop.page, theme)
    # ipywidgets' own controls carry no names; the book's own figures do.
    context: Any = {"include": [[CONTENT]], "exclude": [[".widget-subarea"], ["[data-like-another]"]]}
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if theme == "dark":
        options["runOnly"] = ["color-contrast", "link-in-text-block"]  # what depends on colours
    desktop.page.evaluate(MARK_REPEATED_CODE, CONTENT)
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


def test_print_cuts_no_line_of_code_and_no_figure(paper: Opened) -> None:
    cut = paper.page.evaluate(
        """content => [...document.querySelectorAll(content + ' :is(pre, figure, img)')]
          .filter(each => each.checkVisibility())
          .filter(each => each.scrollWidth > each.clientWidth + 1 || each.getBoundingClientRect().right > innerWidth)
          .map(each => each.outerHTML.slice(0, 80))""",
        CONTENT,
    )
    assert cut == []


def test_displayed_formulas_stay_in_their_box_on_a_phone(phone: Opened) -> None:
    """A wide one scrolls by itself; what is under its right edge can be reached, by the keyboard too."""
    phone.page.wait_for_function(f"() => {REACHED} === {WIDE}")
    cut = phone.page.evaluate(
        """content => [...document.querySelectorAll(content + ' div.math mjx-container')].filter(formula => {
          let box = formula, inner = formula.querySelector('mjx-math').getBoundingClientRect();
          while (box && !['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) box = box.parentElement;
          const outer = box.getBoundingClientRect();
          const reached = outer.left + box.scrollWidth;
          return outer.right > innerWidth || inner.left < outer.left - 1 || inner.right > reached + 1;
        }).map(formula => formula.closest('[id]')?.id)""",
        CONTENT,
    )
    assert cut == []


def test_interactive_figures_fit_a_phone_and_can_be_touched(phone: Opened) -> None:
    for figure in phone.page.query_selector_all(f"{CONTENT} .styletut-figure"):
        box = figure.bounding_box()
        assert 0 < box["width"] <= PHONE["width"] and box["height"] > 0
        for control in figure.query_selector_all("input"):
            assert control.bounding_box()["height"] >= 24


FIGURES = f"{CONTENT} :is(figure, .cell_output) a.enlarge"


def test_every_picture_of_a_figure_opens_above_the_page(desktop: Opened) -> None:
    page, layer = desktop.page, desktop.page.locator("dialog.enlarged")
    for link in page.query_selector_all(FIGURES)[:1]:
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelector('dialog.enlarged img').complete")
        assert layer.get_attribute("open") is not None
        assert layer.locator("img").get_attribute("alt") == link.query_selector("img").get_attribute("alt")
        assert layer.locator("img").evaluate(
            "img => img.clientWidth > innerWidth / 2 || img.clientHeight > innerHeight / 2"
        )
        assert page.evaluate("document.activeElement.textContent") == "Close"
        page.keyboard.press("Escape")
        assert layer.get_attribute("open") is None
        assert link.evaluate("link => link === document.activeElement")
    inside = page.locator(f"{CONTENT} figure img, {CONTENT} .cell_output img")
    others = page.locator(f"{CONTENT} :is(.styletut-figure, .styletut-live, .widget-subarea) img")
    assert page.locator(f"{FIGURES} img").count() == inside.count() - others.and_(inside).count()
    assert desktop.errors == []


def test_an_enlarged_plot_can_be_read_and_scrolled_on_a_phone(browser: Any, site: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    opened = open_page(browser, site, "book/10-optimisers")
    page = opened.page
    page.set_viewport_size(PHONE)
    page.locator("#fig-optimisers-race a.enlarge").click()
    plot = page.locator("dialog.enlarged div")
    page.wait_for_function("() => document.querySelector('dialog.enlarged div').tabIndex === 0")
    assert plot.evaluate("box => box.scrollWidth >= 1000 && box.clientWidth <= 390")
    assert not page.get_by_role("button", name="Next").is_visible()  # a figure is by itself
    plot.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('dialog.enlarged div').scrollLeft > 0")
    found = Axe().run(page, context="dialog.enlarged").response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    page.locator("dialog.enlarged img").click()  # as the cursor says
    assert page.locator("dialog.enlarged").get_attribute("open") is None
    page.context.close()


GALLERY = f"{CONTENT} .styletut-gallery"


@pytest.fixture
def gallery(browser: Any, site: str) -> Iterator[Any]:
    """The page of the gallery."""
    opened = open_page(browser, site, "book/gallery")
    yield opened.page
    assert opened.elsewhere == [] and opened.errors == []
    opened.page.context.close()


def test_arrow_keys_and_buttons_lead_through_the_pictures_of_a_gallery(gallery: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    links, layer = gallery.locator(f"{GALLERY} a.enlarge"), gallery.locator("dialog.enlarged")
    names = [link.locator("img").get_attribute("alt") for link in links.all()]

    def shown() -> int:
        return names.index(layer.locator("img").get_attribute("alt"))

    links.nth(1).focus()
    gallery.keyboard.press("Enter")
    assert shown() == 1
    for key, expected in {"ArrowRight": 2, "ArrowLeft": 1, "Home": 1}.items():
        gallery.keyboard.press(key)
        assert shown() == expected
    layer.get_by_role("button", name="Previous").click()
    layer.get_by_role("button", name="Previous").click()
    assert shown() == len(names) - 1
    words = layer.locator("p").inner_text()
    assert names[-1] in words and "styletut sample:cameraman" in words and 'st.stylize(st.samples.load("cam' in words
    layer.locator("p code").first.click()  # to select it
    assert layer.get_attribute("open") is not None
    found = Axe().run(gallery, context="dialog.enlarged").response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    layer.get_by_role("button", name="Next").click()
    gallery.keyboard.press("ArrowRight")
    gallery.keyboard.press("Escape")
    assert links.nth(1).evaluate("link => link === document.activeElement")


@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_a_gallery_keeps_its_place_while_it_loads_and_its_pictures_are_whole(gallery: Any, width: int) -> None:
    gallery.set_viewport_size({"width": width, "height": 844})
    size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    before = gallery.evaluate(size)
    gallery.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    load_all(gallery)
    assert gallery.evaluate(size) == pytest.approx(before, abs=2) and before[0] == width
    for row in gallery.locator(f"{GALLERY} .pairs").all():
        boxes = [image.bounding_box() for image in row.locator(":is(.pair, .photograph) img").all()]
        assert len({round(box["y"]) for box in boxes}) == (2 if width == 390 else 1)  # lines
        heights = [box["height"] for box in boxes]
        assert 80 < min(heights) > max(heights) - 2
    for image in gallery.locator(f"{GALLERY} :is(.pair, .photograph) img").all():
        assert image.evaluate("img => Math.abs(img.width / img.height - img.naturalWidth / img.naturalHeight)") < 0.05


def test_a_gallery_opens_on_a_phone_as_wide_as_the_screen(gallery: Any) -> None:
    gallery.set_viewport_size(PHONE)
    gallery.locator(f"{GALLERY} .pair a").first.click()
    gallery.wait_for_function("() => document.querySelector('dialog.enlarged img').complete")
    box = gallery.locator("dialog.enlarged img").bounding_box()
    assert 340 < box["width"] <= PHONE["width"] and box["x"] >= 0
    assert gallery.locator("dialog.enlarged").evaluate("layer => layer.scrollWidth <= layer.clientWidth")


def test_a_gallery_needs_no_script(browser: Any, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/book/gallery.html")
    page.locator(f"{GALLERY} .pair a").first.click()
    page.wait_for_url("**/_images/*.webp")
    context.close()


def test_live_figures_are_offered_and_load_only_what_offers_them(desktop: Opened) -> None:
    figures = desktop.page.locator(f"{CONTENT} .styletut-live")
    for figure in figures.all():
        assert figure.get_by_role("button", name="Start").is_visible()
        assert figure.get_by_role("link", name="Fig.").first.is_visible()  # its still picture
    if not figures.count():
        return
    asked = desktop.page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert sorted(name.split("/")[-1] for name in asked if "/painter/" in name) == ["live.css", "live.js"]


def test_every_chapter_asks_and_has_one_right_option(desktop: Opened) -> None:
    asked = desktop.page.evaluate(
        """content => [...document.querySelectorAll(content + ' .styletut-predict')].map(box => [
          box.querySelector('legend').textContent,
          [...box.querySelectorAll('input[type=radio]')].map(option => option.value).join(''),
          box.querySelector('details').dataset.right ?? '',
        ])""",
        CONTENT,
    )
    assert all(question and right in options for question, options, right in asked)
    assert all(bool(options) == bool(right) for _, options, right in asked)
    assert any(options for _, options, _ in asked) == ("chapter-opening" in desktop.page.content())


@pytest.fixture
def chapter(browser: Any, site: str) -> Iterator[Any]:
    """A chapter with predictions of both kinds, and exercises, as nobody has touched it."""
    opened = open_page(browser, site, "book/02-pictures")
    yield opened.page
    assert opened.elsewhere == [] and opened.errors == []
    opened.page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_what_happens_is_shown_to_who_has_chosen_and_says_which_it_was(chapter: Any, width: int) -> None:
    chapter.set_viewport_size({"width": width, "height": 844})
    box = chapter.locator(".styletut-predict").first
    right = box.locator("details").get_attribute("data-right")
    box.get_by_text("Show what happens").click()
    assert not box.locator(".right").is_visible()
    assert box.get_by_role("status").inner_text() == "First choose one."
    options = box.get_by_role("radio")
    wrong = next(i for i in range(options.count()) if options.nth(i).input_value() != right)
    box.locator("label").nth(wrong).click()
    assert not box.locator(".right").is_visible()
    box.get_by_text("Show what happens").click()
    assert box.locator(".right").is_visible()
    assert box.locator(".happens input").input_value() == right
    assert box.get_by_role("status").inner_text() == f"You said {'abcd'[wrong]}; it is {right}."
    box.locator(f"input[value={right}]").check()
    assert box.get_by_role("status").inner_text() == f"You said {right}, and so it is."
    assert chapter.evaluate("document.documentElement.scrollWidth") <= width


def test_a_prediction_by_the_keyboard_is_still_there_when_the_page_is_opened_again(chapter: Any) -> None:
    box = chapter.get_by_role("group", name="A chessboard")
    first = box.get_by_role("radio").first
    first.focus()
    chapter.keyboard.press("Space")
    chapter.keyboard.press("ArrowDown")
    assert box.get_by_role("radio").nth(1).is_checked()
    chapter.keyboard.press("Tab")
    chapter.keyboard.press("Enter")
    right = chapter.locator(".styletut-predict", has=box).locator(".right")
    assert right.is_visible()
    chapter.reload()
    assert box.get_by_role("radio").nth(1).is_checked()
    assert not right.is_visible()


def test_a_prediction_in_words_is_written_first(chapter: Any) -> None:
    box = chapter.locator(".styletut-predict:has(textarea)").first
    box.get_by_text("Show what happens").click()
    assert box.get_by_role("status").inner_text() == "First write what you expect."
    box.get_by_label("Your prediction, in a sentence").fill("Blue.")
    box.get_by_text("Show what happens").click()
    assert box.locator("details > p").first.is_visible() and box.get_by_role("status").inner_text() == ""


@pytest.fixture
def sketch(browser: Any, site: str) -> Iterator[Any]:
    """The prediction of a chapter that is answered by a curve."""
    opened = open_page(browser, site, "book/08-three-losses")
    yield opened.page.locator(".styletut-predict:has(.sketch)")
    assert opened.elsewhere == [] and opened.errors == []
    opened.page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_curve_is_drawn_before_the_measured_one_is_shown(sketch: Any, width: int) -> None:
    page = sketch.page
    page.set_viewport_size({"width": width, "height": 844})
    sliders, measured = sketch.get_by_role("slider"), sketch.locator("polyline.measured")
    sketch.get_by_text("Show what happens").click()
    assert sketch.get_by_role("status").inner_text() == "First draw your curve."
    assert measured.get_attribute("points") is None and not sketch.locator(".key .measured").is_visible()
    plot = sketch.locator(".plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    corners = [box["x"] + 2, box["y"] + 2], [box["x"] + box["width"] - 2, box["y"] + box["height"] - 2]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=20)
    page.mouse.up()
    values = [float(slider.input_value()) for slider in sliders.all()]
    assert len(values) == 7 and values == sorted(values, reverse=True) and values[0] - values[-1] > 0.2
    sketch.get_by_text("Show what happens").click()
    stored = json.loads((ROOT / "book/results/08/front/results.json").read_text(encoding="utf-8"))["numbers"]
    losses = [row["style loss"] for row in stored if row["content"] == "coffee" and row["variation"] == 0]
    drawn = [float(point.split(",")[1]) for point in measured.get_attribute("points").split()]
    assert [0.3 * (100 - y) / 100 for y in drawn] == pytest.approx(losses)
    assert sketch.get_by_role("status").inner_text() == (
        f"Measured, from left to right: {', '.join(f'{loss:.2g}' for loss in losses)}."
    )
    assert sketch.locator(".key .measured").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.reload()
    assert [float(slider.input_value()) for slider in sliders.all()] == values
    assert measured.get_attribute("points") is None


def test_a_curve_is_drawn_by_the_keyboard(sketch: Any) -> None:
    last = sketch.get_by_role("slider", name="style loss at content weight 2.0")
    last.focus()
    for key, value in {"ArrowUp": "0.16", "End": "0.3", "ArrowDown": "0.29"}.items():
        sketch.page.keyboard.press(key)
        assert last.get_attribute("aria-valuetext") == value
    point = sketch.locator(".point").last
    assert point.evaluate("point => getComputedStyle(point).outlineStyle") == "solid"  # where the focus is
    assert point.get_attribute("style").endswith("bottom: 98%;")
    sketch.page.keyboard.press("Tab")
    sketch.page.keyboard.press("Enter")
    assert sketch.locator("polyline.measured").get_attribute("points") is not None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_curve_has_no_serious_barrier(sketch: Any, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    set_theme(sketch.page, theme)
    sketch.get_by_role("slider").first.press("ArrowUp")
    sketch.get_by_text("Show what happens").click()
    found = Axe().run(sketch.page, context={"include": [[".styletut-predict:has(.sketch)"]]}).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


def test_without_scripts_a_curve_is_sketched_on_paper(browser: Any, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/book/08-three-losses.html")
    assert page.locator(".sketch p").is_visible()
    context.close()


def test_an_exercise_is_checked_in_the_page(chapter: Any) -> None:
    box = chapter.locator("#ex-pictures-wrap")
    field, verdict = box.get_by_label("Your answer"), box.get_by_role("status")
    for answer, said in {
        "": "Not answered yet.",
        "255": "Not yet. That is what clamping gives, and what it should be. What happens without?",
        "7": "Not yet. It is too large.",
        "260 - 256": "Right.",
    }.items():
        field.fill(answer)
        assert verdict.inner_text() == ""
        field.press("Enter")
        assert verdict.inner_text() == said
    assert chapter.locator("#ex-pictures-deprocess .styletut-check").count() == 0  # a function


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_asked_and_answered_has_no_serious_barrier(chapter: Any, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    set_theme(chapter, theme)
    chapter.locator(".styletut-predict label").first.click()
    chapter.get_by_text("Show what happens").first.click()
    box = chapter.locator("#ex-pictures-wrap")
    box.get_by_label("Your answer").fill("4")
    box.get_by_role("button", name="Check").click()
    results = Axe().run(chapter, context={"include": [[".styletut-predict"], ["#ex-pictures-wrap"]]})
    assert [found["id"] for found in results.response["violations"] if found["impact"] in ("serious", "critical")] == []


def test_without_scripts_what_happens_is_in_a_plain_fold(browser: Any, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/book/02-pictures.html")
    box = page.locator(".styletut-predict").first
    box.locator("label").first.click()
    assert box.get_by_role("radio").first.is_checked()
    assert not box.locator(".right").is_visible()
    box.locator("summary").click()
    assert box.locator(".right").is_visible()
    assert page.locator("#ex-pictures-wrap .effort").is_visible() and page.locator(".styletut-check *").count() == 0
    page.emulate_media(media="print")
    assert page.locator(".styletut-predict .right").last.is_visible()
    context.close()


def test_the_page_of_exercises_has_them_all(browser: Any, site: str) -> None:
    opened = open_page(browser, site, "book/exercises")
    rows = opened.page.locator("table.exercises tbody tr:not(.part)")
    cells = [row.locator("td").all_inner_texts() for row in rows.all()]
    opened.page.context.close()
    asked = sum(path.read_text(encoding="utf-8").count("{exercise} ") for path in (ROOT / "book").glob("*.ipynb"))
    assert len(cells) == asked > 60
    assert {level for _, level, _ in cells} == {"easy", "medium", "hard"}
    assert all(1 <= int(minutes) <= 60 for _, _, minutes in cells)


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


COVER = f"{CONTENT} .styletut-cover"


@pytest.fixture
def landing(browser: Any, site: str) -> Iterator[Any]:
    """The landing page."""
    opened = open_page(browser, site, "book/intro")
    yield opened.page
    assert opened.elsewhere == [] and opened.missing == [] and opened.errors == []
    opened.page.context.close()


def test_the_landing_page_is_light(landing: Any) -> None:
    sizes = {path.name: path.stat().st_size for path in asked(landing)}
    assert {"intro.html", "hero.jpg", "cat.jpg", "cover.js", "bootstrap.css"} <= sizes.keys()
    assert not [name for name in sizes if name.endswith(".webp")]  # the other styles, until they are chosen
    assert sum(sizes.values()) < 1_300_000


@pytest.mark.parametrize("width", [1280, 390])
def test_the_cover_shows_the_style_that_is_chosen(landing: Any, width: int) -> None:
    landing.set_viewport_size({"width": width, "height": 844})
    painted = landing.locator(f"{COVER} .after img")
    slider = landing.get_by_role("slider", name="Move the divider")
    assert painted.bounding_box()["width"] > 0.7 * width
    landing.locator(f"{COVER} label", has_text="Mosaic").click()
    landing.wait_for_function(
        f"() => document.querySelector('{COVER} .after img').src.endsWith('cat-mosaic-large.webp')"
    )
    assert painted.evaluate("img => img.complete && img.naturalWidth === 1500")
    assert painted.get_attribute("alt") == "Chelsea the cat, painted after Tesserae in a bed of grout"
    assert slider.get_attribute("aria-valuetext") == "50 % photograph, 50 % Mosaic"
    landing.keyboard.press("ArrowRight")
    landing.wait_for_function(
        f"() => document.querySelector('{COVER} .after img').src.endsWith('cat-strokes-large.webp')"
    )
    assert landing.locator(f"{COVER} .after figcaption").inner_text() == "Strokes"
    slider.focus()
    landing.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "55 % photograph, 45 % Strokes"
    loaded = sorted(path.name for path in asked(landing) if path.suffix == ".webp")
    assert loaded == ["cat-mosaic-large.webp", "cat-strokes-large.webp"]
    assert landing.evaluate("document.documentElement.scrollWidth") == width


def test_the_cover_shows_the_style_that_was_chosen_last(landing: Any) -> None:
    """Though its picture came before that of another, which was chosen before."""
    held: list[Any] = []
    landing.route("**/cat-waves-large.webp", lambda route: held.append(route))
    landing.get_by_role("radio", name="Waves").check()
    landing.get_by_role("radio", name="Dots").check()
    landing.wait_for_function(f"() => document.querySelector('{COVER} .after img').src.endsWith('cat-dots-large.webp')")
    with landing.expect_request_finished(lambda request: request.url.endswith("cat-waves-large.webp")):
        held[0].continue_()
    landing.wait_for_timeout(200)  # to be shown, if it were
    assert landing.locator(f"{COVER} .after figcaption").inner_text() == "Dots"


def test_the_cover_works_from_a_file(browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{(HTML / 'book' / 'intro.html').as_uri()}")
    page.get_by_role("radio", name="The Harvest").check()
    page.wait_for_function(f"() => document.querySelector('{COVER} .after img').src.endsWith('cat-harvest-large.webp')")
    page.close()


def test_the_cover_is_one_picture_without_scripts_and_two_on_paper(browser: Any, site: str, landing: Any) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=DESKTOP)
    page = context.new_page()
    page.goto(f"{site}/book/intro.html")
    (painted,) = [image for image in page.locator(f"{COVER} img").all() if image.is_visible()]
    assert painted.get_attribute("src").endswith("hero.jpg") and painted.bounding_box()["width"] > 800
    context.close()
    landing.get_by_role("radio", name="Waves").check()
    landing.wait_for_function(
        f"() => document.querySelector('{COVER} .after img').src.endsWith('cat-waves-large.webp')"
    )
    landing.emulate_media(media="print")
    shown = [image for image in landing.locator(f"{COVER} img").all() if image.is_visible()]
    assert [image.get_attribute("src").rsplit("/")[-1] for image in shown] == ["cat.jpg", "cat-waves-large.webp"]


def test_search_excerpts_are_the_text_alone(browser: Any, site: str) -> None:
    opened = open_page(browser, site, "search")
    opened.page.goto(f"{site}/search.html?q=checkerboard", wait_until="networkidle")
    opened.page.wait_for_selector("#search-results li .context", timeout=20_000)
    excerpts = opened.page.locator("#search-results li .context").all_inner_texts()
    assert excerpts and not [text for text in excerpts if "Print to PDF" in text or ".ipynb .pdf" in text]
    opened.page.context.close()


@pytest.mark.parametrize(("words", "page"), [("preserve color", "control"), ("checkerboard", "three-losses")])
def test_search_knows_other_words_for_what_the_book_calls_its_own_way(
    browser: Any, site: str, words: str, page: str
) -> None:
    opened = open_page(browser, site, "search")
    opened.page.goto(f"{site}/search.html?q={words.replace(' ', '+')}", wait_until="networkidle")
    opened.page.wait_for_selector(f"#search-results li a[href*='{page}']", timeout=20_000)
    opened.page.context.close()


def test_the_index_of_names_fits_a_phone(browser: Any, site: str) -> None:
    opened = open_page(browser, site, "genindex")
    opened.page.set_viewport_size(PHONE)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    opened.page.context.close()


def test_search_works_without_a_network_connection(browser: Any, site: str) -> None:
    opened = open_page(browser, site, "search")
    opened.page.goto(f"{site}/search.html?q=gram", wait_until="networkidle")
    opened.page.wait_for_selector("#search-results li a", timeout=20_000)
    assert opened.elsewhere == []
    assert opened.page.locator("#search-results li a[href*='glossary']").count() >= 1
    opened.page.context.close()


def test_the_book_is_light() -> None:
    """The painter's scripts count by themselves: a reader asks for them, and for some once more."""
    sizes = {path.relative_to(HTML): path.stat().st_size for path in HTML.rglob("*") if path.is_file()}
    painter = {path.name: size for path, size in sizes.items() if path.parent.name == "painter"}
    assert sum(sizes.values()) - sum(painter.values()) < 60_000_000
    apart = {name: painter.pop(name) for name in ("weights-finer.js", "webgpu.js", "wasm.js")}
    assert sum(painter.values()) < 7_000_000
    assert apart["weights-finer.js"] < 13_000_000
    assert max(size for path, size in sizes.items() if path.suffix == ".html") < 4_000_000
    assert not [path for path in sizes if path.suffix == ".map" or path.parts[:2] == ("_static", "vendor")]
