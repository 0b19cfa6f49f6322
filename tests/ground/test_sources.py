"""Paths and open files: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ground_helpers import encoded
from PIL import Image

from styletut.errors import ImageError
from styletut.images import EmptyImageError, ImageFileError, load_image, save_image


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
