"""Limits of pixels and memory hold before anything is decoded."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ground_helpers import encoded, noise, png
from PIL import Image

from styletut.errors import ImageError
from styletut.images import TooManyPixelsError, load_image, read_metadata, resize


def test_what_takes_more_memory_than_allowed_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("it was decoded"))
    source = png(9000, 9000, 1, 0, b"")
    with pytest.raises(TooManyPixelsError, match=r"9000 x 9000 pixels take about [\d,]+ MB.*over the 300 MB allowed"):
        load_image(source, max_memory=300_000_000)
    with pytest.raises(ImageError, match="max_memory"):
        load_image(noise(), max_memory=0)
    enlarged = (40_000, 2_000)
    with pytest.raises(TooManyPixelsError, match="allowed"):
        load_image(png(9, 9, 1, 0, b""), enlarged, upscale=True, max_memory=300_000_000)


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[Any] = [
        noise(50, 40),
        noise(50, 40, 4),
        Image.fromarray(noise(50, 40)).quantize(9),
        torch.rand(2, 3, 50, 40),
    ]
    sources.append(Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(50, 40) * 32))
    for size, upscale in ((None, False), (17, False), (90, True), ((20, 90), True)):
        whole = [load_image(source, size, upscale=upscale, alpha="keep") for source in sources]
        with monkeypatch.context() as patched:
            patched.setattr("styletut.images.raster._STRIP", 7 * 40)
            for source, (picture, alpha) in zip(sources, whole, strict=True):
                strips, mask = load_image(source, size, upscale=upscale, alpha="keep")
                assert torch.allclose(strips, picture, atol=1e-6) and (mask is None) == (alpha is None)
                assert alpha is None or mask is None or torch.allclose(mask, alpha, atol=1e-6)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.png"
    row = b"\0" * 2501
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(20000)) + packer.flush()
    path.write_bytes(png(20000, 20000, 1, 0, b"").getvalue().replace(zlib.compress(b""), data))
    assert path.stat().st_size < 200_000
    loaded = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: loaded.append(self))
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's own warning must not come through
        with pytest.raises(TooManyPixelsError, match=r"bomb.png.*20000 x 20000 = 400,000,000"):
            load_image(path)
    assert not loaded
    assert before == Image.MAX_IMAGE_PIXELS, "Pillow's own setting is back in place"
    assert read_metadata(path) == {}


def test_the_pixel_limit_can_be_lowered_and_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    content = encoded(Image.fromarray(noise(5, 8))).getvalue()
    assert load_image(io.BytesIO(content), max_pixels=40).shape == (1, 3, 5, 8), "Pillow's limit does not matter"
    for source in (io.BytesIO(content), Image.fromarray(noise(5, 8))):
        with pytest.raises(TooManyPixelsError, match="limit of 39"):
            load_image(source, max_pixels=39)


def test_enlarging_beyond_the_pixel_limit_is_refused() -> None:
    with pytest.raises(TooManyPixelsError):
        load_image(noise(1, 6), 512, fit="short", upscale=True, max_pixels=1000)
    with pytest.raises(TooManyPixelsError):
        resize(torch.zeros(1, 3, 1, 5000), 512, fit="short", upscale=True)
