"""What a contact sheet is made of: the pictures that it is given, and the pictures that it shows."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from .. import recipes
from ..errors import RecipeError
from ..recipes import Recipe

QUICK = "draft"
"""The recipe that a sheet is painted by, if none is named."""

Make = Callable[[Any, Mapping[str, Any]], Recipe]
"""From a recipe, None for the one that the sheet has, and fields to the recipe with these fields."""
Call = Callable[[str, str, Mapping[str, Any]], str]
"""From the words for content and style and the settings to what paints the picture: a command, or Python."""


def quick() -> Recipe:
    """The recipe that a sheet is painted by, if none is named."""
    return recipes.get(QUICK)


@dataclass(frozen=True, eq=False)
class Source:
    """A picture that a sheet is made from.

    Attributes:
        name: what a label calls it.
        word: what a command or a call writes in its place.
        load: gives it, as a tensor (1, 3, H, W), for a recipe.
    """

    name: str
    word: str
    load: Callable[[Recipe], Tensor]


@dataclass(eq=False)
class Cell:
    """One picture of a sheet.

    Attributes:
        label: the style and the settings that tell it from the others, a line each.
        style: what it is painted in.
        recipe: what it is painted by.
        call: the command, or the Python, that makes this picture at full quality.
        picture: (1, 3, H, W) in [0, 1]; None if it has not been painted, or could not be.
        note: why there is no picture, or why it is not the one that was asked for.
        thumbnail: the style picture, small.
    """

    label: tuple[str, ...]
    style: Source
    recipe: Recipe
    call: str
    picture: Tensor | None = None
    note: str | None = None
    thumbnail: Image.Image | None = None


def cells_of(
    content: Source, styles: Sequence[Source], vary: Mapping[str, Sequence[Any]], settings: Mapping[str, Any],
    make: Make, call: Call,
) -> tuple[list[Cell], int | None]:  # fmt: skip
    """The cells of a sheet, row by row, and how many make a row; None if they have one order only.

    Args:
        vary: what differs between the cells: fields of a recipe, or ``recipe`` itself, with their values.
        settings: what else a call has to say.

    Raises:
        RecipeError, LayerError: a field or a value means nothing, or there are more than two things to vary.
    """
    vary = {name.replace("-", "_"): _values(name, values) for name, values in vary.items()}
    axes = (len(styles) > 1) + len(vary)
    if axes > 2:
        others = "a style and one other setting, or give one style" if len(styles) > 1 else "two settings"
        raise RecipeError(f"a sheet has rows and columns, and {axes} things vary: vary {others}")
    cells = []
    for style in styles:
        for values in itertools.product(*vary.values()):
            given = dict(zip(vary, values, strict=True))
            recipe = make(given.get("recipe"), {name: value for name, value in given.items() if name != "recipe"})
            plain = {name: _plain(recipe, name, value) for name, value in given.items()}
            label = [style.name] if len(styles) > 1 or not vary else []
            label += [f"{name.replace('_', '-')} {_text(value)}" for name, value in plain.items()]
            words = call(content.word, style.word, {**settings, **plain})
            cells.append(Cell(tuple(label), style, recipe, words))
    return cells, len(list(vary.values())[-1]) if axes == 2 else None


def _values(name: str, values: Any) -> list[Any]:
    """The values of a field that varies.

    Raises:
        RecipeError: there is no such field, or no value.
    """
    if name != "recipe":
        recipes.field(name.replace("-", "_"))  # is there one?
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Sequence) or not values:
        raise RecipeError(f"give the values that {name} takes in a sheet as a list of one or more, not {values!r:.80}")
    return list(values)


def _plain(recipe: Recipe, name: str, value: Any) -> Any:
    """What a recipe has of a field, in plain values; <> is around what they cannot say."""
    if name == "recipe":
        return value if isinstance(value, str) else f"<{recipe.name}>"
    return recipe.steps if name == "steps" else recipe.to_dict()[name]


def _text(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return f"{value[0]}x{value[1]}"
    return value if isinstance(value, str) else json.dumps(value)
