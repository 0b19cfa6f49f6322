"""Pictures as tensors: checks, sizes, resizing, and PIL images of them.

A picture is a plain tensor: float32, shape (1, 3, H, W), sRGB in [0, 1]; (B, 3, H, W) for a batch of B.
Transparency ("alpha": 1 is opaque, 0 is clear) is a tensor of its own, (1, 1, H, W).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import EmptyImageError, ImageError, TooManyPixelsError, did_you_mean
from ..validation import check_choice

MAX_PIXELS = 100_000_000
"""The most pixels that a picture may have unless ``max_pixels`` says otherwise."""

FITS = ("long", "short", "rows", "exact", "pixels")
"""What a size can mean: see ``target_size``."""

RESAMPLINGS = ("bicubic", "nearest")
"""How ``resize`` computes new pixels."""


# --- checks ----------------------------------------------------------------------------------------------


def check_picture(picture: Any, name: str = "picture", *, in_range: bool = False) -> Tensor:
    """Return ``picture`` if it is a floating (B, 3, H, W) tensor of finite values.

    Args:
        in_range: also refuse values that are plainly not on the scale of [0, 1], such as 0 to 255: below -0.5 or above
            1.5. Like the check for finite values it waits for the device: do not call it in each step.

    Raises:
        ImageError: it is not; the message says what it is and how to fix it.
        EmptyImageError: it has no pixels.

    >>> check_picture(torch.zeros(3, 8, 8), "style")
    Traceback (most recent call last):
    ...
    styletut.errors.ImageError: style must have shape (B, 3, H, W), got (3, 8, 8): add the batch axis with [None]
    """
    if not isinstance(picture, Tensor):
        raise ImageError(f"{name} must be a tensor, got {type(picture).__name__}: read it with load_image")
    shape = tuple(picture.shape)
    if len(shape) != 4 or shape[1] != 3:
        hint = "add the batch axis with [None]" if len(shape) == 3 and shape[0] == 3 else "see load_image"
        raise ImageError(f"{name} must have shape (B, 3, H, W), got {shape}: {hint}")
    if 0 in shape:
        raise EmptyImageError(f"{name} has no pixels, its shape is {shape}: use one that has")
    check_floats(picture, name)
    if in_range:
        check_range(picture, name)
    elif not bool(torch.isfinite(picture).all()):
        raise ImageError(f"{name} holds NaN or infinite values: find the step that made them")
    return picture


def check_single(picture: Tensor) -> None:
    """Refuse what is not a picture, and a batch of several."""
    check_picture(picture)
    if len(picture) != 1:
        raise ImageError(f"one picture at a time, got a batch of {len(picture)}: take picture[i : i + 1]")


def check_floats(values: Tensor, name: str) -> None:
    """Refuse tensors that do not hold ordinary floats."""
    if values.is_quantized:
        raise ImageError(f"{name} must hold floats in [0, 1], got quantised {values.dtype}: use .dequantize()")
    if values.layout != torch.strided:
        raise ImageError(f"{name} must be a dense tensor, got {values.layout}: use .to_dense()")
    if values.is_meta:
        raise ImageError(
            f"{name} is on the meta device, which holds no values: use one with values, such as on the cpu"
        )
    if values.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        remedies = {torch.bool: "use .float()", torch.uint8: "divide whole numbers by 255"}
        remedy = "divide whole numbers by their maximum"
        if values.is_floating_point():
            remedy = "use .float()"
        elif values.is_complex():
            remedy = "take .real or .abs()"
        remedy = remedies.get(values.dtype, remedy)
        raise ImageError(f"{name} must hold floats in [0, 1], got {values.dtype}: {remedy}")


def check_range(values: Tensor, name: str) -> tuple[float, float]:
    """The smallest and the largest value; refused where they are plainly on another scale, or not finite."""
    low, high = (float(value) for value in values.detach().aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError(f"{name} holds NaN or infinite values: replace them first")
    if low < -0.5 or high > 1.5:
        raise ImageError(f"{name} holds values from {low:g} to {high:g}: bring them to [0, 1], e.g. divide by 255")
    return low, high


def in_unit_range(values: Tensor, name: str) -> Tensor:
    """Floats clamped to [0, 1]; refused where they are plainly on another scale, or not finite."""
    low, high = check_range(values, name)
    return values if low >= 0 and high <= 1 else values.clamp(0, 1)


def whole_number(name: str, value: Any) -> int:
    """``value`` as an int, if it is a whole number of at least 1."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ImageError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


def check_pixel_count(name: str, rows: int, cols: int, limit: int) -> None:
    """Refuse more pixels than the limit."""
    if rows * cols > limit:
        count = f"{rows} x {cols} = {rows * cols:,}"
        raise TooManyPixelsError(f"{name}: {count} pixels, over the limit of {limit:,}: shrink it or raise max_pixels")


# --- sizes -----------------------------------------------------------------------------------------------


