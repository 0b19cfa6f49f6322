"""The book keeps its own rules: every chapter is executed and complete, and every value is the same everywhere."""

from __future__ import annotations

import ast
import base64
import copy
import io
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import address
import nbformat
import numpy as np
import pytest
import reader_notebooks
import run_notebooks
import styletut_book
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from matplotlib.figure import Figure
from nbclient.exceptions import CellExecutionError
from nbformat import v4
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from PIL import Image

import styletut
from styletut.page import figures as figures_module

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
REPOSITORY = PROJECT["urls"]["Repository"]

INSTALL = f"""\
# @title On Colab, install styletut here; anywhere else this cell does nothing.
import glob
import importlib.util
import subprocess
import sys

on_colab = "google.colab" in sys.modules
if on_colab and importlib.util.find_spec("styletut") is None:
    uploaded = [f"{{wheel}}[notebook]" for wheel in glob.glob("styletut-*.whl")]
    published = "styletut[notebook] @ git+{REPOSITORY}"
    package = [*uploaded, published][0]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", package]
    if subprocess.run(pip, capture_output=True).returncode:
        class NotInstalled(Exception):
            _render_traceback_ = lambda self: [str(self)]  # one line is enough

        raise NotInstalled(
            f"pip could not install {{package}}. Make a wheel (`make wheel` in a "
            "copy of the project), upload it to the files on the left, and run "
            "this cell again."
        )
    importlib.invalidate_caches()
"""

MAX_BYTES = 1_500_000
MAX_LINES = 15
MAX_FOLDED_LINES = 26  # nobody reads them in passing
MAX_COLUMNS = 80  # what a page on a laptop shows without scrolling a cell sideways
OPENING = ("**What you will learn**", "**What you need first**", "**Time to read**", "**Time to run**")
CLOSING = ["Summary", "What to read next", "References"]
PICTURES = ("image/png", "image/jpeg")
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
MACHINE = re.compile(r"\bat 0x[0-9a-f]{6,}|/(?:home|root|tmp|Users)/\w")


# ---------------------------------------------------------------------- what a chapter may not be: one rule a function


def kernel_and_format(notebook: Any) -> list[str]:
    found = []
    if notebook.metadata.get("kernelspec") != run_notebooks.KERNELSPEC:
        found.append(f"kernel metadata must be {run_notebooks.KERNELSPEC}")
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        found.append("must be nbformat 4.5")
    return found


