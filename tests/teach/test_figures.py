"""Figures: what is drawn, that it is drawn once, and that the HTML works in a real browser."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from styletut import figures
from styletut.errors import ImageError, StyletutError
from styletut.teach import markup
from styletut.teach.curves import OTHERS, TERMS, _readable
from styletut.teach.figures import (
    FigureError,
    before_after,
    divider,
    film_strip,
    frames,
    gallery,
    grid,
    hover,
    live,
    loss_curves,
)

CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).parents[2]


def picture(rows: int = 24, cols: int = 36, colour: tuple[float, float, float] = (0.9, 0.1, 0.1)) -> torch.Tensor:
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, rows, cols).clone()


def noise(rows: int, cols: int, seed: int = 0) -> Image.Image:
    """The worst case for JPEG, and not unlike a picture that has just begun."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (rows, cols, 3), dtype=np.uint8))


def history(scales: int = 1, steps: int = 5) -> list[dict[str, Any]]:
    entries = []
    for scale in range(scales):
        for iteration in range(1, steps + 1):
            losses = {
                "content/relu4_2": 2.0 * iteration,
                "style/relu1_1": 30.0 / iteration,
                "style/relu2_1": 70.0 / iteration,
                "tv": 0.0,
            }
            count = scale * steps + iteration
            entries.append(
                {
                    "scale": scale,
                    "iteration": iteration,
                    "evaluations": 2 * count,
                    "seconds": count / 4,
                    "size": (16 * 2**scale, 24 * 2**scale),
                    "losses": losses | {"total": sum(losses.values())},
                }
            )
    return entries


def result(snapshots: int = 9) -> SimpleNamespace:
    taken = [(25 * i, picture(colour=(i / 10, 0.2, 0.4))) for i in range(snapshots)]
    return SimpleNamespace(picture=picture(), history=history(), snapshots=taken, evaluations=25 * snapshots)


