"""Masks: each style in its region, measured by what is there alone, and exact in pieces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

import styletut as st
from styletut import losses, objective, tiles, vgg
from styletut.control import masks
from styletut.control.masks import Masks
from styletut.errors import ImageError, RecipeError
from styletut.losses import STYLE_LOSSES, Statistic
from styletut.objective import Objective, StyleTerm, build
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


def halves(rows: int, columns: int, cut: int) -> tuple[Tensor, Tensor]:
    """The columns before a cut, and those from it on."""
    left = (torch.arange(columns) < cut).float().expand(1, 1, rows, columns)
    return left, 1 - left


def gradient(goal: Objective, picture: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(goal(picture)["total"], picture)
    return found


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


# --- statistics ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ADDITIVE)
def test_weights_of_a_region_measure_what_is_in_it_alone(form: str) -> None:
    features, loss = rand(2, 5, 6, 10), STYLE_LOSSES[form]
    region = torch.zeros(1, 1, 6, 10, dtype=torch.float64)
    region[..., 2:5, 3:9] = 1
    weighted = loss.measure(features, region / region.mean())
    for a, b in zip(weighted, loss.measure(features[..., 2:5, 3:9]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", ADDITIVE)
def test_a_soft_region_is_a_weighted_mean(form: str) -> None:
    """A weight of 2 counts a position twice."""
    features, loss = rand(1, 5, 4, 6), STYLE_LOSSES[form]
    counts = torch.tensor([1.0, 2.0, 0.0, 3.0, 1.0, 1.0], dtype=torch.float64)
    repeated = features.repeat_interleave(counts.long(), dim=3)
    weights = counts.expand(1, 1, 4, 6)
    for a, b in zip(loss.measure(features, weights / weights.mean()), loss.measure(repeated), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", ADDITIVE)
def test_a_region_of_twice_the_area_has_the_same_loss(form: str) -> None:
    features, target = rand(1, 5, 4, 6), STYLE_LOSSES[form].statistic(rand(1, 5, 3, 3, seed=1))

    def loss(mask: Tensor, features: Tensor) -> float:
        term = StyleTerm("relu1_1", target, 1.0, form, mask / mask.mean())
        return float(term.loss(term.statistic(features), positions=1, pixels=1))

    mask, twice = torch.zeros(2, 1, 1, 4, 18, dtype=torch.float64)
    mask[..., :6], twice[..., :12] = 1, 1
    both = torch.cat([features, features, rand(1, 5, 4, 6, seed=2)], dim=3)
    assert loss(twice, both) == pytest.approx(loss(mask, both), rel=1e-12)


def test_content_weights_multiply_the_squared_error_of_each_position() -> None:
    a, b, weights = rand(2, 5, 4, 6), rand(1, 5, 4, 6, seed=1), 3 * rand(1, 1, 4, 6, seed=2)
    expected = sum(float((a[0, n] - b[0, n]).square().mul(weights[0, 0]).sum()) for n in range(5))
    assert float(losses.squared_error(a, b, weights)[0]) == pytest.approx(expected, rel=1e-12)


# --- in the network --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 48), (75, 53), (33, 94)], ids=str)
@pytest.mark.parametrize("pooling", vgg.POOLINGS)
def test_a_layers_mask_is_the_share_of_each_positions_pixels(pooling: str, size: tuple[int, int]) -> None:
    layers = ["relu1_1", "pool1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    net = vgg.VGG(layers, weights=TINY, pooling=pooling).double()
    mask, picture = rand(1, 1, *size), rand(1, 3, *size)
    features, found = net(picture), masks.pooled(mask, net, layers, picture)
    for layer in layers:
        assert found[layer].shape[2:] == features[layer].shape[2:], layer
        stride = net.strides[layer]
        inside = found[layer][0, 0, : size[0] // stride, : size[1] // stride]
        for (i, j), share in np.ndenumerate(inside.numpy()):
            pixels = mask[0, 0, i * stride : (i + 1) * stride, j * stride : (j + 1) * stride]
            assert share == pytest.approx(float(pixels.mean()), rel=1e-12)


def test_a_kept_odd_row_counts_its_own_pixels() -> None:
    net = vgg.VGG(["pool1"], weights=TINY, pooling="average-same").double()
    mask = rand(1, 1, 5, 4)
    found = masks.pooled(mask, net, ["pool1"], rand(1, 3, 5, 4))["pool1"]
    assert float(found[0, 0, 2, 1]) == pytest.approx(float(mask[0, 0, 4, 2:].mean()), rel=1e-12)


@pytest.mark.parametrize("form", ADDITIVE)
def test_a_mask_of_ones_is_no_mask(form: str) -> None:
    recipe = small(style_loss=form)
    content, style, picture = rand(1, 3, 53, 75), rand(1, 3, 40, 40, seed=1), rand(1, 3, 53, 75, seed=2)
    net, ones = network(recipe), torch.ones(1, 1, 53, 75)
    plain = build(content, [style], recipe, network=net)(picture)
    masked = build(content, [style], recipe, network=net, masks=Masks([ones], [torch.ones(1, 1, 40, 40)], ones))(
        picture
    )
    assert len(masked) == len(plain)
    for name, loss in masked.items():
        assert float(loss) == pytest.approx(float(plain[name.removesuffix("/1")]), rel=1e-12), name


@pytest.mark.parametrize("form", ADDITIVE)
def test_a_regions_loss_does_not_see_the_other_region(form: str) -> None:
    """Beyond the receptive field of the positions that it has: here relu2_1's, 10 pixels."""
    recipe = small(style_loss=form, style_layers=["relu1_1", "relu2_1"])
    left, right = halves(32, 64, 32)
    styles = [rand(1, 3, 40, 40, seed=1), rand(1, 3, 30, 50, seed=2)]
    goal = build(rand(1, 3, 32, 64), styles, recipe, network=network(recipe), masks=Masks([left, right]))
    picture = rand(1, 3, 32, 64, seed=3)
    other = picture.clone()
    other[..., 42:] = rand(1, 3, 32, 22, seed=4)
    before, after = goal(picture), goal(other)
    for layer in ("relu1_1", "relu2_1"):
        assert float(after[f"style/{layer}/1"]) == float(before[f"style/{layer}/1"])
        assert abs(float(after[f"style/{layer}/2"]) / float(before[f"style/{layer}/2"]) - 1) > 1e-4