def target_size(
    height: int, width: int, size: int | Sequence[int] | None, *, fit: str = "long", upscale: bool = False
) -> tuple[int, int]:
    """Rows and columns that a picture gets: the arithmetic of ``resize`` alone.

    ========== ============ =====================================================================
    fit        size         result
    ========== ============ =====================================================================
    ``long``   int          the longer side is ``size``, the aspect ratio kept
    ``short``  int          the shorter side is ``size``, the aspect ratio kept
    ``rows``   int          ``size`` rows, the aspect ratio kept
    ``pixels`` int          at most ``size`` pixels in all, the aspect ratio kept
    ``exact``  (rows, cols) just that; the picture is stretched to it
    ========== ============ =====================================================================

    A pair of numbers is always ``exact``, and None keeps the size. Sides are rounded to the nearest pixel (down for
    ``pixels``) and are never zero: a 1 x 5000 picture at ``long=100`` is 1 x 100.

    With ``upscale=False`` no side ever grows. A picture that is already smaller keeps its size; an ``exact`` size
    that does not fit inside the picture becomes the largest size of the same *shape* (rows : cols) that does.

    Raises:
        ImageError: a size that is not a whole number of at least 1 (or a pair), or an unknown fit.
        EmptyImageError: a picture without pixels.

    >>> target_size(600, 800, 400), target_size(600, 800, 400, fit="rows"), target_size(600, 800, (224, 224))
    ((300, 400), (400, 533), (224, 224))
    >>> target_size(100, 150, 400), target_size(100, 150, 400, upscale=True), target_size(100, 150, (224, 224))
    ((100, 150), (267, 400), (100, 100))
    """
    if fit not in FITS:
        raise ImageError(did_you_mean("fit", fit, FITS))
    if 0 in (height, width):
        raise EmptyImageError(f"a picture of {height} x {width} has no pixels: use one that has")
    height, width = whole_number("height", height), whole_number("width", width)
    if size is None:
        return height, width
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise ImageError(f"an exact size is a pair (rows, columns), got {size!r}")
        rows, cols = (whole_number("size", side) for side in size)
        if upscale or (rows <= height and cols <= width):
            return rows, cols
        if height * cols <= width * rows:  # the height is what limits
            return height, _share(height, cols, rows)
        return _share(width, rows, cols), width
    if fit == "exact":
        raise ImageError(f"fit='exact' needs a size of (rows, columns), got {size!r}")

    size = whole_number("size", size)
    if fit == "pixels":
        if size >= height * width and not upscale:
            return height, width
        # Whole-number square roots: exact for any size, and rows * cols <= size. The minima matter for thin pictures.
        rows, cols = max(1, math.isqrt(size * height // width)), max(1, math.isqrt(size * width // height))
        return min(rows, size // min(cols, size)), min(cols, size // min(rows, size))
    side = {"long": max(height, width), "short": min(height, width), "rows": height}[fit]
    if size >= side and not upscale:
        return height, width
    return _share(height, size, side), _share(width, size, side)


def _share(side: int, part: int, whole: int) -> int:
    """Side * part / whole, rounded to the nearest whole number (halves up), at least 1."""
    return max(1, (2 * side * part + whole) // (2 * whole))


def resize(
    picture: Tensor,
    size: int | Sequence[int] | None,
    *,
    fit: str = "long",
    upscale: bool = False,
    resample: str = "bicubic",
) -> Tensor:
    """Resize a picture, antialiased (bicubic), clamped to [0, 1]; differentiable.

    ``size``, ``fit`` and ``upscale`` are those of ``target_size``: with ``upscale=False`` no side ever grows. A picture
    that has the size already comes back as it is. Values are averaged as stored, in sRGB, as most software does.

    Args:
        picture: (B, 3, H, W), any floating dtype, which is kept.
        resample: ``bicubic``, or ``nearest``: the pixel whose centre is nearest, as Pillow and Keras take it.

    Raises:
        ImageError: not a picture, an unknown resample, or a size that means nothing.
        TooManyPixelsError: enlarging beyond ``MAX_PIXELS``.

    >>> resize(torch.rand(1, 3, 40, 60), 20, fit="rows").shape
    torch.Size([1, 3, 20, 30])
    """
    check_picture(picture)
    check_choice("resample", resample, RESAMPLINGS, ImageError)
    height, width = picture.shape[2:]
    rows, cols = target_size(height, width, size, fit=fit, upscale=upscale)
    if (rows, cols) == (height, width):
        return picture
    check_pixel_count("the resized picture", rows, cols, max(MAX_PIXELS, height * width))
    if resample == "nearest":
        return picture[:, :, _nearest(height, rows)][:, :, :, _nearest(width, cols)]
    return bicubic(picture, rows, cols).clamp(0, 1)


def bicubic(picture: Tensor, rows: int, cols: int) -> Tensor:
    """``picture`` with so many rows and columns: antialiased, and not clamped, so that it stays linear."""
    if (rows, cols) == tuple(picture.shape[2:]):
        return picture
    # Other devices than these two lack the operation in some versions of torch.
    where = picture.device if picture.device.type in ("cpu", "cuda") else "cpu"
    precise = picture.to(where, torch.promote_types(picture.dtype, torch.float32))
    resized = torch.nn.functional.interpolate(precise, size=(rows, cols), mode="bicubic", antialias=True)
    return resized.to(picture.device, picture.dtype)


def _nearest(before: int, after: int) -> Tensor:
    """Which of so many pixels in a row Pillow takes: where two are as near, its rounding decides."""
    indices = Image.fromarray(np.arange(before, dtype=np.int32)[None])
    return torch.from_numpy(np.array(indices.resize((after, 1), Image.Resampling.NEAREST))[0]).long()


# --- whole numbers ---------------------------------------------------------------------------------------


def to_pil(picture: Tensor) -> Image.Image:
    """Turn one picture (1, 3, H, W) into an 8-bit RGB PIL image: round(255 x) of x clamped to [0, 1].

    Raises:
        ImageError: not one finite picture.

    >>> to_pil(torch.full((1, 3, 1, 1), 2.0)).getpixel((0, 0))
    (255, 255, 255)
    """
    check_single(picture)
    return Image.fromarray(to_integers(picture[0], 8))


def to_integers(values: Tensor, bits: int) -> np.ndarray:
    """(C, H, W) in [0, 1] to whole numbers of 8 or 16 bits, (H, W, C)."""
    whole = (values.detach().float().clamp(0, 1) * (2**bits - 1)).round().permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(whole, np.uint8 if bits == 8 else np.uint16)
