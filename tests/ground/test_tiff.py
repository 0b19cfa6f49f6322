"""Kinds of TIFF."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from ground_helpers import encoded, noise, pixels, png
from PIL import Image

from styletut.errors import ImageError
from styletut.images import load_image


def test_float_tiffs_are_read_and_refused_on_another_scale() -> None:
    image = Image.fromarray(np.array([[0.0, 0.25, 1.0]], np.float32))
    assert load_image(encoded(image, "TIFF"))[0, 2, 0].tolist() == [0, 0.25, 1]
    with pytest.raises(ImageError, match="divide by 255"):
        load_image(encoded(Image.fromarray(np.array([[0.0, 255.0]], np.float32)), "TIFF"))


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
