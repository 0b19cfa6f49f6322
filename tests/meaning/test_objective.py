"""The objective: statistics that add up, styles that blend, parts that sum to the total."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from styletut import objective
from styletut.errors import LossError, RecipeError
from styletut.losses import STYLE_LOSSES, gram_matrix
from styletut.objective import ContentTerm, Objective, StyleTerm, Term, TotalVariationTerm, build
from styletut.recipes import Recipe
from styletut.vgg import VGG, Weights

pytestmark = pytest.mark.numerical

STYLE_FORMS = tuple(STYLE_LOSSES)
CONTENT_FORMS = ("sum", "half_sum", "mean", "relative")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def recipe(tiny: Weights, **changes: object) -> Recipe:
    """One content layer, two style layers, total variation, tiny network."""
    base = Recipe(
        name="small",
        weights=tiny,
        content_layers={"relu3_1": 0.7},
        content_weight=2.0,
        content_loss="mean",
        style_layers={"relu1_1": 0.5, "relu2_1": 1.5},
        style_weight=3.0,
        style_loss="gatys",
        tv_weight=0.01,
        tv_loss="l1",
    )
    return base.replace(**changes)


def double(recipe: Recipe) -> VGG:
    """The recipe's network in float64, in which sums agree in any order and on any processor."""
    assert isinstance(recipe.weights, Weights)
    return VGG(recipe.layers, weights=recipe.weights).double()


def rand(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64)


def values(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in losses.items()}


# --- statistics are additive ----------------------------------------------------------------------------


ADDITIVE = [name for name, loss in STYLE_LOSSES.items() if loss.additive]


@pytest.mark.parametrize("columns", [1, 4, 9])
@pytest.mark.parametrize("form", ADDITIVE)
def test_style_statistics_are_means_over_positions(form: str, columns: int) -> None:
    features, loss = random(2, 5, 6, 10), STYLE_LOSSES[form]
    whole = loss.statistic(features)
    left, right = loss.statistic(features[..., :columns]), loss.statistic(features[..., columns:])
    for a, b, both in zip(left, right, whole, strict=True):
        assert a.shape[0] == 2
        torch.testing.assert_close((columns * a + (10 - columns) * b) / 10, both, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", CONTENT_FORMS)
def test_content_statistics_of_two_halves_add_up_to_the_whole(form: str) -> None:
    features, target = random(2, 5, 6, 10), random(2, 5, 6, 10, seed=1)

    def statistic(part: slice) -> Tensor:
        return ContentTerm("relu1_1", target[:, :, part], 1.0, form).statistic(features[:, :, part])[0]

    (whole,) = ContentTerm("relu1_1", target, 1.0, form).statistic(features)
    assert torch.allclose(statistic(slice(0, 2)) + statistic(slice(2, 6)), whole, rtol=1e-12)


@pytest.mark.parametrize("form", ["squared", "l1", "power"])
def test_total_variation_of_two_tiles_adds_up_with_a_halo_of_one_pixel(form: str) -> None:
    """A tile that also sees the first column of the next one counts the difference across the border.

    Differences down that borrowed column belong to the next tile. The power form, which takes them only where there
    is one to the right too, never counts them; the other two do, so they are subtracted.
    """
    picture = random(1, 3, 6, 10)
    term = TotalVariationTerm(1.0, form, range=255.0)
    left, right, borrowed = picture[..., :5], picture[..., 4:], picture[..., 4:5]
    a, b, twice, whole = (term.statistic(part)[0] for part in (left, right, borrowed, picture))
    assert torch.allclose(a + b - (0.0 if form == "power" else twice), whole, rtol=1e-12)


# --- the parts --------------------------------------------------------------------------------------------


def test_every_part_equals_its_formula_for_a_style_of_another_size_and_aspect(tiny: Weights) -> None:
    """Against expressions written out here."""
    content, style, picture = rand(1, 3, 32, 40), rand(1, 3, 52, 27), rand(1, 3, 32, 40)
    net = double(recipe(tiny))
    found = values(build(content, style, recipe(tiny), network=net)(picture))
    at, of_content, of_style = (net(p) for p in (picture, content, style))

    def gram(features: Tensor) -> Tensor:
        flat = features[0].reshape(features.shape[1], -1)
        return flat @ flat.T / flat.shape[1]

    expected = {"content/relu3_1": 2.0 * 0.7 * float((at["relu3_1"] - of_content["relu3_1"]).square().mean())}
    for layer, weight in (("relu1_1", 0.5), ("relu2_1", 1.5)):
        distance = (gram(at[layer]) - gram(of_style[layer])).square().sum()
        expected[f"style/{layer}"] = 3.0 * weight * float(distance) / (4 * at[layer].shape[1] ** 2)
    p = picture
    expected["tv"] = 0.01 * float((p[..., 1:] - p[..., :-1]).abs().sum() + (p[..., 1:, :] - p[..., :-1, :]).abs().sum())
    expected["total"] = sum(expected.values())
    assert found == pytest.approx(expected, rel=1e-10)


def test_the_total_is_the_sum_of_the_parts(tiny: Weights, photo: Tensor, painting: Tensor) -> None:
    goal = build(photo.double(), painting.double(), recipe(tiny), network=double(recipe(tiny)))
    losses = goal(rand(*photo.shape))
    assert list(losses) == ["content/relu3_1", "style/relu1_1", "style/relu2_1", "tv", "total"]
    parts = [float(v) for k, v in losses.items() if k != "total"]
    assert float(losses["total"]) == pytest.approx(math.fsum(parts), rel=1e-12)
    assert all(v.dim() == 0 for v in losses.values())


def test_the_content_is_at_zero_content_loss_and_the_style_at_zero_style_loss(
    tiny: Weights, photo: Tensor, painting: Tensor
) -> None:
    assert float(build(photo, painting, recipe(tiny))(photo)["content/relu3_1"]) == 0
    exact = painting.double()
    losses = values(build(exact, exact, recipe(tiny), network=double(recipe(tiny)))(exact))
    assert max(v for k, v in losses.items() if k != "tv" and k != "total") < 1e-20


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"content_weight": 0}, ["style/relu1_1", "style/relu2_1", "tv"]),
        ({"style_weight": 0}, ["content/relu3_1", "tv"]),
        ({"tv_weight": 0}, ["content/relu3_1", "style/relu1_1", "style/relu2_1"]),
        ({"content_weight": 0, "style_weight": 0}, ["tv"]),
        ({"content_layers": {}, "tv_weight": 0}, ["style/relu1_1", "style/relu2_1"]),
    ],
)
def test_parts_of_weight_zero_are_absent(
    changes: dict[str, object], parts: list[str], tiny: Weights, photo: Tensor, painting: Tensor
) -> None:
    goal = build(photo, painting, recipe(tiny, **changes))
    assert list(goal(photo)) == [*parts, "total"]