def curves(figure: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")}


def texts(figure: Any) -> list[str]:
    """What stands on the figure, from top to bottom and from left to right."""
    return [text.get_text() for text in figure.texts]


def shown(figure: Any) -> Image.Image:
    bundle, _ = figure._repr_mimebundle_()
    return Image.open(io.BytesIO(base64.b64decode(next(iter(bundle.values())))))


def panel_size(axes: Any) -> tuple[float, float]:
    box = axes.get_window_extent()
    return box.width, box.height


# --------------------------------------------------------------------------- pictures


def test_before_after_names_three_panels_and_takes_a_result():
    figure = before_after(picture(), picture(30, 30), result())
    assert [axes.get_label() for axes in figure.axes] == ["content", "style", "result"]
    assert texts(figure) == ["content", "style", "result"]


def test_every_panel_keeps_its_own_shape_and_a_row_has_one_height():
    figure = before_after(picture(24, 36), picture(30, 20), picture(24, 36))
    sizes = [panel_size(axes) for axes in figure.axes]
    assert [width / height for width, height in sizes] == pytest.approx([1.5, 2 / 3, 1.5], rel=1e-3)
    assert len({round(height, 3) for _, height in sizes}) == 1


def test_a_panorama_keeps_its_shape_and_does_not_starve_its_neighbours():
    figure = gallery([picture(20, 200), picture(20, 20)])
    (wide, low), (narrow, high) = (panel_size(axes) for axes in figure.axes)
    assert wide / low == pytest.approx(10, rel=1e-3)
    assert narrow == pytest.approx(high, rel=1e-3)
    assert narrow > 0.25 * wide


def test_panels_stay_inside_the_figure_and_apart():
    figure = gallery([picture(20 + 7 * i, 30) for i in range(7)], [f"title {i} " * 8 for i in range(7)], columns=3)
    figure.canvas.draw()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    boxes += [text.get_window_extent() for text in figure.texts]
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)
    assert all(box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_a_shorter_last_row_does_not_grow():
    figure = gallery([picture()] * 4, columns=3)
    assert panel_size(figure.axes[3]) == pytest.approx(panel_size(figure.axes[0]))


def test_gallery_spreads_pictures_evenly_over_rows():
    figure = gallery(torch.rand(5, 3, 8, 8))
    tops = [round(axes.get_position().y1, 3) for axes in figure.axes]
    assert [tops.count(top) for top in sorted(set(tops), reverse=True)] == [3, 2]


def test_a_title_is_text_not_mathematics():
    figure = gallery([picture()], ["5 $ or $x_1"])
    assert shown(figure).size[0] > 0
    assert texts(figure) == ["5 $ or $x_1"]


def test_colours_survive_the_way_to_the_page():
    page = shown(gallery([picture(colour=(0.2, 0.6, 0.4))])).convert("RGB")
    centre = np.asarray(page)[page.height // 2, page.width // 2]
    assert np.abs(centre - np.array([51, 153, 102])).max() <= 3


def test_transparent_pil_images_stand_on_white():
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    drawn: Any = gallery([clear, Image.new("L", (20, 20), 7)]).axes
    assert drawn[0].images[0].get_array().min() == 255
    assert drawn[1].images[0].get_array().max() == 7


def test_film_strip_runs_from_the_first_snapshot_to_the_final_picture():
    figure = film_strip(result(), count=4)
    assert texts(figure) == ["start", "75 evaluations", "150 evaluations", "225 evaluations"]


def test_film_strip_takes_plain_snapshots_of_several_sizes():
    figure = film_strip([(1, picture(12, 17)), (1500, picture(24, 36))])
    assert texts(figure) == ["1 evaluation", "1,500 evaluations"]
    assert panel_size(figure.axes[0]) == pytest.approx(panel_size(figure.axes[1]))


# --------------------------------------------------------------------------- loss curves


def test_loss_curves_add_up_terms_and_leave_out_what_is_zero():
    lines = curves(loss_curves(result()))
    assert set(lines) == {"total", "content", "style"}
    assert lines["style"].get_ydata() == pytest.approx([100 / n for n in range(1, 6)])
    assert list(lines["style"].get_xdata()) == [2, 4, 6, 8, 10]


def test_losses_of_ordinary_size_are_plain_numbers():
    axes: Any = loss_curves([{"evaluations": n, "losses": {"total": 30.0 / n}} for n in (1, 2, 3)]).axes[0]
    axes.figure.canvas.draw()
    ticks = [tick.get_text() for tick in axes.get_yticklabels(which="both") if tick.get_text()]
    assert "10" in ticks and "20" in ticks


def test_loss_curves_by_layer_draw_each_part():
    lines = curves(loss_curves(history(), by="layer"))
    assert set(lines) == {"total", "content/relu4_2", "style/relu1_1", "style/relu2_1"}


@pytest.mark.parametrize("by", ["term", "layer"])
def test_loss_curves_differ_in_more_than_colour(by):
    lines = curves(loss_curves(history(), by=by)).values()
    looks = {(line.get_linestyle(), line.get_linewidth(), str(line._dash_pattern)) for line in lines}
    assert len(looks) >= 3
    assert len({line.get_color() for line in lines}) == len(lines)


def test_every_curve_is_labelled_where_it_ends_and_no_label_touches_another():
    many: list[dict[str, Any]] = [
        {"evaluations": n, "losses": {f"style/relu{i}_1": 5.0 + i / 100 for i in range(1, 9)}} for n in (1, 2)
    ]
    figure = loss_curves(many, by="layer")
    figure.canvas.draw()
    labels = [text for text in figure.axes[0].texts if text.get_text()]
    assert {text.get_text() for text in labels} == set(many[0]["losses"])
    boxes = [text.get_window_extent() for text in labels]
    for i, one in enumerate(boxes):
        assert one.x1 <= figure.bbox.x1 and one.y0 >= 0 and one.y1 <= figure.bbox.y1
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_label_colours_are_readable_on_white():
    def luminance(colour: str) -> float:
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour)
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    colours = [colour for colour, _ in TERMS.values()] + list(OTHERS)
    assert all(1.05 / (luminance(_readable(colour)) + 0.05) >= 4.5 for colour in colours)


@pytest.mark.parametrize("x", ["evaluations", "seconds", "iteration"])
def test_the_horizontal_axis_never_runs_backwards(x):
    spots = curves(loss_curves(history(scales=3), x))["total"].get_xdata()
    assert (np.diff(spots) >= 0).all()
    assert spots[-1] == {"evaluations": 30, "seconds": 3.75, "iteration": 15}[x]


def test_changes_of_scale_are_marked_and_break_the_line():
    figure = loss_curves(history(scales=3))
    marks = [
        float(np.ravel(line.get_xdata())[0]) for line in figure.axes[0].get_lines() if line.get_label() == "_scale"
    ]
    assert marks == [12, 22]
    assert {"16 × 24", "32 × 48", "64 × 96"} <= {text.get_text() for text in figure.axes[0].texts}
    assert np.isnan(curves(figure)["total"].get_ydata()).sum() == 2


def test_labels_of_scales_that_change_at_once_stand_one_above_another():
    entries = history(scales=3, steps=2)
    for entry, evaluations in zip(entries, (1, 2, 3, 4, 5, 500), strict=True):
        entry["evaluations"] = evaluations
    figure = loss_curves(entries)
    figure.canvas.draw()
    labels = [text for text in figure.axes[0].texts if "×" in text.get_text()]
    boxes = [text.get_window_extent() for text in labels]
    assert not any(boxes[i].overlaps(boxes[j]) for i in range(3) for j in range(i))
    assert all(box.y1 <= figure.bbox.y1 for box in boxes)


def test_one_scale_needs_no_mark():
    figure = loss_curves(history())
    assert not any("×" in text.get_text() for text in figure.axes[0].texts)


def test_a_diverged_run_can_still_be_drawn():
    entries = history()
    entries[-1]["losses"]["total"] = float("nan")
    entries[-1]["losses"]["style/relu1_1"] = float("inf")
    figure = loss_curves(entries)
    assert np.isfinite(figure.axes[0].get_ylim()).all()
    assert np.isnan(curves(figure)["total"].get_ydata()[-1])
    assert shown(figure).format == "PNG"


def test_a_first_value_of_rounding_error_does_not_flatten_the_rest():
    entries = history(steps=40)
    entries[0]["losses"]["content/relu4_2"] = 1e-14
    low, high = loss_curves(entries).axes[0].get_ylim()
    assert high / low < 1e5


def test_a_single_step_is_drawn_as_a_point():
    line = curves(loss_curves(history(steps=1)))["total"]
    assert line.get_marker() == "o"


def test_loss_curves_take_steps_and_unknown_terms():
    steps = [
        SimpleNamespace(iteration=n, evaluations=n, seconds=n, losses={"histogram": 3.0, "total": 3.0}) for n in (1, 2)
    ]
    assert set(curves(loss_curves(steps))) == {"histogram", "total"}


def test_scales_without_a_size_are_counted():
    entries = history(scales=2)
    for entry in entries:
        del entry["size"]
    assert {"scale 1", "scale 2"} <= {text.get_text() for text in loss_curves(entries).axes[0].texts}


# --------------------------------------------------------------------------- a good guest


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


# --------------------------------------------------------------------------- errors


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


# --------------------------------------------------------------------------- HTML, read as text


def ids(page: str) -> list[str]:
    return re.findall(r'\bid="([^"]+)"', page)


def sizes(figure: figures.HTMLFigure) -> list[tuple[int, int]]:
    """(columns, rows) of every JPEG in it."""
    found = re.findall(r"image/jpeg;base64,([\w+/=]+)", figure.html)
    return [Image.open(io.BytesIO(base64.b64decode(data))).size for data in found]


def test_html_is_the_same_every_time_and_its_id_follows_its_content():
    one, again = divider(picture(), picture()), divider(picture(), picture())
    assert one.html == again.html == one._repr_html_()
    other = divider(picture(), picture(colour=(0.1, 0.9, 0.1)))
    renamed = divider(picture(), picture(), labels=("a", "b"))
    pair = [picture()] * 2
    more = [frames(pair), hover(pair, ["1 of 2", "2 of 2"]), hover(pair, ["1 of 2", "2 of 2"], start=1)]
    more += [grid([pair], [1], [2, 3], names) for names in (("a", "b"), ("a", "c"))]
    found = [ids(figure.html) for figure in (one, other, renamed, *more)]
    assert all(len(names) == 1 for names in found)
    assert len({names[0] for names in found}) == len(found)
    assert [figure.html for figure in small_html()] == [figure.html for figure in small_html()]


def small_html() -> list[figures.HTMLFigure]:
    """One of each kind."""
    return [
        divider(picture(), picture()),
        frames([picture()] * 3),
        hover([picture()] * 3, ["a", "b", "c"]),
        grid([[picture()] * 3] * 2, [1, 2], [0.1, 1, 10]),
    ]


def test_styles_and_scripts_reach_only_their_own_figure():
    for figure in small_html():
        (name,) = ids(figure.html)
        for block in re.findall(r"<style>(.*?)</style>", figure.html, re.S):
            rules = re.sub(r"@media[^{]*\{", "", block)
            for selectors in re.findall(r"([^{}]+)\{", rules):
                assert all(part.strip().startswith("#" + name) for part in selectors.split(","))
        assert figure.html.count(f'querySelectorAll("#{name}') == 1
        assert "@" not in re.sub(r"base64,[\w+/=]+|@media", "", figure.html)


def test_html_asks_no_other_host_for_anything():
    for figure in small_html():
        assert not re.search(r"https?://|@import|<link|src=(?!\"data:)|url\(", figure.html)


def test_labels_and_alt_text_are_escaped():
    nasty = '</figcaption><script>alert("@ID")</script>'
    for figure in (
        divider(picture(), picture(), (nasty, nasty), alt=nasty),
        frames([picture()] * 2, [nasty] * 2, nasty),
        hover([picture()] * 2, [nasty] * 2, nasty),
        grid([[picture()] * 2] * 2, [nasty] * 2, [nasty] * 2, (nasty, nasty), nasty),
    ):
        assert nasty not in figure.html
        assert figure.html.count("<script>") == 1
        assert "&lt;script&gt;alert(&quot;@ID&quot;)" in figure.html


def test_every_picture_has_a_text_and_its_size():
    page = frames([picture(24, 36)] * 3, ["one", "two", "three"], alt="Three reds.").html
    assert re.findall(r'<img [^>]*alt="(\w+)" width="36" height="24"', page) == ["one", "two", "three"]
    assert 'role="group" aria-label="Three reds."' in page
    assert "Two pictures" in divider(picture(), picture()).alt
    assert "from one to three" in frames([picture()] * 3, ["one", "two", "three"]).alt
    assert hover([picture()] * 2, ["one", "two"]).alt == "2 pictures to choose from by name: one, two."


@pytest.mark.parametrize("limit", [400_000, 150_000])
def test_html_stays_below_the_limit_for_the_worst_of_pictures(limit):
    pair = divider(noise(900, 1200), noise(900, 1200, 1), max_bytes=limit)
    many = frames([noise(300, 450, i) for i in range(6)], max_bytes=limit)
    choice = hover([noise(300, 450, i) for i in range(6)], list("abcdef"), max_bytes=limit)
    table = grid([[noise(300, 450, i), noise(300, 450, 9 + i)] for i in range(3)], ["a", "b", "c"], [1, 2])
    assert max(len(figure.html.encode()) for figure in (pair, many, choice)) <= limit
    assert len(table.html.encode()) <= 400_000


def test_pictures_are_never_larger_than_asked_and_never_enlarged():
    wide, high, small = picture(300, 600), picture(400, 100), picture(24, 36)
    assert sizes(divider(wide, wide, max_width=200)) == [(200, 100)] * 2
    assert sizes(frames([high, high], max_width=200)) == [(50, 200)] * 2
    assert sizes(divider(small, small)) == [(36, 24)] * 2


def test_a_divider_forgives_a_shape_that_differs_by_rounding():
    assert sizes(divider(picture(200, 300), picture(133, 200))) == [(300, 200)] * 2


def test_frames_of_a_result_label_themselves():
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", frames(result(), count=3).html)
    assert captions == ["start", "100 evaluations", "225 evaluations"]


def test_frames_without_labels_are_counted():
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", frames(torch.rand(3, 3, 8, 8)).html)
    assert captions == ["1 of 3", "2 of 3", "3 of 3"]


def captions(figure: figures.HTMLFigure) -> list[str]:
    return re.findall(r"<figcaption>(.*?)</figcaption>", figure.html)


def test_a_grid_takes_rows_of_any_kind_and_names_every_pair_of_values():
    rows: list[Any] = [torch.rand(2, 3, 8, 12), [Image.new("RGB", (12, 8)), result()], (picture(), picture(30, 10))]
    figure = grid(rows, [0.1, 1, 10], ["max", "average"], ("style weight", "pooling"), start=(-1, 1))
    assert captions(figure) == [
        f"style weight {weight}, pooling {kind}" for weight in ("0.1", "1", "10") for kind in ("max", "average")
    ]
    hidden = ' hidden="hidden"'  # JupyterLab's sanitizer drops an empty attribute
    pictures = re.findall(r'<figure class="pic( on)?"( hidden="hidden")?>', figure.html)
    assert pictures == [("", hidden)] * 5 + [(" on", "")]
    assert not re.search(r" hidden(?!=)", re.sub("<style>.*?</style>", "", figure.html, flags=re.DOTALL))
    assert re.findall(r'aria-label="([\w ]+)" aria-valuetext="(\w+)"', figure.html) == [
        ("style weight", "10"),
        ("pooling", "average"),
    ]
    assert captions(grid(torch.rand(2, 1, 3, 8, 8), [1, 2], [3])) == ["rows 1, columns 3", "rows 2, columns 3"]


def test_two_parameters_of_one_name_and_a_single_value_are_still_a_grid():
    same = grid([[picture()] * 2] * 2, [1, 2], [3, 4], ("weight", "weight"))
    assert captions(same)[2] == "weight 2, weight 3"
    assert same.html.count('type="range"') == 2
    assert grid([[picture()] * 2], [1], [3, 4]).html.count('type="range"') == 1  # one value needs no slider


def stripped(figure: figures.HTMLFigure) -> str:
    """What is left where a host lets no style, no script and, as JupyterLab, no attribute without a value through."""
    left = re.sub(r"<(style|script|svg)\b.*?</\1>|</?noscript>", "", figure.html, flags=re.S)
    return re.sub(r" hidden(?!=)", "", left)


def test_without_styles_and_scripts_one_picture_is_left_and_a_word_on_how_to_play():
    for figure in small_html():
        left = stripped(figure)
        shown = left.count("<figure ") - len(re.findall(r"<figure [^>]*hidden=[^>]*>", left))
        assert shown == (2 if "divider" in ids(figure.html)[0] else 1)
        assert all(" hidden=" in tag for tag in re.findall(r'<\w+ class="(?:bar|knob)"[^>]*>', left))
        assert "Run this cell, or trust the notebook" in left


def test_a_saved_page_is_whole_and_replaces_the_old_one(tmp_path):
    figure = divider(picture(), picture(), alt="Red & red.")
    path = figure.save(tmp_path / "page.html")
    assert path == figure.save(path)
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and figure.html in page and "<title>Red &amp; red.</title>" in page
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OSError):
        divider(picture(), picture()).save(tmp_path / "folder.html")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.html"]


