"""Fields of a dataclass that carry their own help, choices and range.

What a field means and may hold is said once, where the field is declared. The checks of its values, its option on the
command line, its control in a notebook and its line in the documentation are all made from that:

>>> @documented
... @dataclasses.dataclass(frozen=True)
... class Drawing:
...     '''How to draw.'''
...     width: float = number(1.0, "width of the pen", above=0)
...     tip: str = choice("round", "form of its tip", ("round", "flat"))
...     def __post_init__(self) -> None:
...         check_fields(self)
>>> Drawing(width=2), fields_of(Drawing)[1].choices
(Drawing(width=2.0, tip='round'), ('round', 'flat'))
>>> Drawing(tip="flta")
Traceback (most recent call last):
    ...
styletut.errors.RecipeError: unknown tip 'flta': did you mean 'flat'? Choose from round, flat
>>> print(Drawing.__doc__)
How to draw.
<BLANKLINE>
Attributes:
    width: Width of the pen. A number, above 0; default 1.0.
    tip: Form of its tip. ``round`` or ``flat``; default ``round``.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from types import MappingProxyType
from typing import Any

import styletut  # its modules are imported on first use: a recipe's fields must not wait for torch

from .errors import LayerError, RecipeError, shown
from .validation import (
    LARGEST,
    as_list,
    check_choice,
    check_flag,
    check_number,
    check_text,
    check_whole,
    describe_range,
)

LONGEST_SIDE = 1_000_000
"""Pixels of the longest side that may be asked for."""

# The choices, or a function that gives them, where they are names of a module that takes long to import.
Choices = Sequence[str] | Callable[[], Sequence[str]]
# From a field, a value and the object that has it to the value as it is kept; it raises if the value is wrong.
Check = Callable[["Field", Any, Any], Any]


_KINDS = {
    "flag": "true or false",
    "layers": "layers with their weights",
    "number": "a number",
    "pair": "two numbers",
    "ratios": "a number",
    "whole": "a whole number",
}
"""What a field of a kind holds, where the kind's name does not say it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """What a field means and may hold.

    Attributes:
        name: what it is called.
        kind: what sort of value it holds: ``text``, ``flag``, ``choice``, ``number``, ``whole`` (a whole number), or
            one that only a recipe has (`network`, `weights`, `layers`, `pair`, `ratios`, `size`, `scales`).
        default: the value that it has if none is given.
        help: what it means, in a line.
        check: gives a value as it is kept, or raises.
        minimum: the smallest number that is allowed, None for no bound.
        maximum: the largest, None for no bound.
        exclusive: the minimum itself is not allowed.
        values: what it may hold, in words, where its kind does not say that; after choices, what else.
        metavar: what a value is called on the command line.
        option: whether the command line has an option of that name.
        source: where `choices` come from.
    """

    name: str
    kind: str
    default: Any
    help: str
    check: Check
    minimum: float | None = None
    maximum: float | None = None
    exclusive: bool = False
    values: str = ""
    metavar: str = ""
    option: bool = False
    source: Choices = ()

    @property
    def choices(self) -> tuple[str, ...]:
        """The names that it may hold; empty if it holds something else than one of a few names."""
        return tuple(self.source() if callable(self.source) else self.source)

    def allowed(self, mark: str = "") -> str:
        """What it may hold, in words; ``mark`` is put around each choice."""
        names = [f"{mark}{name}{mark}" for name in self.choices]
        if names and self.values:
            return f"{', '.join(names)} {self.values}"
        if names or self.values:
            return self.values or " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        kind = _KINDS.get(self.kind, self.kind)
        bounds = describe_range(self.minimum, self.maximum, exclusive=self.exclusive)
        return f"{kind}, {bounds}" if bounds else kind


# --- declaring ---------------------------------------------------------------------------------------


def declare(kind: str, default: Any, help: str, check: Check, **more: Any) -> Any:
    """A field of a dataclass, of any kind; ``more`` are further attributes of its `Field`."""
    metadata = {"kind": kind, "help": help, "check": check, **more}
    if isinstance(default, dict):  # each object gets its own
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def text(default: str, help: str, **more: Any) -> Any:
    """A field of text."""
    return declare("text", default, help, lambda field, value, _: check_text(field.name, value), **more)


def flag(default: bool, help: str, **more: Any) -> Any:
    """A field that is True or False."""
    return declare("flag", default, help, lambda field, value, _: check_flag(field.name, value), **more)


def choice(default: str, help: str, choices: Choices, **more: Any) -> Any:
    """A field that is one of a few names."""
    return declare("choice", default, help, _check_choice, source=choices, **more)


def _check_choice(field: Field, value: object, _: object) -> str:
    return check_choice(field.name.replace("_", " "), value, field.choices)


def number(
    default: float,
    help: str,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    **more: Any,
) -> Any:
    """A field that is a finite number; ``above`` is a minimum that is not allowed itself."""
    bounds = {"minimum": minimum if above is None else above, "maximum": maximum, "exclusive": above is not None}
    return declare("number", default, help, _check_number, **bounds, **more)


def _check_number(field: Field, value: object, _: object) -> float:
    return check_number(field.name, value, field.minimum, field.maximum, exclusive=field.exclusive)


def whole(default: int, help: str, *, minimum: int = 0, maximum: int | None = None, **more: Any) -> Any:
    """A field that is a whole number."""
    return declare("whole", default, help, check_whole_field, minimum=minimum, maximum=maximum, **more)


def check_whole_field(field: Field, value: object, _: object = None) -> int:
    """The check of a field of kind ``whole``.

    Raises:
        RecipeError: the value is no whole number of the field's range.
    """
    maximum = LARGEST if field.maximum is None else int(field.maximum)
    return check_whole(field.name, value, int(field.minimum or 0), maximum)


# --- declaring the kinds that a recipe has besides ---------------------------------------------------


def ratios(default: float, help: str, *, above: float, maximum: float, **more: Any) -> Any:
    """A field that is a number or the word ``own``, or several of them."""
    bounds = {"minimum": above, "maximum": maximum, "exclusive": True}
    return declare("ratios", default, help, _check_ratios, **bounds, **more)


def _check_ratios(field: Field, value: object, _: object) -> float | str | tuple[float | str, ...]:
    def one(ratio: object) -> float | str:
        if isinstance(ratio, str) and ratio == "own":
            return ratio
        if isinstance(ratio, str):
            bounds = describe_range(field.minimum, field.maximum, exclusive=field.exclusive)
            raise RecipeError(f"{field.name} must be a number, {bounds}, or own, not {shown(ratio)}")
        return check_number(field.name, ratio, field.minimum, field.maximum, exclusive=field.exclusive)

    several = as_list(value)
    if several is None:
        return one(value)
    if not several:
        raise RecipeError(f"{field.name} must be one number at least, not {shown(value)}")
    checked = tuple(map(one, several))
    return checked[0] if len(checked) == 1 else checked


def network(default: str, help: str, **more: Any) -> Any:
    """A field that is the name of a network, or an object with `layers` that can be called: one of the user's own."""
    return declare("network", default, help, _check_network, source=lambda: tuple(styletut.vgg.NETWORKS), **more)


