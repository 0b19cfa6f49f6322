"""`save_image`: formats, depths and transparency, and that saving never harms a file."""

from __future__ import annotations

import json
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from ground_helpers import noise
from PIL import Image

from styletut.errors import ImageError
from styletut.images import ImageFileError, check_savable, load_image, read_metadata, save_image, to_pil


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
