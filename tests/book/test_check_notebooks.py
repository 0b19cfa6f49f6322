"""Notebooks are checked as on Colab: what they need comes from their own first cell, and a difference is a failure."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import check_notebooks
import pytest
import run_notebooks
import wheel_files
from nbformat import v4
from test_book import INSTALL

import styletut

WHERE = """\
import pathlib

import styletut

assert "site" in pathlib.Path(styletut.__file__).parts, styletut.__file__
assert "google.colab" in sys.modules
assert list(pathlib.Path().glob("[!.]*")) == [pathlib.Path("one.ipynb")]
"""
LIVE = """\
import torch

import styletut as st

grey = {"dark": 0.2, "light": 0.8}


def draw(key, level, grey=grey):
    return torch.full((1, 3, 8, 8), level * grey[key])


st.figures.live(draw, key=["dark", "light"], level=(0.0, 1.0, 0.1))
"""
UNBOUND = LIVE.replace(", grey=grey", "")
TOO_EARLY = """\
import importlib.util

assert importlib.util.find_spec("styletut") is None
"""
SUM = "print(1 + 1)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return check_notebooks.build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_carries_all_files_of_the_package(wheel: Path) -> None:
    """The templates of the figures, the sample pictures and the stubs too."""
    package = Path(styletut.__file__).parent
    files = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in files if "__pycache__" not in name} <= set(archive.namelist())


def test_the_wheel_carries_the_experiments_and_what_they_gave(wheel: Path) -> None:
    book = Path(styletut.__file__).parents[1] / "book"
    wanted = {f"{wheel_files.TARGET}/{path.relative_to(book).as_posix()}" for path in wheel_files.travelling(book)}
    with zipfile.ZipFile(wheel) as archive:
        carried = {name for name in archive.namelist() if name.startswith(wheel_files.TARGET)}
    assert carried == wanted and f"{wheel_files.TARGET}/experiments/ch09_valleys.py" in wanted


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], wheel: Path
) -> Callable[..., tuple[int, str]]:
    """The exit status for a notebook of these cells, of which the last has stored the output "2"."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(check_notebooks, "build_wheel", lambda folder: wheel)

    def status(*sources: str) -> tuple[int, str]:
        cells = [v4.new_code_cell(source, execution_count=i) for i, source in enumerate(sources, 1)]
        cells[-1].metadata["tags"] = ["nbval-check-output"]
        cells[-1].outputs = [v4.new_output("stream", text="2\n")]
        path = tmp_path / "one.ipynb"
        run_notebooks.write(run_notebooks.normalise(v4.new_notebook(cells=cells)), path)
        code = check_notebooks.main([str(path)])
        return code, capfd.readouterr().out

    return status


@pytest.mark.timeout(900)  # each starts a pytest, a kernel and torch
@pytest.mark.parametrize(
    ("sources", "passes"),
    [
        ((TOO_EARLY, INSTALL, WHERE, SUM), True),
        ((INSTALL, "print(3)"), False),
        ((INSTALL.replace("[notebook]", ""), "import styletut", SUM), False),
        ((INSTALL, "_, kept = 1, 2", LIVE, "grey = {}", SUM), True),
        ((INSTALL, UNBOUND, "grey = {}", SUM), False),
        ((INSTALL, UNBOUND, 'grey = {"dark": 0.3, "light": 0.8}', SUM), False),
    ],
    ids=[
        "as on Colab",
        "another output",
        "another install cell",
        "a live figure with data of its own, after a cell that has a name for what it throws away",
        "a live figure whose data are gone",
        "a live figure whose data are others",
    ],
)
def test_a_notebook_passes_with_its_own_install_cell_and_its_stored_outputs(
    check: Callable[..., tuple[int, str]], sources: Sequence[str], passes: bool
) -> None:
    code, out = check(*sources)
    assert (code == 0) is passes, out
