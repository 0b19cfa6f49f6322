"""Files to tensors and back: reading, resizing and saving pictures.

A picture is a plain tensor: float32, shape (1, 3, H, W), sRGB in [0, 1]; (B, 3, H, W) for a batch of B.
Transparency ("alpha": 1 is opaque, 0 is clear) is a tensor of its own, (1, 1, H, W).
"""

from __future__ import annotations

import ctypes
import json
import logging
import math
import operator
import os
import re
import struct
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal, cast, overload

import numpy as np
import psutil
import tifffile
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, _imaging
from PIL.PngImagePlugin import PngInfo, putchunk
from torch import Tensor

from .errors import ImageError, did_you_mean
from .files import write_atomically as write_atomically

MAX_PIXELS = 100_000_000
"""The most pixels that a picture may have unless ``max_pixels`` says otherwise."""

FITS = ("long", "short", "rows", "exact", "pixels")
"""What a size can mean: see ``target_size``."""

# Named, so that no other Pillow plug-in is tried: some of them start programs (EPS), others take noise for a picture.
_READABLE = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")
_WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how such files begin; "+" is BigTIFF
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", *_TIFF)
_LAYOUT = ((258, (1,)), (277, 1), (338, ()), (284, 1))  # TIFF tags: bits, samples, extra samples, planes; and defaults
_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}  # what the formats themselves can hold
_WHITE = (1.0, 1.0, 1.0)
_DESCRIPTION, _ORIENTATION = 0x010E, 0x0112  # EXIF tags
_LONGEST_TEXT = {"JPEG": 65_000}  # bytes: an EXIF block in a JPEG ends at 64 KiB
_TEXT = 1_000_000  # bytes, elsewhere: readers refuse longer compressed texts in a PNG, as a guard against bombs
# Texts under these names make Pillow misread the picture itself.
_RESERVED_KEYS = {"interlace", "transparency", "icc_profile", "exif", "Raw profile type exif"}
_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
_HALF_STEP = 0.5 / 255
_STRIP = 2**19  # pixels that are turned into floats at a time
# Bytes per pixel that decoding takes at most, the decoded pixels included. Between 6 and 25 megapixels each further
# pixel took 5 in PNG, JPEG and TIFF, 10 in AVIF, 15 in WebP, 25 in JPEG 2000; the rest is room for 16 bits and passes.
_DECODING = {"PNG": 9, "JPEG": 11, "MPO": 11, "WEBP": 17, "TIFF": 13, "GIF": 13, "BMP": 9, "PPM": 9, "AVIF": 17}
_DECODING_OTHERS = 33  # JPEG 2000, HEIC
_OVERHEAD = 50_000_000  # bytes that reading takes whatever the size


class ImageFileError(ImageError):
    """The file is missing, a folder, or may not be read or written."""


class NotAPictureError(ImageError):
    """The data are not a picture in any format that is read here."""


class TruncatedImageError(ImageError):
    """The picture is cut off or damaged."""


class AnimatedImageError(ImageError):
    """The file holds several frames or pages, and which one is meant is not said."""


class TooManyPixelsError(ImageError):
    """The picture has, or would get, more pixels than the limit, or takes more memory than allowed."""


class EmptyImageError(ImageError):
    """The file has no bytes, or the picture no pixels."""


# ------------------------------------------------------------------------------------------------ reading


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
        source: a path; a file opened in binary mode (read from where it stands); a PIL image; a NumPy array of shape
            (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), bool, uint8, uint16 or float in [0, 1]; or a picture tensor
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
    limits = _Limits(size, fit, upscale, max_pixels, max_memory)
    with _decoded(source, limits) as raster:
        rows, cols = limits.target(raster.height, raster.width)
        picture, mask = _render(raster, rows, cols, paper, keep=alpha == "keep")
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


def read_metadata(source: Any) -> dict[str, str]:
    """Read the texts that ``save_image(..., metadata=...)`` wrote, without decoding the picture.

    From a PNG all text chunks before the pixels, whoever wrote them; from JPEG, WebP and TIFF the JSON in EXIF's
    ImageDescription. A picture without any gives an empty dictionary.

    Raises:
        ImageError: missing, empty, damaged or not a picture, as ``load_image``.
    """
    with _opened(source) as (stream, name):
        image, _ = _open_pil(stream, name)
        if image.format == "PNG":
            return {str(key): str(value) for key, value in image.info.items() if isinstance(value, str)}
        texts = None
        with suppress(Exception), _undisturbed():  # broken EXIF, or a description by someone else: no texts of ours
            texts = json.loads(image.getexif()[_DESCRIPTION])
    if not isinstance(texts, dict):
        return {}
    return {key: value for key, value in texts.items() if isinstance(value, str)}


