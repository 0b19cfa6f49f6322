"""The studio's widgets: they show what the model is like, and call its commands.

Torch's work is done by the model's thread; widgets are touched by whoever brings a click, and by a timer on the
kernel's own event loop while something is painted. So neither waits for the other: a cell returns at once, the kernel
answers, and no message of a widget is sent from the thread that paints, where it would stand between two steps. The
timer stops while the kernel runs a cell, the painting does not. Clicks come by the loop too, or, from front ends that
use subshells, by a thread of their own: hence the lock.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import ipywidgets

from .. import recipes, samples
from ..teach import markup, widgets
from ..teach.figures import FigureError, divider
from . import controls, parts
from .model import Message, Model, Painting, Source, explained

TICK = 0.25  # seconds between two looks at the model
PHOTOGRAPH = "photograph"
"""What the untouched photograph is called among the pictures to compare."""


class View:
    """The widgets of a studio; ``box`` holds them all."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._lock = threading.RLock()
        self._shown: dict[Any, Any] = {}  # what was shown last, so that only what differs is sent
        self._cards: dict[Painting, _Card] = {}
        self._refreshing = self._ticking = False
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:  # no kernel: whoever drives the widgets calls `refresh`
            self._loop = None
        self.controls = controls.all_controls(model.settings.recipe, self._set)
        self.recipe = ipywidgets.Dropdown(options=self._recipes(), description="recipe")
        self.recipe.observe(self._use, "value")
        self._note = ipywidgets.HTML()
        self.photograph = _Choice("photograph", samples.names("photograph"), self._photograph)
        self.painting = _Choice("painting", samples.names("style"), self._style)
        self.another = ipywidgets.ToggleButton(
            description="add another", tooltip="The painting that is chosen next is added to those that are there"
        )
        self.another.add_class("styletut-quiet")
        self._styles = _box(ipywidgets.HBox, "styletut-names")
        self._regions = _box(ipywidgets.VBox, "styletut-regions")
        self.regions: dict[str, Any] = {}  # uploads of masks, by what they are for
        self.start = _button("Start", "Begin a painting", self._start)
        self.pause = _button("Pause", "Halt after this step", self._pause)
        self.stop = _button("Stop", "End after this step and keep the best picture", self._stop)
        self._easel, self._status, self._curves = (
            _html("styletut-easel"),
            _html("styletut-status"),
            _html("styletut-curves"),
        )
        self.history = _box(ipywidgets.Box, "styletut-history")
        self.left = ipywidgets.Dropdown(options=[PHOTOGRAPH], description="compare")
        self.right = ipywidgets.Dropdown(options=[PHOTOGRAPH], description="with")
        for side in (self.left, self.right):
            side.observe(self._compare, "value")
        self._divider = ipywidgets.Output()
        self._past = _box(ipywidgets.VBox, "styletut-group", [_title("History"), self.history])
        self._comparison = _box(ipywidgets.VBox, "styletut-compare", [_row(self.left, self.right), self._divider])
        self.box = self._assembled()
        self.refresh()
        self._tick_soon()

    def _assembled(self) -> Any:
        first = [self.controls[name].widget for name in controls.FIRST]
        layers = [c.widget for c in self.controls.values() if c.field.kind == "layers"]
        others = [c.widget for c in self.controls.values() if c.widget not in first and c.widget not in layers]
        folded = ipywidgets.Accordion(
            [
                _box(ipywidgets.VBox, "styletut-fields", layers),
                self._regions,
                _box(ipywidgets.VBox, "styletut-fields", others),
            ]
        )
        for place, title in enumerate(("Layers", "Regions", "More")):
            folded.set_title(place, title)
        side = _box(
            ipywidgets.VBox,
            "styletut-side",
            [
                _group("Photograph", self.photograph.box),
                _group("Painting", self.painting.box, self._styles),
                _group("Recipe", _box(ipywidgets.VBox, "styletut-fields", [self.recipe, self._note, *first])),
                folded,
            ],
        )
        transport = _box(ipywidgets.HBox, "styletut-transport", [self.start, self.pause, self.stop])
        stage = _box(
            ipywidgets.VBox,
            "styletut-stage",
            [self._easel, transport, self._status, self._curves, self._comparison],
        )
        # Keys pressed in the studio are the studio's: hosts move cells and turn pages by them.
        script = {"output_type": "display_data", "data": {"text/html": markup.keys_script()}, "metadata": {}}
        keys = ipywidgets.Output(outputs=(script,), layout={"display": "none"})
        sheet = ipywidgets.HTML(parts.style_sheet(), layout={"display": "none"})
        main = _box(ipywidgets.Box, "styletut-main", [side, stage])
        box = _box(ipywidgets.VBox, "styletut-studio", [sheet, keys, main, self._past])
        box.add_class("styletut-live")
        return box

    # --- what is clicked ---------------------------------------------------------------------------------

    def _act(self, command: Callable[[], object]) -> None:
        """Obey a click; where that fails it is said in a line, and everything is as before."""
        with self._lock:
            if self._refreshing:  # in this thread, as any other waits at the lock: a value is shown, not chosen
                return
            try:
                command()
            except Exception as error:
                self.model.message = Message(explained(error), error=True)
            self.refresh()
        self._tick_soon()

    def _set(self, field: str, value: Any) -> None:
        def command() -> None:
            try:
                self.model.set(field, value)
            finally:
                self._shown.pop("recipe", None)  # a value that was refused is put back

        self._act(command)

    def _use(self, change: Any) -> None:
        self._act(lambda: self.model.use(change["new"]) if isinstance(change["new"], str) else None)

    def _photograph(self, picture: Any, name: str) -> None:
        self._act(lambda: self.model.photograph(picture, name))

    def _style(self, picture: Any, name: str) -> None:
        def command() -> None:
            styles = self.model.settings.styles
            self.model.style(picture, name, len(styles) if self.another.value else max(0, len(styles) - 1))
            self.another.value = False

        self._act(command)

    def _start(self) -> None:
        self._act(self.model.start)

    def _pause(self) -> None:
        # What the button said is what was meant, also where the run has ended since.
        self._act(self.model.pause if self.pause.description == "Pause" else self.model.go_on)

    def _stop(self) -> None:
        self._act(self.model.stop)

    def _compare(self, _: Any) -> None:
        self._act(lambda: None)

    # --- what is shown -----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show what the model is like."""
        with self._lock:
            self._refreshing = True
            try:
                model, settings = self.model, self.model.settings
                if model.state in ("ready", "done"):
                    model.reckon()
                state, painting = model.state, model.painting
                if state == "ready" or (state == "done" and painting and settings.content != painting.settings.content):
                    painting, state = None, "ready"
                self._show("settings", (settings.content, settings.styles, settings.protect), self._show_pictures)
                self._show("recipe", settings.recipe, self._show_recipe)
                rows = list(painting.rows) if painting else []
                preview = painting and painting.preview
                self._show(
                    "easel",
                    preview or (settings.content, settings.styles),
                    lambda: self._put(self._easel, parts.easel(painting, settings)),
                )
                self._put(self._status, parts.status(painting, state, model.estimate, model.message))
                self._show("curves", (painting, preview, state), lambda: self._put(self._curves, parts.curves(rows)))
                self._show_transport(model.state)
                self._show_history()
                self._show_comparison()
            finally:
                self._refreshing = False

    def _show(self, what: str, value: Any, show: Callable[[], None]) -> None:
        """Show something, if it is not what was shown last."""
        if what not in self._shown or self._shown[what] != value:
            show()
            self._shown[what] = value

    @staticmethod
    def _put(widget: Any, value: str) -> None:
        if widget.value != value:
            widget.value = value

    def _recipes(self) -> list[str]:
        own = self.model.settings.recipe.name
        return [*recipes.names(), *([] if own in recipes.names() else [own])]

    def _show_recipe(self) -> None:
        recipe = self.model.settings.recipe
        self.recipe.options = self._recipes()
        self.recipe.value = recipe.name
        self._note.value = parts.note(recipe)
        controls.show_all(self.controls, recipe)

    def _show_pictures(self) -> None:
        settings = self.model.settings
        self.photograph.show([settings.content] if settings.content else [])
        self.painting.show([style.source for style in settings.styles])
        removers = []
        for place, style in enumerate(settings.styles if len(settings.styles) > 1 else ()):
            remover = _button(style.source.name, "Leave it out", partial(self._remove, place), "styletut-quiet")
            remover.icon = "times"
            removers.append(remover)
        _replace(self._styles, [*removers, *([self.another] if settings.styles else [])], keep=[self.another])
        self._show_regions()

    def _remove(self, place: int) -> None:
        self._act(lambda: self.model.remove_style(place))

    def _show_regions(self) -> None:
        settings = self.model.settings
        self.regions = {}
        about = (
            '<p class="about">A mask is a picture: white where a painting is painted, black where it is not. '
            "A painting without a mask is painted where no other is.</p>"
        )
        rows: list[Any] = [ipywidgets.HTML(about)]
        for place, style in enumerate(settings.styles):
            rows.append(self._region(style.source.name, style.mask, partial(self.model.region, place)))
        rows.append(self._region("keep the photograph", settings.protect, self.model.protect))
        _replace(self._regions, rows)

    def _region(self, name: str, mask: Source | None, set_mask: Callable[..., None]) -> Any:
        shown = "" if mask is None else parts.picture(mask.small, f"mask of {name}")
        upload = _upload(f"mask for {name}", lambda *given: self._act(lambda: set_mask(*given)))
        self.regions[name] = upload
        parts_: list[Any] = [ipywidgets.HTML(f"{shown}<span>{parts.escaped(name)}</span>"), upload]
        if mask is not None:
            parts_.append(_button("clear", "No mask", lambda: self._act(lambda: set_mask(None)), "styletut-quiet"))
        return _box(ipywidgets.HBox, "styletut-region", parts_)

    def _show_transport(self, state: str) -> None:
        self.pause.description = "Pause" if state in ("ready", "painting") else "Go on"
        self.pause.disabled = state == "ready"
        self.stop.disabled = state not in ("painting", "paused")
        self.start.disabled = self.model.settings.content is None
        for button, is_next in ((self.start, state in ("ready", "done")), (self.pause, state == "paused")):
            (button.add_class if is_next else button.remove_class)("styletut-primary")

    def _show_history(self) -> None:
        for painting in [p for p in self._cards if p not in self.model.paintings]:
            self._cards.pop(painting).close()
        for painting in self.model.paintings:
            if painting not in self._cards:
                self._cards[painting] = _Card(self, painting)
            self._cards[painting].refresh()
        newest_first = tuple(card.box for card in reversed(self._cards.values()))
        if self.history.children != newest_first:
            self.history.children = newest_first
        self._past.layout.display = "" if newest_first else "none"

    def card(self, painting: Painting) -> _Card:
        """The widgets of a painting of the history."""
        return self._cards[painting]

    def _show_comparison(self) -> None:
        done = {p.title: p for p in self.model.paintings if p.result is not None}
        names = [PHOTOGRAPH, *done]
        if list(self.left.options) != names:
            newest, before = names[-1], self.left.value
            for side in (self.left, self.right):
                side.options = names
            self.left.value = before if before in names else PHOTOGRAPH
            self.right.value = newest
        self._comparison.layout.display = "" if done else "none"
        if done:
            self._show("divider", (self.left.value, self.right.value, names), lambda: self._show_divider(done))

    def _show_divider(self, done: dict[str, Painting]) -> None:
        left, right = done.get(self.left.value), done.get(self.right.value)
        try:
            labels = (self.left.value, self.right.value)
            pictures = self._compared(left, right), self._compared(right, left)
            figure = divider(*pictures, labels, max_width=640, max_bytes=900_000)
        except FigureError as error:
            shown = f'<p class="about">{parts.escaped(error)}</p>'
        else:
            shown = figure.html
        self._divider.outputs = (
            {"output_type": "display_data", "data": {"text/html": shown, "text/plain": ""}, "metadata": {}},
        )

    def _compared(self, painting: Painting | None, other: Painting | None) -> Any:
        """The picture of a painting, or the photograph that the other one is of."""
        if painting is not None and painting.result is not None:
            return painting.result.picture[:1]
        content = (other or self.model.paintings[-1]).settings.content
        assert content is not None  # nothing is painted without one
        return content.picture

    # --- while it paints -----------------------------------------------------------------------------------

    def _tick_soon(self) -> None:
        """Look at the model again and again, until nothing is computed any more."""
        if self._loop is not None and not self._ticking:
            with suppress(RuntimeError):  # the loop is closed: the kernel ends
                self._ticking = True
                self._loop.call_soon_threadsafe(self._tick)

    def _tick(self) -> None:
        self._ticking = False
        busy = self.model.busy or self.model.reckoning
        try:
            self.refresh()
        finally:
            busy = busy or self.model.busy or self.model.reckoning
            if busy and self._loop is not None:  # once more after the last step
                self._ticking = True
                self._loop.call_later(TICK, self._tick)

    def close(self) -> None:
        """Close all widgets."""
        with self._lock:
            _close(self.box)


