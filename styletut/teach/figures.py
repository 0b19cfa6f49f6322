"""Figures of a style transfer: for the printed page, and to play with in a web page.

=================  ==========================================================================
`before_after`     content, style and result side by side
`loss_curves`      how every term fell, on a log scale, scale by scale
`film_strip`       evenly spaced frames of the descent
`gallery`          any pictures, in rows
`divider`          two pictures under one movable divider (HTML)
`frames`           a slider and a play button over many pictures (HTML)
`hover`            one large picture and a row of names to point at (HTML)
`grid`             two sliders and a map: a picture for every pair of values (HTML)
`live`             controls that compute the picture anew, where a kernel runs (ipywidgets)
=================  ==========================================================================

The first four return a matplotlib figure that belongs to the caller: pyplot never hears of it and no
`rcParams` change, so a notebook shows it once and nothing stays open. They are drawn on opaque white, so that
colours look the same on a light page, on a dark page and in print. The next four return an `HTMLFigure` that
holds its pictures, its style and its few lines of script, and asks no other host for anything. `live` alone
needs a kernel to play with; everywhere else, it is the picture of its last state.
"""

from __future__ import annotations

import base64
import html
import io
import math
import os
import re
import statistics
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from . import markup
from .live import Live
from .pictures import FigureError
from .pictures import picture as _picture
from .pictures import pictures as _pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FigureError",
    "HTMLFigure",
    "Live",
    "before_after",
    "divider",
    "film_strip",
    "frames",
    "gallery",
    "grid",
    "hover",
    "live",
    "loss_curves",
]


# --------------------------------------------------------------------------- what callers may pass


def _snapshots(source: Any) -> list[tuple[int, Any]]:
    """(evaluations, picture) pairs of a Result, which ends with its final picture, or of a plain sequence."""
    try:
        pairs = [(int(count), picture) for count, picture in getattr(source, "snapshots", source)]
    except (TypeError, ValueError) as error:
        raise FigureError("snapshots are (evaluations, picture) pairs, as in result.snapshots") from error
    if not pairs:
        raise FigureError("there are no snapshots to show: run again with snapshot_every=25, say")
    if hasattr(source, "snapshots") and pairs[-1][0] < source.evaluations:
        pairs.append((source.evaluations, source.picture))
    return pairs


def _spaced(total: int, count: int | None) -> list[int]:
    """`count` evenly spaced indices of `total`, with the first and the last."""
    if count is None or count >= total:
        return list(range(total))
    if count < 2:
        raise FigureError(f"count must be at least 2, the first and the last frame, not {count}")
    return [round(i * (total - 1) / (count - 1)) for i in range(count)]


def _evaluations(count: int) -> str:
    return "start" if count == 0 else f"{count:,} evaluation{'s' if count > 1 else ''}"


def _titles(titles: Sequence[str] | None, count: int, what: str = "titles") -> list[str]:
    if titles is None:
        return [""] * count
    if isinstance(titles, str) or len(titles) != count:
        given = "one string" if isinstance(titles, str) else str(len(titles))
        raise FigureError(f"there are {count} pictures but {given} for {what}: give one each")
    return [str(title) for title in titles]


# --------------------------------------------------------------------------- matplotlib: the ground

WIDTH = 8.0  # inches: a book column, so that point sizes are what the reader sees
DPI = 180  # of what a notebook shows: two pixels for each of the page's
INK, MUTED, RULE = "#1a1a1a", "#5c5c5c", "#dddddd"


@cache
def _figure_class(suffix: Literal["png", "jpeg"]) -> type[Figure]:
    from matplotlib.figure import Figure  # half a second that only those who draw should wait for

    class PageFigure(Figure):
        """A matplotlib figure that notebooks show, once, although pyplot does not know it."""

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
            kind = "image/" + suffix
            options = {"quality": 90, "subsampling": 0} if suffix == "jpeg" else {}
            buffer = io.BytesIO()
            look: dict[str, Any] = {"facecolor": self.get_facecolor(), "bbox_inches": self.bbox_inches}
            self.savefig(buffer, format=suffix, dpi=DPI, pil_kwargs=options, **look)
            width, height = (round(inches * 96) for inches in self.get_size_inches())
            _leave_to_bundle(type(self))
            data = base64.b64encode(buffer.getvalue()).decode("ascii")
            return {kind: data}, {kind: {"width": width, "height": height}}

    return PageFigure


