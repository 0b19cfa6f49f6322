"""Matplotlib figures on a white background, not registered with pyplot; a notebook shows each once."""

from __future__ import annotations

import base64
import io
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 8.0  # inches: a book column, so that point sizes are what the reader sees
DPI, QUALITY = 180, 90  # of what a notebook shows: two pixels for each of the page's
INK, MUTED, RULE = "#1a1a1a", "#5c5c5c", "#dddddd"


def new_figure(
    width: float, height: float, suffix: Literal["png", "jpeg"], dpi: int = DPI, quality: int = QUALITY
) -> Figure:
    """An empty white figure, so many inches wide and high, which notebooks show in that format."""
    figure = _figure_class(suffix, dpi, quality)(figsize=(width, height), dpi=100, facecolor="white", edgecolor="white")
    figure.set_layout_engine("none")  # every position is worked out here: none depends on rcParams
    return figure


@cache
def _figure_class(suffix: Literal["png", "jpeg"], dpi: int, quality: int) -> type[Figure]:
    from matplotlib.figure import Figure  # half a second that only those who draw should wait for

    class PageFigure(Figure):
        """A matplotlib figure that notebooks show, once, although pyplot does not know it."""

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
            kind = "image/" + suffix
            options = {"quality": quality, "subsampling": 0 if quality >= QUALITY else 2} if suffix == "jpeg" else {}
            buffer = io.BytesIO()
            style: dict[str, Any] = {"facecolor": self.get_facecolor(), "bbox_inches": self.bbox_inches}
            self.savefig(buffer, format=suffix, dpi=dpi, pil_kwargs=options, **style)
            width, height = (round(inches * 96) for inches in self.get_size_inches())
            _leave_to_bundle(type(self))
            data = base64.b64encode(buffer.getvalue()).decode("ascii")
            return {kind: data}, {kind: {"width": width, "height": height}}

    return PageFigure


def _leave_to_bundle(kind: type) -> None:
    """Once pyplot is loaded, IPython draws a PNG of every Figure: keep it from showing one beside our own JPEG."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(kind, lambda figure: None)
