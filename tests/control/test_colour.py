"""Colours of a photograph kept: the statistics match, nothing leaves sRGB, and a run shows what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import styletut as st
from styletut import colour, images, recipes, vgg
from styletut.cli import main
from styletut.cli.manifest import read_manifest
from styletut.engine import scales
from styletut.engine.colouring import Colouring
from styletut.engine.inputs import Inputs
from styletut.errors import ImageError, RecipeError
from styletut.recipes import Recipe
from styletut.transfer import Run, iterate

SMALL = Recipe(
    name="small",
    weights=vgg.random_weights(width=0.1),
    content_layers={"relu3_1": 1.0},
    style_layers={"relu1_1": 0.5, "relu2_1": 0.5},
    optimizer="sgd",
    learning_rate=1.0,
    scales=((0.5, 2), (1.0, 4)),
    precision="float64",
    snapshot_every=2,
)
METHODS = colour.METHODS
WHEN = ("auto", "before", "after", "both")


def muted(rows: int, columns: int, seed: int) -> Tensor:
    """A picture in float64 of few and related colours, that leave room in sRGB on all sides."""
    generator = torch.Generator().manual_seed(seed)
    mix = 0.05 * torch.randn(3, 3, dtype=torch.float64, generator=generator)
    noise = torch.rand(1, 3, rows, columns, dtype=torch.float64, generator=generator) - 0.5
    return 0.5 + torch.einsum("ij,bjhw->bihw", mix + 0.1 * torch.eye(3, dtype=torch.float64), noise)


def flat(*rgb: float) -> Tensor:
    return torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, 8, 9).clone()


def chroma(picture: Tensor) -> Tensor:
    return colour.to_oklab(picture)[:, 1:]


def lightness(picture: Tensor) -> Tensor:
    return colour.to_oklab(picture)[:, :1]


def paint(content: Any, style: Any, recipe: Recipe = SMALL, **options: Any) -> st.Result:
    return st.stylize(content, style, recipe, **{"progress": False, "device": "cpu", **options})


# --- a colour space, and its gamut -------------------------------------------------------------------


def test_oklab_is_that_of_its_author() -> None:
    """Values of the published table (XYZ to Oklab) and of CSS Color 4 for the primaries."""
    wanted = {
        (1.0, 1.0, 1.0): (1.0, 0.0, 0.0),
        (1.0, 0.0, 0.0): (0.62796, 0.22486, 0.12585),
        (0.0, 1.0, 0.0): (0.86644, -0.23389, 0.17950),
        (0.0, 0.0, 1.0): (0.45201, -0.03246, -0.31153),
    }
    for rgb, lab in wanted.items():
        assert colour.to_oklab(flat(*rgb))[0, :, 0, 0].tolist() == pytest.approx(lab, abs=2e-5)


def test_oklab_and_back_is_the_same_picture_also_beyond_srgb() -> None:
    picture = 3 * torch.rand(2, 3, 20, 30, dtype=torch.float64) - 1
    torch.testing.assert_close(colour.from_oklab(colour.to_oklab(picture)), picture, rtol=0, atol=1e-7)


def test_colours_come_back_into_the_gamut_with_their_lightness_and_hue_and_as_much_chroma_as_fits() -> None:
    picture = 1.6 * torch.rand(2, 3, 40, 50, dtype=torch.float64) - 0.3
    inside = ((picture >= 0) & (picture <= 1)).all(1, keepdim=True).expand_as(picture)
    made = colour.into_gamut(picture)
    assert made.min() >= 0 and made.max() <= 1
    assert torch.equal(made[inside], picture[inside])
    before, after = colour.to_oklab(picture), colour.to_oklab(made)
    outside = ~inside[:, 0] & (before[:, 0] > 0.05) & (before[:, 0] < 0.95)
    assert int(outside.sum()) > 500
    torch.testing.assert_close(after[:, 0][outside], before[:, 0][outside], rtol=0, atol=1e-4)
    (a, b), (c, d) = (lab[:, 1:].movedim(1, 0)[:, outside] for lab in (before, after))
    size, left = torch.hypot(a, b), torch.hypot(c, d)
    assert (left < size + 1e-4).all() and left.min() > 0.01
    turned = (a * d - b * c) / (size * left)  # the sine of the angle between the hues
    assert turned.abs().max() < 2e-3
    edge = torch.minimum(made.amin(1), 1 - made.amax(1))[outside]
    assert edge.max() < 1e-3  # not greyer than need be
    clipped = chroma(picture.clamp(0, 1)).movedim(1, 0)[:, outside]
    assert ((a * clipped[1] - b * clipped[0]) / (size * clipped.norm(dim=0))).abs().max() > 0.1  # clipping turns hues


# --- matching ----------------------------------------------------------------------------------------


def test_mean_and_covariance_match() -> None:
    painting, photo = muted(30, 40, 1), muted(25, 33, 2)
    assert (colour.moments(painting)[1] - colour.moments(photo)[1]).abs().max() > 1e-3
    made = colour.match_colours(painting, photo)
    for found, wanted in zip(colour.moments(made), colour.moments(photo), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    values = photo.flatten(2)[0].numpy()
    mean, covariance = colour.moments(photo)
    np.testing.assert_allclose(mean[0], values.mean(1))
    np.testing.assert_allclose(covariance[0], np.cov(values, bias=True))


def test_of_all_linear_matches_it_moves_colours_least() -> None:
    """Its matrix is symmetric and positive, by which Brenier's theorem knows the optimal transport."""
    source, target = (colour.moments(muted(30, 40, seed))[1] for seed in (1, 2))
    matrix = colour.transport(source, target)[0]
    torch.testing.assert_close(matrix @ source[0] @ matrix.T, target[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-9)
    assert torch.linalg.eigvalsh(matrix).min() > 0
    by_cholesky = torch.linalg.cholesky(target[0]) @ torch.linalg.cholesky(source[0]).inverse()
    distance = [float(((m - torch.eye(3)) @ source[0] @ (m - torch.eye(3)).T).trace()) for m in (matrix, by_cholesky)]
    assert distance[0] < distance[1]


def test_moments_of_several_pictures_together_are_those_of_their_pixels() -> None:
    first, second = muted(10, 12, 1), muted(10, 36, 2)
    together = torch.cat([first, second], 3)
    found = colour.blended_moments([first, second], torch.tensor([0.25, 0.75]))
    for one, wanted in zip(found, colour.moments(together), strict=True):
        torch.testing.assert_close(one, wanted, rtol=0, atol=1e-12)


def test_histograms_of_the_channels_match_and_so_do_mixtures_of_them() -> None:
    painting, photo = muted(30, 40, 1) ** 2, muted(30, 40, 2)
    made = colour.match_histograms(painting, photo)
    torch.testing.assert_close(made.flatten(2).sort().values, photo.flatten(2).sort().values, rtol=0, atol=1e-9)
    axis = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64).view(1, 3, 1, 1)
    pictures = (made, photo, by_channel(painting, photo))
    along, wanted, channels = ((axis * picture).sum(1).flatten().sort().values for picture in pictures)
    assert (along - wanted).abs().mean() < 0.1 * (channels - wanted).abs().mean()


