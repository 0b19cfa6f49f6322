"""Interactive figures: pictures, style and script in one piece of HTML, which needs no kernel."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ..files import write_atomically
from . import markup
from .pictures import FigureError, as_picture, as_pictures, evaluations_label, evenly_spaced, one_each, snapshots


@dataclass(frozen=True)
class HTMLFigure:
    """A self-contained piece of HTML: pictures, style and script in one string, nothing to download.

    Notebooks show it by themselves; `save` writes it as a page of its own. The same pictures always give the
    same HTML, so running a notebook again changes nothing.
    """

    __module__ = "styletut.teach.figures"  # where readers find it

    html: str = field(repr=False)
    alt: str

    def _repr_html_(self) -> str:
        return self.html

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page that opens in any browser, replacing `path` only once it is complete."""
        path = Path(path)
        page = markup.fill("page.html", {"TITLE": html.escape(self.alt), "FIGURE": self.html})
        write_atomically(path, page.encode())
        return path


def divider(
    before: Any,
    after: Any,
    labels: Sequence[str] = ("before", "after"),
    alt: str | None = None,
    *,
    max_width: int = 720,
    max_bytes: int = 400_000,
) -> HTMLFigure:
    """Two pictures on one spot with a divider to drag, or to move with the arrow keys.

    `before` and `after` are pictures of the same shape, or a `Result` each; `before` is on the left. `alt` says
    in a sentence what there is to see, for those who cannot. Neither side is shown larger than `max_width`
    pixels, and the HTML stays below `max_bytes`. Without scripts and in print, the two stand side by side.
    Raises `FigureError` when the shapes differ by more than rounding.
    """
    names = one_each(labels, 2, "labels")
    pictures = [as_picture(before, names[0] or "before"), as_picture(after, names[1] or "after")]
    shapes = [picture.width / picture.height for picture in pictures]
    if max(shapes) > 1.03 * min(shapes):
        sizes = " and ".join(f"{picture.height} x {picture.width}" for picture in pictures)
        raise FigureError(f"a divider needs two pictures of one shape, not {sizes}: crop or resize one first")
    alt = alt or f"Two pictures under one movable divider: {names[0]} on the left, {names[1]} on the right."
    return _build("divider", pictures, names, alt, max_width, max_bytes)


def frames(
    pictures: Any,
    labels: Sequence[str] | None = None,
    alt: str | None = None,
    *,
    count: int | None = None,
    start: int = 0,
    max_width: int = 720,
    max_bytes: int = 400_000,
) -> HTMLFigure:
    """Pictures under a slider, with a play button: iterations, layers, depths or weights.

    `pictures` is a batch, a sequence of pictures, or a `Result`, whose snapshots label themselves. `labels`
    (one each) stand below; `count` keeps that many, evenly spaced; `start` is the frame to open with, -1 the
    last. Nothing moves by itself, and the play button is gone where the reader has asked for less motion.
    Without scripts and in print, all frames are shown. Raises `FigureError` when there are fewer than two
    pictures, or too many for `max_bytes`.
    """
    if hasattr(pictures, "snapshots"):
        pairs = snapshots(pictures)
        labels = [evaluations_label(done) for done, _ in pairs] if labels is None else labels
        pictures = [picture for _, picture in pairs]
    images = as_pictures(pictures, "pictures")
    if len(images) < 2:
        raise FigureError(f"a slider needs at least two pictures, not {len(images)}")
    named = one_each(labels or [f"{i} of {len(images)}" for i in range(1, len(images) + 1)], len(images), "labels")
    chosen = evenly_spaced(len(images), count)
    images, named = [images[i] for i in chosen], [named[i] for i in chosen]
    at = _start(start, len(images), "frames")
    alt = alt or f"{len(images)} pictures under a slider, from {named[0]} to {named[-1]}."
    return _build("frames", images, named, alt, max_width, max_bytes, at)


def hover(
    pictures: Any,
    labels: Sequence[str],
    alt: str | None = None,
    *,
    start: int = 0,
    max_width: int = 720,
    max_bytes: int = 400_000,
) -> HTMLFigure:
    """One large picture and a row of named buttons: pointing at a name shows its picture, choosing it keeps it.

    `pictures` is a batch or a sequence of pictures, drawn in one box; `labels`, one each, name the buttons,
    which are chosen with a click, a tap or the arrow keys. `start` is the picture to open with, -1 the last.
    Without scripts and in print, all are shown with their names. Raises `FigureError` when there are fewer
    than two pictures, the labels do not match, or `max_bytes` is too little.
    """
    images = as_pictures(pictures, "pictures")
    if len(images) < 2:
        raise FigureError(f"a choice needs at least two pictures, not {len(images)}")
    named = one_each(labels, len(images), "labels")
    at = _start(start, len(images), "pictures")
    alt = alt or f"{len(images)} pictures to choose from by name: {', '.join(named)}."
    return _build("hover", images, named, alt, max_width, max_bytes, at)


