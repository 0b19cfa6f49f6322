"""Masks: which part of a picture a style is for, which part of a painting counts, and where the content counts more.

A mask has a value for every pixel of its picture, mostly 0 (not here) or 1 (here); values between are soft edges. A
layer of the network sees it averaged over the pixels of each position, as average pooling would, so that a position's
weight is the share of its pixels that lie in the region.

Source: spatial control in L. Gatys, A. Ecker, M. Bethge, A. Hertzmann and E. Shechtman, "Controlling perceptual factors
in neural style transfer", CVPR 2017, section 4; there masks are carried down the network in other ways, and regions
have equal weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import EmptyImageError, ImageError, RecipeError
from ..images import load_image
from ..losses import STYLE_LOSSES
from ..recipes import Recipe
from ..vgg import VGG

PROTECTION = 10.0
"""How many times as much the content counts where `protection` is asked for."""


@dataclass(frozen=True, eq=False)
class Masks:
    """The masks of a run, each (1, 1, rows, columns).

    Attributes:
        regions: for each style, how much it counts at each pixel of the picture, 0 to 1.
        styles: for each style, how much each pixel of the painting counts, 0 to 1, or None where all count alike.
        content: what the content loss is multiplied by at each pixel of the picture, 0 or more.
    """

    regions: Sequence[Tensor] | None = None
    styles: Sequence[Tensor | None] | None = None
    content: Tensor | None = None

    @classmethod
    def read(
        cls, regions: Any, styles: Any, content: Any, size: tuple[int, int], style_sizes: Sequence[tuple[int, int]]
    ) -> Masks:
        """Masks in any of the forms that `read` takes (lists of them for the styles), brought to their pictures' sizes.

        Raises:
            ImageError: one of them is no mask.
            RecipeError: there are not as many as styles.
        """
        own = None if regions is None else read_list(regions, "mask")
        of_styles = None if styles is None else read_list(styles, "style mask")
        for what, given in (("masks", own), ("style masks", of_styles)):
            _check_count(what, given, len(style_sizes))
        for name, mask in zip(names("mask", len(own or ())), own or (), strict=True):
            if mask is None:
                raise RecipeError(f"{name} is None: give each style a mask, of ones for the whole picture")
        return cls(
            None if own is None else [resized(mask, size) for mask in own if mask is not None],
            None
            if of_styles is None
            else [None if m is None else resized(m, s) for m, s in zip(of_styles, style_sizes, strict=True)],
            None if content is None else resized(read(content, "content_mask", largest=math.inf), size),
        )

    def named_regions(self) -> Iterator[tuple[str, Tensor]]:
        """What each region is called in errors, and its mask."""
        own = self.regions or ()
        return zip(names("mask", len(own)), own, strict=True)

    def check(self, recipe: Recipe, styles: int) -> None:
        """Refuse masks that do not fit the recipe, or not that many styles.

        Raises:
            RecipeError: they do not.
        """
        for what, masks in (("masks", self.regions), ("style masks", self.styles)):
            if masks is None:
                continue
            _check_count(what, masks, styles)
            if recipe.style_layers and not STYLE_LOSSES[recipe.style_loss].weighs:
                raise RecipeError(
                    f"style_loss={recipe.style_loss!r} cannot be restricted to a region: choose another, or give no "
                    f"{what}"
                )
            for name, mask in zip(names(what[:-1], len(masks)), masks, strict=True):
                if mask is not None and not bool((mask > 0).any()):
                    raise RecipeError(f"{name} has no area: it is 0 (black) everywhere")


def _check_count(what: str, given: Sequence[object] | None, styles: int) -> None:
    if given is not None and len(given) != styles:
        raise RecipeError(f"{len(given)} {what} for {styles} styles: give one for each, in their order")


# --- reading -----------------------------------------------------------------------------------------


def read(source: Any, name: str = "mask", *, largest: float = 1.0) -> Tensor:
    """A mask (1, 1, rows, columns), float32.

    Args:
        source: a tensor or an array of shape (H, W) or (1, 1, H, W), floats or booleans; or a picture: a tensor
            (1, 3, H, W), or anything else that `images.load_image` takes. A picture with transparency gives its alpha
            (1 is opaque), any other its brightness, the mean of red, green and blue (1 is white).
        name: what errors call it.
        largest: the largest value that is allowed; infinity for factors.

    Raises:
        ImageError: it is no mask, or has values that are not allowed.

    >>> read(np.eye(2, dtype=bool))
    tensor([[[[1., 0.],
              [0., 1.]]]])
    """
    values = source
    if isinstance(source, np.ndarray) and source.ndim in (2, 4) and source.dtype.kind in "bf":
        values = torch.from_numpy(np.ascontiguousarray(source))
    if not isinstance(values, Tensor):
        picture, alpha = load_image(source, alpha="keep")
        return picture.mean(1, keepdim=True) if alpha is None else alpha
    values = values.detach().cpu()
    shape = tuple(values.shape)
    if values.dim() == 2:
        values = values[None, None]
    if values.dim() != 4 or len(values) != 1 or values.shape[1] not in (1, 3):
        raise ImageError(f"{name} must have shape (H, W) or (1, 1, H, W), got {shape}")
    if 0 in shape:
        raise EmptyImageError(f"{name} has no pixels, its shape is {shape}: use one that has")
    if values.dtype != torch.bool and not values.is_floating_point():
        raise ImageError(f"{name} must hold floats or booleans, got {values.dtype}: divide it by its maximum")
    values = values.float().mean(1, keepdim=True)
    low, high = (float(value) for value in values.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError(f"{name} holds NaN or infinite values: replace them first")
    if low < 0 or high > largest:
        allowed = "0 or more" if math.isinf(largest) else f"from 0 to {largest:g}"
        raise ImageError(f"{name} holds values from {low:g} to {high:g}: they must be {allowed}")
    return values.clone() if values.is_inference() else values


def read_list(sources: Any, name: str) -> list[Tensor | None]:
    """Several masks, or a single one; None stays None.

    Raises:
        ImageError: one of them is no mask.
    """
    if isinstance(sources, Tensor) and sources.dim() == 4:
        sources = list(sources.split(1))
    if not isinstance(sources, (list, tuple)):
        sources = [sources]
    return [
        None if source is None else read(source, each)
        for each, source in zip(names(name, len(sources)), sources, strict=True)
    ]


def names(name: str, count: int) -> Iterator[str]:
    """What each of several is called in errors."""
    return (f"{name} {i}" if count > 1 else name for i in range(1, count + 1))


def protection(mask: Tensor, factor: float = PROTECTION) -> Tensor:
    r"""Factors of the content loss that protect what a mask shows: :math:`1 + (k - 1)\,m` with k = ``factor``.

    Where the mask is 1 the content counts ``factor`` times, where it is 0 once.

    >>> protection(torch.tensor([[0.0, 0.5, 1.0]]), 9)
    tensor([[1., 5., 9.]])
    """
    return 1 + (factor - 1) * mask


# --- in the network ----------------------------------------------------------------------------------


def resized(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask at the size of its picture. Bilinear: a bicubic filter would ring, and leave traces outside the region."""
    if tuple(mask.shape[-2:]) == size:
        return mask
    return F.interpolate(mask, size=size, mode="bilinear", antialias=True).clamp(min=0)