# ----------------------------------------------------------------------------------------------- resizing


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
    height, width = _whole_number("height", height), _whole_number("width", width)
    if size is None:
        return height, width
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise ImageError(f"an exact size is a pair (rows, columns), got {size!r}")
        rows, cols = (_whole_number("size", side) for side in size)
        if upscale or (rows <= height and cols <= width):
            return rows, cols
        if height * cols <= width * rows:  # the height is what limits
            return height, _share(height, cols, rows)
        return _share(width, rows, cols), width
    if fit == "exact":
        raise ImageError(f"fit='exact' needs a size of (rows, columns), got {size!r}")

    size = _whole_number("size", size)
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
        ImageError: not a picture, or a size that means nothing.
        TooManyPixelsError: enlarging beyond ``MAX_PIXELS``.

    >>> resize(torch.rand(1, 3, 40, 60), 20, fit="rows").shape
    torch.Size([1, 3, 20, 30])
    """
    check_picture(picture)
    height, width = picture.shape[2:]
    rows, cols = target_size(height, width, size, fit=fit, upscale=upscale)
    if (rows, cols) == (height, width):
        return picture
    _check_pixels("the resized picture", rows, cols, max(MAX_PIXELS, height * width))
    if resample == "nearest":
        return picture[:, :, _nearest(height, rows)][:, :, :, _nearest(width, cols)]
    return _resample(picture, rows, cols).clamp(0, 1)


def _nearest(before: int, after: int) -> Tensor:
    """Which of so many pixels in a row Pillow takes: where two are as near, its rounding decides."""
    indices = Image.fromarray(np.arange(before, dtype=np.int32)[None])
    return torch.from_numpy(np.array(indices.resize((after, 1), Image.Resampling.NEAREST))[0]).long()


# ------------------------------------------------------------------------------------------------- saving


def save_image(
    picture: Tensor,
    path: str | os.PathLike[str],
    *,
    alpha: Tensor | None = None,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = True,
    quality: int = 95,
    bits: int = 8,
) -> Path:
    """Save a picture as PNG, JPEG, WebP or TIFF, by the path's suffix.

    Nothing is written in place of an existing file until the new one is complete: on any failure, Ctrl-C included, the
    old file is as it was. A symbolic link is replaced by the picture, and what it leads to is left alone. Values are
    clamped to [0, 1] and rounded to 8 bits, round(255 x), or to 16, round(65535 x). PNG and TIFF lose nothing more;
    JPEG (colour at full resolution) and WebP are lossy.

    Args:
        picture: (1, 3, H, W).
        path: in a folder that exists.
        alpha: (1, 1, H, W) in [0, 1], as ``load_image(..., alpha="keep")`` gives it. JPEG cannot hold it: there
            the picture is put on white.
        metadata: texts to store with the picture, by key; ``read_metadata`` gives them back. PNG text chunks in a PNG,
            JSON in EXIF's ImageDescription otherwise. Texts too long for the format (65 kB in all in a JPEG, 1 MB
            elsewhere) are shortened, with a warning; texts that are JSON stay valid JSON.
        overwrite: whether an existing file may be replaced, also one that appears while the picture is encoded.
        quality: of JPEG and WebP, 1 to 100.
        bits: per colour, 8 or 16; 16 in PNG and TIFF only.

    Returns:
        The path.

    Raises:
        ImageError: not one finite picture, metadata that is no text, or what ``check_savable`` refuses.
        ImageFileError: the folder is missing, the path is a folder or may not be written, or the file exists.
    """
    path = _as_path(path, "a path to save to")
    quality = _whole_number("quality", quality)
    if quality > 100:
        raise ImageError(f"quality goes from 1 to 100, got {quality}")
    _check_one(picture)
    if alpha is not None:
        _check_alpha(alpha, picture)
    kind = check_savable(path, (picture.shape[2], picture.shape[3]), bits=bits)
    _check_target(path, overwrite)

    if kind == "JPEG" and alpha is not None:
        mask = alpha.to(picture).clamp(0, 1)
        picture, alpha = picture.clamp(0, 1) * mask + (1 - mask), None
    texts = _fitting_texts(metadata or {}, kind)
    samples = _samples(picture[0], bits)
    if alpha is not None:
        samples = np.concatenate([samples, _samples(alpha[0], bits)], axis=2)
    try:
        write_atomically(path, _encoded(samples, kind, texts, quality), overwrite=overwrite)
    except FileExistsError as error:  # it has appeared since it was looked for
        raise _exists(path) from error
    except (OSError, ValueError) as error:
        raise ImageFileError(f"could not write {str(path)!r} ({_reason(error)}); nothing was replaced") from error
    return path


def check_savable(path: str | os.PathLike[str], size: tuple[int, int] | None = None, *, bits: int = 8) -> str:
    """The format that ``path`` names by its suffix, if a picture of that size fits into it: nothing is touched.

    Ask it before a long computation whose result ``save_image`` shall write there.

    Args:
        path: a file's name; whether it can be written is not looked at.
        size: (rows, columns) of the picture, None if that is not known yet.
        bits: per colour, 8 or 16.

    Returns:
        ``PNG``, ``JPEG``, ``WEBP`` or ``TIFF``.

    Raises:
        ImageError: another suffix, more pixels a side than the format holds, or 16 bits where it holds 8.

    >>> check_savable("large.tif", (17_000, 17_000), bits=16)
    'TIFF'
    """
    path = _as_path(path, "a path to save to")
    kind = _WRITABLE.get(path.suffix.lower())
    if kind is None:
        has = f"unknown suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise ImageError(f"cannot save {str(path)!r}, {has}: use one of {', '.join(_WRITABLE)}")
    longest = _LONGEST_SIDE.get(kind)
    if size is not None and longest is not None and max(size) > longest:
        held = f"{kind} holds at most {longest} pixels a side, not {size[0]} x {size[1]}"
        raise ImageError(f"{held}: save {str(path)!r} as .png or .tif")
    if isinstance(bits, bool) or bits not in (8, 16):
        raise ImageError(f"bits must be 8 or 16, got {bits!r}")
    if bits == 16 and kind not in ("PNG", "TIFF"):
        raise ImageError(f"{kind} holds 8 bits a colour: save {str(path)!r} as .png or .tif for 16")
    return kind


def to_pil(picture: Tensor) -> Image.Image:
    """Turn one picture (1, 3, H, W) into an 8-bit RGB PIL image: round(255 x) of x clamped to [0, 1].

    Raises:
        ImageError: not one finite picture.

    >>> to_pil(torch.full((1, 3, 1, 1), 2.0)).getpixel((0, 0))
    (255, 255, 255)
    """
    _check_one(picture)
    return Image.fromarray(_samples(picture[0], 8))


def check_picture(picture: Any, name: str = "picture", *, in_range: bool = False) -> Tensor:
    """Return ``picture`` if it is a floating (B, 3, H, W) tensor of finite values.

    Args:
        in_range: also refuse values that are plainly not on the scale of [0, 1], such as 0 to 255: below -0.5 or above
            1.5. Like the check for finite values it waits for the device, so do not call it in every step.

    Raises:
        ImageError: it is not; the message says what it is and how to mend it.
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
    _check_plain(picture, name)
    if in_range:
        _check_range(picture, name)
    elif not bool(torch.isfinite(picture).all()):
        raise ImageError(f"{name} holds NaN or infinite values: find the step that made them")
    return picture


