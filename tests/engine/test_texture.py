"""Textures from a style alone, and pictures that tile."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_helpers import OPTIMIZERS, SMALL, TINY, paint, totals
from torch import Tensor
from torch.nn import functional as F

import styletut as st
from styletut import objective, vgg
from styletut.engine import scales
from styletut.errors import ImageError, RecipeError
from styletut.recipes import Recipe
from styletut.transfer import Result, SizeWarning, iterate

PADDINGS = [padding for padding in vgg.PADDINGS if padding != "zeros"]


@pytest.fixture
def blobs() -> Tensor:
    """A style that is smooth, so that a seam shows."""
    coarse = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    return F.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0, 1)


def textured(style: Any, size: Any = (48, 64), recipe: Recipe = SMALL, **options: Any) -> Result:
    return st.texture(style, size, recipe, **{"progress": False, "precision": "float32", **options})


def seams(picture: Tensor) -> tuple[float, float]:
    """How much pixels differ across the edges, over how much they do inside: left to right, top to bottom."""
    across = (picture - picture.roll(1, -1)).square().mean((0, 1, 2))
    down = (picture - picture.roll(1, -2)).square().mean((0, 1, 3))
    return float(across[0] / across[1:].mean()), float(down[0] / down[1:].mean())


# --- seamless ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tv_weight", [0.0, 0.1])
@pytest.mark.parametrize("tile", [None, 16])
def test_a_seamless_texture_has_no_seam_and_another_has(tv_weight: float, tile: int | None, blobs: Tensor) -> None:
    changes: dict[str, Any] = {"scales": ((0.5, 20), (1.0, 30)), "tv_weight": tv_weight, "tile": tile}
    assert max(seams(textured(blobs, seamless=True, **changes).picture)) < 2
    assert min(seams(textured(blobs, **changes).picture)) > 3


def losses_by_layer(padding: str, picture: Tensor, style: Tensor) -> dict[str, float]:
    recipe = st.recipes.get("gram").replace(weights=TINY, padding=padding, content_weight=0)
    network = vgg.VGG(recipe.layers, weights=TINY, padding=padding).double()
    goal = objective.build(picture, style.double(), recipe, network=network)
    return {name: float(loss) for name, loss in goal(picture).items()}


def test_rolling_a_picture_that_wraps_leaves_every_loss_and_with_zeros_none(painting: Tensor) -> None:
    picture = torch.rand(1, 3, 48, 64, dtype=torch.float64)
    moved = picture.roll((16, 16), (-2, -1))
    before, after = (losses_by_layer("circular", p, painting) for p in (picture, moved))
    assert set(before) == {*(f"style/relu{i}_1" for i in range(1, 6)), "tv", "total"}
    for name, loss in before.items():
        assert after[name] == pytest.approx(loss, rel=1e-12), name
    before, after = (losses_by_layer("zeros", p, painting) for p in (picture, moved))
    for name, loss in before.items():
        assert after[name] != pytest.approx(loss, rel=1e-6), name


def test_coordinates_of_frequencies_move_with_the_picture() -> None:
    """`decorrelation` knows no edges: it is periodic."""
    spectrum = st.optim.Spectrum(0.5, (48, 64), dtype=torch.float64)
    x = torch.rand(1, 3, 48, 64, dtype=torch.float64)
    moved = spectrum.picture(x.roll((5, 9), (-2, -1)))
    torch.testing.assert_close(moved, spectrum.picture(x).roll((5, 9), (-2, -1)))


@pytest.mark.parametrize(("size", "wanted"), [((60, 41), (60, 44)), (30, (32, 32)), ((64, 48), (64, 48))])
def test_sides_that_do_not_tile_are_rounded_up_in_one_line(size: Any, wanted: tuple[int, int], blobs: Tensor) -> None:
    """The deepest of these layers has a stride of 4."""
    changes: dict[str, Any] = {"style_layers": {"relu3_1": 1.0}, "scales": ((0.4, 1), (1.0, 1))}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = textured(blobs, size, seamless=True, **changes)
    assert tuple(result.picture.shape[-2:]) == wanted == result.recipe.size
    said = [str(warning.message) for warning in caught if warning.category is SizeWarning]
    assert len(said) == (0 if size == wanted else 1) and all("\n" not in line for line in said)
    assert all(side % 4 == 0 for row in result.history for side in row["size"])
    if said:
        assert said[0].endswith(f"rounded up to {wanted[1]} x {wanted[0]}, multiples of 4, so that the texture tiles")


def test_a_picture_that_wraps_is_resized_with_its_opposite_edge_in_view() -> None:
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    for size in ((64, 80), (32, 16), (80, 48)):
        made = scales.resized(picture, size, wraps=True)
        assert tuple(made.shape[-2:]) == size
        thrice = scales.resized(picture.repeat(1, 1, 3, 3), (3 * size[0], 3 * size[1]))
        torch.testing.assert_close(made, thrice[..., size[0] : 2 * size[0], size[1] : 2 * size[1]], rtol=0, atol=1e-5)
        assert not torch.allclose(made, scales.resized(picture, size), atol=1e-2)


def test_a_texture_stopped_at_a_coarse_scale_still_tiles(blobs: Tensor) -> None:
    stopped = textured(blobs, 64, seamless=True, scales=((0.5, 2), (1.0, 9)), callback=lambda step: False)
    assert stopped.stopped == "interrupted" and tuple(stopped.picture.shape[-2:]) == (64, 64)
    coarse = iterate(torch.zeros(1, 3, 64, 64), blobs, stopped.recipe)
    next(coarse)
    picture = coarse.picture(best=True)
    assert tuple(picture.shape[-2:]) == (32, 32)
    assert torch.equal(stopped.picture, scales.resized(picture, (64, 64), wraps=True))
    assert not torch.allclose(stopped.picture, scales.resized(picture, (64, 64)), atol=1e-2)


def test_a_photograph_whose_sides_do_not_wrap_is_refused_with_a_size_that_does(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match=r"multiples of 4, not 39 x 32 pixels: set size=\(32, 40\)"):
        iterate(photo[..., :39], painting, SMALL, padding="circular")
    assert iterate(photo, painting, SMALL, padding="circular").sizes == [(32, 40)]


def test_padding_is_refused_for_a_network_of_ones_own() -> None:
    class Own:
        layers = ("first",)

        def __call__(self, image: Tensor) -> dict[str, Tensor]:
            return {"first": image}

    with pytest.raises(RecipeError, match="padding is for a VGG"):
        Recipe(network=Own(), content_layers={}, style_layers={"first": 1.0}, padding="reflect")


# --- textures ----------------------------------------------------------------------------------------


def test_a_texture_is_what_stylize_makes_of_a_style_from_noise(blobs: Tensor) -> None:
    result = textured(blobs, (40, 32), seed=3)
    recipe = SMALL.replace(content_weight=0, start="noise", size=(40, 32), seed=3, precision="float32")
    for content in (torch.rand(1, 3, 40, 32), torch.zeros(1, 3, 40, 32)):
        assert torch.equal(paint(content, blobs, recipe).picture, result.picture)
    assert result.recipe == recipe and totals(result)[-1] < totals(result)[0]
    assert tuple(textured(blobs, 36).picture.shape[-2:]) == (36, 36)
    assert tuple(textured(blobs, None).picture.shape[-2:]) == (64, 64)  # the recipe has no size: the style's
    assert tuple(textured(blobs, None, SMALL.replace(size=20)).picture.shape[-2:]) == (20, 20)
    assert st.texture(blobs, 32, weights=TINY, steps=3, progress=False).recipe.name == "fast"


def test_a_texture_larger_than_its_style_has_the_styles_detail_at_every_scale(blobs: Tensor) -> None:
    large = textured(blobs, (128, 96), scales=((0.5, 1), (1.0, 1)))
    sizes = ((64, 48), (128, 96))
    made = [scales.style_at(blobs, size, large.recipe, 1, full=(128, 96)) for size in sizes]
    assert [tuple(style.shape[-2:]) for style in made] == [(32, 32), (64, 64)]
    assert (
        textured(blobs, 32).recipe.style_scale == 1 and textured(blobs, 128, style_scale=0.3).recipe.style_scale == 0.3
    )


def test_several_styles_are_blended_and_a_texture_may_start_from_a_picture(blobs: Tensor, painting: Tensor) -> None:
    alone, blended = textured(blobs, 32), textured([blobs, painting], 32, style_weights=[1, 3])
    assert not torch.equal(alone.picture, blended.picture)
    start = torch.rand(1, 3, 32, 32)
    run = iterate(torch.zeros(1, 3, 32, 32), blobs, alone.recipe, start=start)
    assert torch.equal(textured(blobs, 32, start=start).picture, [step.picture() for step in run][-1])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"content_weight": 1.0}, "a texture has no photograph: content_weight must be 0"),
        ({"strength": 0.5}, "a texture has no photograph: strength must be 1"),
        ({"colour": "luminance"}, "a texture has no photograph: colour must be 'style'"),
        ({"size": (1, 40)}, "a texture of 40 x 1 pixels is too small for the recipe's layers: 2 pixels a side"),
        ({"size": "large"}, "size must be a number of pixels"),
        ({"style_weight": 0, "tv_weight": 0}, "nothing to optimise"),
        ({"seamles": True}, "unknown recipe field 'seamles'"),
    ],
)
def test_what_a_texture_cannot_have_is_refused_in_one_line(options: dict[str, Any], says: str, blobs: Tensor) -> None:
    with pytest.raises(RecipeError) as caught:
        textured(blobs, **options)
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)
    with pytest.raises(ImageError):
        textured("missing.png")


# --- together with all the rest ----------------------------------------------------------------------


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_a_run_with_another_padding_resumes_exactly(
    padding: str, optimizer: str, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    changes = OPTIMIZERS[optimizer] | {"scales": ((0.5, 3), (1.0, 3)), "pooling": "max-same"}
    recipe = SMALL.replace(padding=padding, **changes)
    whole = paint(photo, painting, recipe)
    run = iterate(photo, painting, recipe)
    for _ in range(4):
        next(run)
    resumed = st.resume(run.save(tmp_path / "run.pt"), weights=TINY, progress=False)
    assert resumed.recipe.padding == padding and torch.equal(resumed.picture, whole.picture)
    assert not torch.equal(whole.picture, paint(photo, painting, recipe.replace(padding="zeros")).picture)


@pytest.mark.parametrize("padding", vgg.PADDINGS)
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_comes_near_to_float32_in_tiles_too(padding: str, precision: str, blobs: Tensor) -> None:
    content = F.interpolate(blobs, size=(64, 80), mode="bilinear")
    changes: dict[str, Any] = {"padding": padding, "pooling": "max-same", "scales": ((1.0, 1),)} | OPTIMIZERS["sgd"]
    exact = paint(content, blobs, SMALL.replace(precision="float32", **changes))
    step = exact.picture - content
    for tile in (None, 32):
        half = paint(content, blobs, SMALL.replace(precision=precision, **changes), tile=tile)
        assert totals(half)[0] == pytest.approx(totals(exact)[0], rel=0.02)
        # SGD's step is the gradient; rounding decides differently at a few ReLUs.
        assert float(F.cosine_similarity((half.picture - content).flatten(), step.flatten(), dim=0)) > 0.99


def test_an_estimate_of_a_picture_that_wraps_is_made_at_a_size_that_does(blobs: Tensor) -> None:
    cost = st.estimate(torch.rand(1, 3, 256, 144), blobs, SMALL.replace(padding="circular"), device="cpu")
    assert cost.size == (256, 144) and cost.seconds > 0