def execution(notebook: Any) -> list[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if None in counts:
        return [f"cell never executed: {head(code_cells(notebook)[counts.index(None)])}"]
    if counts != list(range(1, len(counts) + 1)):
        return [f"cells executed out of order: {counts}"]
    return []


def outputs(notebook: Any) -> list[str]:
    found = []
    for cell in code_cells(notebook):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if any(output.output_type == "error" for output in cell.outputs):
            found.append(f"error in the output: {head(cell)}")
        if any(output.get("name") == "stderr" for output in cell.outputs):
            found.append(f"text on stderr in the output: {head(cell)}")
        if "image/svg+xml" in kinds:
            found.append(f"SVG in the output, use PNG or JPEG: {head(cell)}")
        if "nbval-check-output" in cell.metadata.get("tags", []) and cell.source.rstrip().endswith(";"):
            found.append(f"nbval does not heed a semicolon at the end of a compared cell: {head(cell)}")
        if not cell.outputs and must_show(cell):
            found.append(f"output missing: {head(cell)}")
        if MACHINE.search(repr([{k: v for k, v in o.items() if k != "metadata"} for o in text_outputs(cell)])):
            found.append(f"address or path of one machine in the output: {head(cell)}")
        if run_notebooks.WIDGET_VIEW in kinds and "widgets" not in notebook.metadata:
            found.append(f"widget without stored state: {head(cell)}")
        for_the_page = {*PICTURES, "text/html"}
        if any(run_notebooks.WIDGET_VIEW in o.get("data", {}) and for_the_page & {*o.data} for o in cell.outputs):
            found.append(
                f"controls that no kernel answers beside their picture, run it with make notebooks: {head(cell)}"
            )
    return found


def figures(notebook: Any) -> list[str]:
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found += [f"picture without alt text: {head(cell)}" for _ in re.findall(r"!\[\s*\]\(", cell.source)]
            continue
        shown = cell.get("outputs", [])
        for output in shown:
            for tag in re.findall(r"<img\b[^>]*>", "".join(output.get("data", {}).get("text/html", ""))):
                if not re.search(r'\balt="[^"]+"', tag):
                    found.append(f"HTML picture without alt text: {head(cell)}")
        still = [o for o in shown if any(kind in o.get("data", {}) for kind in PICTURES)]
        pictures = still + [o for o in shown if "styletut-figure" in "".join(o.get("data", {}).get("text/html", ""))]
        if not pictures:
            continue
        about = cell.metadata.get("mystnb", {})
        if still and not about.get("image", {}).get("alt"):  # the others describe themselves
            found.append(f"figure without alt text: {head(cell)}")
        if not about.get("figure", {}).get("caption"):
            found.append(f"figure without caption: {head(cell)}")
        if not about.get("figure", {}).get("name", "").startswith("fig-"):
            found.append(f"figure without a name fig-...: {head(cell)}")
        png = any("image/png" in output.get("data", {}) for output in still)
        if png and len({"plot", "own-colours"}.intersection(cell.metadata.get("tags", []))) != 1:
            found.append(f"tag it `plot` (drawn anew for dark pages) or `own-colours`: {head(cell)}")
        if len(pictures) > 1:
            found.append(f"more than one figure in a cell: {head(cell)}")
    return found


def cell_size(notebook: Any) -> list[str]:
    found = []
    for cell in code_cells(notebook):
        if cell.source.strip() == INSTALL.strip():  # as wide as the address in it
            continue
        lines = cell.source.splitlines()
        most = MAX_FOLDED_LINES if folded(cell) else MAX_LINES
        if len(lines) > most:
            found.append(f"{len(lines)} lines, at most {most}: {head(cell)}")
        if max(map(len, lines), default=0) > MAX_COLUMNS:
            found.append(f"a line is longer than {MAX_COLUMNS} characters: {head(cell)}")
    return found


def install_cell(notebook: Any) -> list[str]:
    first = next(iter(code_cells(notebook)), None)
    if first is None or first.source.strip() != INSTALL.strip():
        return [f"the first code cell must be exactly:\n{INSTALL}"]
    hidden = "hide-cell" in first.metadata.get("tags", []) and first.metadata.get("cellView") == "form"
    return [] if hidden else ["the first code cell needs the tag hide-cell and the metadata cellView: form"]


def opening_and_closing(notebook: Any) -> list[str]:
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    first, whole = text[0] if text else "", "\n\n".join(text)
    found = [] if re.match(r"# \S", first) else ["the first cell must be the title, '# ...'"]
    found += [f"the opening block lacks {label}" for label in OPENING if label not in first]
    learn = first.partition(OPENING[0])[2].partition(OPENING[1])[0]
    if learn.count("\n- ") != 3:
        found.append("the opening block must list three things to learn")
    run = first.partition(OPENING[3])[2]
    if "CPU" not in run or "GPU" not in run:
        found.append("the time to run must be given for CPU and GPU")
    prose = re.sub(r"(?ms)^(`{3,}|:{3,}).*?^\1\s*$", "", whole)
    if len(re.findall(r"(?m)^# ", prose)) != 1:
        found.append("a chapter has one title; sections are '## ...'")
    if re.findall(r"(?m)^## (.*)$", prose)[-3:] != CLOSING:
        found.append(f"a chapter ends with the sections {CLOSING}")
    return found


def exercises(notebook: Any) -> list[str]:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    asked = re.findall(r"\{exercise(?:-start)?\}.*\n:label: (\S+)", text)
    solved = re.findall(r"\{solution(?:-start)?\} (\S+)\n:class: dropdown", text)
    efforts = r":label: (\S+)\n:difficulty: (?:easy|medium|hard)\n:minutes: [1-9]\d*\n"
    rated = re.findall(efforts, text)
    found = [] if len(asked) >= 3 else [f"{len(asked)} exercises, at least three"]
    found += [f"exercise without a difficulty and minutes: {label}" for label in asked if label not in rated]
    return found + [f"exercise without a hidden solution: {label}" for label in asked if label not in solved]


PREDICT = re.compile(r"^```\{predict\}\n(.*?)\n```$", re.S | re.M)
SKETCH = re.compile(r"\A(?::[a-z]+: .*\n)+\n")  # where the curve is stored, and its axes


def predictions(notebook: Any) -> list[str]:
    """Each chapter asks for one at least; where there are options, one of them is what happens."""
    texts = [text for cell in notebook.cells if cell.cell_type == "markdown" for text in PREDICT.findall(cell.source)]
    parts = [reader_notebooks.prediction_parts(SKETCH.sub("", text)) for text in texts]
    found = [] if any(options for _, options, _ in parts) else ["no prediction with options"]
    for question, options, outcome in parts:
        right = sum(ticked for _, ticked, _ in options)
        if "?" not in question or not outcome:
            found.append(f"a prediction is a question, and what happens: {question[:60]!r}")
        if options and (right != 1 or not 3 <= len(options) <= 4):
            found.append(f"{right} of {len(options)} options ticked, one of three or four must be: {question[:60]!r}")
    return found


LIVE = re.compile(r"```\{live\} (\S+)\n\n(.*?)\n```", re.S)


def live_figures(notebook: Any) -> list[str]:
    """Who has no scripts, and who prints, sees a still picture, and is told which figure of the chapter is like it."""
    found: list[str] = []
    shown: set[str | None] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown.add(cell.metadata.get("mystnb", {}).get("figure", {}).get("name"))
            continue
        for name, text in LIVE.findall(cell.source):
            question, *_, still = text.split("\n\n")
            if not question.endswith("?"):
                found.append(f"live figure {name} must begin with its question")
            if not re.match(rf"!\[\w[^]]+\]\(images/live-{name}\.jpg\)\n", still):
                found.append(f"live figure {name} must end with its still picture, which has an alt text")
            if not {*re.findall(r"\{numref\}`([\w-]+)`", still)} & shown:
                found.append(f"live figure {name} must end with a figure above it to compare")
    return found


RULES: tuple[Callable[[Any], list[str]], ...] = (
    kernel_and_format,
    execution,
    outputs,
    figures,
    cell_size,
    install_cell,
    opening_and_closing,
    exercises,
    predictions,
    live_figures,
)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_outputs(cell: Any) -> list[Any]:
    """The outputs without their pictures, whose base64 may contain anything."""
    kept = copy.deepcopy(cell.outputs)
    for output in kept:
        for kind in (*PICTURES, "text/html"):
            output.get("data", {}).pop(kind, None)
    return list(kept)


def folded(cell: Any) -> bool:
    """Whether none of a cell's code is in sight: a figure's or a glued number's, or nothing but assertions."""
    tags = cell.metadata.get("tags", [])
    check = styletut_book.check_begins(cell.source)
    only_checks = check > 0 and not "".join(cell.source.splitlines()[: check - 1]).strip()
    return only_checks or not {"hide-input", "hide-cell", "remove-cell"}.isdisjoint(tags)


def head(cell: Any) -> str:
    return repr(cell.source.strip().split("\n")[0][:60])


def must_show(cell: Any) -> bool:
    """Whether a cell's source promises an output: it checks one, captions one, prints, or ends in a plain value."""
    if "nbval-check-output" in cell.metadata.get("tags", []) or "mystnb" in cell.metadata:
        return True
    body = ast.parse(TransformerManager().transform_cell(cell.source)).body  # it knows %magics
    if not body or not isinstance(body[-1], ast.Expr) or cell.source.rstrip().endswith(";"):
        return False
    value = body[-1].value
    return not isinstance(value, ast.Call) or ast.unparse(value.func) in ("print", "display")


# ------------------------------------------------------------------------------------------ the chapters, and the rules


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_chapter_follows_the_rules(path: Path, rule: Callable[[Any], list[str]]) -> None:
    found = rule(nbformat.read(path, as_version=4))
    assert not found, f"{path.name}: " + "; ".join(found)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_small_and_stored_normalised(path: Path) -> None:
    assert path.stat().st_size <= MAX_BYTES, f"{path.name}: {path.stat().st_size:,} bytes"
    notebook = nbformat.read(path, as_version=4)
    assert run_notebooks.normalise(copy.deepcopy(notebook)) == notebook, "run `make notebooks`"


def sound_chapter() -> Any:
    """A small notebook that keeps every rule."""
    opening = (
        "# Title\n\nA question?\n\n```{admonition} Before you start\n\n**What you will learn**\n- a\n- b\n- c\n\n"
        "**What you need first**: nothing\n\n**Time to read**: 1 minute\n\n**Time to run**: 1 s CPU, 1 s GPU\n```"
    )
    labels = ("ex-a", "ex-b", "ex-c")
    effort = ":difficulty: easy\n:minutes: 1"
    asked = "\n\n".join(f"```{{exercise}} Do\n:label: {name}\n{effort}\n\nDo.\n```" for name in labels)
    asked = f"```{{predict}}\nWhich?\n\n- [ ] A\n- [x] B\n- [ ] C\n\nB.\n```\n\n{asked}"
    solved = "\n\n".join(f"```{{solution}} {name}\n:class: dropdown\n\nDone.\n```" for name in labels)
    picture = v4.new_output("display_data", {"image/png": DOT})
    about = {"image": {"alt": "a dot"}, "figure": {"caption": "A dot.", "name": "fig-dot"}}
    cells = [
        v4.new_markdown_cell(opening),
        v4.new_code_cell(INSTALL.strip(), execution_count=1, metadata={"tags": ["hide-cell"], "cellView": "form"}),
        v4.new_code_cell("plot()", execution_count=2, outputs=[picture], metadata={"mystnb": about, "tags": ["plot"]}),
        v4.new_code_cell("x = 1\nprint(x)", execution_count=3, outputs=[v4.new_output("stream", text="1\n")]),
        v4.new_markdown_cell(f"## Exercises\n\n{asked}\n\n{solved}\n\n" + "\n\n".join(f"## {t}" for t in CLOSING)),
    ]
    return run_notebooks.normalise(v4.new_notebook(cells=cells))


def set_in(*path: Any, to: Any) -> Callable[[Any], None]:
    """A change to a notebook: the thing at this path becomes that."""

    def change(notebook: Any) -> None:
        for key in path[:-1]:
            notebook = notebook[key]
        notebook[path[-1]] = to

    return change


def interactive(notebook: Any) -> Any:
    """The cell of the figure, which is one to play with now: it describes itself."""
    cell = notebook.cells[2]
    cell.outputs[0].data = {"text/html": '<div class="styletut-figure" role="group" aria-label="a dot"></div>'}
    cell.metadata.mystnb.pop("image", None)
    return cell


def replaced(index: int, old: str, new: str) -> Callable[[Any], None]:
    """A change to a notebook: in one of its cells, that stands in place of this."""

    def change(notebook: Any) -> None:
        assert old in notebook.cells[index].source
        notebook.cells[index].source = notebook.cells[index].source.replace(old, new)

    return change


def live(*parts: str) -> str:
    """The Markdown of a live figure."""
    return "```{live} texture\n\n" + "\n\n".join(parts) + "\n```"


ERROR = nbformat.from_dict({"output_type": "error", "ename": "E", "evalue": "", "traceback": []})
BROKEN: dict[str, tuple[Callable[[Any], None], str]] = {
    "other kernel": (set_in("metadata", "kernelspec", "name", to="conda-env"), "kernel metadata"),
    "never executed": (set_in("cells", 2, "execution_count", to=None), "never executed"),
    "out of order": (set_in("cells", 2, "execution_count", to=7), "out of order"),
    "output missing": (set_in("cells", 3, "outputs", to=[]), "output missing"),
    "figure missing": (set_in("cells", 2, "outputs", to=[]), "output missing"),
    "compared semicolon": (
        set_in("cells", 3, to=v4.new_code_cell("1;", execution_count=3, metadata={"tags": ["nbval-check-output"]})),
        "semicolon",
    ),
    "error": (set_in("cells", 3, "outputs", to=[ERROR]), "error in the output"),
    "stderr": (set_in("cells", 3, "outputs", 0, "name", to="stderr"), "stderr"),
    "address": (set_in("cells", 3, "outputs", 0, "text", to="<f at 0x7fd64a0b5e40>"), "of one machine"),
    "svg": (set_in("cells", 2, "outputs", 0, "data", to={"image/svg+xml": "<svg/>"}), "SVG"),
    "no alt text": (set_in("cells", 2, "metadata", "mystnb", "image", to={}), "without alt text"),
    "no caption": (set_in("cells", 2, "metadata", "mystnb", "figure", to={"name": "fig-a"}), "without caption"),
    "figure that does not say how it looks in the dark": (set_in("cells", 2, "metadata", "tags", to=[]), "tag it"),
    "figure in both ways": (set_in("cells", 2, "metadata", "tags", to=["plot", "own-colours"]), "tag it"),
    "interactive figure without caption": (
        lambda notebook: interactive(notebook).metadata.mystnb.figure.pop("caption"),
        "without caption",
    ),
    "interactive figure without a name": (
        lambda notebook: interactive(notebook).metadata.mystnb.figure.pop("name"),
        "without a name fig-",
    ),
    "picture beside an interactive figure": (
        lambda notebook: interactive(notebook).outputs.append(v4.new_output("display_data", {"image/png": "iVBO"})),
        "more than one figure",
    ),
    "empty html alt": (
        set_in("cells", 2, "outputs", 0, "data", to={"text/html": '<img src="x" alt="">'}),
        "HTML picture without alt",
    ),
    "live figure without its still picture": (
        set_in("cells", 4, "source", to=live("Which?", "Do.", "See {numref}`fig-dot`.")),
        "must end with its still picture",
    ),
    "live figure whose still picture says nothing": (
        set_in("cells", 4, "source", to=live("Which?", "Do.", "![](images/live-texture.jpg)\nSee {numref}`fig-dot`.")),
        "must end with its still picture",
    ),
    "live figure without a figure to compare": (
        set_in(
            "cells", 4, "source", to=live("Which?", "Do.", "![Dots](images/live-texture.jpg)\n{numref}`fig-later`.")
        ),
        "must end with a figure above it",
    ),
    "live figure without a question": (
        set_in("cells", 4, "source", to=live("This.", "Do.", "![Dots](images/live-texture.jpg)\n{numref}`fig-dot`.")),
        "must begin with its question",
    ),
    "long cell": (set_in("cells", 3, "source", to="x = 1\n" * 16), "16 lines"),
    "long folded cell": (set_in("cells", 3, "source", to="assert 1\n" * 27), "27 lines, at most 26"),
    "wide cell": (set_in("cells", 3, "source", to=f"x = '{'y' * 75}'"), "longer than 80"),
    "other install cell": (set_in("cells", 1, "source", to="%pip install styletut"), "must be exactly"),
    "install cell open": (set_in("cells", 1, "metadata", "tags", to=[]), "needs the tag"),
    "no opening": (set_in("cells", 0, "source", to="# Title"), "opening block lacks"),
    "no closing": (set_in("cells", 4, "source", to="## Summary"), "ends with"),
    "no exercises": (set_in("cells", 4, "source", to="## Summary"), "0 exercises"),
    "exercise without minutes": (replaced(4, ":minutes: 1\n", ""), "without a difficulty and minutes: ex-a"),
    "exercise of no time": (replaced(4, ":minutes: 1", ":minutes: 0"), "without a difficulty and minutes: ex-a"),
    "exercise of no difficulty": (replaced(4, "easy", "trivial"), "without a difficulty and minutes: ex-a"),
    "no prediction": (replaced(4, "{predict}", "{tip}"), "no prediction with options"),
    "prediction with two right options": (replaced(4, "[ ] A", "[x] A"), "2 of 3 options ticked"),
    "prediction with two options": (replaced(4, "- [ ] C\n", ""), "1 of 2 options ticked"),
    "prediction without a question": (replaced(4, "Which?", "This."), "a prediction is a question"),
    "prediction without what happens": (replaced(4, "\n\nB.\n", "\n"), "a prediction is a question"),
}


def test_a_sound_chapter_passes_every_rule() -> None:
    notebook = sound_chapter()
    assert [found for rule in RULES for found in rule(notebook)] == []


def test_an_interactive_figure_needs_no_other_alt_text() -> None:
    interactive(notebook := sound_chapter())
    assert figures(notebook) == []


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_chapter_is_refused(change: Callable[[Any], None], message: str) -> None:
    notebook = sound_chapter()
    change(notebook)
    assert any(message in found for rule in RULES for found in rule(notebook))


def test_a_widget_without_its_state_is_refused() -> None:
    notebook = sound_chapter()
    view = {run_notebooks.WIDGET_VIEW: {"model_id": "a" * 32, "version_major": 2, "version_minor": 0}}
    notebook.cells[3].outputs = [v4.new_output("display_data", view)]
    assert any("without stored state" in found for found in outputs(notebook))


def test_live_controls_beside_their_picture_are_refused() -> None:
    notebook = live_notebook("a" * 32)
    assert any("no kernel answers" in found for found in outputs(notebook))
    assert outputs(run_notebooks.normalise(notebook)) == []


# -------------------------------------------------------------------------------------------------- one book, one value


def toc_files() -> list[str]:
    def walk(node: Any) -> list[str]:
        if isinstance(node, list):
            return [name for item in node for name in walk(item)]
        own = [node[key] for key in ("root", "file") if key in node]
        return own + [name for key in ("parts", "chapters", "sections") for name in walk(node.get(key, []))]

    return walk(yaml.safe_load((ROOT / "_toc.yml").read_text()))


def test_every_page_is_in_the_table_of_contents_once() -> None:
    pages = [path for kind in ("*.md", "*.ipynb") for path in BOOK.rglob(kind) if "_vendor" not in path.parts]
    there = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in pages if ".ipynb_" not in str(path))
    assert sorted(toc_files()) == there