@pytest.mark.parametrize("form", ADDITIVE)
def test_a_regions_statistic_is_normalised_by_its_area(form: str) -> None:
    """A picture that is the style in the region has no loss there, however small or soft the region is."""
    recipe = small(style_loss=form, style_layers=["relu1_1"], content_weight=0, tv_weight=0)
    style, picture = rand(1, 3, 32, 32, seed=1), rand(1, 3, 32, 64)
    inside = torch.zeros(1, 1, 32, 64)
    inside[..., 2:30, 2:30] = 1  # of positions that see nothing of the other half
    picture[..., :32] = style
    of_style = Masks([inside], [inside[..., :32]]), Masks([inside / 4], [inside[..., :32]])
    for given, area in zip(of_style, (1.0, 0.25), strict=True):
        goal = build(rand(1, 3, 32, 64), [style], recipe, network=network(recipe), masks=given)
        (term,) = goal.terms
        assert isinstance(term, StyleTerm) and term.weights is not None
        assert float(term.weights.mean()) == pytest.approx(1, rel=1e-12)
        assert term.weight == pytest.approx(area * 28 * 28 / (32 * 64), rel=1e-6)
        assert float(goal(picture)["total"]) < 1e-12 < float(goal(rand(1, 3, 32, 64, seed=3))["total"])


def test_the_weights_of_regions_are_their_areas() -> None:
    """Each position is pulled as strongly as if its style were alone, whatever the area of the region."""
    recipe = small(style_layers=["relu1_1"])
    left, right = halves(32, 64, 16)
    style = rand(1, 3, 40, 40, seed=1)
    goal = build(rand(1, 3, 32, 64), [style, style], recipe, network=network(recipe), masks=Masks([left, right]))
    weights = {term.name: term.weight for term in goal.terms}
    assert (weights["style/relu1_1/1"], weights["style/relu1_1/2"]) == (0.25, 0.75)
    weighted = build(
        rand(1, 3, 32, 64),
        [style, style],
        recipe,
        network=network(recipe),
        masks=Masks([left, right]),
        style_weights=[3, 1],
    )
    weights = {term.name: term.weight for term in weighted.terms}
    assert (weights["style/relu1_1/1"], weights["style/relu1_1/2"]) == (0.25 * 1.5, 0.75 * 0.5)