def by_channel(picture: Tensor, to: Tensor) -> Tensor:
    """Histogram matching of each channel by itself, of pictures with as many pixels."""
    ranks = picture.flatten(2).argsort().argsort()
    return to.flatten(2).sort().values.gather(2, ranks).view(picture.shape)


def test_histograms_of_pictures_of_other_sizes_match() -> None:
    made = colour.match_histograms(muted(30, 40, 1), muted(17, 23, 2))
    levels = torch.linspace(0.02, 0.98, 20, dtype=torch.float64)
    for found, wanted in zip(made[0].flatten(1), muted(17, 23, 2)[0].flatten(1), strict=True):
        torch.testing.assert_close(found.quantile(levels), wanted.quantile(levels), rtol=0, atol=2e-3)


def test_pixels_of_one_colour_stay_of_one_colour() -> None:
    picture = (muted(30, 41, 1) * 8).round() / 8
    for method in ("covariance", "histogram"):
        made = colour.match_colours(picture, muted(20, 20, 2), method).flatten(2)[0].T
        of_colour = picture.flatten(2)[0].T.unique(dim=0, return_inverse=True)[1]
        for index in of_colour.unique():
            assert made[of_colour == index].std(0, correction=0).max() < 1e-12


def test_colours_that_are_equal_but_for_rounding_stay_equal() -> None:
    """In grey a picture whose channels are exchanged is the same: its ranks must not tell the two apart."""
    half = muted(20, 30, 1)
    grey = muted(25, 30, 2).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    made = colour.match_histograms(torch.cat([half, half[:, [2, 0, 1]]], 3), grey)
    torch.testing.assert_close(made[..., :30], made[..., 30:], rtol=0, atol=1e-9)