def test_chapters_come_in_the_order_of_their_numbers() -> None:
    numbered = [name for name in toc_files() if re.match(r"book/\d\d-", name)]
    assert numbered == sorted(numbered)


def test_every_live_figure_has_one_place_in_the_book() -> None:
    placed = [name for path in CHAPTERS for name, _ in LIVE.findall(notebook_text(path))]
    assert sorted(placed) == sorted(figures_module.figures())


def notebook_text(path: Path) -> str:
    """The Markdown of a chapter."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_figure_names_and_exercise_labels_are_unique_in_the_book() -> None:
    names: Counter[str] = Counter()
    for path in CHAPTERS:
        for cell in nbformat.read(path, as_version=4).cells:
            names.update(re.findall(r"(?m)^:label: (\S+)", cell.source if cell.cell_type == "markdown" else ""))
            names.update(filter(None, [cell.metadata.get("mystnb", {}).get("figure", {}).get("name")]))
    assert [name for name, count in names.items() if count > 1] == []


def test_one_repository_address_everywhere() -> None:
    assert CONFIG["repository"]["url"] == REPOSITORY
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["repository-code"] == REPOSITORY
    name = re.escape(REPOSITORY.rsplit("/", 1)[1])
    for path in address.places():
        for found in re.findall(rf"https://github\.com/[\w.-]+/{name}\b", path.read_text(encoding="utf-8")):
            assert found == REPOSITORY, f"{path.name}: {found}"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(BOOK.rglob("*.md")), *CHAPTERS])
def test_no_page_installs_the_package_from_an_index_that_does_not_have_it(page: Path) -> None:
    asked = re.findall(r"pip install [^\n`]*styletut[^\n`]*", page.read_text())
    assert [command for command in asked if "git+" not in command and ".whl" not in command] == []


def test_the_instructions_show_the_install_cell_as_it_is() -> None:
    shown = re.sub(r"(?m)^   ", "", (ROOT / "CONTRIBUTING.md").read_text())
    assert INSTALL.strip() in shown


COLAB = """\
import importlib.util
import subprocess
import sys
import types

