"""A truncated file is refused wherever it is cut."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from ground_helpers import encoded, noise, pixels, png
from PIL import Image

from styletut.images import NotAPictureError, TruncatedImageError, load_image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF"])
@pytest.mark.parametrize("options", [{}, {"progressive": True, "lossless": True, "tile_size": (16, 16)}])
def test_a_truncated_file_is_refused_wherever_it_is_cut(kind: str, options: dict[str, Any]) -> None:
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow was built without {kind}")
    if kind == "TIFF" and options:
        options = {"compression": "tiff_deflate"}
    content = encoded(Image.fromarray(noise(50, 70)), kind, **options).getvalue()
    whole = load_image(io.BytesIO(content))
    for end in sorted({*range(1, 40), *range(40, len(content), max(1, len(content) // 60)), len(content) - 13}):
        expected = TruncatedImageError if end > 30 else (TruncatedImageError, NotAPictureError)
        try:
            read = load_image(io.BytesIO(content[:end]))
        except expected as error:
            assert "\n" not in str(error)
        else:
            assert end > len(content) - 20 and torch.equal(read, whole), "but for what follows the pixels"


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("lines", [0, 1, 10, 11])
def test_a_png_whose_data_end_early_is_refused(interlaced: int, lines: int) -> None:
    short = png(12, 12, 8, 0, (b"\0" + b"\xff" * 12) * lines).getvalue()
    header = short[12:28] + bytes([interlaced])  # the last field of IHDR
    short = short[:12] + header + struct.pack(">I", zlib.crc32(header)) + short[33:]
    with pytest.raises(TruncatedImageError, match="cut off or damaged"):
        load_image(io.BytesIO(short))


def test_an_interlaced_png_is_read_whole() -> None:
    # All pixels of a 1 x 1 picture are in the first pass, and those of 2 x 1 in the first and the sixth.
    for cols, data in ((1, b"\0\x80"), (2, b"\0\x80\0\xff")):
        content = png(cols, 1, 8, 0, data).getvalue()
        header = content[12:28] + b"\1"
        content = content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
        assert pixels(load_image(io.BytesIO(content)))[0, :, 0].tolist() == [0x80, 0xFF][:cols]


def test_a_tiff_whose_strips_are_missing_is_refused() -> None:
    for stored in (noise(40, 30), np.zeros((3, 40, 30), np.uint16)):
        stream = io.BytesIO()
        tifffile.imwrite(stream, stored, photometric="rgb", rowsperstrip=10, metadata=None)
        content = bytearray(stream.getvalue())
        assert load_image(io.BytesIO(content)).shape == (1, 3, 40, 30)
        with tifffile.TiffFile(io.BytesIO(content)) as tiff:
            page = tiff.pages.first
            for code in (273, 279):  # offsets and lengths of strips: one less of each
                tag = page.tags[code]
                struct.pack_into("<I", content, tag.offset + 4, tag.count - 1)
        with pytest.raises(TruncatedImageError, match="damaged"):
            load_image(io.BytesIO(content))


def test_a_truncated_jpeg_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "half.jpg"
    content = encoded(Image.fromarray(noise(50, 70)), "JPEG").getvalue()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(TruncatedImageError, match=r"half.jpg' is cut off or damaged"):
        load_image(path)


def test_a_damaged_pil_image_and_a_lack_of_memory_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(Image.fromarray(noise(50, 70)), "JPEG").getvalue()
    with pytest.raises(TruncatedImageError, match="the PIL image"):
        load_image(Image.open(io.BytesIO(content[:2000])))

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "convert", no_memory)
        with pytest.raises(MemoryError):
            load_image(Image.new("CMYK", (2, 2)))
    with monkeypatch.context() as patched:
        patched.setattr(Image, "open", no_memory)
        with pytest.raises(MemoryError):
            load_image(io.BytesIO(content))
