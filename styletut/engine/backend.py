"""How the objective is computed at each size: by autograd, or by what takes less memory (`lowmem`)."""

from __future__ import annotations

import dataclasses
import gc
import math

import torch
from torch import Tensor, nn

from .. import objective
from ..control.masks import regions, resized
from ..errors import RecipeError, TilingWarning, warn
from ..lowmem import tiles
from ..lowmem.distributed import SharedObjective
from ..objective import Extractor, Objective
from ..recipes import Recipe
from ..vgg import VGG
from . import memory, scales
from .colouring import Colouring
from .devices import PRECISIONS, working_dtype
from .execution import Execution
from .inputs import Inputs
from .team import Alone

HALF_SCALE = 2.0**-6
"""Of activations in float16, whose largest number is 65 504: with the Oxford weights samples reach 24 000, and a
checkerboard 30 000 (``python benchmarks/activations.py``)."""


class Backend:
    """The network of a run, the memory plan of each size, and the objective that follows from it.

    A VGG's backward pass is computed by a `lowmem.tape.Tape`, which is quicker and takes less memory than autograd; in
    tiles or shared where the plan says so. Another network's is autograd's.
    """

    def __init__(
        self,
        recipe: Recipe,
        inputs: Inputs,
        execution: Execution,
        device: torch.device,
        precision: str,
        team: Alone,
    ) -> None:
        self.recipe, self.inputs, self.execution = recipe, inputs, execution
        self.colouring = Colouring(recipe, inputs)
        self.device, self.precision, self.team = device, precision, team
        self.network = placed(objective.extractor(recipe), device, precision)
        self.vgg = self.network if isinstance(self.network, VGG) else None
        self._divides = self.vgg is not None or self.network is None
        """Whether the objective can be computed in pieces."""
        if not self._divides and (execution.tile or execution.shared):
            raise RecipeError("tiles and processes that share a picture are for a VGG: leave out tile and shared")
        if self.vgg is not None:
            inputs.check_sides(self.minimum_side, self.vgg.deepest.name, recipe)
            self._check_multiple()
        self._plans: dict[tuple[int, int], memory.Plan] = {}
        budget = execution.max_memory
        if budget is None and (free := memory.available(device)) is not None:
            budget = int(memory.SHARE * free)
        assert budget is None or isinstance(budget, int)
        self._budget = team.budget(budget, free=execution.max_memory is None)

    @property
    def minimum_side(self) -> int:
        """Pixels a side that the deepest layer needs."""
        return getattr(self.network, "minimum_side", 1)

    @property
    def multiple(self) -> int:
        """What both sides of a picture are multiples of: where it wraps, every pooling must divide it evenly."""
        return self.vgg.deepest.stride if self.vgg is not None and self.vgg.wraps else 1

    def _check_multiple(self) -> None:
        sides = self.inputs.size
        if any(side % self.multiple for side in sides):
            rows, columns = (self.multiple * math.ceil(side / self.multiple) for side in sides)
            raise RecipeError(
                f"padding='circular' needs sides that are multiples of {self.multiple}, not {sides[1]} x {sides[0]} "
                f"pixels: set size=({rows}, {columns})"
            )

    @property
    def mean(self) -> Tensor:
        """The colour (1, 3, 1, 1) that the network has as its zero, on the CPU."""
        mean = getattr(self.network, "mean", None)
        return torch.full((1, 3, 1, 1), 0.5) if mean is None else mean.float().cpu()

    def plan(self, size: tuple[int, int]) -> memory.Plan:
        """How a picture of ``size`` is computed."""
        if size not in self._plans:
            self._plans[size] = memory.plan(
                self.recipe,
                self.vgg,
                size,
                self.precision,
                batch=len(self.inputs.content),
                regions=len(self.inputs.masks.regions or ()),
                budget=self._budget,
                tile=self.execution.tile,
                device=self.device.type,
                workers=self.team.count,
                style=self._largest_style(size),
            )
        return self._plans[size]

    def _largest_style(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """(rows, columns) of the largest style that is read for a picture of ``size``."""
        sizes = [
            scales.style_size(style, size, self.recipe, self.minimum_side, self.inputs.size)
            for style in self.inputs.styles
        ]
        return max(sizes, key=math.prod, default=None)

    def check_masks(self, size: tuple[int, int]) -> None:
        """Refuse regions of which nothing is left at a layer where the picture has ``size``.

        Raises:
            RecipeError: there is one.
        """
        if self.vgg is not None and self.recipe.style_weight:
            for name, mask in self.inputs.masks.named_regions():
                regions(resized(mask, size), self.vgg, self.recipe.style_layers, self.inputs.content, name)

    def place(self, picture: Tensor) -> Tensor:
        """A picture where, and as what, it is computed with."""
        return picture.to(self.device, working_dtype(self.precision), memory_format=torch.channels_last)

    def build(self, size: tuple[int, int], *, whole: bool = False) -> Objective:
        """The objective at ``size``, in one piece or as planned; in smaller tiles than planned if memory runs out."""
        content = scales.resized(self.inputs.content, size)
        by_scale = (
            self.colouring.styles([self._style_at(style, size, scale) for style in self.inputs.styles], content)
            for scale in self.recipe.style_scales
        )
        styles = [list(map(self.place, sizes)) for sizes in zip(*by_scale, strict=True)]
        content = self.place(self.colouring.content(content))
        while True:
            try:
                return self._build(content, styles, None if whole else self.plan(size).tile)
            except Exception as error:
                if not self.may_shrink(error):
                    raise
            self._shrink(size)

    def _style_at(self, style: Tensor, size: tuple[int, int], scale: float | str) -> Tensor:
        return scales.style_at(style, size, self.recipe, self.minimum_side, scale=scale, full=self.inputs.size)

    def _build(self, content: Tensor, styles: list[list[Tensor]], tile: int | None) -> Objective:
        recipe, weights, masks = self.recipe, self.inputs.style_weights, self.inputs.masks
        if len(styles) != len(self.inputs.styles):  # one has become several, each with the colours of its content
            weights = None
        if not self._divides:
            return objective.build(content, styles, recipe, network=self.network, style_weights=weights, masks=masks)
        goal = tiles.build(content, styles, recipe, network=self.vgg, style_weights=weights, masks=masks, tile=tile)
        return goal if self.team.count == 1 else SharedObjective(goal.network, goal.terms, tile)

    def may_shrink(self, error: Exception) -> bool:
        """Whether an error is met by smaller tiles."""
        # Other processes would not know of smaller tiles, and wait for this one.
        return self.team.count == 1 and self._divides and memory.is_exhausted(error)

    def smaller(self, size: tuple[int, int], goal: Objective) -> Objective:
        """The same objective in smaller tiles."""
        return tiles.TiledObjective(self.vgg, goal.terms, self._shrink(size))

    def _shrink(self, size: tuple[int, int]) -> int:
        """Plan for smaller tiles, and change nothing else."""
        plan = self.plan(size)
        largest = max(*size, *(self._largest_style(size) or ()))
        sides = [side for side in memory.TILES if side < (plan.tile or largest)]
        if not sides:
            raise MemoryError("out of memory even in the smallest tiles")
        gc.collect()  # errors hold what was computed in circles
        memory.give_back()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        less = [dataclasses.replace(plan, tile=side, bytes=self._needed(size, side, plan.pairs)) for side in sides]
        # The estimate was too low, but it tells which tiles take less than what did not fit.
        chosen = next((one for one in less if one.bytes < plan.bytes), less[-1])
        self._plans[size] = chosen
        warn(f"out of memory at {size[1]} x {size[0]} pixels: going on in tiles of {chosen.tile}", TilingWarning)
        assert chosen.tile is not None
        return chosen.tile

    def _needed(self, size: tuple[int, int], tile: int, pairs: int) -> int:
        return memory.needed(
            self.recipe,
            self.vgg,
            size,
            self.precision,
            batch=len(self.inputs.content),
            regions=len(self.inputs.masks.regions or ()),
            tile=tile,
            pairs=pairs,
            device=self.device.type,
            style=self._largest_style(size),
        )


def placed(network: Extractor | None, device: torch.device, precision: str) -> Extractor | None:
    """A network on a device, its convolutions in a precision."""
    if isinstance(network, VGG):
        network.to(device, working_dtype(precision))
        if precision == "float16":
            network.scale_activations(HALF_SCALE)
        network.convs.to(PRECISIONS[precision])  # the mean and the range stay exact
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    elif isinstance(network, nn.Module):
        network.to(device, PRECISIONS[precision])
    return network
