"""The page "Paint your own" as a reader uses it: Chromium, ``file://``, no network, the real weights, no GPU."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_helpers import SOURCES, VENDORED
from PIL import Image

from styletut import recipes
from styletut.cli.manifest import read_manifest
from styletut.cli.recipe import named_recipe
from styletut.page import build, scripts

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

# What a page may not do from file:// (read the clipboard, reach into a worker) is watched from the inside.
WATCHED = """
window.copied = [];
Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => void copied.push(text) } });
const Real = window.Worker;
window.workers = [];
window.Worker = function (...given) { const made = new Real(...given); workers.push(made); return made; };
"""
PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Paint your own</title>
<style>body {{ margin: 0 auto; padding: 16px; max-width: 700px; font: 16px/1.6 sans-serif; }}
[data-theme=dark] body {{ color: #ced6dd; background: #14181e;
--pst-color-background: #14181e; --pst-color-surface: #222832;
--pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af; --pst-color-border: #48566b; }}</style>
<main><h1>Paint your own</h1><h2>The painter</h2>
<div class="styletut-painter"><p class="without">The painter needs JavaScript.</p></div></main>
<link rel="stylesheet" href="painter.css"><script src="painter.js" defer></script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The painter's files, with a page in each theme."""
    made: Path = tmp_path_factory.mktemp("painter")
    build.write(SOURCES, VENDORED, made)
    for theme in ("light", "dark"):
        (made / f"{theme}.html").write_text(PAGE.format(theme=theme), encoding="utf-8")
    return made


PIXELS = """() => { const canvas = document.querySelector("canvas.after");
const { width, height } = canvas;
return [height, width, Array.from(canvas.getContext("2d").getImageData(0, 0, width, height).data)]; }"""


def as_picture(values: list[Any]) -> np.ndarray:
    return np.array(values[2], dtype=float).reshape(values[0], values[1], 4)[..., :3] / 255


