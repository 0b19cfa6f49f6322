"""From coarse to fine: the size of each scale, and the pictures there."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..control.colour import blended_moments, match_moments, moments
from ..control.masks import resized as resized_mask
from ..errors import RecipeError
from ..images import resize, target_size
from ..lowmem.windows import Window
from ..objective import shares_of
from ..recipes import Recipe
from .colouring import Colouring
from .inputs import Inputs


def sizes(recipe: Recipe, size: tuple[int, int], minimum: int, multiple: int = 1) -> list[tuple[int, int]]:
    """(rows, columns) of the picture at each scale: at least ``minimum``, which the deepest layer needs, and multiples
    of ``multiple``."""
    rows, columns = size
    shares = [min(1.0, max(share, minimum / min(rows, columns))) for share, _ in recipe.scales]
    return [rounded(rows * s, columns * s, multiple) for s in shares]


def rounded(rows: float, columns: float, multiple: int) -> tuple[int, int]:
    """The nearest multiples, one at least."""
    return multiple * max(1, round(rows / multiple)), multiple * max(1, round(columns / multiple))


def refining(recipe: Recipe, size: tuple[int, int], start: tuple[int, int]) -> Recipe:
    """The recipe without the scales that are coarser than a start picture of size ``start``, at which its detail would
    be lost; ``size`` is that of the result. The finest scale stays in any case."""
    kept = tuple(scale for scale in recipe.scales if round(scale[0] * max(size)) >= max(start) - 1)  # rounded sizes
    return recipe.replace(scales=kept or recipe.scales[-1:])


def resized(picture: Tensor, size: tuple[int, int], *, wraps: bool = False) -> Tensor:
    """A picture at another size, or itself; one that ``wraps`` with what is beyond its edges in view."""
    sides = (picture.shape[-2], picture.shape[-1])
    if sides == size:
        return picture
    margins = [_margin(old, new) if wraps else 0 for old, new in zip(sides, size, strict=True)]
    around = Window(*(slice(-margin, side + margin) for margin, side in zip(margins, sides, strict=True)))
    # A margin has whole pixels at the new size too.
    beyond = [margin * new // old for margin, old, new in zip(margins, sides, size, strict=True)]
    larger = (size[0] + 2 * beyond[0], size[1] + 2 * beyond[1])
    made = resize(around.of(picture), larger, fit="exact", upscale=True)
    return made[..., beyond[0] : beyond[0] + size[0], beyond[1] : beyond[1] + size[1]] if wraps else made


def _margin(old: int, new: int) -> int:
    """Pixels beyond an edge that resizing a side may look at, and that are whole pixels at its new size."""
    step = old // math.gcd(old, new)
    return step * math.ceil(4 * max(1.0, old / new) / step)


def enlarged(picture: Tensor, size: tuple[int, int], inputs: Inputs, recipe: Recipe) -> Tensor:
    """A picture of one scale at the size of the next.

    Of the detail that the coarser scale has no room for, the content's own is added as far as the recipe's ``strength``
    keeps the photograph.
    """
    larger = resized(picture, size, wraps=recipe.padding == "circular")
    if recipe.strength == 1:
        return larger
    content = resized(inputs.content, size)
    coarse = resized(resized(inputs.content, (picture.shape[-2], picture.shape[-1])), size)
    with_detail = content + (larger - coarse)  # the content itself, to the last bit, where nothing has changed
    return torch.lerp(with_detail, larger, recipe.strength).clamp(0, 1)


def is_at_rest(inputs: Inputs, recipe: Recipe) -> bool:
    """Whether a run begins, and stays, at the photograph: at strength 0 every loss but a rounding error is 0 there."""
    return recipe.strength == 0 and recipe.start in ("content", "matched") and inputs.start is None


def style_at(
    style: Tensor,
    size: tuple[int, int],
    recipe: Recipe,
    minimum: int,
    *,
    scale: float | str | None = None,
    full: tuple[int, int] | None = None,
) -> Tensor:
    """The style for a picture of ``size``; never enlarged, nor made smaller than the deepest layer needs.

    Args:
        scale: one of the recipe's style scales (default: the first).
        full: the picture's size at the finest scale (default: ``size``). At its own resolution a style shrinks with it.
    """
    scale = recipe.style_scales[0] if scale is None else scale
    return resize(style, _style_side(style, size, minimum, scale, full or size), resample=recipe.resample)


def style_size(
    style: Tensor, size: tuple[int, int], recipe: Recipe, minimum: int, full: tuple[int, int]
) -> tuple[int, int]:
    """(rows, columns) of what `style_at` gives, at the largest of the recipe's style scales."""
    sides = (style.shape[-2], style.shape[-1])
    longer = max(_style_side(style, size, minimum, scale, full) for scale in recipe.style_scales)
    return target_size(*sides, longer, upscale=False)