class _Choice:
    """Samples to click on, and an upload."""

    def __init__(self, what: str, names: tuple[str, ...], chosen: Callable[[Any, str], None]) -> None:
        self.buttons = {}
        for name in names:
            sample = samples.info(name)
            pressed = partial(chosen, f"sample:{name}", "")
            self.buttons[name] = _button(name, f"{sample.title}, {sample.author}", pressed, "styletut-sample")
            self.buttons[name].add_class(f"styletut-sample-{name}")
        self.upload = _upload(f"a {what} of your own", chosen)
        self._name = ipywidgets.HTML()
        samples_ = _box(ipywidgets.HBox, "styletut-samples", [*self.buttons.values(), self.upload])
        self.box = _box(ipywidgets.VBox, "styletut-group", [samples_, self._name])

    def show(self, sources: list[Source]) -> None:
        """Mark what is chosen, and say its name and size."""
        names = [source.name for source in sources]
        for name, button in self.buttons.items():
            (button.add_class if name in names else button.remove_class)("styletut-chosen")
        told = "; ".join(f"{s.name}, {s.picture.shape[-1]} × {s.picture.shape[-2]}" for s in sources)
        self._name.value = f'<p class="about">{parts.escaped(told)}</p>' if told else ""


class _Card:
    """A painting of the history, with what can be done with it."""

    def __init__(self, view: View, painting: Painting) -> None:
        self._view, self.painting = view, painting
        model = view.model
        self._text = ipywidgets.HTML()
        self.take = self._button("Use settings", "Set everything as it was for this painting", model.take_back)
        self.save = self._button("Save", "Write it as PNG, with how it was made, and give a link", model.save)
        self.remove = self._button("Remove", "Take it out of the history", model.forget)
        buttons = _box(ipywidgets.HBox, "styletut-names", [self.take, self.save, self.remove])
        self.box = _box(ipywidgets.VBox, "styletut-card", [self._text, buttons])
        self._shown: Any = None

    def _button(self, name: str, tooltip: str, command: Callable[[Painting], object]) -> Any:
        return _button(name, tooltip, lambda: self._view._act(lambda: command(self.painting)), "styletut-quiet")

    def refresh(self) -> None:
        """Show what the painting is like."""
        painting = self.painting
        state = self._view.model.state if painting.result is None else "done"
        shown = (painting.preview, painting.result, painting.saved, state)
        if self._shown is None or any(a is not b for a, b in zip(shown, self._shown, strict=True)):
            self._text.value = parts.card(painting, state)
            self.save.disabled = self.remove.disabled = painting.result is None
            self._shown = shown

    @property
    def html(self) -> str:
        """What it shows."""
        return str(self._text.value)

    def close(self) -> None:
        """Close its widgets."""
        _close(self.box)


