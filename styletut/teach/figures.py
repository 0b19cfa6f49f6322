"""Figures of a style transfer: for the printed page, and to play with in a web page.

=================  ==========================================================================
`before_after`     content, style and result side by side
`loss_curves`      the loss of each term, on a log scale, scale by scale
`film_strip`       evenly spaced frames of a run
`gallery`          any pictures, in rows
`divider`          two pictures under one movable divider (HTML)
`frames`           a slider and a play button over many pictures (HTML)
`hover`            one large picture and a row of names to point at (HTML)
`grid`             two sliders and a map: a picture for every pair of values (HTML)
`live`             controls that recompute the picture, where a kernel runs (ipywidgets)
=================  ==========================================================================

The first four return a matplotlib figure that belongs to the caller: pyplot does not register it and no
`rcParams` change, so a notebook shows it once and nothing stays open. They are drawn on opaque white, so that
colours look the same on a light page, on a dark page and in print. The next four return an `HTMLFigure` that
holds its pictures, its style and its few lines of script, and asks no other host for anything. `live` alone
needs a kernel to play with; everywhere else, it is the picture of its last state, or a `grid` of some states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .curves import TERMS as TERMS
from .curves import loss_curves as loss_curves
from .interactive import HTMLFigure as HTMLFigure
from .interactive import divider as divider
from .interactive import frames as frames
from .interactive import grid as grid
from .interactive import hover as hover
from .live import Live as Live
from .panels import before_after as before_after
from .panels import film_strip as film_strip
from .panels import gallery as gallery
from .pictures import FigureError as FigureError

__all__ = [
    "TERMS",
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


def live(
    draw: Callable[..., Any],
    /,
    *,
    alt: str | None = None,
    page: Mapping[str, Iterable[Any]] | None = None,
    max_bytes: int = 400_000,
    **controls: Any,
) -> Live:
    """Controls that call `draw` again with their values; where no kernel runs, the picture of the last state.

    `draw(**values)` returns a matplotlib figure, which is closed, or one picture. `controls` are what ipywidgets
    makes controls of: a list of choices, (min, max) or (min, max, step), a number, a bool, a string, or a
    widget. `draw` is called once here, and then whenever a control is released; when it fails, the last picture
    stays and a line below says why. The controls are in `.controls`, by name. Without ipywidgets, there is
    only the picture.

    `page` gives values of two of the controls, ``page={"layer": [...], "rank": [...]}``: where no kernel runs,
    `grid` then shows the picture of each pair under two sliders, in at most `max_bytes` of HTML. They are drawn
    here, once, with the first values of all other controls.

    Raises what `draw` raises here, and `FigureError` for what cannot be a control or be shown, or is no value
    of its control.

    >>> import torch
    >>> live(lambda grey: torch.full((1, 3, 8, 12), grey), grey=(0.0, 1.0, 0.1)).alt
    'A figure drawn for grey 0.5.'
    """
    return Live(draw, alt, controls, page, max_bytes)