def test_the_content_pulls_nowhere_where_its_mask_is_zero() -> None:
    recipe = small(style_weight=0, tv_weight=0, content_layers=["relu2_1"])
    left, _ = halves(32, 64, 32)
    goal = build(rand(1, 3, 32, 64), [], recipe, network=network(recipe), masks=Masks(content=left))
    pull = gradient(goal, rand(1, 3, 32, 64, seed=1).requires_grad_(True))
    assert float(pull[..., 42:].abs().max()) == 0 < float(pull[..., :32].abs().min())
    twice = build(rand(1, 3, 32, 64), [], recipe, network=network(recipe), masks=Masks(content=2 * left))
    picture = rand(1, 3, 32, 64, seed=1)
    assert float(twice(picture)["total"]) == pytest.approx(2 * float(goal(picture)["total"]), rel=1e-12)


@pytest.mark.parametrize("form", ADDITIVE)
def test_a_style_mask_leaves_out_the_rest_of_the_painting(form: str) -> None:
    recipe = small(style_loss=form, style_layers=["relu1_1", "relu2_1"])
    left, _ = halves(40, 64, 32)
    painting = rand(1, 3, 40, 64, seed=1)
    other = painting.clone()
    other[..., 42:] = 0
    one, two = (
        build(rand(1, 3, 32, 32), [p], recipe, network=network(recipe), masks=Masks(styles=[left]))
        for p in (painting, other)
    )
    for a, b in zip(one.terms, two.terms, strict=True):
        if isinstance(a, StyleTerm) and isinstance(b, StyleTerm):
            assert all(torch.equal(x, y) for x, y in zip(a.target, b.target, strict=True))


# --- in pieces -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [None, (48, 80)], ids=str)
@pytest.mark.parametrize("form", ADDITIVE)
def test_masks_in_strips_and_tiles_have_the_same_losses_and_gradient(form: str, tile: tuple[int, int] | None) -> None:
    recipe, size = small(style_loss=form), (90, 141)
    content, picture = rand(1, 3, *size), rand(1, 3, *size, seed=1).requires_grad_(True)
    styles = [rand(1, 3, 70, 90, seed=2), rand(1, 3, 64, 80, seed=3)]
    given = Masks([rand(1, 1, *size).float(), halves(*size, 41)[0]], [None, rand(1, 1, 64, 80)], 3 * rand(1, 1, *size))
    net = network(recipe)
    whole = build(content, styles, recipe, network=net, masks=given)
    pieces = tiles.build(content, styles, recipe, network=net, masks=given, tile=tile)
    wanted, found = whole(picture), pieces(picture)
    assert list(found) == list(wanted)
    for part, loss in wanted.items():
        assert float(found[part].detach()) == pytest.approx(float(loss.detach()), rel=1e-8), part
    assert distance(gradient(pieces, picture), gradient(whole, picture)) < 1e-8


