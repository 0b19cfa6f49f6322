"""What the tests of pictures share: pictures, PNG files and colour profiles made by hand."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from PIL import Image

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def noise(rows: int = 5, cols: int = 7, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, cols, channels), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


def pixels(picture: torch.Tensor) -> np.ndarray:
    """Back to 8 bits, (H, W, 3)."""
    return (picture[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def png(cols: int, rows: int, depth: int, colour: int, data: bytes, *chunks: tuple[bytes, bytes]) -> io.BytesIO:
    """A PNG by hand, for what Pillow reads but does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", cols, rows, depth, colour, 0, 0, 0))
    extra = b"".join(chunk(*each) for each in chunks)
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))
