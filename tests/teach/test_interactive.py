"""Interactive figures, read as HTML."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import pytest
import torch
from PIL import Image
from teach_helpers import noise, picture, result, stripped

from styletut import figures
from styletut.teach.figures import divider, frames, grid, hover


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
