"""Tiles: the whole picture's losses and gradient, whatever the cuts."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

import styletut as st
from styletut import objective, samples, tiles, vgg
from styletut.errors import ImageError, RecipeError
from styletut.losses import STYLE_LOSSES, TV_FORMS, total_variation
from styletut.lowmem.objective import TapeObjective
from styletut.lowmem.tiles import Tiling
from styletut.lowmem.windows import Window
from styletut.recipes import Recipe

pytestmark = pytest.mark.numerical

TINY = {name: vgg.random_weights(name, width=0.1) for name in ("vgg16", "vgg19")}
SIZES_AND_TILES = [((64, 205), 48), ((205, 64), (64, 1000)), ((64, 33), 16)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def tiny(name: str = "fast", **changes: object) -> Recipe:
    recipe = st.recipes.get(name).replace(size=None)
    return recipe.replace(weights=TINY[recipe.network], **changes)


def both(
    recipe: Recipe, size: tuple[int, int], tile: int | tuple[int, int], batch: int = 1
) -> tuple[objective.Objective, TapeObjective, Tensor]:
    """The objective whole and in tiles, and a picture, in float64."""
    content, style = noise(batch, 3, *size, seed=1), noise(1, 3, 70, 90, seed=2)
    network = objective.network(recipe)
    network = network.double() if network is not None else None
    whole = objective.build(content, [style], recipe, network=network)
    tiled = tiles.build(content, [style], recipe, network=network, tile=tile)
    return whole, tiled, noise(batch, 3, *size).requires_grad_(True)


def gradient(goal: objective.Objective, picture: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(goal(picture)["total"], picture)
    return found


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


# --- the same objective -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", st.recipes.names())
@pytest.mark.parametrize(("size", "tile"), SIZES_AND_TILES, ids=str)
def test_every_recipe_has_the_same_losses_and_gradient(
    name: str, size: tuple[int, int], tile: int | tuple[int, int]
) -> None:
    whole, tiled, picture = both(tiny(name), size, tile)
    with torch.no_grad():
        wanted, found = whole(picture), tiled(picture)
    assert list(found) == list(wanted)
    for part, loss in wanted.items():
        assert float(found[part]) == pytest.approx(float(loss), rel=1e-10), part
    assert distance(gradient(tiled, picture), gradient(whole, picture)) < 1e-10


@pytest.mark.parametrize("form", [form for form, loss in STYLE_LOSSES.items() if loss.additive])
def test_every_style_loss_of_an_additive_statistic(form: str) -> None:
    whole, tiled, picture = both(tiny(style_loss=form), (90, 141), 48)
    assert len(tiled.tiling(picture)) > 2
    with torch.no_grad():
        wanted, found = whole(picture), tiled(picture)
    for part, loss in wanted.items():
        assert float(found[part]) == pytest.approx(float(loss), rel=1e-8), part
    assert distance(gradient(tiled, picture), gradient(whole, picture)) < 1e-8


def test_a_style_loss_that_needs_all_positions_at_once_says_so() -> None:
    with pytest.raises(RecipeError, match="the loss style/relu1_1 needs all positions at once"):
        both(tiny(style_loss="sliced-wasserstein"), (64, 48), 32)
    with pytest.raises(RecipeError, match="cannot be computed in tiles"):
        st.stylize(
            noise(1, 3, 64, 48).float(),
            noise(1, 3, 48, 48).float(),
            tiny(style_loss="sliced-wasserstein", scales=((1.0, 1),)),
            tile=32,
            progress=False,
        )


@pytest.mark.parametrize("pooling", vgg.POOLINGS)
@pytest.mark.parametrize("layer", ["conv3_2", "pool2", "relu5_4", "pool5", "block4_conv2"])
def test_every_kind_of_layer_and_pooling(pooling: str, layer: str) -> None:
    recipe = tiny(pooling=pooling, content_layers={layer: 1.0}, style_layers={layer: 1.0, "relu1_1": 1.0})
    whole, tiled, picture = both(recipe, (115, 81), 40)
    assert len(tiled.tiling(picture)) > 1
    assert distance(gradient(tiled, picture), gradient(whole, picture)) < 1e-10


@pytest.mark.parametrize("tile", [40, (17, 1000), (1000, 33), 11])
@pytest.mark.parametrize("pooling", ["max-same", "average"])
@pytest.mark.parametrize("padding", vgg.PADDINGS)
def test_every_padding_is_the_same_in_tiles(padding: str, pooling: str, tile: int | tuple[int, int]) -> None:
    recipe = tiny(padding=padding, pooling=pooling, tv_weight=0.3, tv_loss="power")
    recipe = recipe.replace(style_layers={"relu1_1": 1.0, "relu3_1": 1.0}, content_layers={"relu3_2": 1.0})
    whole, tiled, picture = both(recipe, (64, 96) if padding == "circular" else (67, 93), tile, batch=2)
    assert len(tiled.tiling(picture)) > 1
    for name, loss in whole(picture).items():
        torch.testing.assert_close(tiled(picture)[name], loss, rtol=1e-11, atol=0)
    assert distance(gradient(tiled, picture), gradient(whole, picture)) < 1e-10


@pytest.mark.parametrize("tile", [48, (32, 1000)])
@pytest.mark.parametrize("style_loss", [name for name, loss in STYLE_LOSSES.items() if loss.additive])
def test_a_picture_that_wraps_down_to_the_deepest_layer_is_the_same_in_tiles(
    style_loss: str, tile: int | tuple[int, int]
) -> None:
    """Larger than what a tile sees, so that some tiles have a halo from the opposite edge, and some see both edges."""
    recipe = tiny(padding="circular", style_loss=style_loss, tv_weight=0.1)
    whole, tiled, picture = both(recipe, (256, 112), tile)
    rows = [t.padded.rows for t in tiled.tiling(picture)]
    assert any(part.start < 0 for part in rows) and any(part.stop > 256 for part in rows)
    assert distance(gradient(tiled, picture), gradient(whole, picture)) < 1e-8


@pytest.mark.parametrize("form", TV_FORMS)
@pytest.mark.parametrize("tile", [(7, 10), (44, 30), 1])
def test_total_variation_that_wraps_is_the_same_in_tiles(form: str, tile: int | tuple[int, int]) -> None:
    recipe = tiny(content_weight=0, style_weight=0, tv_weight=1.0, tv_loss=form, padding="circular")
    size = (2, 2) if tile == 1 else (45, 31)  # every tile then sees all of the picture, from another corner
    whole, tiled, picture = both(recipe.replace(content_layers={}, style_layers={}), size, tile)
    moved = picture.detach().roll((3, 5), (-2, -1))
    for goal in (whole, tiled):
        torch.testing.assert_close(goal(moved)["tv"], whole(picture)["tv"], rtol=1e-12, atol=0)
    assert distance(gradient(tiled, picture), gradient(whole, picture)) < 1e-12


@pytest.mark.parametrize("form", TV_FORMS)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_every_total_variation_alone(form: str, reduction: str) -> None:
    recipe = tiny(content_weight=0, style_weight=0, tv_weight=1.0, tv_loss=form, tv_reduction=reduction)
    recipe = recipe.replace(content_layers={}, style_layers={})
    whole, tiled, picture = both(recipe, (45, 31), (7, 10))
    assert len(tiled.tiling(picture)) == 28
    torch.testing.assert_close(tiled(picture)["tv"], whole(picture)["tv"], rtol=1e-12, atol=0)
    assert distance(gradient(tiled, picture), gradient(whole, picture)) < 1e-12


def test_a_batch_and_several_styles() -> None:
    content, styles = noise(2, 3, 80, 70), [noise(1, 3, 50, 90, seed=3), noise(1, 3, 66, 40, seed=4)]
    for weights in (None, [0.3, 0.7]):
        network = vgg.VGG(tiny().layers, weights=TINY["vgg19"]).double()
        whole = objective.build(content, styles, tiny(), network=network, style_weights=weights)
        tiled = tiles.build(content, styles, tiny(), network=network, style_weights=weights, tile=32)
        picture = noise(2, 3, 80, 70, seed=5).requires_grad_(True)
        assert distance(gradient(tiled, picture), gradient(whole, picture)) < 1e-10


def test_on_the_real_network_no_seam_is_left(oxford: vgg.Weights) -> None:
    """In float64: in float32 rounding decides which way a ReLU or a pool goes, differently on each processor."""
    content, style = (samples.load(name, size=64).double() for name in ("astronaut", "starry_night"))
    recipe = st.recipes.get("fast").replace(weights=oxford, size=None, content_layers={"relu2_2": 1.0})
    recipe = recipe.replace(style_layers={"relu1_1": 0.5, "relu2_1": 0.5})
    network = vgg.VGG(recipe.layers, weights=oxford).double()
    whole = objective.build(content, style, recipe, network=network)
    tiled = tiles.build(content, style, recipe, network=network, tile=24)
    picture = (content + 0.1 * (noise(*content.shape) - 0.5)).requires_grad_(True)
    wanted, found = gradient(whole, picture), gradient(tiled, picture)
    assert len(tiled.tiling(picture)) > 4
    assert distance(found, wanted) < 1e-12
    # Beside the cuts, too, where a seam would be.
    error = (found - wanted).abs().amax((0, 1))
    cuts = [tile.core.rows.start for tile in tiled.tiling(picture) if tile.core.rows.start]
    beside = torch.cat([error[cut - 1 : cut + 1].flatten() for cut in cuts])
    assert float(beside.max()) < 1e-12 * float(wanted.abs().max())


@pytest.mark.parametrize("halo", [0, 48, 64])
def test_a_halo_of_tiles_that_is_too_narrow_changes_the_gradient(halo: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, tiled, picture = both(tiny(), (64, 331), 64)
    tiling = Tiling.of(tiled.network, (64, 331), 64)
    assert tiling.halo == 80  # 70 are needed, and rounded up to the stride of 16
    narrow = dataclasses.replace(tiling, halo=halo)
    monkeypatch.setattr(tiled, "tiling", lambda _: list(narrow))
    assert distance(gradient(tiled, picture), gradient(whole, picture)) > 1e-9


def test_a_picture_in_one_tile_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, tiled, picture = both(tiny(), (64, 48), 64)
    looks: list[tuple[int, ...]] = []
    prepare = vgg.VGG.prepare

    def noted(net: vgg.VGG, x: Tensor) -> Tensor:
        looks.append(tuple(x.shape))
        return prepare(net, x)

    monkeypatch.setattr(vgg.VGG, "prepare", noted)
    found = gradient(tiled, picture)
    assert looks == [(1, 3, 64, 48)]
    assert distance(found, gradient(whole, picture)) < 1e-12


# --- targets ------------------------------------------------------------------------------------------


def test_targets_are_read_in_tiles() -> None:
    whole, tiled, _ = both(tiny(), (131, 97), 48)
    for a, b in zip(whole.terms, tiled.terms, strict=True):
        assert a.name == b.name
        if isinstance(a, objective.ContentTerm | objective.StyleTerm):
            assert isinstance(b, type(a))
            torch.testing.assert_close(b.target, a.target, rtol=1e-10, atol=1e-12)


# --- how a picture is cut -------------------------------------------------------------------------------


@given(
    rows=some.integers(16, 100),
    columns=some.integers(16, 100),
    tile=some.tuples(some.integers(1, 80), some.integers(1, 80)),
    stride=some.sampled_from([1, 2, 4, 8, 16]),
    margin=some.integers(0, 8),
)
@settings(max_examples=200, deadline=None)
def test_tiles_cover_every_pixel_once_and_see_what_they_need(
    rows: int, columns: int, tile: tuple[int, int], stride: int, margin: int
) -> None:
    tiling = Tiling((rows, columns), tile, stride, halo=margin * stride)
    count = torch.zeros(rows, columns, dtype=torch.int)
    for core, padded in ((t.core, t.padded) for t in tiling):
        core.of(count).add_(1)
        assert core.pixels > 0 and min(padded.size) >= stride
        for inner, outer, length in ((core.rows, padded.rows, rows), (core.columns, padded.columns, columns)):
            assert inner.start % stride == outer.start % stride == 0
            assert inner.stop == length or inner.stop % stride == 0
            assert outer.start == max(0, inner.start - tiling.halo)
            assert outer.stop == min(length, inner.stop + tiling.halo)
    assert bool((count == 1).all())
    assert len(tiling) == len(list(tiling))
    assert tiling.overhead >= 1 and tiling.largest <= rows * columns


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_the_halo_is_what_a_position_sees_beyond_its_own_pixels(network: str) -> None:
    names = [layer.name for layer in vgg.layers(network)]
    for name in names[1::5]:
        net = vgg.VGG([name], network=network, weights=TINY[network], pooling="average").double()
        stride, halo = tiles.reach(net)
        side = 2 * halo + 3 * stride
        picture = noise(1, 3, side, side).requires_grad_(True)
        middle = halo // stride + 1  # the position whose own pixels begin at halo + stride
        features = net(picture)[name]
        (seen,) = torch.autograd.grad(features[..., middle, middle].abs().sum(), picture)
        where = seen.abs().sum((0, 1, 2)).nonzero().flatten()
        assert int(where.min()) >= middle * stride - halo
        assert int(where.max()) < (middle + 1) * stride + halo


def test_what_tiles_cost_is_what_is_computed_twice() -> None:
    assert Tiling((40, 20), (100, 100), stride=4, halo=8).overhead == 1
    # Two tiles of 32 rows, each with 8 of the other.
    assert Tiling((64, 10), (32, 100), stride=4, halo=8).overhead == 2 * 40 / 64
    assert Tiling((64, 10), (32, 100), stride=4, halo=8).largest == 40 * 10
    assert tiles.reach(None) == (1, 1)  # total variation depends on the next pixel


def test_windows_of_windows() -> None:
    x = torch.arange(80).view(8, 10)
    inner, outer = Window(slice(4, 6), slice(2, 8)), Window(slice(2, 8), slice(2, 10))
    assert torch.equal(inner.within(outer).of(outer.of(x)), inner.of(x))
    assert inner.size == (2, 6) and inner.pixels == 12
    assert Window(slice(4, 7), slice(0, 9)).divided(2) == Window(slice(2, 3), slice(0, 4))


def test_a_window_beyond_the_edges_goes_on_at_the_opposite_ones() -> None:
    x = torch.arange(80.0).view(1, 1, 8, 10)
    window = Window(slice(-3, 4), slice(7, 12))
    part = window.of(x)
    assert torch.equal(part, x.roll((3, 3), (-2, -1))[..., :7, :5])
    values, added = torch.rand(part.shape), torch.zeros_like(x)
    window.add_to(added, values)
    torch.testing.assert_close((added * x).sum(), (values * part).sum())  # the adjoint


@pytest.mark.parametrize("form", TV_FORMS)
def test_the_differences_that_begin_in_a_window(form: str) -> None:
    picture = noise(2, 3, 9, 7)
    cuts = [0, 4, 9], [0, 3, 7]
    parts = []
    for (top, bottom), (left, right) in itertools.product(*map(itertools.pairwise, cuts)):
        crop = picture[..., top : bottom + 1, left : right + 1]
        parts.append(total_variation(crop, form, own=(bottom - top, right - left)))
    torch.testing.assert_close(torch.stack(parts).sum(), total_variation(picture, form), rtol=1e-12, atol=0)


@pytest.mark.parametrize("tile", [0, -3, (0, 64)])
def test_a_tile_without_pixels_is_refused(tile: int | tuple[int, int]) -> None:
    with pytest.raises(RecipeError, match="a tile must have a pixel"):
        tiles.build(noise(1, 3, 64, 64), noise(1, 3, 64, 64), tiny(), tile=tile)


def test_a_picture_too_small_for_the_network_is_refused() -> None:
    whole, tiled, _ = both(tiny(), (64, 48), 32)
    for goal in (whole, tiled):
        with pytest.raises(ImageError, match="too small"):
            goal(noise(1, 3, 12, 48))
