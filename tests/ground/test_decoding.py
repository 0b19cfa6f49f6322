"""Formats, modes and depths of picture files: what is read, and what is refused by name."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ground_helpers import encoded, noise, pixels, png
from PIL import Image

from styletut.errors import ImageError
from styletut.images import AnimatedImageError, NotAPictureError, load_image, read_metadata


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF"])
def test_every_format_that_is_named_is_read(kind: str) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow was built without {kind}")
    picture = load_image(encoded(Image.new("RGB", (12, 8), (200, 100, 50)), kind))
    assert picture.shape == (1, 3, 8, 12)
    assert np.abs(pixels(picture).astype(int) - [200, 100, 50]).max() <= 4


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


def test_a_sixteen_bit_grey_can_name_its_transparent_value() -> None:
    source = png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 0x1234, 0xFFFF), (b"tRNS", struct.pack(">H", 0x1234)))
    _, alpha = load_image(source, alpha="keep")
    assert alpha is not None and alpha.flatten().tolist() == [0, 1]


def test_sixteen_bit_colour_is_read() -> None:
    source = png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 0, 0x8000, 0xFFFF))
    assert pixels(load_image(source))[0, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
def test_heic_is_called_by_its_name(brand: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"mif1heic" + bytes(60)
    with pytest.raises(NotAPictureError, match=r"HEIC.*pillow-heif.*JPEG or PNG"):
        load_image(io.BytesIO(content))


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
