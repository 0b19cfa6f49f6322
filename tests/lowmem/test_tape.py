"""The network's own backward pass: the gradient of autograd, in less memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from styletut import objective, recipes, samples, tape, tiles, vgg
from styletut.losses import STYLE_LOSSES
from styletut.lowmem.tape import Tape
from styletut.lowmem.windows import Window
from styletut.vgg import VGG

pytestmark = pytest.mark.numerical

LAYERS = ["conv1_1", "relu1_1", "conv2_2", "relu2_2", "pool2", "block3_conv4", "relu3_4", "relu4_2", "pool4", "relu5_1"]


def net(layers: list[str], pooling: str = "max", dtype: torch.dtype = torch.float64, *, padding: str = "zeros") -> VGG:
    made = VGG(layers, weights=vgg.random_weights(width=0.1), pooling=pooling, padding=padding).to(dtype)
    return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def picture_of(rows: int, columns: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(rows))


@pytest.fixture(params=[1 << 40, 1], ids=["whole", "strips"])
def strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Blocks at once, or in strips as narrow as they can be: four rows and their halo."""
    monkeypatch.setitem(tape.STRIP, "cpu", request.param)
    monkeypatch.setattr(tape, "MAX_HALO", 2.0)
    return bool(request.param == 1)


def output_gradients(features: dict[str, Tensor]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {name: torch.randn(f.shape, dtype=f.dtype, generator=generator) for name, f in features.items()}


def by_autograd(network: VGG, picture: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    picture = picture.clone().requires_grad_(True)
    features = network(picture)
    given = output_gradients(features)
    total = torch.stack([(features[name] * given[name]).sum() for name in features]).sum()
    return {name: f.detach() for name, f in features.items()}, torch.autograd.grad(total, picture)[0]


@pytest.mark.parametrize("pooling", vgg.POOLINGS)
@pytest.mark.parametrize("size", [(64, 48), (53, 37), (16, 16), (37, 131)])
@pytest.mark.parametrize("layers", [LAYERS, ["relu5_1"], ["pool1"], ["conv1_1"], ["relu1_1"], ["relu4_2", "relu2_1"]])
def test_features_and_gradient_are_those_of_autograd(
    layers: list[str], size: tuple[int, int], pooling: str, strips: bool
) -> None:
    parts = compared_with_autograd(net(layers, pooling), picture_of(*size, batch=2))
    if len(layers) > 2 or not strips:
        assert (parts > 1) == strips


@pytest.mark.parametrize("pooling", ["max", "max-same"])
@pytest.mark.parametrize("padding", vgg.PADDINGS)
@pytest.mark.parametrize("layers", [LAYERS, ["relu5_1"]])
def test_what_is_beyond_the_edges_counts_in_features_and_gradient_as_in_autograds(
    layers: list[str], padding: str, pooling: str, strips: bool
) -> None:
    sizes = [(64, 48), (32, 80)] if padding == "circular" else [(53, 37), (37, 67), (32, 32)]
    for size in sizes:
        network = net(layers, pooling, padding=padding)
        parts = compared_with_autograd(network, picture_of(*size, batch=2))
        if len(layers) > 2 or not strips:
            assert (parts > 1) == strips


def compared_with_autograd(network: VGG, picture: Tensor) -> int:
    """Compare features and gradient, and give the most parts in which a layer came."""
    features, gradient = by_autograd(network, picture)
    given, parts = output_gradients(features), dict.fromkeys(features, 0)
    seen = {name: torch.full_like(f, torch.nan) for name, f in features.items()}

    def visit(name: str, x: Tensor, window: Window) -> None:
        assert window.of(seen[name]).isnan().all()  # every place once
        window.of(seen[name]).copy_(x)
        parts[name] += 1

    found = Tape(network, picture, visit)
    for name, wanted in features.items():
        torch.testing.assert_close(seen[name], wanted)

    def output_gradient(name: str, x: Tensor, window: Window) -> Tensor:
        torch.testing.assert_close(x, window.of(features[name]))
        return window.of(given[name]).clone()

    torch.testing.assert_close(found.gradient(output_gradient), gradient, rtol=1e-9, atol=1e-12)
    return max(parts.values())


@pytest.mark.parametrize("network", vgg.NETWORKS)
def test_strips_see_as_far_as_the_convolutions_of_any_block(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """VGG-16 has blocks of three, VGG-19 of four: with the reach of two a gradient would be wrong by a third."""
    monkeypatch.setitem(tape.STRIP, "cpu", 1)
    monkeypatch.setattr(tape, "MAX_HALO", 2.0)
    weights = vgg.random_weights(network, width=0.1)
    made = VGG(["relu3_3", "pool4"], network=network, weights=weights).double()
    picture = picture_of(96, 40)
    features, gradient = by_autograd(made, picture)
    given, parts = output_gradients(features), []

    def visit(name: str, x: Tensor, window: Window) -> None:
        parts.append(name)
        torch.testing.assert_close(x, window.of(features[name]))

    found = Tape(made, picture, visit)
    assert parts.count("relu3_3") > 1
    torch.testing.assert_close(
        found.gradient(lambda name, x, window: window.of(given[name]).clone()), gradient, rtol=1e-9, atol=1e-12
    )


def test_it_keeps_less_than_autograd_and_frees_it() -> None:
    network, picture = net(["relu1_1", "relu3_1", "relu5_1"], dtype=torch.float32), picture_of(64, 48).float()
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = network(picture.clone().requires_grad_(True))
    assert kept
    made = Tape(network, picture, lambda *_: None)
    assert 0 < made.bytes < sum(seen.values()) / 2
    made.gradient(lambda name, x, window: torch.ones_like(x))
    assert made.bytes == 0


def test_without_a_backward_pass_nothing_is_kept(strips: bool) -> None:
    network, picture = net(LAYERS), picture_of(64, 48)
    seen = []
    found = Tape(network, picture, lambda name, x, window: seen.append(name), keep=False)
    assert set(seen) == set(LAYERS)
    assert not found._blocks


def test_layers_without_a_gradient_add_nothing(strips: bool) -> None:
    network, picture = net(["relu2_1", "relu5_1"]), picture_of(64, 48)
    found = Tape(network, picture, lambda *_: None).gradient(
        lambda name, x, window: torch.ones_like(x) if name == "relu2_1" else None
    )
    picture.requires_grad_(True)
    wanted = torch.autograd.grad(net(["relu2_1"])(picture)["relu2_1"].sum(), picture)[0]
    torch.testing.assert_close(found, wanted)
    assert not Tape(network, picture.detach(), lambda *_: None).gradient(lambda *_: None).any()


def test_equal_maxima_in_a_pooling_window_send_the_gradient_to_the_first_as_autograd_does() -> None:
    network, picture = net(["pool1"]), torch.full((1, 3, 16, 16), 0.7, dtype=torch.float64)
    _, wanted = by_autograd(network, picture)
    given = output_gradients(network(picture))
    found = Tape(network, picture, lambda *_: None).gradient(lambda name, x, window: window.of(given[name]).clone())
    torch.testing.assert_close(found, wanted)


def test_a_picture_wider_than_16_bits_can_count() -> None:
    network, picture = net(["pool1"]), torch.rand(1, 3, 2, 2**15 + 3, dtype=torch.float64)
    _, wanted = by_autograd(network, picture)
    given = output_gradients(network(picture))
    found = Tape(network, picture, lambda *_: None).gradient(lambda name, x, window: window.of(given[name]).clone())
    torch.testing.assert_close(found, wanted)


def test_a_halo_of_strips_that_is_too_narrow_changes_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    network, picture = net(["pool1"]), picture_of(64, 48)

    def gradient(cuts: list[tuple[slice, slice]]) -> Tensor:
        monkeypatch.setattr(tape, "_cut", lambda *_: iter(cuts))
        found = Tape(network, picture, lambda *_: None)
        return found.gradient(lambda name, x, window: torch.ones_like(x))

    right = gradient([(slice(0, 64), slice(0, 64))])
    torch.testing.assert_close(gradient([(slice(0, 32), slice(0, 34)), (slice(32, 64), slice(30, 64))]), right)
    assert not torch.allclose(gradient([(slice(0, 32), slice(0, 32)), (slice(32, 64), slice(32, 64))]), right)


def test_a_large_map_is_cut_and_a_small_one_is_not() -> None:
    network = net(["relu3_1"], dtype=torch.float32)
    block1, block2, _ = tape.blocks(network.sequence)
    assert [block1[0].name, block1[-1].name, block2[0].name] == ["conv1_1", "pool1", "conv2_1"]
    large, small = torch.empty(1, 3, 2000, 3000, device="meta"), torch.empty(1, 3, 200, 300, device="meta")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tape.STRIP, "meta", 1 << 20)
        cuts = list(tape._cut(network, block1, large))
        assert len(cuts) > 10
        for own, seen in cuts:
            assert own.start % 2 == seen.start % 2 == 0
            computed_twice = (seen.stop - seen.start) - (own.stop - own.start)
            assert computed_twice <= tape.MAX_HALO * (own.stop - own.start)
        assert len(list(tape._cut(network, block1, small))) == 2


def test_an_objective_is_differentiable_again_with_its_graph_and_only_once() -> None:
    photo, painting = samples.load("cat", size=64), samples.load("waves", size=64)
    recipe = recipes.get("fast").replace(weights=vgg.random_weights(width=0.1))
    goal = tiles.build(photo, painting, recipe)
    picture = torch.rand(photo.shape, requires_grad=True)
    total = goal(picture)["total"]
    (first,) = torch.autograd.grad(total, picture, retain_graph=True)
    (second,) = torch.autograd.grad(total, picture)
    assert torch.equal(first, second)
    assert first.abs().sum() > 0
    (picture_gradient,) = torch.autograd.grad(goal(picture)["total"], picture, create_graph=True)
    with pytest.raises(RuntimeError, match="once"):
        picture_gradient.sum().backward()


@pytest.mark.parametrize("form", STYLE_LOSSES)
@pytest.mark.parametrize("pair", [(1, 1), (2, 2)], ids=["one", "pairs"])
def test_an_objective_by_tape_is_that_of_autograd(form: str, pair: tuple[int, int], strips: bool) -> None:
    """Autograd's is the reference, for every style loss, in strips too."""
    contents, styles = pair
    content, style = picture_of(53, 40, contents), list(picture_of(44, 37, styles).split(1))
    if not STYLE_LOSSES[form].additive and styles > 1:
        pytest.skip("styles of this loss are given one at a time")
    recipe = recipes.get("fast").replace(weights=vgg.random_weights(width=0.1), style_loss=form, batch=2)
    network = net(list(recipe.layers))
    reference = objective.build(content, style, recipe, network=network)
    by_tape = tiles.build(content, style, recipe, network=network)
    picture = picture_of(54, 40, contents)[..., :53, :].requires_grad_(True)
    expected, result = reference(picture), by_tape(picture)
    assert list(result) == list(expected)
    for name, loss in expected.items():
        torch.testing.assert_close(result[name], loss, rtol=1e-9, atol=0)
    (a,) = torch.autograd.grad(result["total"], picture)
    (b,) = torch.autograd.grad(expected["total"], picture)
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9 * float(b.abs().max()))
