"""A texture from a style alone, at any size; it may tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..architecture import layer
from ..errors import RecipeError, SizeWarning, warn
from ..recipes import Recipe, fields, get
from .drive import stylize
from .inputs import Pictures, read_pictures
from .result import Result, Step

_WITHOUT = {"content_weight": 0, "strength": 1, "colour": "style"}
"""Fields of a recipe that need a photograph, with their values for none."""


def texture(
    style: Pictures,
    size: int | tuple[int, int] | None = None,
    recipe: str | Recipe | None = None,
    *,
    seamless: bool = False,
    progress: bool | str = True,
    callback: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """Make a texture from a style alone: a picture of noise that is given the style's statistics.

    Args:
        style: as of `stylize`; several are blended with ``style_weights``. Its detail has the size that it has in the
            picture, or, where the texture is smaller, the whole style has the texture's size; ``style_scale`` changes
            that.
        size: (rows, columns), or one number for both (default: the recipe's size, or else the style's).
        recipe: a name or a `Recipe` (default: ``fast``); its content does not count, and it starts from noise.
        seamless: the texture tiles: its right edge goes on at its left, and its bottom at its top. All convolutions and
            total variation wrap round (``padding="circular"``), and sides are rounded up to multiples of the deepest
            layer's stride, 16 for ``fast``; a `SizeWarning` says so.
        progress, callback: as of `stylize`.
        **options: as of `stylize`: where and how to run, and fields of the recipe to change.

    Raises:
        RecipeError: something asks for a photograph, or the size is too small for the recipe's layers.
        ImageError, LayerError, WeightsError, DeviceError: as `stylize`.

    Source: L. Gatys, A. Ecker and M. Bethge, "Texture synthesis using convolutional neural networks", NeurIPS 2015.

    >>> from styletut import vgg
    >>> small = {"weights": vgg.random_weights(width=0.1), "scales": ((1.0, 2),), "progress": False}
    >>> texture(torch.rand(1, 3, 40, 40), (32, 48), seamless=True, **small).picture.shape
    torch.Size([1, 3, 32, 48])
    """
    known = {*(field.name for field in fields()), "steps"}
    changes = {name: value for name, value in options.items() if name in known}
    rest = {name: value for name, value in options.items() if name not in known}
    if not isinstance(changes.get("start", ""), str):  # a picture
        rest["start"] = changes.pop("start")
    canvas, styles, chosen = prepare(style, size, get(recipe or "fast"), changes, seamless=seamless)
    return stylize(canvas, styles, chosen, progress=progress, callback=callback, **rest)


def prepare(
    style: Pictures,
    size: int | tuple[int, int] | None,
    recipe: Recipe,
    changes: Mapping[str, Any] | None = None,
    *,
    seamless: bool = False,
) -> tuple[Tensor, list[Tensor], Recipe]:
    """What `stylize` makes a texture of: a canvas in the place of a content, the styles, and the recipe.

    Raises:
        RecipeError, ImageError: as `texture`.
    """
    styles = read_pictures(style, "style")
    recipe = recipe.replace(**({"content_weight": 0, "start": "noise"} | dict(changes or {})))
    recipe = recipe.replace(
        **({"size": size} if size is not None else {}) | ({"padding": "circular"} if seamless else {})
    )
    for name, none in _WITHOUT.items():
        if getattr(recipe, name) != none:
            raise RecipeError(f"a texture has no photograph: {name} must be {none!r}")
    rows, columns = _sides(recipe, styles)
    if recipe.style_scale == 1 and max((max(each.shape[-2:]) for each in styles), default=0) < max(rows, columns):
        # It is never enlarged, so that coarser scales must shrink it as well.
        recipe = recipe.replace(style_scale="own")
    return torch.full((1, 3, rows, columns), 0.5), styles, recipe.replace(size=(rows, columns))


def _sides(recipe: Recipe, styles: list[Tensor]) -> tuple[int, int]:
    """(rows, columns) of the texture."""
    size = recipe.size
    if size is None:
        size = (styles[0].shape[-2], styles[0].shape[-1]) if styles else 1
    rows, columns = (size, size) if isinstance(size, int) else size
    if not isinstance(recipe.network, str) or not recipe.layers:
        return rows, columns
    stride = max(layer(name, recipe.network).stride for name in recipe.layers)
    if min(rows, columns) < stride and recipe.padding != "circular":
        needs = f"{stride} pixels a side at least"
        raise RecipeError(f"a texture of {columns} x {rows} pixels is too small for the recipe's layers: {needs}")
    if recipe.padding != "circular":
        return rows, columns
    wider = stride * math.ceil(rows / stride), stride * math.ceil(columns / stride)
    if wider != (rows, columns):
        warn(
            f"{columns} x {rows} pixels rounded up to {wider[1]} x {wider[0]}, multiples of {stride}, so that the "
            "texture tiles",
            SizeWarning,
        )
    return wider
