"""Data that end early: Pillow would leave the rest of the picture black."""

from __future__ import annotations

import os
import struct
import zlib
from typing import IO

from PIL import Image


def check_complete(image: Image.Image, stream: IO[bytes] | None) -> None:
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
