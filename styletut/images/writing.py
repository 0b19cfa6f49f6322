"""Pictures to PNG, JPEG, WebP and TIFF files, of 8 or 16 bits, with transparency and texts."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo, putchunk
from torch import Tensor

from ..errors import ImageError, ImageFileError
from ..files import write_atomically
from .decoders import reason
from .metadata import DESCRIPTION, fitting_texts
from .sources import as_path
from .tensors import check_floats, check_single, to_integers, whole_number

WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
LONGEST_SIDE = {
    "JPEG": 65_500,
    "WEBP": 16_383,
}  # pixels: what the formats themselves can hold


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
    path = as_path(path, "a path to save to")
    quality = whole_number("quality", quality)
    if quality > 100:
        raise ImageError(f"quality goes from 1 to 100, got {quality}")
    check_single(picture)
    if alpha is not None:
        _check_alpha(alpha, picture)
    kind = check_savable(path, (picture.shape[2], picture.shape[3]), bits=bits)
    check_target(path, overwrite)

    if kind == "JPEG" and alpha is not None:
        mask = alpha.to(picture).clamp(0, 1)
        picture, alpha = picture.clamp(0, 1) * mask + (1 - mask), None
    texts = fitting_texts(metadata or {}, kind)
    samples = to_integers(picture[0], bits)
    if alpha is not None:
        samples = np.concatenate([samples, to_integers(alpha[0], bits)], axis=2)
    try:
        write_atomically(path, _encoded(samples, kind, texts, quality), overwrite=overwrite)
    except FileExistsError as error:  # it has appeared since `check_target`
        raise _exists_error(path) from error
    except (OSError, ValueError) as error:
        raise ImageFileError(f"could not write {str(path)!r} ({reason(error)}); nothing was replaced") from error
    return path


def check_savable(path: str | os.PathLike[str], size: tuple[int, int] | None = None, *, bits: int = 8) -> str:
    """The format that ``path`` names by its suffix, if a picture of that size fits into it; no file is touched.

    Call it before a long computation whose result will be saved there.

    Args:
        path: a file's name; whether it can be written is not checked.
        size: (rows, columns) of the picture, None if that is not known yet.
        bits: per colour, 8 or 16.

    Returns:
        ``PNG``, ``JPEG``, ``WEBP`` or ``TIFF``.

    Raises:
        ImageError: another suffix, more pixels a side than the format holds, or 16 bits where it holds 8.

    >>> check_savable("large.tif", (17_000, 17_000), bits=16)
    'TIFF'
    """
    path = as_path(path, "a path to save to")
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        has = f"unknown suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise ImageError(f"cannot save {str(path)!r}, {has}: use one of {', '.join(WRITABLE)}")
    longest = LONGEST_SIDE.get(kind)
    if size is not None and longest is not None and max(size) > longest:
        held = f"{kind} holds at most {longest} pixels a side, not {size[0]} x {size[1]}"
        raise ImageError(f"{held}: save {str(path)!r} as .png or .tif")
    if isinstance(bits, bool) or bits not in (8, 16):
        raise ImageError(f"bits must be 8 or 16, got {bits!r}")
    if bits == 16 and kind not in ("PNG", "TIFF"):
        raise ImageError(f"{kind} holds 8 bits a colour: save {str(path)!r} as .png or .tif for 16")
    return kind


def check_target(path: Path, overwrite: bool) -> None:
    """Refuse a path that cannot be written to, before anything is computed.

    Raises:
        ImageFileError: it is a folder or no file, its folder is missing, it is write-protected, or it exists and must
            not be overwritten.
    """
    try:
        if path.is_dir():
            raise ImageFileError(f"{str(path)!r} is a folder: give a file's name")
        if not path.parent.is_dir():
            raise ImageFileError(f"there is no folder {str(path.parent)!r}: create it, or save elsewhere")
        exists = os.path.lexists(path)
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageFileError(f"cannot write to {str(path)!r} ({reason(error)}): choose another name") from error
    if exists and not overwrite:
        raise _exists_error(path)
    if path.exists() and not path.is_file():
        raise ImageFileError(f"{str(path)!r} is not a file: give a file's name")
    # Replacing a file needs no permission on the file itself, but one that was made read-only is meant to stay.
    if path.exists() and not os.access(path, os.W_OK):
        raise ImageFileError(f"{str(path)!r} is write-protected: change its permissions or choose another name")


def _exists_error(path: Path) -> ImageFileError:
    return ImageFileError(f"{str(path)!r} exists already: choose another name, or say overwrite=True")


def _check_alpha(alpha: Any, picture: Tensor) -> None:
    wanted = (1, 1, *picture.shape[2:])
    if not isinstance(alpha, Tensor) or tuple(alpha.shape) != wanted:
        got = tuple(alpha.shape) if isinstance(alpha, Tensor) else type(alpha).__name__
        raise ImageError(f"alpha must be a tensor of shape {wanted} to fit the picture, got {got}")
    check_floats(alpha, "alpha")
    if not bool(torch.isfinite(alpha).all()):
        raise ImageError("alpha must hold finite floats in [0, 1]")


def _encoded(samples: np.ndarray, kind: str, texts: dict[str, str], quality: int) -> bytes:
    """A whole file; samples are (H, W, 3) or, with alpha, (H, W, 4), of 8 or 16 bits."""
    chunks = PngInfo()
    for key, value in texts.items():
        chunks.add_text(key, value, zip=len(value) > 1000)  # becomes iTXt where Latin-1 is not enough
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
        options["exif"][DESCRIPTION] = description
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
