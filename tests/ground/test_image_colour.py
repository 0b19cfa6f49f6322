"""Colour profiles: every picture is sRGB."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from ground_helpers import encoded, noise, pixels
from PIL import Image, ImageCms

from styletut.images import load_image


def icc_profile(space: bytes, gamma: float, primaries: tuple[tuple[float, float, float], ...] = ()) -> bytes:
    """A minimal ICC version 2 profile: one gamma curve, and for RGB the colours of the three primaries (XYZ, D50)."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    white = fixed(0.9642, 1.0, 0.8249)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"test\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 81
    tags = [(b"desc", description + b"\0" * (-len(description) % 4)), (b"wtpt", b"XYZ \0\0\0\0" + white)]
    if primaries:
        tags += [(letter + b"TRC", curve) for letter in (b"r", b"g", b"b")]
        names = (b"r", b"g", b"b")
        tags += [(n + b"XYZ", b"XYZ \0\0\0\0" + fixed(*xyz)) for n, xyz in zip(names, primaries, strict=True)]
    else:
        tags.append((b"kTRC", curve))
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    header = bytearray(128)
    header[0:4] = struct.pack(">I", start + len(body))
    header[8:12], header[12:16], header[16:20] = b"\x02\x10\0\0", b"mntr", space
    header[20:24], header[36:40], header[68:80] = b"XYZ ", b"acsp", white
    return bytes(header) + table + body


# Display P3's primaries, adapted to D50: its pure green lies outside sRGB, its greens read as sRGB look dull.
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def test_an_rgb_profile_is_converted_to_srgb() -> None:
    green = Image.new("RGB", (2, 2), (60, 200, 60))
    got = pixels(load_image(encoded(green, icc_profile=icc_profile(b"RGB ", 2.2, P3))))[0, 0].astype(int)
    # By hand: linear = (60/255)^2.2 etc., P3 to XYZ, XYZ to linear sRGB, sRGB's curve.
    linear = (np.array([60, 200, 60]) / 255) ** 2.2
    xyz = np.array(P3).T @ linear
    to_srgb = np.array(
        [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
    )
    rgb = np.clip(to_srgb @ xyz, 0, 1)
    expected = np.where(rgb > 0.0031308, 1.055 * rgb ** (1 / 2.4) - 0.055, 12.92 * rgb) * 255
    assert np.abs(got - expected).max() <= 2
    assert got[1] > 200 > 60 > got[0], "P3's green is greener than sRGB's"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_profiles_are_found_in_every_format(kind: str) -> None:
    grey = Image.new("RGB", (8, 8), (128, 128, 128))
    got = pixels(load_image(encoded(grey, kind, icc_profile=icc_profile(b"RGB ", 1.0, P3))))
    assert np.abs(got.astype(int) - 188).max() <= 3, "linear 0.5 is 188 in sRGB"


def test_an_srgb_profile_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(pixels(load_image(encoded(Image.fromarray(noise(40, 40)), icc_profile=srgb))), noise(40, 40))


def test_a_palette_and_a_grey_picture_follow_their_profile_too() -> None:
    linear_rgb, linear_grey = icc_profile(b"RGB ", 1.0, P3), icc_profile(b"GRAY", 1.0)
    palette = Image.new("RGB", (4, 4), (128, 128, 128)).quantize(4)
    for source in (
        encoded(palette, icc_profile=linear_rgb),
        encoded(Image.new("L", (4, 4), 128), icc_profile=linear_rgb),
        encoded(Image.new("L", (4, 4), 128), icc_profile=linear_grey),
        encoded(Image.new("LA", (4, 4), (128, 255)), icc_profile=linear_grey),
    ):
        assert np.abs(pixels(load_image(source)).astype(int) - 188).max() <= 2


@pytest.mark.parametrize("profile", [b"broken", b"", icc_profile(b"GRAY", 1.0), icc_profile(b"CMYK", 1.0)])
def test_a_broken_or_unfitting_profile_is_ignored(profile: bytes) -> None:
    assert np.array_equal(pixels(load_image(encoded(Image.fromarray(noise()), icc_profile=profile))), noise())


def test_cmyk_is_converted_with_and_without_a_profile() -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind, options in (("TIFF", {}), ("JPEG", {"quality": 95}), ("TIFF", {"icc_profile": srgb})):
        red, green, blue = pixels(load_image(encoded(cyan, kind, **options)))[3, 3]
        assert red < 10 and green > 245 and blue > 245


def test_lab_is_converted() -> None:
    neutral = Image.new("LAB", (2, 2), (137, 128, 128))  # L* = 53.7 is sRGB's 128
    for source in (neutral, encoded(neutral, "TIFF")):
        assert np.abs(pixels(load_image(source)).astype(int) - 128).max() <= 2


def test_sixteen_bit_greys_follow_their_profile_and_keep_their_depth() -> None:
    greys = np.arange(20000, 20100, dtype=np.uint16)[None]
    linear = load_image(encoded(Image.fromarray(greys), "PNG", icc_profile=icc_profile(b"GRAY", 1.0)))[0, 0, 0]
    expected = 1.055 * (greys[0] / 65535) ** (1 / 2.4) - 0.055
    assert np.abs(linear.numpy() - expected).max() < 1 / 255
    assert len(linear.unique()) == 100
