"""Strength: one dial from the photograph to the painting."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import styletut as st
from styletut import objective, tiles, vgg
from styletut.control.masks import Masks
from styletut.engine import scales
from styletut.errors import RecipeError
from styletut.losses import STYLE_LOSSES
from styletut.objective import StyleTerm, TotalVariationTerm, build
from styletut.recipes import Recipe

pytestmark = pytest.mark.numerical

ADDITIVE = [name for name, loss in STYLE_LOSSES.items() if loss.additive]
TINY = vgg.random_weights(width=0.1)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def small(**changes: Any) -> Recipe:
    return st.recipes.get("gram").replace(size=None, weights=TINY, **changes)


def network(recipe: Recipe) -> vgg.VGG:
    net = objective.network(recipe)
    assert net is not None
    return net.double()


@pytest.mark.parametrize("form", ADDITIVE)
def test_the_target_lies_between_the_contents_own_statistics_and_the_styles(form: str) -> None:
    content, style = rand(1, 3, 40, 48), rand(1, 3, 32, 40, seed=1) / 2
    recipe = small(style_loss=form)
    net = network(recipe)
    whole = build(content, [style], recipe, network=net)
    some = build(content, [style], recipe.replace(strength=0.3), network=net)
    of_content, of_style = net(content), net(style)
    for plain, term in zip(whole.terms, some.terms, strict=True):
        if isinstance(plain, StyleTerm) and isinstance(term, StyleTerm):
            own, other = (STYLE_LOSSES[form].statistic(of[term.layer]) for of in (of_content, of_style))
            for a, b, given, found in zip(own, other, plain.target, term.target, strict=True):
                torch.testing.assert_close(found, 0.7 * a + 0.3 * b, rtol=1e-12, atol=1e-14)
                assert torch.equal(given, b)
        elif isinstance(plain, TotalVariationTerm) and isinstance(term, TotalVariationTerm):
            assert term.weight == pytest.approx(0.3 * plain.weight, rel=1e-12)
        else:
            assert term.weight == plain.weight


@pytest.mark.parametrize("form", ADDITIVE)
def test_with_masks_the_contents_statistics_are_those_of_the_region(form: str) -> None:
    content, recipe = rand(1, 3, 32, 64), small(style_loss=form, style_layers=["relu1_1", "relu2_1"], strength=0.0)
    left = (torch.arange(64) < 32).float().expand(1, 1, 32, 64)
    other = content.clone()
    other[..., 42:] = 0
    styles = [rand(1, 3, 32, 32, seed=1), rand(1, 3, 32, 32, seed=2)]
    one, two = (
        build(picture, styles, recipe, network=network(recipe), masks=Masks([left, 1 - left]))
        for picture in (content, other)
    )
    for a, b in zip(one.terms, two.terms, strict=True):
        if isinstance(a, StyleTerm) and isinstance(b, StyleTerm):
            assert (a.region == 1) == all(torch.equal(x, y) for x, y in zip(a.target, b.target, strict=True))
    assert max(float(one(content)[term.name]) for term in one.terms) < 1e-12


@pytest.mark.parametrize("form", ADDITIVE)
def test_strength_in_tiles_has_the_same_losses_and_gradient(form: str) -> None:
    recipe, content = small(style_loss=form, strength=0.4), rand(1, 3, 90, 75)
    net, style, picture = network(recipe), rand(1, 3, 70, 50, seed=1), rand(1, 3, 90, 75, seed=2).requires_grad_(True)
    whole = build(content, [style], recipe, network=net)
    pieces = tiles.build(content, [style], recipe, network=net, tile=48)
    a, b = (torch.autograd.grad(goal(picture)["total"], picture)[0] for goal in (pieces, whole))
    assert float((a - b).norm() / b.norm()) < 1e-8


MOVED: dict[str, dict[str, Any]] = {
    "gram": {},
    "in other coordinates": {"decorrelation": 0.5},
    "in other units": {"pixel_range": 255.0},
    "line search": {"line_search": True, "evaluations": 5},
    "adam": {"optimizer": "adam", "learning_rate": 0.02},
    "sgd": {"optimizer": "sgd", "learning_rate": 10.0},
    "without content": {"content_weight": 0},
    "other scales": {"scales": ((0.3, 3), (0.55, 3), (1.0, 3))},
}


@pytest.mark.parametrize("name", MOVED)
def test_strength_0_gives_the_photograph_back(name: str, photo: Tensor, painting: Tensor) -> None:
    changes = {"scales": ((0.5, 4), (1.0, 4)), "precision": "float32", "strength": 0} | MOVED[name]
    result = st.stylize(photo, painting, small(**changes), progress=False, device="cpu")
    assert result.stopped is None
    torch.testing.assert_close(result.picture, photo, rtol=0, atol=2e-6)


def test_strength_0_from_noise_comes_to_the_photograph(photo: Tensor, painting: Tensor) -> None:
    recipe = small(strength=0, start="noise", content_layers=["relu1_1"], content_weight=1.0, scales=((1.0, 150),))
    result = st.stylize(photo, painting, recipe, progress=False, device="cpu")
    start = st.iterate(photo, painting, recipe, device="cpu").picture()
    distance, before = (float((picture - photo).square().mean().sqrt()) for picture in (result.picture, start))
    assert distance < before / 2


def test_the_stronger_the_farther_from_the_content(photo: Tensor, painting: Tensor) -> None:
    recipe = small(content_layers=["relu2_1"], style_layers=["relu1_1", "relu2_1"], scales=((0.5, 10), (1.0, 30)))
    net = vgg.VGG(["relu2_1"], weights=TINY)
    own, distances = net(photo)["relu2_1"], []
    for strength in (0, 0.25, 0.5, 0.75, 1):
        result = st.stylize(photo, painting / 2, recipe, strength=strength, progress=False, device="cpu")
        distances.append(float((net(result.picture)["relu2_1"] - own).square().sum() / own.square().sum()))
    assert distances[0] < 1e-9
    assert all(a < b for a, b in itertools.pairwise(distances)), distances


def test_strength_1_is_the_recipe_to_the_last_bit(photo: Tensor, painting: Tensor) -> None:
    run = st.iterate(photo, painting, small(), device="cpu")
    coarse = rand(1, 3, 16, 20).float()
    assert torch.equal(scales.enlarged(coarse, (32, 40), run.inputs, run.recipe), scales.resized(coarse, (32, 40)))
    assert small().strength == 1 and all(st.recipes.get(name).strength == 1 for name in st.recipes.names())


def test_the_next_scale_has_the_detail_of_the_content_as_far_as_it_is_kept(photo: Tensor, painting: Tensor) -> None:
    run = st.iterate(photo, painting, small(strength=0.25), device="cpu")
    coarse = rand(1, 3, 16, 20).float()
    larger = scales.resized(coarse, (32, 40))
    detail = photo - scales.resized(scales.resized(photo, (16, 20)), (32, 40))
    expected = (larger + 0.75 * detail).clamp(0, 1)
    torch.testing.assert_close(scales.enlarged(coarse, (32, 40), run.inputs, run.recipe), expected)


def test_a_run_of_some_strength_goes_on_to_the_same_picture(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    recipe = small(strength=0.4, scales=((0.5, 3), (1.0, 3)))
    wanted = st.stylize(photo, painting, recipe, progress=False, device="cpu").picture
    run = st.iterate(photo, painting, recipe, device="cpu")
    for _ in range(3):  # to the end of the coarse scale
        next(run)
    path = run.save(tmp_path / "run")
    assert torch.equal(st.resume(path, weights=TINY, progress=False, device="cpu").picture, wanted)


def test_a_style_loss_that_cannot_be_blended_has_no_strength() -> None:
    with pytest.raises(RecipeError, match="style_loss='sliced-wasserstein' has no strength") as caught:
        small(style_loss="sliced-wasserstein", strength=0.5)
    assert "\n" not in str(caught.value)
    small(style_loss="sliced-wasserstein", strength=1)
