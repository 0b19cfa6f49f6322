"""A decoded picture as rows that become tensors a few at a time, and the limits that it must keep to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import EmptyImageError, ImageError, TooManyPixelsError
from .colour import to_srgb, to_tensor
from .tensors import bicubic, check_pixel_count, in_unit_range, target_size, to_integers, whole_number

_HALF_STEP = 0.5 / 255
_STRIP = 2**19  # pixels that are turned into floats at a time
_OVERHEAD = 50_000_000  # bytes that reading takes whatever the size


@dataclass(frozen=True)
class Raster:
    """A decoded picture. Its rows become floats a few at a time, since those take far more room than the bytes.

    ``part(top, bottom)`` gives these rows as a picture and its alpha (None where the source has no such thing).
    """

    height: int
    width: int
    part: Callable[[int, int], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Limits:
    """How many pixels and bytes a picture may take, and the size that it is resized to."""

    size: int | Sequence[int] | None
    fit: str
    upscale: bool
    max_pixels: int
    max_memory: int | None

    def __post_init__(self) -> None:
        whole_number("max_pixels", self.max_pixels)
        if self.max_memory is not None:
            whole_number("max_memory", self.max_memory)

    def target(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns that a picture of that size gets."""
        rows, cols = target_size(height, width, self.size, fit=self.fit, upscale=self.upscale)
        check_pixel_count("the resized picture", rows, cols, self.max_pixels)
        return rows, cols

    def check(self, name: str, height: int, width: int, per_pixel: int) -> None:
        """Refuse a picture by its header; ``per_pixel`` bytes are taken by the decoder."""
        if 0 in (height, width):
            raise EmptyImageError(f"{name} has no pixels, it is {height} x {width}: use one that has")
        check_pixel_count(name, height, width, self.max_pixels)
        rows, cols = self.target(height, width)
        # Colour and alpha as floats: of all rows at the final width, and of the result.
        takes = _OVERHEAD + height * width * per_pixel + 16 * cols * (rows + (height if rows != height else 0))
        if self.max_memory is not None and takes > self.max_memory:
            count = f"about {math.ceil(takes / 1e6):,} MB of memory, over the {self.max_memory / 1e6:,.0f} MB allowed"
            raise TooManyPixelsError(f"{name}: {height} x {width} pixels take {count}: shrink it or allow more")


def render(raster: Raster, rows: int, cols: int, paper: Tensor, *, keep: bool) -> tuple[Tensor, Tensor | None]:
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
        picture[:, :, to] = bicubic(part, bottom - top if step < raster.height else rows, cols)
        if len(mask) and alpha is not None:
            mask[:, :, to] = bicubic(alpha, bottom - top if step < raster.height else rows, cols)
        del part, alpha
    picture = bicubic(picture, rows, cols)
    if opaque or not len(mask):
        return picture.clamp_(0, 1), None
    mask = bicubic(mask, rows, cols)
    # Below half an 8-bit step a pixel is saved as fully transparent, and dividing by alpha would only show noise.
    picture = torch.where(mask < _HALF_STEP, paper, paper + (picture - paper) / mask.clamp(min=_HALF_STEP))
    return picture.clamp_(0, 1), mask.clamp_(0, 1)


def array_raster(
    array: np.ndarray,
    name: str = "the array",
    *,
    highest: int | None = None,
    inverted: bool = False,
    premultiplied: bool = False,
    profile: bytes | None = None,
) -> Raster:
    """A NumPy array (H, W), (H, W, C) of 1 to 4 channels, as a picture.

    Args:
        array: bool, uint8, uint16, or float in [0, 1].
        name: what errors call it.
        highest: the value that stands for 1, where that is not the type's own maximum.
        inverted: whether white is 0.
        premultiplied: whether the colours are multiplied by alpha already.
        profile: an ICC profile of the colours.
    """
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
        values = in_unit_range(values.div_(highest or scale), name)
        channels = values.shape[1]
        colour, mask = (values[:, :-1], values[:, -1:]) if channels in (2, 4) else (values, None)
        if inverted:
            colour = 1 - colour
        if premultiplied and mask is not None:
            colour = (colour / mask.clamp(min=_HALF_STEP)).clamp(0, 1)
        if profile is not None:
            image = Image.fromarray(to_integers(colour[0], 8).squeeze())
            image.info["icc_profile"] = profile
            colour = to_tensor(to_srgb(image))
        return colour.expand(1, 3, -1, -1), mask

    return Raster(shape[0], shape[1], part)
