"""Promises of ``styletut.images``: what is read, what is refused and how, and that saving never harms a file."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from styletut import images
from styletut.errors import ImageError, StyletutError
from styletut.images import (
    AnimatedImageError,
    EmptyImageError,
    ImageFileError,
    NotAPictureError,
    TooManyPixelsError,
    TruncatedImageError,
    check_picture,
    check_savable,
    from_pil,
    load_image,
    read_metadata,
    resize,
    save_image,
    target_size,
    to_pil,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".PNG")
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
sides = st.integers(1, 6000)


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


# --------------------------------------------------------------------------------------- sources and round trips


@quick
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9).map(lambda s: (*s, 3))))
def test_eight_bits_survive_tensor_png_and_back_exactly(tmp_path: Path, array: np.ndarray) -> None:
    picture = load_image(array)
    again = load_image(save_image(picture, tmp_path / "x.png"))
    assert np.array_equal(pixels(picture), array)
    assert torch.equal(picture, again)


@quick
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda s: (*s, 4))))
def test_visible_colour_and_alpha_survive_a_png_exactly(tmp_path: Path, array: np.ndarray) -> None:
    picture, alpha = load_image(array, alpha="keep")
    saved = np.asarray(Image.open(save_image(picture, tmp_path / "x.png", alpha=alpha)).convert("RGBA"))
    expected = np.where(array[:, :, 3:] == 0, np.array([255, 255, 255, 0], np.uint8), array)
    assert np.array_equal(saved, expected)


def test_a_picture_is_float32_contiguous_and_in_range() -> None:
    picture = load_image(noise())
    assert picture.dtype == torch.float32 and picture.shape == (1, 3, 5, 7) and picture.is_contiguous()
    assert picture.min() >= 0 and picture.max() <= 1


def test_every_kind_of_source_gives_the_same_picture(tmp_path: Path) -> None:
    array = noise()
    image = Image.fromarray(array)
    path = tmp_path / "picture with spaces é.png"
    image.save(path)
    expected = load_image(array)
    with path.open("rb") as stream:
        from_file = load_image(stream)
    for got in (load_image(path), load_image(str(path)), from_file, load_image(image), from_pil(image)):
        assert torch.equal(got, expected)
    assert torch.equal(load_image(expected), expected)
    assert torch.equal(load_image(array.astype(np.float64) / 255), expected)
    assert torch.equal(load_image(np.asfortranarray(array)[::-1][::-1]), expected)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF"])
def test_every_format_that_is_named_is_read(kind: str) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow was built without {kind}")
    picture = load_image(encoded(Image.new("RGB", (12, 8), (200, 100, 50)), kind))
    assert picture.shape == (1, 3, 8, 12)
    assert np.abs(pixels(picture).astype(int) - [200, 100, 50]).max() <= 4


def test_a_pipe_is_read(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(noise())).getvalue()
    end, start = os.pipe()
    os.write(start, content)
    os.close(start)
    with os.fdopen(end, "rb") as stream:
        assert np.array_equal(pixels(load_image(stream)), noise())
    if os.path.exists("/dev/fd"):
        end, start = os.pipe()
        os.write(start, content)
        os.close(start)
        try:
            assert np.array_equal(pixels(load_image(f"/dev/fd/{end}")), noise())
        finally:
            os.close(end)


def test_arrays_of_other_depths_are_scaled_by_their_own_maximum() -> None:
    deep = load_image(np.array([[0, 1, 32768, 65535]], np.uint16))
    assert torch.allclose(deep[0, 0, 0], torch.tensor([0, 1 / 65535, 32768 / 65535, 1.0]))
    assert load_image(np.array([[False, True]]))[0, 2, 0].tolist() == [0, 1]
    assert load_image(np.full((2, 2, 1), 0.25, np.float16)).unique().tolist() == [0.25]
    assert load_image(np.array([[-0.1, 1.2]]))[0, 0, 0].tolist() == [0, 1], "a small overshoot is clamped"


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2, 2), np.uint8), r"\(2, 2, 2\)"),
        (np.zeros((3, 8, 8), np.uint8), "transpose"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.full((2, 2, 3), 200.0), "divide by 255"),
        (np.full((2, 2, 3), -1.0), "from -1"),
        (np.array([[np.nan, 0.0]]), "NaN"),
        (np.array([[np.inf, 0.0]]), "infinite"),
        (np.array([[np.nan, np.inf]]), "NaN"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array: np.ndarray, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        load_image(array)


@pytest.mark.parametrize(
    "source", [np.zeros((0, 4, 3), np.uint8), np.zeros((4, 0)), Image.new("RGB", (0, 3)), torch.zeros(1, 3, 0, 4)]
)
def test_a_side_of_zero_is_refused(source: object) -> None:
    with pytest.raises(EmptyImageError, match="no pixels"):
        load_image(source)


@pytest.mark.parametrize("source", [None, 3, [1, 2], b"\x89PNG", object()])
def test_other_objects_are_refused_by_their_type(source: object) -> None:
    with pytest.raises(ImageError, match=f"expected a path.*got {type(source).__name__}"):
        load_image(source)


def test_from_pil_takes_pil_images_only() -> None:
    with pytest.raises(ImageError, match="load_image"):
        from_pil(noise())  # type: ignore[arg-type]


def test_reading_leaves_the_pil_image_as_it_was() -> None:
    image = Image.new("P", (2, 2))
    image.info["transparency"] = 0
    load_image(image)
    assert image.mode == "P" and image.info == {"transparency": 0}


# --------------------------------------------------------------------------------------------- modes and colour


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8], upright[8:, :8] = 255, 128
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = load_image(encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif))
    assert picture.shape[2:] == (16, 24)
    middles = (slice(4, None, 8), slice(4, None, 8))
    assert np.abs(pixels(picture)[middles].astype(int) - upright[middles]).max() < 8


def test_broken_exif_is_ignored() -> None:
    picture = load_image(encoded(Image.fromarray(noise()), "PNG", exif=b"Exif\0\0nonsense"))
    assert np.array_equal(pixels(picture), noise())


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "HSV", "I;16"]
)
def test_every_pil_mode_becomes_a_picture(mode: str) -> None:
    picture = load_image(Image.new(mode, (3, 2)))
    assert picture.shape == (1, 3, 2, 3) and picture.dtype == torch.float32


def test_greys_and_bits_have_equal_channels() -> None:
    grey = noise()[:, :, 0]
    assert np.array_equal(pixels(load_image(encoded(Image.fromarray(grey)))), np.repeat(grey[:, :, None], 3, 2))
    bits = load_image(encoded(Image.fromarray(grey > 127)))
    assert set(bits.unique().tolist()) == {0, 1}
    assert np.array_equal(bits[0, 1].numpy() == 1, grey > 127)


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


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_greys_are_neither_clipped_nor_reduced(kind: str) -> None:
    greys = np.array([[0, 1, 255, 256, 32767, 65535]], np.uint16)
    picture = load_image(encoded(Image.fromarray(greys), kind))
    assert torch.allclose(picture[0, 1, 0], torch.from_numpy(greys[0].astype(np.float32)) / 65535)


def test_sixteen_bits_in_mode_i_and_rotated_are_read() -> None:
    greys = Image.fromarray(np.array([[0, 30000, 65535]], np.int32))
    assert greys.mode == "I"
    assert load_image(greys)[0, 0, 0].tolist() == pytest.approx([0, 30000 / 65535, 1])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = load_image(encoded(Image.fromarray(np.array([[0, 65535]], np.uint16)), exif=exif))
    assert turned[0, 0, :, 0].tolist() == [0, 1]
    big_endian = Image.frombytes("I;16B", (2, 1), b"\0\0\xff\xff")
    assert load_image(big_endian)[0, 0, 0].tolist() == [0, 1]


@pytest.mark.parametrize("values", [[0, 70000], [-1, 5]])
def test_greys_of_32_bits_are_refused_rather_than_clipped(values: list[int]) -> None:
    with pytest.raises(ImageError, match="not 16-bit"):
        load_image(Image.fromarray(np.array([values], np.int32)))


def test_sixteen_bit_greys_follow_their_profile_and_keep_their_depth() -> None:
    greys = np.arange(20000, 20100, dtype=np.uint16)[None]
    linear = load_image(encoded(Image.fromarray(greys), "PNG", icc_profile=icc_profile(b"GRAY", 1.0)))[0, 0, 0]
    expected = 1.055 * (greys[0] / 65535) ** (1 / 2.4) - 0.055
    assert np.abs(linear.numpy() - expected).max() < 1 / 255
    assert len(linear.unique()) == 100


def test_a_sixteen_bit_grey_can_name_its_transparent_value() -> None:
    source = png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 0x1234, 0xFFFF), (b"tRNS", struct.pack(">H", 0x1234)))
    _, alpha = load_image(source, alpha="keep")
    assert alpha is not None and alpha.flatten().tolist() == [0, 1]


def test_sixteen_bit_colour_is_read() -> None:
    source = png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 0, 0x8000, 0xFFFF))
    assert pixels(load_image(source))[0, 0].tolist() == [0, 128, 255]


def test_float_tiffs_are_read_and_refused_on_another_scale() -> None:
    image = Image.fromarray(np.array([[0.0, 0.25, 1.0]], np.float32))
    assert load_image(encoded(image, "TIFF"))[0, 2, 0].tolist() == [0, 0.25, 1]
    with pytest.raises(ImageError, match="divide by 255"):
        load_image(encoded(Image.fromarray(np.array([[0.0, 255.0]], np.float32)), "TIFF"))


# ------------------------------------------------------------------------------------------------ transparency


def test_flatten_puts_the_picture_on_the_background() -> None:
    image = Image.new("RGBA", (1, 1), (255, 0, 0, 128))
    on_white = load_image(image)[0, :, 0, 0]
    on_blue = load_image(image, background=(0, 0, 1))[0, :, 0, 0]
    share = 128 / 255
    assert on_white.tolist() == pytest.approx([1, 1 - share, 1 - share])
    assert on_blue.tolist() == pytest.approx([share, 0, 1 - share])


def test_colours_under_full_transparency_never_show() -> None:
    array = noise(6, 6, 4)
    array[:, :, 3] = 0
    picture, alpha = load_image(array, 3, alpha="keep", background=(0.5, 0.25, 0.75))
    assert alpha is not None and alpha.max() == 0
    assert torch.allclose(picture, torch.tensor([0.5, 0.25, 0.75]).view(1, 3, 1, 1).expand_as(picture))
    assert (load_image(array) == 1).all()


@quick
@given(hnp.arrays(np.uint8, (11, 13), elements=st.sampled_from([0, 0, 128, 255])), st.integers(2, 10))
def test_resizing_leaves_no_fringe(mask: np.ndarray, size: int) -> None:
    array = np.zeros((11, 13, 4), np.uint8)
    array[:, :, 3] = mask
    array[mask > 0, 0] = 255  # red where visible, black below
    picture, alpha = load_image(array, size, alpha="keep", background=(0, 1, 0))
    if alpha is not None:
        visible = (alpha[0, 0] > 0.01)[None]
        assert picture[0].permute(1, 2, 0)[visible[0]].numpy() == pytest.approx(
            np.broadcast_to([1, 0, 0], (int(visible.sum()), 3)), abs=2e-3
        )
        assert alpha.min() >= 0 and alpha.max() <= 1


def test_opaque_pictures_have_no_alpha() -> None:
    for source in (noise(), noise(channels=4) | np.array([0, 0, 0, 255], np.uint8), Image.new("L", (2, 2))):
        picture, alpha = load_image(source, alpha="keep")
        assert alpha is None and picture.shape[1] == 3


def test_palette_transparency_in_both_forms_is_kept() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, alpha_one = load_image(encoded(image, transparency=1), alpha="keep")
        many, alpha_many = load_image(encoded(image, transparency=bytes([255, 0, 128])), alpha="keep")
        gif, alpha_gif = load_image(encoded(image, "GIF", transparency=1), alpha="keep")
    assert alpha_one is not None and alpha_one.flatten().tolist() == [1, 0, 1]
    assert alpha_gif is not None and alpha_gif.flatten().tolist() == [1, 0, 1]
    assert alpha_many is not None and alpha_many.flatten().tolist() == pytest.approx([1, 0, 128 / 255])
    for picture in (one, many, gif):
        assert pixels(picture)[0].tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]


def test_colour_key_transparency_is_kept() -> None:
    grey, alpha = load_image(encoded(Image.fromarray(np.array([[10, 20]], np.uint8)), transparency=10), alpha="keep")
    assert alpha is not None and alpha.flatten().tolist() == [0, 1]
    assert pixels(grey)[0, 1].tolist() == [20, 20, 20]
    rgb = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    _, alpha = load_image(encoded(rgb, transparency=(1, 2, 3)), alpha="keep")
    assert alpha is not None and alpha.flatten().tolist() == [0, 1]


def test_grey_with_alpha_and_premultiplied_modes_keep_their_colour() -> None:
    for image in (Image.new("LA", (1, 1), (100, 51)), Image.new("LA", (1, 1), (100, 51)).convert("La")):
        picture, alpha = load_image(image, alpha="keep")
        assert alpha is not None and alpha.item() == pytest.approx(0.2)
        assert np.abs(pixels(picture).astype(int) - 100).max() <= 3


@pytest.mark.parametrize("background", [(1, 1), (1, 1, 2), (float("nan"), 0, 0), "red", None, (0, 0, -1), 1])
def test_a_background_that_is_no_colour_is_refused(background: object) -> None:
    with pytest.raises(ImageError, match="background"):
        load_image(noise(), background=background)  # type: ignore[call-overload]


def test_an_unknown_alpha_or_pixel_limit_is_refused() -> None:
    with pytest.raises(ImageError, match="did you mean 'keep'"):
        load_image(noise(), alpha="kepp")  # type: ignore[call-overload]
    with pytest.raises(ImageError, match="max_pixels"):
        load_image(noise(), max_pixels=0)


# ------------------------------------------------------------------------------------------------ kinds of TIFF

TIFF_KINDS = [
    (dtype, planes, tile, compression, predictor, order, photometric, extra)
    for dtype in ("u1", "u2", "f2", "f4", "f8")
    for planes in ("contig", "separate")
    for tile, compression, predictor in (
        (None, None, False),
        ((16, 32), None, False),
        (None, "zlib", False),
        ((16, 32), "zlib", True),
    )
    for order in "<>"
    for photometric in ("minisblack", "miniswhite", "rgb")
    for extra in (None, "assocalpha", "unassalpha", "unspecified")
    if not (predictor and dtype[0] == "f")  # tifffile needs another package for it
    and not (planes == "separate" and photometric != "rgb" and extra is None)  # a single plane
]


@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4", "f8"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_every_kind_of_tiff_is_read_as_it_was_written(dtype: str, planes: str) -> None:
    generator = np.random.default_rng(0)
    for kind in (kind for kind in TIFF_KINDS if kind[:2] == (dtype, planes)):
        _, _, tile, compression, predictor, order, photometric, extra = kind
        colours = 3 if photometric == "rgb" else 1
        values = generator.random((19, 37, colours + (extra is not None)))
        if extra in ("assocalpha", "unassalpha"):
            values[..., -1] = 0.3 + 0.7 * values[..., -1]
        if extra == "assocalpha":
            values[..., :-1] *= values[..., -1:]
        top = {"u1": 255, "u2": 65535}.get(dtype, 1)
        stored = (np.round(values * top) if dtype[0] == "u" else values).astype(dtype)
        channels = stored if planes == "contig" else np.moveaxis(stored, 2, 0)
        stream = io.BytesIO()
        tifffile.imwrite(
            stream, channels.squeeze(), photometric=photometric, planarconfig=planes if values.shape[2] > 1 else None,
            tile=tile, compression=compression, predictor=predictor, byteorder=order,  # type: ignore[arg-type]
            extrasamples=[extra] if extra else None, metadata=None,
        )  # fmt: skip
        stream.seek(0)
        assert np.array_equal(tifffile.imread(stream), channels.squeeze()), "what tifffile itself reads"
        expected = stored.astype(np.float64) / top
        colour, wanted = expected[..., :colours], np.ones((19, 37, 1))
        if extra in ("assocalpha", "unassalpha"):
            wanted = expected[..., colours:]
        if photometric == "miniswhite":
            colour = 1 - colour
        if extra == "assocalpha":
            colour = np.clip(colour / wanted, 0, 1)
        stream.seek(0)
        picture, alpha = load_image(stream, alpha="keep")
        got = np.ones((19, 37, 1)) if alpha is None else alpha[0].permute(1, 2, 0).numpy()
        # Pillow reads premultiplied colour at 8 bits, rounds down, and divides by an alpha of 0.3 or more.
        slack = 0.03 if extra == "assocalpha" and dtype[0] == "u" else 2e-6
        assert np.abs(got - wanted).max() < max(2e-6, slack / 6), kind
        assert np.abs(picture[0].permute(1, 2, 0).numpy() - colour).max() < slack, kind


@pytest.mark.parametrize("dtype", ["i1", "i2", "u4", "i4"])
@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_tiffs_of_numbers_without_a_known_white_are_refused(dtype: str, photometric: str) -> None:
    for order in "<>":
        for compression in (None, "zlib"):
            stream = io.BytesIO()
            stored = np.ones((9, 9, 3) if photometric == "rgb" else (9, 9), dtype)
            tifffile.imwrite(stream, stored, photometric=photometric, byteorder=order, compression=compression)  # type: ignore[arg-type]
            stream.seek(0)
            with pytest.raises(ImageError, match="must be uint8, uint16, bool or float"):
                load_image(stream)


def test_the_page_of_a_tiff_that_is_no_thumbnail_is_read() -> None:
    main, thumbnail = noise(30, 40), noise(6, 8)
    for first, second in (((main, 0), (thumbnail, 1)), ((thumbnail, 1), (main, 0))):
        stream = io.BytesIO()
        with tifffile.TiffWriter(stream) as tiff:
            for page, kind in (first, second):
                tiff.write(page, photometric="rgb", subfiletype=kind, metadata=None)
        stream.seek(0)
        assert np.array_equal(pixels(load_image(stream)), main)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tiff:
        tiff.write(main, photometric="rgb", subifds=1, metadata=None)
        tiff.write(thumbnail, photometric="rgb", subfiletype=1, metadata=None)
    stream.seek(0)
    assert np.array_equal(pixels(load_image(stream)), main)


def test_sixteen_bit_colour_keeps_its_bits() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (5, 7, 4), dtype=np.uint16)
    values[..., 3] |= 0x8000
    for channels in (3, 4):
        source = png(7, 5, 16, 2 if channels == 3 else 6, b"".join(
            b"\0" + row.astype(">u2").tobytes() for row in values[:, :, :channels]
        ))  # fmt: skip
        picture, alpha = load_image(source, alpha="keep")
        assert np.abs(picture[0].permute(1, 2, 0).numpy() * 65535 - values[:, :, :3]).max() < 0.1
        if channels == 4:
            assert alpha is not None and np.abs(alpha[0, 0].numpy() * 65535 - values[:, :, 3]).max() < 0.1


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
def test_heic_is_called_by_its_name(brand: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"mif1heic" + bytes(60)
    with pytest.raises(NotAPictureError, match=r"HEIC.*pillow-heif.*JPEG or PNG"):
        load_image(io.BytesIO(content))


# ------------------------------------------------------------------------------------------------ memory, stderr


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


def test_an_unknown_resampling_is_refused_by_name() -> None:
    with pytest.raises(ImageError, match="did you mean 'bicubic'"):
        resize(torch.rand(1, 3, 8, 8), 4, resample="bicubc")


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


# -------------------------------------------------------------------------------------------- refused by name


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"no file .*nowhere\.png"):
        load_image(tmp_path / "nowhere.png")


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="is a folder"):
        load_image(tmp_path)


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read anything, so no chmod would do
    with pytest.raises(ImageFileError, match=r"no permission to read .*secret\.png"):
        load_image(path)


@pytest.mark.parametrize("name", ["a" * 5000 + ".png", "nul\0.png", "file.txt/below.png"])
def test_an_impossible_path_is_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ImageFileError) as caught:
        load_image(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageFileError):
        save_image(torch.zeros(1, 3, 2, 2), tmp_path / name)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(EmptyImageError, match=r"empty.png' is empty"):
        load_image(path)
    stream = encoded(Image.new("L", (1, 1)))
    stream.read()
    with pytest.raises(EmptyImageError, match="read to its end"):
        load_image(stream)


def test_text_with_a_pictures_suffix_is_not_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "letter.jpg"
    path.write_text("Dear reader,\nthis is no picture.")
    with pytest.raises(NotAPictureError, match=r"letter.jpg' is not a picture"):
        load_image(path)
    with pytest.raises(NotAPictureError):
        read_metadata(path)


def test_formats_that_start_other_programs_are_not_tried() -> None:
    with pytest.raises(NotAPictureError):
        load_image(encoded(Image.new("RGB", (4, 4)), "EPS"))


def test_a_file_open_as_text_or_closed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    save_image(torch.zeros(1, 3, 2, 2), path)
    with pytest.raises(ImageError, match="mode 'rb'"), path.open(encoding="latin-1") as stream:
        load_image(stream)
    with pytest.raises(ImageFileError, match="mode 'rb'"):
        load_image(stream)


@pytest.mark.parametrize("url", ["https://example.org/x.png", "HTTP://example.org", "data:image/png;base64,xx"])
def test_an_address_is_told_to_be_downloaded_first(url: str) -> None:
    with pytest.raises(ImageError, match="download it first"):
        load_image(url)


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


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused_by_name_and_one_is_not(kind: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(seed=seed)) for seed in range(3)]
    path = tmp_path / f"film.{kind.lower()}"
    frames[0].save(path, kind, save_all=True, append_images=frames[1:])
    with pytest.raises(AnimatedImageError, match=r"film.*animated or has several pages"):
        load_image(path)
    frames[0].save(path, kind)
    assert load_image(path).shape == (1, 3, 5, 7)


def test_the_current_frame_of_an_animation_can_be_passed_as_a_pil_image() -> None:
    frames = [Image.new("L", (2, 2), grey) for grey in (0, 255)]
    film = Image.open(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    film.seek(1)
    assert load_image(film).unique().tolist() == [1]


def test_a_phones_multi_picture_jpeg_is_its_first_picture() -> None:
    grey, white = Image.new("RGB", (8, 8), (90, 90, 90)), Image.new("RGB", (8, 8), (255, 255, 255))
    source = encoded(grey, "MPO", save_all=True, append_images=[white])
    assert np.abs(pixels(load_image(source)).astype(int) - 90).max() <= 1


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


def test_all_errors_are_image_errors_that_a_caller_can_catch() -> None:
    for kind in (
        ImageFileError,
        NotAPictureError,
        TruncatedImageError,
        AnimatedImageError,
        TooManyPixelsError,
        EmptyImageError,
    ):
        assert issubclass(kind, ImageError) and issubclass(kind, StyletutError) and issubclass(kind, ValueError)


# --------------------------------------------------------------------------------------------------- resizing


@given(sides, sides, st.integers(1, 8000), st.sampled_from(["long", "short", "rows", "pixels"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_target_size_keeps_its_promises(height: int, width: int, size: int, fit: str, upscale: bool) -> None:
    rows, cols = target_size(height, width, size, fit=fit, upscale=upscale)
    assert rows >= 1 and cols >= 1
    if not upscale:
        assert rows <= height and cols <= width
    reached = {"long": max(rows, cols), "short": min(rows, cols), "rows": rows}.get(fit)
    before = {"long": max(height, width), "short": min(height, width), "rows": height}.get(fit)
    if reached is not None and before is not None:
        assert reached == (size if upscale else min(size, before))
    else:
        assert rows * cols <= size or (rows, cols) == (height, width)
    # The aspect ratio is kept to the nearest pixel (the pixel below for a count of pixels), or a side is at its least.
    slack = 1.0 if fit == "pixels" else 0.5
    scale = max(rows / height, cols / width)
    if min(rows, cols) > 1:
        assert abs(rows - height * scale) <= slack * (1 + height / width)
        assert abs(cols - width * scale) <= slack * (1 + width / height)


@given(sides, sides, sides, sides)
@settings(max_examples=200, deadline=None)
def test_an_exact_size_never_invents_pixels_unless_asked(height: int, width: int, rows: int, cols: int) -> None:
    assert target_size(height, width, (rows, cols), upscale=True) == (rows, cols)
    got = target_size(height, width, (rows, cols))
    if rows <= height and cols <= width:
        assert got == (rows, cols)
    else:
        assert 1 <= got[0] <= height and 1 <= got[1] <= width
        assert got[0] == height or got[1] == width, "the largest that fits"
        scale = min(height / rows, width / cols)
        assert abs(got[0] - max(1, rows * scale)) <= 0.5 + 1e-6 and abs(got[1] - max(1, cols * scale)) <= 0.5 + 1e-6


@given(sides, sides, st.sampled_from(["long", "short", "rows", "pixels"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_picture_of_the_size_asked_for_stays(height: int, width: int, fit: str, upscale: bool) -> None:
    same = {"long": max(height, width), "short": min(height, width), "rows": height, "pixels": height * width}[fit]
    assert target_size(height, width, same, fit=fit, upscale=upscale) == (height, width)
    assert target_size(height, width, None, fit=fit) == (height, width)


@pytest.mark.parametrize("fit", ["long", "short", "rows", "pixels"])
@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1)])
def test_extreme_shapes_keep_a_side(fit: str, shape: tuple[int, int]) -> None:
    picture = resize(torch.rand(1, 3, *shape), 10, fit=fit)
    assert min(picture.shape[2:]) >= 1
    assert picture.shape[2] <= shape[0] and picture.shape[3] <= shape[1]


@pytest.mark.parametrize(
    "size", [0, -1, 2.0, 2.5, float("nan"), "big", True, (0, 4), (4, -4), (4, 4.0), (4,), (4, 4, 4), (), {}, [None, 1]]
)
def test_a_size_that_means_nothing_is_refused(size: object) -> None:
    picture: Any = torch.zeros(1, 3, 4, 4)
    for call in (load_image, resize):
        with pytest.raises(ImageError, match="size"):
            call(picture, cast(Any, size))


def test_sizes_by_numpy_and_from_json_are_accepted() -> None:
    assert target_size(10, 10, np.int64(5)) == (5, 5)  # type: ignore[arg-type]
    assert target_size(10, 10, [4, 3]) == (4, 3)


def test_unknown_fits_and_an_exact_number_are_refused() -> None:
    with pytest.raises(ImageError, match="did you mean 'long'"):
        target_size(4, 4, 2, fit="lang")
    with pytest.raises(ImageError, match="rows, columns"):
        target_size(4, 4, 2, fit="exact")
    with pytest.raises(EmptyImageError):
        target_size(0, 4, 2)
    with pytest.raises(ImageError, match="height"):
        target_size(-3, 4, 2)


def test_resizing_is_antialiased_and_clamped() -> None:
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1
    small = resize(stripes, 9)
    assert (small[..., 1:-1] - 0.5).abs().max() < 0.1, "stripes finer than a pixel are grey, not moire"
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1
    large = resize(edge, 40, upscale=True)
    assert large.shape == (1, 3, 40, 40) and large.min() == 0 and large.max() == 1


def test_a_constant_stays_constant_and_batches_and_dtypes_are_kept() -> None:
    batch = torch.full((2, 3, 20, 30), 0.3, dtype=torch.float64)
    small = resize(batch, 200, fit="pixels")
    assert small.dtype == torch.float64 and small.shape == (2, 3, 11, 17)
    assert torch.allclose(small, torch.tensor(0.3, dtype=torch.float64))
    assert resize(batch.to(torch.bfloat16), 7).dtype == torch.bfloat16


def test_resizing_to_the_same_size_returns_the_picture_itself() -> None:
    picture = torch.rand(1, 3, 4, 6)
    assert resize(picture, 6) is picture and resize(picture, None) is picture and resize(picture, 100) is picture


def test_resizing_is_differentiable() -> None:
    picture = torch.rand(1, 3, 8, 8, requires_grad=True)
    resize(picture, 4).sum().backward()
    assert picture.grad is not None and picture.grad.sum() == pytest.approx(48, rel=1e-4)


def test_load_image_resizes_like_resize() -> None:
    array = noise(30, 40)
    for size, fit in ((17, "long"), (17, "short"), ((9, 9), "exact"), (100, "pixels"), (11, "rows")):
        assert torch.equal(load_image(array, size, fit=fit), resize(load_image(array), size, fit=fit))


# ------------------------------------------------------------------------------------------- check_picture


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((2, 2, 3)), "must be a tensor, got ndarray: read it with load_image"),
        (torch.zeros(3, 4, 4), "add the batch axis"),
        (torch.zeros(1, 4, 4, 3), "must have shape"),
        (torch.zeros(4, 4), "must have shape"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "divide whole numbers by 255"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.int64), "divide whole numbers by their maximum"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.bool), r"torch.bool: use .float\(\)"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.complex64), "complex64: take .real"),
        (torch.zeros(1, 3, 4, 4).to(torch.float8_e4m3fn), r"float8_e4m3fn: use .float\(\)"),
        (torch.zeros(1, 3, 4, 4).to_sparse(), r"sparse_coo: use .to_dense\(\)"),
        (torch.zeros(1, 3, 4, 4, device="meta"), "meta device, which holds no values"),
        (torch.quantize_per_tensor(torch.zeros(1, 3, 4, 4), 0.1, 0, torch.quint8), r"use .dequantize\(\)"),
        (torch.full((1, 3, 2, 2), float("nan")), "NaN"),
        (torch.full((1, 3, 2, 2), float("inf")), "infinite"),
    ],
)
def test_check_picture_says_what_is_wrong(wrong: object, says: str) -> None:
    with pytest.raises(ImageError, match=f"style .*{says}"):
        check_picture(wrong, "style")
    with pytest.raises(ImageError):
        check_picture(wrong, "style", in_range=True)
    if isinstance(wrong, torch.Tensor):
        for use in (load_image, lambda picture: save_image(picture, "never.png"), to_pil, lambda each: resize(each, 2)):
            with pytest.raises(ImageError):
                use(wrong)


def test_check_picture_can_look_at_the_range() -> None:
    for wrong in (torch.full((1, 3, 2, 2), 255.0), torch.full((1, 3, 2, 2), -1.0)):
        with pytest.raises(ImageError, match=r"style holds values from .* divide by 255"):
            check_picture(wrong, "style", in_range=True)
    overshooting = torch.tensor([-0.4, 0.5, 1.4]).view(1, 3, 1, 1).requires_grad_()
    assert check_picture(overshooting, "style", in_range=True) is overshooting


def test_a_tensor_stays_a_batch_and_its_gradients_are_not_tracked() -> None:
    source = torch.rand(2, 3, 6, 8, requires_grad=True)
    picture = load_image(source * 1)
    assert not picture.requires_grad and picture.shape == (2, 3, 6, 8) and torch.equal(picture, source)
    assert load_image(source, 4).shape == (2, 3, 3, 4)


def test_check_picture_returns_a_good_picture() -> None:
    picture = torch.rand(2, 3, 1, 1) * 300
    assert check_picture(picture) is picture
    with pytest.raises(EmptyImageError, match="no pixels"):
        check_picture(torch.zeros(0, 3, 4, 4))


def test_a_tensor_on_another_scale_is_refused_by_load_image() -> None:
    with pytest.raises(ImageError, match="from 0 to 255"):
        load_image(torch.tensor([0.0, 255.0, 3.0]).view(1, 3, 1, 1))
    with pytest.raises(ImageError, match="the tensor must have shape"):
        load_image(torch.zeros(3, 4, 4))


# ----------------------------------------------------------------------------------------------------- saving


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_written_in_its_own_format_with_its_texts(tmp_path: Path, suffix: str) -> None:
    picture = load_image(np.full((20, 30, 3), [200, 100, 50], np.uint8))
    texts = {"styletut": json.dumps({"seed": 3}), "Übersicht": "naïve – 星月夜\nsecond line", "long": "x" * 5000}
    path = save_image(picture, tmp_path / f"x{suffix}", metadata=texts)
    assert path == tmp_path / f"x{suffix}"
    with Image.open(path) as image:
        assert image.format == {"p": "PNG", "j": "JPEG", "w": "WEBP", "t": "TIFF"}[suffix[1].lower()]
    assert (load_image(path) - picture).abs().max() < 0.02
    assert read_metadata(path) == texts
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "no temporary file stays"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_file_without_texts_has_none(tmp_path: Path, suffix: str) -> None:
    assert read_metadata(save_image(torch.zeros(1, 3, 2, 2), tmp_path / f"x{suffix}")) == {}


keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=79).filter(
    lambda key: key not in images.RESERVED_KEYS  # those are refused
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=1500)


@quick
@given(st.dictionaries(keys, texts, max_size=3), st.sampled_from([".png", ".jpg", ".webp", ".tif"]))
def test_texts_survive_in_every_format(tmp_path: Path, metadata: dict[str, str], suffix: str) -> None:
    path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / f"x{suffix}", metadata=metadata)
    assert read_metadata(path) == metadata
    assert load_image(path).shape == (1, 3, 2, 2)


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"": "x"}, "1 to 79"),
        ({"k" * 80: "x"}, "1 to 79"),
        ({"日本": "x"}, "Latin-1"),
        ({" led": "x"}, "1 to 79"),
        ({1: "x"}, "key"),
        ({"k": 1}, "must be text, got int"),
        ({"k": "\ud800"}, "Unicode"),
        ({"interlace": "x"}, "choose another"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_texts_that_could_not_be_read_back_are_refused(tmp_path: Path, metadata: dict, says: str, suffix: str) -> None:
    with pytest.raises(ImageError, match=says):
        save_image(torch.zeros(1, 3, 2, 2), tmp_path / f"x{suffix}", metadata=metadata)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "length"), [(".jpg", 70_000), (".png", 1_100_000), (".webp", 1_100_000)])
def test_texts_too_long_for_a_format_are_shortened_with_a_warning(tmp_path: Path, suffix: str, length: int) -> None:
    recipe = {"name": "gatys", "steps": 30, "note": "näive " * (length // 6), "layers": ["relu4_2", "y" * length]}
    metadata = {"styletut": json.dumps({"recipe": recipe, "losses": {"total": 1.5}}), "title": "x" * length, "by": "me"}
    with pytest.warns(UserWarning, match="shortened"):
        path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / f"x{suffix}", metadata=metadata)
    found = read_metadata(path)
    assert found["by"] == "me" and found["title"].startswith("xxx") and found["title"].endswith("x…")
    manifest = json.loads(found["styletut"])
    assert manifest["losses"] == {"total": 1.5}
    assert manifest["recipe"]["note"].startswith("näive ") and manifest["recipe"]["note"].endswith("…")
    assert manifest["recipe"] | {"note": "", "layers": []} == recipe | {"note": "", "layers": []}
    assert manifest["recipe"]["layers"][0] == "relu4_2"
    assert len(json.dumps(found)) > (65_000 if suffix == ".jpg" else 1_000_000) // 4, "no more than needed is lost"


def test_what_cannot_be_shortened_is_left_out(tmp_path: Path) -> None:
    metadata = {"numbers": json.dumps([0.1] * 40_000), "deep": "[" * 70_000, "by": "me"}
    with pytest.warns(UserWarning, match="shortened"):
        path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.jpg", metadata=metadata)
    found = read_metadata(path)
    assert set(found) == {"deep", "by"} and found["by"] == "me" and found["deep"].endswith("[…")


def test_texts_that_just_fit_are_kept_whole(tmp_path: Path) -> None:
    metadata = {"styletut": "x" * 64_000}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for suffix in (".jpg", ".png", ".webp", ".tif"):
            path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / f"x{suffix}", metadata=metadata)
            assert read_metadata(path) == metadata


def test_texts_by_others_do_no_harm() -> None:
    info = PngInfo()
    info.add_text("Software", "other")
    assert read_metadata(encoded(Image.new("L", (1, 1)), pnginfo=info)) == {"Software": "other"}
    for description in ("a caption", "[1, 2]", '{"a": 1}'):
        exif = Image.Exif()
        exif[0x010E] = description
        assert read_metadata(encoded(Image.new("RGB", (1, 1)), "JPEG", exif=exif)) == {}
    assert read_metadata(encoded(Image.new("RGB", (1, 1)), "JPEG", exif=b"Exif\0\0nonsense")) == {}
    hostile = PngInfo()
    hostile.add_text("transparency", "none")
    hostile.add_text("icc_profile", "none")
    assert load_image(encoded(Image.fromarray(noise()), pnginfo=hostile)).shape == (1, 3, 5, 7)


def test_read_metadata_refuses_what_load_image_refuses(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError):
        read_metadata(tmp_path / "nowhere.png")
    with pytest.raises(EmptyImageError):
        read_metadata(io.BytesIO())
    with pytest.raises(TruncatedImageError):
        read_metadata(io.BytesIO(encoded(Image.fromarray(noise()), "WEBP").getvalue()[:30]))


def test_values_are_clamped_and_rounded_never_wrapped(tmp_path: Path) -> None:
    values = torch.tensor([-3.0, -1e-6, 0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 1.01, 99.0])
    picture = values.view(1, 1, 1, -1).repeat(1, 3, 1, 1)
    saved = np.asarray(Image.open(save_image(picture, tmp_path / "x.png")))[0, :, 0]
    assert saved.tolist() == [0, 0, 0, 0, 1, 255, 255, 255, 255]
    assert np.asarray(to_pil(picture.double()))[0, :, 2].tolist() == saved.tolist()


def test_pictures_that_track_gradients_or_are_half_precision_are_saved(tmp_path: Path) -> None:
    path = save_image(torch.rand(1, 3, 4, 4, requires_grad=True), tmp_path / "x.png")
    save_image(torch.rand(1, 3, 4, 4, dtype=torch.bfloat16), path)
    assert load_image(path).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_picture_that_is_not_finite_is_never_written(tmp_path: Path, value: float) -> None:
    picture = torch.zeros(1, 3, 2, 2)
    picture[0, 1, 1, 1] = value
    with pytest.raises(ImageError, match="NaN"):
        save_image(picture, tmp_path / "x.png")
    with pytest.raises(ImageError, match="NaN"):
        to_pil(picture)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_is_refused(tmp_path: Path) -> None:
    for call in (to_pil, lambda batch: save_image(batch, tmp_path / "x.png")):
        with pytest.raises(ImageError, match="batch of 2"):
            call(torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize("name", ["x", "x.bmp", "x.png.zip", ".png"])
def test_another_suffix_lists_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"suffix.*\.png, \.jpg, \.jpeg, \.webp, \.tif, \.tiff"):
        save_image(torch.zeros(1, 3, 2, 2), tmp_path / name)


@pytest.mark.parametrize("quality", [0, 101, 9.5, "best"])
def test_a_quality_that_means_nothing_is_refused(tmp_path: Path, quality: object) -> None:
    with pytest.raises(ImageError, match="quality"):
        save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.jpg", quality=quality)  # type: ignore[arg-type]


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(ImageError, match="expected a path to save to, got NoneType"):
        save_image(torch.zeros(1, 3, 2, 2), None)  # type: ignore[arg-type]


def test_quality_matters(tmp_path: Path) -> None:
    picture = load_image(noise(40, 40))
    for suffix in (".jpg", ".webp"):
        low = save_image(picture, tmp_path / f"low{suffix}", quality=5)
        high = save_image(picture, tmp_path / f"high{suffix}", quality=95)
        assert low.stat().st_size < high.stat().st_size


@pytest.mark.parametrize(("suffix", "side"), [(".jpg", 65_501), (".webp", 16_384)])
def test_sides_too_long_for_a_format_are_told_to_go_elsewhere(tmp_path: Path, suffix: str, side: int) -> None:
    for refuse in (check_savable, lambda path, size: save_image(torch.zeros(1, 3, *size), path)):
        with pytest.raises(ImageError, match=r"pixels a side.*\.png"):
            refuse(tmp_path / f"x{suffix}", (1, side))
    assert check_savable(f"x{suffix}", (1, side - 1)) in ("JPEG", "WEBP") and check_savable("x.png", (1, side)) == "PNG"
    assert save_image(torch.zeros(1, 3, 1, side - 1), tmp_path / f"x{suffix}").exists()


def test_whether_a_format_can_hold_a_picture_is_told_before_there_is_one(tmp_path: Path) -> None:
    assert check_savable(tmp_path / "none" / "x.tif", bits=16) == "TIFF"
    assert check_savable("X.JPEG") == "JPEG"
    with pytest.raises(ImageError, match="unknown suffix"):
        check_savable("x.gif", (2, 2))
    for bits in (0, 12, True, "8", 16.5):
        with pytest.raises(ImageError, match="bits must be 8 or 16"):
            check_savable("x.png", bits=bits)  # type: ignore[arg-type]
    for name in ("x.jpg", "x.webp"):
        with pytest.raises(ImageError, match=r"8 bits a colour.*\.png or \.tif"):
            check_savable(name, bits=16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("transparent", [False, True])
def test_sixteen_bits_are_written_with_alpha_and_texts(tmp_path: Path, suffix: str, transparent: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 9, 11, generator=generator)
    alpha = torch.rand(1, 1, 9, 11, generator=generator) if transparent else None
    texts = {"styletut": json.dumps({"seed": 3}), "title": "naïve – 星月夜", "long": "x" * 5000}
    path = save_image(picture, tmp_path / f"x{suffix}", alpha=alpha, metadata=texts, bits=16)
    wanted = torch.cat([picture] if alpha is None else [picture, alpha], 1)[0].permute(1, 2, 0).double() * 65535
    if suffix == ".tif":
        stored = tifffile.imread(path)
    else:  # by hand: each line begins with its filter, 2 for the difference from the line above
        content = path.read_bytes()
        start = content.index(b"IDAT")
        length = struct.unpack(">I", content[start - 4 : start])[0]
        lines = np.frombuffer(zlib.decompress(content[start + 4 : start + 4 + length]), np.uint8).reshape(9, -1)
        assert set(lines[:, 0]) == {2}
        stored = np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8).view(">u2").reshape(9, 11, -1)
    assert stored.shape == wanted.shape and stored.dtype.itemsize == 2
    assert np.abs(stored - wanted.numpy()).max() <= 0.51
    assert read_metadata(path) == texts
    with Image.open(path) as image:
        assert image.mode == ("RGBA" if transparent else "RGB")
    _, mask = load_image(path, alpha="keep")
    assert (mask is not None) == transparent


def test_alpha_is_put_back_or_flattened_on_white_in_a_jpeg(tmp_path: Path) -> None:
    picture, alpha = torch.zeros(1, 3, 8, 8), torch.full((1, 1, 8, 8), 0.2)
    for suffix in (".png", ".webp", ".tif"):
        _, again = load_image(save_image(picture, tmp_path / f"x{suffix}", alpha=alpha), alpha="keep")
        assert again is not None and again.numpy() == pytest.approx(0.2, abs=1e-6)
    flat, none = load_image(save_image(picture, tmp_path / "x.jpg", alpha=alpha), alpha="keep")
    assert none is None and flat.numpy() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    "alpha",
    [
        torch.zeros(1, 1, 4, 5),
        torch.zeros(4, 4),
        "no",
        torch.full((1, 1, 4, 4), float("nan")),
        torch.ones(1, 1, 4, 4).int(),
    ],
)
def test_alpha_that_does_not_fit_is_refused(tmp_path: Path, alpha: object) -> None:
    with pytest.raises(ImageError, match="alpha must"):
        save_image(torch.zeros(1, 3, 4, 4), tmp_path / "x.png", alpha=alpha)  # type: ignore[arg-type]


def test_a_missing_folder_and_a_path_below_a_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "nowhere" / "x.png", tmp_path / "file" / "x.png"):
        with pytest.raises(ImageFileError, match="no folder"):
            save_image(torch.zeros(1, 3, 2, 2), path)


def test_a_folder_as_target_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    with pytest.raises(ImageFileError, match="is a folder"):
        save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.png")


def test_an_existing_file_is_kept_when_overwriting_is_off(tmp_path: Path) -> None:
    path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.png", overwrite=False)
    old = path.read_bytes()
    with pytest.raises(ImageFileError, match="overwrite=True"):
        save_image(torch.ones(1, 3, 2, 2), path, overwrite=False)
    assert path.read_bytes() == old
    save_image(torch.ones(1, 3, 2, 2), path)
    assert load_image(path).min() == 1


def test_a_write_protected_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.png")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ImageFileError, match="write-protected"):
        save_image(torch.ones(1, 3, 2, 2), path)
    assert load_image(path).max() == 0


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_midway_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, failure: BaseException
) -> None:
    path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.png")
    old = path.read_bytes()

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(os, step, fail)
    expected = ImageFileError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        save_image(torch.ones(1, 3, 2, 2), path)
    if isinstance(failure, OSError):
        assert "No space left on device" in str(caught.value) and "x.png" in str(caught.value)
    assert path.read_bytes() == old
    assert [each.name for each in tmp_path.iterdir()] == ["x.png"]


def test_a_folder_that_may_not_be_written_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageFileError, match="Permission denied"):
        save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.png")


def test_an_encoder_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.png")
    old = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("encoder error -2")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(ImageFileError, match="encoder error -2"):
        save_image(torch.ones(1, 3, 2, 2), path)
    assert path.read_bytes() == old


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_follow_the_umask_or_the_old_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = save_image(torch.zeros(1, 3, 2, 2), tmp_path / "x.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    save_image(torch.ones(1, 3, 2, 2), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
def test_a_symbolic_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    precious = save_image(torch.zeros(1, 3, 2, 2), tmp_path / "precious.png")
    link = tmp_path / "link.png"
    for leads_to in (precious, tmp_path / "nowhere.png"):
        link.unlink(missing_ok=True)
        link.symlink_to(leads_to)
        with pytest.raises(ImageFileError, match="exists already"):
            save_image(torch.ones(1, 3, 2, 2), link, overwrite=False)
        save_image(torch.ones(1, 3, 2, 2), link)
        assert not link.is_symlink() and load_image(link).min() == 1
    assert load_image(precious).max() == 0 and not (tmp_path / "nowhere.png").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageFileError, match="is not a file"):
        save_image(torch.ones(1, 3, 2, 2), tmp_path / "pipe.png")
    assert (tmp_path / "pipe.png").is_fifo()


def test_a_file_that_appears_while_the_picture_is_encoded_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    encode = Image.Image.save

    def encode_slowly(self: Image.Image, *arguments: Any, **options: Any) -> None:
        encode(self, *arguments, **options)
        path.write_bytes(b"mine")

    monkeypatch.setattr(Image.Image, "save", encode_slowly)
    with pytest.raises(ImageFileError, match="exists already"):
        save_image(torch.ones(1, 3, 2, 2), path, overwrite=False)
    assert path.read_bytes() == b"mine" and [each.name for each in tmp_path.iterdir()] == ["x.png"]


def test_one_pixel_goes_there_and_back(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        picture = load_image(save_image(torch.full((1, 3, 1, 1), 0.6), tmp_path / f"x{suffix}"), 512)
        assert picture.shape == (1, 3, 1, 1) and picture.numpy() == pytest.approx(0.6, abs=0.02)


def test_every_public_name_is_documented() -> None:
    for name in (
        "load_image",
        "save_image",
        "read_metadata",
        "resize",
        "target_size",
        "to_pil",
        "from_pil",
        "check_picture",
        "check_savable",
        "check_target",
    ):
        assert "Raises:" in (getattr(images, name).__doc__ or "")