sys.modules["google.colab"] = types.ModuleType("google.colab")
importlib.util.find_spec = lambda name: None
asked = []


def run(command, **options):
    asked.append(command)
    return types.SimpleNamespace(returncode={status})


subprocess.run = run
"""


@pytest.mark.parametrize("uploaded", [False, True])
def test_the_install_cell_takes_the_wheel_that_was_uploaded(uploaded: bool) -> None:
    wheel = "open('styletut-0.1.0-py3-none-any.whl', 'w').close()\n" if uploaded else ""
    show = "print(asked)"
    notebook = v4.new_notebook(cells=list(map(v4.new_code_cell, (wheel + COLAB.format(status=0), INSTALL, show))))
    run_notebooks.execute(notebook)
    package = "styletut-0.1.0-py3-none-any.whl[notebook]" if uploaded else f"styletut[notebook] @ git+{REPOSITORY}"
    assert notebook.cells[2].outputs[0].text.count("'install'") == 1
    assert f"'--quiet', {package!r}]" in notebook.cells[2].outputs[0].text


def test_an_install_that_fails_says_in_one_line_what_to_do_and_stops() -> None:
    cells = list(map(v4.new_code_cell, (COLAB.format(status=1), INSTALL, "print('not reached')")))
    with pytest.raises(CellExecutionError):
        run_notebooks.execute(notebook := v4.new_notebook(cells=cells))
    (output,) = notebook.cells[1].outputs
    assert len(output.traceback) == 1 and "\n" not in output.traceback[0]
    assert "pip could not install styletut[notebook]" in output.traceback[0] and "`make wheel`" in output.traceback[0]
    assert notebook.cells[2].outputs == []


# ---------------------------------------------------------------------- where it is published


def test_the_address_can_be_changed_everywhere_at_once(tmp_path: Path) -> None:
    for path in address.places():
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    before = address.present(tmp_path)
    address.main(["https://github.com/Someone/styletut-fork.git"], tmp_path)
    assert address.present(tmp_path) == (
        "https://github.com/Someone/styletut-fork",
        "https://someone.github.io/styletut-fork/",
    )
    texts = {path: path.read_text(encoding="utf-8") for path in address.places(tmp_path)}
    assert len(texts) > 40 and not [path for path, text in texts.items() if any(old in text for old in before)]
    for name in ("book/01-first-transfer.ipynb", "notebooks/01-first-transfer.ipynb"):
        assert "@ git+https://github.com/Someone/styletut-fork" in texts[tmp_path / name]
        nbformat.validate(nbformat.reads(texts[tmp_path / name], as_version=4))
    address.main(list(before), tmp_path)  # and back
    for path in address.places():
        assert (tmp_path / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["https://example.org/styletut"], "give https://github.com/OWNER/NAME"),
        (["github.com/me/styletut"], "give https://github.com/OWNER/NAME"),
        (["https://github.com/me/styletut", "me.github.io"], "must be like https://OWNER.github.io/NAME/"),
        ([], "Say where the project is published"),
    ],
)
def test_an_address_that_is_none_changes_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=re.escape(message)):
        address.main(arguments, tmp_path)


def test_no_file_names_another_address_of_the_project() -> None:
    """Nor is there a file that names it and that `make address` would pass by."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    known = set(address.places())
    for path in [ROOT / name for name in listed.stdout.split("\0") if name]:
        if path.suffix in (".py", ".jpg", ".png", ".js", ".npz") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        if any(old in text for old in address.present()):
            assert path in known, path


