"""The studio where it is used: a real JupyterLab and Notebook 7 on loopback, in Chromium, from upload to saved file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab_helpers import IN_LAB, PATIENCE, serving
from PIL import Image
from torch import Tensor

import styletut as st

pytestmark = IN_LAB

CELL = """\
import styletut as st
from styletut import vgg
studio = st.Studio(weights=vgg.random_weights(width=0.1), size=96, scales=((1.0, 100_000),))
studio
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "work").mkdir()
    return made


@pytest.fixture(params=["lab/tree", "notebooks"])
def page(request: pytest.FixtureRequest, folder: Path, browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A notebook that shows a studio, in JupyterLab and in Notebook 7."""
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [nbformat.v4.new_code_cell(source) for source in (CELL, "6 * 7")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=about), folder / "studio.ipynb")
    (home := tmp_path / "jupyter").mkdir()
    with serving(folder, home) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 1500})
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{address}/{request.param}/studio.ipynb?reset")
        page.wait_for_function(
            "(() => { const here = window.jupyterapp?.shell.currentWidget;"
            " return here?.context?.isReady && here.content?.activeCell; })()"
        )
        page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.ready }")
        if request.param == "lab/tree":
            page.evaluate("() => { window.jupyterapp.commands.execute('application:toggle-left-area') }")
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell-and-select-next') }")
        page.locator(".styletut-studio").wait_for()
        yield page
        page.close()


def press(page: Any, name: str) -> None:
    page.locator(".styletut-studio").get_by_role("button", name=name, exact=True).first.click()


def upload(page: Any, name: str, path: Path) -> None:
    with page.expect_file_chooser() as asked:
        page.locator(".styletut-studio").get_by_role("button", name=re.compile(f"Upload {name}")).click()
    asked.value.set_files(path)


def says(page: Any, text: str) -> None:
    page.locator(".styletut-status").get_by_text(text).first.wait_for()


def test_from_upload_to_saved_file(page: Any, folder: Path, photo: Tensor) -> None:
    studio = page.locator(".styletut-studio")
    shot = lambda name: page.screenshot(path=str(folder / f"{name}.png"))  # noqa: E731

    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    upload(page, "a photograph", folder / "broken.jpg")
    says(page, "broken.jpg")
    st.save_image(st.samples.load("coffee", 200), folder / "breakfast.png")
    upload(page, "a photograph", folder / "breakfast.png")
    studio.get_by_text("breakfast, 200 × 133").wait_for()
    press(page, "starry_night")
    says(page, "96 x 64 pixels, 100000 evaluations")
    shot("1-ready")

    press(page, "Start")
    studio.locator("polyline").first.wait_for()
    # The kernel is free meanwhile.
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1 }")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")
    page.locator(".jp-OutputArea-output").get_by_text("42", exact=True).wait_for()
    says(page, "painting 1")
    shot("2-painting")
    press(page, "Pause")
    says(page, "paused 1")
    steps = page.locator(".styletut-status .numbers").inner_text()
    weight = studio.get_by_label("content weight")
    weight.fill("5")
    weight.press("Enter")
    press(page, "Go on")
    says(page, "painting 2")
    studio.get_by_text("2 · fast").first.wait_for()
    assert "of 100000" in steps
    studio.locator(".styletut-status").get_by_text(re.compile(r"step [1-9]\d* of")).wait_for()
    press(page, "Stop")
    says(page, "done 2")
    cards = studio.locator(".styletut-card")
    assert cards.count() == 2 and "content weight" in cards.nth(0).inner_text()
    studio.locator(".stage .knob").wait_for()  # the divider
    cards.nth(0).get_by_role("button", name="Save").click()
    link = cards.nth(0).get_by_role("link", name="Download breakfast-starry_night.png")
    with page.expect_download() as download:
        link.click()
    shot("3-saved")
    saved = folder / "breakfast-starry_night.png"
    assert saved.read_bytes() == Path(download.value.path()).read_bytes()
    with Image.open(saved) as picture:
        manifest = json.loads(picture.text["styletut"])  # type: ignore[attr-defined]
    assert picture.size == (96, 64) and manifest["recipe"]["content_weight"] == 5.0

    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
    shot("4-dark")
