"""Files that `torch.save` wrote, checked before torch reads them, and what else a file is."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import BinaryIO

import torch

_ZIP = b"PK\x03\x04"
_LEGACY = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # the number that `torch.save` began with before 1.6
_KINDS = (
    (b"version https://git-lfs", "a Git LFS pointer in place of the file: fetch the file itself with git lfs pull"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "a picture or a sound"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
    (b"\x89HDF", "an HDF5 file, as Keras writes them"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a compressed archive: unpack it"),
    (b"BZh", "a compressed archive: unpack it"),
    (b"\xfd7zXZ", "a compressed archive: unpack it"),
    (b"7z\xbc\xaf", "a compressed archive: unpack it"),
    (b"Rar!", "a compressed archive: unpack it"),
    (b"\x80", "a Python pickle that torch did not write; pickles can run code, so it is not opened"),
)


def load(path: str | os.PathLike[str]) -> object:
    """What `torch.save` wrote to ``path``, on the CPU; only tensors and plain values are ever read.

    The file's checksums (CRC-32, which torch writes and never reads) are checked first, piece by piece. Files of torch
    before 1.6 have none.

    Raises:
        ValueError: torch did not write it, it is damaged, or it holds more than tensors and plain values; the message
            is a clause without a subject (``is a web page: ...``), and quotes nothing of the file.
        OSError: it cannot be opened or read.
        MemoryError: there is not enough of it.
    """
    with Path(path).open("rb") as file:
        head = file.read(512)
        zipped = head.startswith(_ZIP)
        if zipped:
            _check_zip(file)
        elif _LEGACY not in head[:32]:
            raise ValueError(f"is {what_is(head)}")
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about protocols and other details of the file
                return torch.load(file, map_location="cpu", weights_only=True)
        except (MemoryError, OSError):
            raise
        except pickle.UnpicklingError:
            what = "holds Python objects beside tensors" if zipped else "is damaged or holds Python objects"
        except Exception as error:  # torch and the unpickler below it raise many kinds
            if zipped and "allocate memory" in str(error):
                raise MemoryError from None
            raise ValueError("is damaged, or torch did not write it") from None
    raise ValueError(f"{what}; those can run code, so only tensors and plain values are read")


def what_is(head: bytes) -> str:
    """What a file is that begins with ``head``, for people: ``a web page: download the file itself``."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")):
        return "a web page, saved in place of the file: download the file itself"
    if head[8:9] == b"{":
        return "a safetensors file: give it a name that ends in .safetensors"
    if head.startswith(_ZIP):
        return "a zip archive"
    for begins, kind in _KINDS:
        if head.startswith(begins):
            return kind
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return "a text"
    return "damaged, or nothing that torch wrote"


def _check_zip(file: BinaryIO) -> None:
    """Compare all parts of the file with their checksums, a piece at a time."""
    bad = None
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            names = {part.filename.rpartition("/")[2] for part in parts}
            program = "constants.pkl" in names
            # torch never compresses a state dict: what is compressed may grow without end.
            foreign = "data.pkl" not in names or any(part.compress_type for part in parts)
            if not program and not foreign:
                bad = archive.testzip()
    except Exception:  # zipfile raises many kinds for damaged headers
        raise ValueError("is damaged or cut short: get it again") from None
    if program:
        raise ValueError("is a TorchScript program: a state dict is needed, torch.save(model.state_dict(), path)")
    if foreign:
        raise ValueError("is a zip archive that torch did not write")
    if bad is not None:
        raise ValueError("is damaged: a part of it does not have the checksum that was written with it; get it again")
