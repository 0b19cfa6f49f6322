"""The state of a run, which is what a checkpoint holds."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..recipes import Recipe
from . import guard
from .entries import (
    Check,
    is_finite,
    is_generator,
    is_loss,
    is_mapping,
    is_mask,
    is_number,
    is_picture,
    is_row,
    is_snapshot,
    is_text,
    is_variable,
    is_whole,
    list_of,
    or_none,
)
from .execution import Execution
from .inputs import Inputs


def _be(what: str, check: Check, *, optional: bool = False) -> dict[str, Any]:
    """The metadata of a field that must be ``what`` in a file; one that is ``optional`` is missing in older files."""
    return {"what": what, "check": check, "optional": optional}


@dataclass(kw_only=True)
class RunState:
    """Everything that a run needs to go on: what it was given, where it is, and what it gave so far.

    Every field is an entry of a checkpoint, and says what it must be there.
    """

    recipe: str = field(metadata=_be("a recipe", is_text))
    content: Tensor = field(metadata=_be("a picture", is_picture))
    styles: list[Tensor] = field(metadata=_be("a list of pictures", list_of(is_picture)))
    style_weights: list[float] | None = field(metadata=_be("a list of numbers", or_none(list_of(is_finite))))
    start: Tensor | None = field(metadata=_be("a picture", or_none(is_picture)))
    masks: list[Tensor] | None = field(
        default=None, metadata=_be("a list of masks", or_none(list_of(is_mask)), optional=True)
    )
    style_masks: list[Tensor | None] | None = field(
        default=None, metadata=_be("a list of masks", or_none(list_of(or_none(is_mask))), optional=True)
    )
    content_mask: Tensor | None = field(default=None, metadata=_be("a mask", or_none(is_mask), optional=True))
    checkpoint_every: int = field(metadata=_be("a whole number from 1 up", is_whole(1)))
    max_memory: int | None = field(metadata=_be("an amount of memory", or_none(is_whole(1))))
    tile: int | None = field(metadata=_be("a whole number from 1 up", or_none(is_whole(1))))

    variable: Tensor = field(metadata=_be("a picture", is_variable))
    """What the optimiser moves (see `parametrization.Parametrization`)."""
    best_variable: Tensor = field(metadata=_be("a picture", is_variable))
    """The same where the loss of this scale was lowest."""
    average: Tensor | None = field(default=None, metadata=_be("a picture", or_none(is_variable), optional=True))
    """The exponential average of the iterates of this scale, begun at zero; only where a recipe asks for it."""
    generator: Tensor = field(metadata=_be("a state of random numbers", is_generator))
    scale: int = field(default=0, metadata=_be("a whole number", is_whole(0)))
    iteration: int = field(default=0, metadata=_be("a whole number", is_whole(0)))
    evaluations: int = field(default=0, metadata=_be("a whole number", is_whole(0)))
    seconds: float = field(default=0.0, metadata=_be("a number", is_finite))
    first: float = field(default=math.nan, metadata=_be("a number", is_number))
    best: float = field(default=math.inf, metadata=_be("a number", is_loss))
    returned: float = field(default=math.nan, metadata=_be("a number", is_number))
    optimizer: dict[str, Any] | None = field(
        default=None, metadata=_be("what an optimiser remembers", or_none(is_mapping))
    )
    """What the optimiser remembers; only while there is none, as in a file."""
    history: list[dict[str, Any]] = field(default_factory=list, metadata=_be("a list of steps", list_of(is_row)))
    snapshots: list[tuple[int, Tensor]] = field(
        default_factory=list, metadata=_be("a list of pictures", list_of(is_snapshot))
    )

    @classmethod
    def of(
        cls, recipe: Recipe, inputs: Inputs, execution: Execution, variable: Tensor, generator: torch.Generator
    ) -> RunState:
        """The state of a run before its first step."""
        assert execution.max_memory is None or isinstance(execution.max_memory, int)
        return cls(
            recipe=recipe.to_json(),
            content=inputs.content,
            styles=inputs.styles,
            style_weights=inputs.style_weights,
            start=inputs.start,
            masks=None if inputs.masks.regions is None else list(inputs.masks.regions),
            style_masks=None if inputs.masks.styles is None else list(inputs.masks.styles),
            content_mask=inputs.masks.content,
            checkpoint_every=execution.checkpoint_every,
            max_memory=execution.max_memory,
            tile=execution.tile,
            variable=variable,
            best_variable=variable,
            generator=generator.get_state(),
        )

    @property
    def record(self) -> guard.Record:
        """What the guard remembers."""
        return guard.Record(self.first, self.best, self.returned)

    @record.setter
    def record(self, record: guard.Record) -> None:
        self.first, self.best, self.returned = record.first, record.best, record.returned

    def settled(self, averaging: float) -> Tensor:
        """The variable of the picture: the last iterate, or the average of them, corrected for its beginning at zero.

        With decay d, after n iterates x: ``(1 - d) / (1 - d^n) * sum over i of d^(n - i) x_i``.
        """
        if self.average is None or not self.iteration:
            return self.variable.detach()
        return self.average / (1 - averaging**self.iteration)

    def add_to_average(self, averaging: float) -> None:
        """Let the iterate of the step that was just taken count in the average."""
        iterate = self.variable.detach()
        if self.average is None:
            self.average = torch.zeros_like(iterate)
        self.average.lerp_(iterate, 1 - averaging)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the seconds that the block takes."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started

    def begin_scale(self) -> None:
        """Nothing is known of a scale's losses before its first step."""
        self.record = guard.Record()
        self.best_variable = self.variable.detach().clone()
        self.average = None

    def moved_to(self, like: Tensor) -> RunState:
        """The state with its pictures on the device, and in the precision, of another."""
        names = ["variable", "best_variable"] + (["average"] if self.average is not None else [])
        variables = {name: getattr(self, name).to(like.device, like.dtype) for name in names}
        return dataclasses.replace(self, **variables)
