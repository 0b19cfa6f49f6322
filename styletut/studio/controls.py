"""Controls made from the fields of a recipe: nothing here knows any field by its name but which come first."""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import traitlets

from .. import architecture, recipes
from ..cli.printing import format_value
from ..cli.recipe import parse_value
from ..fields import Field
from ..recipes import Recipe
from ..teach import widgets
from .model import differences

FIRST = (
    "size",
    "strength",
    "content_weight",
    "style_weight",
    "tv_weight",
    "style_scale",
    "colour",
    "start",
    "optimizer",
    "learning_rate",
    "steps",
)
"""What painters reach for first; all others are under "more"."""

Changed = Callable[[str, Any], None]
"""What is called with a field's name and its new value."""


def fields() -> tuple[Field, ...]:
    """The fields that have a control, those of `FIRST` first: all but what a recipe says of itself."""
    rest = [field for field in recipes.fields() if field.kind != "text" and field.name not in FIRST]
    return (*map(recipes.field, FIRST), *rest)


class Control:
    """A field's control.

    Attributes:
        field: the field.
        widget: what is shown.
    """

    def __init__(self, field: Field, value: Any, changed: Changed) -> None:
        self.field, self._changed = field, changed
        self._showing: int | None = None  # the thread that shows a value; another one's is a change
        self.widget = self._make(value)
        self.show(value)
        self.widget.observe(self._moved, "value")

    @property
    def label(self) -> str:
        """What the field is called."""
        return self.field.name.replace("_", " ")

    def show(self, value: Any) -> None:
        """Show a value, which is not a change."""
        self._showing = threading.get_ident()
        try:
            if isinstance(self.widget, ipywidgets.Text):
                self.widget.disabled = _is_object(value)
            elif isinstance(self.widget, ipywidgets.Dropdown) and value not in self.widget.options:
                self.widget.options = (*self.widget.options, value)
            self.widget.value = self._shown(value)
        finally:
            self._showing = None

    def mark(self, differs: bool) -> None:
        """Mark that the value is another than the named recipe's, or take the mark away."""
        (self.widget.add_class if differs else self.widget.remove_class)("styletut-differs")

    def _moved(self, change: Any) -> None:
        if self._showing != threading.get_ident():
            self._changed(self.field.name, self._read(change["new"]))

    def _make(self, value: Any) -> Any:
        tooltip = f"{self.field.help}: {self.field.allowed()}"
        if self.field.kind == "layers":
            return Layers(self.label, tooltip)
        widgets.set_tooltip(widget := self._single(value), tooltip)
        return widget

    def _single(self, value: Any) -> Any:
        """The widget of a single value."""
        field = self.field
        about: dict[str, Any] = {"description": self.label}
        if field.kind == "flag":
            return ipywidgets.Checkbox(indent=False, **about)
        if field.kind in ("choice", "network"):
            return ipywidgets.Dropdown(options=field.choices, **about)
        about["continuous_update"] = False
        if field.kind == "number" and field.minimum is not None and field.maximum is not None:
            span = field.maximum - field.minimum
            return ipywidgets.FloatSlider(
                min=field.minimum, max=field.maximum, step=10 ** math.floor(math.log10(span)) / 100, **about
            )
        if field.kind == "number":
            low, high = (-1e300 if field.minimum is None else field.minimum), field.maximum or 1e300
            return ipywidgets.BoundedFloatText(min=low, max=high, step=step_for(value), **about)
        if field.kind == "whole":
            return ipywidgets.BoundedIntText(min=int(field.minimum or 0), max=int(field.maximum or 2**53 - 1), **about)
        # Sizes, pairs, names: written as on the command line. An object is shown, and stays.
        return ipywidgets.Text(**about)

    def _shown(self, value: Any) -> Any:
        if isinstance(self.widget, ipywidgets.Text):
            return "own" if self.field.kind == "size" and value is None else format_value(value)
        return value

    def _read(self, value: Any) -> Any:
        return parse_value(self.field.name, value.strip()) if isinstance(self.widget, ipywidgets.Text) else value


