"""Texts in picture files are read back as they were written."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from ground_helpers import encoded, noise, quick
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from styletut import images
from styletut.errors import ImageError
from styletut.images import EmptyImageError, ImageFileError, TruncatedImageError, load_image, read_metadata, save_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".PNG")


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