def _check_plain(values: Tensor, name: str) -> None:
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
        ways = {torch.bool: "use .float()", torch.uint8: "divide whole numbers by 255"}
        how = "divide whole numbers by their maximum"
        if values.is_floating_point():
            how = "use .float()"
        elif values.is_complex():
            how = "take .real or .abs()"
        raise ImageError(f"{name} must hold floats in [0, 1], got {values.dtype}: {ways.get(values.dtype, how)}")


# --------------------------------------------------------------------------------- inside: sources to tensors


@dataclass(frozen=True)
class _Limits:
    """What a picture may take, and the size that it shall get."""

    size: int | Sequence[int] | None
    fit: str
    upscale: bool
    max_pixels: int
    max_memory: int | None

    def __post_init__(self) -> None:
        _whole_number("max_pixels", self.max_pixels)
        if self.max_memory is not None:
            _whole_number("max_memory", self.max_memory)

    def target(self, height: int, width: int) -> tuple[int, int]:
        rows, cols = target_size(height, width, self.size, fit=self.fit, upscale=self.upscale)
        _check_pixels("the resized picture", rows, cols, self.max_pixels)
        return rows, cols

    def check(self, name: str, height: int, width: int, per_pixel: int) -> None:
        """Refuse a picture by its header; ``per_pixel`` bytes are taken by the decoder."""
        if 0 in (height, width):
            raise EmptyImageError(f"{name} has no pixels, it is {height} x {width}: use one that has")
        _check_pixels(name, height, width, self.max_pixels)
        rows, cols = self.target(height, width)
        # Colour and alpha as floats: of all rows at the final width, and of the result.
        takes = _OVERHEAD + height * width * per_pixel + 16 * cols * (rows + (height if rows != height else 0))
        if self.max_memory is not None and takes > self.max_memory:
            count = f"about {math.ceil(takes / 1e6):,} MB of memory, over the {self.max_memory / 1e6:,.0f} MB allowed"
            raise TooManyPixelsError(f"{name}: {height} x {width} pixels take {count}: shrink it or allow more")


@dataclass(frozen=True)
class _Raster:
    """A decoded picture. Its rows become floats a few at a time, since those take far more room than the bytes.

    ``part(top, bottom)`` gives these rows as a picture and its alpha (None where the source has no such thing).
    """

    height: int
    width: int
    part: Callable[[int, int], tuple[Tensor, Tensor | None]]


@contextmanager
def _decoded(source: Any, limits: _Limits) -> Iterator[_Raster]:
    if isinstance(source, Tensor):
        values = _in_range(check_picture(source, "the tensor").detach().float(), "the tensor")
        yield _Raster(values.shape[2], values.shape[3], lambda top, bottom: (values[:, :, top:bottom], None))
    elif isinstance(source, np.ndarray):
        yield _of_array(source)
    elif isinstance(source, Image.Image):
        yield _of_pil(source, "the PIL image", limits)
    else:
        with _opened(source) as (stream, name):
            yield _of_file(stream, name, limits)


