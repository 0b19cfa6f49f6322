"""Notebooks where readers run them: a real JupyterLab and a real Notebook on loopback, in headless Chromium.

`make browser` runs it. Skipped where Chromium or the notebook package (which brings JupyterLab) is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest
import run_notebooks
from lab_helpers import IN_LAB, PATIENCE, serving

pytestmark = IN_LAB

SETUP = """\
import torch
from torch.nn import functional as F
import styletut as st
from styletut import figures, vgg

coarse = torch.rand(8, 3, 6, 9, generator=torch.Generator().manual_seed(0))
pictures = F.interpolate(coarse, size=(200, 300), mode="bicubic").clamp(0, 1).split(1)
tiny = vgg.random_weights(width=0.1)
network = vgg.VGG(["relu1_1", "relu2_1"], weights=tiny)

def features(layer, channel):
    return network(pictures[0])[layer][:, channel : channel + 1].expand(1, 3, -1, -1).clamp(0, 1)
"""
FIGURES = {
    "divider": 'figures.divider(pictures[0], pictures[1], ("photograph", "painting"))',
    "frames": 'figures.frames(pictures, [f"step {i}" for i in range(8)])',
    "hover": 'figures.hover(pictures[:3], ["first", "second", "third"])',
    "grid": 'figures.grid([pictures[:3], pictures[3:6]], ["low", "high"], [1, 2, 3], ("weight", "depth"))',
    "live": 'figures.live(features, layer=["relu1_1", "relu2_1"], channel=(0, 5))',
    "live page": (
        'figures.live(features, layer=["relu1_1", "relu2_1"], channel=(0, 5), '
        'page={"layer": ["relu1_1", "relu2_1"], "channel": [0, 2, 5]})'
    ),
    "stylize": "result = st.stylize(*pictures[:2], weights=tiny, scales=((0.5, 20_000), (1.0, 20_000)))",
    "stopped": "result.stopped",
}
CELLS = ["setup", *FIGURES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server for JupyterLab (/lab) and Notebook (/notebooks), with settings of its own."""
    with serving(folder, tmp_path_factory.mktemp("jupyter")) as address:
        yield address