def test_the_repr_does_not_flood_a_notebook():
    assert len(repr(divider(picture(), picture()))) < 200


# --------------------------------------------------------------------------- HTML, in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=options)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open some HTML in a page; fails the test if the page asks for anything else, or has a script error."""
    contexts, requests, errors = [], [], []

    def visit(*parts: Any, inserted: bool = False, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 900, "height": 700}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        body = "".join(getattr(part, "html", part) for part in parts)
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text("<!doctype html><meta charset=utf-8><main>" + ("" if inserted else body), encoding="utf-8")
        page.goto(path.as_uri())
        if inserted:  # the way notebooks do it: scripts in innerHTML do not run by themselves
            page.evaluate(
                """html => {
                    const main = document.querySelector("main");
                    main.innerHTML = html;
                    for (const old of main.querySelectorAll("script")) {
                        const script = document.createElement("script");
                        script.textContent = old.textContent;
                        old.replaceWith(script);
                    }
                }""",
                body,
            )
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


RED, GREEN, BLUE = (0.9, 0.1, 0.1), (0.1, 0.7, 0.1), (0.1, 0.1, 0.9)


def red_and_blue(rows: int = 120, cols: int = 360) -> figures.HTMLFigure:
    return divider(picture(rows, cols, RED), picture(rows, cols, BLUE), ("photograph", "painting"))