def _leave_to_bundle(kind: type) -> None:
    """Once pyplot is loaded, IPython draws a PNG of every Figure: not beside our own JPEG, please."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(kind, lambda figure: None)


def _new_figure(width: float, height: float, suffix: Literal["png", "jpeg"]) -> Figure:
    figure = _figure_class(suffix)(figsize=(width, height), dpi=100, facecolor="white", edgecolor="white")
    figure.set_layout_engine("none")  # every position is worked out here: none depends on rcParams
    return figure


# --------------------------------------------------------------------------- matplotlib: pictures in rows

GAP = 0.13  # inches between two panels
TITLE_SIZE = 10.0  # points
TITLE_LINE = TITLE_SIZE * 1.3 / 72  # inches
ABOVE = 0.09  # inches between a picture and the baseline of its title
EDGE = 0.03  # inches around it all: some letters reach a little to the left of where they begin
TALLEST = 4.2  # inches: one portrait alone must not fill the page


def _panels(rows: Sequence[Sequence[tuple[Image.Image, str]]]) -> Figure:
    """Rows of (picture, title): in a row all are equally high, each as wide as its own shape asks."""
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
    figure = _new_figure(*total, "jpeg")
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
    """Width over height of a picture's cell: its own, unless it would starve its neighbours."""
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
    return _panels([[(_picture(source, name), name) for name, source in named.items()]])


def film_strip(result: Any, count: int = 6, *, columns: int | None = None) -> Figure:
    """`count` evenly spaced frames of the descent, from the first snapshot to the final picture.

    `result` is a `Result`, or its `.snapshots`: a sequence of (evaluations, picture) pairs. Frames of a
    coarse-to-fine run are drawn equally large. `columns` defaults to what keeps every frame readable. Raises
    `FigureError` when there is no snapshot or `count` is below 2.
    """
    pairs = _snapshots(result)
    chosen = [pairs[i] for i in _spaced(len(pairs), count)]
    pictures = [_picture(picture, "snapshot") for _, picture in chosen]
    # One shape for all: rounding gives the small scales of a run a slightly different one.
    last = pictures[-1].size
    pictures = [
        picture if picture.size == last else picture.resize(last, Image.Resampling.BICUBIC) for picture in pictures
    ]
    return gallery(pictures, [_evaluations(count) for count, _ in chosen], columns=columns)


def gallery(pictures: Any, titles: Sequence[str] | None = None, columns: int | None = None) -> Figure:
    """Pictures in rows, each in its own shape; `titles`, one each, stand above them and wrap.

    `pictures` is a batch of shape (B, 3, H, W) or any sequence of pictures, PIL images and `Result`s.
    `columns` (pictures in a row) defaults to at most four, evenly filled. Raises `FigureError` when there is
    nothing to show, the titles do not match, or `columns` is below 1.

    >>> import torch
    >>> len(gallery(torch.rand(5, 3, 8, 8), columns=3).axes)
    5
    """
    found = _pictures(pictures, "pictures")
    if not found:
        raise FigureError("there are no pictures to show: give at least one")
    if columns is not None and columns < 1:
        raise FigureError(f"columns must be at least 1, not {columns}")
    if columns is None:
        columns = math.ceil(len(found) / math.ceil(len(found) / 4))
    cells = list(zip(found, _titles(titles, len(found)), strict=True))
    return _panels([cells[i : i + columns] for i in range(0, len(cells), columns)])


# --------------------------------------------------------------------------- matplotlib: loss curves

# Okabe and Ito's colours (2008), which people with any kind of colour vision can tell apart; the line style
# says the same again for greyscale print.
TERMS: dict[str, tuple[str, Any]] = {
    "total": (INK, "-"),
    "content": ("#0072B2", (0, (6, 1.8))),
    "style": ("#D55E00", (0, (6, 1.6, 1.2, 1.6))),
    "tv": ("#009E73", (0, (1.2, 1.4))),
}
LINE = 0.19  # inches: a line of small text
OTHERS = ("#CC79A7", "#56B4E9", "#E69F00")
DASHES: tuple[Any, ...] = ("-", (0, (6, 1.8)), (0, (6, 1.6, 1.2, 1.6)), (0, (1.2, 1.4)), (0, (3, 1.2)))
X_LABELS = {
    "evaluations": "evaluations (of the loss and its gradient)",
    "seconds": "seconds",
    "iteration": "iteration (steps of the optimiser)",
}