def test_total_variation_alone_needs_no_network(tiny: Weights, photo: Tensor) -> None:
    only = recipe(tiny, content_weight=0, style_weight=0, tv_loss="squared")
    assert objective.network(only) is None
    photo = photo.double()
    goal = build(photo, [], only)
    assert goal.network is None
    dx, dy = photo[..., 1:] - photo[..., :-1], photo[..., 1:, :] - photo[..., :-1, :]
    expected = 0.01 * float(dx.square().sum() + dy.square().sum())
    assert values(goal(photo)) == pytest.approx({"tv": expected, "total": expected}, rel=1e-10)


def test_the_mean_of_total_variation_is_per_pixel(tiny: Weights, photo: Tensor) -> None:
    total, mean = (
        float(build(photo, photo, recipe(tiny, tv_reduction=r, tv_range=255.0))(photo)["tv"]) for r in ("sum", "mean")
    )
    assert mean == pytest.approx(total / (photo.shape[-2] * photo.shape[-1]), rel=1e-6)


def test_a_recipe_without_style_works_without_a_style(tiny: Weights, photo: Tensor) -> None:
    goal = build(photo, [], recipe(tiny, style_weight=0))
    assert list(goal(photo)) == ["content/relu3_1", "tv", "total"]


def test_a_recipe_with_style_layers_asks_for_a_style(tiny: Weights, photo: Tensor) -> None:
    with pytest.raises(RecipeError, match="'small' has style layers: give a style picture"):
        build(photo, [], recipe(tiny))


def test_an_objective_needs_terms_and_each_a_name_of_its_own() -> None:
    tv = TotalVariationTerm(1.0, "l1")
    with pytest.raises(LossError, match="at least one term"):
        Objective(None, [])
    with pytest.raises(LossError, match="a name of its own"):
        Objective(None, [tv, tv])


def whole_targets(goal: Objective) -> list[tuple[Tensor, ...]]:
    return [term.target for term in goal.terms if isinstance(term, StyleTerm)]


