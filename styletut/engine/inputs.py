"""The pictures that a run is given: checked, and brought to the recipe's size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .. import objective
from ..control.masks import Masks
from ..errors import ImageError, RecipeError
from ..images import check_picture, load_image, resize
from ..recipes import Recipe

Picture = Tensor | np.ndarray | Image.Image | str | os.PathLike[str]
"""A picture: a tensor (1, 3, H, W) in [0, 1] (or (B, 3, H, W)), or anything else that `images.load_image` takes."""
Pictures = Picture | Sequence[Picture]


@dataclass(frozen=True, eq=False)
class Inputs:
    """The pictures of a run: ``content`` (B, 3, H, W), ``styles`` and ``start`` of their own sizes, and ``masks``."""

    content: Tensor
    styles: list[Tensor]
    style_weights: list[float] | None
    start: Tensor | None
    masks: Masks

    @classmethod
    def read(
        cls,
        content: Pictures,
        style: Pictures | None,
        recipe: Recipe,
        start: Picture | None = None,
        style_weights: Sequence[float] | None = None,
        masks: Any = None,
        style_masks: Any = None,
        content_mask: Any = None,
    ) -> Inputs:
        """The pictures that a run of ``recipe`` is given.

        Raises:
            ImageError: one of them cannot be used.
            RecipeError: they do not fit the recipe.
        """
        contents = _batch(content, recipe)
        styles = read_pictures(style, "style")
        weights = _weights(style_weights, len(styles))
        begin = None if start is None else _picture(start, "start")
        size, sizes = _size(contents), [_size(each) for each in styles]
        where = Masks.read(masks, style_masks, content_mask, size, sizes)
        return cls.of(recipe, contents, styles, weights, begin, where)

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        content: Tensor,
        styles: list[Tensor],
        style_weights: list[float] | None,
        start: Tensor | None,
        masks: Masks | None = None,
    ) -> Inputs:
        """Pictures that have been read and have the recipe's size, and masks that have theirs.

        Raises:
            ImageError, RecipeError: they do not fit each other or the recipe.
        """
        if style_weights is not None:
            objective.shares_of(len(styles), style_weights)
        if len(content) > recipe.batch:
            raise RecipeError(
                f"{len(content)} content pictures at once, but recipe {recipe.name!r} takes {recipe.batch}: "
                "give them one by one, or replace(batch=...)"
            )
        if len(content) > 1 and recipe.optimizer in ("lbfgs", "lbfgs-b"):
            raise RecipeError("L-BFGS couples the pictures of a batch: give them one by one, or use sgd or adam")
        if recipe.style_layers and recipe.style_weight and not styles:
            raise RecipeError(f"recipe {recipe.name!r} has style layers: give a style picture")
        if start is not None and len(start) not in (1, len(content)):
            raise ImageError(f"{len(start)} start pictures for {len(content)} of content: give one for each")
        masks = masks or Masks()
        masks.check(recipe, len(styles))
        return cls(content, styles, style_weights, start, masks)

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the content, and of the result."""
        return _size(self.content)

    @property
    def grey(self) -> bool:
        """Whether all of them are grey."""
        return all(map(is_grey, [self.content, *self.styles, *([] if self.start is None else [self.start])]))

    def check_sides(self, minimum: int, layer: str, recipe: Recipe) -> None:
        """Refuse pictures with fewer than ``minimum`` pixels a side, which ``layer`` needs, by their names.

        Raises:
            ImageError: one is too small.
        """
        read = {"content": [self.content], "style": self.styles if recipe.style_weight else []}
        for name, pictures in read.items():
            for i, picture in enumerate(pictures, 1):
                rows, columns = picture.shape[-2:]
                if min(rows, columns) < minimum:
                    which = f"{name} {i}" if len(pictures) > 1 else name
                    raise ImageError(
                        f"{which} of {columns} x {rows} pixels is too small for {layer}: it needs {minimum} pixels a "
                        "side at least; give a larger one, or leave out the deepest layers"
                    )

    def manifest(self, recipe: Recipe) -> dict[str, Any]:
        """Which pictures they are: size and SHA-256 of the 8-bit pixels of each; of masks, of their whole 255ths."""
        given = {
            "masks": self.masks.regions,
            "style_masks": self.masks.styles,
            "content_mask": None if self.masks.content is None else [self.masks.content],
        }
        return {
            "content": _digest([self.content]),
            "styles": _digest(self.styles),
            "style_weights": self.style_weights,
            "start": _digest([self.start]) if self.start is not None else recipe.start,
            **{name: list(map(_digest_mask, masks)) for name, masks in given.items() if masks is not None},
        }