def test_what_the_workflow_calls_is_there() -> None:
    """It cannot be run here; what it makes, and where it looks for it, can be looked up."""
    workflow = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    called = set(re.findall(r"run: make (\w+)", workflow))
    assert called == {"test", "book", "wheel"}
    assert all(re.search(rf"(?m)^{target}:", makefile) for target in called)
    assert yaml.safe_load(workflow)["jobs"]["book"]["steps"][-1]["with"]["path"] == "_build/html"
    assert "HTML   := _build/html" in makefile and "-w dist" in makefile


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert styletut.__version__ == PROJECT["version"] == citation["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def pins() -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def test_requirements_are_exact_and_name_no_host() -> None:
    for pin in pins():
        assert pin.url is None
        assert [spec.operator for spec in pin.specifier] == ["=="] and "*" not in str(pin.specifier), str(pin)
    assert len({pin.name for pin in pins()}) == len(pins())
    assert "://" not in (ROOT / "requirements.txt").read_text()


def test_requirements_agree_with_what_the_package_asks_for() -> None:
    pinned = {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in pins()}
    extras = PROJECT["optional-dependencies"]
    for line in PROJECT["dependencies"] + [line for extra in extras.values() for line in extra]:
        wanted = Requirement(line)
        if wanted.name != PROJECT["name"]:
            name = canonicalize_name(wanted.name)
            assert name in pinned, f"{wanted.name} is not pinned"
            assert wanted.specifier.contains(pinned[name]), f"{wanted} does not allow {pinned[name]}"


def test_a_cpu_build_that_is_there_already_is_kept() -> None:
    """Its version is the pinned one with `+cpu` behind it, which pip takes for the same."""
    pinned = {pin.name: pin.specifier for pin in pins()}
    for name in ("torch", "torchvision"):
        (spec,) = pinned[name]
        assert pinned[name].contains(Version(f"{spec.version}+cpu"))
    makefile = (ROOT / "Makefile").read_text()
    assert "--clear" not in makefile and "--upgrade" not in makefile and "--force-reinstall" not in makefile


@pytest.mark.parametrize(
    ("name", "unsafe"),
    [
        ("torch", "2.5.1"),  # CVE-2025-32434: torch.load ran code in spite of weights_only
        ("torch", "2.9.1"),  # CVE-2026-24747: the same wrote beyond its memory
        ("pillow", "10.0.0"),  # libwebp
        ("pillow", "10.2.0"),  # ImageCms
    ],
)
def test_versions_that_are_unsafe_to_read_files_with_are_not_allowed(name: str, unsafe: str) -> None:
    (wanted,) = (Requirement(line) for line in PROJECT["dependencies"] if Requirement(line).name == name)
    assert not wanted.specifier.contains(unsafe)


def test_the_package_pins_nothing() -> None:
    assert not [line for line in PROJECT["dependencies"] if "==" in line]


def test_the_glossary_is_in_alphabetical_order() -> None:
    terms = re.findall(r"(?m)^(\w[^\n]*)\n  \S", (BOOK / "glossary.md").read_text())
    assert len(terms) > 20
    assert terms == sorted(terms, key=str.lower)


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("a = 1\nassert a == 1\nassert (\n    a < 2\n)", 2),
        ("assert 1 < 2  # all of it", 1),
        ("assert 1 < 2\nprint(3)", 0),
        ("for a in (1, 2):\n    assert a", 0),
        ("right = 1\nassert st.check.answer('ex-a', right)", 0),
        ("torch.testing.assert_close(a, b)", 0),
        ("%timeit a\nassert a", 0),
    ],
)
def test_assertions_are_folded_where_they_end_a_cell(code: str, line: int) -> None:
    assert styletut_book.check_begins(code) == line