def loss_curves(
    result: Any,
    x: Literal["evaluations", "seconds", "iteration"] = "evaluations",
    *,
    by: Literal["term", "layer"] = "term",
) -> Figure:
    """Every loss of a run on a log scale, labelled where its line ends.

    `result` is a `Result`, its `.history`, or a list of `Step`s. The losses are the weighted parts that add
    up to "total". `by="term"` adds up what stands before the "/" ("style/relu1_1" and "style/relu2_1" are
    both style); `by="layer"` draws each. Where a coarse-to-fine run changes its size, a thin line says the
    new one, rows x columns. Zeros and values that are not finite leave a gap. Raises `FigureError` for an
    unknown `x` or `by`, and when there is nothing to draw.

    >>> history = [{"evaluations": n, "losses": {"content": 2 / n, "style/relu1_1": 8 / n, "total": 10 / n}}
    ...            for n in range(1, 9)]
    >>> [label.get_text() for label in loss_curves(history).axes[0].texts]  # from the lowest up
    ['content', 'style', 'total']
    """
    if x not in X_LABELS:
        raise FigureError(f"x must be one of {', '.join(map(repr, X_LABELS))}, not {x!r}")
    if by not in ("term", "layer"):
        raise FigureError(f"by must be 'term' or 'layer', not {by!r}")
    history = [entry if isinstance(entry, Mapping) else vars(entry) for entry in _history(result)]
    try:
        losses = [_grouped(entry["losses"], by) for entry in history]
        places = _places(history, x)
    except KeyError as error:
        raise FigureError(f"the history has no {error}: pass a Result or its .history") from error

    starts = [i for i, entry in enumerate(history) if i == 0 or entry.get("scale") != history[i - 1].get("scale")]
    names = sorted({name: None for row in losses for name in row}, key=lambda name: name != "total")
    curves = {}
    for name in names:
        values = [row.get(name, math.nan) for row in losses]
        # A log scale has no zero, and a NaN or an infinity would swallow the axis: leave a gap instead.
        values = [value if 0 < value < math.inf else math.nan for value in values]
        if any(value == value for value in values):
            curves[name] = values
    if not curves:
        raise FigureError("no loss in this history is positive and finite, so a log scale can show none")

    margin = 0.30 + 0.085 * max(map(len, curves))
    sizes = [_size_label(history[i]) for i in starts] if len(starts) > 1 else []
    left, foot, across, room = 0.78, 0.56, WIDTH - 0.78 - margin, max(3.14, LINE * len(curves))  # inches
    span = (places[-1] - places[0]) or 1.0
    levels = _levels([(places[i] - places[0]) / span * across for i in starts], sizes)
    height = foot + room + 0.12 + LINE * (max(levels, default=-1) + 1)
    figure = _new_figure(WIDTH, height, "png")
    axes = figure.add_axes((left / WIDTH, foot / height, across / WIDTH, room / height))
    _plain_axes(axes)

    inks = _inks(curves)
    for name, values in reversed(curves.items()):  # the total last, on top
        colour, dashes = inks[name]
        spots, heights = _with_gaps(places, values, starts)
        lonely = sum(value == value for value in values) == 1
        axes.plot(
            spots,
            heights,
            color=colour,
            linestyle=dashes,
            label=name,
            marker="o" if lonely else "",
            markersize=5,
            linewidth=2.2 if name == "total" else 1.7,
            solid_capstyle="round",
            zorder=3 if name == "total" else 2,
        )

    axes.set_yscale("log")
    low, high = _y_range(curves)
    axes.set_ylim(low, high)
    if low >= 0.9 and high <= 10_000:  # 6 and 20 rather than 6 x 10^0 and 2 x 10^1
        from matplotlib.ticker import LogFormatter

        axes.yaxis.set_major_formatter(LogFormatter())
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
    first, last = places[0], places[-1]
    pad = 0.01 * (last - first) or 0.5
    axes.set_xlim(first - pad, last + pad)
    axes.set_xlabel(X_LABELS[x], color=MUTED, size=10)
    axes.set_ylabel("weighted loss", color=MUTED, size=10)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    for i, level, size in zip(starts, levels, sizes, strict=False):
        _mark_scale(axes, places[i], size, level, line=i > 0, room=room)
    _label_ends(axes, curves, inks, room)
    return figure


