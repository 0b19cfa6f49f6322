"""What convolutions see beyond the edges, and a pooling that keeps odd rows and columns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from styletut import objective, recipes, vgg
from styletut.errors import ImageError, LayerError
from styletut.padding import fold, pad
from styletut.vgg import VGG, Weights

MODES = {"zeros": "constant", "replicate": "replicate", "reflect": "reflect", "circular": "circular"}  # torch's names


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("padding", vgg.PADDINGS)
@pytest.mark.parametrize("size", [(2, 2), (2, 5), (7, 4)])
def test_a_padded_map_and_its_gradient_are_those_of_torch(padding: str, size: tuple[int, int]) -> None:
    x = image(2, 3, *size).requires_grad_(True)
    expected = F.pad(x, (1, 1, 1, 1), mode=MODES[padding])
    assert torch.equal(pad(x, padding), expected)
    upstream = image(*expected.shape, seed=1)
    (wanted,) = torch.autograd.grad(expected, x, upstream)
    (by_autograd,) = torch.autograd.grad(pad(x, padding), x, upstream)
    torch.testing.assert_close(by_autograd, wanted)
    torch.testing.assert_close(fold(upstream.clone(), padding), wanted)


@pytest.mark.parametrize("padding", vgg.PADDINGS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_map_is_padded_in_its_precision_and_memory_format(padding: str, dtype: torch.dtype) -> None:
    x = image(1, 4, 5, 6).to(dtype).to(memory_format=torch.channels_last)
    padded = pad(x, padding)
    assert padded.dtype == dtype and padded.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(padded.double(), pad(x.double(), padding))


@pytest.mark.parametrize("pooling", vgg.POOLINGS)
@pytest.mark.parametrize("padding", vgg.PADDINGS)
def test_features_are_those_of_plain_convolutions_on_padded_maps(padding: str, pooling: str, tiny: Weights) -> None:
    size = (48, 32) if padding == "circular" else (45, 35)
    network = VGG(["relu1_1", "conv3_2", "relu5_1"], weights=tiny, padding=padding, pooling=pooling).double()
    picture = image(2, 3, *size)
    x = network.preprocess(picture)
    expected = {}
    for layer in network.sequence:
        if layer.kind == "conv":
            conv = network.conv(layer.name)
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode=MODES[padding]), conv.weight, conv.bias)
        elif layer.kind == "relu":
            x = x.clamp(min=0)
        else:
            rows, columns = (side % 2 for side in x.shape[-2:])
            if pooling.endswith("same"):  # a missing row counts for nothing
                x = F.pad(x, (0, columns, 0, rows), value=float("nan"))
            squares = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
            x = squares.nan_to_num(-1.0).amax(-1) if pooling.startswith("max") else squares.nanmean(-1)
        expected[layer.name] = x
    for name, features in network(picture).items():
        torch.testing.assert_close(features, expected[name])
        assert tuple(features.shape[-2:]) == network.map_size(name, size)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_only_the_poolings_that_keep_odd_rows_let_the_deepest_layer_see_all_of_a_picture(
    pooling: str, tiny: Weights
) -> None:
    def seen(pooling: str) -> Tensor:
        picture = image(1, 3, 33, 33).requires_grad_(True)
        features = VGG(["pool4"], weights=tiny, pooling=pooling).double()(picture)["pool4"]
        (gradient,) = torch.autograd.grad(features[..., -1, -1].sum(), picture)
        return gradient.abs().sum((0, 1))

    assert bool((seen(f"{pooling}-same")[-1] > 0).any())
    assert VGG(["pool4"], weights=tiny, pooling=pooling).map_size("pool4", (33, 33)) == (2, 2)
    assert VGG(["pool4"], weights=tiny, pooling=f"{pooling}-same").map_size("pool4", (33, 33)) == (3, 3)


def test_with_circular_padding_features_move_with_the_picture_and_with_zeros_they_do_not(tiny: Weights) -> None:
    picture = image(1, 3, 48, 64)
    moved = picture.roll((16, 32), (-2, -1))

    def apart(padding: str) -> float:
        network = VGG(["relu1_2", "relu5_1"], weights=tiny, padding=padding).double()
        before, after = network(picture), network(moved)
        found = 0.0
        for name, features in before.items():
            step = 16 // network.strides[name]
            difference = (after[name] - features.roll((step, 2 * step), (-2, -1))).abs().max()
            found = max(found, float(difference / features.abs().max()))
        return found

    assert apart("circular") < 1e-12
    assert min(apart("zeros"), apart("replicate"), apart("reflect")) > 1e-3


def test_sides_that_no_padding_can_serve_are_refused_in_one_line(tiny: Weights) -> None:
    with pytest.raises(ImageError, match=r"48 x 40 cannot wrap down to relu5_1.*multiples of 16") as caught:
        VGG(["relu5_1"], weights=tiny, padding="circular")(torch.rand(1, 3, 48, 40))
    assert "\n" not in str(caught.value)
    reflecting = VGG(["relu5_1"], weights=tiny, padding="reflect")
    with pytest.raises(ImageError, match="too small for relu5_1 with reflect padding: 32 pixels a side at least"):
        reflecting(torch.rand(1, 3, 31, 64))
    assert reflecting(torch.rand(1, 3, 32, 64))["relu5_1"].shape[-2:] == (2, 4)
    # A pooling layer needs no second row of its own, only those of the convolutions before it.
    assert VGG(["pool5"], weights=tiny, padding="reflect").minimum_side == 32
    with pytest.raises(LayerError, match="unknown padding 'reflct': did you mean 'reflect'"):
        VGG(["relu5_1"], weights=tiny, padding="reflct")


def test_styles_of_a_network_that_wraps_are_measured_without_a_seam(tiny: Weights) -> None:
    network = VGG(["relu2_1"], weights=tiny, padding="circular")
    style = torch.rand(1, 3, 33, 21)  # paintings have any size
    expected = VGG(["relu2_1"], weights=tiny, padding="replicate")(style)["relu2_1"]
    assert torch.equal(network.for_styles(style)["relu2_1"], expected)
    assert network.for_styles.conv("conv1_1") is network.conv("conv1_1") and network.wraps
    other = VGG(["relu2_1"], weights=tiny, padding="reflect")
    assert other.for_styles is other


def test_positions_that_cover_fewer_pixels_weigh_less_and_a_style_is_still_at_no_distance_from_itself(
    tiny: Weights,
) -> None:
    style, photo = image(1, 3, 45, 64, seed=1), image(1, 3, 53, 48, seed=2)
    layers = {"relu1_1": 1.0, "relu4_1": 1.0}
    for form in ("relative", "mean-std", "mean-covariance", "wasserstein"):
        recipe = recipes.Recipe(
            weights=tiny, style_layers=layers, content_weight=0, pooling="max-same", style_loss=form
        )
        network = VGG(recipe.layers, weights=tiny, pooling="max-same").double()
        goal = objective.build(photo, style, recipe, network=network)
        first, deep = goal.terms
        assert isinstance(first, objective.StyleTerm) and isinstance(deep, objective.StyleTerm)
        assert first.weights is None and deep.weights is not None
        # 53 rows are six positions of 8 and one that covers 5.
        torch.testing.assert_close(
            deep.weights[0, 0, -1] / deep.weights[0, 0, 0], torch.full((6,), 5 / 8).sqrt().double()
        )
        assert float(deep.weights.mean()) == pytest.approx(1)
        assert float(goal(photo)["total"]) > 1e-3
        assert abs(float(objective.build(style, style, recipe, network=network)(style)["total"])) < 1e-9
    for pooling in ("max", "average", "average-same"):  # published recipes have these
        recipe = recipe.replace(pooling=pooling)
        network = VGG(recipe.layers, weights=tiny, pooling=pooling).double()
        terms = objective.build(photo, style, recipe, network=network).terms
        assert all(isinstance(term, objective.StyleTerm) and term.weights is None for term in terms)