class Visit:
    """A page, what it asked for, and what went wrong."""

    def __init__(self, browser: Any, folder: Path, theme: str = "light", script: str = WATCHED, **options: Any) -> None:
        self.context = browser.new_context(offline=True, accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(200_000)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(script)
        self.page.goto((folder / f"{theme}.html").as_uri())

    @property
    def files(self) -> set[str]:
        """The names of the files that it asked for."""
        return {url.rsplit("/", 1)[-1] for url in self.asked if url.startswith("file:")}

    def open(self, size: str = "64") -> None:
        self.page.get_by_role("button", name="Open the painter").click()
        self.page.get_by_label("Size").select_option(size)

    def begin(self) -> None:
        self.page.get_by_role("button", name="Start painting").click()

    def until(self, text: str) -> str:
        """What the status says, once it says that."""
        status = self.page.locator(".status", has_text=re.compile(text))
        status.wait_for()
        return str(status.inner_text())

    def reach(self, step: int) -> np.ndarray:
        """The picture at the moment when so many steps are taken."""
        found = self.page.wait_for_function(
            "step => Number(/step (\\d+)/i.exec(document.querySelector('.status').textContent)?.[1]) >= step"
            f" && ({PIXELS})()",
            arg=step,
        )
        return as_picture(found.json_value())

    def step(self) -> int:
        found = re.search(r"step (\d+)", self.page.locator(".status").inner_text(), re.IGNORECASE)
        assert found
        return int(found[1])

    def picture(self) -> np.ndarray:
        """The pixels of the canvas, in 0 to 1."""
        return as_picture(self.page.evaluate(PIXELS))

    def backends(self) -> list[str]:
        """Those that can be chosen; the automatic choice comes first."""
        options = self.page.locator("#painter-backend option")
        made: list[str] = options.evaluate_all("options => options.map((option) => option.value)")
        assert self.page.locator("#painter-backend").input_value() == made[0]
        return made

    def close(self) -> None:
        self.context.close()


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square difference of two pictures of one size."""
    assert a.shape == b.shape
    return float(np.sqrt(((a - b) ** 2).mean()))


@pytest.fixture
def visit(browser: Any, folder: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    opened: list[Visit] = []

    def visit(**options: Any) -> Visit:
        opened.append(Visit(browser, folder, **options))
        return opened[-1]

    yield visit
    for each in opened:
        each.close()


def test_nothing_is_loaded_until_the_reader_asks_and_then_only_files_beside_the_page(visit: Any) -> None:
    one = visit()
    assert one.files == {"light.html", "painter.css", "painter.js"}
    one.open()
    one.until(f"64 × 43 pixels, {recipes.get('fast').steps} steps: about .* of memory")
    asked = {"light.html", "painter.css", "painter.js", "tf.js", "engine.js", "weights.js", "samples.js"}
    backend = one.page.locator("#painter-backend").input_value()
    assert one.files == asked | ({f"{backend}.js"} if backend in build.BACKENDS else set())
    assert all(url.startswith(("file:", "data:", "blob:")) for url in one.asked)
    assert one.errors == []


def test_a_run_is_paused_changed_continued_saved_and_copied(visit: Any, tmp_path: Path) -> None:
    one = visit()
    one.open()
    photograph = one.picture()
    one.begin()
    one.until("Step ([2-9]|[1-9][0-9])")
    one.page.get_by_role("button", name="Pause").click()
    one.until("Paused at step")
    one.page.wait_for_timeout(8000)  # a step that had begun ends
    before, step = one.picture(), one.step()
    assert before.shape == (22, 32, 3) and photograph.shape[0] > 100
    assert "Paused at step" in one.page.get_by_role("status").inner_text()

    # Another weight: the run goes on from its picture, one small step at a time.
    slider = one.page.get_by_label("Hold on to the photograph")
    slider.focus()
    for _ in range(6):
        one.page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "0.79"
    one.page.wait_for_timeout(1000)
    one.page.get_by_role("button", name="Go on").click()
    after = one.reach(step + 1)
    one.page.get_by_role("button", name="Pause").click()
    assert 0 < distance(before, after) < 4 / 255

    # What is saved says so.
    with one.page.expect_download() as download:
        one.page.get_by_role("button", name="Save PNG").click()
    path = tmp_path / "painted.png"
    download.value.save_as(path)
    recipe = scripts.recipe("fast").replace(size=64, content_weight=named_recipe(str(path)).content_weight)
    assert recipe.content_weight == pytest.approx(0.794, rel=0.001)
    assert named_recipe(str(path)) == recipe
    made = read_manifest(str(path))
    assert made["stopped"] == "interrupted" and made["inputs"]["styles"] == [{"name": "sample:starry_night"}]
    assert set(made["losses"]) == {"content/relu4_1", *(f"style/relu{i}_1" for i in range(1, 5)), "total"}
    assert Image.open(path).size == (32, 22)

    one.page.get_by_role("button", name="Copy as Python").click()
    one.page.get_by_role("button", name="Copy as command").click()
    python, command = one.page.evaluate("copied")
    assert 'st.samples.load("cat")' in python and "size=64" in python
    assert command.startswith("styletut sample:cat sample:starry_night -r fast") and "--size 64" in command
    label = one.page.locator("svg.curves").get_attribute("aria-label")
    assert re.match(r"Losses at step \d+: .*total \d", label) and "content" in label and "style" in label
    ids = one.page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(set(ids)) == len(ids)
    assert one.errors == []


@pytest.mark.parametrize("reason", ["context", "memory"])
def test_a_lost_context_and_a_lack_of_memory_are_survived(visit: Any, reason: str) -> None:
    one = visit()
    one.open()
    one.begin()
    one.until("Step [1-9]")
    failed = {"kind": "failed", "reason": reason, "message": "what the browser says"}
    one.page.evaluate(
        "message => { const last = workers.at(-1); last.onmessage({ data: message }); last.terminate(); }", failed
    )
    alert = one.page.get_by_role("alert")
    assert "The picture is kept; Go on continues from it." in alert.inner_text()
    assert {"context": "graphics chip was taken away", "memory": "not enough memory"}[reason] in alert.inner_text()
    before, step = one.picture(), one.step()
    one.page.get_by_role("button", name="Go on").click()
    assert 0 < distance(before, one.reach(step + 1)) < 4 / 255
    assert alert.is_hidden()


def test_the_deeper_layers_are_a_download_of_their_own_and_then_count(visit: Any) -> None:
    one = visit()
    one.open()
    one.page.locator("summary").click()
    assert one.page.get_by_label("relu5_1", exact=True).count() == 0 and "weights-finer.js" not in one.files
    one.page.get_by_label("Depth").select_option("relu5_1")
    one.page.get_by_label("relu5_1", exact=True).wait_for()
    one.page.get_by_label("Recipe").select_option("gram")
    assert "weights-finer.js" in one.files
    assert one.page.get_by_label("relu5_1", exact=True).get_attribute("aria-valuetext") == "0.2"
    assert one.page.get_by_label("Content compared at").input_value() == "relu4_2"
    one.begin()
    one.until("Step [1-9]")
    assert one.errors == [] and one.page.get_by_role("alert").count() == 0


def test_without_a_worker_the_page_itself_paints(visit: Any) -> None:
    one = visit(script="window.Worker = function () { throw new Error('refused'); };")
    one.open()
    one.begin()
    assert "in this page’s own thread" in one.until("Step [1-9]")


# A graphics chip that promises WebGPU and refuses it; and no worker, so that it is this page's own that counts.
REFUSING = """window.Worker = function () { throw new Error('refused'); };
const chip = { info: { isFallbackAdapter: false }, features: new Set(), limits: {} };
chip.requestDevice = async () => { throw new Error("no device"); };
navigator.gpu.requestAdapter = async () => chip;"""


def test_without_a_graphics_chip_webassembly_is_chosen_and_another_can_be(visit: Any) -> None:
    one = visit()
    one.open()
    offered = one.backends()
    if offered[0] not in ("wasm", "cpu"):
        pytest.skip("this machine has a graphics chip")
    assert offered[:2] == ["wasm", "cpu"]
    one.until(r"Computed on the processor \(WebAssembly\)")
    one.begin()
    one.until(r"Step [1-9].* on the processor \(WebAssembly\)")
    one.page.locator("summary").click()
    one.page.get_by_label("Computed on").select_option("cpu")
    step = one.step()
    one.until(r"on the processor \(JavaScript\)")
    one.reach(step + 1)
    assert one.errors == [] and one.page.get_by_role("alert").count() == 0


def test_a_back_end_that_is_refused_gives_way_to_the_next(visit: Any) -> None:
    one = visit(script=REFUSING)
    one.open()
    one.begin()
    one.until("Step [1-9]")
    assert "webgpu.js" in one.files
    backend = one.page.locator("#painter-backend")
    assert backend.input_value() != "webgpu"
    one.page.locator("summary").click()
    backend.select_option("webgpu")
    alert = one.page.get_by_role("alert")
    alert.wait_for()
    assert re.match(r"The graphics chip \(WebGPU\) does not work here: computed on the ", alert.inner_text())
    step = one.step()
    one.reach(step + 1)
    assert backend.input_value() != "webgpu"


def test_a_back_end_whose_script_is_missing_gives_way_to_the_next(browser: Any, folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.stem not in build.BACKENDS:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    one = Visit(browser, tmp_path)
    one.open()
    one.until("Computed on the (processor .JavaScript|graphics chip .WebGL)")
    one.begin()
    one.until("Step [1-9]")
    one.close()


def test_webgpu_paints_and_where_it_loses_its_device_another_goes_on(visit: Any) -> None:
    one = visit(script="window.Worker = function () { throw new Error('refused'); };")
    one.open()
    if "webgpu" not in one.backends():
        pytest.skip("this Chromium has no WebGPU")
    assert one.backends()[0] == "webgpu" or "webgpu.js" not in one.files
    one.page.locator("summary").click()
    one.page.get_by_label("Computed on").select_option("webgpu")
    one.begin()
    one.until("Step [1-9].* WebGPU")
    assert "webgpu.js" in one.files
    one.page.evaluate("styletutLibrary.backend().device.destroy()")
    alert = one.page.get_by_role("alert")
    alert.wait_for()
    assert "The picture is kept; Go on continues from it." in alert.inner_text()
    assert "graphics chip was taken away" in alert.inner_text()
    before, step = one.picture(), one.step()
    one.page.get_by_role("button", name="Go on").click()
    assert 0 < distance(before, one.reach(step + 1)) < 4 / 255
    assert "WebGPU" not in one.until("Step")


def test_a_picture_of_ones_own_is_read_turned_and_painted(visit: Any) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (60, 90), (20, 160, 60)).save(file, "JPEG", exif=exif)
    one = visit()
    one.open()
    upload = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}
    one.page.locator("#painter-content").set_input_files(upload)
    one.until("64 × 43 pixels")
    assert one.picture().shape == (60, 90, 3)
    assert "mine.jpg" in one.page.get_by_role("region", name="Photograph").inner_text()
    upload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    one.page.locator("#painter-style").set_input_files(upload)
    alert = one.page.get_by_role("alert")
    alert.wait_for()
    assert "That picture cannot be read" in alert.inner_text()
    assert "The Starry Night" in one.page.get_by_role("region", name="Painting").inner_text()


def test_the_keyboard_compares_and_says_how_far(visit: Any) -> None:
    one = visit()
    one.open()
    divider = one.page.get_by_role("slider", name="Compare with the photograph")
    assert divider.count() == 0
    one.begin()
    divider.wait_for()
    divider.focus()
    one.page.keyboard.press("ArrowRight")
    assert divider.get_attribute("aria-valuetext") == "1 % photograph, 99 % painting"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_painter_passes_the_accessibility_checker_and_fits_a_phone(visit: Any, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    one = visit(theme=theme, viewport={"width": 390, "height": 844})
    for opened in (False, True):
        if opened:
            one.open()
            one.page.locator("summary").click()
        found = axe.Axe().run(one.page).response["violations"]
        assert [
            (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")
        ] == []
        assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    for control in one.page.locator(".studio :is(button, select, .button)").all():
        assert control.bounding_box()["height"] >= 40


def test_without_scripts_a_sentence_says_what_is_missing(browser: Any, folder: Path) -> None:
    one = Visit(browser, folder, script="", java_script_enabled=False)
    assert one.page.get_by_text("The painter needs JavaScript.").is_visible()
    assert one.page.get_by_role("button").count() == 0
    one.close()
    other = Visit(browser, folder)
    assert other.page.get_by_text("The painter needs JavaScript.").is_hidden()
    other.close()


def test_a_file_that_is_missing_is_named_and_can_be_tried_again(browser: Any, folder: Path, tmp_path: Path) -> None:
    for name in ("light.html", "painter.js", "painter.css", "tf.js", "engine.js", "samples.js"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    one = Visit(browser, tmp_path)
    one.page.get_by_role("button", name="Open the painter").click()
    one.page.get_by_text("weights.js could not be loaded").wait_for()
    (tmp_path / "weights.js").write_bytes((folder / "weights.js").read_bytes())
    one.page.get_by_role("button", name="Try again").click()
    one.until("of memory")
    one.close()
