"""A margin that is painted around the picture and cut off, so that what the edges do to a painting stays out of it.

A pixel at an edge has fewer positions of the content layer to answer to, and is repeated, or mirrored, beyond the edge:
it takes colours that no pixel inside would. Some pixels further in there is nothing left of that
(``python benchmarks/margins.py``).
"""

from __future__ import annotations

import dataclasses
import math

from torch import Tensor
from torch.nn import functional as F

from ..recipes import Recipe
from .inputs import Inputs

Size = tuple[int, int]


def extended(inputs: Inputs, recipe: Recipe) -> Inputs:
    """The pictures and masks with the recipe's margin around them, mirrored; those of a picture that tiles as they are.

    The margin is as wide at the coarsest scale as the recipe says, and wider at the others by as much as they are
    larger; narrower than the picture in any case.
    """
    if not recipe.margin or recipe.padding == "circular":
        return inputs
    width = math.ceil(recipe.margin / recipe.scales[0][0])
    masks = inputs.masks
    regions = None if masks.regions is None else [_mirrored(mask, width, inputs.size) for mask in masks.regions]
    content_mask = None if masks.content is None else _mirrored(masks.content, width, inputs.size)
    return dataclasses.replace(
        inputs,
        content=_mirrored(inputs.content, width, inputs.size),
        start=None if inputs.start is None else _mirrored(inputs.start, width, inputs.size),
        masks=dataclasses.replace(masks, regions=regions, content=content_mask),
    )


def fitted(recipe: Recipe, size: Size, canvas: Size) -> Recipe:
    """The recipe for what is painted: its style scales are of the picture inside, and strokes as large as without.

    Args:
        size: of the picture.
        canvas: of the picture with its margin.
    """
    if size == canvas:
        return recipe
    share = max(size) / max(canvas)
    scales = tuple(scale if isinstance(scale, str) else scale * share for scale in recipe.style_scales)
    return recipe.replace(style_scale=scales)


def _mirrored(picture: Tensor, width: int, size: Size) -> Tensor:
    """A picture with a margin that is ``width`` pixels wide where the picture has ``size``."""
    rows, columns = (
        min(side - 1, round(width * side / full)) for side, full in zip(picture.shape[-2:], size, strict=True)
    )
    return F.pad(picture, (columns, columns, rows, rows), mode="reflect")


def inside(painted: Size, size: Size, canvas: Size) -> Size:
    """The size of the picture in what is painted, if they have ``size`` and ``canvas`` at the finest scale."""
    rows, columns = (
        side - 2 * round(side * (outer - inner) / 2 / outer)
        for side, inner, outer in zip(painted, size, canvas, strict=True)
    )
    return rows, columns


def cut(painted: Tensor, size: Size, canvas: Size) -> Tensor:
    """The picture in what was painted, (B, 3, H, W): sizes as for `inside`."""
    rows, columns = inside((painted.shape[-2], painted.shape[-1]), size, canvas)
    top, left = (painted.shape[-2] - rows) // 2, (painted.shape[-1] - columns) // 2
    return painted[..., top : top + rows, left : left + columns].contiguous()
