"""Sizes, resampling and colours in the page against the module's."""

from __future__ import annotations

import pytest
import torch
from page_helpers import as_page, as_tensor, in_node
from torch import Tensor

from styletut import colour, recipes
from styletut.engine import scales
from styletut.engine.inputs import Inputs
from styletut.images import resize, target_size

PICTURES = "pictures.js"


def test_target_sizes_are_those_of_the_module() -> None:
    cases = [
        (rows, columns, size) for rows in (1, 33, 300, 601) for columns in (7, 512, 800) for size in (1, 32, 255, 512)
    ]
    found = in_node({"targetSize": PICTURES}, "return given.map((each) => targetSize(...each));", cases)
    assert [tuple(each) for each in found] == [target_size(rows, columns, size) for rows, columns, size in cases]


def test_sizes_of_the_scales_are_those_of_the_module() -> None:
    sizes = [(r, c) for r in (33, 171, 255, 256) for c in (45, 256, 301)]
    recipe = recipes.get("gram")
    found = in_node(
        {"scaleSizes": PICTURES},
        "return given.sizes.map((size) => scaleSizes(given.scales, size, 8));",
        {"sizes": sizes, "scales": recipe.scales},
    )
    assert [[tuple(size) for size in each] for each in found] == [scales.sizes(recipe, size, 8) for size in sizes]


@pytest.mark.parametrize("size", [(20, 31), (64, 80), (32, 17), (47, 40), (3, 200)])
def test_resizing_is_the_modules(photo: Tensor, size: tuple[int, int]) -> None:
    body = "const of = given.of; of.data = floats(of.data); return resized(of, ...given.size).data;"
    found = in_node({"resized": PICTURES}, body, {"of": as_page(photo), "size": size})
    expected = resize(photo, size, fit="exact", upscale=True)
    torch.testing.assert_close(as_tensor(found, *size), expected, rtol=0, atol=2e-6)


def test_a_picture_that_has_the_size_is_left_as_it_is(photo: Tensor) -> None:
    body = "given.data = floats(given.data); return resized(given, given.rows, given.columns) === given;"
    assert in_node({"resized": PICTURES}, body, as_page(photo))


@pytest.mark.parametrize("size", [(20, 31), (31, 20), (32, 40), (9, 33)])
def test_a_painting_is_cropped_to_a_start_as_in_the_module(
    photo: Tensor, painting: Tensor, size: tuple[int, int]
) -> None:
    body = """given.of.data = floats(given.of.data);
    return resized(cropped(given.of, ...given.size), ...given.size).data;"""
    found = in_node({"cropped, resized": PICTURES}, body, {"of": as_page(painting), "size": size})
    recipe = recipes.get("gram").replace(start="style")
    inputs = Inputs.of(recipe, photo, [painting], None, None)
    begun = scales.starting_picture(inputs, recipe, size, torch.zeros(1), torch.Generator())
    torch.testing.assert_close(as_tensor(found, *size), begun, rtol=0, atol=2e-6)


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_a_run_begins_in_the_colours_that_the_module_matches(photo: Tensor, painting: Tensor, strength: float) -> None:
    vivid = torch.where(painting[:, :1] > 0.5, torch.tensor([1.0, 0.1, 0.0]).view(1, 3, 1, 1), painting * 0.2)
    matched = colour.match_moments(photo, *colour.moments(vivid))
    assert ((matched < 0.003) | (matched > 0.997)).float().mean() > 0.05  # colours that had to be brought into range
    body = """for (const each of [given.content, given.style]) each.data = floats(each.data);
    return matched(given.content, given.style, given.strength).data;"""
    given = {"content": as_page(photo), "style": as_page(vivid), "strength": strength}
    found = as_tensor(in_node({"matched": PICTURES}, body, given), *photo.shape[-2:])
    expected = torch.lerp(photo, matched, strength)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert not torch.allclose(found, photo, atol=0.05)


