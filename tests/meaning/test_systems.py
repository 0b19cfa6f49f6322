"""Each published system against an independent transcription in the source's own form.

Nothing here borrows the library's mathematics: the networks are plain loops over `F.conv2d`, the losses are typed
from the sources (channels last for Keras), the optimisers are written out. Loss and gradient must agree to 1e-6.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor

from styletut import lbfgsb, objective, recipes, samples, tiles, transfer, vgg
from styletut.errors import DivergenceError, RecipeError
from styletut.lowmem.objective import TapeObjective

pytestmark = pytest.mark.numerical

ROWS, COLS = 37, 50  # odd on purpose: pooling drops the last row, or TensorFlow's keeps it
RTOL = 1e-6
FIVE = ("keras-sgd", "three-losses", "lbfgs", "five-layer", "avgpool")
BGR_MEAN = torch.tensor([103.939, 116.779, 123.68], dtype=torch.float64).view(1, 3, 1, 1)
BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}

Features = dict[str, Tensor]


# The network, again: convolutions, ReLUs and pools in a plain loop, from torchvision's numbered weights.


def plain_vgg(state: Mapping[str, Tensor], x: Tensor, network: str, pooling: str = "max") -> Features:
    """Post-ReLU features by name, from what the first convolution is to see."""
    features: Features = {}
    index = 0
    for block, convolutions in enumerate(BLOCKS[network], start=1):
        for i in range(1, convolutions + 1):
            weight, bias = (state[f"features.{index}.{part}"].double() for part in ("weight", "bias"))
            x = torch.maximum(F.conv2d(x, weight, bias, padding=1), torch.zeros((), dtype=x.dtype))
            features[f"relu{block}_{i}"] = x
            index += 2
        if pooling == "max":
            x = F.max_pool2d(x, 2)
        else:  # TensorFlow's padding SAME, which is not counted
            x = F.avg_pool2d(x, 2, ceil_mode=pooling == "same", count_include_pad=False)
        index += 1
    return features


def caffe(picture: Tensor) -> Tensor:
    """RGB in [0, 1] to BGR in 0..255 minus the mean."""
    return picture.flip(1) * 255 - BGR_MEAN


def raw(picture: Tensor) -> Tensor:
    """[0, 1], no mean; the weights here want blue first, so that red meets what was trained on red."""
    return picture.flip(1)


# The systems. Each takes features of the picture, of the content and of the style, and the picture itself.


def nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def keras(
    weights: tuple[float, float, float], content_layer: str, x: Features, c: Features, s: Features, picture: Tensor
) -> Tensor:
    """The Keras example: `channels = 3` and `size` of the picture in every layer's style loss."""
    rows, cols = picture.shape[2:]

    def gram(layer: Tensor) -> Tensor:
        features = layer.permute(2, 0, 1).reshape(layer.shape[2], -1)
        return features @ features.T

    def style_loss(style: Tensor, combination: Tensor) -> Tensor:
        channels, size = 3, rows * cols
        return torch.sum(torch.square(gram(style) - gram(combination))) / (4.0 * (channels**2) * (size**2))

    def total_variation_loss(x: Tensor) -> Tensor:
        a = torch.square(x[:, : rows - 1, : cols - 1, :] - x[:, 1:, : cols - 1, :])
        b = torch.square(x[:, : rows - 1, : cols - 1, :] - x[:, : rows - 1, 1:, :])
        return torch.sum(torch.pow(a + b, 1.25))

    content_weight, style_weight, tv_weight = weights
    combination, base = nhwc(x[content_layer])[0], nhwc(c[content_layer])[0]
    loss = content_weight * torch.sum(torch.square(combination - base))
    layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    for layer in layers:
        loss = loss + (style_weight / len(layers)) * style_loss(nhwc(s[layer])[0], nhwc(x[layer])[0])
    return loss + tv_weight * total_variation_loss(nhwc(caffe(picture)))


def keras_sgd(x: Features, c: Features, s: Features, picture: Tensor) -> Tensor:
    return keras((2.5e-8, 1e-6, 1e-6), "relu5_2", x, c, s, picture)


def lbfgs(x: Features, c: Features, s: Features, picture: Tensor) -> Tensor:
    return keras((0.025, 1.0, 1.0), "relu4_2", x, c, s, picture)


def raw_gram(layer: Tensor) -> Tensor:
    _, n, h, w = layer.shape
    flat = layer.view(n, h * w)
    return torch.mm(flat, flat.t())


def mse(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b) ** 2).mean()


def three_losses(x: Features, c: Features, s: Features, picture: Tensor) -> Tensor:
    """The source gives no weights: those of the recipe, with style layers that count equally."""
    recipe = recipes.get("three-losses")
    (each,) = set(recipe.style_layers.values())
    content = mse(x["relu5_2"], c["relu5_2"])
    style = sum((mse(raw_gram(x[n]), raw_gram(s[n])) for n in ("relu1_1", "relu2_1", "relu3_1")), torch.zeros(()))
    down = torch.abs(picture[:, :, 1:, :] - picture[:, :, :-1, :]).sum()
    right = torch.abs(picture[:, :, :, 1:] - picture[:, :, :, :-1]).sum()
    return recipe.content_weight * content + recipe.style_weight * each * style + recipe.tv_weight * (down + right)