def _check_network(field: Field, value: Any, _: object) -> Any:
    if isinstance(value, str) and value.startswith("<"):  # as `Recipe.to_dict` writes it
        raise RecipeError(f"the {field.name} {shown(value)} was an object, which is not kept: give it again")
    if isinstance(value, (str, type)) or not callable(value) or not hasattr(value, "layers"):
        return check_choice(field.name, value, field.choices)
    names = as_list(value.layers)
    if not names or not all(isinstance(name, str) for name in names):
        raise RecipeError(f"the layers of {field.name} {describe(value)} must be a list of names, not {shown(names)}")
    return value


def weights(default: str, help: str, **more: Any) -> Any:
    """A field that says where a network's weights are: a name, a path, or a `vgg.Weights`."""
    return declare("weights", default, help, _check_weights, **more)


def _check_weights(field: Field, value: Any, _: object) -> Any:
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(value, str) and not isinstance(value, styletut.vgg.Weights):
        raise RecipeError(f"{field.name} must be a name, a path or a Weights object, not {shown(value)}")
    return value


def describe(value: object) -> str:
    """What takes the place of an object where only text can be written: weights say where they come from.

    >>> describe(print)
    '<builtin_function_or_method>'
    """
    return f"<{value.source if isinstance(value, styletut.vgg.Weights) else type(value).__name__}>"


def layers(default: dict[str, float], help: str, **more: Any) -> Any:
    """A field that maps layers of the object's ``network`` to weights; in a list of layers each has the weight 1."""
    return declare("layers", default, help, _check_layers, **more)