def _history(result: Any) -> list[Any]:
    history = getattr(result, "history", result)
    if isinstance(history, str | Mapping) or not isinstance(history, Iterable):
        raise FigureError(f"pass a Result or its .history, not {type(history).__name__}")
    entries = list(history)
    if not entries:
        raise FigureError("the history is empty: there is no loss to draw yet")
    if not all(isinstance(entry, Mapping) or hasattr(entry, "losses") for entry in entries):
        raise FigureError("a history is a list of dicts with 'losses' and 'evaluations': pass result.history")
    return entries


def _grouped(losses: Mapping[str, float], by: str) -> dict[str, float]:
    if by == "layer":
        return {name: float(value) for name, value in losses.items()}
    sums: dict[str, float] = {}
    for name, value in losses.items():
        term = name.split("/", 1)[0]
        sums[term] = sums.get(term, 0.0) + float(value)
    return sums


def _places(history: Sequence[Mapping[str, Any]], x: str) -> list[float]:
    places = [float(entry[x]) for entry in history]
    if x == "iteration":  # starts again at each scale: go on counting
        done = 0.0
        for i in range(1, len(places)):
            if float(history[i][x]) <= float(history[i - 1][x]):
                done = places[i - 1]
            places[i] += done
    return places


def _size_label(entry: Mapping[str, Any]) -> str:
    size = entry.get("size")
    return f"{size[0]} × {size[1]}" if size else f"scale {entry.get('scale', 0) + 1}"


def _levels(lefts: Sequence[float], labels: Sequence[str]) -> list[int]:
    """How high each label must stand to clear all those that begin before it ends; `lefts` in inches."""
    levels = [0] * len(labels)
    for i in reversed(range(len(labels))):
        end = lefts[i] + 0.075 * len(labels[i]) + 0.12
        levels[i] = max((levels[j] + 1 for j in range(i + 1, len(labels)) if lefts[j] < end), default=0)
    return levels


def _plain_axes(axes: Axes) -> None:
    axes.set_facecolor("white")
    axes.grid(False, which="both")
    axes.grid(True, axis="y", which="major", color=RULE, linewidth=0.7, linestyle="-", alpha=1.0)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(visible=side == "bottom", color=MUTED, linewidth=0.8)
    axes.tick_params(
        axis="both",
        which="both",
        colors=MUTED,
        labelsize=9,
        length=0,
        pad=5,
        top=False,
        right=False,
        labeltop=False,
        labelright=False,
    )
    axes.tick_params(axis="x", which="major", length=3, width=0.8, direction="out", bottom=True)


def _inks(curves: Iterable[str]) -> dict[str, tuple[str, Any]]:
    """(colour, line style) of every curve: the colour is the term's, its shade and dashes are the layer's."""
    families: dict[str, list[str]] = {}
    for name in curves:
        families.setdefault(name.split("/", 1)[0], []).append(name)
    spare = iter(OTHERS * len(families))
    inks: dict[str, tuple[str, Any]] = {}
    for family, members in families.items():
        colour, dashes = TERMS[family] if family in TERMS else (next(spare), (0, (4, 1.2)))
        for i, name in enumerate(members):
            if len(members) == 1:
                inks[name] = colour, dashes
            else:  # shallow layers light, deep ones dark
                depth = i / (len(members) - 1)
                inks[name] = _shade(colour, 0.30 - 0.75 * depth), DASHES[i % len(DASHES)]
    return inks


