"""A margin: painted around the picture, and cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_helpers import ADAM, SMALL, TINY, paint
from torch import Tensor
from torch.nn import functional as F

import styletut as st
from styletut.engine import margin
from styletut.engine.inputs import Inputs
from styletut.transfer import iterate

TWO = SMALL.replace(scales=((0.5, 2), (1.0, 2)), margin=3)


def inputs(picture: Tensor, recipe: st.Recipe = TWO, **given: Any) -> Inputs:
    return Inputs.read(picture, picture, recipe, **given)


def test_a_margin_gives_what_the_middle_of_a_larger_picture_gives(photo: Tensor, painting: Tensor) -> None:
    """3 pixels at half of the size are 6 at the full one. The style has its own size, which no margin changes."""
    own = TWO.replace(style_scale="own")
    wider = F.pad(photo, (6, 6, 6, 6), mode="reflect")
    expected = paint(wider, painting, own.replace(margin=0)).picture[..., 6:-6, 6:-6]
    found = paint(photo, painting, own).picture
    assert found.shape == photo.shape and torch.equal(found, expected)
    assert not torch.allclose(found, paint(photo, painting, own.replace(margin=0)).picture, atol=1e-3)


def test_strokes_are_as_large_as_without(photo: Tensor, painting: Tensor) -> None:
    """The style is made as large as the picture inside, at every scale; two of its sizes are as far apart."""
    large = F.interpolate(painting, (90, 120), mode="bicubic").clamp(0, 1)
    for changes in ({}, {"style_scale": (0.5, 1.0, "own")}):
        with_margin, without = (iterate(photo, large, TWO.replace(margin=n, **changes)).backend for n in (3, 0))
        for painted, size in [((22, 26), (16, 20)), ((44, 52), (32, 40))]:
            assert with_margin._largest_style(painted) == without._largest_style(size)
            for scale, plain in zip(with_margin.recipe.style_scales, without.recipe.style_scales, strict=True):
                found, expected = with_margin._style_at(large, painted, scale), without._style_at(large, size, plain)
                assert torch.equal(found, expected)


def test_sizes_that_are_told_are_the_pictures(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, TWO.replace(snapshot_every=1))
    steps = list(run)
    assert [step.size for step in steps] == [(16, 20)] * 2 + [(32, 40)] * 2
    assert run.sizes == [(22, 26), (44, 52)]
    result = run.result()
    assert [tuple(picture.shape[-2:]) for _, picture in result.frames] == [step.size for step in steps]
    assert result.before is not None and result.before.shape == photo.shape
    assert result.inputs["content"][0]["size"] == [32, 40]
    assert steps[-1].picture().is_contiguous()


@pytest.mark.parametrize("size", [(32, 40), (33, 47), (100, 31), (8, 8)])
@pytest.mark.parametrize("share", [1.0, 0.5, 1 / 3, 1 / 6])
def test_what_is_cut_has_the_pictures_size_at_every_scale(size: tuple[int, int], share: float) -> None:
    recipe = SMALL.replace(scales=((share, 1), (1.0, 1)) if share < 1 else ((1.0, 1),), margin=3)
    canvas = margin.extended(inputs(torch.rand(1, 3, *size), recipe), recipe).size
    assert margin.inside(canvas, size, canvas) == size
    coarse = (round(canvas[0] * share), round(canvas[1] * share))
    found = margin.inside(coarse, size, canvas)
    assert all(abs(side - share * full) <= 1.5 for side, full in zip(found, size, strict=True))
    assert tuple(margin.cut(torch.rand(1, 3, *coarse), size, canvas).shape[-2:]) == found


def test_it_is_never_as_wide_as_the_picture() -> None:
    extended = margin.extended(inputs(torch.rand(1, 3, 8, 40)), TWO.replace(margin=50))
    assert extended.size == (8 + 2 * 7, 40 + 2 * 39)


def test_masks_and_the_start_lie_where_their_picture_does(photo: Tensor) -> None:
    mask = torch.zeros(32, 40)
    mask[:16] = 1
    start = F.interpolate(photo, (16, 20))
    given = inputs(photo, masks=[mask], content_mask=mask, style_masks=[mask], start=start)
    wider = margin.extended(given, TWO)
    assert wider.masks.regions is not None and given.masks.styles is not None and wider.masks.styles is not None
    assert wider.start is not None and wider.masks.content is not None
    for picture, inner in ((wider.masks.regions[0], mask), (wider.masks.content, mask), (wider.content, photo)):
        assert tuple(picture.shape[-2:]) == (44, 52)
        middle = picture[..., 6:-6, 6:-6]
        assert torch.equal(middle, inner.expand(middle.shape))
        assert torch.equal(picture[..., 5, :], picture[..., 7, :])  # mirrored
    assert tuple(wider.start.shape[-2:]) == (22, 26) and torch.equal(wider.start[..., 3:-3, 3:-3], start)
    assert wider.masks.styles[0] is given.masks.styles[0]


def test_a_picture_that_tiles_has_none(photo: Tensor, painting: Tensor) -> None:
    tiling = TWO.replace(padding="circular")
    found = paint(photo, painting, tiling).picture
    assert torch.equal(found, paint(photo, painting, tiling.replace(margin=0)).picture)


def test_at_strength_0_the_photograph_stays_to_the_last_bit(photo: Tensor, painting: Tensor) -> None:
    found = paint(photo, painting, TWO.replace(strength=0.0, start="content")).picture
    assert torch.equal(found, photo)


@pytest.mark.parametrize("colour", ["luminance", "covariance", "histogram"])
def test_colours_are_taken_from_the_picture_without_its_margin(colour: str, photo: Tensor, painting: Tensor) -> None:
    recipe = TWO.replace(colour=colour, colour_when="after")
    run = iterate(photo, painting, recipe)
    plain = iterate(photo, painting, recipe.replace(colour="style"))
    for _ in zip(run, plain, strict=True):
        pass
    expected = run.colouring.finished(plain.picture())
    assert torch.equal(run.picture(), expected) and not torch.equal(expected, plain.picture())
    if colour == "covariance":
        assert torch.allclose(run.picture().mean((2, 3)), photo.mean((2, 3)), atol=0.02)


def test_several_pictures_have_a_margin_each(photo: Tensor, painting: Tensor) -> None:
    pictures, recipe = torch.cat([photo, photo.flip(-1)]), SMALL.replace(**ADAM, batch=2, margin=3, style_scale="own")
    wider = F.pad(pictures, (3, 3, 3, 3), mode="reflect")
    expected = paint(wider, painting, recipe.replace(margin=0)).picture[..., 3:-3, 3:-3]
    assert torch.equal(paint(pictures, painting, recipe).picture, expected)


def test_a_saved_run_goes_on_to_the_same_picture(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    expected = paint(photo, painting, TWO).picture
    run = iterate(photo, painting, TWO)
    for _ in range(3):
        next(run)
    run.save(tmp_path / "run.pt")
    assert torch.equal(st.resume(tmp_path / "run.pt", progress=False, weights=TINY).picture, expected)


def test_a_texture_has_one(painting: Tensor) -> None:
    found = st.texture(painting, (32, 48), TWO, progress=False).picture
    assert tuple(found.shape) == (1, 3, 32, 48)