@pytest.mark.parametrize("pooling", vgg.POOLINGS)
def test_masks_in_narrow_strips_have_the_same_gradient(pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from styletut.lowmem import tape

    monkeypatch.setattr(tape, "STRIP", {"cpu": 1 << 12})
    monkeypatch.setattr(tape, "MAX_HALO", 1.0)
    recipe, size = small(pooling=pooling, style_loss="mean-covariance"), (95, 47)
    content, picture = rand(1, 3, *size), rand(1, 3, *size, seed=1).requires_grad_(True)
    given = Masks([rand(1, 1, *size)], None, rand(1, 1, *size, seed=1))
    net, style = network(recipe), rand(1, 3, 50, 50, seed=2)
    whole = build(content, [style], recipe, network=net, masks=given)
    pieces = tiles.build(content, [style], recipe, network=net, masks=given)
    assert distance(gradient(pieces, picture), gradient(whole, picture)) < 1e-10


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Masks([torch.ones(1, 1, 32, 32)]), "1 masks for 2 styles: give one for each, in their order"),
        (Masks(None, [None]), "1 style masks for 2 styles"),
        (Masks([torch.ones(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)]), r"^mask 2 has no area: it is 0 \(black\)"),
        (Masks(None, [None, torch.zeros(1, 1, 32, 32)]), "^style mask 2 has no area"),
    ],
)
def test_masks_that_do_not_fit_are_refused_in_one_line(given: Masks, says: str) -> None:
    styles = [rand(1, 3, 32, 32), rand(1, 3, 32, 32)]
    with pytest.raises(RecipeError, match=says) as caught:
        build(rand(1, 3, 32, 32), styles, small(), masks=given)
    assert "\n" not in str(caught.value)


def test_a_region_that_pooling_drops_is_an_error_that_names_the_layer() -> None:
    mask = torch.zeros(1, 1, 47, 32)
    mask[..., 46, :] = 1  # no position of relu5_1 has pixels below row 32
    recipe = small(style_layers=["relu1_1", "relu5_1"])
    with pytest.raises(RecipeError, match=r"^mask has no area at relu5_1, where"):
        build(rand(1, 3, 47, 32), [rand(1, 3, 32, 32)], recipe, network=network(recipe), masks=Masks([mask]))
    kept = recipe.replace(pooling="average-same")
    build(rand(1, 3, 47, 32), [rand(1, 3, 32, 32)], kept, network=network(kept), masks=Masks([mask]))


def test_a_style_loss_that_takes_no_weights_works_until_there_are_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    def means(features: Tensor) -> Statistic:
        return (features.flatten(2).mean(2),)

    plain = losses.StyleLoss(means, lambda a, b: (a[0] - b[0]).square().sum())
    monkeypatch.setitem(STYLE_LOSSES, "means", plain)
    content, style = rand(1, 3, 32, 32), rand(1, 3, 32, 32, seed=1)
    recipe = small(style_loss="means")
    assert float(build(content, [style], recipe, network=network(recipe))(content)["style/relu1_1"]) > 0
    for form in ("means", "sliced-wasserstein"):
        with pytest.raises(RecipeError, match=f"style_loss='{form}' cannot be restricted to a region"):
            build(content, [style], recipe.replace(style_loss=form), masks=Masks([torch.ones(1, 1, 32, 32)]))


def test_a_network_of_ones_own_takes_masks() -> None:
    class Own(nn.Module):
        layers = ("a",)

        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {"a": F.avg_pool2d(image, 3)}

    recipe = Recipe(network=Own(), content_layers={"a": 1.0}, style_layers={"a": 1.0})
    left, right = halves(12, 18, 9)
    styles, picture = [rand(1, 3, 12, 12), rand(1, 3, 15, 12)], rand(1, 3, 12, 18, seed=1)
    goal = build(rand(1, 3, 12, 18), styles, recipe, masks=Masks([left, right], content=left))
    other = picture.clone()
    other[..., 9:] = 0
    before, after = goal(picture), goal(other)
    assert float(before["style/a/1"]) == float(after["style/a/1"])
    assert float(before["content/a"]) == float(after["content/a"])
    assert float(before["style/a/2"]) != float(after["style/a/2"])


# --- reading ---------------------------------------------------------------------------------------------