@pytest.mark.parametrize("form", ADDITIVE)
def test_styles_are_blended_in_the_proportions_of_their_weights(form: str, tiny: Weights) -> None:
    content, styles = rand(1, 3, 32, 40), [rand(1, 3, 40, 24), rand(1, 3, 30, 50) / 2]
    chosen = recipe(tiny, style_loss=form)
    net = double(chosen)
    one, two = (whole_targets(build(content, [style], chosen, network=net)) for style in styles)
    for weights, share in (([3, 1], 0.75), ([2, 0], 1.0), (None, 0.5)):
        blend = whole_targets(build(content, styles, chosen, network=net, style_weights=weights))
        for a, b, both in zip(one, two, blend, strict=True):
            for x, y, found in zip(a, b, both, strict=True):
                torch.testing.assert_close(found, share * x + (1 - share) * y, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("form", ADDITIVE)
def test_a_style_at_several_sizes_is_their_mean(form: str, tiny: Weights) -> None:
    content, sizes, other = rand(1, 3, 32, 40), [rand(1, 3, 40, 24), rand(1, 3, 20, 12)], rand(1, 3, 30, 30)
    chosen = recipe(tiny, style_loss=form)
    net = double(chosen)
    one, two, three = (whole_targets(build(content, [each], chosen, network=net)) for each in (*sizes, other))
    found = whole_targets(build(content, [sizes, other], chosen, network=net, style_weights=[1, 3]))
    for a, b, c, both in zip(one, two, three, found, strict=True):
        for x, y, z, mean in zip(a, b, c, both, strict=True):
            torch.testing.assert_close(mean, (x + y) / 8 + 0.75 * z, rtol=1e-7, atol=1e-12)


def test_a_network_at_hand_is_used(tiny: Weights, photo: Tensor, painting: Tensor) -> None:
    net = VGG(["relu1_1", "relu2_1", "relu3_1"], weights=tiny)
    goal = build(photo, painting, recipe(tiny), network=net)
    assert goal.network is net
    assert values(goal(photo)) == values(build(photo, painting, recipe(tiny))(photo))


def test_targets_carry_no_gradient(tiny: Weights, photo: Tensor, painting: Tensor) -> None:
    """Targets are computed once: nothing of them may hold on to the graph, even of pictures that require gradients."""
    goal = build(photo.clone().requires_grad_(), painting.clone().requires_grad_(), recipe(tiny))
    targets = [t.target for t in goal.terms if isinstance(t, ContentTerm)]
    targets += [t.target[0] for t in goal.terms if isinstance(t, StyleTerm)]
    assert len(targets) == 3
    assert not any(t.requires_grad for t in targets)


# --- several styles ------------------------------------------------------------------------------------------


def style_targets(terms: Sequence[Term]) -> dict[str, Tensor]:
    return {t.layer: t.target[0] for t in terms if isinstance(t, StyleTerm)}


@pytest.mark.parametrize("weights", [(3.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_blending_two_styles_is_the_weighted_gram(weights: tuple[float, float], tiny: Weights, photo: Tensor) -> None:
    styles, net = [rand(1, 3, 32, 40), rand(1, 3, 48, 33)], double(recipe(tiny))
    found = style_targets(build(photo.double(), styles, recipe(tiny), network=net, style_weights=weights).terms)
    for layer, target in found.items():
        first, second = (gram_matrix(net(s)[layer], "positions") for s in styles)
        expected = (weights[0] * first + weights[1] * second) / sum(weights)
        assert torch.allclose(target, expected, rtol=1e-10, atol=0)


def test_weights_one_and_zero_are_a_single_style(tiny: Weights, photo: Tensor, painting: Tensor) -> None:
    other = torch.rand(1, 3, 32, 32)
    alone = values(build(photo, painting, recipe(tiny))(photo))
    assert values(build(photo, [painting, other], recipe(tiny), style_weights=[1, 0])(photo)) == alone
    assert values(build(photo, [other, painting], recipe(tiny), style_weights=[0, 7])(photo)) == alone
    assert values(build(photo, [painting, other], recipe(tiny))(photo)) != alone


def test_equal_shares_are_the_default(tiny: Weights, photo: Tensor, painting: Tensor) -> None:
    styles = [painting, torch.rand(1, 3, 32, 32)]
    default, equal = (build(photo, styles, recipe(tiny), style_weights=w)(photo) for w in (None, [2.0, 2.0]))
    assert values(default) == values(equal)


def test_a_batch_of_styles_may_be_one_tensor(tiny: Weights, photo: Tensor) -> None:
    styles = torch.rand(2, 3, 32, 32)
    assert values(build(photo, styles, recipe(tiny))(photo)) == values(
        build(photo, list(styles.split(1)), recipe(tiny))(photo)
    )


@pytest.mark.parametrize("style_form", ADDITIVE)
@pytest.mark.parametrize("content_form", CONTENT_FORMS)
def test_pairs_in_a_batch_are_the_single_pairs_added(style_form: str, content_form: str, tiny: Weights) -> None:
    small = recipe(tiny, style_loss=style_form, content_loss=content_form, tv_reduction="mean", batch=3)
    contents, pictures = rand(3, 3, 32, 40), rand(3, 3, 32, 40)
    styles, net = [rand(1, 3, 30 + 4 * i, 44 - 6 * i) for i in range(3)], double(small)
    together = values(build(contents, styles, small, network=net)(pictures))
    singles = [
        values(build(c, s, small, network=net)(p))
        for c, s, p in zip(contents.split(1), styles, pictures.split(1), strict=True)
    ]
    assert together == pytest.approx({k: math.fsum(s[k] for s in singles) for k in together}, rel=1e-10)


def test_weights_turn_pairs_into_a_blend(tiny: Weights) -> None:
    contents, styles, net = rand(2, 3, 32, 32), [rand(1, 3, 32, 32), rand(1, 3, 32, 32)], double(recipe(tiny))
    pairs = style_targets(build(contents, styles, recipe(tiny), network=net).terms)
    blend = style_targets(build(contents, styles, recipe(tiny), network=net, style_weights=[1, 1]).terms)
    for layer in pairs:
        assert len(pairs[layer]) == 2
        assert torch.allclose(blend[layer], pairs[layer].mean(0, keepdim=True), rtol=1e-10)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "1 style weights for 2 styles"),
        ([1.0, 2.0, 3.0], "3 style weights for 2 styles"),
        ([1.0, -0.5], "must not be negative"),
        ([0.0, 0.0], "not all zero"),
        ([1.0, math.nan], "must not be"),
        ([1.0, math.inf], "must not be"),
    ],
)
def test_style_weights_that_mean_nothing_are_refused(
    weights: list[float], message: str, tiny: Weights, photo: Tensor
) -> None:
    with pytest.raises(RecipeError, match=message):
        build(photo, [torch.rand(1, 3, 32, 32)] * 2, recipe(tiny), style_weights=weights)


# --- the gradient ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("form", STYLE_FORMS)
def test_the_gradient_is_that_of_finite_differences(form: str, pooling: str, tiny: Weights) -> None:
    small = recipe(
        tiny,
        style_loss=form,
        pooling=pooling,
        content_layers={"conv2_1": 1.0},
        tv_loss="power",
        tv_range=255.0,
        tv_weight=1e-4,
    )
    net = objective.network(small)
    assert net is not None
    content, style = random(1, 3, 4, 6).sigmoid(), random(1, 3, 6, 4, seed=1).sigmoid()
    goal = build(content, style, small, network=net.double())
    picture = random(1, 3, 4, 6, seed=2).sigmoid().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: goal(x)["total"], (picture,), eps=1e-6, atol=1e-5, rtol=1e-4)