def test_a_page_is_described_by_its_first_paragraph_of_prose() -> None:
    from docutils.core import publish_doctree

    page = publish_doctree(f"Title\n=====\n\n.. note:: A box.\n\nWhat it\nis.\n\n{'word ' * 60}\n")
    assert styletut_book.description(page) == "What it is."
    long = publish_doctree(f"Title\n=====\n\n{'word ' * 60}\n")
    assert styletut_book.description(long) == "word " * 40 + "…"
    assert styletut_book.description(None) == ""


def test_no_name_in_a_docstring_has_letters_at_its_closing_backtick() -> None:
    """Sphinx shows the backticks of "`Result`s" as they are."""
    for path in sorted((ROOT / "styletut").rglob("*.py")):
        assert re.findall(r"(?<!`)`[\w.]+`[a-z]+", path.read_text(encoding="utf-8")) == [], path


# --------------------------------------------------------------------------------------- the tools that make the book


def notebook_with_widgets(slider: str, layout: str, link: str) -> Any:
    view = {run_notebooks.WIDGET_VIEW: {"model_id": slider, "version_major": 2, "version_minor": 0}}
    state = {
        link: {"state": {"source": [f"IPY_MODEL_{slider}", "value"]}},
        layout: {"state": {}},
        slider: {"state": {"layout": f"IPY_MODEL_{layout}"}},
    }
    cell = v4.new_code_cell("slider", execution_count=1, outputs=[v4.new_output("display_data", view)])
    cell["id"] = "slider"
    notebook = v4.new_notebook(cells=[cell])
    notebook.metadata["widgets"] = {run_notebooks.WIDGET_STATE: {"state": state}}
    return run_notebooks.normalise(notebook)