def _shade(colour: str, amount: float) -> str:
    """`colour` mixed with white (amount > 0) or with black (amount < 0)."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    target = 255 if amount > 0 else 0
    return "#" + "".join(f"{round(c + (target - c) * abs(amount)):02x}" for c in channels)


def _with_gaps(places: Sequence[float], values: Sequence[float], starts: Sequence[int]) -> tuple[list, list]:
    """A NaN before each new scale: losses at two sizes must not be joined by a line."""
    spots, heights = list(places), list(values)
    for i in reversed(starts[1:]):
        spots.insert(i, places[i])
        heights.insert(i, math.nan)
    return spots, heights


def _y_range(curves: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Four decades, or as many as show the better half of each curve: one may start as mere rounding error."""
    known = [[value for value in values if value == value] for values in curves.values()]
    high = max(map(max, known))
    low = min(max(min(map(min, known)), high * 1e-4), min(map(statistics.median, known)))
    pad = max((high / low) ** 0.04, 1.05)
    return low / pad, high * pad


def _mark_scale(axes: Axes, place: float, size: str, level: int, *, line: bool, room: float) -> None:
    top = 1 + level * LINE / room
    if line:
        look: dict[str, Any] = {"color": MUTED, "linewidth": 0.7, "linestyle": "-"}
        axes.axvline(place, ymax=top, zorder=1, clip_on=False, label="_scale", **look)
    axes.text(place, top + 0.05 / room, size, transform=axes.get_xaxis_transform(), va="bottom", size=8.5, color=MUTED)


def _label_ends(
    axes: Axes, curves: Mapping[str, Sequence[float]], inks: Mapping[str, tuple[str, Any]], room: float
) -> None:
    """Each curve's name beside its end, moved apart where two would touch, with a thin line between the two."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    ends = {name: [value for value in values if value == value][-1] for name, values in curves.items()}
    names = sorted(ends, key=ends.__getitem__)
    heights = [min(1.0, max(0.0, (math.log(ends[name]) - low) / (high - low))) for name in names]
    for name, height, moved in zip(names, heights, _apart(heights, LINE / room), strict=True):
        colour = inks[name][0]
        place: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        look: dict[str, Any] = {"color": colour, "linewidth": 0.8, "linestyle": "-", "marker": "", "label": "_end"}
        axes.plot([1.003, 1.028], [height, moved], **look, **place)
        weight = "bold" if name == "total" else "normal"
        ink = _readable(colour)
        axes.text(1.035, moved, name, va="center", size=9.5, color=ink, weight=weight, parse_math=False, **place)


def _readable(colour: str) -> str:
    """The colour darkened until it is readable as small text on white (contrast of 4.5 to 1, WCAG 2)."""
    for amount in (0.0, 0.12, 0.24, 0.36, 0.48, 0.6):
        ink = _shade(colour, -amount)
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in (int(ink[i : i + 2], 16) / 255 for i in (1, 3, 5))
        )
        if 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5:
            break
    return ink


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Sorted heights in [0, 1], moved as little as possible (in squares) to be `gap` apart."""
    # Without the gaps this is a monotone fit: neighbours in the wrong order share their mean.
    pools: list[list[float]] = []
    for i, height in enumerate(heights):
        pools.append([height - i * gap])
        while len(pools) > 1 and statistics.fmean(pools[-2]) > statistics.fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    ceiling = 1.0 - (len(heights) - 1) * gap
    fitted = [min(ceiling, max(0.0, statistics.fmean(pool))) for pool in pools for _ in pool]
    return [height + i * gap for i, height in enumerate(fitted)]


# --------------------------------------------------------------------------- HTML


