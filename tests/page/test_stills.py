"""The still pictures of the live figures: each was made of what its figure paints now, and is light."""

from __future__ import annotations

import json

import live_stills
import numpy as np
import pytest
import torch
from PIL import Image

from styletut.page import figures

NAMES = list(figures.figures())


@pytest.mark.parametrize("name", NAMES)
def test_a_still_picture_was_made_of_what_its_figure_paints(name: str) -> None:
    path = live_stills.path(name)
    assert path.stat().st_size <= 40_000
    said = json.loads(Image.open(path).info["comment"])
    now = json.loads(json.dumps(live_stills.made_of(figures.figures()[name])))
    for before, recipe in zip(said["recipes"], now["recipes"], strict=True):
        assert before.items() <= recipe.items()  # a field that recipes have since got is no reason to paint anew
    assert {**said, "recipes": None} == {**now, "recipes": None}, "python tools/live_stills.py paints it anew"


@pytest.mark.parametrize(("name", "count"), [("texture", 2), ("losses", 4), ("race", 2), ("depth", 6), ("starts", 8)])
def test_a_still_picture_has_what_a_reader_can_choose(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stills, "STEPS", 1)
    monkeypatch.setattr(figures, "SIZE", 16)
    found = live_stills.panes(name, figures.figures()[name])
    assert len(found) == count and len({picture.shape for picture in found}) == 1
    for i, picture in enumerate(found):
        assert not any(torch.equal(picture, other) for other in found[:i])


def test_pictures_stand_in_rows_with_a_gap_between_them() -> None:
    made = live_stills.sheet([torch.full((1, 3, 2, 3), shade / 5) for shade in range(6)])
    assert made.size == (3 * 256 + 2 * 6, 2 * 170 + 6)
    values = np.asarray(made)  # (rows, columns, 3)
    assert tuple(values[10, 258]) == live_stills.GREY
    shades = [values[176 * row + 9, 262 * column + 9, 0] for row in range(2) for column in range(3)]
    assert shades == [51 * shade for shade in range(6)]


def test_an_unknown_figure_is_refused_before_anything_is_painted() -> None:
    with pytest.raises(SystemExit, match="no live figure 'sculpture'; there are texture,"):
        live_stills.main(["sculpture"])
