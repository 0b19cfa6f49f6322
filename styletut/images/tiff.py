"""TIFFs: which pages are pictures, and the kinds that Pillow reads wrongly or not at all."""

from __future__ import annotations

import math
import operator
from typing import IO, cast

import numpy as np
import tifffile
from PIL import Image

from ..errors import ImageError, NotAPictureError
from .decoders import animated_error, damaged_error, quiet, reason
from .raster import Limits, Raster, array_raster

ORIENTATION = 0x0112  # a tag of EXIF, and so of TIFF
_LAYOUT = ((258, (1,)), (277, 1), (338, ()), (284, 1))  # tags: bits, samples, extra samples, planes; and defaults


def main_pages(tiff: tifffile.TiffFile) -> list[int]:
    """Which pages are pictures of their own, and no thumbnails or masks of another."""
    return [
        i
        for i, page in enumerate(tiff.pages)
        if isinstance(page, tifffile.TiffPage) and not page.subfiletype & 5 and page.tags.valueof(255) != 2
    ]


def beyond_pillow(image: Image.Image) -> bool:
    """Whether it is a TIFF of a kind that Pillow opens, but reads wrongly or not at all."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits, samples, extra, planes = (tags.get(tag, default) for tag, default in _LAYOUT)
    separate = planes == 2 and samples > 1
    if image.mode == "F":
        return separate or (tags.prefix == b"MM" and image.info.get("compression") != "raw")
    if separate and (max(bits) > 8 or extra or tags.get(262) != 2):
        return True
    return max(bits) > 16 or max(tags.get(339, (1,))) > 1  # or signed


def tiff_raster(stream: IO[bytes], name: str, limits: Limits) -> Raster:
    """A TIFF that Pillow cannot read, decoded by tifffile."""
    stream.seek(0)
    try:
        with quiet(), tifffile.TiffFile(stream) as tiff:
            pages = main_pages(tiff)
            if len(pages) > 1:
                raise animated_error(name)
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
            return array_raster(
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
            kind = f"a TIFF of a kind that is not read here ({reason(error)})"
            raise NotAPictureError(f"{name} is {kind}: save it uncompressed, in RGB of 8 or 16 bits") from error
        raise damaged_error(name, error) from error


def _upright(array: np.ndarray, tags: tifffile.TiffTags) -> np.ndarray:
    """Turned and mirrored as EXIF's eight orientations say."""
    orientation = tags.valueof(ORIENTATION, 1)
    if orientation in (5, 6, 7, 8):
        array, orientation = array.swapaxes(0, 1), {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    return {2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1]}.get(orientation, array)
