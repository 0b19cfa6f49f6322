"""The same objective and the same exact gradient, tile by tile, in bounded memory.

Every loss is a function of additive statistics S (see `objective`). So the gradient of the total loss L is

.. math:: \\frac{dL}{dx} = \\sum_{t} \\frac{dL}{dS} \\frac{dS_t}{dx}, \\qquad S = \\sum_t S_t

with S_t the share of a tile t. A first pass adds up S over the tiles and keeps nothing else; L and dL/dS follow from S
alone; a second pass computes each tile again, forward and backward. A tile is padded by a halo as wide as the receptive
field demands, so that the features of its core are those of the whole picture.
"""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from .. import objective
from ..control.masks import Masks
from ..errors import RecipeError
from ..objective import Term
from ..recipes import Recipe
from ..vgg import VGG
from .objective import TapeObjective, TapeReader
from .windows import Tile, Window, with_halo


@dataclass(frozen=True)
class Tiling:
    """How a picture of ``size`` is cut: tiles of about ``tile`` pixels, both (rows, columns).

    Cuts lie on multiples of ``stride``, that of the deepest layer, so that every pooling window lies within one tile;
    ``halo`` is its width in pixels. Where the picture ``wraps``, a tile at an edge has a halo from the opposite one.

    >>> [(t.core.rows.stop, t.padded.rows.stop) for t in Tiling((100, 40), (64, 64), stride=16, halo=16)]
    [(48, 64), (100, 100)]
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    stride: int
    halo: int
    wraps: bool = False

    @classmethod
    def of(cls, vgg: VGG | None, size: tuple[int, int], tile: int | tuple[int, int], *, wraps: bool = False) -> Tiling:
        """Tiles of a picture for a network; a single number is the side of a square.

        It wraps where the network's padding is circular, or total variation does.

        Raises:
            RecipeError: the tile has no pixels.
        """
        rows, columns = (tile, tile) if isinstance(tile, int) else tile
        if rows < 1 or columns < 1:
            raise RecipeError(f"a tile must have a pixel at least, not {rows} x {columns}")
        stride, halo = reach(vgg)
        return cls(size, (rows, columns), stride, halo, wraps or (vgg is not None and vgg.wraps))

    def __iter__(self) -> Iterator[Tile]:
        for top, bottom in self._cuts(0):
            for left, right in self._cuts(1):
                core = Window(slice(top, bottom), slice(left, right))
                padded = Window(self._with_halo(top, bottom, 0), self._with_halo(left, right, 1))
                yield Tile(core, padded)

    def __len__(self) -> int:
        return len(self._cuts(0)) * len(self._cuts(1))

    @property
    def largest(self) -> int:
        """Pixels of the largest tile with its halo."""
        return max(tile.padded.pixels for tile in self)

    @property
    def overhead(self) -> float:
        """Pixels that are computed in all, over the pixels of the picture."""
        return sum(tile.padded.pixels for tile in self) / (self.size[0] * self.size[1])

    def _cuts(self, axis: int) -> list[tuple[int, int]]:
        """Where each tile begins and ends: of equal length, but for the stride."""
        length, steps = self.size[axis], max(1, self.size[axis] // self.stride)
        count = min(steps, math.ceil(length / max(self.tile[axis], self.stride)))
        cuts = [round(steps * i / count) * self.stride for i in range(count)] + [length]
        return list(itertools.pairwise(cuts))

    def _with_halo(self, start: int, stop: int, axis: int) -> slice:
        return with_halo(slice(start, stop), self.halo, self.size[axis], wraps=self.wraps)


def reach(vgg: VGG | None) -> tuple[int, int]:
    """Stride of a network's deepest layer, and by how much its receptive field extends beyond that, rounded up to it.

    >>> from styletut.vgg import random_weights
    >>> reach(VGG(["relu5_1"], weights=random_weights(width=0.05)))
    (16, 80)
    """
    if vgg is None:
        return 1, 1  # total variation looks at the next pixel
    deepest = vgg.deepest
    beyond = (deepest.receptive_field - deepest.stride) // 2
    return deepest.stride, math.ceil(beyond / deepest.stride) * deepest.stride


class TiledObjective(TapeObjective):
    """`Objective` whose statistics and gradient are computed tile by tile.

    Args:
        network, terms: as of the objective that it stands for.
        tile: side of a tile in pixels, or (rows, columns); the halo comes on top.

    Raises:
        RecipeError: a term's statistic is not a sum over positions.

    >>> import torch
    >>> from styletut import objective, recipes, samples, vgg
    >>> photo, painting = samples.load("cat", size=96), samples.load("waves", size=64)
    >>> recipe = recipes.get("fast").replace(weights=vgg.random_weights(width=0.1))
    >>> whole = objective.build(photo, painting, recipe)
    >>> tiled = TiledObjective(whole.network, whole.terms, 32)
    >>> torch.testing.assert_close(tiled(photo)["total"], whole(photo)["total"])
    """

    def __init__(self, network: VGG | None, terms: Sequence[Term], tile: int | tuple[int, int]) -> None:
        super().__init__(network, terms)
        for term in self.terms:
            if term.reduction is None:
                raise RecipeError(
                    f"the loss {term.name} needs all positions at once and cannot be computed in tiles: choose another "
                    "style_loss, a smaller size, or allow more memory"
                )
        self.tile = tile

    def tiling(self, picture: Tensor) -> list[Tile]:
        """How a picture is cut."""
        return list(Tiling.of(self.network, (picture.shape[-2], picture.shape[-1]), self.tile, wraps=self.wraps))


class TiledReader(TapeReader):
    """Reads targets tile by tile."""

    def __init__(self, tile: int | tuple[int, int]) -> None:
        self.tile = tile

    def tiling(self, network: VGG, picture: Tensor) -> list[Tile]:
        """How a picture is cut."""
        return list(Tiling.of(network, (picture.shape[-2], picture.shape[-1]), self.tile))


def build(
    content: Tensor,
    styles: Tensor | Sequence[Tensor | Sequence[Tensor]],
    recipe: Recipe | str = "fast",
    *,
    tile: int | tuple[int, int] | None = None,
    network: VGG | None = None,
    style_weights: Sequence[float] | None = None,
    masks: Masks | None = None,
) -> TapeObjective:
    """`objective.build`, in less memory: by a `tape.Tape`, and in tiles of about ``tile`` pixels a side if it is given.

    Raises:
        RecipeError: as `objective.build`; or the style loss cannot be computed in tiles.
    """
    reader = TapeReader() if tile is None else TiledReader(tile)
    goal = objective.build(
        content, styles, recipe, network=network, style_weights=style_weights, masks=masks, reader=reader
    )
    vgg = typing.cast(VGG | None, goal.network)
    return TapeObjective(vgg, goal.terms) if tile is None else TiledObjective(vgg, goal.terms, tile)