def traffic_light() -> figures.HTMLFigure:
    return frames([picture(120, 360, colour) for colour in (RED, GREEN, BLUE)], ["red", "green", "blue"])


COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}


def three_names() -> figures.HTMLFigure:
    return hover([picture(120, 360, colour) for colour in COLOURS.values()], list(COLOURS), start=1)


def colour_table() -> figures.HTMLFigure:
    """Red, green and blue along the columns; the second row is the first one, moved by one."""
    row = [picture(120, 360, colour) for colour in COLOURS.values()]
    return grid([row, row[1:] + row[:1]], ["kept", "moved"], [1, 2, 3], ("order", "number"), start=(0, 1))


def seen(page: Any, across: float, selector: str = ".stage") -> str:
    """The strongest colour that the reader sees at a share of the way across the stage, near its top."""
    image = Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("RGB")
    channels: Any = image.getpixel((round(across * (image.width - 1)), 6))
    return ("red", "green", "blue")[int(np.argmax(channels))]


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_the_keyboard_moves_the_divider(visit, inserted):
    page = visit(red_and_blue(), inserted=inserted)
    slider = page.get_by_role("slider", name="Move the divider")
    assert (seen(page, 0.45), seen(page, 0.55)) == ("red", "blue")
    page.keyboard.press("Tab")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "70 % photograph, 30 % painting"
    assert (seen(page, 0.65), seen(page, 0.75)) == ("red", "blue")
    page.keyboard.press("Home")
    assert seen(page, 0.04) == "blue"


@pytest.mark.browser
def test_the_pointer_drags_the_divider_and_hands_over_to_the_keys(visit):
    page = visit(red_and_blue())
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 30)
    assert (seen(page, 0.15), seen(page, 0.25)) == ("red", "blue")
    page.mouse.up()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 30)
    assert seen(page, 0.25) == "blue"
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "25 % photograph, 75 % painting"


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_the_slider_shows_the_right_frame_and_only_that(visit, inserted):
    page = visit(traffic_light(), inserted=inserted)
    slider = page.get_by_role("slider", name="Frame")
    assert seen(page, 0.5) == "red"
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert seen(page, 0.5) == "green"
    assert slider.get_attribute("aria-valuetext") == "green"
    assert [image.get_attribute("alt") for image in page.get_by_role("img").all() if image.is_visible()] == ["green"]
    page.keyboard.press("End")
    assert seen(page, 0.5) == "blue"


@pytest.mark.browser
def test_play_runs_to_the_end_once_and_can_be_paused(visit):
    page = visit(traffic_light())
    page.clock.install(time=0)
    page.clock.pause_at(1)  # it moves only when told: the seconds of a busy machine do not count
    slider = page.get_by_role("slider")
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(1000)
    assert slider.input_value() == "1"
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(5000)
    assert slider.input_value() == "1"
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(5000)
    assert slider.input_value() == "2"
    page.get_by_role("button", name="Play").click()
    assert slider.input_value() == "0"


@pytest.mark.browser
def test_who_wants_less_motion_has_the_slider_and_no_play_button(visit):
    page = visit(traffic_light(), reduced_motion="reduce")
    assert page.get_by_role("slider").is_visible()
    assert page.get_by_role("button").count() == 0


@pytest.mark.browser
def test_playing_stops_when_the_reader_asks_for_less_motion(visit):
    page = visit(traffic_light())
    page.clock.install(time=0)
    page.clock.pause_at(1)  # it moves only when told: the seconds of a busy machine do not count
    page.get_by_role("button", name="Play").click()
    page.emulate_media(reduced_motion="reduce")
    page.clock.run_for(5000)
    assert page.get_by_role("slider").input_value() == "0"