def _render(raster: _Raster, rows: int, cols: int, paper: Tensor, *, keep: bool) -> tuple[Tensor, Tensor | None]:
    """The picture on its background and, if it is to be kept, its alpha, resized."""
    step = max(1, _STRIP // raster.width)
    # Resizing first across and then down is what torch does as well: the strips change nothing.
    between = raster.height if step < raster.height else rows
    picture = mask = torch.empty(0)
    opaque = True
    for top in range(0, raster.height, step):
        bottom = min(top + step, raster.height)
        part, alpha = raster.part(top, bottom)
        paper = paper.to(part.device)
        to = slice(top, bottom) if step < raster.height else slice(None)
        if alpha is not None:
            # On the background, colour times alpha adds up linearly: this must be resized, with or without `keep`.
            part = paper + (part - paper) * alpha
            opaque = opaque and bool((alpha == 1).all())
        if top == 0:
            picture = part.new_empty(len(part), 3, between, cols)
            if keep and alpha is not None:
                mask = part.new_empty(len(part), 1, between, cols)
        picture[:, :, to] = _resample(part, bottom - top if step < raster.height else rows, cols)
        if len(mask) and alpha is not None:
            mask[:, :, to] = _resample(alpha, bottom - top if step < raster.height else rows, cols)
        del part, alpha
    picture = _resample(picture, rows, cols)
    if opaque or not len(mask):
        return picture.clamp_(0, 1), None
    mask = _resample(mask, rows, cols)
    # Below half an 8-bit step a pixel is saved as fully transparent, and dividing by alpha would only show noise.
    picture = torch.where(mask < _HALF_STEP, paper, paper + (picture - paper) / mask.clamp(min=_HALF_STEP))
    return picture.clamp_(0, 1), mask.clamp_(0, 1)


def _as_path(source: Any, wanted: str) -> Path:
    if not isinstance(source, (str, os.PathLike)):
        raise ImageError(f"expected {wanted}, got {type(source).__name__}")
    return Path(os.fsdecode(source))


@contextmanager
def _opened(source: Any) -> Iterator[tuple[IO[bytes], str]]:
    """A stream that can be rewound, and the name that errors call it by."""
    if hasattr(source, "read"):
        name = repr(str(getattr(source, "name", "the open file")))
        try:
            content = source.read()
        except (OSError, ValueError) as error:
            raise ImageFileError(f"cannot read {name} ({_reason(error)}): open it again with mode 'rb'") from error
        if not isinstance(content, bytes):
            raise ImageError(f"{name} is open as text: open it with mode 'rb'")
        if not content:
            raise EmptyImageError(f"{name} is empty, or was read to its end already: open it again")
        yield BytesIO(content), name
        return
    if isinstance(source, str) and re.match(r"(?i)[a-z][a-z0-9+.-]+://|data:", source):
        raise ImageError(f"{source[:200]!r} is an address, not a file: download it first, then give the file's path")
    path = _as_path(source, "a path, a binary file, a PIL image, an array or a picture tensor")
    name = repr(str(path))
    try:
        if path.is_dir():
            raise ImageFileError(f"{name} is a folder: name a picture in it")
        stream: IO[bytes] = path.open("rb")
    except FileNotFoundError:
        raise ImageFileError(f"there is no file {name} (looked in {str(Path.cwd())!r}): check the path") from None
    except PermissionError:
        raise ImageFileError(f"no permission to read {name}: change its permissions or copy it") from None
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageFileError(f"cannot open {name} ({_reason(error)}): check the path") from error
    with stream:
        first = stream.read(1)
        if not first:
            raise EmptyImageError(f"{name} is empty (0 bytes): get the file again")
        if stream.seekable():
            stream.seek(0)
            yield stream, name
        else:  # a pipe
            yield BytesIO(first + stream.read()), name


_lock = threading.Lock()
_decoding, _settings = 0, ExitStack()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without Pillow's limit, its warnings, and what libtiff prints: ours are errors, of one line.

    All of these are settings of the whole process: off when the first of several threads comes, back after the last.
    """
    global _decoding, _settings
    with _lock:
        _decoding += 1
        if _decoding == 1:
            _settings = ExitStack()
            _settings.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.|tifffile")
            _settings.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = None
            for install in _libtiff_handlers():
                _settings.callback(install, install(None))
    try:
        yield
    finally:
        with _lock:
            _decoding -= 1
            if _decoding == 0:
                _settings.close()


@cache
def _libtiff_handlers() -> list[Callable[[int | None], int | None]]:
    """Functions that set what Pillow's libtiff does with errors and warnings: None is nothing, else it prints them."""
    found = []
    with suppress(OSError, AttributeError):  # where libtiff is part of Pillow's own library they cannot be reached
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            function = getattr(library, name)
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
            found.append(function)
    return found


for _name in ("PIL", "tifffile"):  # what they log is printed only where the application wants it
    logging.getLogger(_name).addHandler(logging.NullHandler())


def _open_pil(stream: IO[bytes], name: str) -> tuple[Image.Image, bool]:
    """Read the header alone: an image whose pixels are not decoded yet, and whether there are several in the file."""
    Image.init()  # registers the formats
    formats = [kind for kind in _READABLE if kind in Image.OPEN]
    start = stream.read(64)
    stream.seek(0)
    if _is_heic(start):
        try:
            import pillow_heif
        except ImportError:
            raise NotAPictureError(
                f"{name} is a HEIC picture: install pillow-heif to read it, or convert it to JPEG or PNG"
            ) from None
        pillow_heif.register_heif_opener()
        formats = ["HEIF"]
    try:
        with _undisturbed():
            image = Image.open(stream, formats=formats)
            if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
                stream.seek(0)
                with tifffile.TiffFile(stream) as tiff:
                    pages = _tiff_pages(tiff)
                image.seek(pages[0] if pages else 0)
                return image, len(pages) > 1
            # An MPO is a phone's photograph with extras after it (depth, the other eye): its first frame is meant, as
            # is the main one of a HEIC.
            return image, image.format not in ("MPO", "HEIF") and getattr(image, "is_animated", False)
    except UnidentifiedImageError as error:
        if start.startswith(_MAGIC) or start[4:12] in (b"ftypavif", b"ftypavis"):
            raise _damaged(name, ValueError("its header cannot be read")) from error
        kinds = ", ".join(formats)
        raise NotAPictureError(f"{name} is not a picture that can be read here: convert it to one of {kinds}") from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plug-ins raise nearly anything when a header is damaged
        raise _damaged(name, error) from error


def _is_heic(start: bytes) -> bool:
    brands = {start[i : i + 4] for i in range(8, min(len(start), int.from_bytes(start[:4])), 4)}
    if start[4:8] != b"ftyp" or brands & {b"avif", b"avis"}:
        return False
    return bool(brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})


def _of_file(stream: IO[bytes], name: str, limits: _Limits) -> _Raster:
    start = stream.read(4)
    stream.seek(0)
    try:
        image, several = _open_pil(stream, name)
    except TruncatedImageError:
        if start not in _TIFF:
            raise
        return _of_tiff(stream, name, limits)
    if several:
        raise _several(name)
    if image.format == "TIFF" and _beyond_pillow(image):
        return _of_tiff(stream, name, limits)
    return _of_pil(image, name, limits, stream)