def test_a_mask_is_read_from_arrays_tensors_and_pictures(tmp_path: Path) -> None:
    values = np.array([[0, 51, 255], [102, 255, 0]], np.uint8)
    expected = torch.from_numpy(values).float().div(255)[None, None]
    Image.fromarray(values).save(tmp_path / "grey.png")
    cutout = Image.merge("RGBA", [Image.fromarray(np.full_like(values, 7))] * 3 + [Image.fromarray(values)])
    cutout.save(tmp_path / "alpha.png")
    opaque = Image.fromarray(np.stack([values] * 3 + [np.full_like(values, 255)], 2))
    sources = [
        values,
        values.astype(np.float32) / 255,
        expected[0, 0],
        expected,
        expected.expand(1, 3, 2, 3),
        tmp_path / "grey.png",
        str(tmp_path / "alpha.png"),
        opaque,
    ]
    for source in sources:
        torch.testing.assert_close(masks.read(source), expected)
    assert masks.read(values > 100).unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (torch.full((2, 2), 1.5), "from 1.5 to 1.5: they must be from 0 to 1"),
        (torch.full((2, 2), -0.5), "must be from 0 to 1"),
        (torch.full((2, 2), torch.nan), "NaN"),
        (torch.ones(1, 2, 2, 2), r"shape \(H, W\) or \(1, 1, H, W\), got \(1, 2, 2, 2\)"),
        (torch.ones(0, 2), "no pixels"),
        (torch.ones(2, 2, dtype=torch.int64), "divide it by its maximum"),
        ("no such.png", "no such.png"),
        (None, "mask|None"),
    ],
)
def test_what_is_no_mask_is_refused_in_one_line(source: Any, says: str) -> None:
    with pytest.raises(ImageError, match=says) as caught:
        masks.read(source)
    assert "\n" not in str(caught.value)


def test_factors_may_be_above_one_but_not_below_zero() -> None:
    assert float(masks.read(torch.full((2, 2), 7.0), largest=torch.inf).max()) == 7
    with pytest.raises(ImageError, match="must be 0 or more"):
        masks.read(torch.full((2, 2), -1.0), largest=torch.inf)


def test_a_resized_mask_leaves_no_trace_outside_its_region() -> None:
    left, _ = halves(60, 80, 40)
    small_mask = masks.resized(left, (30, 40))
    assert float(small_mask[..., 22:].abs().max()) == 0 and float((small_mask[..., :18] - 1).abs().max()) < 1e-6
    assert masks.resized(left, (60, 80)) is left
    assert float(masks.resized(left, (90, 120)).max()) <= 1 + 1e-6


# --- runs ------------------------------------------------------------------------------------------------


def run_options(**changes: Any) -> dict[str, Any]:
    return {
        "recipe": small(precision="float64", scales=((0.5, 2), (1.0, 2)), style_loss="mean-covariance"),
        "device": "cpu",
        "progress": False,
    } | changes


def test_masks_of_any_size_are_brought_to_their_pictures(photo: Tensor, painting: Tensor) -> None:
    left, right = halves(64, 80, 40)
    given: dict[str, Any] = {
        "masks": [left, right.mul(255).byte().numpy()[0, 0]],
        "style_masks": [None, right],
        "content_mask": 3 * left,
    }
    run = st.iterate(photo, [painting, painting.flip(2)], small(), **given)
    where = run.inputs.masks
    assert where.regions is not None and where.styles is not None and where.content is not None
    assert [mask.shape[2:] for mask in where.regions] == [photo.shape[2:]] * 2
    torch.testing.assert_close(where.regions[0] + where.regions[1], torch.ones(1, 1, 32, 40))
    assert where.styles[0] is None and where.styles[1] is not None and where.styles[1].shape[2:] == painting.shape[2:]
    assert where.content.shape[2:] == photo.shape[2:] and float(where.content.max()) == pytest.approx(3)


def test_each_style_is_painted_in_its_region() -> None:
    """A dark style on the left and a light one on the right, and the other way round."""
    photo = rand(1, 3, 32, 64).float()
    styles = [0.3 * rand(1, 3, 32, 32, seed=1).float(), 0.7 + 0.3 * rand(1, 3, 32, 32, seed=2).float()]
    left, right = halves(32, 64, 32)
    recipe = small(content_weight=0, style_layers=["relu1_1"], scales=((1.0, 60),))
    for masks_given, darker in (([left, right], slice(0, 24)), ([right, left], slice(40, 64))):
        picture = st.stylize(photo, styles, recipe, masks=masks_given, progress=False, device="cpu").picture
        lighter = slice(40, 64) if darker.start == 0 else slice(0, 24)
        assert float(picture[..., darker].mean()) < 0.35 < 0.6 < float(picture[..., lighter].mean())


