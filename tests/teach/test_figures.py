"""All figures: shown once, the same everywhere, with errors of one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, cast

import matplotlib
import numpy as np
import pytest
import torch
from teach_helpers import history, noise, picture, result, shown

from styletut.errors import ImageError, StyletutError
from styletut.teach.figures import (
    FigureError,
    before_after,
    divider,
    film_strip,
    frames,
    gallery,
    grid,
    hover,
    loss_curves,
)


def all_figures() -> list[Any]:
    return [
        before_after(picture(), picture(), picture()),
        film_strip(result()),
        gallery([picture()]),
        loss_curves(history()),
    ]


def test_figures_leave_no_trace_in_matplotlib():
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams)
    for figure in all_figures():
        shown(figure)
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == []


def test_figures_look_the_same_whatever_the_reader_has_set():
    plain = [np.asarray(shown(figure)) for figure in all_figures()]
    mine: dict[Any, Any] = {
        "figure.constrained_layout.use": True,
        "axes.facecolor": "black",
        "text.color": "yellow",
        "axes.grid": True,
        "axes.grid.axis": "x",
        "xtick.color": "red",
        "image.origin": "lower",
        "image.interpolation": "nearest",
        "xtick.top": True,
        "figure.facecolor": "black",
        "savefig.facecolor": "black",
        "grid.linestyle": "--",
        "axes.spines.top": True,
    }
    with matplotlib.rc_context(mine):
        themed = [np.asarray(shown(figure)) for figure in all_figures()]
    for one, other in zip(plain, themed, strict=True):
        assert one.shape == other.shape
        assert np.abs(one.astype(int) - other).mean() < 0.5


def test_the_same_call_draws_the_same_pixels():
    first, second = (np.asarray(shown(loss_curves(history()))) for _ in range(2))
    assert np.array_equal(first, second)


def test_photographs_are_jpeg_and_curves_png_at_two_pixels_for_one():
    drawn: list[tuple[Any, str]] = [(gallery([noise(40, 60)]), "jpeg"), (loss_curves(history()), "png")]
    for figure, kind in drawn:
        bundle, metadata = figure._repr_mimebundle_()
        assert list(bundle) == [f"image/{kind}"]
        assert shown(figure).width == pytest.approx(1.875 * metadata[f"image/{kind}"]["width"], abs=2)


def test_a_gallery_is_as_light_as_asked_and_as_wide_in_the_page():
    def kept(**options: Any) -> tuple[int, int, int]:
        """Bytes, pixels across, and pixels across in the page."""
        figure: Any = gallery([noise(200, 300)], **options)
        bundle, metadata = figure._repr_mimebundle_()
        return len(bundle["image/jpeg"]), shown(figure).width, metadata["image/jpeg"]["width"]

    (heavy, _, width), (light, across, same), (finer, _, _) = kept(), kept(dpi=96, quality=60), kept(dpi=96)
    assert same == width and abs(across - width) <= 1
    assert light < heavy / 4 and light < finer / 1.5


@pytest.fixture
def shell() -> Iterator[Any]:
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_ipython_shows_a_figure_once_even_with_pyplot_inline(shell):
    from IPython.core.pylabtools import select_figure_formats

    select_figure_formats(shell, {"png"})
    for figure in all_figures():
        bundle, _ = shell.display_formatter.format(figure)
        assert len([kind for kind in bundle if kind.startswith("image/")]) == 1
    ordinary, _ = shell.display_formatter.format(matplotlib.figure.Figure())
    assert "image/jpeg" not in ordinary


def test_figures_can_be_shown_without_ipython(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert shown(gallery([picture()])).format == "JPEG"


@pytest.mark.slow
def test_a_notebook_shows_the_last_value_exactly_once():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    make = (
        "from PIL import Image\nfrom styletut.teach.figures import gallery, divider\n"
        "grey = Image.new('RGB', (30, 20), 'grey')\n"
    )
    cells = [
        make + "gallery([grey])",
        "import matplotlib.pyplot as plt\nfigure = gallery([grey])\nfigure",
        "%matplotlib inline\ngallery([grey])",
        "divider(grey, grey)",
        "kept = gallery([grey])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    kinds = [[sorted(output.get("data", {"text": 0})) for output in cell.outputs] for cell in notebook.cells]
    assert kinds[:3] == [[["image/jpeg", "text/plain"]]] * 3
    assert kinds[3:] == [[["text/html", "text/plain"]], []]


def test_importing_figures_does_not_load_matplotlib():
    code = "import sys, styletut.teach.figures; sys.exit('matplotlib.figure' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: before_after("cat.png", picture(), picture()), "load_image"),
        (lambda: before_after(torch.rand(3, 8, 8), picture(), picture()), "(1, 3, H, W)"),
        (lambda: before_after(picture(), torch.rand(2, 3, 8, 8), picture()), "gallery"),
        (lambda: before_after(picture(), picture() * float("nan"), picture()), ""),
        (lambda: gallery(7), "PIL image"),
    ],
)
def test_what_is_not_a_picture_is_refused_in_one_line(call, says):
    with pytest.raises(ImageError) as caught:
        call()
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: gallery([]), "at least one"),
        (lambda: gallery([picture()], ["a", "b"]), "1 pictures but 2 for titles"),
        (lambda: gallery([picture()] * 3, "abc"), "one string"),
        (lambda: gallery([picture()], columns=0), "columns"),
        (lambda: gallery([picture()], dpi=0), "dpi"),
        (lambda: gallery([picture()], quality=101), "from 1 to 100"),
        (lambda: film_strip([]), "snapshot_every"),
        (lambda: film_strip([picture()]), "(evaluations, picture)"),
        (lambda: film_strip(7), "(evaluations, picture)"),
        (lambda: film_strip(result(), count=1), "at least 2"),
        (lambda: loss_curves([]), "empty"),
        (lambda: loss_curves("history"), "Result"),
        (lambda: loss_curves(3), "Result"),
        (lambda: loss_curves([1, 2]), "losses"),
        (lambda: loss_curves(history(), x=cast(Any, "hours")), "'seconds'"),
        (lambda: loss_curves(history(), by=cast(Any, "colour")), "'layer'"),
        (lambda: loss_curves([{"losses": {"total": 1.0}}]), "'evaluations'"),
        (lambda: loss_curves([{"evaluations": 1, "losses": {"total": 0.0}}]), "positive"),
        (lambda: divider(picture(20, 30), picture(30, 20)), "20 x 30 and 30 x 20"),
        (lambda: divider(picture(), picture(), labels=("only one",)), "labels"),
        (lambda: frames([picture()]), "at least two"),
        (lambda: frames([picture()] * 2, ["a"]), "labels"),
        (lambda: frames([picture()] * 2, start=2), "start"),
        (lambda: frames([noise(90, 90, i) for i in range(40)]), "max_bytes"),
        (lambda: hover([picture()], ["a"]), "at least two"),
        (lambda: hover([picture()] * 2, ["a"]), "2 pictures but 1 for labels"),
        (lambda: hover([picture()] * 2, "ab"), "one string"),
        (lambda: hover([picture()] * 2, ["a", "b"], start=2), "one of the 2 pictures, not 2"),
        (lambda: hover([noise(90, 90, i) for i in range(40)], ["a"] * 40), "max_bytes"),
        (lambda: grid(picture(), ["a"], ["b"]), "pictures[row][column]"),
        (lambda: grid("cat", ["a"], ["b"]), "pictures[row][column]"),
        (lambda: grid(7, ["a"], ["b"]), "pictures[row][column]"),
        (lambda: grid([[picture()]], ["a"], ["b"]), "at least two"),
        (lambda: grid([[picture()] * 2] * 2, [1, 2, 3], [1, 2]), "2 rows of pictures but 3 values in rows"),
        (lambda: grid([[picture()] * 2, [picture()]], [1, 2], [1, 2]), "row 1 has 1 pictures but there are 2"),
        (lambda: grid([[picture()] * 2] * 2, [1, 2], [1, 2, 3]), "row 0 has 2 pictures but there are 3"),
        (lambda: grid([[picture()] * 2], "a", [1, 2]), "list of the parameter's values"),
        (lambda: grid([[picture()] * 2], [1], cast(Any, 2)), "list of the parameter's values"),
        (lambda: grid([[picture()] * 2], [1], [1, 2], cast(Any, ("only one",))), "names must be two"),
        (lambda: grid([[picture()] * 2], [1], [1, 2], cast(Any, "ab")), "names must be two"),
        (lambda: grid([[picture()] * 2], [1], [1, 2], start=cast(Any, 1)), "start must be two"),
        (lambda: grid([[picture()] * 2], [1], [1, 2], start=(1, 0)), "one of the 1 rows, not 1"),
        (lambda: grid([[picture()] * 2], [1], [1, 2], start=(0, 2)), "one of the 2 columns, not 2"),
        (lambda: grid([[noise(90, 90, i) for i in range(40)]], [1], list(range(40))), "max_bytes"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(call, says):
    with pytest.raises(FigureError) as caught:
        call()
    assert isinstance(caught.value, StyletutError | ValueError)
    assert says in str(caught.value) and "\n" not in str(caught.value)
