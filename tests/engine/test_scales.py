"""Scales, the picture that each begins with, and the size of the style."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_helpers import ADAM, SMALL, SMOOTH, loss_of, paint
from torch import Tensor

import styletut as st
from styletut import images, objective, vgg
from styletut.engine import scales
from styletut.errors import RecipeError
from styletut.transfer import iterate


def test_the_start_content_is_the_content(photo: Tensor, painting: Tensor) -> None:
    assert torch.allclose(iterate(photo, painting, SMALL).picture(), photo, atol=1e-6)


def test_the_start_style_is_the_middle_of_the_style_at_the_contents_size(photo: Tensor, painting: Tensor) -> None:
    """44 x 28 is cut to 22 x 28, the aspect of 32 x 40, and never squeezed."""
    found = iterate(photo, painting, SMALL.replace(start="style")).picture()
    expected = images.resize(painting[..., 11:33, :], (32, 40), upscale=True)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_the_start_noise_is_noise_around_the_networks_mean(noise: str, painting: Tensor) -> None:
    content = torch.rand(1, 3, 64, 64)
    changes = {"start": "noise", "noise": noise, "noise_range": (-30.0, 20.0) if noise == "uniform" else (10.0, 20.0)}
    found = iterate(content, painting, SMALL.replace(**changes)).state.variable.detach()
    offset = (found - torch.tensor(vgg.IMAGENET_MEAN).view(1, 3, 1, 1)) * 255
    if noise == "uniform":
        assert -30 <= float(offset.min()) < -29.5 and 19.5 < float(offset.max()) <= 20
        assert float(offset.mean()) == pytest.approx(-5, abs=1)
    else:
        assert float(offset.mean()) == pytest.approx(10, abs=1)
        assert float(offset.std()) == pytest.approx(20, abs=1)


def test_the_start_mix_is_noise_and_content_in_the_recipes_shares(photo: Tensor, painting: Tensor) -> None:
    mean = torch.tensor(vgg.IMAGENET_MEAN).view(1, 3, 1, 1)
    mix = SMALL.replace(start="mix", start_mix=0.25, noise_range=(-20.0, 20.0), seed=5)
    found = iterate(photo, painting, mix).state.variable.detach()
    noise = iterate(photo, painting, mix.replace(start="noise")).state.variable.detach()
    assert torch.allclose(found, mean + 0.25 * (photo - mean) + 0.75 * (noise - mean), atol=1e-6)
    pure = iterate(photo, painting, mix.replace(start_mix=1.0)).state.variable.detach()
    assert torch.allclose(pure, photo, atol=1e-6)


def test_without_a_network_noise_is_around_grey() -> None:
    found = iterate(torch.rand(1, 3, 32, 32), None, SMOOTH.replace(start="noise", noise_range=(0.0, 0.0))).picture()
    assert torch.allclose(found, torch.full_like(found, 0.5))


def test_the_start_may_be_a_picture_of_any_size(photo: Tensor, painting: Tensor) -> None:
    start = torch.rand(1, 3, 16, 20)
    found = iterate(photo, painting, SMALL, start=start).picture()
    assert torch.equal(found, images.resize(start, (32, 40), upscale=True))
    result = paint(photo, painting, start=start)
    assert result.manifest()["inputs"]["start"][0]["size"] == [16, 20]


@pytest.mark.parametrize("start", ["content", "style", "noise", "mix", "matched"])
def test_the_recipes_start_can_be_changed_by_its_name(start: str, photo: Tensor, painting: Tensor) -> None:
    """`start` is a field of the recipe too, and fields may be given as keywords."""
    run = iterate(photo, painting, SMALL, start=start)
    assert run.recipe.start == start
    assert torch.equal(run.picture(), iterate(photo, painting, SMALL.replace(start=start)).picture())


def test_the_start_style_needs_a_style(photo: Tensor) -> None:
    with pytest.raises(RecipeError, match="start='style' needs a style picture"):
        iterate(photo, None, SMALL.replace(start="style", style_weight=0))


def test_coarse_to_fine_goes_through_every_size_and_step(photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, scales=((0.5, 3), (0.75, 2), (1.0, 4)), size=32)
    sizes = [row["size"] for row in result.history]
    assert sizes == [(13, 16)] * 3 + [(20, 24)] * 2 + [(26, 32)] * 4
    assert result.picture.shape == (1, 3, 26, 32)


@pytest.mark.numerical
def test_the_next_scale_begins_with_the_enlarged_picture_of_the_last(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL, scales=((0.5, 3), (1.0, 1)), **ADAM)
    for _ in range(3):
        coarse = next(run)
    enlarged = images.resize(run.state.variable.detach().contiguous(), (32, 40), upscale=True)
    expected = loss_of(enlarged, photo, images.resize(painting, 40))
    assert coarse.scale == 0
    assert next(run).losses["total"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("style_size", "changes", "sizes"),
    [
        ((44, 28), {}, [(40, 25)]),  # longer side 40, as the content's; its own aspect
        ((28, 44), {"scales": ((0.5, 1), (1.0, 1))}, [(13, 20), (25, 40)]),
        ((20, 16), {}, [(20, 16)]),  # never enlarged
        ((80, 80), {"style_scale": 1.5}, [(60, 60)]),
        ((80, 80), {"style_scale": 0.5}, [(20, 20)]),
        ((80, 64), {"style_scale": "own"}, [(80, 64)]),  # larger than the content
        ((80, 64), {"style_scale": "own", "scales": ((0.5, 1), (1.0, 1))}, [(40, 32), (80, 64)]),
        ((20, 16), {"style_scale": "own", "scales": ((0.5, 1), (1.0, 1))}, [(10, 8), (20, 16)]),
        ((80, 80), {"style_scale": (0.5, 1, "own")}, [(20, 20), (40, 40), (80, 80)]),
        ((80, 80), {"style_scale": (0.5, 1), "colour": "luminance"}, [(20, 20), (40, 40)]),
    ],
)
def test_the_style_keeps_its_aspect_and_is_never_enlarged(
    style_size: tuple[int, int],
    changes: dict[str, Any],
    sizes: list[tuple[int, int]],
    photo: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, ...]] = []
    build = objective.build

    def look(content: Tensor, styles: Any, *args: Any, **kwargs: Any) -> objective.Objective:
        seen.extend(tuple(s.shape[-2:]) for sizes_of_one in styles for s in sizes_of_one)
        return build(content, styles, *args, **kwargs)

    monkeypatch.setattr(objective, "build", look)
    paint(photo, torch.rand(1, 3, *style_size), **{"scales": ((1.0, 1),), **changes})
    assert seen == sizes


@pytest.mark.parametrize(
    ("content", "style"), [((128, 128), (60, 128)), ((256, 192), (100, 640)), ((64, 64), (16, 500))]
)
def test_the_default_recipe_takes_styles_of_any_shape(
    content: tuple[int, int], style: tuple[int, int], tiny: vgg.Weights
) -> None:
    """At its coarse scales a style is not shrunk below what the deepest layer needs, and keeps its shape."""
    run = iterate(torch.rand(1, 3, *content), torch.rand(1, 3, *style), "fast", weights=tiny, size=None)
    for size in run.sizes:
        found = scales.style_at(run.inputs.styles[0], size, run.recipe, 16).shape[-2:]
        assert min(found) >= 16 and max(found) <= max(style)
        assert found[0] / found[1] == pytest.approx(style[0] / style[1], rel=0.1)
        run.backend.build(size)


def test_a_coarse_scale_is_never_too_small_for_the_deepest_layer(tiny: vgg.Weights) -> None:
    small = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    run = st.iterate(small, small.flip(3), "fast", weights=tiny, scales=((0.25, 1), (0.5, 1), (1.0, 1)), margin=0)
    assert [step.size for step in run] == [(16, 20), (16, 20), (32, 40)], "relu5_1 needs 16 pixels"