def test_a_run_in_tiles_paints_the_same_picture(photo: Tensor, painting: Tensor) -> None:
    photo = F.interpolate(photo, size=(75, 61))
    given: dict[str, Any] = {"masks": halves(75, 61, 29), "content_mask": rand(75, 61).float()}
    whole = st.stylize(photo, [painting, photo], **run_options(), **given)
    pieces = st.stylize(photo, [painting, photo], **run_options(tile=32), **given)
    torch.testing.assert_close(pieces.picture, whole.picture, rtol=0, atol=1e-6)
    for a, b in zip(pieces.history, whole.history, strict=True):
        assert a["losses"] == pytest.approx(b["losses"], rel=1e-7)


def test_the_manifest_knows_its_masks_apart(photo: Tensor, painting: Tensor) -> None:
    left, right = halves(32, 40, 20)

    def manifest(**given: Any) -> dict[str, Any]:
        found: dict[str, Any] = st.iterate(photo, painting, small(), **given).result().manifest()["inputs"]
        return found

    assert not {"masks", "style_masks", "content_mask"} & set(manifest())
    one, two = manifest(masks=left), manifest(masks=right)
    assert one["masks"][0]["size"] == [32, 40] and one["masks"] != two["masks"] == manifest(masks=[right])["masks"]
    assert manifest(content_mask=2 * left)["content_mask"] != manifest(content_mask=3 * left)["content_mask"]
    assert manifest(style_masks=[None])["style_masks"] == [None]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"masks": [torch.ones(2, 2)] * 2}, "2 masks for 1 styles"),
        ({"masks": torch.zeros(2, 2)}, "^mask has no area"),
        ({"masks": [None]}, "^mask is None: give each style a mask"),
        ({"style_masks": torch.zeros(2, 2)}, "^style mask has no area"),
        ({"masks": torch.ones(2, 2), "style_loss": "sliced-wasserstein"}, "cannot be restricted to a region"),
        ({"masks": "no such file.png"}, "no such file.png"),
    ],
)
def test_masks_that_mean_nothing_are_refused_before_anything_runs(
    given: dict[str, Any], says: str, photo: Tensor, painting: Tensor
) -> None:
    with pytest.raises((RecipeError, ImageError), match=says) as caught:
        st.iterate(photo, painting, small(), **given)
    assert "\n" not in str(caught.value)


def test_a_region_that_vanishes_at_a_layer_is_refused_before_anything_runs(painting: Tensor) -> None:
    mask = torch.zeros(64, 79)
    mask[:, 64:] = 1  # no position of relu5_1 has pixels beyond the 64th column
    with pytest.raises(RecipeError, match=r"^mask has no area at relu5_1"):
        st.iterate(rand(1, 3, 64, 79).float(), painting, small(scales=((0.5, 1), (1.0, 1))), masks=mask)


def test_an_estimate_takes_masks(photo: Tensor, painting: Tensor) -> None:
    plain = st.estimate(photo, painting, small(), device="cpu")
    masked = st.estimate(
        photo, painting, small(), device="cpu", masks=[torch.ones(8, 8)], content_mask=torch.ones(8, 8)
    )
    positions = sum(32 * 40 / 4**i for i in range(5))
    assert masked.memory_bytes - plain.memory_bytes == pytest.approx(4 * positions, abs=1)


def test_every_picture_of_a_batch_has_the_same_regions(painting: Tensor) -> None:
    contents = [rand(1, 3, 32, 40, seed=i).float() for i in range(2)]
    recipe = small(batch=2, optimizer="adam", learning_rate=0.02, precision="float64", scales=((1.0, 3),))
    given: dict[str, Any] = {"masks": halves(32, 40, 20), "content_mask": rand(32, 40), "progress": False}
    styles = [painting, painting.flip(2) / 2]
    both = st.stylize(contents, styles, recipe, device="cpu", **given).picture
    for content, found in zip(contents, both.split(1), strict=True):
        alone = st.stylize(content, styles, recipe, device="cpu", **given).picture
        torch.testing.assert_close(found, alone, rtol=0, atol=1e-6)
        assert not torch.equal(found, content)
