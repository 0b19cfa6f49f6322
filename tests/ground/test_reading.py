"""`load_image`: every kind of source, transparency, and the round trip to a file."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from ground_helpers import encoded, noise, pixels, quick
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from styletut import images
from styletut.errors import ImageError, StyletutError
from styletut.images import (
    AnimatedImageError,
    EmptyImageError,
    ImageFileError,
    NotAPictureError,
    TooManyPixelsError,
    TruncatedImageError,
    from_pil,
    load_image,
    resize,
    save_image,
)


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


def test_load_image_resizes_like_resize() -> None:
    array = noise(30, 40)
    for size, fit in ((17, "long"), (17, "short"), ((9, 9), "exact"), (100, "pixels"), (11, "rows")):
        assert torch.equal(load_image(array, size, fit=fit), resize(load_image(array), size, fit=fit))


def test_a_tensor_on_another_scale_is_refused_by_load_image() -> None:
    with pytest.raises(ImageError, match="from 0 to 255"):
        load_image(torch.tensor([0.0, 255.0, 3.0]).view(1, 3, 1, 1))
    with pytest.raises(ImageError, match="the tensor must have shape"):
        load_image(torch.zeros(3, 4, 4))


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