@pytest.mark.browser
def test_without_scripts_every_picture_is_seen_and_no_control(visit):
    rgb = ["red", "green", "blue"]
    moved = ["green", "blue", "red"]
    for figure, colours in (
        (red_and_blue(), ["red", "blue"]),
        (traffic_light(), rgb),
        (three_names(), rgb),
        (colour_table(), rgb + moved),
    ):
        page = visit(figure, java_script_enabled=False)
        assert [seen(page, 0.5, f".pic >> nth={i}") for i in range(page.locator(".pic").count())] == colours
        assert [page.get_by_role(role).count() for role in ("slider", "button", "radio")] == [0, 0, 0]
        assert page.locator("figcaption").all_inner_texts() == page.locator("img").evaluate_all(
            "all => all.map(i => i.alt)"
        )


@pytest.mark.browser
def test_without_styles_and_scripts_one_picture_is_seen_and_no_control(visit):
    for figure, count in ((red_and_blue(), 2), (traffic_light(), 1), (three_names(), 1), (colour_table(), 1)):
        page = visit(stripped(figure))
        assert sum(image.is_visible() for image in page.locator("img").all()) == count
        assert not any(control.is_visible() for control in page.locator("input, button, label").all())
        assert page.get_by_text("Run this cell").is_visible()
    page = visit(red_and_blue(), traffic_light(), three_names(), colour_table())
    assert not any(word.is_visible() for word in page.get_by_text("Run this cell").all())


@pytest.mark.browser
def test_a_host_hears_no_key_that_is_pressed_in_a_figure_but_its_own_shortcuts(visit):
    host = """<script>heard = []; document.addEventListener("keydown", function (event) {
        heard.push(event.key); event.preventDefault(); }, true);</script>"""
    page = visit(host, red_and_blue(), traffic_light(), colour_table())
    for slider in page.get_by_role("slider").all():
        before = slider.get_attribute("aria-valuetext")
        slider.focus()
        page.keyboard.press("End")
        page.keyboard.press("d")
        assert slider.get_attribute("aria-valuetext") != before
    assert page.evaluate("heard") == []
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Control+s")
    assert {"Enter", "s"} <= set(page.evaluate("heard"))
    page.evaluate("document.activeElement.blur(); heard.length = 0")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("heard") == ["ArrowDown"]


@pytest.mark.browser
def test_the_knob_is_round_where_a_host_narrows_what_is_drawn(visit):
    page = visit("<style>main svg{max-width:100%}</style>", red_and_blue())
    box = page.locator(".knob svg").bounding_box()
    assert (round(box["width"]), round(box["height"])) == (40, 40)


@pytest.mark.browser
def test_print_shows_every_picture(visit):
    page = visit(red_and_blue(), traffic_light(), three_names(), colour_table())
    page.emulate_media(media="print")
    assert page.locator(".stage img").count() == 2 + 3 + 3 + 6
    assert all(image.is_visible() for image in page.locator(".stage img").all())
    assert [page.get_by_role(role).count() for role in ("slider", "button", "radio")] == [0, 0, 0]
    assert page.locator(".map img").first.is_hidden()


@pytest.mark.browser
def test_a_grid_without_scripts_is_a_table(visit):
    page = visit(colour_table(), java_script_enabled=False)
    boxes = [image.bounding_box() for image in page.locator("img").all()]
    assert len({box["y"] for box in boxes[:3]}) == len({box["y"] for box in boxes[3:]}) == 1
    assert [box["x"] for box in boxes[:3]] == [box["x"] for box in boxes[3:]]


@pytest.mark.browser
def test_many_figures_share_a_page_even_the_same_one_twice(visit):
    page = visit(red_and_blue(), red_and_blue(), traffic_light(), colour_table(), colour_table())
    sliders = page.get_by_role("slider").all()
    for slider in sliders:
        slider.focus()
        page.keyboard.press("ArrowRight")
    assert [slider.input_value() for slider in sliders] == ["55", "55", "1", "1", "2", "1", "2"]


@pytest.mark.browser
def test_the_names_of_two_figures_on_a_page_know_nothing_of_each_other(visit):
    page = visit(three_names(), three_names())
    assert [radio.is_checked() for radio in page.get_by_role("radio").all()] == [False, True, False] * 2
    page.get_by_role("radio", name="red").first.click()
    assert [radio.is_checked() for radio in page.get_by_role("radio").all()] == [True, False, False, False, True, False]
    assert [seen(page, 0.5), seen(page, 0.5, ".stage >> nth=1")] == ["red", "green"]