class Notebook:
    """An open notebook."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page, self.path = page, path
        self.during: dict[str, Any] = {}  # what a run in progress showed

    def output(self, name: str) -> Any:
        return self.page.locator(".jp-CodeCell").nth(CELLS.index(name)).locator(".jp-Cell-outputArea")

    def do(self, command: str, *, wait: bool = True) -> None:
        call = f"window.jupyterapp.commands.execute({command!r})"
        self.page.evaluate(f"async () => {{ await {call} }}" if wait else f"() => {{ {call} }}")

    @property
    def active_cell(self) -> int:
        return int(self.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex"))

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until something holds that the page does not tell by an event."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "waited too long"
            self.page.wait_for_timeout(100)


@pytest.fixture(scope="module")
def opened(server: str, browser: Any) -> Iterator[Callable[[str, Path], Notebook]]:
    pages = []

    def opened(front: str, path: Path) -> Notebook:
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE)
        pages.append(page)
        # Not with what another page left open: its style sheets would be in this one.
        page.goto(f"{server}/{'lab/tree' if front == 'lab' else 'notebooks'}/{path.name}?reset")
        page.wait_for_function(
            "(() => { const here = window.jupyterapp?.shell.currentWidget;"
            " return here?.context?.isReady && here.content?.activeCell; })()"
        )
        page.locator(".jp-CodeCell").nth(len(CELLS) - 1).wait_for(state="attached")
        return Notebook(page, path)

    yield opened
    for page in pages:
        page.close()


@pytest.fixture(scope="module", params=["lab", "notebook"])
def played(request: pytest.FixtureRequest, opened: Any, folder: Path) -> Notebook:
    """A notebook that was run from top to bottom, and stopped by its own button while it painted."""
    cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, *FIGURES.values())]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    path = folder / f"{request.param}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=about), path)
    notebook: Notebook = opened(request.param, path)
    notebook.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.ready }")
    notebook.do("notebook:run-all-cells", wait=False)
    output = notebook.output("stylize")
    output.locator("polyline").first.wait_for()
    notebook.during |= output.evaluate(  # at once, because the page changes under our hands
        """output => ({
          outputs: output.querySelectorAll(".jp-OutputArea-output").length,
          widths: [...output.querySelectorAll("img[alt='The picture so far']")].map(e => e.clientWidth),
          text: output.innerText,
        })"""
    )
    output.screenshot(path=str(folder / f"{request.param}.png"))
    output.get_by_role("button", name="Stop").click()
    notebook.output("stopped").get_by_text("'interrupted'").wait_for()
    notebook.do("docmanager:save")
    return notebook


@pytest.fixture(scope="module")
def reopened(played: Notebook, opened: Any, folder: Path) -> Notebook:
    """The notebook as it was saved, still trusted, with a kernel that has run nothing."""
    path = folder / f"reopened-{played.path.name}"
    path.write_bytes(played.path.read_bytes())
    notebook: Notebook = opened(played.path.stem, path)
    return notebook


@pytest.fixture(scope="module")
def untrusted(played: Notebook, opened: Any, folder: Path) -> Notebook:
    """The notebook as someone else gets it."""
    saved = nbformat.read(played.path, as_version=4)
    saved.cells[0].source += "\n"  # the signature is one of another content
    path = folder / f"untrusted-{played.path.name}"
    nbformat.write(saved, path)
    notebook: Notebook = opened(played.path.stem, path)
    return notebook


# --------------------------------------------------------------------------- figures


def test_keys_move_the_figure_and_not_the_cell(played: Notebook) -> None:
    for name in ("divider", "frames", "hover", "grid"):
        played.output(name).click(position={"x": 2, "y": 2})
        cell = played.active_cell
        assert cell == CELLS.index(name)
        for control in played.output(name).locator("input[type=range]").all():
            control.focus()
            played.page.keyboard.press("Home")
            for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
                before = control.get_attribute("aria-valuetext")
                played.page.keyboard.press(key)
                assert played.active_cell == cell
                assert control.get_attribute("aria-valuetext") != before
        radios = played.output(name).locator("input[type=radio]").all()
        if radios:
            radios[0].focus()
            for key, chosen in (("ArrowDown", 1), ("ArrowRight", 2), ("ArrowUp", 1)):
                played.page.keyboard.press(key)
                assert radios[chosen].is_checked() and played.active_cell == cell


def test_a_letter_typed_in_a_figure_does_nothing_to_the_cell(played: Notebook) -> None:
    played.output("frames").get_by_role("slider").focus()
    count = played.page.locator(".jp-Cell").count()
    for key in "xdda":  # JupyterLab cuts, deletes and inserts cells with these
        played.page.keyboard.press(key)
    assert played.page.locator(".jp-Cell").count() == count


def test_the_play_button_is_pressed_by_its_keys(played: Notebook) -> None:
    button = played.output("frames").get_by_role("button")
    for key in ("Enter", " "):
        button.focus()
        before = button.get_attribute("aria-label")
        played.page.keyboard.press(key)
        assert button.get_attribute("aria-label") != before
    assert played.output("frames").get_by_role("slider").evaluate("e => e.closest('.styletut-figure').isConnected")


def test_the_knob_of_a_divider_is_round(played: Notebook) -> None:
    box = played.output("divider").locator(".knob svg").bounding_box()
    assert (round(box["width"]), round(box["height"])) == (40, 40)


def test_every_control_of_a_live_figure_draws_anew(played: Notebook) -> None:
    output = played.output("live")
    picture = output.locator("img")

    def changes(act: Callable[[], object]) -> None:
        before = picture.get_attribute("src")
        act()
        played.wait(lambda: picture.get_attribute("src") != before)

    handle, choices = output.get_by_role("slider"), output.locator("select")
    handle.click()
    cell = played.active_cell
    played.page.keyboard.press("Escape")  # to where the arrow keys are the host's, and move the cell
    for control, keys in (
        (handle, ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft")),
        (choices, ("ArrowDown", "ArrowUp")),
    ):
        for key in keys:
            control.focus()
            changes(partial(played.page.keyboard.press, key))
            assert played.active_cell == cell == CELLS.index("live")
    assert "layer relu1_1" in picture.get_attribute("alt")


def test_a_live_figure_with_a_page_has_its_controls_where_a_kernel_runs(played: Notebook) -> None:
    output = played.output("live page")
    output.locator("select").wait_for()
    assert output.locator(".styletut-figure").count() == 0 and output.locator("img").count() == 1
    (saved,) = nbformat.read(played.path, as_version=4).cells[CELLS.index("live page")].outputs
    assert set(saved.data) == {run_notebooks.WIDGET_VIEW, "text/html", "text/plain"}


# --------------------------------------------------------------------------- the run


def test_a_run_shows_one_picture_beside_its_loss_and_its_button_stops_it(played: Notebook) -> None:
    during = played.during
    assert (during["outputs"], during["widths"]) == (1, [320])
    assert "of 40000" in during["text"] and "loss" in during["text"]


def test_a_run_leaves_one_plain_line_in_the_saved_notebook(played: Notebook) -> None:
    (output,) = nbformat.read(played.path, as_version=4).cells[CELLS.index("stylize")].outputs
    assert list(output.data) == ["text/plain"]
    assert "of 40000 steps in" in output.data["text/plain"]
    assert played.output("stylize").locator("img, button").count() == 0


# --------------------------------------------------------------------------- opened again, or by someone else


def test_a_reopened_notebook_shows_its_pictures_and_no_dead_widget(reopened: Notebook) -> None:
    for name in ("divider", "frames", "hover", "grid"):
        reopened.output(name).locator("img").first.wait_for()
    reopened.output("stylize").get_by_text("of 40000 steps in").wait_for()
    for name in ("divider", "frames", "hover", "grid", "stylize"):  # a live figure needs its kernel
        assert reopened.output(name).locator(".jupyter-widgets").count() == 0


def test_an_untrusted_notebook_shows_one_picture_and_says_how_to_play(untrusted: Notebook) -> None:
    for name in ("divider", "frames", "hover", "grid", "live page"):
        output = untrusted.output(name)
        output.get_by_text("Run this cell").wait_for()
        shown = [picture for picture in output.locator("img").all() if picture.is_visible()]
        assert len(shown) == (2 if name == "divider" else 1)
        assert not any(control.is_visible() for control in output.locator("input, button").all())
        assert output.bounding_box()["height"] < 500
    picture = untrusted.output("live").locator("img")
    picture.wait_for()
    assert picture.count() == 1
