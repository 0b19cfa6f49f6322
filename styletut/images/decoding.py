"""Files and PIL images to rasters: any format and mode, upright, in sRGB, with 16 bits where there are 16."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import IO, Any

import numpy as np
import psutil
import tifffile
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import ImageError, NotAPictureError, TruncatedImageError
from .colour import split_alpha, to_srgb, to_tensor
from .decoders import animated_error, damaged_error, quiet
from .integrity import check_complete
from .raster import Limits, Raster, array_raster
from .tensors import in_unit_range
from .tiff import ORIENTATION, beyond_pillow, main_pages, tiff_raster

# Named, so that no other Pillow plug-in is tried: some of them start programs (EPS), others take noise for a picture.
READABLE = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how such files begin; "+" is BigTIFF
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", *_TIFF)
# Bytes per pixel that decoding takes at most, the decoded pixels included. Between 6 and 25 megapixels each further
# pixel took 5 in PNG, JPEG and TIFF, 10 in AVIF, 15 in WebP, 25 in JPEG 2000; the rest is room for 16 bits and passes.
_DECODING = {"PNG": 9, "JPEG": 11, "MPO": 11, "WEBP": 17, "TIFF": 13, "GIF": 13, "BMP": 9, "PPM": 9, "AVIF": 17}
_DECODING_OTHERS = 33  # JPEG 2000, HEIC


def file_raster(stream: IO[bytes], name: str, limits: Limits) -> Raster:
    """The picture in an open file, which is called ``name`` in errors."""
    start = stream.read(4)
    stream.seek(0)
    try:
        image, several = open_pil(stream, name)
    except TruncatedImageError:
        if start not in _TIFF:
            raise
        return tiff_raster(stream, name, limits)
    if several:
        raise animated_error(name)
    if image.format == "TIFF" and beyond_pillow(image):
        return tiff_raster(stream, name, limits)
    return pil_raster(image, name, limits, stream)


def pil_raster(image: Image.Image, name: str, limits: Limits, stream: IO[bytes] | None = None) -> Raster:
    """A PIL image of any mode. ``stream`` is the file it comes from, if there is one, positioned at its beginning."""
    waiting = list(getattr(image, "tile", []))  # what is still to be decoded
    limits.check(name, image.height, image.width, _DECODING.get(image.format or "", _DECODING_OTHERS) if waiting else 0)
    tags = getattr(image, "tag_v2", {})
    inverted, highest = tags.get(262) == 0, 4095 if tags.get(258) == (12,) else 65535
    try:
        if waiting:
            moving = getattr(image, "is_animated", False)
            check_complete(image, None if moving else stream or getattr(image, "fp", None))
        image = _loaded(image)
        # Profiles are converted at 8 bits.
        swapped = None if stream is None or image.info.get("icc_profile") else _other_bytes(waiting)
        low = None
        if stream is not None and swapped:
            low, _ = open_pil(stream, name)
            low.tile = swapped  # type: ignore[attr-defined]
            low = _loaded(low)
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise damaged_error(name, error) from error

    def part(top: int, bottom: int) -> tuple[Tensor, Tensor | None]:
        def cut(whole: Image.Image) -> Image.Image:
            return whole if bottom - top == whole.height else whole.crop((0, top, whole.width, bottom))

        try:
            if image.mode.startswith(("I", "F")):
                return _from_deep_grey(cut(image), name, highest, inverted)
            if low is not None:
                return _from_deep_colour(cut(image), cut(low))
            colour, mask = split_alpha(cut(image))
            return to_tensor(to_srgb(colour)), mask
        except (ImageError, MemoryError):
            raise
        except Exception as error:
            raise damaged_error(name, error) from error

    return Raster(image.height, image.width, part)


def open_pil(stream: IO[bytes], name: str) -> tuple[Image.Image, bool]:
    """Read the header alone: an image whose pixels are not decoded yet, and whether there are several in the file."""
    Image.init()  # registers the formats
    formats = [kind for kind in READABLE if kind in Image.OPEN]
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
        with quiet():
            image = Image.open(stream, formats=formats)
            if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
                stream.seek(0)
                with tifffile.TiffFile(stream) as tiff:
                    pages = main_pages(tiff)
                image.seek(pages[0] if pages else 0)
                return image, len(pages) > 1
            # An MPO is a phone's photograph with extras after it (depth, the other eye): its first frame is meant, as
            # is the main one of a HEIC.
            return image, image.format not in ("MPO", "HEIF") and getattr(image, "is_animated", False)
    except UnidentifiedImageError as error:
        if start.startswith(_MAGIC) or start[4:12] in (b"ftypavif", b"ftypavis"):
            raise damaged_error(name, ValueError("its header cannot be read")) from error
        kinds = ", ".join(formats)
        raise NotAPictureError(f"{name} is not a picture that can be read here: convert it to one of {kinds}") from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plug-ins raise nearly anything when a header is damaged
        raise damaged_error(name, error) from error


def _is_heic(start: bytes) -> bool:
    brands = {start[i : i + 4] for i in range(8, min(len(start), int.from_bytes(start[:4])), 4)}
    if start[4:8] != b"ftyp" or brands & {b"avif", b"avis"}:
        return False
    return bool(brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})


def _loaded(image: Image.Image) -> Image.Image:
    """Decoded, and upright."""
    with quiet():
        try:
            image.load()
        except MemoryError:
            if image.width * image.height * _DECODING_OTHERS > psutil.virtual_memory().available:
                raise
            raise ValueError("it asks for more memory than a picture of its size takes") from None
        with suppress(Exception):  # a broken EXIF block says nothing about the pixels
            if image.getexif().get(ORIENTATION, 1) != 1:
                return ImageOps.exif_transpose(image)
    return image


def _other_bytes(tiles: list[Any]) -> list[Any] | None:
    """Instructions for Pillow to decode the lower bytes of 16-bit colours; by itself it takes the upper ones.

    It is told that the bytes come in the other order. None where the picture has no such colours.
    """
    orders = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
    swapped = []
    for tile in tiles:
        decoder, extents, offset, arguments = tile
        raw, *others = [arguments] if isinstance(arguments, str) else arguments
        match = re.fullmatch(r"((?:RGB|RGBA|RGBX);16)([BLN])", str(raw))
        if not match:
            return None
        raw = match[1] + orders[match[2]]
        made = (decoder, extents, offset, raw if isinstance(arguments, str) else (raw, *others))
        swapped.append(getattr(type(tile), "_make", tuple)(made))  # a plain tuple in older Pillows
    return swapped


def _from_deep_colour(high: Image.Image, low: Image.Image) -> tuple[Tensor, Tensor | None]:
    """16-bit RGB or RGBA from images of the upper and of the lower bytes."""
    values = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    key = high.info.get("transparency")
    if isinstance(key, tuple) and values.shape[2] == 3:
        values = np.concatenate([values, 65535 * (values != key).any(2, keepdims=True).astype(np.uint16)], axis=2)
    return array_raster(values).part(0, len(values))


def _from_deep_grey(image: Image.Image, name: str, highest: int, inverted: bool) -> tuple[Tensor, Tensor | None]:
    """Whole numbers ("I" modes) of which ``highest`` is white, or greys as floats ("F")."""
    grey = torch.from_numpy(np.asarray(image).astype(np.float32))[None, None]
    key = image.info.get("transparency")
    mask = (grey != key).float() if isinstance(key, int) else None
    if image.mode == "F":
        grey = in_unit_range(grey, name)
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
        curve = np.asarray(to_srgb(ramp))[0, :, 1] / 255
        grey = torch.from_numpy(np.interp(grey.numpy(), np.linspace(0, 1, 256), curve).astype(np.float32))
    return grey.repeat(1, 3, 1, 1), mask