@pytest.mark.browser
def test_a_phone_needs_no_sideways_scrolling(visit):
    many = hover([picture(200, 900)] * 9, [f"a name of some length {i}" for i in range(8)] + ["x" * 90])
    wide = grid([[picture(100, 900)] * 9] * 9, list(range(9)), [f"a value of some length {i}" for i in range(9)])
    page = visit(red_and_blue(400, 1200), traffic_light(), many, wide, viewport={"width": 390, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for control in page.locator(".bar > :is(input, button), .dials input").all():
        assert control.bounding_box()["height"] >= 36
    for label in page.locator(".keys label").all():
        box = label.bounding_box()
        assert box["height"] >= 40 and box["width"] >= 40
    for cell in page.locator(".map i").all():
        assert min(cell.bounding_box()[side] for side in ("width", "height")) >= 24


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_pointing_at_a_name_shows_its_picture_and_leaving_goes_back(visit, inserted):
    page = visit(three_names(), inserted=inserted)
    assert seen(page, 0.5) == "green"
    page.get_by_role("radio", name="blue").hover()
    assert seen(page, 0.5) == "blue"
    assert page.locator("figcaption:visible").all_inner_texts() == ["blue"]
    page.get_by_role("radio", name="red").hover()
    assert seen(page, 0.5) == "red"
    page.mouse.move(600, 600)
    assert seen(page, 0.5) == "green"
    assert page.get_by_role("radio", checked=True).get_attribute("value") == "1"


@pytest.mark.browser
def test_the_way_from_one_name_to_the_next_does_not_lead_over_the_kept_picture(visit):
    page = visit(three_names())
    red, green = (page.locator("label", has_text=name).bounding_box() for name in ("red", "green"))
    assert red["x"] + red["width"] == pytest.approx(green["x"], abs=0.02)


@pytest.mark.browser
def test_a_click_on_a_name_keeps_its_picture(visit):
    page = visit(three_names())
    page.get_by_role("radio", name="blue").click()
    page.mouse.move(600, 600)
    assert seen(page, 0.5) == "blue"
    assert page.get_by_role("radio", checked=True).get_attribute("value") == "2"


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_the_keyboard_goes_through_the_names(visit, inserted):
    page = visit(three_names(), inserted=inserted)
    page.keyboard.press("Tab")
    focused = page.get_by_role("radio", checked=True)
    assert focused.evaluate("input => input === document.activeElement")
    ring = "input => getComputedStyle(input.nextElementSibling).outlineWidth"
    assert focused.evaluate(ring) == "3px"
    page.keyboard.press("ArrowRight")
    assert seen(page, 0.5) == "blue"
    page.keyboard.press("Enter")  # a form: it must neither reload the page nor lose the picture
    assert seen(page, 0.5) == "blue"
    page.keyboard.press("ArrowRight")
    assert seen(page, 0.5) == "red"
    assert page.evaluate("location.search") == ""
    page.keyboard.press("Tab")  # one stop, not three
    assert not page.evaluate("document.activeElement.matches('.styletut-figure input')")


@pytest.mark.browser
def test_a_tap_on_a_name_keeps_its_picture(visit):
    page = visit(three_names(), viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    page.get_by_role("radio", name="blue").tap()
    assert seen(page, 0.5) == "blue"
    page.locator(".stage").tap()
    assert seen(page, 0.5) == "blue"


@pytest.mark.browser
@pytest.mark.parametrize("inserted", [False, True], ids=["page", "notebook"])
def test_two_sliders_choose_the_picture_of_their_values(visit, inserted):
    page = visit(colour_table(), inserted=inserted)
    order, number = page.get_by_role("slider", name="order"), page.get_by_role("slider", name="number")
    assert seen(page, 0.5) == "green"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert order.get_attribute("aria-valuetext") == "moved" and seen(page, 0.5) == "blue"
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert number.get_attribute("aria-valuetext") == "3" and seen(page, 0.5) == "red"
    assert page.locator("figcaption:visible").all_inner_texts() == ["order moved, number 3"]
    assert page.locator(".dials b").all_inner_texts() == ["moved", "3"]
    assert page.locator(".map i").evaluate_all("all => all.findIndex(i => i.classList.contains('on'))") == 5
    page.keyboard.press("Tab")  # the map adds no stop
    assert not page.evaluate("document.activeElement.closest('.styletut-figure') !== null")


@pytest.mark.browser
def test_pointing_at_the_map_chooses_and_the_sliders_follow(visit):
    page = visit(colour_table())
    assert page.locator(".map i").count() == 6
    page.locator(".map i").nth(2).hover()
    assert seen(page, 0.5) == "blue"
    page.locator(".map i").nth(5).hover()
    assert seen(page, 0.5) == "red"
    page.mouse.move(850, 690)
    assert seen(page, 0.5) == "red"
    sliders = page.get_by_role("slider").all()
    assert [slider.input_value() for slider in sliders] == ["1", "2"]
    assert [slider.get_attribute("aria-valuetext") for slider in sliders] == ["moved", "3"]
    sliders[0].focus()
    page.keyboard.press("ArrowLeft")
    assert seen(page, 0.5) == "blue"


@pytest.mark.browser
def test_a_tap_on_the_map_chooses(visit):
    page = visit(colour_table(), viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True)
    page.locator(".map i").nth(3).tap()
    assert page.locator("figcaption:visible").all_inner_texts() == ["order moved, number 1"]
    for cell in page.locator(".map i").all():
        assert min(cell.bounding_box()[side] for side in ("width", "height")) >= 24


@pytest.mark.browser
def test_a_grid_of_one_row_has_one_slider(visit):
    page = visit(grid([[picture(120, 360, colour) for colour in COLOURS.values()]], ["only"], list(COLOURS)))
    slider = page.get_by_role("slider")
    assert slider.count() == 1
    slider.focus()
    page.keyboard.press("End")
    assert seen(page, 0.5) == "blue"


@pytest.mark.browser
def test_a_screen_reader_meets_one_picture_and_named_controls(visit):
    for figure, role, names in (
        (three_names(), "radio", ["red", "green", "blue"]),
        (colour_table(), "slider", ["order", "number"]),
    ):
        page = visit(figure)
        assert page.get_by_role("img").count() == 1
        assert page.get_by_role("group", name=figure.alt, exact=True).count() == 1
        assert [page.get_by_role(role, name=name).count() for name in names] == [1] * len(names)


@pytest.mark.browser
def test_nothing_moves_while_the_reader_plays(visit):
    page = visit(frames([picture(60, 300), picture(60, 300)], ["short", "a far longer label " * 8]), "<p>below</p>")
    before = page.get_by_text("below").bounding_box()
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    assert page.get_by_text("below").bounding_box() == before


@pytest.mark.browser
def test_a_theme_cannot_filter_the_colours_or_hide_the_text(visit):
    theme = """<style>body{background:#111;color:#eee} html main img:not(.only-dark):not(.dark-light){filter:invert(1);
        border:9px solid} main figure{margin:40px} main figcaption{text-align:center} main input{width:30px}</style>"""
    page = visit(theme, traffic_light())
    assert seen(page, 0.5) == "red"
    style = "element => { const s = getComputedStyle(element); return [s.color, s.textAlign, s.filter]; }"
    assert page.locator("figcaption").first.evaluate(style) == ["rgb(238, 238, 238)", "left", "none"]
    assert page.get_by_role("slider").bounding_box()["width"] > 200


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_page_passes_the_accessibility_checker(browser, tmp_path, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(color_scheme=scheme)
    for i, figure in enumerate((red_and_blue(), traffic_light(), three_names(), colour_table())):
        page.goto(figure.save(tmp_path / f"{i}.html").as_uri())
        found = axe.Axe().run(page, options={"rules": {"region": {"enabled": False}}}).response["violations"]
        assert [(each["id"], each["impact"]) for each in found if each["impact"] in ("serious", "critical")] == []
    page.close()


# --------------------------------------------------------------------------- live controls


def plot(k: int = 0, layer_name: str = "none") -> Any:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3))
    axes.plot([0, k])
    axes.set_ylabel(layer_name)
    if k > 7:
        raise ValueError(f"k = {k}\nis <too> large")
    return figure


def plot_of(shown_: Image.Image) -> Any:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 5))
    axes.imshow(shown_)
    return figure