def _of_pil(image: Image.Image, name: str, limits: _Limits, stream: IO[bytes] | None = None) -> _Raster:
    """``stream`` is the file that the image is of, which begins where it does."""
    waiting = list(getattr(image, "tile", []))  # what is still to be decoded
    limits.check(name, image.height, image.width, _DECODING.get(image.format or "", _DECODING_OTHERS) if waiting else 0)
    tags = getattr(image, "tag_v2", {})
    inverted, highest = tags.get(262) == 0, 4095 if tags.get(258) == (12,) else 65535
    try:
        if waiting:
            moving = getattr(image, "is_animated", False)
            _check_whole(image, None if moving else stream or getattr(image, "fp", None))
        image = _loaded(image)
        # Profiles are converted at 8 bits.
        swapped = None if stream is None or image.info.get("icc_profile") else _other_bytes(waiting)
        low = None
        if stream is not None and swapped:
            low, _ = _open_pil(stream, name)
            low.tile = swapped  # type: ignore[attr-defined]
            low = _loaded(low)
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise _damaged(name, error) from error

    def part(top: int, bottom: int) -> tuple[Tensor, Tensor | None]:
        def cut(whole: Image.Image) -> Image.Image:
            return whole if bottom - top == whole.height else whole.crop((0, top, whole.width, bottom))

        try:
            if image.mode.startswith(("I", "F")):
                return _from_deep_grey(cut(image), name, highest, inverted)
            if low is not None:
                return _from_deep_colour(cut(image), cut(low))
            colour, mask = _split_alpha(cut(image))
            return _tensor(_to_srgb(colour)), mask
        except (ImageError, MemoryError):
            raise
        except Exception as error:
            raise _damaged(name, error) from error

    return _Raster(image.height, image.width, part)


def _loaded(image: Image.Image) -> Image.Image:
    """Decoded, and upright."""
    with _undisturbed():
        try:
            image.load()
        except MemoryError:
            if image.width * image.height * _DECODING_OTHERS > psutil.virtual_memory().available:
                raise
            raise ValueError("it asks for more memory than a picture of its size takes") from None
        with suppress(Exception):  # a broken EXIF block says nothing about the pixels
            if image.getexif().get(_ORIENTATION, 1) != 1:
                return ImageOps.exif_transpose(image)
    return image


def _check_whole(image: Image.Image, stream: IO[bytes] | None) -> None:
    """Raise ValueError where data end early and Pillow would leave the rest of the picture black."""
    if image.format == "TIFF":
        tiles = [tile[1] for tile in image.tile]  # type: ignore[attr-defined]
        layers = len(image.getbands()) if len(tiles) > 1 and image.tag_v2.get(284) == 2 else 1  # type: ignore[attr-defined]
        covered = sum((right - left) * (lower - upper) for left, upper, right, lower in tiles)
        if covered < image.width * image.height * layers:
            raise ValueError("some of its strips are missing")
    elif stream is not None and image.format in ("PNG", "JPEG2000"):
        position = stream.tell()
        _check_png(stream) if image.format == "PNG" else _check_jpeg2000(stream)
        stream.seek(position)


