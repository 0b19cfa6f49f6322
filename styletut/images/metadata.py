"""Texts that are stored in a picture's file."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..errors import ImageError
from .decoders import quiet
from .decoding import open_pil
from .sources import opened

DESCRIPTION = 0x010E  # EXIF's ImageDescription
_LONGEST_TEXT = {"JPEG": 65_000}  # bytes: an EXIF block in a JPEG ends at 64 KiB
_TEXT = 1_000_000  # bytes, elsewhere: readers refuse longer compressed texts in a PNG, as a guard against bombs
# Texts under these names make Pillow misread the picture itself.
RESERVED_KEYS = {"interlace", "transparency", "icc_profile", "exif", "Raw profile type exif"}


def read_metadata(source: Any) -> dict[str, str]:
    """Read the texts that ``save_image(..., metadata=...)`` wrote, without decoding the picture.

    From a PNG all text chunks before the pixels, whoever wrote them; from JPEG, WebP and TIFF the JSON in EXIF's
    ImageDescription. A picture without any gives an empty dictionary.

    Raises:
        ImageError: missing, empty, damaged or not a picture, as ``load_image``.
    """
    with opened(source) as (stream, name):
        image, _ = open_pil(stream, name)
        if image.format == "PNG":
            return {str(key): str(value) for key, value in image.info.items() if isinstance(value, str)}
        texts = None
        with suppress(Exception), quiet():  # broken EXIF, or a description by someone else: no texts of ours
            texts = json.loads(image.getexif()[DESCRIPTION])
    if not isinstance(texts, dict):
        return {}
    return {key: value for key, value in texts.items() if isinstance(value, str)}


def fitting_texts(metadata: Mapping[str, str], kind: str) -> dict[str, str]:
    """The texts, checked, and shortened where the format has no room for them."""
    for key, value in metadata.items():
        if not isinstance(key, str) or not re.fullmatch(r"[!-~\xa1-\xff]([ -~\xa1-\xff]{0,77}[!-~\xa1-\xff])?", key):
            raise ImageError(f"a metadata key must be 1 to 79 printable Latin-1 characters, got {key!r}")
        if key in RESERVED_KEYS:
            raise ImageError(f"the metadata key {key!r} means something else in a picture file: choose another")
        if not isinstance(value, str):
            raise ImageError(f"metadata must be text, got {type(value).__name__} for {key!r}: use json.dumps()")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ImageError(f"the metadata for {key!r} is not valid Unicode text") from None
    texts, room = dict(metadata), _LONGEST_TEXT.get(kind, _TEXT)
    if len(json.dumps(texts)) <= room:
        return texts
    warnings.warn(f"{kind} holds {room:,} bytes of metadata here: longer texts were shortened", stacklevel=3)
    longest = room
    while len(json.dumps(texts)) > room and longest > 8:
        longest //= 2
        texts = {key: _shortened(value, longest) for key, value in metadata.items()}
    while len(json.dumps(texts)) > room:  # what is long is not text: numbers, or very many entries
        del texts[max(texts, key=lambda key: len(texts[key]))]
    return texts


def _shortened(text: str, longest: int) -> str:
    """The text cut to so many characters; in JSON each text inside is cut, so that it stays JSON."""

    def cut(value: Any) -> Any:
        if isinstance(value, str):
            return value if len(value) <= longest else value[:longest] + "…"
        if isinstance(value, list):
            return [cut(entry) for entry in value]
        return {key: cut(entry) for key, entry in value.items()} if isinstance(value, dict) else value

    try:
        value = json.loads(text)
        return json.dumps(cut(value)) if isinstance(value, (dict, list)) else cut(text)
    except (ValueError, RecursionError):
        return cut(text)