@pytest.fixture
def widgets() -> Any:
    matplotlib.use("agg")
    return pytest.importorskip("ipywidgets")


def bundle(shown: Any) -> tuple[str, bytes, dict[str, int]]:
    """The kind of the picture, its bytes, and the size it is shown at."""
    data, about = shown._repr_mimebundle_()
    (kind,) = about
    assert set(data) == {kind, "text/plain"}  # no kernel runs here
    return kind, base64.b64decode(data[kind]), about[kind]


def test_live_calls_draw_once_with_the_first_values_and_again_when_a_control_changes(widgets):
    calls = []

    def draw(**values: Any) -> torch.Tensor:
        calls.append(values)
        return picture(colour=(values["mix"], 0.2, 0.2))

    grey = widgets.IntSlider(3, 0, 9, description="shades of grey")
    figure = live(draw, mix=(0.0, 1.0, 0.1), layer=["relu1_1", "relu2_1"], grey=grey, fixed=widgets.fixed("as it is"))
    first = {"mix": 0.5, "layer": "relu1_1", "grey": 3, "fixed": "as it is"}
    assert calls == [first]
    before = bundle(figure)
    figure.controls["mix"].value = 1.0
    assert calls[1:] == [first | {"mix": 1.0}]
    figure.controls["layer"].value = "relu2_1"
    assert calls[2:] == [first | {"mix": 1.0, "layer": "relu2_1"}]
    assert bundle(figure)[1] != before[1]
    assert [control.description for control in list(figure.controls.values())[:3]] == ["mix", "layer", "shades of grey"]
    assert grey.continuous_update is figure.controls["mix"].continuous_update is False


def test_live_shows_the_same_picture_to_the_page_and_to_the_front_end(widgets):
    figure = live(plot, k=(0, 9), layer_name=["a", "b"])
    for k in (4, 7):
        figure.controls["k"].value = k
        kind, data, size = bundle(figure)
        picture_, status = figure._box.children[-2:]
        assert f'src="data:{kind};base64,{base64.b64encode(data).decode()}"' in picture_.value
        assert f'alt="A figure drawn for k {k}, layer name a." width="{size["width"]}"' in picture_.value
        assert status.value == ""


def test_an_error_in_draw_keeps_the_last_picture_and_says_so_in_one_line(widgets):
    figure = live(plot, k=(0, 9), layer_name=["a", "b"])
    before, alt, html = bundle(figure), figure.alt, figure._box.children[-2].value
    figure.controls["k"].value = 9
    assert (bundle(figure), figure.alt, figure._box.children[-2].value) == (before, alt, html)
    assert figure._box.children[-1].value == "ValueError: k = 9 is &lt;too&gt; large"
    figure.controls["k"].value = 7
    assert figure._box.children[-1].value == ""
    assert bundle(figure)[1] != before[1]


def test_live_says_that_it_is_computing_and_that_it_was_interrupted(widgets):
    said = []

    def draw(k: int) -> torch.Tensor:
        said.append(figure._box.children[-1].value if k else "")
        if k == 2:
            raise KeyboardInterrupt
        return picture()

    figure = live(draw, k=[0, 1, 2])
    figure.controls["k"].value = 1
    assert said == ["", "computing ..."]
    figure.controls["k"].value = 2
    assert figure._box.children[-1].value.startswith("interrupted")


def test_live_leaves_no_pyplot_figure_open_and_no_other_closed(widgets):
    import matplotlib.pyplot as plt

    mine = plt.figure()
    try:
        figure = live(plot, k=(0, 9))
        for k in (3, 9, 5):  # 9 fails after its figure was made
            figure.controls["k"].value = k
            assert plt.get_fignums() == [mine.number]
        with pytest.raises(ValueError, match="too"):
            live(plot, k=8)
        assert plt.get_fignums() == [mine.number]
    finally:
        plt.close(mine)


def test_live_pictures_have_their_size_on_the_page(widgets):
    for draw, kind, size, pixels in [
        (lambda k: plot(k), "image/png", (576, 288), (780, 390)),
        (lambda k: plot_of(noise(400, 800)), "image/jpeg", (768, 384), (1300, 650)),
        (lambda k: loss_curves(history()), "image/png", None, None),
        (lambda k: gallery([picture()]), "image/jpeg", None, None),
        (lambda k: picture(60, 90), "image/jpeg", (360, 240), (90, 60)),
        (lambda k: noise(200, 300), "image/jpeg", (480, 320), (300, 200)),
        (lambda k: noise(300, 1440), "image/jpeg", (720, 150), (720, 150)),
        (lambda k: result(), "image/jpeg", (144, 96), (36, 24)),
    ]:
        found, data, about = bundle(live(draw, k=(0, 5)))
        shown_ = Image.open(io.BytesIO(data))
        assert (found, shown_.format) == (kind, kind.removeprefix("image/").upper())
        if size:
            assert (about["width"], about["height"]) == size and shown_.size == pixels
        else:
            assert shown_.width == pytest.approx(1.875 * about["width"], abs=2)


def test_a_plot_keeps_its_size_and_its_labels_whatever_they_say(widgets):
    figure = live(plot, k=1, layer_name=["a", "a long label " * 3 + "\nof two lines"])
    before = bundle(figure)
    figure.controls["layer_name"].value = figure.controls["layer_name"].options[1]
    after = bundle(figure)
    assert before[2] == after[2]
    edge = np.asarray(Image.open(io.BytesIO(after[1])).convert("L"))[:, :2]
    assert (edge == 255).all()  # nothing is cut off on the left