def five_layer(x: Features, c: Features, s: Features, picture: Tensor) -> Tensor:
    content_weights = {"relu1_2": 0.05, "relu2_2": 0.05, "relu3_4": 0.15, "relu4_4": 0.3, "relu5_4": 0.45}
    style_weights = {"relu1_2": 0.1, "relu2_2": 0.1, "relu3_4": 0.6, "relu4_4": 0.1, "relu5_4": 0.1}
    content = sum((w * mse(x[n], c[n]) for n, w in content_weights.items()), torch.zeros(()))
    style = sum((w * mse(raw_gram(x[n]), raw_gram(s[n])) for n, w in style_weights.items()), torch.zeros(()))
    return 0.5 * content + 0.5 * style


def layer_energy(a: Tensor, g: Tensor) -> Tensor:
    """E_l of Gatys et al.: features of the style and of the picture at one layer."""
    n, m = a.shape[1], a.shape[2] * a.shape[3]
    return ((raw_gram(g) - raw_gram(a)) ** 2).sum() / (4 * n**2 * m**2)


def avgpool(x: Features, c: Features, s: Features, picture: Tensor) -> Tensor:
    weights = [("relu1_1", 0.5), ("relu2_1", 1.0), ("relu3_1", 1.5), ("relu4_1", 3.0), ("relu5_1", 4.0)]
    content = 0.5 * ((x["relu5_2"] - c["relu5_2"]) ** 2).sum()
    style = sum((w * layer_energy(s[n], x[n]) for n, w in weights), torch.zeros(()))
    return 5 * content + 100 * style


def gatys(x: Features, c: Features, s: Features, picture: Tensor) -> Tensor:
    """Equations 1, 4, 5 and 7; the content loss as in the paper's 512 x 512, where conv4_2 has 64 x 64 positions."""
    positions = x["relu4_2"].shape[2] * x["relu4_2"].shape[3]
    content = 0.5 * ((x["relu4_2"] - c["relu4_2"]) ** 2).sum() * (64 * 64 / positions)
    style = sum((layer_energy(s[f"relu{i}_1"], x[f"relu{i}_1"]) / 5 for i in range(1, 6)), torch.zeros(()))
    return 1e-3 * content + style


@dataclasses.dataclass(frozen=True)
class System:
    loss: Callable[[Features, Features, Features, Tensor], Tensor]
    preprocess: Callable[[Tensor], Tensor]
    network: str = "vgg19"
    pooling: str = "max"


SYSTEMS = {
    "keras-sgd": System(keras_sgd, caffe),
    "three-losses": System(three_losses, raw),
    "lbfgs": System(lbfgs, caffe, network="vgg16"),
    "five-layer": System(five_layer, raw),
    "avgpool": System(avgpool, caffe, pooling="same"),
    "gatys": System(gatys, caffe, pooling="average"),
}


def picture(seed: int, rows: int = ROWS, cols: int = COLS, batch: int = 1) -> Tensor:
    """A random picture with values well inside [0, 1], so that a few steps do not clip it."""
    generator = torch.Generator().manual_seed(seed)
    return 0.2 + 0.6 * torch.rand(batch, 3, rows, cols, generator=generator, dtype=torch.float64)


@cache
def tiny_weights(network: str) -> vgg.Weights:
    """A tiny random network that expects Caffe's BGR, biases included."""
    weights = vgg.random_weights(network, seed=7, width=0.1)
    generator = torch.Generator().manual_seed(8)
    state = {
        name: 0.1 * torch.randn(tensor.shape, generator=generator) if name.endswith("bias") else tensor
        for name, tensor in weights.state.items()
    }
    return dataclasses.replace(weights, state=state, preprocessing="caffe")


def tiny_network(name: str, weights: vgg.Weights | None = None, **changes: Any) -> vgg.VGG:
    recipe = recipes.get(name).replace(**changes)
    network = vgg.VGG(
        recipe.layers,
        network=recipe.network,
        weights=weights or tiny_weights(recipe.network),
        pooling=recipe.pooling,
        preprocessing=recipe.preprocessing,
    )
    return network.double()


def independent(name: str, x: Tensor, content: Tensor, style: Tensor, weights: vgg.Weights | None = None) -> Tensor:
    """The whole system: picture in, total loss out."""
    system = SYSTEMS[name]
    state = (weights or tiny_weights(system.network)).state

    def features(image: Tensor) -> Features:
        return plain_vgg(state, system.preprocess(image), system.network, system.pooling)

    return system.loss(features(x), features(content), features(style), x)


def value_and_gradient(function: Callable[[Tensor], Tensor], *leaves: Tensor) -> tuple[float, tuple[Tensor, ...]]:
    loss = function(leaves[0])
    return loss.item(), torch.autograd.grad(loss, leaves)