def _picture(picture: Picture, name: str) -> Tensor:
    """A picture (or a batch of them) in [0, 1], float32 on the CPU, checked."""
    if not isinstance(picture, Tensor):
        return load_image(picture)
    picture = check_picture(picture, name, in_range=True).detach().float().cpu().clamp(0, 1)
    return picture.clone() if picture.is_inference() else picture  # autograd refuses to save such a one


def read_pictures(pictures: Pictures | None, name: str) -> list[Tensor]:
    """Pictures as a list of (1, 3, H, W)."""
    if pictures is None:
        return []
    several = isinstance(pictures, (Sequence, Iterator)) and not isinstance(pictures, (str, bytes))
    if not several or hasattr(pictures, "read"):  # lines of an open file are no pictures
        return list(_picture(pictures, name).split(1))  # type: ignore[arg-type]
    given = list(pictures)  # type: ignore[arg-type]
    names = [f"{name} {i}" if len(given) > 1 else name for i in range(1, len(given) + 1)]
    return [one for p, n in zip(given, names, strict=True) for one in _picture(p, n).split(1)]


def _weights(style_weights: Sequence[float] | None, styles: int) -> list[float] | None:
    """The weights of the styles, checked."""
    if style_weights is None:
        return None
    try:
        given = [] if isinstance(style_weights, (str, bytes)) else list(style_weights)
        if not given or any(isinstance(weight, (str, bytes, bool)) for weight in given):
            raise TypeError
        weights = [float(weight) for weight in given]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise RecipeError(f"style_weights must be numbers, one for each style, not {style_weights!r:.200}") from None
    objective.shares_of(styles, weights)
    return weights


def _batch(content: Pictures, recipe: Recipe) -> Tensor:
    """The content pictures at the recipe's size, as one batch."""
    pictures = read_pictures(content, "content")
    if not pictures:
        raise ImageError("no content picture was given")
    if recipe.size is not None:
        pictures = [
            resize(p, recipe.size, fit=recipe.fit, upscale=recipe.upscale, resample=recipe.resample) for p in pictures
        ]
    if len({p.shape for p in pictures}) > 1:
        sizes = ", ".join(f"{p.shape[-1]} x {p.shape[-2]}" for p in pictures)
        raise RecipeError(f"the pictures of a batch must have one size, not {sizes}: replace(size=(rows, columns))")
    return torch.cat(pictures)


def is_grey(picture: Tensor) -> bool:
    """Whether the channels are equal, but for the rounding to 8 bits."""
    return float((picture.amax(1) - picture.amin(1)).max()) < 1.5 / 255


def _size(picture: Tensor) -> tuple[int, int]:
    return picture.shape[-2], picture.shape[-1]


def _digest_mask(mask: Tensor | None) -> dict[str, Any] | None:
    """As `_digest`; a factor of the content may be above 1."""
    if mask is None:
        return None
    values = (mask.double() * 255).round().contiguous()
    return {"size": list(_size(mask)), "sha256": hashlib.sha256(values.numpy().astype("<f8").data).hexdigest()}


def _digest(pictures: Sequence[Tensor]) -> list[dict[str, Any]]:
    """Size and SHA-256 of the 8-bit pixels of each picture."""
    rows = []
    for picture in pictures:
        pixels = picture.clamp(0, 1).mul_(255).round_().byte().contiguous()
        rows.append({"size": list(picture.shape[-2:]), "sha256": hashlib.sha256(pixels.numpy().data).hexdigest()})
    return rows
