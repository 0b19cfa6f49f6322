"""Panels of pictures: `before_after`, `film_strip` and `gallery`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from teach_helpers import picture, result, shown

from styletut.teach.figures import before_after, film_strip, gallery


def texts(figure: Any) -> list[str]:
    """What stands on the figure, from top to bottom and from left to right."""
    return [text.get_text() for text in figure.texts]


def panel_size(axes: Any) -> tuple[float, float]:
    box = axes.get_window_extent()
    return box.width, box.height


def test_before_after_names_three_panels_and_takes_a_result():
    figure = before_after(picture(), picture(30, 30), result())
    assert [axes.get_label() for axes in figure.axes] == ["content", "style", "result"]
    assert texts(figure) == ["content", "style", "result"]


def test_every_panel_keeps_its_own_shape_and_a_row_has_one_height():
    figure = before_after(picture(24, 36), picture(30, 20), picture(24, 36))
    sizes = [panel_size(axes) for axes in figure.axes]
    assert [width / height for width, height in sizes] == pytest.approx([1.5, 2 / 3, 1.5], rel=1e-3)
    assert len({round(height, 3) for _, height in sizes}) == 1


def test_a_panorama_keeps_its_shape_and_leaves_room_for_other_panels():
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


def test_colours_on_the_page_are_those_of_the_picture():
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