def assert_same_gradient(actual: Tensor, expected: Tensor) -> None:
    assert expected.abs().max() > 0
    difference = (actual - expected).abs().max() / expected.abs().max()
    assert difference.item() < RTOL


# Loss and gradient through a network.


@pytest.mark.parametrize("name", FIVE)
def test_system_has_the_loss_and_gradient_of_its_source_on_a_picture(name: str) -> None:
    x, content, style = (picture(seed) for seed in (1, 2, 3))
    goal = objective.build(content, style, recipes.get(name), network=tiny_network(name))
    x.requires_grad_()
    loss, (gradient,) = value_and_gradient(lambda x: goal(x)["total"], x)
    expected, (expected_gradient,) = value_and_gradient(lambda x: independent(name, x, content, style), x)
    assert loss == pytest.approx(expected, rel=RTOL)
    assert_same_gradient(gradient, expected_gradient)


@pytest.mark.parametrize("size", [(107, 161), (53, 86), (64, 33)])
def test_avgpool_keeps_odd_rows_and_columns_as_tensorflow_does_whole_and_in_tiles(size: tuple[int, int]) -> None:
    x, content, style = (picture(seed, *size) for seed in (1, 2, 3))
    network, recipe = tiny_network("avgpool"), recipes.get("avgpool")
    x.requires_grad_()
    expected, (expected_gradient,) = value_and_gradient(lambda x: independent("avgpool", x, content, style), x)
    dropped = objective.build(content, style, recipe, network=tiny_network("avgpool", pooling="average"))(x)[
        "total"
    ].item()
    assert abs(dropped / expected - 1) > 0.01  # and that is what is being tested
    for goal in (
        objective.build(content, style, recipe, network=network),
        tiles.build(content, style, recipe, network=network, tile=48),
    ):

        def total(x: Tensor, goal: objective.Objective = goal) -> Tensor:
            return goal(x)["total"]

        loss, (gradient,) = value_and_gradient(total, x)
        assert loss == pytest.approx(expected, rel=RTOL)
        assert (gradient - expected_gradient).norm() < RTOL * expected_gradient.norm()


def test_tensorflow_averages_an_odd_last_row_and_column_over_the_pixels_that_there_are() -> None:
    x = torch.arange(15.0).view(1, 1, 3, 5)
    wanted = torch.tensor([[3.0, 5.0, 6.5], [10.5, 12.5, 14.0]])
    assert torch.equal(F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)[0, 0], wanted)


@pytest.mark.parametrize("name", FIVE)
def test_parts_are_named_by_layer_and_add_up_to_the_total(name: str) -> None:
    recipe = recipes.get(name)
    goal = objective.build(picture(2), picture(3), recipe, network=tiny_network(name))
    parts = goal(picture(1))
    total = parts.pop("total").item()
    expected = {f"content/{layer}" for layer in recipe.content_layers}
    expected |= {f"style/{layer}" for layer in recipe.style_layers} | ({"tv"} if recipe.tv_weight else set())
    assert set(parts) == expected
    assert total == pytest.approx(sum(part.item() for part in parts.values()), rel=1e-12)


# Loss and gradient on random features, which no network has made.


class GivenFeatures:
    """In place of a network: the features that it is given for a picture."""

    def __init__(self, *answers: tuple[Tensor, Features]) -> None:
        self.answers = answers
        self.layers = list(answers[0][1])

    def __call__(self, image: Tensor) -> Features:
        return next(features for known, features in self.answers if known.shape == image.shape and known is image)