@torch.no_grad()
def pooled(mask: Tensor, network: Any, layers: Iterable[str], like: Tensor) -> dict[str, Tensor]:
    """A mask as layers of a network see it: (1, 1, rows, columns) at each, on the CPU, in float64.

    Args:
        mask: (1, 1, H, W), at the size of the picture.
        network: a `vgg.VGG`; of another network only the sizes of its feature maps are known, and the mask is averaged
            to them.
        layers: their names.
        like: a picture on the network's device.

    >>> from styletut.vgg import random_weights
    >>> vgg = VGG(["relu2_1"], weights=random_weights(width=0.1))
    >>> pooled(torch.eye(4)[None, None], vgg, ["relu2_1"], torch.zeros(1, 3, 4, 4))["relu2_1"]
    tensor([[[[0.5000, 0.0000],
              [0.0000, 0.5000]]]], dtype=torch.float64)
    """
    mask = mask.double()
    if isinstance(network, VGG):
        return {layer: _averaged(mask, network.strides[layer], network.rounds_up) for layer in layers}
    features = network(torch.zeros_like(like[:1]))
    return {layer: F.adaptive_avg_pool2d(mask, features[layer].shape[-2:]) for layer in layers}


def _averaged(mask: Tensor, stride: int, up: bool) -> Tensor:
    """The mean over the pixels of each position: pooled as often, and with an odd row dropped or kept, as features."""
    for _ in range(stride.bit_length() - 1):
        mask = F.avg_pool2d(mask, 2, ceil_mode=up, count_include_pad=False)
    return mask


def regions(mask: Tensor, network: Any, layers: Iterable[str], like: Tensor, name: str) -> dict[str, Region]:
    """The region that a mask stands for at each layer.

    Raises:
        RecipeError: nothing of it is left at a layer.
    """
    found = {}
    for layer, values in pooled(mask, network, layers, like).items():
        area = float(values.mean())
        if not area > 0:
            raise RecipeError(
                f"{name} has no area at {layer}, where a position is many pixels: make the region or the picture "
                "larger, or leave out the deepest layers"
            )
        found[layer] = Region((values / area).to(like.device, like.dtype), area)
    return found


@dataclass(frozen=True, eq=False)
class Region:
    """A region of a feature map.

    Attributes:
        weights: of its positions, (1, 1, rows, columns), with mean 1: a weighted mean over all positions is the mean
            over the region, whatever its area.
        area: its share of the map.
    """

    weights: Tensor
    area: float