def test_lightness_is_kept_and_chroma_is_the_photographs() -> None:
    painting, photo = muted(20, 30, 1), muted(20, 30, 2)
    made = colour.match_colours(painting, photo, "luminance")
    torch.testing.assert_close(lightness(made), lightness(painting), rtol=0, atol=1e-6)
    torch.testing.assert_close(chroma(made), chroma(photo), rtol=0, atol=1e-6)
    vivid = colour.replace_chroma(torch.rand(1, 3, 20, 30).double(), torch.rand(1, 3, 20, 30).double())
    assert vivid.min() >= 0 and vivid.max() <= 1


def test_luminance_is_grey_with_the_photographs_mean_and_deviation() -> None:
    painting, photo = muted(20, 30, 1), 0.8 * muted(25, 30, 2)
    plain, matched = colour.luminance(painting), colour.luminance(painting, photo)
    for made in (plain, matched):
        assert torch.equal(made[:, 0], made[:, 1]) and torch.equal(made[:, 0], made[:, 2])
    torch.testing.assert_close(lightness(plain), lightness(painting), rtol=0, atol=1e-7)
    for statistic in (torch.mean, torch.std):
        assert statistic(lightness(matched)).item() == pytest.approx(statistic(lightness(photo)).item(), rel=1e-2)
    assert lightness(matched).mean().item() == pytest.approx(lightness(photo).mean().item(), abs=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_matched_to_itself_is_itself(method: str) -> None:
    picture = muted(20, 30, 1)
    torch.testing.assert_close(colour.match_colours(picture, picture, method), picture, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_strength_goes_from_the_picture_itself_to_the_match(method: str) -> None:
    painting, photo = muted(20, 30, 1), muted(20, 30, 2).flip(1)
    made = [colour.match_colours(painting, photo, method, s) for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert torch.equal(made[0], painting)
    assert torch.equal(made[-1], colour.match_colours(painting, photo, method))
    to_end = [float((x - made[-1]).abs().mean()) for x in made]
    from_start = [float((x - painting).abs().mean()) for x in made]
    for i in range(4):
        assert to_end[i + 1] < to_end[i] - 1e-4 and from_start[i + 1] > from_start[i] + 1e-4
    if method == "luminance":
        for one in made:
            torch.testing.assert_close(lightness(one), lightness(painting), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_all_results_are_pictures_whatever_is_matched(method: str) -> None:
    """Grey pictures, pictures of one colour, black, white, two colours, nearly grey: of each to each."""
    grey = torch.rand(1, 1, 8, 9).double().expand(1, 3, 8, 9)
    two = torch.where(torch.rand(1, 1, 8, 9) < 0.3, flat(0.9, 0.1, 0.2), flat(0.0, 0.3, 1.0))
    kinds = [grey, flat(0.2, 0.5, 0.9), flat(0, 0, 0), flat(1, 1, 1), two, torch.rand(1, 3, 8, 9).double()]
    kinds.append((grey + 0.4 * (torch.rand(1, 3, 8, 9) - 0.5) / 255).clamp(0, 1))
    for picture in kinds:
        for to in kinds:
            for made in (
                colour.match_colours(picture, to, method),
                colour.match_colours(picture.float(), to.float(), method),
                colour.luminance(picture, to),
            ):
                assert made.isfinite().all() and made.min() >= 0 and made.max() <= 1 and made.shape == picture.shape


@pytest.mark.parametrize("method", ["covariance", "histogram"])
def test_one_colour_becomes_the_mean_and_becomes_of_one_colour(method: str) -> None:
    photo, one = muted(20, 30, 1), flat(0.2, 0.5, 0.9)
    made = colour.match_colours(one, photo, method)
    torch.testing.assert_close(made, photo.mean((2, 3), keepdim=True).expand_as(one), rtol=0, atol=1e-9)
    torch.testing.assert_close(colour.match_colours(photo, one, method)[0, :, 3, 4], one[0, :, 0, 0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_painting_matched_to_a_grey_photograph_is_grey(method: str) -> None:
    photo = muted(20, 30, 1).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    made = colour.match_colours(muted(20, 30, 2), photo, method)
    assert (made.amax(1) - made.amin(1)).max() < 1e-6
    assert made.std() > 0.01


def test_a_grey_picture_gets_the_colours_that_go_with_its_lightness() -> None:
    """Dark ones are blue and light ones yellow where they are so in the painting; noise of rounding gets none."""
    ramp = torch.rand(1, 1, 30, 30).double()
    blue, yellow = flat(0.2, 0.3, 0.6)[..., :1, :1], flat(0.7, 0.6, 0.3)[..., :1, :1]
    painting = (1 - ramp) * blue + ramp * yellow + 0.02 * (torch.rand(1, 3, 30, 30).double() - 0.5)
    grey = torch.linspace(0.2, 0.8, 900).double().view(1, 1, 30, 30).expand(-1, 3, -1, -1)
    made = colour.match_colours(grey, painting)
    assert made[0, 2, 0, 0] > made[0, 0, 0, 0] + 0.2 and made[0, 0, -1, -1] > made[0, 2, -1, -1] + 0.2
    rounding = (torch.rand(1, 3, 30, 30).double() - 0.5) / 255
    vivid = (painting + 0.3 * (torch.rand(1, 3, 30, 30).double() - 0.5)).clamp(0, 1)
    made, rounded = (colour.match_colours(picture, vivid) for picture in (grey, grey + rounding))
    assert (rounded - made).abs().max() < 0.02


def test_a_picture_stands_for_as_many_as_the_other_has() -> None:
    pair, one = torch.cat([muted(9, 8, 1), muted(9, 8, 2)]), muted(9, 8, 3)
    for method in METHODS:
        for picture, to in ((pair, one), (one, pair), (pair, pair.flip(0))):
            both = colour.match_colours(picture, to, method)
            for i in range(2):
                wanted = colour.match_colours(picture[i % len(picture)][None], to[i % len(to)][None], method)
                torch.testing.assert_close(both[i : i + 1], wanted, rtol=0, atol=1e-12)


def test_what_cannot_be_matched_is_refused_in_one_line() -> None:
    one, two, three, wide = (torch.rand(n, 3, 8, w) for n, w in ((1, 8), (2, 8), (3, 8), (1, 9)))
    match = colour.match_colours
    calls: list[tuple[type[Exception], str, Any]] = [
        (RecipeError, "unknown method 'covar': did you mean", lambda: match(one, one, "covar")),
        (RecipeError, "strength must be a number, 0 or more and 1 at most", lambda: match(one, one, strength=1.5)),
        (RecipeError, "strength must be a number", lambda: colour.replace_chroma(one, one, strength=-0.1)),
        (ImageError, "2 pictures to match 3 to", lambda: match(three, two)),
        (ImageError, "9 x 8 pixels does not fit one of 8 x 8", lambda: match(one, wide, "luminance")),
        (ImageError, "colours are taken must have shape", lambda: match(one, one[0])),
        (ImageError, "colours are taken must have shape", lambda: colour.match_histograms(one, one[0])),
        (ImageError, "lightness is matched must have shape", lambda: colour.luminance(one, one[0])),
        (ImageError, "picture must have shape", lambda: colour.luminance(one[0])),
        (ImageError, "NaN", lambda: match(one * torch.nan, one)),
    ]
    for kind, says, call in calls:
        with pytest.raises(kind, match=says) as caught:
            call()
        assert "\n" not in str(caught.value)


# --- in a run ----------------------------------------------------------------------------------------


def test_by_default_no_picture_is_touched(photo: Tensor, painting: Tensor) -> None:
    for recipe in (*map(recipes.get, recipes.names()), SMALL.replace(colour="covariance", colour_strength=0)):
        colouring = Colouring(recipe, Inputs.of(recipe, photo, [painting], None, None))
        assert colouring.content(photo) is photo and colouring.finished(photo) is photo
        assert colouring.styles([painting], photo)[0] is painting and not colouring.grey
    assert {recipes.get(name).colour for name in recipes.names()} == {"style"}
    assert {name for name in recipes.names() if recipes.get(name).start == "matched"} == {"fast", "draft", "fine"}


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("method", METHODS)
def test_before_recolours_the_style_and_after_the_result(
    method: str, when: str, photo: Tensor, painting: Tensor
) -> None:
    before = when in ("before", "both") or when == "auto"
    after = when in ("after", "both") or (when == "auto" and method == "luminance")
    reduced = before and method == "luminance"
    style = painting
    if before:
        style = scales.style_at(painting, (32, 40), SMALL, 1)
        style = colour.luminance(style, photo) if reduced else colour.match_colours(style, photo, method)
    changes: dict[str, Any] = {"scales": ((1.0, 4),)}
    # The same by hand: pictures that are recoloured before they are given, and a result that is recoloured.
    plain = paint(colour.luminance(photo) if reduced else photo, style, keep_grey=reduced, **changes).picture
    wanted = colour.match_colours(plain, photo, method) if after else plain
    found = paint(photo, painting, colour=method, colour_when=when, **changes).picture
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5)
    if method == "luminance":
        assert ((found.amax(1) - found.amin(1)).max() < 1e-6) == (when == "before")
    assert (found - paint(photo, painting, **changes).picture).abs().max() > 0.01


@pytest.mark.parametrize("strength", [0.25, 0.5])
def test_luminance_before_and_after_shares_the_chroma_out(strength: float, photo: Tensor, painting: Tensor) -> None:
    recipe = SMALL.replace(scales=((1.0, 2),), colour="luminance", colour_strength=strength)
    run = iterate(photo, painting, recipe, device="cpu")
    list(run)
    plain = run.parametrization.finished(run.state.variable)
    torch.testing.assert_close(
        run.picture(), colour.replace_chroma(plain, photo, strength, keep=1.0), rtol=0, atol=1e-6
    )
    # Where nothing is painted yet the photograph itself comes back, whatever the strength.
    start = iterate(photo, painting, recipe).picture()
    assert (start - photo).abs().mean() < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_whatever_is_shown_has_the_colours_of_the_result(method: str, photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL, colour=method, colour_when="both", device="cpu")
    shown = [step.picture() for step in run]
    result = run.result()
    assert torch.equal(shown[-1], result.picture) and torch.equal(run.picture(), result.picture)
    for number, (_, frame) in enumerate(result.frames, 1):
        assert torch.equal(frame, (shown[2 * number - 1] * 255).round().byte())
    small = images.resize(photo, shown[0].shape[2:], fit="exact")
    for picture, wanted in ((shown[0], small), (shown[-1], photo), (run.picture(best=True), photo)):
        if method == "luminance":
            torch.testing.assert_close(chroma(picture), chroma(wanted), rtol=0, atol=0.03)
        else:
            torch.testing.assert_close(colour.moments(picture)[0], colour.moments(wanted)[0], rtol=0, atol=0.01)


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_comes_to_the_picture_of_one_that_was_not_stopped(
    method: str, steps: int, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"colour": method, "colour_when": "both", "colour_strength": 0.75, "start": "matched"}
    whole = paint(photo, painting, **changes)
    run = iterate(photo, painting, SMALL, device="cpu", **changes)
    for _ in range(steps):
        next(run)
    saved = run.save(tmp_path / "run.pt")
    resumed = Run.load(saved, weights=SMALL.weights, device="cpu")
    assert torch.equal(resumed.picture(), run.picture())
    list(resumed)
    assert torch.equal(resumed.result().picture, whole.picture)
    assert resumed.result().manifest()["inputs"] == whole.manifest()["inputs"]


@pytest.mark.parametrize("method", METHODS)
def test_tiles_make_the_picture_of_the_whole(method: str) -> None:
    photo, painting = torch.rand(1, 3, 60, 72), torch.rand(1, 3, 50, 64)
    changes: dict[str, Any] = {"colour": method, "colour_when": "both", "start": "matched", "scales": ((1.0, 3),)}
    whole, tiled = (paint(photo, painting, tile=tile, **changes) for tile in (None, 16))
    torch.testing.assert_close(tiled.picture, whole.picture, rtol=0, atol=1e-6)
    assert tiled.history[-1]["losses"]["total"] == pytest.approx(whole.history[-1]["losses"]["total"], rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_in_a_batch_each_photograph_keeps_its_own_colours(method: str, photo: Tensor, painting: Tensor) -> None:
    photos = torch.cat([photo, 0.6 * photo.flip(1)])
    changes: dict[str, Any] = {"colour": method, "colour_when": "both", "start": "matched"}
    other = painting.flip(1).transpose(2, 3)
    for styles in ([painting], [painting, other]):
        together = paint(photos, styles, batch=2, **changes).picture
        for i in range(2):
            alone = paint(photos[i : i + 1], styles[i % len(styles)], **changes).picture
            torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5)
    with_weight = paint(photos, painting, style_weights=[2.0], batch=2, **changes).picture
    assert torch.equal(with_weight, paint(photos, painting, batch=2, **changes).picture)


def test_blends_for_several_photographs_at_once_are_refused_in_one_line(photo: Tensor, painting: Tensor) -> None:
    photos, styles = torch.cat([photo, photo.flip(1)]), [painting, painting.flip(3), painting.flip(2)]
    recipe = SMALL.replace(batch=2, colour="covariance")
    blends: list[dict[str, Any]] = [{"style": styles}, {"style": styles[:2], "style_weights": [1, 2]}]
    for blend in blends:
        with pytest.raises(RecipeError, match="styles cannot be blended with the colours of 2 contents") as caught:
            iterate(photos, recipe=recipe, **blend)
        assert "\n" not in str(caught.value)
        made = paint(photos, recipe=recipe.replace(colour_when="after"), **blend).picture  # as it says
        torch.testing.assert_close(made.mean((2, 3)), photos.mean((2, 3)), rtol=0, atol=0.01)


def test_each_style_of_a_blend_gets_the_photographs_colours(photo: Tensor, painting: Tensor) -> None:
    other = painting.flip(1)
    found = paint(photo, [painting, other], style_weights=[1, 3], colour="histogram", scales=((1.0, 3),))
    recoloured = [
        colour.match_histograms(scales.style_at(style, (32, 40), SMALL, 1), photo) for style in (painting, other)
    ]
    wanted = paint(photo, recoloured, style_weights=[1, 3], scales=((1.0, 3),))
    torch.testing.assert_close(found.picture, wanted.picture, rtol=0, atol=2e-6)


@pytest.mark.parametrize("method", ["covariance", "histogram"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_grey_photograph_stays_grey_in_a_coloured_style(
    method: str, when: str, photo: Tensor, painting: Tensor
) -> None:
    grey = photo.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    changes: dict[str, Any] = {"colour": method, "colour_when": when, "keep_grey": True}
    made = paint(grey, painting, **changes).picture
    assert (made.amax(1) - made.amin(1)).max() < 1e-6
    assert (made - grey).abs().max() > 0.01
    if when == "before":
        coloured = paint(grey, painting, start=photo, **changes).picture
        assert (coloured.amax(1) - coloured.amin(1)).max() > 0.01  # a start in colour is a wish for colour


# --- the start with matched colours ------------------------------------------------------------------


def test_the_start_matched_is_the_photograph_in_the_styles_colours(photo: Tensor, painting: Tensor) -> None:
    found = iterate(photo, painting, SMALL, start="matched", scales=((1.0, 1),)).picture()
    wanted = colour.match_colours(photo, scales.style_at(painting, (32, 40), SMALL, 1))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    recoloured = iterate(photo, painting, SMALL.replace(start="matched", scales=((1.0, 1),), colour="covariance"))
    torch.testing.assert_close(recoloured.picture(), photo, rtol=0, atol=0.01)


def test_of_several_styles_the_start_has_the_colours_in_their_shares(photo: Tensor, painting: Tensor) -> None:
    styles = [muted(20, 24, 1).float(), 0.7 * muted(28, 24, 2).float()]
    for weights, shares in ((None, [0.5, 0.5]), ([1.0, 3.0], [0.25, 0.75])):
        start = iterate(muted(20, 30, 3), styles, SMALL, start="matched", style_weights=weights, scales=((1.0, 1),))
        found = colour.moments(start.picture())
        for one, wanted in zip(found, colour.blended_moments(styles, torch.tensor(shares)), strict=True):
            torch.testing.assert_close(one, wanted, rtol=0, atol=1e-5)
    photos, recipe = torch.cat([photo, photo.flip(2)]), SMALL.replace(batch=2, start="matched", scales=((1.0, 1),))
    pairs = iterate(photos, [painting, painting.flip(1)], recipe)
    for made, style in zip(pairs.picture().split(1), (painting, painting.flip(1)), strict=True):
        torch.testing.assert_close(made.mean((2, 3)), style.mean((2, 3)), rtol=0, atol=0.02)


def test_without_a_style_the_start_matched_is_the_photograph(photo: Tensor) -> None:
    smooth = SMALL.replace(style_layers={}, tv_weight=1, start="matched", scales=((1.0, 1),))
    assert iterate(photo, None, smooth).picture().equal(photo)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_the_start_matched_goes_as_far_as_the_strength(photo: Tensor, painting: Tensor, strength: float) -> None:
    matched = SMALL.replace(start="matched", scales=((1.0, 1),))
    whole, part = iterate(photo, painting, matched), iterate(photo, painting, matched, strength=strength)
    torch.testing.assert_close(part.picture(), torch.lerp(photo, whole.picture(), strength), rtol=0, atol=1e-6)
    if not strength:
        assert st.stylize(photo, painting, matched, strength=0, progress=False).picture.equal(photo)


def test_the_start_matched_has_the_colours_of_each_style_in_its_region(photo: Tensor, painting: Tensor) -> None:
    styles, matched = [painting, painting.flip(1)], SMALL.replace(start="matched", scales=((1.0, 1),))
    left, rest = torch.zeros(1, 1, 32, 40), torch.zeros(1, 1, 32, 40)
    left[..., :16], rest[..., 24:] = 1, 1
    photos = torch.cat([photo, photo.flip(2)])  # as many as styles, which are not their pairs here
    made = iterate(photos, styles, matched.replace(batch=2), masks=[left, rest]).picture()
    for i in (0, 1):
        one = [iterate(photos[i : i + 1], style, matched).picture() for style in styles]
        wanted = torch.cat([one[0][..., :16], photos[i : i + 1, ..., 16:24], one[1][..., 24:]], -1)
        torch.testing.assert_close(made[i : i + 1], wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("start", recipes.field("start").choices)
def test_luminance_is_what_every_start_begins_with(start: str, photo: Tensor, painting: Tensor) -> None:
    recipe = SMALL.replace(start=start, colour="luminance", colour_when="before")
    picture = iterate(photo, painting, recipe).picture()
    assert (picture.amax(1) - picture.amin(1)).max() < 1e-6
    own = iterate(photo, painting, recipe, start=painting.transpose(2, 3), scales=((1.0, 1),)).picture()
    given = colour.luminance(scales.resized(painting.transpose(2, 3), (32, 40)))
    torch.testing.assert_close(own, given, rtol=0, atol=1e-6)


# --- the recipe and the command line -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"colour": "lumninance"}, "unknown colour 'lumninance': did you mean 'luminance'"),
        ({"colour_when": "afterwards"}, "unknown colour when 'afterwards': did you mean 'after'"),
        ({"colour_strength": 1.5}, "colour_strength must be a number, 0 or more and 1 at most, not 1.5"),
        ({"start": "matchd"}, "unknown start 'matchd': did you mean 'matched'"),
    ],
)
def test_wrong_values_get_one_line(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says) as caught:
        SMALL.replace(**changes)
    assert "\n" not in str(caught.value)


def test_the_estimate_and_the_manifest_know_the_colours(photo: Tensor, painting: Tensor) -> None:
    changes: dict[str, Any] = {"colour": "histogram", "colour_when": "both", "colour_strength": 0.5, "start": "matched"}
    assert st.estimate(photo, painting, SMALL, **changes).evaluations == 6
    manifest = paint(photo, painting, **changes).manifest()
    assert {name: manifest["recipe"][name] for name in changes} == changes
    again = Recipe.from_dict(manifest["recipe"] | {"weights": SMALL.weights})
    assert again == SMALL.replace(**changes)
    old = {name: value for name, value in SMALL.to_dict().items() if not name.startswith("colour")}
    assert Recipe.from_dict(old | {"weights": SMALL.weights}) == SMALL  # as written before there were colours


SHORT = ["--steps", "1", "--weights", "random", "--size", "32", "--set", 'style_layers={"relu1_1": 1}', "-q"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Tensor, painting: Tensor) -> list[str]:
    monkeypatch.chdir(tmp_path)
    images.save_image(photo, "photo.png", alpha=torch.linspace(0, 1, 40).expand(1, 1, 32, 40))
    images.save_image(painting, "painting.png")
    return ["photo.png", "painting.png"]


def test_the_command_line_keeps_the_colours_and_the_manifest_says_so(files: list[str]) -> None:
    assert main([*files, "-o", "kept.png", "--keep-colours", *SHORT]) == 0
    assert main([*files, "-o", "same.png", "--colour", "luminance", *SHORT]) == 0
    assert main([*files, "-o", "again.png", "-r", "kept.png", "-q"]) == 0
    assert main([*files, "-o", "plain.png", *SHORT]) == 0
    kept, same, again, plain = (np.asarray(Image.open(f"{name}.png")) for name in ("kept", "same", "again", "plain"))
    assert np.array_equal(kept, same) and np.array_equal(kept, again) and not np.array_equal(kept, plain)
    assert np.array_equal(kept[..., 3], plain[..., 3])  # alpha is no colour
    assert read_manifest("kept.png")["recipe"]["colour"] == "luminance"
    words = ["--keep-colours", "--colour-strength", "0.5", "--colour-when", "after", "--start", "matched"]
    assert main([*files, "-o", "half.png", *words, *SHORT]) == 0
    recipe = read_manifest("half.png")["recipe"]
    found = (recipe["colour"], recipe["colour_strength"], recipe["colour_when"], recipe["start"])
    assert found == ("luminance", 0.5, "after", "matched")


def test_two_wishes_for_colours_are_refused_in_one_line(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "-o", "out.png", "--keep-colours", "--colour", "histogram", *SHORT]) == 1
    assert capsys.readouterr().err == "styletut: error: --keep-colours is --colour luminance: leave out one of them\n"
    assert not Path("out.png").exists()


def test_help_has_the_colours_in_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for option in ("--keep-colours", "--colour ", "--colour-when ", "--colour-strength "):
        assert sum(line.startswith(option) for line in lines) == 1
