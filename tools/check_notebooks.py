"""Execute notebooks as on Colab, in an empty folder and with what their first cell installs, and compare the outputs.

A stand-in `google.colab` is imported in every kernel and the source tree is out of reach, so that nothing of `styletut`
can be imported until the notebook's own first cell has installed it. A stand-in `pip` checks what that asks for, and
installs the wheel that was built a moment ago in place of the published one. nbval does the rest, side by side.

A live figure (`figures.live`) is played with twice, where it stands and after the last cell: every control goes to
every option and to both of its ends. There must be no error, and the pictures must be the same both times. The
solutions, which a reader notebook has as text, are executed after everything else.

    python tools/check_notebooks.py notebooks/01-first-transfer.ipynb notebooks/02-pictures.ipynb
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import nbformat
from reader_notebooks import append_solutions

ROOT = Path(__file__).resolve().parents[1]
CELL_SECONDS = 600  # a machine that is busy with other work can need five times the usual

NBVAL = ("-p", "nbval", "--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={CELL_SECONDS}")
PYTEST = ("-p", "no:cacheprovider", f"--timeout={CELL_SECONDS + 100}", "-c", str(ROOT / "pyproject.toml"))

# Runs when an interpreter starts: this is Colab, and there is no source tree.
SITECUSTOMIZE = """\
import os
import sys

import google.colab

sys.path[:] = [path for path in sys.path if not os.path.exists(os.path.join(path, "styletut", "py.typed"))
               or path == {site!r}]
"""

# `python -m pip` finds this one first; -I leads to the real one.
PIP = """\
import subprocess
import sys

if sys.argv[1:] != ["install", "--quiet", {wanted!r}]:
    sys.exit(f"the install cell asks for {{sys.argv[1:]}}")
real = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade"]
sys.exit(subprocess.call([*real, "--no-index", "--no-deps", "--target", {site!r}, {wheel!r}]))
"""


# After the cell of a live figure, and after all cells. The last of Out is what it showed; `_` may be the chapter's own.
PLAY = """\
def _played(live):
    pictures = {}
    for name, control in live.controls.items():
        if hasattr(control, "options"):
            values = [option[1] if isinstance(option, tuple) else option for option in control.options]
        else:
            values = [control.min, control.max] if hasattr(control, "max") else [control.value]
        for value in [*values, control.value]:
            control.value = value
            assert not live._status.value, f"{name} = {value!r}: {live._status.value}"
            pictures[name, value] = live._data
    return pictures


_live = Out[max(Out)]
_lives = [*globals().get("_lives", []), (_live, _played(_live))]
"""
PLAY_AGAIN = """\
for _live, _pictures in _lives:
    for _moved, _picture in _played(_live).items():
        assert _picture == _pictures[_moved], f"{_live}: another picture than at first with {_moved}"
"""


def with_play(notebook: Any) -> Any:
    """The notebook with cells that move the controls of its live figures."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code" and "figures.live(" in cell.source:
            cells.append(nbformat.v4.new_code_cell(PLAY))
    if len(cells) > len(notebook.cells):
        cells.append(nbformat.v4.new_code_cell(PLAY_AGAIN))
    notebook.cells = cells
    return notebook


def build_wheel(folder: Path) -> Path:
    """The wheel of this source tree, in ``folder``."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def stand_in(folder: Path, site: Path, wheel: Path) -> Path:
    """A folder for the front of the module path: `google.colab`, `pip`, and what runs at an interpreter's start."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = f"{project['name']}[notebook] @ git+{project['urls']['Repository']}"
    files = {
        "google/colab/__init__.py": "",
        "pip/__init__.py": "",
        "pip/__main__.py": PIP.format(wanted=wanted, site=str(site), wheel=str(wheel)),
        "sitecustomize.py": SITECUSTOMIZE.format(site=str(site)),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def main(paths: list[str]) -> int:
    """Check every notebook that is named; the exit status is pytest's."""
    for path in map(Path, paths):  # before the wheel is built
        if not path.is_file():
            sys.exit(f"no notebook at {path}; nothing was checked")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = folder / "site"
        site.mkdir()  # now: an interpreter that finds no folder at its start does not look again
        modules = stand_in(folder / "stand-in", site, build_wheel(folder / "wheel"))
        copies = []
        for path in map(Path, paths):
            own = folder / path.stem  # a folder for each: what one writes, the next must not find
            own.mkdir()
            nbformat.write(with_play(nbformat.read(path, as_version=4)), own / path.name)
            append_solutions(own / path.name)
            copies.append(str(own / path.name))
        environment = {"OMP_NUM_THREADS": "1"} | os.environ  # each notebook one, and several at a time
        environment["PYTHONPATH"] = os.pathsep.join([str(modules), str(site)])
        jobs = min(os.cpu_count() or 1, len(copies), 8)
        together = ("-n", str(jobs), "--dist", "loadfile") if jobs > 1 else ()
        command = [sys.executable, "-m", "pytest", *PYTEST, *NBVAL, *together, "--rootdir", name, "--durations=20"]
        command += copies
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
