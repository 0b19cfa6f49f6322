"""The recipe that the options ask for, and what a word means for a field of it."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RecipeError
from .files import Picture, exists
from .manifest import read_manifest
from .parser import recipe_options

if TYPE_CHECKING:
    from ..recipes import Recipe

_TEXT = ("choice", "network", "text", "weights")
"""Kinds of fields that hold text."""


KEPT_COLOURS = "luminance"
"""The recipe's ``colour`` that --keep-colours stands for."""


def recipe_from(args: argparse.Namespace) -> Recipe:
    """The recipe that the options ask for.

    Raises:
        RecipeError, LayerError: there is none, or a value does not fit.
    """
    from .. import recipes

    chosen = recipes.get() if args.recipe is None else named_recipe(args.recipe)
    return chosen.replace(**{field: parse_value(field, text) for field, text in changes_from(args).items()})


def changes_from(args: argparse.Namespace) -> dict[str, str]:
    """The fields of the recipe that the options change, as they were written.

    Raises:
        RecipeError: --set is not understood.
    """
    given = {field.name: getattr(args, field.name) for field in recipe_options()}
    if start_picture(args.start) is not None:
        del given["start"]
    if args.keep_colours:
        if given["colour"] not in (None, KEPT_COLOURS):
            raise RecipeError(f"--keep-colours is --colour {KEPT_COLOURS}: leave out one of them")
        given["colour"] = KEPT_COLOURS
    changes = {field: text for field, text in given.items() if text is not None}
    for text in args.set:
        field, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--set takes FIELD=VALUE, for example --set optimizer=adam, not {text!r}")
        changes[field] = value
    return changes


def start_picture(name: str | None) -> Picture | None:
    """The picture that --start names, if it is not one of the recipe's starts."""
    from .. import recipes

    if name is None or name in recipes.field("start").choices:
        return None
    return Picture(name) if exists(name) else None


def begin_from(args: argparse.Namespace, recipe: Recipe, max_memory: int | None) -> dict[str, Any]:
    """What --start and --refine are to `transfer.iterate`, where they name a picture."""
    if args.refine is not None:
        steps = {} if args.steps is None else {"steps": recipe.steps}  # those of the scales that remain
        return {"refine": Picture(args.refine).load(max_memory)} | steps
    start = start_picture(args.start)
    return {} if start is None else {"start": start.load(max_memory)}


def protected(name: str | None) -> dict[str, Any]:
    """What --protect is to `transfer.iterate`."""
    from ..control import masks

    return {} if name is None else {"content_mask": masks.protection(Picture(name).mask())}


def named_recipe(name: str) -> Recipe:
    """A recipe by name, from JSON (a recipe or what ``info --json`` prints), or of a picture.

    Raises:
        RecipeError: there is none, or what it says is no recipe.
        ImageError: it is a picture that does not say how it was made.
    """
    from .. import recipes

    path = Path(name)
    if path.suffix.lower() == ".json":
        return _recipe_in(path)
    if path.is_file() and name not in recipes.names():
        return recipes.Recipe.from_dict(read_manifest(name)["recipe"])
    return recipes.get(name)


def _recipe_in(path: Path) -> Recipe:
    from ..recipes import Recipe

    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot read the recipe {name!r}: {getattr(error, 'strerror', None) or error}") from None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"the recipe {name!r} is not JSON: {error}") from None
    if isinstance(values, dict) and isinstance(values.get("recipe"), dict):
        values = values["recipe"]
    return Recipe.from_json(json.dumps(values))


def parse_value(name: str, text: str) -> Any:
    """What a word means for a field of the recipe: itself where the field holds text, else what it is as JSON.

    >>> parse_value("optimizer", "adam"), parse_value("size", "300x500"), parse_value("rescale", "true")
    ('adam', (300, 500), True)
    >>> parse_value("content_weight", ".3"), parse_value("style_scale", ".5,own")
    (0.3, [0.5, 'own'])

    Raises:
        RecipeError: there is no such field.
    """
    from .. import recipes

    kind = recipes.field(name).kind
    if kind == "size":
        if text == "own":
            return None
        if sides := re.fullmatch(r"(\d{1,18})x(\d{1,18})", text):
            return int(sides[1]), int(sides[2])
    if kind == "ratios" and "," in text and not text.startswith("["):
        return [parse_value(name, part) for part in text.split(",")]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
        if kind in ("number", "ratios"):  # .3 is none in JSON
            with contextlib.suppress(ValueError):
                value = float(text)
    return text if kind in _TEXT and not isinstance(value, str) else value