@dataclass(frozen=True)
class HTMLFigure:
    """A self-contained piece of HTML: pictures, style and script in one string, nothing to download.

    Notebooks show it by themselves; `save` writes it as a page of its own. The same pictures always give the
    same HTML, so running a notebook again changes nothing.
    """

    html: str = field(repr=False)
    alt: str

    def _repr_html_(self) -> str:
        return self.html

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page that opens in any browser, replacing `path` only once it is complete."""
        path = Path(path)
        parts = {"@TITLE": html.escape(self.alt), "@FIGURE": self.html}
        page = re.sub("@TITLE|@FIGURE", lambda found: parts[found[0]], markup.PAGE)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(page)
            os.chmod(name, 0o644)  # mkstemp's files are for their owner alone
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
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

    `before` and `after` are pictures of the same shape, or `Result`s; `before` is on the left. `alt` says in
    a sentence what there is to see, for those who cannot. Neither side is shown larger than `max_width`
    pixels, and the HTML stays below `max_bytes`. Without scripts and in print, the two stand side by side.
    Raises `FigureError` when the shapes differ by more than rounding.
    """
    names = _titles(labels, 2, "labels")
    pictures = [_picture(before, names[0] or "before"), _picture(after, names[1] or "after")]
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
        pairs = _snapshots(pictures)
        labels = [_evaluations(done) for done, _ in pairs] if labels is None else labels
        pictures = [picture for _, picture in pairs]
    found = _pictures(pictures, "pictures")
    if len(found) < 2:
        raise FigureError(f"a slider needs at least two pictures, not {len(found)}")
    named = _titles(labels or [f"{i} of {len(found)}" for i in range(1, len(found) + 1)], len(found), "labels")
    chosen = _spaced(len(found), count)
    found, named = [found[i] for i in chosen], [named[i] for i in chosen]
    at = _start(start, len(found), "frames")
    alt = alt or f"{len(found)} pictures under a slider, from {named[0]} to {named[-1]}."
    return _build("frames", found, named, alt, max_width, max_bytes, at)


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
    found = _pictures(pictures, "pictures")
    if len(found) < 2:
        raise FigureError(f"a choice needs at least two pictures, not {len(found)}")
    named = _titles(labels, len(found), "labels")
    at = _start(start, len(found), "pictures")
    alt = alt or f"{len(found)} pictures to choose from by name: {', '.join(named)}."
    return _build("hover", found, named, alt, max_width, max_bytes, at)


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
    table = [_pictures(row, f"row {i} of pictures") for i, row in enumerate(pictures)]
    values = _values(rows, "rows"), _values(columns, "columns")
    if len(values[0]) != len(table):
        raise FigureError(f"there are {len(table)} rows of pictures but {len(values[0])} values in rows: give one each")
    for i, row in enumerate(table):
        if len(row) != len(values[1]):
            counts = f"row {i} has {len(row)} pictures but there are {len(values[1])} values in columns"
            raise FigureError(f"{counts}: give one picture for each")
    found = [picture for row in table for picture in row]
    if len(found) < 2:
        raise FigureError(f"a grid needs at least two pictures, not {len(found)}")
    at = [
        _start(i, len(each), what)
        for i, each, what in zip(_two(start, "start"), values, ("rows", "columns"), strict=True)
    ]
    labels = [f"{down} {row}, {along} {column}" for row in values[0] for column in values[1]]
    ranges = [f"{axis[0]} to {axis[-1]}" for axis in values]
    alt = alt or (
        f"{len(found)} pictures for {len(values[0])} values of {down} ({ranges[0]}) "
        f"and {len(values[1])} of {along} ({ranges[1]})."
    )
    at_index = at[0] * len(values[1]) + at[1]
    axes = [(down, values[0]), (along, values[1])]
    return _build("grid", found, labels, alt, max_width, max_bytes, at_index, axes)


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
    found = markup.build(kind, pictures, labels, alt, max_width, max_bytes, start, axes)
    if found is None:
        raise FigureError(f"{len(pictures)} pictures do not fit into max_bytes={max_bytes:,}: show fewer or allow more")
    return HTMLFigure(found, alt)


# --------------------------------------------------------------------------- live controls


def live(draw: Callable[..., Any], /, *, alt: str | None = None, **controls: Any) -> Live:
    """Controls that call `draw` again with their values; where no kernel runs, the picture of the last state.

    `draw(**values)` returns a matplotlib figure, which is closed, or one picture. `controls` are what ipywidgets
    makes controls of: a list of choices, (min, max) or (min, max, step), a number, a bool, a string, or a
    widget. `draw` is called once here, and then whenever a control is let go; when it fails, the last picture
    stays and a line below says why. The controls are in `.controls`, by name. Without ipywidgets, there is
    only the picture. Raises whatever `draw` raises in its first call, and `FigureError` for what cannot be a
    control or be shown.

    >>> import torch
    >>> live(lambda grey: torch.full((1, 3, 8, 12), grey), grey=(0.0, 1.0, 0.1)).alt
    'A figure drawn for grey 0.5.'
    """
    return Live(draw, alt, controls)