def test_a_deviation_below_a_step_of_eight_bits_counts_as_grey(photo: Tensor, painting: Tensor) -> None:
    grey = photo.mean(1, keepdim=True) + (photo - 0.5) / 1000
    body = """for (const each of given) each.data = floats(each.data); return matched(...given).data;"""
    found = as_tensor(in_node({"matched": PICTURES}, body, [as_page(grey), as_page(painting)]), *photo.shape[-2:])
    torch.testing.assert_close(found, colour.match_moments(grey, *colour.moments(painting)), rtol=0, atol=1e-5)


def test_a_grey_photograph_gets_the_colours_that_the_module_gives_it(photo: Tensor, painting: Tensor) -> None:
    grey = photo.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    body = """for (const each of given) each.data = floats(each.data); return matched(...given).data;"""
    found = as_tensor(in_node({"matched": PICTURES}, body, [as_page(grey), as_page(painting)]), *photo.shape[-2:])
    torch.testing.assert_close(found, colour.match_moments(grey, *colour.moments(painting)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_the_next_scale_begins_as_in_the_module(photo: Tensor, painting: Tensor, strength: float) -> None:
    small = resize(painting, (16, 20), fit="exact")
    body = """for (const each of [given.of, given.content]) each.data = floats(each.data);
    return enlarged(given.of, 32, 40, given.content, given.strength).data;"""
    given = {"of": as_page(small), "content": as_page(photo), "strength": strength}
    found = as_tensor(in_node({"enlarged": PICTURES}, body, given), 32, 40)
    inputs = scales.Inputs.of(recipes.get("fast"), photo, [painting], None, None)
    expected = scales.enlarged(small, (32, 40), inputs, recipes.get("fast").replace(strength=strength))
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-6)


def test_styles_have_the_size_that_the_module_gives_them(painting: Tensor) -> None:
    body = """given.of.data = floats(given.of.data);
    const { rows, columns } = styleAt(given.of, given.size, 1, 8); return [rows, columns];"""
    for size in ((16, 12), (31, 8), (64, 64), (5, 5)):
        found = in_node({"styleAt": PICTURES}, body, {"of": as_page(painting), "size": size})
        assert tuple(found) == scales.style_at(painting, size, recipes.get("fast"), 8).shape[-2:]


def test_noise_is_the_same_for_the_same_seed_and_spread_over_its_range() -> None:
    body = "return given.map((seed) => noise(40, 40, [0.5, 0.4, 0.3], [-128, 127], seed).data);"
    one, again, other = (torch.tensor(each).view(-1, 3) for each in in_node({"noise": PICTURES}, body, [1, 1, 2]))
    assert torch.equal(one, again) and not torch.allclose(one, other)
    spread = one - torch.tensor([0.5, 0.4, 0.3])
    assert spread.min() > -128 / 255 - 1e-5 and spread.max() < 127 / 255 + 1e-5
    assert abs(float(spread.mean())) < 0.02 and abs(float(spread.std()) - 1 / 12**0.5) < 0.01


def test_what_is_transparent_lies_on_white_and_pixels_round_trip() -> None:
    body = """const of = fromPixels(given, 2, 1); return [of.data, toPixels(of)];"""
    data, pixels = in_node({"fromPixels, toPixels": PICTURES}, body, [10, 20, 30, 255, 0, 0, 0, 0])
    assert pixels == [10, 20, 30, 255, 255, 255, 255, 255]
    assert data[:3] == pytest.approx([10 / 255, 20 / 255, 30 / 255])


def test_a_gradient_is_drawn_as_what_it_asks_for(photo: Tensor) -> None:
    """As chapter 08 draws it: its negative, around mid-grey, cut at a quantile of its size."""
    gradient = photo - photo.roll(3, dims=3)
    rows, columns = photo.shape[-2:]
    body = """const pull = floats(given.data);
    const full = quantile(pull.map(Math.abs), 0.9995);
    return { full, drawn: asked(pull, given.rows, given.columns, full).data };"""
    found = in_node({"asked, quantile": PICTURES}, body, as_page(gradient))
    full = gradient.abs().flatten().quantile(0.9995)
    assert found["full"] == pytest.approx(full.item(), rel=1e-5)
    expected = (0.5 - 0.5 * gradient / full).clamp(0, 1)
    torch.testing.assert_close(as_tensor(found["drawn"], rows, columns), expected, rtol=0, atol=1e-5)