# --- small widgets -----------------------------------------------------------------------------------------


def _button(name: str, tooltip: str, pressed: Callable[[], object], *classes: str) -> Any:
    button = ipywidgets.Button(description=name, tooltip=tooltip)
    button.on_click(lambda _: pressed())
    for each in classes:
        button.add_class(each)
    return button


def _upload(what: str, chosen: Callable[[Any, str], object]) -> Any:
    """A button that asks for a file; what was uploaded is handed on and not kept."""
    upload = ipywidgets.FileUpload(accept="image/*,.heic,.tif,.tiff", description=f"Upload {what}", icon="upload")
    widgets.set_tooltip(upload, f"Upload {what}")
    upload.add_class("styletut-upload")

    def uploaded(change: Any) -> None:
        if change["new"]:
            ((name, content),) = widgets.take_uploads(upload)
            chosen(content, name)

    upload.observe(uploaded, "value")
    return upload


def _box(kind: Any, name: str, children: Any = ()) -> Any:
    box = kind(list(children))
    box.add_class(name)
    return box


def _row(*children: Any) -> Any:
    return _box(ipywidgets.HBox, "styletut-names", children)


def _title(text: str) -> Any:
    return ipywidgets.HTML(f"<h4>{text}</h4>")


def _group(title: str, *children: Any) -> Any:
    return _box(ipywidgets.VBox, "styletut-group", [_title(title), *children])


def _html(name: str) -> Any:
    widget = ipywidgets.HTML()
    widget.add_class(name)
    return widget


def _replace(box: Any, children: list[Any], keep: list[Any] | None = None) -> None:
    """Other children for a box; those before are closed, but for what shall be kept."""
    before, box.children = box.children, tuple(children)
    for child in before:
        if child not in children and child not in (keep or []):
            _close(child)


def _close(widget: Any) -> None:
    """Close a widget and all within it."""
    for child in getattr(widget, "children", ()):
        _close(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None), widget):
        if part is not None:
            part.close()
