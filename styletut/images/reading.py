"""Pictures from files, PIL images and arrays, upright, in sRGB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import ImageError, did_you_mean
from .decoding import file_raster, pil_raster
from .raster import Limits, Raster, array_raster, render
from .sources import opened
from .tensors import MAX_PIXELS, check_picture, in_unit_range

_WHITE = (1.0, 1.0, 1.0)


@overload
def load_image(
    source: Any,
    size: int | Sequence[int] | None = None,
    *,
    fit: str = "long",
    upscale: bool = False,
    alpha: Literal["flatten"] = "flatten",
    background: Sequence[float] = _WHITE,
    max_pixels: int = MAX_PIXELS,
    max_memory: int | None = None,
) -> Tensor: ...


@overload
def load_image(
    source: Any,
    size: int | Sequence[int] | None = None,
    *,
    fit: str = "long",
    upscale: bool = False,
    alpha: Literal["keep"],
    background: Sequence[float] = _WHITE,
    max_pixels: int = MAX_PIXELS,
    max_memory: int | None = None,
) -> tuple[Tensor, Tensor | None]: ...


def load_image(
    source: Any,
    size: int | Sequence[int] | None = None,
    *,
    fit: str = "long",
    upscale: bool = False,
    alpha: Literal["flatten", "keep"] = "flatten",
    background: Sequence[float] = _WHITE,
    max_pixels: int = MAX_PIXELS,
    max_memory: int | None = None,
) -> Tensor | tuple[Tensor, Tensor | None]:
    """Read a picture upright, in sRGB, in [0, 1].

    EXIF orientation is applied and an ICC profile converted to sRGB (a broken profile is ignored). Greyscale, 1-bit,
    palette, CMYK, Lab, 16-bit and, in TIFF, float pictures become RGB. Greys of 16 bits keep them, and so does colour
    in PNG and TIFF unless it is premultiplied, CMYK or has an ICC profile, which is converted at 8 bits. PNG, JPEG,
    WebP, TIFF, GIF, BMP, PPM, JPEG 2000 and, where Pillow has it, AVIF are read; HEIC if pillow-heif is installed.
    Of a TIFF it is the page that is no thumbnail and no mask.

    Args:
        source: a path; a file opened in binary mode (read from its current position); a PIL image; a NumPy array of
            shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), bool, uint8, uint16 or float in [0, 1]; or a picture tensor
            (B, 3, H, W), which stays a batch of B and whose gradients are not tracked. Floats may overshoot [0, 1]
            by at most 0.5, as after a bicubic resize, and are clamped.
        size: see ``target_size``; None keeps the picture's own.
        fit: what ``size`` means.
        upscale: whether a picture that is smaller than ``size`` is enlarged.
        alpha: ``flatten`` puts the picture on the background; ``keep`` returns its transparency beside it.
        background: red, green and blue in [0, 1]. With ``keep`` it is the colour of fully transparent pixels.
        max_pixels: refuse more pixels than this; read from the file's header, before anything is decoded.
        max_memory: refuse what would take more bytes than this to decode and resize, likewise before it is decoded.

    Returns:
        The picture, float32 (1, 3, H, W). With ``alpha="keep"`` a pair (picture, alpha): alpha is (1, 1, H, W),
        or None when no pixel is transparent. Resizing works on colour times alpha, so no fringe appears.

    Raises:
        ImageError: in the form of ImageFileError (missing, a folder, not permitted), NotAPictureError,
            TruncatedImageError, AnimatedImageError (several frames or pages), TooManyPixelsError (also for more memory
            than allowed), EmptyImageError, or plain for an argument that means nothing.

    >>> load_image(np.zeros((40, 60, 3), np.uint8), 30).shape
    torch.Size([1, 3, 20, 30])
    """
    if alpha not in ("flatten", "keep"):
        raise ImageError(did_you_mean("alpha", alpha, ("flatten", "keep")))
    paper = _colour(background)
    limits = Limits(size, fit, upscale, max_pixels, max_memory)
    with _decoded(source, limits) as raster:
        rows, cols = limits.target(raster.height, raster.width)
        picture, mask = render(raster, rows, cols, paper, keep=alpha == "keep")
    if alpha == "flatten":
        return picture
    return picture, mask


def from_pil(image: Image.Image) -> Tensor:
    """Turn a PIL image of any mode into a picture (1, 3, H, W), transparency on white.

    Of an animation it takes the current frame.

    Raises:
        ImageError: as ``load_image``.

    >>> from_pil(Image.new("L", (4, 2), 255)).shape
    torch.Size([1, 3, 2, 4])
    """
    if not isinstance(image, Image.Image):
        raise ImageError(f"from_pil needs a PIL image, got {type(image).__name__}: use load_image for other sources")
    return load_image(image)


@contextmanager
def _decoded(source: Any, limits: Limits) -> Iterator[Raster]:
    if isinstance(source, Tensor):
        values = in_unit_range(check_picture(source, "the tensor").detach().float(), "the tensor")
        yield Raster(values.shape[2], values.shape[3], lambda top, bottom: (values[:, :, top:bottom], None))
    elif isinstance(source, np.ndarray):
        yield array_raster(source)
    elif isinstance(source, Image.Image):
        yield pil_raster(source, "the PIL image", limits)
    else:
        with opened(source) as (stream, name):
            yield file_raster(stream, name, limits)


def _colour(background: Sequence[float]) -> Tensor:
    try:
        colour = torch.tensor([float(value) for value in background])
    except (TypeError, ValueError):
        colour = torch.empty(0)
    if colour.shape != (3,) or not bool(((colour >= 0) & (colour <= 1)).all()):
        raise ImageError(f"background must be (red, green, blue) in [0, 1], got {background!r}")
    return colour.view(1, 3, 1, 1)
