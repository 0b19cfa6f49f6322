"""Figures of pictures in rows: before and after, the frames of a run, any pictures with titles."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from .paper import DPI, INK, QUALITY, WIDTH, new_figure
from .pictures import FigureError, as_picture, as_pictures, evaluations_label, evenly_spaced, one_each, snapshots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP = 0.13  # inches between two panels
TITLE_SIZE = 10.0  # points
TITLE_LINE = TITLE_SIZE * 1.3 / 72  # inches
ABOVE = 0.09  # inches between a picture and the baseline of its title
EDGE = 0.03  # inches around it all: some letters reach a little to the left of where they begin
TALLEST = 4.2  # inches: one portrait alone must not fill the page


def before_after(content: Any, style: Any, result: Any) -> Figure:
    """Content, style and result side by side, equally high, each in its own shape.

    `content` and `style` are pictures (tensors of shape (1, 3, H, W) in [0, 1], or PIL images); `result` is a
    picture or a `Result`. Raises `ImageError` for anything else.

    >>> import torch
    >>> figure = before_after(torch.zeros(1, 3, 8, 12), torch.ones(1, 3, 9, 9), torch.rand(1, 3, 8, 12))
    >>> [axes.get_label() for axes in figure.axes]
    ['content', 'style', 'result']
    """
    named = {"content": content, "style": style, "result": result}
    return _panels([[(as_picture(source, name), name) for name, source in named.items()]])


def film_strip(result: Any, count: int = 6, *, columns: int | None = None) -> Figure:
    """`count` evenly spaced frames of a run, from the first snapshot to the final picture.

    `result` is a `Result`, or its `.snapshots`: a sequence of (evaluations, picture) pairs. Frames of a
    coarse-to-fine run are drawn equally large. `columns` defaults to what keeps every frame readable. Raises
    `FigureError` when there is no snapshot or `count` is below 2.
    """
    pairs = snapshots(result)
    chosen = [pairs[i] for i in evenly_spaced(len(pairs), count)]
    pictures = [as_picture(picture, "snapshot") for _, picture in chosen]
    # One shape for all: rounding gives the small scales of a run a slightly different one.
    last = pictures[-1].size
    pictures = [
        picture if picture.size == last else picture.resize(last, Image.Resampling.BICUBIC) for picture in pictures
    ]
    return gallery(pictures, [evaluations_label(count) for count, _ in chosen], columns=columns)


def gallery(
    pictures: Any,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    *,
    dpi: int = DPI,
    quality: int = QUALITY,
) -> Figure:
    """Pictures in rows, each in its own shape; `titles`, one each, stand above them and wrap.

    `pictures` is a batch of shape (B, 3, H, W) or any sequence of pictures, PIL images and results.
    `columns` (pictures in a row) defaults to at most four, evenly filled. `dpi` and `quality` (1 to 100) are of
    the JPEG that a notebook keeps: less where many pictures weigh too much, with colours at half the resolution
    below quality 90. Raises `FigureError` when there is nothing to show, the titles do not match, or a number is
    out of range.

    >>> import torch
    >>> len(gallery(torch.rand(5, 3, 8, 8), columns=3).axes)
    5
    """
    images = as_pictures(pictures, "pictures")
    if not images:
        raise FigureError("there are no pictures to show: give at least one")
    if columns is not None and columns < 1:
        raise FigureError(f"columns must be at least 1, not {columns}")
    if dpi < 1 or not 1 <= quality <= 100:
        raise FigureError(f"dpi must be at least 1 and quality from 1 to 100, not {dpi} and {quality}")
    if columns is None:
        columns = math.ceil(len(images) / math.ceil(len(images) / 4))
    cells = list(zip(images, one_each(titles, len(images)), strict=True))
    return _panels([cells[i : i + columns] for i in range(0, len(cells), columns)], dpi, quality)


def _panels(rows: Sequence[Sequence[tuple[Image.Image, str]]], dpi: int = DPI, quality: int = QUALITY) -> Figure:
    """Rows of (picture, title): in a row all are equally high, each as wide as its shape requires."""
    heights: list[float] = []
    for row in rows:
        height = (WIDTH - 2 * EDGE - GAP * (len(row) - 1)) / sum(_cell_aspect(picture) for picture, _ in row)
        # A last row with fewer pictures keeps the size of the row above instead of growing.
        short = heights and len(row) < len(rows[0])
        heights.append(min(height, heights[-1] if short else TALLEST))

    widths = [[height * _cell_aspect(picture) for picture, _ in row] for row, height in zip(rows, heights, strict=True)]
    lines = [
        [_wrapped(title, width) for (_, title), width in zip(row, cells, strict=True)]
        for row, cells in zip(rows, widths, strict=True)
    ]
    heads = [max(len(title) for title in row) * TITLE_LINE + (ABOVE if any(row) else 0) for row in lines]
    total = (
        2 * EDGE + max(sum(cells) + GAP * (len(cells) - 1) for cells in widths),
        2 * EDGE + sum(heights) + sum(heads) + GAP * (len(rows) - 1),
    )

    # JPEG: a PNG of three photographs would be most of what a notebook may weigh.
    figure = new_figure(*total, "jpeg", dpi, quality)
    bottom = total[1] - EDGE
    for row, height, head, cells, texts in zip(rows, heights, heads, widths, lines, strict=True):
        left = EDGE
        bottom -= head + height
        for (picture, _), width, text in zip(row, cells, texts, strict=True):
            _panel(figure, picture, (left, bottom, width, height), "\n".join(text), total)
            left += width + GAP
        bottom -= GAP
    return figure


def _cell_aspect(picture: Image.Image) -> float:
    """Width over height of a picture's cell: its own, but neither so narrow nor so wide that the others suffer."""
    return min(max(picture.width / picture.height, 0.4), 2.5)


def _wrapped(title: str, width: float) -> list[str]:
    room = max(6, int(width * 72 / (TITLE_SIZE * 0.56)))  # characters, at the width of an average one
    return [line for part in title.splitlines() for line in textwrap.wrap(part, room) or [""]]


def _panel(
    figure: Figure,
    picture: Image.Image,
    cell: tuple[float, float, float, float],
    title: str,
    total: tuple[float, float],
) -> None:
    left, bottom, width, height = cell
    scale = min(width / picture.width, height / picture.height)
    inner = picture.width * scale, picture.height * scale
    box = left + (width - inner[0]) / 2, bottom + (height - inner[1]) / 2
    axes = figure.add_axes((box[0] / total[0], box[1] / total[1], inner[0] / total[0], inner[1] / total[1]))
    # 'antialiased' keeps the pixels of a tiny picture square, and smooths a large one.
    axes.imshow(picture, aspect="auto", interpolation="antialiased", origin="upper")
    axes.set_axis_off()
    if title:
        figure.text(
            left / total[0],
            (bottom + height + ABOVE) / total[1],
            title,
            ha="left",
            va="baseline",
            size=TITLE_SIZE,
            color=INK,
            linespacing=1.2,
            parse_math=False,
        )
        axes.set_label(title)