def random_features(name: str, seed: int, rows: int = ROWS, cols: int = COLS) -> Features:
    """Non-negative features in the shapes that the layers of a recipe have, channels a tenth."""
    generator = torch.Generator().manual_seed(seed)
    recipe = recipes.get(name)
    known = {layer.name: layer for layer in vgg.layers(recipe.network)}
    features = {}
    for layer in sorted(recipe.layers):
        # The content weight of gatys includes the 512 channels that this layer has in a real network.
        channels = 512 if (name, layer) == ("gatys", "relu4_2") else max(4, known[layer].channels // 16)
        # As TensorFlow pools: an odd last row or column is kept.
        up = known[layer].stride - 1 if name == "avgpool" else 0
        shape = (1, channels, (rows + up) // known[layer].stride, (cols + up) // known[layer].stride)
        features[layer] = 5 * torch.rand(shape, generator=generator, dtype=torch.float64)
    return features


@pytest.mark.parametrize("name", (*FIVE, "gatys"))
def test_system_has_the_loss_and_gradient_of_its_source_on_random_features(name: str) -> None:
    x, content, style = (picture(seed) for seed in (1, 2, 3))
    at_x, at_content, at_style = (random_features(name, seed) for seed in (11, 12, 13))
    recipe, layers = recipes.get(name), tuple(sorted(at_x))
    given = GivenFeatures((content, at_content), (style, at_style), (x, at_x))
    goal = objective.build(content, [style], recipe, network=given)
    leaves = [x.requires_grad_(), *(at_x[layer].requires_grad_() for layer in layers)]

    parts = goal(x)
    expected = SYSTEMS[name].loss(at_x, at_content, at_style, x)
    scale = 1.0
    if name == "gatys":  # the paper fixes alpha / beta only
        scale = recipe.style_weight
    assert parts["total"].item() == pytest.approx(scale * expected.item(), rel=RTOL)
    gradients = torch.autograd.grad(parts["total"], leaves, allow_unused=True)
    expected_gradients = torch.autograd.grad(scale * expected, leaves, allow_unused=True)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        assert (gradient is None) == (wanted is None)
        if gradient is not None and wanted is not None:
            assert_same_gradient(gradient, wanted)


def test_gatys_style_is_the_papers_through_a_network() -> None:
    x, content, style = (picture(seed) for seed in (1, 2, 3))
    recipe = recipes.get("gatys")
    parts = objective.build(content, style, recipe, network=tiny_network("gatys"))(x)
    state = tiny_weights("vgg19").state
    at_x, at_style = (plain_vgg(state, caffe(image), "vgg19", "average") for image in (x, style))
    for i in range(1, 6):
        expected = recipe.style_weight * layer_energy(at_style[f"relu{i}_1"], at_x[f"relu{i}_1"]).item() / 5
        assert parts[f"style/relu{i}_1"].item() == pytest.approx(expected, rel=RTOL)


def test_gatys_balance_at_512_is_the_printed_one() -> None:
    """At 64 x 64 positions the content term is exactly alpha / 2 times the sum of squares."""
    content, style = (picture(seed, 8, 8) for seed in (1, 2))
    features = [{"relu4_2": torch.randn(1, 512, 64, 64, dtype=torch.float64)} for _ in range(2)]
    recipe = recipes.get("gatys").replace(style_layers={})
    x = torch.rand(1, 3, 512, 512, dtype=torch.float64)
    given = GivenFeatures((content, features[0]), (x, features[1]))
    part = objective.build(content, [style], recipe, network=given)(x)["content/relu4_2"]
    half_sum = 0.5 * ((features[1]["relu4_2"] - features[0]["relu4_2"]) ** 2).sum().item()
    assert part.item() / recipe.style_weight == pytest.approx(1e-3 * half_sum, rel=RTOL)


# Weights that mean the same at every size.


def pointwise_weights(network: str) -> vgg.Weights:
    """Only the centre of each kernel: no padding at the border, so a tiled picture has tiled features."""
    weights = tiny_weights(network)
    state = dict(weights.state)
    for name, tensor in state.items():
        if name.endswith("weight"):
            centre = torch.zeros_like(tensor)
            centre[:, :, 1, 1] = tensor[:, :, 1, 1] * 3
            state[name] = centre
    return dataclasses.replace(weights, state=state)


def mirrored(x: Tensor) -> Tensor:
    """Twice the rows and columns, by reflection: no new edges where the copies meet."""
    x = torch.cat([x, x.flip(2)], dim=2)
    return torch.cat([x, x.flip(3)], dim=3)


@pytest.mark.parametrize("name", ["fast", "gatys"])
@pytest.mark.parametrize("style_size", [(32, 32), (16, 64)])
def test_losses_mean_the_same_at_two_and_four_times_the_size(name: str, style_size: tuple[int, int]) -> None:
    content, style, x = picture(1, 32, 48), picture(2, *style_size), picture(3, 32, 48)
    network = tiny_network(name, pointwise_weights("vgg19"))
    recipe = recipes.get(name)
    small = objective.build(content, style, recipe, network=network)(x)
    assert all(part.item() > 0 for part in small.values())
    for _ in range(2):
        content, x = mirrored(content), mirrored(x)
        large = objective.build(content, style, recipe, network=network)(x)
        assert set(large) == set(small)
        for part, value in small.items():
            assert large[part].item() == pytest.approx(value.item(), rel=1e-9), part


@pytest.mark.parametrize("name", ["fast", "gatys"])
def test_losses_do_not_depend_on_the_size_of_the_style_picture(name: str) -> None:
    content, style, x = (picture(seed, 32, 32) for seed in (1, 2, 3))
    network = tiny_network(name, pointwise_weights("vgg19"))
    recipe = recipes.get(name)
    small = objective.build(content, style, recipe, network=network)(x)
    large = objective.build(content, mirrored(style), recipe, network=network)(x)
    for part, value in small.items():
        assert large[part].item() == pytest.approx(value.item(), rel=1e-9), part


def test_published_systems_do_change_their_balance_with_size() -> None:
    """What the book shows as their flaw must be there."""
    content, style, x = (picture(seed, 32, 32) for seed in (1, 2, 3))
    network = tiny_network("five-layer", pointwise_weights("vgg19"))
    recipe = recipes.get("five-layer")
    small = objective.build(content, style, recipe, network=network)(x)
    large = objective.build(mirrored(content), mirrored(style), recipe, network=network)(mirrored(x))
    for layer in recipe.content_layers:
        assert (large[f"content/{layer}"] / small[f"content/{layer}"]).item() == pytest.approx(1, rel=1e-9)
    for layer in recipe.style_layers:
        assert (large[f"style/{layer}"] / small[f"style/{layer}"]).item() == pytest.approx(16, rel=1e-9)


# Precision.


@pytest.mark.parametrize("name", ["fast", "gatys", *FIVE])
def test_a_bfloat16_network_still_sums_in_float32(name: str) -> None:
    x, content, style = (picture(seed).float() for seed in (1, 2, 3))
    recipe = recipes.get(name)
    exact = objective.build(content, style, recipe, network=tiny_network(name).float())(x)
    rough = objective.build(content, style, recipe, network=tiny_network(name).to(torch.bfloat16))(x)
    for part, value in rough.items():
        assert value.dtype == torch.float32, part
    assert rough["total"].item() == pytest.approx(exact["total"].item(), rel=0.1)


# Batches of pairs.


def test_a_batch_of_pairs_has_the_losses_of_the_pairs_added() -> None:
    x, content, style = (picture(seed, 32, 32, batch=3) for seed in (1, 2, 3))
    recipe, network = recipes.get("three-losses"), tiny_network("three-losses")
    styles = [style[i : i + 1] for i in range(3)]
    total = objective.build(content, styles, recipe, network=network)(x)["total"].item()
    singles = [independent("three-losses", x[i : i + 1], content[i : i + 1], style[i : i + 1]).item() for i in range(3)]
    assert total == pytest.approx(sum(singles), rel=RTOL)


# Optimisers, written out. The variable is the source's own: 0..255 BGR minus the mean, or [0, 1].

SMALL = (32, 40)


def to_caffe_variable(picture: Tensor) -> Tensor:
    return caffe(picture)


def from_caffe_variable(variable: Tensor) -> Tensor:
    return ((variable + BGR_MEAN) / 255).flip(1)


def gradient_of(loss: Callable[[Tensor], Tensor], variable: Tensor) -> tuple[float, Tensor]:
    variable = variable.detach().requires_grad_()
    value = loss(variable)
    return value.item(), torch.autograd.grad(value, variable)[0]


def adam(
    loss: Callable[[Tensor], Tensor], variable: Tensor, learning_rate: float, steps: int
) -> list[tuple[float, Tensor]]:
    """Kingma and Ba 2015, algorithm 1, with its printed defaults."""
    m, v = torch.zeros_like(variable), torch.zeros_like(variable)
    path = []
    for t in range(1, steps + 1):
        value, g = gradient_of(loss, variable)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        variable = variable - learning_rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        path.append((value, variable))
    return path


def run(name: str, content: Tensor, style: Tensor | list[Tensor] | None, steps: int, **changes: Any) -> transfer.Run:
    recipe = recipes.get(name)
    settings: dict[str, Any] = {
        "weights": tiny_weights(recipe.network),
        "size": None,
        "precision": "float64",
        "steps": steps,
        "device": "cpu",
        "start": content,
    }
    styles = [s.float() for s in style] if isinstance(style, list) else style if style is None else style.float()
    settings.update(changes)
    if settings["start"] is None:
        del settings["start"]
    else:
        settings["start"] = settings["start"].float()
    return transfer.iterate(content.float(), styles, recipe, **settings)


def follow(run: transfer.Run) -> list[tuple[float, Tensor]]:
    return [(step.losses["total"], step.picture().double()) for step in run]


def assert_same_path(
    actual: list[tuple[float, Tensor]], expected: list[tuple[float, Tensor]], start: Tensor, atol: float = 2e-6
) -> None:
    """Losses and pictures agree step by step, and the pictures moved enough for that to mean something."""
    assert len(actual) == len(expected)
    for (loss, image), (expected_loss, expected_image) in zip(actual, expected, strict=True):
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        assert (image - expected_image).abs().max().item() < atol
    assert (expected[-1][1] - start).abs().max().item() > 100 * atol


def as_float32(x: Tensor) -> Tensor:
    """What the engine is given: rounded to float32, in float64 again."""
    return x.float().double()


@pytest.mark.parametrize("changes", [{}, {"decay": 0.5, "decay_steps": 2}])
def test_keras_sgd_takes_keras_steps(changes: dict[str, float]) -> None:
    """Keras's SGD with ExponentialDecay: rate 100 * 0.96 ** (step / 100), step counted from 0, not in stairs."""
    content, style = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    decay, decay_steps = changes.get("decay", 0.96), changes.get("decay_steps", 100)
    z, path = to_caffe_variable(content), []
    for step in range(3):
        loss, gradient = gradient_of(lambda z: independent("keras-sgd", from_caffe_variable(z), content, style), z)
        z = z - 100 * decay ** (step / decay_steps) * gradient
        path.append((loss, from_caffe_variable(z).clamp(0, 1)))
    assert_same_path(follow(run("keras-sgd", content, style, 3, **changes)), path, content)


def test_avgpool_takes_adam_steps_on_the_scale_of_255() -> None:
    content, style = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    path = adam(
        lambda z: independent("avgpool", from_caffe_variable(z), content, style), to_caffe_variable(content), 2.0, 3
    )
    expected = [(loss, from_caffe_variable(z).clamp(0, 1)) for loss, z in path]
    assert_same_path(follow(run("avgpool", content, style, 3)), expected, content)
    # The first step of Adam is the learning rate, 2 of 255, wherever there is a gradient.
    assert (expected[0][1] - content).abs().max().item() == pytest.approx(2 / 255, rel=1e-4)


def test_five_layer_takes_adam_steps_and_clamps_in_the_forward_pass_only() -> None:
    """The variable may leave [0, 1]; the network and the viewer see it clamped, and no gradient comes back."""
    content, style = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    # Within a step of the edges, yet never flat: where features tie, max pooling may choose either.
    content[:, :, :8] *= 0.001
    content[:, :, -8:] = 1 - 0.001 * content[:, :, -8:]
    content = as_float32(content)
    path = adam(lambda x: independent("five-layer", x.clamp(0, 1), content, style), content, 0.001, 6)
    assert (path[-1][1] < -0.001).any() and (path[-1][1] > 1.001).any()
    expected = [(loss, x.clamp(0, 1)) for loss, x in path]
    assert_same_path(follow(run("five-layer", content, style, 6)), expected, content)


def quiet_weights() -> vgg.Weights:
    """Features small enough for raw Grams and a rate of 0.01 not to diverge."""
    weights = tiny_weights("vgg19")
    return dataclasses.replace(weights, state={name: 0.6 * tensor for name, tensor in weights.state.items()})


def test_three_losses_takes_plain_gradient_steps() -> None:
    content, style = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    weights = quiet_weights()
    x, path = content, []
    for _ in range(3):
        loss, gradient = gradient_of(lambda x: independent("three-losses", x, content, style, weights), x)
        x = x - 0.01 * gradient
        path.append((loss, x.clamp(0, 1)))
    assert_same_path(follow(run("three-losses", content, style, 3, weights=weights)), path, content)


def test_three_losses_treats_the_pairs_of_a_batch_independently() -> None:
    content, style = (as_float32(picture(seed, *SMALL, batch=2)) for seed in (1, 2))
    styles = [style[0:1], style[1:2]]
    weights = quiet_weights()
    together = follow(run("three-losses", content, styles, 2, weights=weights))
    alone = [follow(run("three-losses", content[i : i + 1], styles[i], 2, weights=weights)) for i in range(2)]
    assert (together[-1][1] - content).abs().max().item() > 1e-3
    for step in range(2):
        assert together[step][0] == pytest.approx(alone[0][step][0] + alone[1][step][0], rel=1e-6)
        for i in range(2):
            assert (together[step][1][i] - alone[i][step][1][0]).abs().max().item() < 1e-6


def test_three_losses_learns_with_its_chosen_weights_and_the_real_network() -> None:
    """Raw Grams of the Oxford network are huge: the weights that the source left open must survive a rate of 0.01
    and still move the picture in the ten steps that there are. At the shipped size: raw Grams grow with it."""
    content, style = samples.load("cat"), samples.load("starry_night")
    running = transfer.iterate(content, style, "three-losses", device="cpu")
    totals = [step.losses["total"] for step in running]
    assert running.result().stopped is None
    assert len(totals) == 10
    assert totals[-1] < 0.9 * totals[0]


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every picture of which the loss and its gradient are taken from now on."""
    pictures: list[Tensor] = []
    original = TapeObjective.__call__

    def recorded(self: TapeObjective, picture: Tensor) -> dict[str, Tensor]:
        if torch.is_grad_enabled():
            pictures.append(picture.detach().double().clone())
        return original(self, picture)

    monkeypatch.setattr(TapeObjective, "__call__", recorded)
    return pictures


def test_lbfgs_goes_down_in_rounds_of_about_20_evaluations(evaluated: list[Tensor]) -> None:
    content, style = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    values, spent = [independent("lbfgs", content, content, style).item()], [0]
    for step in run("lbfgs", content, style, 4):
        assert step.evaluations == len(evaluated)
        spent.append(step.evaluations)
        values.append(independent("lbfgs", step.picture().double(), content, style).item())
    # SciPy stops at the end of the iteration in which it comes to 20; a line search takes 20 trials at most.
    assert all(1 <= after - before <= 40 for before, after in pairwise(spent)), spent
    assert all(after < before for before, after in pairwise(values)), values
    assert values[-1] < 0.1 * values[0]


@pytest.mark.parametrize("seed", [1, 4])
def test_three_rounds_of_lbfgs_are_three_calls_of_scipy(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fmin_l_bfgs_b(evaluator.loss, x.flatten(), fprime=evaluator.grads, maxfun=20)`, on the source's own variable:
    BGR minus the mean, channels last."""
    # The network keeps the mean in float32, which is enough to part two paths in the eighth digit.
    mean = 255 * torch.tensor(vgg.CAFFE_MEAN).double().flip(0).view(1, 3, 1, 1)
    monkeypatch.setattr(sys.modules[__name__], "BGR_MEAN", mean)
    content, style, start = (as_float32(picture(seed + i, *SMALL)) for i in range(3))
    shape = (1, *SMALL, 3)

    def evaluate(flat: np.ndarray) -> tuple[float, np.ndarray]:
        z = torch.from_numpy(flat).view(shape).permute(0, 3, 1, 2)
        value, gradient = gradient_of(lambda z: independent("lbfgs", from_caffe_variable(z), content, style), z)
        return value, nhwc(gradient).numpy().flatten()

    x, path, spent = nhwc(to_caffe_variable(start)).numpy().flatten(), [], 0
    for _ in range(3):
        x, _, info = fmin_l_bfgs_b(evaluate, x, maxfun=20)
        spent += info["funcalls"]
        z = torch.from_numpy(x).view(shape).permute(0, 3, 1, 2)
        path.append((spent, evaluate(x)[0], from_caffe_variable(z).clamp(0, 1)))
    steps = list(run("lbfgs", content, style, 3, start=start))
    for step, (evaluations, loss, _) in zip(steps, path, strict=True):
        assert step.evaluations == evaluations
        assert step.losses["total"] == pytest.approx(loss, rel=1e-8)
    assert (steps[-1].picture().double() - path[-1][2]).abs().max() < 1e-6  # float32 pictures
    assert spent > 60 and path[-1][1] < 0.1 * evaluate(nhwc(to_caffe_variable(start)).numpy().flatten())[0]


def test_rounds_of_lbfgs_resumed_are_those_that_were_never_stopped(tmp_path: Path) -> None:
    content, style = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    whole = follow(run("lbfgs", content, style, 3))
    broken = run("lbfgs", content, style, 3)
    next(broken)
    broken.save(tmp_path / "run.pt")
    again = transfer.Run.load(tmp_path / "run.pt", device="cpu", weights=tiny_weights("vgg16"))
    for (loss, image), (wanted_loss, wanted) in zip(follow(again), whole[1:], strict=True):
        assert loss == wanted_loss and torch.equal(image, wanted)


def test_without_scipy_lbfgs_says_what_to_install_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lbfgsb.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="pip install scipy"):
        run("lbfgs", picture(1, *SMALL), picture(2, *SMALL), 1)


def test_lbfgs_b_takes_one_picture_at_a_time_and_stops_where_the_loss_is_not_finite() -> None:
    pair = picture(1, *SMALL, batch=2)
    with pytest.raises(RecipeError, match="couples the pictures of a batch"):
        run("lbfgs", pair, picture(2, *SMALL), 1, batch=2)
    weights = tiny_weights("vgg16")
    huge = dataclasses.replace(weights, state={name: 1e30 * tensor for name, tensor in weights.state.items()})
    with pytest.raises(DivergenceError, match="no picture came before it"):
        list(run("lbfgs", picture(1, *SMALL), picture(2, *SMALL), 1, weights=huge, precision="float32"))


TORCHS: dict[str, Any] = {"optimizer": "lbfgs", "line_search": True, "restart": True}


@pytest.mark.parametrize("budget", [2, 3, 5, 6, 20])
def test_a_step_never_spends_more_evaluations_than_the_recipe_allows(budget: int, evaluated: list[Tensor]) -> None:
    content, style = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    spent = [0, *(step.evaluations for step in run("lbfgs", content, style, 4, evaluations=budget, **TORCHS))]
    assert spent[-1] == len(evaluated)
    assert all(1 <= after - before <= budget for before, after in pairwise(spent)), spent


def test_each_lbfgs_round_starts_downhill_with_an_empty_memory(evaluated: list[Tensor]) -> None:
    """As calling SciPy's `fmin_l_bfgs_b` again does: its first trial is along the gradient."""
    content, style = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    starts = [0, *(step.evaluations for step in run("lbfgs", content, style, 3))][:-1]
    for start in starts:
        here, trial = evaluated[start], evaluated[start + 1]
        _, gradient = gradient_of(lambda x: independent("lbfgs", x, content, style), here)
        assert F.cosine_similarity((trial - here).flatten(), -gradient.flatten(), dim=0).item() > 1 - 1e-6


def test_a_round_of_torchs_lbfgs_has_a_memory_of_10_on_the_scale_of_255() -> None:
    """On the content loss alone and with a longer round and first trial than the recipe's: enough iterations to
    fill the memory, yet tame enough that rounding does not decide where the line search goes."""
    content, other = (as_float32(picture(seed, *SMALL)) for seed in (1, 2))
    weights, rate = tiny_weights("vgg16"), 2000.0

    def features(x: Tensor) -> Tensor:
        return plain_vgg(weights.state, caffe(x), "vgg16")["relu1_1"]

    def round_of(memory: int) -> tuple[int, Tensor]:
        z, evaluations = to_caffe_variable(other).requires_grad_(), 0
        solver = torch.optim.LBFGS(
            [z], lr=rate, max_iter=14, max_eval=1000, history_size=memory, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            nonlocal evaluations
            evaluations += 1
            loss = 0.025 * ((features(from_caffe_variable(z)) - features(content)) ** 2).sum()
            z.grad = torch.autograd.grad(loss, z)[0].contiguous()
            return loss

        solver.step(closure)  # type: ignore[arg-type, unused-ignore]
        return evaluations, from_caffe_variable(z.detach()).clamp(0, 1)

    evaluations, expected = round_of(memory=10)
    assert (round_of(memory=9)[1] - expected).abs().max().item() > 1e-4
    only_content: dict[str, Any] = {"content_layers": {"relu1_1": 1.0}, "style_layers": {}, "tv_weight": 0.0}
    settings = {"start": other, "evaluations": evaluations, "learning_rate": rate, **only_content, **TORCHS}
    step = next(run("lbfgs", content, None, 1, **settings))
    assert step.evaluations == evaluations
    assert (step.picture().double() - expected).abs().max().item() < 1e-6


# Starts.


def start_of(name: str, content: Tensor, **changes: Any) -> Tensor:
    """The picture before any step."""
    style = picture(5, *SMALL)
    return run(name, content, style, 1, start=None, **changes).picture().double()


@pytest.mark.parametrize("name", ["keras-sgd", "three-losses", "five-layer"])
def test_these_systems_start_from_the_content_picture(name: str) -> None:
    content = picture(1, *SMALL)
    assert (start_of(name, content) - content).abs().max().item() < 1e-6


def test_lbfgs_starts_from_noise_of_0_to_255_minus_128_around_the_mean() -> None:
    """`np.random.uniform(0, 255) - 128` on the scale where the mean is 0; a picture shows it clipped."""
    start = caffe(start_of("lbfgs", picture(1, 96, 128)))
    floor = -BGR_MEAN.flatten()  # black
    for channel in range(3):
        values = start[0, channel].flatten()
        assert values.max() < 127 + 1e-3 and values.max() > 126
        clipped = (values <= floor[channel] + 1e-3).double().mean().item()
        assert clipped == pytest.approx((128 + floor[channel].item()) / 255, abs=0.012)
        for share in (0.25, 0.5, 0.75):
            quantile = torch.quantile(values, share).item()
            assert quantile == pytest.approx(-128 + 255 * share, abs=6)
    flat = start[0].reshape(3, -1)
    assert torch.corrcoef(flat).fill_diagonal_(0).abs().max() < 0.05  # each channel has noise of its own


def test_avgpool_starts_from_three_quarters_noise_and_a_quarter_content() -> None:
    content = picture(1, 96, 128)
    noise = (caffe(start_of("avgpool", content)) - 0.25 * caffe(content)) / 0.75
    assert noise.min() >= -20 - 1e-3 and noise.max() <= 20 + 1e-3
    assert noise.min() < -19.9 and noise.max() > 19.9
    for channel in range(3):
        values = noise[0, channel].flatten()
        for share in (0.1, 0.25, 0.5, 0.75, 0.9):
            assert torch.quantile(values, share).item() == pytest.approx(-20 + 40 * share, abs=1)
    assert torch.corrcoef(noise[0].reshape(3, -1)).fill_diagonal_(0).abs().max() < 0.05


@pytest.mark.parametrize("name", ["lbfgs", "avgpool", "gatys"])
def test_noise_is_the_seeds(name: str) -> None:
    content, changes = picture(1, *SMALL), {"rescale": False}
    first = start_of(name, content, seed=1, **changes)
    assert torch.equal(first, start_of(name, content, seed=1, **changes))
    assert not torch.equal(first, start_of(name, content, seed=2, **changes))


# Grey pictures, and pictures as Keras loads them.


def test_a_grey_photograph_in_a_grey_painting_stays_grey_where_the_recipe_keeps_it() -> None:
    content, style = (picture(seed, *SMALL)[:, :1].expand(-1, 3, -1, -1) for seed in (1, 2))
    for keep, start in ((True, None), (False, None), (True, picture(3, *SMALL))):
        made = run("fast", content, style, 3, start=start, keep_grey=keep, decorrelation=0.5)
        image = follow(made)[-1][1]
        chroma = (image.amax(1) - image.amin(1)).max().item()
        assert (chroma < 1e-6) == (keep and start is None)  # a start in colour is a wish for colour
        assert (image - content).abs().max() > 0.01
    coloured = run("fast", content, picture(2, *SMALL), 3, keep_grey=True)
    assert not coloured.parametrization.grey


def test_resample_nearest_takes_the_pixels_that_pillow_takes() -> None:
    content = picture(1, 40, 60).float()
    recipe = recipes.get("keras-sgd").replace(size=17, resample="nearest", weights=tiny_weights("vgg19"), steps=1)
    found = transfer.iterate(content, content, recipe, device="cpu").inputs.content
    channels = [Image.fromarray(channel.numpy()).resize((26, 17), Image.Resampling.NEAREST) for channel in content[0]]
    assert torch.equal(found[0], torch.stack([torch.from_numpy(np.array(channel)) for channel in channels]))
