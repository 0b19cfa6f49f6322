"""Files of torch: what is damaged or foreign is refused, in words, before torch believes it."""

from __future__ import annotations

import io
import pickle
import random
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from styletut import archives

STATE: dict[str, Any] = {"weight": torch.arange(600.0).view(20, 30), "bias": torch.ones(20), "format": 2}


def saved(path: Path, value: object, *, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def same(found: object) -> bool:
    return (
        isinstance(found, dict)
        and list(found) == list(STATE)
        and found["format"] == 2
        and all(torch.equal(found[k], STATE[k]) for k in ("weight", "bias"))
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saved_is_read(zipped: bool, tmp_path: Path) -> None:
    assert same(archives.load(saved(tmp_path / "a.pth", STATE, zipped=zipped)))


def test_a_flipped_bit_never_gives_other_values(tmp_path: Path) -> None:
    """Where it changes nothing that counts, as the date of a part, the file may still be read."""
    path = saved(tmp_path / "a.pth", STATE)
    sound, draw, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(400):
        damaged = bytearray(sound)
        damaged[draw.randrange(len(sound))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            assert same(archives.load(path))
        except ValueError as error:
            assert str(error).startswith("is ") and "\n" not in str(error)
            refused += 1
    assert refused > 200  # the tensors alone are half of the file


@pytest.mark.parametrize("part", ["data/0", "data/1", "data.pkl", "version"])
def test_a_flipped_bit_in_any_part_is_refused(part: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", STATE)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        inside = archive.read(f"a/{part}")
    content[content.index(inside) + len(inside) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: a part of it does not have the checksum"):
        archives.load(path)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    for zipped in (True, False):
        path = saved(tmp_path / "a.pth", STATE, zipped=zipped)
        sound = path.read_bytes()
        for length in range(1, len(sound) - 1, 97):
            path.write_bytes(sound[:length])
            with pytest.raises(ValueError, match=r"^is "):
                archives.load(path)


def zip_of(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(1 << 20))
    return buffer.getvalue()


FOREIGN = {
    "web page": (b"\n<!DOCTYPE html>\n<html><title>404</title></html>", "is a web page, .*download the file itself"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "is a Git LFS pointer"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a picture"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(100), "is a picture"),
    "text": (b"not weights at all\n", "is a text"),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file"),
    "safetensors": (b'\x10\0\0\0\0\0\0\0{"a":1}         ', r"is a safetensors file: .*\.safetensors"),
    "pickle": (pickle.dumps({"a": 1}), "is a Python pickle that torch did not write"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "is a compressed archive: unpack it"),
    "empty": (b"", "is empty"),
    "noise": (bytes(range(256)) * 3, "is damaged, or nothing that torch wrote"),
    "zip": (zip_of(document=b"words"), "is a zip archive that torch did not write"),
    "bomb": (bomb(), "is a zip archive that torch did not write"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_called_by_its_name(kind: str, tmp_path: Path) -> None:
    content, message = FOREIGN[kind]
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        archives.load(path)
    assert str(caught.value).isascii() and str(caught.value).isprintable()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", ["module", "code"])
def test_objects_are_refused_without_advice_to_load_them_all_the_same(kind: str, zipped: bool, tmp_path: Path) -> None:
    value: object = nn.Linear(2, 2) if kind == "module" else {"a": partial(Path.touch, tmp_path / "sprung")}
    with pytest.raises(ValueError, match="only tensors and plain values are read") as caught:
        archives.load(saved(tmp_path / "a.pth", value, zipped=zipped))
    assert "weights_only" not in str(caught.value) and "trust" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_a_torchscript_program_is_refused_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch.jit is old
        torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "a.pt"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="is a TorchScript program: a state dict is needed"):
            archives.load(tmp_path / "a.pt")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        archives.load(tmp_path / "absent.pth")