def test_widgets_are_named_the_same_in_every_run() -> None:
    once = notebook_with_widgets("a" * 32, "b" * 32, "c" * 32)
    again = notebook_with_widgets("d" * 32, "0" * 31 + "f", "9" * 32)
    assert once == again
    state = once.metadata["widgets"][run_notebooks.WIDGET_STATE]["state"]
    shown = once.cells[0].outputs[0].data[run_notebooks.WIDGET_VIEW]["model_id"]
    assert state[shown]["state"]["layout"].removeprefix("IPY_MODEL_") in state


def live_notebook(box: str, *others: Any) -> Any:
    """A notebook with a picture that has live controls, as a kernel leaves it, and other outputs."""
    view = {run_notebooks.WIDGET_VIEW: {"model_id": box, "version_major": 2, "version_minor": 0}}
    data = view | {"image/png": DOT, "text/plain": "A line."}
    shown = v4.new_output("execute_result", data, metadata={"image/png": {"width": 8, "height": 4}}, execution_count=1)
    cell = v4.new_code_cell("live", execution_count=1, outputs=[shown, *others])
    notebook = v4.new_notebook(cells=[cell])
    state = {
        box: {"state": {"children": ["IPY_MODEL_" + "1" * 32, "IPY_MODEL_" + "2" * 32]}},
        "1" * 32: {"state": {"layout": "IPY_MODEL_" + "3" * 32}},
        "2" * 32: {"state": {}},
        "3" * 32: {"state": {}},
        "4" * 32: {"state": {"source": ["IPY_MODEL_" + "1" * 32, "value"], "target": ["IPY_MODEL_" + box, "value"]}},
        "5" * 32: {"state": {"source": ["IPY_MODEL_" + "1" * 32, "value"], "target": ["IPY_MODEL_" + "3" * 32, "v"]}},
    }
    notebook.metadata["widgets"] = {run_notebooks.WIDGET_STATE: {"state": state}}
    return notebook


def test_live_controls_are_stored_as_their_last_picture() -> None:
    notebook = run_notebooks.normalise(live_notebook("a" * 32))
    (output,) = notebook.cells[0].outputs
    assert output.data == {"image/png": DOT, "text/plain": "A line."}
    assert output.metadata == {"image/png": {"width": 8, "height": 4}}
    assert "widgets" not in notebook.metadata


def test_live_controls_with_a_page_are_stored_as_its_grid() -> None:
    notebook = live_notebook("a" * 32)
    (output,) = notebook.cells[0].outputs
    output.metadata, output.data["text/html"] = {}, "<div>Sliders of its own.</div>"
    del output.data["image/png"]
    assert any("no kernel answers" in found for found in outputs(notebook))
    (output,) = run_notebooks.normalise(notebook).cells[0].outputs
    assert output.data == {"text/html": "<div>Sliders of its own.</div>", "text/plain": "A line."}
    assert outputs(notebook) == [] and "widgets" not in notebook.metadata


def test_the_state_of_a_widget_that_is_still_shown_stays_and_no_other() -> None:
    view = {run_notebooks.WIDGET_VIEW: {"model_id": "1" * 32, "version_major": 2, "version_minor": 0}}
    slider = v4.new_output("display_data", view | {"text/plain": "IntSlider()"})
    notebook = run_notebooks.normalise(live_notebook("a" * 32, slider))
    live, kept = notebook.cells[0].outputs
    assert list(live.data) == ["image/png", "text/plain"]
    assert set(kept.data) == {run_notebooks.WIDGET_VIEW, "text/plain"}
    state = notebook.metadata["widgets"][run_notebooks.WIDGET_STATE]["state"]
    # The slider, its layout, and the link between the two; not the link to the box that is gone.
    assert sorted(state) == [f"{number:032x}" for number in range(3)]
    assert kept.data[run_notebooks.WIDGET_VIEW]["model_id"] in state
    assert state[f"{2:032x}"]["state"]["target"][0] in [f"IPY_MODEL_{number:032x}" for number in range(3)]