def test_live_without_ipywidgets_is_the_picture_that_it_would_begin_with(widgets, monkeypatch):
    controls: dict[str, Any] = {
        "whole": (0, 9),
        "stepped": (0, 10, 3),
        "real": (0.0, 1.0),
        "tenths": (-1.0, 1.0, 0.3),
        "number": 5,
        "share": 0.25,
        "flag": True,
        "text": "words",
        "choice": ["relu1_1", "relu2_1"],
        "pairs": [("one", 1), ("two", 2)],
        "named": {"one": 1, "two": 2},
        "counted": range(3, 9),
    }
    seen_: list[dict[str, Any]] = []

    def draw(**values: Any) -> torch.Tensor:
        seen_.append(values)
        return picture()

    live(draw, **controls)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    figure = live(draw, **controls)
    assert list(seen_[0]) == list(seen_[1]) == list(controls)
    for name, value in seen_[0].items():
        assert type(value) is type(seen_[1][name])
        assert value == (pytest.approx(seen_[1][name]) if isinstance(value, float) else seen_[1][name])
    assert figure.controls == {} and bundle(figure)[0] == "image/jpeg"
    with pytest.raises(FigureError, match="cannot be a control"):
        live(draw, k=object())


def test_what_draw_raises_at_first_is_the_callers_to_see(widgets):
    with pytest.raises(ZeroDivisionError):
        live(lambda k: 1 / 0, k=(0, 9))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: live(cast(Any, "draw"), k=1), "must be a function"),
        (lambda: live(lambda: picture()), "at least one control"),
        (lambda: live(lambda k: picture(), k=object()), "cannot be a control"),
        (lambda: live(lambda k: picture(), k=(9, 0)), "k cannot be a control"),
        (lambda: live(lambda k: picture(), k=(1, 2, 3, 4)), "cannot be a control"),
        (lambda: live(lambda k: None, k=1), "return figure"),
    ],
)
def test_what_cannot_be_live_is_refused_in_one_line(widgets, call, says):
    with pytest.raises(FigureError) as caught:
        call()
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_what_draw_returns_must_be_a_figure_or_one_picture(widgets):
    for wrong in (7, "cat.png", torch.rand(2, 3, 8, 8)):
        with pytest.raises(ImageError, match="what draw returns"):
            live(lambda k, wrong=wrong: wrong, k=1)


def test_live_without_ipython_shows_the_picture(widgets, monkeypatch):
    figure = live(plot, k=(0, 9), alt="A line.")
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert bundle(figure)[0] == "image/png"
    assert repr(figure) == "Live('A line.')" and figure._repr_mimebundle_()[0]["text/plain"] == "A line."


@pytest.mark.browser
@pytest.mark.parametrize("width", [900, 390])
def test_the_front_end_shows_controls_picture_and_status(visit, widgets, tmp_path, width):
    embed = pytest.importorskip("ipywidgets.embed")
    with zipfile.ZipFile(ROOT / "book" / "_vendor" / "html-manager-1.0.15.zip") as archive:
        archive.extractall(tmp_path)
    figure = live(plot, k=(0, 9), layer_name=["a", "b"], alt="A <line>.")
    figure.controls["k"].value = 9
    snippet = embed.embed_snippet([figure._box], requirejs=False, cors=False, embed_url="embed.js")
    page = visit(snippet, viewport={"width": width, "height": 700})
    shown_ = page.get_by_role("img", name="A <line>.")
    shown_.wait_for()
    assert shown_.bounding_box()["width"] == pytest.approx(min(576, width - 20), abs=20)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_text("ValueError: k = 9 is <too> large").is_visible()
    assert page.get_by_text("layer name").is_visible()


# --- the templates ---------------------------------------------------------------------------------------

TEMPLATES = sorted((Path(markup.__file__).parent / "html").iterdir())
KINDS = ("divider", "frames", "hover", "grid")


def test_all_templates_are_used_and_nothing_of_their_comments_is_shown() -> None:
    markup.template.cache_clear()
    pages = [markup.template(f"{name}.html") for name in (*KINDS, "page", "keys")]
    whole = "".join(pages)
    assert "/*" not in whole and "<!--" not in whole and "include" not in whole
    for path in TEMPLATES:
        assert markup.template(path.name) in whole, f"{path.name} is in no figure"


@pytest.mark.parametrize("name", [path.name for path in TEMPLATES if path.suffix == ".css"])
def test_style_sheets_are_css_and_reach_nothing_outside_the_figure(name: str) -> None:
    tinycss2 = pytest.importorskip("tinycss2")
    rules = tinycss2.parse_stylesheet(markup.template(name), skip_comments=True, skip_whitespace=True)
    inner: list[Any] = []
    for rule in rules:
        assert rule.type in ("qualified-rule", "at-rule"), getattr(rule, "message", rule)
        nested = rule.type == "at-rule"
        inner += tinycss2.parse_rule_list(rule.content, skip_whitespace=True) if nested else [rule]
    for rule in inner:
        assert rule.type == "qualified-rule", getattr(rule, "message", rule)
        selectors = tinycss2.serialize(rule.prelude).split(",")
        assert all(selector.strip().startswith("#__ID__ ") or selector == "#__ID__" for selector in selectors)
        declarations = tinycss2.parse_declaration_list(rule.content, skip_comments=True, skip_whitespace=True)
        assert {declaration.type for declaration in declarations} == {"declaration"}


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.suffix == ".js"], ids=lambda path: path.name)
def test_scripts_are_javascript_as_they_stand(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to parse them")
    subprocess.run([node, "--check", path], check=True, capture_output=True)


def test_what_a_label_says_is_never_taken_for_a_placeholder() -> None:
    """Nor for a file to include."""
    labels = ("__ALT__ and __FIGURES__", "/* include keys.js */")
    shown = divider(picture(), picture(), labels, alt="__ID__").html
    assert all(f"<figcaption>{label}</figcaption>" in shown for label in labels)
    assert 'aria-label="__ID__"' in shown
