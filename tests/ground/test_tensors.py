"""Sizes, resizing, and what counts as a picture."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from styletut.errors import ImageError
from styletut.images import EmptyImageError, check_picture, load_image, resize, save_image, target_size, to_pil

sides = st.integers(1, 6000)


def test_an_unknown_resampling_is_refused_by_name() -> None:
    with pytest.raises(ImageError, match="did you mean 'bicubic'"):
        resize(torch.rand(1, 3, 8, 8), 4, resample="bicubc")


@given(sides, sides, st.integers(1, 8000), st.sampled_from(["long", "short", "rows", "pixels"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_target_size_keeps_its_promises(height: int, width: int, size: int, fit: str, upscale: bool) -> None:
    rows, cols = target_size(height, width, size, fit=fit, upscale=upscale)
    assert rows >= 1 and cols >= 1
    if not upscale:
        assert rows <= height and cols <= width
    reached = {"long": max(rows, cols), "short": min(rows, cols), "rows": rows}.get(fit)
    before = {"long": max(height, width), "short": min(height, width), "rows": height}.get(fit)
    if reached is not None and before is not None:
        assert reached == (size if upscale else min(size, before))
    else:
        assert rows * cols <= size or (rows, cols) == (height, width)
    # The aspect ratio is kept to the nearest pixel (the pixel below for a count of pixels), or a side is at its least.
    slack = 1.0 if fit == "pixels" else 0.5
    scale = max(rows / height, cols / width)
    if min(rows, cols) > 1:
        assert abs(rows - height * scale) <= slack * (1 + height / width)
        assert abs(cols - width * scale) <= slack * (1 + width / height)


@given(sides, sides, sides, sides)
@settings(max_examples=200, deadline=None)
def test_an_exact_size_never_invents_pixels_unless_asked(height: int, width: int, rows: int, cols: int) -> None:
    assert target_size(height, width, (rows, cols), upscale=True) == (rows, cols)
    got = target_size(height, width, (rows, cols))
    if rows <= height and cols <= width:
        assert got == (rows, cols)
    else:
        assert 1 <= got[0] <= height and 1 <= got[1] <= width
        assert got[0] == height or got[1] == width, "the largest that fits"
        scale = min(height / rows, width / cols)
        assert abs(got[0] - max(1, rows * scale)) <= 0.5 + 1e-6 and abs(got[1] - max(1, cols * scale)) <= 0.5 + 1e-6


@given(sides, sides, st.sampled_from(["long", "short", "rows", "pixels"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_picture_of_the_size_asked_for_stays(height: int, width: int, fit: str, upscale: bool) -> None:
    same = {"long": max(height, width), "short": min(height, width), "rows": height, "pixels": height * width}[fit]
    assert target_size(height, width, same, fit=fit, upscale=upscale) == (height, width)
    assert target_size(height, width, None, fit=fit) == (height, width)


@pytest.mark.parametrize("fit", ["long", "short", "rows", "pixels"])
@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1)])
def test_extreme_shapes_keep_a_side(fit: str, shape: tuple[int, int]) -> None:
    picture = resize(torch.rand(1, 3, *shape), 10, fit=fit)
    assert min(picture.shape[2:]) >= 1
    assert picture.shape[2] <= shape[0] and picture.shape[3] <= shape[1]


@pytest.mark.parametrize(
    "size", [0, -1, 2.0, 2.5, float("nan"), "big", True, (0, 4), (4, -4), (4, 4.0), (4,), (4, 4, 4), (), {}, [None, 1]]
)
def test_a_size_that_means_nothing_is_refused(size: object) -> None:
    picture: Any = torch.zeros(1, 3, 4, 4)
    for call in (load_image, resize):
        with pytest.raises(ImageError, match="size"):
            call(picture, cast(Any, size))


def test_sizes_by_numpy_and_from_json_are_accepted() -> None:
    assert target_size(10, 10, np.int64(5)) == (5, 5)  # type: ignore[arg-type]
    assert target_size(10, 10, [4, 3]) == (4, 3)


def test_unknown_fits_and_an_exact_number_are_refused() -> None:
    with pytest.raises(ImageError, match="did you mean 'long'"):
        target_size(4, 4, 2, fit="lang")
    with pytest.raises(ImageError, match="rows, columns"):
        target_size(4, 4, 2, fit="exact")
    with pytest.raises(EmptyImageError):
        target_size(0, 4, 2)
    with pytest.raises(ImageError, match="height"):
        target_size(-3, 4, 2)


def test_resizing_is_antialiased_and_clamped() -> None:
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1
    small = resize(stripes, 9)
    assert (small[..., 1:-1] - 0.5).abs().max() < 0.1, "stripes finer than a pixel are grey, not moire"
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1
    large = resize(edge, 40, upscale=True)
    assert large.shape == (1, 3, 40, 40) and large.min() == 0 and large.max() == 1


def test_a_constant_stays_constant_and_batches_and_dtypes_are_kept() -> None:
    batch = torch.full((2, 3, 20, 30), 0.3, dtype=torch.float64)
    small = resize(batch, 200, fit="pixels")
    assert small.dtype == torch.float64 and small.shape == (2, 3, 11, 17)
    assert torch.allclose(small, torch.tensor(0.3, dtype=torch.float64))
    assert resize(batch.to(torch.bfloat16), 7).dtype == torch.bfloat16


def test_resizing_to_the_same_size_returns_the_picture_itself() -> None:
    picture = torch.rand(1, 3, 4, 6)
    assert resize(picture, 6) is picture and resize(picture, None) is picture and resize(picture, 100) is picture


def test_resizing_is_differentiable() -> None:
    picture = torch.rand(1, 3, 8, 8, requires_grad=True)
    resize(picture, 4).sum().backward()
    assert picture.grad is not None and picture.grad.sum() == pytest.approx(48, rel=1e-4)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((2, 2, 3)), "must be a tensor, got ndarray: read it with load_image"),
        (torch.zeros(3, 4, 4), "add the batch axis"),
        (torch.zeros(1, 4, 4, 3), "must have shape"),
        (torch.zeros(4, 4), "must have shape"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "divide whole numbers by 255"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.int64), "divide whole numbers by their maximum"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.bool), r"torch.bool: use .float\(\)"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.complex64), "complex64: take .real"),
        (torch.zeros(1, 3, 4, 4).to(torch.float8_e4m3fn), r"float8_e4m3fn: use .float\(\)"),
        (torch.zeros(1, 3, 4, 4).to_sparse(), r"sparse_coo: use .to_dense\(\)"),
        (torch.zeros(1, 3, 4, 4, device="meta"), "meta device, which holds no values"),
        (torch.quantize_per_tensor(torch.zeros(1, 3, 4, 4), 0.1, 0, torch.quint8), r"use .dequantize\(\)"),
        (torch.full((1, 3, 2, 2), float("nan")), "NaN"),
        (torch.full((1, 3, 2, 2), float("inf")), "infinite"),
    ],
)
def test_check_picture_says_what_is_wrong(wrong: object, says: str) -> None:
    with pytest.raises(ImageError, match=f"style .*{says}"):
        check_picture(wrong, "style")
    with pytest.raises(ImageError):
        check_picture(wrong, "style", in_range=True)
    if isinstance(wrong, torch.Tensor):
        for use in (load_image, lambda picture: save_image(picture, "never.png"), to_pil, lambda each: resize(each, 2)):
            with pytest.raises(ImageError):
                use(wrong)


def test_check_picture_can_look_at_the_range() -> None:
    for wrong in (torch.full((1, 3, 2, 2), 255.0), torch.full((1, 3, 2, 2), -1.0)):
        with pytest.raises(ImageError, match=r"style holds values from .* divide by 255"):
            check_picture(wrong, "style", in_range=True)
    overshooting = torch.tensor([-0.4, 0.5, 1.4]).view(1, 3, 1, 1).requires_grad_()
    assert check_picture(overshooting, "style", in_range=True) is overshooting


def test_a_tensor_stays_a_batch_and_its_gradients_are_not_tracked() -> None:
    source = torch.rand(2, 3, 6, 8, requires_grad=True)
    picture = load_image(source * 1)
    assert not picture.requires_grad and picture.shape == (2, 3, 6, 8) and torch.equal(picture, source)
    assert load_image(source, 4).shape == (2, 3, 3, 4)


def test_check_picture_returns_a_good_picture() -> None:
    picture = torch.rand(2, 3, 1, 1) * 300
    assert check_picture(picture) is picture
    with pytest.raises(EmptyImageError, match="no pixels"):
        check_picture(torch.zeros(0, 3, 4, 4))