@pytest.mark.slow
def test_a_kernel_shows_live_controls_and_the_stored_notebook_their_picture(tmp_path: Path) -> None:
    source = (
        "import matplotlib.pyplot as plt\nimport styletut as st\n\n\ndef draw(k, layer_name):\n"
        "    figure, axes = plt.subplots(figsize=(6, 3))\n    axes.plot([0, k])\n    return figure\n\n\n"
        "shown = st.figures.live(draw, k=(0, 9), layer_name=['a', 'b'])\nshown"
    )
    change = "shown.controls['k'].value = 9\nprint(shown.alt)"
    cells = [v4.new_code_cell(source, metadata={"tags": ["nbval-ignore-output"]}), v4.new_code_cell(change)]
    notebook = v4.new_notebook(cells=cells)
    run_notebooks.execute(notebook)
    (output,) = notebook.cells[0].outputs  # one picture: nothing of pyplot's beside it
    assert set(output.data) == {run_notebooks.WIDGET_VIEW, "image/png", "text/plain"}
    path = tmp_path / "live.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    assert run_notebooks.main([str(path)]) == 0
    stored = nbformat.read(path, as_version=4)
    (output,) = stored.cells[0].outputs
    assert output.data["text/plain"] == "A figure drawn for k 4, layer name a."
    assert set(output.data) == {"image/png", "text/plain"}
    assert output.metadata == {"image/png": {"width": 576, "height": 288}}
    assert "widgets" not in stored.metadata
    assert stored.cells[1].outputs[0].text == "A figure drawn for k 9, layer name a.\n"


def test_normalising_removes_what_differs_from_run_to_run() -> None:
    notebook = sound_chapter()
    before = copy.deepcopy(notebook)
    notebook.cells[2].metadata["execution"] = {"iopub.execute_input": "now"}
    notebook.metadata["language_info"]["version"] = "3.12.1"
    assert run_notebooks.normalise(notebook) == before


def stored_png(picture: Any) -> str:
    """As a kernel sends it."""
    picture.save(stream := io.BytesIO(), "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def test_plots_are_stored_with_a_palette_where_that_is_not_seen() -> None:
    figure = Figure((4, 2), dpi=150)
    figure.subplots().plot([1, 3, 2], label="loss")
    figure.legend()
    figure.savefig(stream := io.BytesIO(), format="png")
    plot = Image.open(stream)
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    translucent = plot.copy()
    translucent.putalpha(128)

    small = run_notebooks.smaller_png(stored_png(plot))
    shown = Image.open(io.BytesIO(base64.b64decode(small)))
    change = np.asarray(shown.convert("RGB"), dtype=float) - np.asarray(plot.convert("RGB"))
    assert shown.mode == "P" and len(small) < 0.5 * len(stored_png(plot))
    assert np.sqrt(np.mean(change**2)) < 1
    for kept in (small, stored_png(translucent), stored_png(Image.fromarray(noise))):
        assert run_notebooks.smaller_png(kept) == kept


def test_a_notebook_is_executed_and_written_back(tmp_path: Path) -> None:
    path = tmp_path / "one.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("print(1)\nprint(2)")]), path)
    assert run_notebooks.main([str(path)]) == 0
    cell = nbformat.read(path, as_version=4).cells[0]
    assert (cell.execution_count, [output.text for output in cell.outputs]) == (1, ["1\n2\n"])
    assert [file.name for file in tmp_path.iterdir()] == ["one.ipynb"]


def test_a_notebook_that_fails_is_left_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    assert run_notebooks.main([str(path)]) == 1
    assert path.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("torch.Tensor", "https://docs.pytorch.org/docs/stable/tensors.html#torch.Tensor"),
        ("torch.nn.Module", "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html"),
        ("int", "https://docs.python.org/3/library/stdtypes.html#int"),
        ("ValueError", "https://docs.python.org/3/library/exceptions.html#ValueError"),
        ("None", "https://docs.python.org/3/library/constants.html#None"),
        ("pathlib.Path", "https://docs.python.org/3/library/pathlib.html#pathlib.Path"),
        ("styletut.nothing", None),
        ("Nonsense", None),
    ],
)
def test_names_of_others_link_to_their_documentation(name: str, url: str | None) -> None:
    assert styletut_book.external_url(name) == url


@pytest.mark.parametrize("name", ["README.md", "benchmarks/README.md"])
def test_the_comparison_is_quoted_as_it_was_measured(name: str) -> None:
    assert (ROOT / "benchmarks" / "compare.md").read_text().strip() in (ROOT / name).read_text()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_what_a_chapter_uses_of_the_package_is_there(chapter: Path) -> None:
    """Or a moved name would be noticed only where the chapter is executed."""
    code = "\n".join(cell.source for cell in nbformat.read(chapter, 4).cells if cell.cell_type == "code")
    names = set(re.findall(r"\bst\.(\w+(?:\.\w+)?)", code))
    assert "check.answer" in names
    for name in names:
        value: Any = styletut
        for part in name.split("."):
            assert hasattr(value, part), f"st.{name}"
            value = getattr(value, part)
