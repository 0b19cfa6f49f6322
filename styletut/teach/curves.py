"""The losses of a run as curves on a log scale, labelled where they end."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .paper import INK, MUTED, RULE, WIDTH, new_figure
from .pictures import FigureError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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

    `result` is a `Result`, its `.history`, or a list of its steps. The losses are the weighted parts that add
    up to "total". `by="term"` adds up what is before the "/" ("style/relu1_1" and "style/relu2_1" are
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
        # A log scale has no zero, and the axis would grow without limit for an infinity: leave a gap instead.
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
    figure = new_figure(WIDTH, height, "png")
    axes = figure.add_axes((left / WIDTH, foot / height, across / WIDTH, room / height))
    _plain_axes(axes)

    inks = _inks(curves)
    for name, values in reversed(curves.items()):  # the total last, on top
        colour, dashes = inks[name]
        spots, heights = _with_gaps(places, values, starts)
        single = sum(value == value for value in values) == 1
        axes.plot(
            spots,
            heights,
            color=colour,
            linestyle=dashes,
            label=name,
            marker="o" if single else "",
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
    """How many lines up each label goes, clear of all labels that begin before it ends; `lefts` in inches."""
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
    """(colour, line style) of each curve: the colour is the term's, its shade and dashes are the layer's."""
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
        style: dict[str, Any] = {"color": MUTED, "linewidth": 0.7, "linestyle": "-"}
        axes.axvline(place, ymax=top, zorder=1, clip_on=False, label="_scale", **style)
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
        style: dict[str, Any] = {"color": colour, "linewidth": 0.8, "linestyle": "-", "marker": "", "label": "_end"}
        axes.plot([1.003, 1.028], [height, moved], **style, **place)
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
    # Without the gaps this is isotonic regression: adjacent heights in the wrong order are pooled to their mean.
    pools: list[list[float]] = []
    for i, height in enumerate(heights):
        pools.append([height - i * gap])
        while len(pools) > 1 and statistics.fmean(pools[-2]) > statistics.fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    ceiling = 1.0 - (len(heights) - 1) * gap
    fitted = [min(ceiling, max(0.0, statistics.fmean(pool))) for pool in pools for _ in pool]
    return [height + i * gap for i, height in enumerate(fitted)]
