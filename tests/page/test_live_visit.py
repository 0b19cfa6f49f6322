"""The live figures as a reader uses them: Chromium, ``file://``, no network, the real weights, no GPU, 24 pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_helpers import SOURCES, VENDORED

from styletut.page import build, figures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

HEAD = """<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>A chapter</title>
<style>body {{ margin: 0 auto; padding: 16px; max-width: 700px; font: 16px/1.6 sans-serif; }}
[data-theme=dark] body {{ color: #ced6dd; background: #14181e;
--pst-color-background: #14181e; --pst-color-surface: #222832;
--pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af; --pst-color-border: #48566b; }}</style>
<link rel="stylesheet" href="live.css"><script src="live.js" defer></script>
<main><h1>A chapter</h1>{figures}</main>"""
FIGURE = """<div class="styletut-live" id="live-{name}" data-figure="{name}" role="group"
aria-labelledby="live-{name}-question"><p class="question" id="live-{name}-question">Which {name}?</p>
<p class="doing">Change something.</p>
<p class="still"><img alt="A still of {name}" src="{still}">Compare Fig. 1.</p></div>"""
STILL = (SOURCES.parent / "images" / "live-texture.jpg").as_uri()
BEFORE = {"page.html", "live.css", "live.js", "live-texture.jpg"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the built book has in ``_static/painter``, with pictures of 24 pixels on a processor."""
    made: Path = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "SLOW_SIZE", 24)
        build.write(SOURCES, VENDORED, made)
    yield made


VALUES = """canvases => canvases.map((canvas) =>
Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data))"""
RECORD = """
window.said = [];
new MutationObserver(() => {
  for (const status of document.querySelectorAll("[id^=live-] .status"))
    said.push(status.closest("[id^=live-]").id + ": " + status.textContent);
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


class Visit:
    """A page with figures, what it asked for, and what went wrong."""

    def __init__(self, browser: Any, folder: Path, *names: str, theme: str = "light", **options: Any) -> None:
        (folder / "page.html").write_text(
            HEAD.format(theme=theme, figures="".join(FIGURE.format(name=name, still=STILL) for name in names)),
            encoding="utf-8",
        )
        self.context = browser.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(200_000)
        self.page.add_init_script(RECORD)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto((folder / "page.html").as_uri())

    @property
    def files(self) -> list[str]:
        """The names of the files that it asked for."""
        return [url.rsplit("/", 1)[-1] for url in self.asked if url.startswith("file:")]

    def figure(self, name: str) -> Any:
        return self.page.locator(f"#live-{name}")

    def press(self, name: str, text: str) -> None:
        self.page.evaluate("said.length = 0")
        self.figure(name).get_by_role("button", name=text).click()

    def until(self, name: str, text: str) -> str:
        """What the status of a figure says, once it says that."""
        status = self.figure(name).locator(".status", has_text=re.compile(text))
        status.wait_for()
        return str(status.inner_text())

    def said(self, name: str, text: str) -> None:
        """Wait until the status of a figure has said that since a button was pressed, however shortly."""
        self.page.wait_for_function(
            "([start, text]) => said.some(each => each.startsWith(start) && new RegExp(text).test(each))",
            arg=[f"live-{name}: ", text],
        )

    def step(self, name: str) -> int:
        status = self.figure(name).locator(".status").inner_text()
        found = re.search(r"(?:step|evaluation) (\d+)", status, re.IGNORECASE)
        assert found
        return int(found[1])

    def pixels(self, name: str) -> list[bytes]:
        """The values of every canvas of a figure, all read at one moment of a run that goes on."""
        return [bytes(values) for values in self.figure(name).locator("canvas").evaluate_all(VALUES)]

    def choose(self, name: str, box: Any) -> None:
        """Tick a box with which the runs begin anew, and wait for their first evaluation."""
        self.page.evaluate("said.length = 0")
        box.check()
        self.said(name, "first evaluation")
        self.until(name, "Evaluation [1-9]")

    def losses(self, name: str) -> str:
        return str(self.figure(name).locator("svg.curves").get_attribute("aria-label"))


def differ(pictures: list[bytes]) -> bool:
    """Whether two pictures are not the same, said in one word where they are compared."""
    one, other = pictures
    return one != other


@pytest.fixture
def visit(browser: Any, folder: Path) -> Iterator[Any]:
    opened: list[Visit] = []

    def visit(*names: str, **options: Any) -> Visit:
        opened.append(Visit(browser, folder, *names, **options))
        return opened[-1]

    yield visit
    for each in opened:
        each.context.close()


def test_only_the_offer_is_loaded_until_the_reader_starts_and_then_what_it_said(visit: Any, folder: Path) -> None:
    one = visit("texture")
    assert set(one.files) == BEFORE
    assert sum((folder / file).stat().st_size for file in ("live.css", "live.js")) < 12_000
    said = one.figure("texture").get_by_text(re.compile("Loads")).inner_text()
    one.press("texture", "Start")
    one.until("texture", "Step [1-9]")
    loaded = set(one.files) - BEFORE
    apart = loaded & {f"{name}.js" for name in build.BACKENDS}  # none where the library's own back end is chosen
    assert loaded - apart == {"figures.js", "tf.js", "engine.js", "weights.js", "samples.js"} and len(apart) <= 1
    megabytes = sum((folder / file).stat().st_size for file in loaded - {"figures.js"}) / 1e6
    told = re.search(r"Loads ([\d.]+) to ([\d.]+) MB once", said)
    assert told and float(told[1]) <= round(megabytes, 1) <= float(told[2])
    assert one.errors == [] and all(url.startswith(("file:", "data:", "blob:")) for url in one.asked)


def test_a_texture_is_paused_given_other_layers_continued_and_begun_again(visit: Any) -> None:
    one = visit("texture")
    one.press("texture", "Start")
    one.until("texture", "Step ([2-9]|[1-9][0-9])")
    assert one.page.evaluate("document.activeElement.textContent") == "Pause"
    one.page.keyboard.press("Enter")
    one.until("texture", "Paused at step")
    one.page.wait_for_timeout(3000)  # a step that had begun ends
    step, before = one.step("texture"), one.pixels("texture")[1]
    assert "Paused at step" in one.figure("texture").get_by_role("status").inner_text()
    boxes = {layer: one.page.get_by_label(layer) for layer in ("relu1_1", "relu2_1", "relu3_1", "relu4_1")}
    assert all(box.is_checked() for box in boxes.values())
    for layer in ("relu2_1", "relu3_1", "relu4_1"):
        boxes[layer].focus()
        one.page.keyboard.press("Space")
    one.page.wait_for_timeout(500)
    assert one.pixels("texture")[1] == before
    one.press("texture", "Go on")
    one.said("texture", f"Step {step + 1}")
    assert one.pixels("texture")[1] != before
    labels = one.figure("texture").locator(".box")
    assert re.search(r"\(\d", labels.nth(0).inner_text()) and "(" not in labels.nth(3).inner_text()

    # Nothing ticked is nothing to paint.
    boxes["relu1_1"].uncheck()
    one.until("texture", "Paused at step")
    assert one.figure("texture").get_by_role("alert").inner_text() == "Tick at least one layer."
    boxes["relu4_1"].check()
    one.figure("texture").get_by_role("alert").wait_for(state="hidden")
    one.press("texture", "Reset")
    one.said("texture", "Step 1,")
    assert re.match(r"Losses at step \d+: style", one.losses("texture"))
    assert one.errors == []


def test_three_losses_are_drawn_with_what_each_asks_for(visit: Any) -> None:
    one = visit("losses")
    one.press("losses", "Start")
    one.until("losses", "Step ([2-9]|[1-9][0-9])")
    panes = one.figure("losses").locator(".pane")
    texts = [pane.inner_text() for pane in panes.all()]
    assert [text.split("\n")[0].strip() for text in texts] == [
        "The picture", "Content asks", "Style asks", "Total variation asks"
    ]  # fmt: skip
    assert all(re.search(r"gradient’s length [1-9]|length 0\.\d", text) for text in texts[1:])
    assert [len({*values}) > 20 for values in one.pixels("losses")] == [True] * 4
    style = one.page.get_by_label("Weight of style")
    style.focus()
    one.page.keyboard.press("Home")
    assert style.get_attribute("aria-valuetext") == "off"
    one.figure("losses").locator(".pane", has_text=re.compile(r"Style asks\s+gradient’s length 0$")).wait_for()
    assert {*one.pixels("losses")[2]} == {128, 255}
    assert "content" in one.losses("losses")
    assert one.errors == []


def test_two_optimisers_race_evaluation_by_evaluation(visit: Any) -> None:
    one = visit("race")
    one.press("race", "Start")
    one.until("race", "Evaluation ([3-9]|[1-9][0-9])")
    one.press("race", "Pause")
    assert re.fullmatch(r"Losses at evaluation \d+: .*", one.losses("race"))
    assert "Adam" in one.losses("race") and "L-BFGS" in one.losses("race")
    assert differ(one.pixels("race"))
    rate = one.page.get_by_label("Rate of Adam")
    before = rate.get_attribute("aria-valuetext")
    rate.focus()
    one.page.keyboard.press("ArrowRight")
    assert before == "0.02" and rate.get_attribute("aria-valuetext") == "0.022"
    assert one.errors == []


def test_the_layers_of_a_transfer_have_sliders_and_say_how_far_off_they_are(visit: Any) -> None:
    one = visit("layers")
    one.press("layers", "Start")
    one.until("layers", "Step [1-9]")
    slider = one.page.get_by_label("Weight of relu1_1")
    assert re.fullmatch(r"0.2, off by [\d.e+-]+", slider.get_attribute("aria-valuetext"))
    slider.focus()
    one.page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext").startswith("off")
    assert one.errors == []


def test_a_photograph_is_rebuilt_anew_from_each_layer(visit: Any) -> None:
    one = visit("depth")
    still = one.page.get_by_role("img", name="A still of depth")
    assert still.is_visible()
    one.press("depth", "Start")
    one.until("depth", "Step ([2-9]|[1-9][0-9])")
    assert still.is_hidden()
    assert re.search(r"off by [\d.e+-]+ at its layer", one.figure("depth").locator(".pane").nth(1).inner_text())
    layers = one.figure("depth").get_by_role("radio")
    assert layers.count() == 5 and one.page.get_by_label("relu3_2").is_checked()
    one.press("depth", "Pause")
    one.page.get_by_label("relu4_1").check()
    one.said("depth", "Step 1,")
    assert re.match(r"Losses at step \d+: ", one.losses("depth"))
    assert not one.page.get_by_label("relu3_2").is_checked()
    assert one.errors == []


def test_two_starts_of_one_objective_stand_side_by_side(visit: Any) -> None:
    one = visit("starts")
    one.press("starts", "Start")
    one.until("starts", "Evaluation [1-9]")
    assert differ(one.pixels("starts"))
    group = {
        legend: one.figure("starts").get_by_role("group", name=legend)
        for legend in ("Left: start from", "Right: pooling")
    }
    assert group["Left: start from"].get_by_label("noise").is_checked()
    for name in ("the painting", "the photograph"):  # where the other one begins
        one.choose("starts", group["Left: start from"].get_by_label(name))
        assert differ(one.pixels("starts")) == (name == "the painting")
    one.choose("starts", group["Right: pooling"].get_by_label("average"))
    assert differ(one.pixels("starts"))
    assert one.errors == []


def test_a_second_figure_takes_the_engine_and_the_first_goes_on_from_its_picture(visit: Any) -> None:
    one = visit("texture", "layers")
    one.press("texture", "Start")
    one.until("texture", "Step [1-9]")
    one.press("layers", "Start")
    one.until("texture", "Paused at step")
    one.until("layers", "Step [1-9]")
    assert one.files.count("weights.js") == one.files.count("tf.js") == 1
    step, before = one.step("texture"), one.pixels("texture")[1]
    one.press("texture", "Go on")
    one.said("texture", f"Step {step + 1}")
    one.until("layers", "Paused at step")
    after = one.pixels("texture")[1]
    assert 0 < sum(abs(a - b) for a, b in zip(after, before, strict=True)) / len(after) < 40
    assert one.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_passes_the_accessibility_checker_and_fits_a_phone(visit: Any, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    one = visit("texture", "losses", theme=theme, viewport={"width": 390, "height": 844})
    for started in (False, True):
        if started:
            for name in ("texture", "losses"):
                one.press(name, "Start")
                one.until(name, "Step [1-9]")
        found = axe.Axe().run(one.page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []
        assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    for control in one.page.locator(".bench :is(button, .box, input[type=range])").all():
        assert control.bounding_box()["height"] >= 36


def test_without_scripts_and_in_print_the_question_and_its_still_picture_remain(visit: Any) -> None:
    one = visit("texture", java_script_enabled=False)
    assert one.page.get_by_text("Which texture?").is_visible()
    assert one.page.get_by_role("img", name="A still of texture").is_visible()
    assert one.page.get_by_role("button").count() == 0 and one.page.get_by_text("Change something.").is_hidden()
    other = visit("texture")
    assert other.page.get_by_role("button").count() == 1 and other.page.get_by_text("Change something.").is_visible()
    other.page.emulate_media(media="print")
    assert other.page.get_by_role("img", name="A still of texture").is_visible()
    assert other.page.get_by_role("button").count() == 0


def test_a_file_that_is_missing_is_named_and_can_be_tried_again(browser: Any, folder: Path, tmp_path: Path) -> None:
    for name in ("live.js", "live.css", "figures.js", "tf.js", "engine.js", "samples.js"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    one = Visit(browser, tmp_path, "texture")
    one.press("texture", "Start")
    one.page.get_by_text("weights.js could not be loaded").wait_for()
    (tmp_path / "weights.js").write_bytes((folder / "weights.js").read_bytes())
    one.press("texture", "Try again")
    one.until("texture", "Step [1-9]")
    one.context.close()
