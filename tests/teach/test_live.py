"""`live`: controls that compute a picture again."""

from __future__ import annotations

import base64
import io
import re
import sys
import zipfile
from pathlib import Path
from typing import Any, cast

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from teach_helpers import history, noise, picture, result

from styletut.errors import ImageError
from styletut.teach.figures import FigureError, gallery, grid, live, loss_curves

ROOT = Path(__file__).parents[2]


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
        (lambda: paged(page={"k": [0, 4]}), "page takes the values of two controls"),
        (lambda: paged(page={"k": [0], "mode": ["a"], "flag": [True]}), "page takes the values of two controls"),
        (lambda: paged(page=cast(Any, ["k", "mode"])), "page takes the values of two controls"),
        (lambda: paged(page={"k": [0], "shade": ["a"]}), "'shade' is no control; there are k, mode, flag"),
        (lambda: paged(page={"k": [0], "mode": "ab"}), "give mode a list of values"),
        (lambda: paged(page={"k": cast(Any, 4), "mode": ["a"]}), "give k a list of values"),
        (lambda: paged(page={"k": [0, 10], "mode": ["a"]}), "10 is no value of the control k"),
        (lambda: paged(page={"k": [0, 0.5], "mode": ["a"]}), "0.5 is no value of the control k"),
        (lambda: paged(page={"k": [0, 4], "mode": ["a", "c"]}), "'c' is no value of the control mode"),
        (lambda: paged(page={"k": [0, 4], "mode": []}), "at least two pictures"),
        (lambda: paged(page={"k": range(10), "mode": ["a", "b"]}, max_bytes=9000), "do not fit into max_bytes=9,000"),
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


def shade(k: int, mode: str, flag: bool) -> torch.Tensor:
    return picture(colour=(k / 9, {"a": 0.2, "b": 0.8}[mode], float(flag)))


def paged(**about: Any) -> Any:
    return live(shade, **about, k=(0, 9), mode=["a", "b"], flag=True)


def test_a_page_shows_a_grid_of_two_controls_and_the_others_at_their_first_value(widgets):
    figure = paged(page={"mode": ["b", "a"], "k": [0, 4, 9]}, alt="Shades.")
    table = [[shade(k, mode, True) for k in (0, 4, 9)] for mode in "ba"]
    # A picture is stored once already by the time that it comes into the grid: not the same bytes.
    expected = grid(table, ["b", "a"], [0, 4, 9], ("mode", "k"), "Shades.", start=(1, 1))
    data, about = figure._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"} and about == {} and data["text/plain"] == "Shades."
    assert plain(data["text/html"]) == plain(expected.html)
    for shown_, made in zip(stored(data["text/html"]), stored(expected.html), strict=True):
        assert np.abs(np.subtract(shown_, made, dtype=int)).max() <= 4


def plain(page: str) -> str:
    """The HTML of a figure without its pictures, and without its name, which depends on them."""
    return re.sub(r"styletut-grid-\w+|base64,[^\"]+", "", page)


def stored(page: str) -> list[np.ndarray]:
    """The pictures in the HTML of a figure."""
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in re.findall(r"base64,([^\"]+)", page)]


def test_a_page_is_drawn_once_and_stays_when_a_control_is_moved(widgets):
    calls = []

    def draw(k: int, layer_name: str) -> torch.Tensor:
        calls.append((k, layer_name))
        return picture()

    figure = live(draw, k=widgets.IntSlider(3, 0, 9), layer_name=["a", "b"], page={"k": [0, 9], "layer_name": ["b"]})
    assert calls == [(3, "a"), (0, "b"), (9, "b")]
    assert (figure.controls["k"].value, figure.controls["layer_name"].value) == (3, "a")
    before = figure._repr_mimebundle_()
    figure.controls["k"].value = 9
    assert figure._repr_mimebundle_() == before and calls[3:] == [(9, "a")]
    assert before[0]["text/plain"] == "2 pictures for 2 values of k (0 to 9) and 1 of layer name (b to b)."


def test_a_page_where_a_kernel_runs_has_the_controls_too(widgets, monkeypatch):
    monkeypatch.setattr("styletut.teach.live.kernel_runs", lambda: True)
    data, _ = paged(page={"mode": ["b", "a"], "k": [0, 4, 9]})._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}


def test_a_page_needs_no_ipywidgets(widgets, monkeypatch):
    shown_ = paged(page={"k": [0, 9], "mode": ["a", "b"]})._repr_mimebundle_()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert paged(page={"k": [0, 9], "mode": ["a", "b"]})._repr_mimebundle_() == shown_


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
