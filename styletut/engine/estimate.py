"""What a run will cost, from a few evaluations of a small copy."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from ..lowmem.tiles import Tiling
from ..recipes import Recipe, get
from . import scales
from .devices import device_name, own_modes, synchronize
from .drive import iterate
from .inputs import Pictures
from .run import Run

_PROBE_PIXELS = 160 * 160
_TWO_PASSES = 1.5  # a forward pass more than the forward and backward pass of an untiled evaluation


@dataclass(frozen=True)
class Estimate:
    """What a run will cost: evaluations at most, seconds and peak bytes above what the process has already.

    ``tile`` is the side of the tiles at the largest size, or None; ``pairs`` how many steps L-BFGS remembers there.
    """

    evaluations: int
    seconds: float
    memory_bytes: int
    size: tuple[int, int]
    device: str
    precision: str
    tile: int | None = None
    pairs: int | None = None

    def __str__(self) -> str:
        minutes = f"{self.seconds:.0f} s" if self.seconds < 100 else f"{self.seconds / 60:.0f} min"
        rows, columns = self.size
        return (
            f"{columns} x {rows} pixels, {self.evaluations} evaluations in {self.precision} on {self.device}: "
            f"about {minutes} and {self.memory_bytes / 1e9:.1f} GB"
            + (f", in tiles of {self.tile}" if self.tile else "")
            + (f", remembering {self.pairs} steps" if self.pairs is not None else "")
        )


@own_modes()
def estimate(content: Pictures, style: Pictures | None, recipe: str | Recipe = "fast", **options: Any) -> Estimate:
    """Say what `stylize` would cost, from a few evaluations of a small copy: the cost grows with the pixels.

    Takes what `iterate` takes.

    Raises:
        As `iterate`.
    """
    run = iterate(content, style, get(recipe), **options)
    recipe = run.recipe
    per_pixel = _seconds_per_pixel(run)
    evaluations, seconds = 0, 0.0
    for size, (_, steps) in zip(run.sizes, recipe.scales, strict=True):
        tile = run.backend.plan(size).tile
        tiling = None if tile is None else Tiling.of(run.backend.vgg, size, tile)
        factor = _TWO_PASSES * tiling.overhead if tiling is not None and len(tiling) > 1 else 1.0
        evaluations += steps * recipe.evaluations
        seconds += steps * recipe.evaluations * per_pixel * math.prod(size) * factor
    fewer = recipe.optimizer == "lbfgs" and run.plan.pairs < recipe.memory
    return Estimate(
        evaluations,
        seconds,
        run.plan.bytes,
        run.inputs.size,
        device_name(run.device),
        run.precision,
        run.plan.tile,
        run.plan.pairs if fewer else None,
    )


def _seconds_per_pixel(run: Run) -> float:
    """Of the quickest of three evaluations, in one piece, at a small size."""
    rows, columns = run.inputs.size
    share = min(1.0, math.sqrt(_PROBE_PIXELS / (rows * columns)))
    minimum = run.backend.minimum_side
    height, width = scales.rounded(rows * share, columns * share, run.backend.multiple)
    size = (max(minimum, height), max(minimum, width))
    objective = run.backend.build(size, whole=True)
    probe = run.parametrization.variable(scales.resized(run.inputs.content, size)).requires_grad_(True)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        objective(run.parametrization.input(probe))["total"].backward()
        synchronize(run.device)
        times.append(time.perf_counter() - started)
    return min(times) / math.prod(size)