def grid(
    pictures: Any,
    rows: Sequence[Any],
    columns: Sequence[Any],
    names: tuple[str, str] = ("rows", "columns"),
    alt: str | None = None,
    *,
    start: tuple[int, int] = (0, 0),
    max_width: int = 720,
    max_bytes: int = 400_000,
) -> HTMLFigure:
    """Two parameters at once: a picture for every pair of values, under two sliders and a small map of them all.

    `pictures[row][column]` is the picture for the values `rows[row]` and `columns[column]` of the two
    parameters in `names`; all are drawn in one box. `start` is the (row, column) to open with. Pointing at
    the map, or a tap on it, chooses too. Without scripts and in print, all pictures are shown as a table.
    Raises `FigureError` when rows differ in length, values do not match the pictures, there are fewer than
    two pictures, or `max_bytes` is too little.

    >>> import torch
    >>> table = [[torch.zeros(1, 3, 8, 12), torch.ones(1, 3, 8, 12)]] * 3
    >>> grid(table, [0.1, 1, 10], ["max", "average"], ("style weight", "pooling")).alt
    '6 pictures for 3 values of style weight (0.1 to 10) and 2 of pooling (max to average).'
    """
    down, along = _two(names, "names")
    if getattr(pictures, "ndim", 5) != 5 or not isinstance(pictures, Iterable) or isinstance(pictures, str):
        raise FigureError("pictures is a list of rows, each a list of pictures: pictures[row][column]")
    table = [as_pictures(row, f"row {i} of pictures") for i, row in enumerate(pictures)]
    values = _values(rows, "rows"), _values(columns, "columns")
    if len(values[0]) != len(table):
        raise FigureError(f"there are {len(table)} rows of pictures but {len(values[0])} values in rows: give one each")
    for i, row in enumerate(table):
        if len(row) != len(values[1]):
            counts = f"row {i} has {len(row)} pictures but there are {len(values[1])} values in columns"
            raise FigureError(f"{counts}: give one picture for each")
    images = [picture for row in table for picture in row]
    if len(images) < 2:
        raise FigureError(f"a grid needs at least two pictures, not {len(images)}")
    at = [
        _start(i, len(each), what)
        for i, each, what in zip(_two(start, "start"), values, ("rows", "columns"), strict=True)
    ]
    labels = [f"{down} {row}, {along} {column}" for row in values[0] for column in values[1]]
    ranges = [f"{axis[0]} to {axis[-1]}" for axis in values]
    alt = alt or (
        f"{len(images)} pictures for {len(values[0])} values of {down} ({ranges[0]}) "
        f"and {len(values[1])} of {along} ({ranges[1]})."
    )
    at_index = at[0] * len(values[1]) + at[1]
    axes = [(down, values[0]), (along, values[1])]
    return _build("grid", images, labels, alt, max_width, max_bytes, at_index, axes)


def _two(pair: Any, what: str) -> tuple[Any, Any]:
    if isinstance(pair, str) or not isinstance(pair, Iterable) or len(both := tuple(pair)) != 2:
        raise FigureError(f"{what} must be two, of the rows and of the columns, not {pair!r}")
    return both


def _values(values: Any, what: str) -> list[str]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise FigureError(f"{what} must be the list of the parameter's values, not {values!r}")
    return [str(value) for value in values]


def _start(start: int, count: int, what: str) -> int:
    if not -count <= start < count:
        raise FigureError(f"start must be one of the {count} {what}, not {start}")
    return start % count


def _build(
    kind: str,
    pictures: Sequence[Image.Image],
    labels: Sequence[str],
    alt: str,
    max_width: int,
    max_bytes: int,
    start: int = 0,
    axes: Sequence[tuple[str, Sequence[str]]] = (),
) -> HTMLFigure:
    fragment = markup.build(kind, pictures, labels, alt, max_width, max_bytes, start, axes)
    if fragment is None:
        raise FigureError(f"{len(pictures)} pictures do not fit into max_bytes={max_bytes:,}: show fewer or allow more")
    return HTMLFigure(fragment, alt)