def test_statistics_are_float32_whatever_the_network_computes_in(
    tiny: Weights, photo: Tensor, painting: Tensor
) -> None:
    net = objective.network(recipe(tiny))
    assert net is not None
    goal = build(photo, painting, recipe(tiny), network=net.to(torch.bfloat16))
    assert goal.network is not None
    features = goal.network(photo)
    statistics = [term.statistic(features[term.layer] if term.layer else photo) for term in goal.terms]
    assert {tensor.dtype for statistic in statistics for tensor in statistic} == {torch.float32}
    assert {v.dtype for v in goal(photo).values()} == {torch.float32}


class Waits(TorchDispatchMode):
    """Counts the operations that on a graphics processor would wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("form", STYLE_FORMS)
def test_after_the_first_evaluation_nothing_waits_for_the_device(
    form: str, photo: Tensor, painting: Tensor, tiny: Weights
) -> None:
    """A loss is a number on the device until someone reads it."""
    goal = build(photo, painting, recipe(tiny, style_loss=form, content_loss="relative"))
    wanted = goal(photo)
    picture = photo.clone().requires_grad_(True)
    with Waits() as waits:
        losses = goal(picture)
        losses["total"].backward()
    assert waits.count == 0
    torch.testing.assert_close(losses["total"].detach(), wanted["total"])
    with Waits() as waits:
        float(losses["total"].detach())
    assert waits.count == 1, "the test must be able to see one"