def _check_layers(field: Field, value: object, owner: Any) -> Mapping[str, float]:
    given = value if isinstance(value, Mapping) else as_list(value)
    if given is None:
        raise RecipeError(
            f"{field.name} must map layers to weights, for example {{'relu4_2': 1.0}}, not {shown(value)}"
        )
    checked: dict[str, float] = {}
    for name in given:
        layer = _canonical(name, owner.network)
        if layer in checked:
            raise RecipeError(f"{field.name} names {layer} twice ({name!r} is another name for it)")
        weight = given[name] if isinstance(given, Mapping) else 1.0
        checked[layer] = check_number(f"the weight of {name} in {field.name}", weight, minimum=0)
    return MappingProxyType(checked)


def _canonical(name: Any, network: Any) -> str:
    """The one name of a layer of a network."""
    if isinstance(network, str):
        return styletut.vgg.canonical(name, network)
    return check_choice(f"layer of {type(network).__name__}", name, network.layers, LayerError)


def pair(default: tuple[float, float], help: str, **more: Any) -> Any:
    """A field of two finite numbers."""
    return declare("pair", default, help, _check_pair, **more)


def _check_pair(field: Field, value: object, _: object) -> tuple[float, float]:
    numbers = as_list(value)
    if numbers is None or len(numbers) != 2:
        raise RecipeError(f"{field.name} must be two numbers, not {shown(value)}")
    first, second = (check_number(f"each of {field.name}", number) for number in numbers)
    return first, second


def size(default: int | tuple[int, int] | None, help: str, **more: Any) -> Any:
    """A field that is a picture's size: pixels, (rows, columns), or None for the size that it has."""
    return declare("size", default, help, _check_size, **more)


def _check_size(field: Field, value: object, _: object) -> int | tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, Integral):
        return check_whole(field.name, value, 1, LONGEST_SIDE)
    sides = as_list(value)
    if sides is None or len(sides) != 2:
        raise RecipeError(f"{field.name} must be a number of pixels, or (rows, columns), not {shown(value)}")
    rows, columns = (check_whole(f"each side of {field.name}", side, 1, LONGEST_SIDE) for side in sides)
    return rows, columns


def scales(default: tuple[tuple[float, int], ...], help: str, **more: Any) -> Any:
    """A field of pairs (share of the full size, steps), one at least."""
    return declare("scales", default, help, _check_scales, **more)


def _check_scales(field: Field, value: object, _: object) -> tuple[tuple[float, int], ...]:
    pairs = [as_list(pair) for pair in as_list(value) or ()]
    if not pairs or any(pair is None or len(pair) != 2 for pair in pairs):
        few = "" if pairs else ", one at least"
        raise RecipeError(f"{field.name} must be pairs (share of the size, steps){few}, not {shown(value)}")
    checked = []
    for share, steps in filter(None, pairs):
        share = check_number(f"the share of the size in {field.name}", share, 0, 1, exclusive=True)
        checked.append((share, check_whole(f"the steps in {field.name}", steps, 1)))
    if sum(steps for _, steps in checked) > LARGEST:
        raise RecipeError(f"the steps of all {field.name} must be below 2**63, not {shown(value)}")
    return tuple(checked)


# --- using -------------------------------------------------------------------------------------------


@functools.cache
def fields_of(owner: type) -> tuple[Field, ...]:
    """The fields of a dataclass whose fields were all declared with the functions above, in their order."""
    return tuple(
        Field(
            name=field.name,
            default=field.default if field.default_factory is dataclasses.MISSING else field.default_factory(),
            **field.metadata,
        )
        for field in dataclasses.fields(owner)
    )


def check_fields(owner: Any) -> None:
    """Check every field of an object and keep each value as its check gives it; for ``__post_init__``."""
    for field in fields_of(owner.__class__):
        object.__setattr__(owner, field.name, field.check(field, getattr(owner, field.name), owner))


class _Docstring:
    """A docstring that is put together when it is read: choices may be names of modules that take long to import."""

    def __init__(self, opening: str) -> None:
        self.opening = opening

    def __get__(self, instance: object, owner: type) -> str:
        lines = [f"    {field.name}: {_documented(field)}" for field in fields_of(owner)]
        return "\n".join([self.opening, "", "Attributes:", *lines])


def documented(owner: type[Any]) -> type[Any]:
    """Decorate a dataclass: its docstring ends with a list of its fields."""
    owner.__doc__ = _Docstring(inspect.getdoc(owner) or "")  # type: ignore[assignment]
    return owner


def _documented(field: Field) -> str:
    """A field's help, what it may hold and its default, for a docstring."""
    default = f"``{field.default}``" if isinstance(field.default, str) and field.default else repr(field.default)
    return f"{_sentence(field.help)}. {_sentence(field.allowed('``'))}; default {default}."


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
