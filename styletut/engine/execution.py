"""Where and how a run is executed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, RecipeError, did_you_mean
from ..recipes import Recipe
from . import memory


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where and how a run is executed; the recipe alone says what it computes.

    ``device``: ``auto`` (CUDA, else MPS, else the CPU), or a name.
    ``max_memory``: what the run may take above what the process has, bytes or a text like ``4GB`` (default: most of
    what is free). A picture that takes more is computed in tiles, to the same gradient (`lowmem.tiles`), and if L-BFGS
    alone would take too much it remembers fewer steps; `Run.plan` says what was chosen. If memory runs out all the
    same, the run goes on in smaller tiles and a `TilingWarning` says so.
    ``tile``: compute in tiles of about so many pixels a side, whatever the memory.
    ``shared``: compute together with the other processes of ``torch.distributed``, which all make the same call; the
    result is the same in all (`lowmem.distributed`). Only the first keeps the checkpoint.
    ``checkpoint``: save the run to this file every ``checkpoint_every`` steps, for `resume`. Where that fails a
    `CheckpointWarning` says so, and the run goes on.

    Raises:
        RecipeError: a value makes no sense.
        CheckpointError: the checkpoint's folder does not exist.
    """

    device: str | torch.device = "auto"
    max_memory: int | float | str | None = None
    tile: int | None = None
    shared: bool = False
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: int = 25

    def __post_init__(self) -> None:
        if self.max_memory is not None:
            object.__setattr__(self, "max_memory", memory.parse(self.max_memory))
        tile, interval = self.tile, self.checkpoint_every
        if tile is not None and (isinstance(tile, bool) or not isinstance(tile, int) or not 1 <= tile < 2**63):
            raise RecipeError(f"tile must be whole pixels, 1 or more, not {tile!r}")
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise RecipeError(f"checkpoint_every must be 1 step or more, not {interval!r}")
        if self.checkpoint is not None:
            object.__setattr__(self, "checkpoint", Path(self.checkpoint))
            if not Path(self.checkpoint).parent.is_dir():
                raise CheckpointError(f"cannot save the run to {self.checkpoint}: its folder does not exist")

    @classmethod
    def split(cls, options: Mapping[str, Any]) -> tuple[Execution, dict[str, Any]]:
        """The execution that some options ask for, and the others: changes of a recipe.

        Raises:
            RecipeError: there is no such option.
        """
        own = [field.name for field in dataclasses.fields(cls)]
        known = [*own, *(field.name for field in dataclasses.fields(Recipe)), "steps"]
        for name in options:
            if name not in known:
                raise RecipeError(did_you_mean("recipe field", name, known))
        mine = {name: value for name, value in options.items() if name in own}
        return cls(**mine), {name: value for name, value in options.items() if name not in own}
