"""Decoders print nothing and leave the settings of others alone."""

from __future__ import annotations

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from ground_helpers import encoded, noise
from PIL import Image

from styletut.errors import ImageError
from styletut.images import load_image


def test_damaged_tiffs_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    content = encoded(Image.fromarray(noise(40, 40)), "TIFF", compression="tiff_deflate").getvalue()
    generator = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(content)
        for place in generator.integers(0, len(content), 4):
            damaged[place] = generator.integers(0, 256)
        damaged[-int(generator.integers(1, 300))] ^= 0xFF
        with suppress(ImageError):
            load_image(io.BytesIO(damaged))
    assert capfd.readouterr() == ("", "")


def test_settings_of_pillow_and_of_warnings_are_put_back() -> None:
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    content = encoded(Image.fromarray(noise(90, 90))).getvalue()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: load_image(io.BytesIO(content)), range(40)))
    assert warnings.filters == filters and limit == Image.MAX_IMAGE_PIXELS