def _check_png(stream: IO[bytes]) -> None:
    """Count what its data inflate to."""
    stream.seek(8)
    cols, rows, depth, colour, _, _, interlaced = struct.unpack(">8xIIBBBBB4x", stream.read(25))
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    missing = 0
    for left, top, across, down in passes if interlaced else [(0, 0, 1, 1)]:
        width, height = -(-(cols - left) // across), -(-(rows - top) // down)
        missing += height * (1 + -(-width * bits // 8)) if width > 0 and height > 0 else 0
    inflate = zlib.decompressobj()
    while missing > 0:
        length, kind = struct.unpack(">I4s", stream.read(8))
        if kind != b"IDAT":
            if kind == b"IEND":
                raise ValueError("its data end early")
            stream.seek(length + 4, os.SEEK_CUR)
            continue
        data = stream.read(length)
        if len(data) < length:
            raise ValueError("image file is truncated")
        while data and missing > 0:
            missing -= len(inflate.decompress(data, 2**20))
            data = inflate.unconsumed_tail
            if inflate.eof and missing > 0:
                raise ValueError("its data end early")
        stream.seek(4, os.SEEK_CUR)


def _check_jpeg2000(stream: IO[bytes]) -> None:
    size = stream.seek(0, os.SEEK_END)
    start, end = 0, size
    stream.seek(0)
    if stream.read(2) != b"\xff\x4f":  # boxes around the stream of codes, which is in the one named jp2c
        kind = b""
        while kind != b"jp2c":
            start = stream.seek(start if not kind else end)
            length, kind = struct.unpack(">I4s", stream.read(8))
            if length == 1:
                (length,) = struct.unpack(">Q", stream.read(8))
            end = start + length if length else size
            if end > size or (length and length < 8):
                raise ValueError("image file is truncated")
    stream.seek(max(start, end - 16))
    if b"\xff\xd9" not in stream.read(min(16, end - start)):  # the marker that ends it
        raise ValueError("image file is truncated")


def _other_bytes(tiles: list[Any]) -> list[Any] | None:
    """Instructions for Pillow to decode the lower bytes of 16-bit colours; by itself it takes the upper ones.

    It is told that the bytes come in the other order. None where the picture has no such colours.
    """
    orders = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
    swapped = []
    for tile in tiles:
        decoder, extents, offset, arguments = tile
        raw, *others = [arguments] if isinstance(arguments, str) else arguments
        found = re.fullmatch(r"((?:RGB|RGBA|RGBX);16)([BLN])", str(raw))
        if not found:
            return None
        raw = found[1] + orders[found[2]]
        made = (decoder, extents, offset, raw if isinstance(arguments, str) else (raw, *others))
        swapped.append(getattr(type(tile), "_make", tuple)(made))  # a plain tuple in older Pillows
    return swapped


def _from_deep_colour(high: Image.Image, low: Image.Image) -> tuple[Tensor, Tensor | None]:
    """16-bit RGB or RGBA from images of the upper and of the lower bytes."""
    values = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    key = high.info.get("transparency")
    if isinstance(key, tuple) and values.shape[2] == 3:
        values = np.concatenate([values, 65535 * (values != key).any(2, keepdims=True).astype(np.uint16)], axis=2)
    return _of_array(values).part(0, len(values))


def _from_deep_grey(image: Image.Image, name: str, highest: int, inverted: bool) -> tuple[Tensor, Tensor | None]:
    """Whole numbers ("I" modes) of which ``highest`` is white, or greys as floats ("F")."""
    grey = torch.from_numpy(np.asarray(image).astype(np.float32))[None, None]
    key = image.info.get("transparency")
    mask = (grey != key).float() if isinstance(key, int) else None
    if image.mode == "F":
        grey = _in_range(grey, name)
    else:
        low, high = float(grey.min()), float(grey.max())
        if low < 0 or high > highest:
            raise ImageError(f"{name} holds greys from {low:g} to {high:g}, not 16-bit: scale them to 0..65535")
        grey = grey / highest
    if inverted:
        grey = 1 - grey
    if image.info.get("icc_profile"):
        # Little CMS gives 8 bits; a grey profile is one curve, so convert a ramp and keep the depth between its points.
        ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
        ramp.info["icc_profile"] = image.info["icc_profile"]
        curve = np.asarray(_to_srgb(ramp))[0, :, 1] / 255
        grey = torch.from_numpy(np.interp(grey.numpy(), np.linspace(0, 1, 256), curve).astype(np.float32))
    return grey.repeat(1, 3, 1, 1), mask


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Tensor | None]:
    """Colour without transparency, and alpha (1, 1, H, W) if there is any (a band, or a transparent palette entry)."""
    marked = isinstance(image.info.get("transparency"), (int, bytes, tuple))
    if image.mode not in _ALPHA_MODES and not marked:
        return image, None
    grey = image.mode in ("1", "L", "LA", "La")  # stays grey: its ICC profile is one for greys
    if image.mode == "La":
        image = image.convert("LA")
    full = image.convert("RGBA")
    mask = torch.from_numpy(np.array(full.getchannel("A"))).float().div(255)[None, None]
    colour = full.convert("RGB")
    if grey:
        colour = colour.getchannel("G")
        colour.info["icc_profile"] = image.info.get("icc_profile")
    return colour, mask


def _to_srgb(image: Image.Image) -> Image.Image:
    """8-bit RGB in sRGB of an image without transparency: by its ICC profile if it has a usable one."""
    if image.mode == "1":
        image = image.convert("L")
    profile: ImageCms.ImageCmsProfile | None = None
    embedded = image.info.get("icc_profile")
    if image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    elif isinstance(embedded, bytes):
        with suppress(OSError, ImageCms.PyCMSError):
            profile = ImageCms.ImageCmsProfile(BytesIO(embedded))
    if profile is not None:
        if profile.profile.xcolor_space.strip() == "RGB" and image.mode != "CMYK":
            image = image.convert("RGB")
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        with suppress(ImageCms.PyCMSError):  # a profile for another kind of picture, or a broken one
            transform = ImageCms.buildTransform(profile, srgb, image.mode, "RGB")
            return cast(Image.Image, ImageCms.applyTransform(image, transform))  # None only where done in place
    return image.convert("RGB")


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].contiguous().float().div_(255)


def _of_array(
    array: np.ndarray,
    name: str = "the array",
    *,
    highest: int | None = None,
    inverted: bool = False,
    premultiplied: bool = False,
    profile: bytes | None = None,
) -> _Raster:
    """``highest`` stands for 1 where that is not the type's own maximum; ``inverted`` has white at 0."""
    shape = array.shape
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or (array.shape[2] == 2 and name == "the array"):
        hint = "move the channels last with .transpose(1, 2, 0)" if len(shape) == 3 and shape[0] in (1, 3, 4) else ""
        raise ImageError(f"an array must be (H, W), (H, W, 3) or (H, W, 4), got {shape}: {hint or 'reshape it'}")
    if 0 in shape:
        raise EmptyImageError(f"{name} has no pixels, its shape is {shape}: use one that has")
    kind = array.dtype.kind
    scale = {"u1": 255, "u2": 65535, "b1": 1}.get(f"{kind}{array.dtype.itemsize}", 1 if kind == "f" else None)
    if scale is None:
        raise ImageError(f"{name} must be uint8, uint16, bool or float in [0, 1], got {array.dtype}: convert it")

    def part(top: int, bottom: int) -> tuple[Tensor, Tensor | None]:
        values = torch.from_numpy(np.array(array[top:bottom], dtype=np.float32)).permute(2, 0, 1)[None].contiguous()
        values = _in_range(values.div_(highest or scale), name)
        channels = values.shape[1]
        colour, mask = (values[:, :-1], values[:, -1:]) if channels in (2, 4) else (values, None)
        if inverted:
            colour = 1 - colour
        if premultiplied and mask is not None:
            colour = (colour / mask.clamp(min=_HALF_STEP)).clamp(0, 1)
        if profile is not None:
            image = Image.fromarray(_samples(colour[0], 8).squeeze())
            image.info["icc_profile"] = profile
            colour = _tensor(_to_srgb(image))
        return colour.expand(1, 3, -1, -1), mask

    return _Raster(shape[0], shape[1], part)


# ------------------------------------------------------------------------- inside: TIFFs that Pillow cannot read


def _beyond_pillow(image: Image.Image) -> bool:
    """Whether it is a TIFF of a kind that Pillow opens, but reads wrongly or not at all."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits, samples, extra, planes = (tags.get(tag, default) for tag, default in _LAYOUT)
    separate = planes == 2 and samples > 1
    if image.mode == "F":
        return separate or (tags.prefix == b"MM" and image.info.get("compression") != "raw")
    if separate and (max(bits) > 8 or extra or tags.get(262) != 2):
        return True
    return max(bits) > 16 or max(tags.get(339, (1,))) > 1  # or signed


def _tiff_pages(tiff: tifffile.TiffFile) -> list[int]:
    """Which pages are pictures of their own, and no thumbnails or masks of another."""
    return [
        i
        for i, page in enumerate(tiff.pages)
        if isinstance(page, tifffile.TiffPage) and not page.subfiletype & 5 and page.tags.valueof(255) != 2
    ]


def _of_tiff(stream: IO[bytes], name: str, limits: _Limits) -> _Raster:
    stream.seek(0)
    try:
        with _undisturbed(), tifffile.TiffFile(stream) as tiff:
            pages = _tiff_pages(tiff)
            if len(pages) > 1:
                raise _several(name)
            page = cast(tifffile.TiffPage, tiff.pages[pages[0] if pages else 0])
            colours = 3 if page.photometric == 2 else 1
            size, extras = page.dtype.itemsize if page.dtype else 0, page.extrasamples
            if page.photometric not in (0, 1, 2) or page.imagedepth != 1 or not size:
                raise NotImplementedError("neither grey nor RGB")
            rows, columns = map(operator.index, (page.imagelength, page.imagewidth))  # damaged, of any type
            limits.check(name, rows, columns, 8 + 3 * size * page.samplesperpixel)
            if len(page.dataoffsets) < math.prod(page.chunked) or 0 in page.databytecounts:
                raise ValueError("some of its strips are missing")
            array = page.asarray(squeeze=False, maxworkers=1)
            array = np.moveaxis(array[:, 0, :, :, 0], 0, 2) if page.planarconfig == 2 else array[0, 0]
            array = _upright(array[:, :, : colours + (1 if extras and extras[0] in (1, 2) else 0)], page.tags)
            return _of_array(
                array,
                name,
                highest=2**page.bitspersample - 1 if array.dtype.kind == "u" else None,
                inverted=page.photometric == 0,
                premultiplied=bool(extras) and extras[0] == 1,
                profile=page.tags.valueof(34675),
            )
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, (NotImplementedError, ImportError)) or "imagecodecs" in str(error):
            kind = f"a TIFF of a kind that is not read here ({_reason(error)})"
            raise NotAPictureError(f"{name} is {kind}: save it uncompressed, in RGB of 8 or 16 bits") from error
        raise _damaged(name, error) from error


def _upright(array: np.ndarray, tags: tifffile.TiffTags) -> np.ndarray:
    orientation = tags.valueof(_ORIENTATION, 1)
    if orientation in (5, 6, 7, 8):
        array, orientation = array.swapaxes(0, 1), {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    return {2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1]}.get(orientation, array)


# ---------------------------------------------------------------------------------------- inside: values


def _in_range(values: Tensor, name: str) -> Tensor:
    """Floats clamped to [0, 1]; refused where they are plainly on another scale, or not finite."""
    low, high = _check_range(values, name)
    return values if low >= 0 and high <= 1 else values.clamp(0, 1)


def _check_range(values: Tensor, name: str) -> tuple[float, float]:
    low, high = (float(value) for value in values.detach().aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError(f"{name} holds NaN or infinite values: replace them first")
    if low < -0.5 or high > 1.5:
        raise ImageError(f"{name} holds values from {low:g} to {high:g}: bring them to [0, 1], e.g. divide by 255")
    return low, high


# -------------------------------------------------------------------------------------------- inside: sizes


def _share(side: int, part: int, whole: int) -> int:
    """Side * part / whole, rounded to the nearest whole number (halves up), at least 1."""
    return max(1, (2 * side * part + whole) // (2 * whole))


def _resample(picture: Tensor, rows: int, cols: int) -> Tensor:
    """Antialiased bicubic, not clamped (so that it stays linear)."""
    if (rows, cols) == tuple(picture.shape[2:]):
        return picture
    # Other devices than these two lack the operation in some versions of torch.
    where = picture.device if picture.device.type in ("cpu", "cuda") else "cpu"
    precise = picture.to(where, torch.promote_types(picture.dtype, torch.float32))
    resized = torch.nn.functional.interpolate(precise, size=(rows, cols), mode="bicubic", antialias=True)
    return resized.to(picture.device, picture.dtype)


def _whole_number(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ImageError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


def _check_pixels(name: str, rows: int, cols: int, limit: int) -> None:
    if rows * cols > limit:
        count = f"{rows} x {cols} = {rows * cols:,}"
        raise TooManyPixelsError(f"{name}: {count} pixels, over the limit of {limit:,}: shrink it or raise max_pixels")


def _colour(background: Sequence[float]) -> Tensor:
    try:
        colour = torch.tensor([float(value) for value in background])
    except (TypeError, ValueError):
        colour = torch.empty(0)
    if colour.shape != (3,) or not bool(((colour >= 0) & (colour <= 1)).all()):
        raise ImageError(f"background must be (red, green, blue) in [0, 1], got {background!r}")
    return colour.view(1, 3, 1, 1)


# ------------------------------------------------------------------------------------------- inside: saving


def _check_one(picture: Tensor) -> None:
    check_picture(picture)
    if len(picture) != 1:
        raise ImageError(f"one picture at a time, got a batch of {len(picture)}: take picture[i : i + 1]")


def _check_alpha(alpha: Any, picture: Tensor) -> None:
    wanted = (1, 1, *picture.shape[2:])
    if not isinstance(alpha, Tensor) or tuple(alpha.shape) != wanted:
        got = tuple(alpha.shape) if isinstance(alpha, Tensor) else type(alpha).__name__
        raise ImageError(f"alpha must be a tensor of shape {wanted} to fit the picture, got {got}")
    _check_plain(alpha, "alpha")
    if not bool(torch.isfinite(alpha).all()):
        raise ImageError("alpha must hold finite floats in [0, 1]")


def _check_target(path: Path, overwrite: bool) -> None:
    try:
        if path.is_dir():
            raise ImageFileError(f"{str(path)!r} is a folder: give a file's name")
        if not path.parent.is_dir():
            raise ImageFileError(f"there is no folder {str(path.parent)!r}: create it, or save elsewhere")
        exists = os.path.lexists(path)
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageFileError(f"cannot write to {str(path)!r} ({_reason(error)}): choose another name") from error
    if exists and not overwrite:
        raise _exists(path)
    if path.exists() and not path.is_file():
        raise ImageFileError(f"{str(path)!r} is not a file: give a file's name")
    # Replacing a file asks no leave of the file itself; one that was made read-only is meant to stay.
    if path.exists() and not os.access(path, os.W_OK):
        raise ImageFileError(f"{str(path)!r} is write-protected: change its permissions or choose another name")


def _exists(path: Path) -> ImageFileError:
    return ImageFileError(f"{str(path)!r} exists already: choose another name, or say overwrite=True")


def _samples(values: Tensor, bits: int) -> np.ndarray:
    """(C, H, W) in [0, 1] to whole numbers, (H, W, C)."""
    whole = (values.detach().float().clamp(0, 1) * (2**bits - 1)).round().permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(whole, np.uint8 if bits == 8 else np.uint16)


def _encoded(samples: np.ndarray, kind: str, texts: dict[str, str], quality: int) -> bytes:
    """A whole file; samples are (H, W, 3) or, with alpha, (H, W, 4), of 8 or 16 bits."""
    chunks = PngInfo()
    for key, value in texts.items():
        chunks.add_text(key, value, zip=len(value) > 1000)  # becomes iTXt where Latin-1 does not do
    description = json.dumps(texts) if texts else None  # ASCII, which is all that EXIF promises
    stream = BytesIO()
    if samples.dtype == np.uint16:  # Pillow writes 16 bits of grey only
        if kind == "PNG":
            _write_deep_png(stream, samples, chunks)
        else:
            tifffile.imwrite(
                stream, samples, photometric="rgb", extrasamples=["unassalpha"][: samples.shape[2] - 3],
                compression="zlib", predictor=True, description=description, metadata=None, software=False,
            )  # fmt: skip
        return stream.getvalue()
    by_kind: dict[str, dict[str, Any]] = {
        "PNG": {"pnginfo": chunks},
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality},
        "TIFF": {"compression": "tiff_deflate"},
    }
    options = by_kind[kind]
    if description is not None and kind != "PNG":
        options["exif"] = Image.Exif()
        options["exif"][_DESCRIPTION] = description
    Image.fromarray(samples).save(stream, kind, **options)
    return stream.getvalue()


def _write_deep_png(stream: IO[bytes], samples: np.ndarray, texts: PngInfo) -> None:
    """A PNG of 16 bits a colour."""
    rows, cols, channels = samples.shape
    stream.write(b"\x89PNG\r\n\x1a\n")
    putchunk(stream, b"IHDR", struct.pack(">IIBBBBB", cols, rows, 16, 2 if channels == 3 else 6, 0, 0, 0))
    for kind, content, *_ in texts.chunks:
        putchunk(stream, kind, content)
    lines = samples.astype(">u2").reshape(rows, -1).view(np.uint8)
    filtered = np.empty((rows, 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = 2  # each byte is stored as its difference from the one above
    filtered[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    putchunk(stream, b"IDAT", zlib.compress(filtered.tobytes()))
    putchunk(stream, b"IEND")


def _fitting_texts(metadata: Mapping[str, str], kind: str) -> dict[str, str]:
    """The texts, checked, and shortened where the format has no room for them."""
    for key, value in metadata.items():
        if not isinstance(key, str) or not re.fullmatch(r"[!-~\xa1-\xff]([ -~\xa1-\xff]{0,77}[!-~\xa1-\xff])?", key):
            raise ImageError(f"a metadata key must be 1 to 79 printable Latin-1 characters, got {key!r}")
        if key in _RESERVED_KEYS:
            raise ImageError(f"the metadata key {key!r} means something else in a picture file: choose another")
        if not isinstance(value, str):
            raise ImageError(f"metadata must be text, got {type(value).__name__} for {key!r}: use json.dumps()")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ImageError(f"the metadata for {key!r} is not valid Unicode text") from None
    texts, room = dict(metadata), _LONGEST_TEXT.get(kind, _TEXT)
    if len(json.dumps(texts)) <= room:
        return texts
    warnings.warn(f"{kind} holds {room:,} bytes of metadata here: longer texts were shortened", stacklevel=3)
    longest = room
    while len(json.dumps(texts)) > room and longest > 8:
        longest //= 2
        texts = {key: _shortened(value, longest) for key, value in metadata.items()}
    while len(json.dumps(texts)) > room:  # what is long is not text: numbers, or very many entries
        del texts[max(texts, key=lambda key: len(texts[key]))]
    return texts


def _shortened(text: str, longest: int) -> str:
    """The text cut to so many characters; in JSON each text inside is cut, so that it stays JSON."""

    def cut(value: Any) -> Any:
        if isinstance(value, str):
            return value if len(value) <= longest else value[:longest] + "…"
        if isinstance(value, list):
            return [cut(each) for each in value]
        return {key: cut(each) for key, each in value.items()} if isinstance(value, dict) else value

    try:
        found = json.loads(text)
        return json.dumps(cut(found)) if isinstance(found, (dict, list)) else cut(text)
    except (ValueError, RecursionError):
        return cut(text)


# ------------------------------------------------------------------------------------------- inside: errors


def _reason(error: BaseException) -> str:
    """Why, on one line; decoders may quote what a damaged file holds, which is cut short."""
    text = " ".join(str(getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
    return text if len(text) <= 200 else f"{text[:200]} ..."


def _several(name: str) -> AnimatedImageError:
    return AnimatedImageError(
        f"{name} is animated or has several pages: save the one you want by itself, or pass it as a PIL image"
    )


def _damaged(name: str, error: Exception) -> TruncatedImageError:
    return TruncatedImageError(f"{name} is cut off or damaged ({_reason(error)}): get the file again")