def _style_side(style: Tensor, size: tuple[int, int], minimum: int, scale: float | str, full: tuple[int, int]) -> int:
    """The longer side that a style is given for a picture of ``size``."""
    sides = style.shape[-2:]
    wanted = max(sides) * max(size) / max(full) if scale == "own" else max(size) * float(scale)
    return max(1, round(wanted), math.ceil(minimum * max(sides) / min(sides)))


def starting_picture(
    inputs: Inputs, recipe: Recipe, size: tuple[int, int], mean: Tensor, generator: torch.Generator
) -> Tensor:
    """Where the optimisation begins. Noise is added to the network's ``mean`` colour.

    Raises:
        RecipeError: it begins with the style, and there is none.
    """
    colouring, photo = Colouring(recipe, inputs), resized(inputs.content, size)
    content = colouring.content(photo)
    if inputs.start is not None:
        return colouring.content(resized(inputs.start, size)).expand_as(content).clone()
    if recipe.start == "content" or (recipe.start == "matched" and not inputs.styles):
        return content.clone()
    if recipe.start == "matched":
        styles = colouring.styles([style_at(style, size, recipe, 1) for style in inputs.styles], photo)
        regions = inputs.masks.regions
        if regions is not None and len(styles) == len(regions):
            matched = _matched_in_regions(content, styles, [resized_mask(region, size) for region in regions])
        else:
            matched = _matched(content, styles, inputs.style_weights if len(styles) == len(inputs.styles) else None)
        return torch.lerp(content, matched, recipe.strength)
    if recipe.start == "style":
        if not inputs.styles:
            raise RecipeError("start='style' needs a style picture")
        in_pairs = len(inputs.styles) == len(content) and inputs.style_weights is None
        styles = inputs.styles if in_pairs else inputs.styles[:1]
        styles = colouring.styles([resized(_cropped(style, size), size) for style in styles], photo)
        return torch.cat(styles).expand_as(content).clone()
    first, second = recipe.noise_range
    if recipe.noise == "uniform":
        noise = first + (second - first) * torch.rand(content.shape, generator=generator)
    else:
        noise = first + second * torch.randn(content.shape, generator=generator)
    share = recipe.start_mix if recipe.start == "mix" else 0.0
    return mean + share * (content - mean) + (1 - share) * noise / 255


def _matched(content: Tensor, styles: list[Tensor], weights: list[float] | None) -> Tensor:
    """Each content with the mean and covariance of its style's colours, or of those of all styles in their shares."""
    if len(styles) == len(content) and weights is None:
        mean, covariance = map(torch.cat, zip(*map(moments, styles), strict=True))
    else:
        mean, covariance = blended_moments(styles, shares_of(len(styles), weights))
    return match_moments(content, mean, covariance)


def _matched_in_regions(content: Tensor, styles: list[Tensor], regions: list[Tensor]) -> Tensor:
    """The colours of each style in its region, the mean of several where they overlap, elsewhere the content's own."""
    together = sum(regions, torch.zeros(())).clamp(min=1)
    picture = content
    for style, region in zip(styles, regions, strict=True):
        picture = picture + region / together * (match_moments(content, *moments(style)) - content)
    return picture.clamp(0, 1)


def _cropped(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest middle part of ``picture`` that has the aspect of ``size``."""
    rows, columns = picture.shape[-2:]
    share = min(rows / size[0], columns / size[1])
    r, c = max(1, round(size[0] * share)), max(1, round(size[1] * share))
    top, left = (rows - r) // 2, (columns - c) // 2
    return picture[..., top : top + r, left : left + c]