def _is_object(value: Any) -> bool:
    """Whether it is what stands for an object, which can only be given in Python."""
    return isinstance(value, str) and value.startswith("<")


def step_for(value: float) -> float:
    """What an arrow key adds: a tenth of a value's leading digit.

    >>> step_for(0.4), step_for(2000.0), step_for(0)
    (0.01, 100.0, 0.01)
    """
    return 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 0.01


class Layers(ipywidgets.VBox, ipywidgets.ValueWidget):
    """Layers with their weights: a button for each layer of the network, and a weight for each that is pressed."""

    value = traitlets.Dict()

    def __init__(self, description: str, tooltip: str) -> None:
        self._title = ipywidgets.HTML(f'<span title="{html.escape(tooltip)}">{description}</span>')
        self._title.add_class("styletut-label")
        self._buttons = ipywidgets.HBox()
        self._weights = ipywidgets.HBox()
        self.buttons: dict[str, Any] = {}
        self.weights: dict[str, Any] = {}
        self._describe = description
        super().__init__([self._title, self._buttons, self._weights])
        self.add_class("styletut-layers")
        for part in (self._buttons, self._weights):
            part.add_class("styletut-wrap")
        self._names: list[str] = []
        self.offer("vgg19")
        self.observe(self._arrange, "value")

    def offer(self, network: Any) -> None:
        """Offer the layers of a network: of a VGG its ReLUs, and whatever else is chosen."""
        if isinstance(network, str):
            names = [layer.name for layer in architecture.layers(network) if layer.kind == "relu"]
        else:
            names = list(network.layers)
        if names != self._names:
            self._names = names
            self._arrange()

    def _arrange(self, _: Any = None) -> None:
        names = [*self._names, *(name for name in self.value if name not in self._names)]
        if list(self.buttons) != names:
            self.buttons = {name: ipywidgets.ToggleButton(description=name) for name in names}
            for name, button in self.buttons.items():
                button.observe(lambda change, name=name: self._pressed(name, change["new"]), "value")
            self._buttons.children = tuple(self.buttons.values())
        for name, button in self.buttons.items():
            button.value = name in self.value
        if list(self.weights) != list(self.value):
            self.weights = {
                name: ipywidgets.BoundedFloatText(
                    weight, min=0, max=1e300, step=step_for(weight), description=name, continuous_update=False
                )
                for name, weight in self.value.items()
            }
            for name, weight in self.weights.items():
                widgets.set_tooltip(weight, f"weight of {name} among the {self._describe}")
                weight.observe(lambda change, name=name: self._weighed(name, change["new"]), "value")
            self._weights.children = tuple(self.weights.values())
        for name, weight in self.value.items():
            self.weights[name].value = weight

    def _pressed(self, name: str, on: bool) -> None:
        if on == (name in self.value):
            return
        rest = dict(self.value)
        if on:
            rest[name] = sum(rest.values()) / len(rest) if rest else 1.0  # as much as the others on average
        else:
            del rest[name]
        order = list(self.buttons)
        self.value = dict(sorted(rest.items(), key=lambda item: order.index(item[0])))

    def _weighed(self, name: str, weight: float) -> None:
        if name in self.value and self.value[name] != weight:
            self.value = {**self.value, name: weight}


def all_controls(recipe: Recipe, changed: Changed) -> dict[str, Control]:
    """A control for each field, by name, which shows what the recipe has."""
    values = plain(recipe)
    made = {field.name: Control(field, values[field.name], changed) for field in fields()}
    show_all(made, recipe)
    return made


def show_all(controls: Mapping[str, Control], recipe: Recipe) -> None:
    """Show the values of a recipe, and which of them are not the named recipe's."""
    values, differing = plain(recipe), differences(recipe)
    for name, control in controls.items():
        if isinstance(control.widget, Layers):
            control.widget.offer(recipe.network)
        control.show(values[name])
        control.mark(name in differing or (name == "steps" and "scales" in differing))


def plain(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe in plain values, and ``steps``."""
    return recipe.to_dict() | {"steps": recipe.steps}
