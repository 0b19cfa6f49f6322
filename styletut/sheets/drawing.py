"""A contact sheet as one picture: pictures in rows and columns, with captions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..errors import printable

MARGIN, GAP = 16, 6  # pixels: around a cell, and between the parts of a caption
NARROWEST = 240  # pixels that a caption needs
THUMBNAIL = 48
LABEL, SMALL = 15, 11  # pixels: the height of the letters
LONGEST = 5  # lines of a command; all of it is in the file's texts
INK, FAINT, EMPTY = "#1a1a1a", "#555555", "#e8e8e8"


@dataclass(frozen=True)
class Tile:
    """A picture and its caption.

    Attributes:
        picture: the picture at its own size; None for an empty place.
        label: lines in large letters.
        small: a text in small letters.
        note: what is written into an empty place, or beneath the label.
        thumbnail: a small picture beside the label.
    """

    picture: Image.Image | None
    label: Sequence[str]
    small: str = ""
    note: str = ""
    thumbnail: Image.Image | None = None


def draw(rows: Sequence[Sequence[Tile]]) -> Image.Image:
    """The sheet; pictures are not resized, so that their grain can be judged."""
    tiles = [tile for row in rows for tile in row]
    sizes = [tile.picture.size for tile in tiles if tile.picture is not None]
    width = max([NARROWEST, *(columns for columns, _ in sizes)])
    tallest = max([THUMBNAIL, *(height for _, height in sizes)])
    pictures = [[t.picture or _empty(t.note, width, tallest) for t in row] for row in rows]
    captions = [[_caption(tile, width) for tile in row] for row in rows]
    heights = [max(picture.height for picture in row) for row in pictures]
    steps = [h + max(c.height for c in row) + 2 * MARGIN for h, row in zip(heights, captions, strict=True)]
    columns = max(map(len, rows))
    sheet = Image.new("RGB", (columns * (width + MARGIN) + MARGIN, sum(steps) + MARGIN), "white")
    top = MARGIN
    for row, drawn, height, step in zip(pictures, captions, heights, steps, strict=True):
        for i, (picture, caption) in enumerate(zip(row, drawn, strict=True)):
            left = MARGIN + i * (width + MARGIN)
            sheet.paste(picture, (left, top + height - picture.height))  # above its caption
            sheet.paste(caption, (left, top + height + GAP))
        top += step
    return sheet


def _caption(tile: Tile, width: int) -> Image.Image:
    """The label, with the thumbnail at its left, and the text in small letters beneath."""
    thumbnail = tile.thumbnail
    indent = 0 if thumbnail is None else thumbnail.width + GAP
    lines = [line for text in tile.label for line in wrapped(text, _font("DejaVuSans-Bold", LABEL), width - indent)]
    if tile.note and tile.picture is not None:
        lines += wrapped(tile.note, _font("DejaVuSans-Bold", LABEL), width - indent)
    small = wrapped(tile.small, _font("DejaVuSansMono", SMALL), width)
    if len(small) > LONGEST:
        small = [*small[: LONGEST - 1], "…"]
    head = max(len(lines) * (LABEL + GAP), 0 if thumbnail is None else thumbnail.height + GAP)
    caption = Image.new("RGB", (width, max(1, head + len(small) * (SMALL + 3))), "white")
    pen = ImageDraw.Draw(caption)
    if thumbnail is not None:
        caption.paste(thumbnail, (0, 0))
    for i, line in enumerate(lines):
        pen.text((indent, i * (LABEL + GAP)), line, INK, _font("DejaVuSans-Bold", LABEL))
    for i, line in enumerate(small):
        pen.text((0, head + i * (SMALL + 3)), line, FAINT, _font("DejaVuSansMono", SMALL))
    return caption


def _empty(note: str, width: int, height: int) -> Image.Image:
    """The place of a picture that is missing, and why it is."""
    font = _font("DejaVuSans", SMALL)
    lines = wrapped(note, font, width - 2 * GAP)
    place = Image.new("RGB", (width, max(height, len(lines) * (SMALL + 3) + 2 * GAP)), EMPTY)
    pen = ImageDraw.Draw(place)
    for i, line in enumerate(lines):
        pen.text((GAP, GAP + i * (SMALL + 3)), line, INK, font)
    return place


@functools.cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """matplotlib brings fonts along for most alphabets; Pillow's own has no letter with an accent."""
    return ImageFont.truetype(_font_file(name), size)


@functools.cache
def _font_file(name: str) -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf")


@functools.cache
def _letters() -> frozenset[int]:
    """What the font can show."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(_font_file("DejaVuSansMono")).get_charmap())


def legible(text: str) -> str:
    r"""``text`` in letters that the font has; others are written as an escape.

    >>> print(legible("café Жук 星.jpg"))
    café Жук \u661f.jpg
    """
    text = printable(text)
    return "".join(c if ord(c) in _letters() else c.encode("unicode_escape").decode() for c in text)


def wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Lines of at most ``width`` pixels, broken at spaces, and within a word that is wider than a line."""
    lines: list[str] = []
    line = ""
    for word in legible(text).split():
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= width:
            line = longer
            continue
        lines += [line] if line else []
        while font.getlength(word) > width:
            end = next(n for n in range(len(word), 0, -1) if n == 1 or font.getlength(word[:n]) <= width)
            lines, word = [*lines, word[:end]], word[end:]
        line = word
    return [*lines, line] if line else lines
