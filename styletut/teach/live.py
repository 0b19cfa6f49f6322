"""A figure with live controls, which still shows its last state, or a grid of states, where no kernel runs."""

from __future__ import annotations

import base64
import html
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from PIL import Image

from ..engine.streams import kernel_runs
from . import interactive, markup, widgets
from .pictures import FigureError, as_picture

MINIMUM_DPI = 130  # of figures other than ours: sharp enough, and a stored notebook stays small
WIDEST, WIDEST_PLOT = 720, 768  # pixels on the page


class Live:
    """What `live` returns: `controls`, the widgets by name, and the picture of the last state.

    Notebooks show it by themselves: the controls where a kernel runs; anywhere else the picture alone, or, with
    `page`, the pictures of some of the values under sliders.
    """

    __module__ = "styletut.teach.figures"  # where readers find it

    def __init__(
        self,
        draw: Callable[..., Any],
        alt: str | None,
        controls: Mapping[str, Any],
        page: Mapping[str, Iterable[Any]] | None = None,
        max_bytes: int = 400_000,
    ) -> None:
        if not callable(draw):
            raise FigureError(f"draw must be a function that returns a figure or a picture, not {draw!r}")
        if not controls:
            raise FigureError("live needs at least one control, such as alpha=(0.0, 1.0, 0.1)")
        self._draw, self._alt = draw, alt
        self._box: Any = None
        self.controls: dict[str, Any] = {}
        try:
            import ipywidgets
        except ImportError:
            self._values = {name: _first(name, abbreviation) for name, abbreviation in controls.items()}
        else:
            self.controls = {name: _control(ipywidgets, name, each) for name, each in controls.items()}
            self._values = self._read()
        chosen = None if page is None else self._chosen(page)
        self._data, self._kind, self._size = _drawn(draw, self._values)
        self._page = None if chosen is None else self._grid(chosen, max_bytes)
        if self.controls:
            self._assemble(ipywidgets)

    def __repr__(self) -> str:
        return f"Live({self.alt!r})"

    @property
    def alt(self) -> str:
        """What there is to see, in a sentence."""
        values = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self._values.items())
        return self._alt or f"A figure drawn for {values}."

    def _read(self) -> dict[str, Any]:
        return {name: control.get_interact_value() for name, control in self.controls.items()}

    def _chosen(self, page: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
        """The two controls of the page and their values, each of which the control must be able to take."""
        if not isinstance(page, Mapping) or len(page) != 2:
            raise FigureError(
                f"page takes the values of two controls, page={{name: values, name: values}}, not {page!r}"
            )
        for name, values in page.items():
            if name not in self._values:
                raise FigureError(f"page: {name!r} is no control; there are {', '.join(self._values)}")
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise FigureError(f"page: give {name} a list of values, not {values!r}")
        chosen = {name: list(values) for name, values in page.items()}
        for name, values in chosen.items():
            for value in values:
                if name in self.controls and not _takes(self.controls[name], value):
                    raise FigureError(f"page: {value!r} is no value of the control {name}")
        return chosen

    def _grid(self, chosen: Mapping[str, list[Any]], max_bytes: int) -> interactive.HTMLFigure:
        """A picture for each pair of values, beginning with that of the controls where it is among them."""
        (down, rows), (along, columns) = chosen.items()

        def picture(row: Any, column: Any) -> Image.Image:
            data, _, _ = _drawn(self._draw, self._values | {down: row, along: column})
            return Image.open(io.BytesIO(data))

        start = [values.index(now) if (now := self._values[name]) in values else 0 for name, values in chosen.items()]
        return interactive.grid(
            [[picture(row, column) for column in columns] for row in rows],
            rows,
            columns,
            (down.replace("_", " "), along.replace("_", " ")),
            self._alt,
            start=(start[0], start[1]),
            max_width=max(self._size),  # as large as the picture beside the controls
            max_bytes=max_bytes,
        )

    def _assemble(self, ipywidgets: Any) -> None:
        shown = [control for control in self.controls.values() if isinstance(control, ipywidgets.Widget)]
        # Not ipywidgets.Image: it has no alt text.
        self._picture = ipywidgets.HTML(layout={"max_width": "100%", "width": "auto", "height": "auto"})
        # Always one line high, so that a message does not move what is below it.
        self._status = ipywidgets.HTML(layout={"min_height": "2em"})
        script = {"output_type": "display_data", "data": {"text/html": markup.keys_script()}, "metadata": {}}
        keys = ipywidgets.Output(outputs=(script,), layout={"display": "none"})
        self._box = ipywidgets.VBox([keys, *shown, self._picture, self._status])
        self._box.add_class("styletut-live")
        self._show()
        for control in shown:
            control.observe(self._changed, "value")

    def _show(self) -> None:
        width, height = self._size
        self._picture.value = (
            f'<img src="data:image/{self._kind};base64,{base64.b64encode(self._data).decode("ascii")}" '
            f'alt="{html.escape(self.alt)}" width="{width}" height="{height}" decoding="sync" '
            'style="max-width:100%;height:auto">'
        )

    def _changed(self, _: Any) -> None:
        self._status.value = "computing ..."
        values = self._read()
        try:
            self._data, self._kind, self._size = _drawn(self._draw, values)
        except KeyboardInterrupt:
            self._status.value = "interrupted: the picture is the one before"
        except Exception as error:
            self._status.value = html.escape(_one_line(error))
        else:
            self._values = values
            self._show()
            self._status.value = ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        data: dict[str, Any]
        if self._page is None:
            kind = f"image/{self._kind}"
            data = {kind: base64.b64encode(self._data).decode("ascii"), "text/plain": self.alt}
            about = {kind: dict(zip(("width", "height"), self._size, strict=True))}
        else:
            data, about = {"text/html": self._page.html, "text/plain": self._page.alt}, {}
        if self._box is not None and kernel_runs():
            data |= widgets.view(self._box)
        return data, about


# --------------------------------------------------------------------------- controls


def _control(ipywidgets: Any, name: str, given: Any) -> Any:
    """The widget that ipywidgets makes of an abbreviation; a widget, or `fixed`, is taken as it is."""
    if isinstance(given, ipywidgets.fixed):
        return given
    try:
        control = ipywidgets.interactive.widget_from_abbrev(given)
    except (TypeError, ValueError) as error:
        raise FigureError(f"{name} cannot be a control: {_one_line(error)}") from error
    if not isinstance(control, ipywidgets.ValueWidget):
        raise _no_control(name, given)
    if hasattr(control, "description") and not control.description:
        control.description = name.replace("_", " ")
    if hasattr(getattr(control, "style", None), "description_width"):
        control.style.description_width = "initial"  # else a long name is cut off
    if control.has_trait("continuous_update"):
        control.continuous_update = False  # draw once, when the control is released
    return control


def _takes(control: Any, value: Any) -> bool:
    """Whether a control can have that value, tried out: a list refuses others, a slider moves them to its ends."""
    from traitlets import TraitError  # ipywidgets is there

    before = control.value
    try:
        control.value = value
        return bool(control.get_interact_value() == value)
    except TraitError:
        return False
    finally:
        control.value = before


def _first(name: str, given: Any) -> Any:
    """The value that ipywidgets would begin with, worked out without it."""
    if isinstance(given, str | Real):
        return given
    if isinstance(given, tuple) and len(given) in (2, 3) and all(isinstance(each, Real) for each in given):
        low, high = given[:2]
        whole = all(isinstance(each, Integral) for each in given[:2])
        middle = low + ((high - low) // 2 if whole else (high - low) / 2)
        return middle if len(given) == 2 else low + int((middle - low) / given[2]) * given[2]
    if isinstance(given, Mapping) and given:
        return next(iter(given.values()))
    choices = list(given) if isinstance(given, list | range) else []
    if choices:
        pairs = all(isinstance(each, tuple) and len(each) == 2 for each in choices)
        return choices[0][1] if pairs else choices[0]
    raise _no_control(name, given)


def _no_control(name: str, given: Any) -> FigureError:
    return FigureError(
        f"{name}={given!r} cannot be a control: give a list of choices, (min, max, step), a value or a widget"
    )


# --------------------------------------------------------------------------- what draw returns


def _drawn(draw: Callable[..., Any], values: Mapping[str, Any]) -> tuple[bytes, str, tuple[int, int]]:
    """What `draw` draws: its bytes, "png" or "jpeg", and (width, height) on the page. No pyplot figure stays open."""
    before = _open_figures()
    try:
        return _encoded(draw(**values))
    finally:
        for number in _open_figures() - before:
            sys.modules["matplotlib.pyplot"].close(number)


def _open_figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def _encoded(drawn: Any) -> tuple[bytes, str, tuple[int, int]]:
    if drawn is None:
        raise FigureError("draw returned nothing: end it with `return figure`, or return a picture")
    if not hasattr(drawn, "savefig"):
        image = as_picture(drawn, "what draw returns")
        size = markup.shown_size(image, WIDEST)
        data = markup.jpeg(image, size, 90)
        enlarged = max(1.0, min(markup.MINIMUM_WIDTHS["hover"] / size[0], 4))
        return data, "jpeg", (round(size[0] * enlarged), round(size[1] * enlarged))
    if hasattr(drawn, "_repr_mimebundle_"):  # one of our own
        data, about = drawn._repr_mimebundle_()
        ((kind, shown),) = about.items()
        return base64.b64decode(data[kind]), kind.removeprefix("image/"), (shown["width"], shown["height"])
    if drawn.get_layout_engine() is None:
        drawn.set_layout_engine("constrained")  # no label is cut off, and the size is the same for every value
    png, jpeg = io.BytesIO(), io.BytesIO()
    drawn.savefig(png, format="png", dpi=max(MINIMUM_DPI, drawn.get_dpi()), facecolor="white")
    Image.open(png).convert("RGB").save(jpeg, "JPEG", quality=90, subsampling=0)
    width, height = (float(inches) * 96 for inches in drawn.get_size_inches())
    shrink = min(1.0, WIDEST_PLOT / width)
    size = round(width * shrink), round(height * shrink)
    # Lines and letters are sharpest as PNG; photographs on axes would be too much for a stored notebook.
    if len(jpeg.getvalue()) < 0.5 * len(png.getvalue()):
        return jpeg.getvalue(), "jpeg", size
    return png.getvalue(), "png", size


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text if isinstance(error, FigureError) else f"{type(error).__name__}: {text}")[:300]
