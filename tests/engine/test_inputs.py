"""The pictures that a run is given: what is taken, what is refused, blends and batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_helpers import OPTIMIZERS, SGD, SMALL, paint, totals
from PIL import Image
from torch import Tensor

from styletut import images, vgg
from styletut.engine.inputs import Inputs
from styletut.errors import ImageError, RecipeError
from styletut.transfer import iterate


def test_pictures_that_come_in_are_left_alone(photo: Tensor, painting: Tensor) -> None:
    before = photo.clone(), painting.clone()
    paint(photo, painting, start=photo.requires_grad_())
    assert torch.equal(photo, before[0]) and torch.equal(painting, before[1])
    assert photo.grad is None


@pytest.mark.parametrize(
    "start",
    [torch.rand(3, 32, 40), torch.full((1, 3, 8, 8), math.nan), torch.rand(2, 3, 32, 40), 255 * torch.rand(1, 3, 8, 8)],
    ids=["no batch axis", "not finite", "two for one", "of 0 to 255"],
)
def test_a_start_that_is_not_a_picture_is_refused_before_anything_runs(
    start: Any, photo: Tensor, painting: Tensor
) -> None:
    with pytest.raises(ImageError, match="start"):
        iterate(photo, painting, SMALL, start=start)


@pytest.mark.parametrize("kind", ["path", "name", "pil", "array", "list of paths", "overshoot", "float64"])
def test_pictures_may_be_whatever_load_image_takes(kind: str, photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    path = images.save_image(photo, tmp_path / "photo.png")
    loaded = images.load_image(path)
    given: dict[str, Any] = {
        "path": path,
        "name": str(path),
        "pil": Image.open(path),
        "array": np.asarray(images.to_pil(loaded)),
        "list of paths": [path],
        "overshoot": (loaded - 0.5) * 1.5 + 0.5,
        "float64": loaded.double(),
    }
    run = iterate(given[kind], [given[kind], painting] if kind == "path" else given[kind], SMALL)
    wanted = ((loaded - 0.5) * 1.5 + 0.5).clamp(0, 1) if kind == "overshoot" else loaded
    for found in (run.inputs.content, run.inputs.styles[0]):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    if kind not in ("name", "list of paths"):
        assert torch.allclose(iterate(photo, painting, SMALL, start=given[kind]).picture(), wanted, atol=1e-6)


@pytest.mark.parametrize("role", ["content", "style", "second style", "start"])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: 255 * x, "values from .* to .*: bring them to"),
        (lambda x: x - 2, "values from"),
        (lambda x: (255 * x).byte(), "must hold floats"),
        (lambda x: x > 0.5, "must hold floats"),
        (lambda x: x[0].permute(1, 2, 0).numpy() * 255, "values from"),
        (lambda x: x.to_sparse(), "must be a dense tensor"),
        (lambda x: x.to("meta"), "is on the meta device"),
        (lambda x: x.to(torch.float8_e5m2), "must hold floats"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8), "must hold floats"),
        (lambda x: x.to(torch.complex64), "must hold floats"),
        (lambda x: 7, "expected a path"),
        (lambda x: Path("nowhere.png"), "there is no file"),
    ],
)
def test_what_is_no_picture_in_0_to_1_is_refused_before_anything_runs(
    role: str, spoil: Callable[[Tensor], Any], says: str, photo: Tensor, painting: Tensor
) -> None:
    bad = spoil(photo)
    given = {
        "content": (bad, painting, None),
        "style": (photo, bad, None),
        "second style": (photo, [painting, bad], None),
        "start": (photo, painting, bad),
    }[role]
    with pytest.raises(ImageError, match=says) as caught:
        iterate(given[0], given[1], SMALL, start=given[2])
    name = {"second style": "style 2"}.get(role, role)
    assert not isinstance(bad, Tensor) or str(caught.value).startswith(name)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (["a"], "must be numbers, one for each style"),
        ("1", "must be numbers"),
        (7, "must be numbers"),
        ([], "must be numbers"),
        ([True], "must be numbers"),
        ([None], "must be numbers"),
        ([[1.0]], "must be numbers"),
        ([10**400], "must be numbers"),
        ([1, 2], "2 style weights for 1 styles"),
        ([-1], "must not be negative"),
        ([math.nan], "must not be negative"),
        ([0], "not all zero"),
    ],
)
def test_style_weights_that_mean_nothing_are_refused_before_anything_runs(
    weights: Any, says: str, photo: Tensor, painting: Tensor
) -> None:
    with pytest.raises(RecipeError, match=says):
        iterate(photo, painting, SMALL, style_weights=weights)


def test_a_missing_style_is_refused_before_anything_runs(photo: Tensor) -> None:
    with pytest.raises(RecipeError, match="has style layers: give a style picture"):
        iterate(photo, None, SMALL)


@pytest.mark.parametrize(
    ("content", "styles", "says"),
    [
        ((64, 15), [(64, 64)], "content of 15 x 64 pixels is too small for relu5_1: it needs 16 pixels a side"),
        ((64, 64), [(12, 64)], "style of 64 x 12 pixels is too small"),
        ((64, 64), [(64, 64), (64, 12)], "style 2 of 12 x 64 pixels is too small"),
    ],
)
def test_a_picture_too_small_for_the_network_is_named_before_anything_runs(
    content: tuple[int, int], styles: list[tuple[int, int]], says: str, tiny: vgg.Weights
) -> None:
    pictures = torch.rand(1, 3, *content), [torch.rand(1, 3, *s) for s in styles]
    with pytest.raises(ImageError, match=says):
        iterate(*pictures, "fast", weights=tiny, size=None, margin=0)


def test_a_run_without_style_layers_needs_no_style(photo: Tensor) -> None:
    result = paint(photo, None, style_weight=0, start=torch.rand(1, 3, 32, 40))
    assert set(result.history[0]["losses"]) == {"content/relu3_1", "tv", "total"}
    assert result.manifest()["inputs"]["styles"] == []


def test_styles_are_blended_by_their_weights(photo: Tensor, painting: Tensor) -> None:
    other = torch.rand(1, 3, 32, 32)
    alone = paint(photo, painting)
    assert torch.equal(paint(photo, [painting, other], style_weights=[2, 0]).picture, alone.picture)
    blend = paint(photo, [painting, other], style_weights=[1, 1])
    assert not torch.equal(blend.picture, alone.picture)
    assert blend.manifest()["inputs"]["style_weights"] == [1.0, 1.0]


def test_a_picture_too_small_for_the_layers_is_refused_by_a_typed_error(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(ImageError, match="too small for relu3_1"):
        paint(photo[..., :3, :], painting)


@pytest.mark.parametrize("start", ["content", "style"])
@pytest.mark.parametrize("optimizer", ["sgd", "sgd with decay", "adam"])
@pytest.mark.numerical
def test_a_batch_of_pairs_gives_the_pictures_of_the_single_pairs(optimizer: str, start: str) -> None:
    contents = [torch.rand(1, 3, 24, 32) for _ in range(3)]
    styles = [torch.rand(1, 3, 30 + 4 * i, 40 - 6 * i) for i in range(3)]
    recipe = SMALL.replace(**OPTIMIZERS[optimizer], batch=3, precision="float64", start=start)
    together = paint(contents, styles, recipe)
    singles = [paint(c, s, recipe) for c, s in zip(contents, styles, strict=True)]
    assert together.picture.shape == (3, 3, 24, 32)
    for picture, single in zip(together.picture.split(1), singles, strict=True):
        assert torch.allclose(picture, single.picture, atol=1e-6)
    expected = [math.fsum(values) for values in zip(*map(totals, singles), strict=True)]
    assert totals(together) == pytest.approx(expected, rel=1e-9)


def test_a_batch_of_contents_shares_one_style(painting: Tensor) -> None:
    contents = torch.rand(2, 3, 24, 32)
    recipe = SMALL.replace(**SGD, batch=2, precision="float64")
    together = paint(contents, painting, recipe).picture
    for content, picture in zip(contents.split(1), together.split(1), strict=True):
        assert torch.allclose(paint(content, painting, recipe).picture, picture, atol=1e-6)


def test_batches_are_refused_where_the_recipe_does_not_take_them(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match=r"2 content pictures at once, but recipe 'small' takes 1"):
        iterate([photo, photo], painting, SMALL.replace(**SGD))
    with pytest.raises(RecipeError, match="L-BFGS couples the pictures of a batch"):
        iterate([photo, photo], painting, SMALL.replace(batch=2))
    with pytest.raises(RecipeError, match="one size, not 40 x 32, 32 x 40"):
        iterate([photo, photo.transpose(2, 3)], painting, SMALL.replace(**SGD, batch=2))


@pytest.mark.parametrize(("difference", "grey"), [(0, True), (1, True), (2, False)])
def test_pictures_are_grey_whose_channels_differ_by_the_rounding_to_8_bits_at_most(difference: int, grey: bool) -> None:
    picture = torch.full((1, 3, 8, 8), 100 / 255)
    tinted = picture.clone()
    tinted[:, 1, 3, 4] += difference / 255
    for content, style, start in ((tinted, picture, None), (picture, tinted, None), (picture, picture, tinted)):
        assert Inputs.of(SMALL, content, [style], None, start).grey is grey
