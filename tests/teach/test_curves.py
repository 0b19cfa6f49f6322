"""Curves of losses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from teach_helpers import history, result, shown

from styletut.teach.curves import OTHERS, TERMS, _readable
from styletut.teach.figures import loss_curves


def curves(figure: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")}


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
