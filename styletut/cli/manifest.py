"""What a picture says of how it was made."""

from __future__ import annotations

import json
from typing import Any

from ..errors import ImageError
from .printing import format_table, format_value


def read_manifest(name: str) -> dict[str, Any]:
    """What a picture says of how it was made.

    Raises:
        ImageError: it is no picture, says nothing, or what it says is damaged.
    """
    from .. import images, transfer

    text = images.read_metadata(name).get(transfer.METADATA_KEY)
    if text is None:
        raise ImageError(f"{name!r} does not say how it was made: only pictures that styletut wrote do")
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        raise damaged(name) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("recipe"), dict):
        raise damaged(name)
    return manifest


def sheet_commands(name: str) -> str | None:
    """What a contact sheet says of how each of its pictures is made; None if it is none.

    Raises:
        ImageError: it is no picture.
    """
    from .. import images, sheets

    return images.read_metadata(name).get(sheets.METADATA_KEY)


def damaged(name: str) -> ImageError:
    """The error of a picture whose manifest makes no sense."""
    return ImageError(f"what {name!r} says of how it was made is damaged: nothing can be learnt from it")


def describe_manifest(name: str, made: dict[str, Any]) -> str:
    """A manifest for people.

    Raises:
        ImageError: somebody has changed it, and it makes no sense.
    """
    try:
        return _describe(name, made)
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError, RecursionError):
        raise damaged(name) from None


def _describe(name: str, made: dict[str, Any]) -> str:
    from .. import recipes

    recipe, losses = made["recipe"], made["losses"]
    rows = [
        ("made", f"{made['made']} by styletut {made['styletut']} with torch {made['torch']}"),
        ("size", f"{made['size'][1]} x {made['size'][0]}"),
        ("recipe", str(recipe["name"])),
    ]
    if recipe["name"] in recipes.names():
        named = json.loads(recipes.get(recipe["name"]).to_json())
        changed = {key: value for key, value in recipe.items() if value != named.get(key)}
        rows += [("  changed", f"{key} = {format_value(value)}") for key, value in changed.items()]
    rows += [
        ("cost", f"{made['iterations']} steps, {made['evaluations']} evaluations, {made['seconds']} s"),
        ("on", f"{made['device']} in {made['precision']}"),
        *((f"loss {key}", f"{float(value):.4g}") for key, value in losses.items()),
        *((key, str(made[key])) for key in ("stopped",) if made[key]),
        ("another", f"styletut CONTENT STYLE -r {name}"),
    ]
    return format_table(rows)
