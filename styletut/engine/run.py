"""A transfer in progress: the state of a run, and the loop that moves it on."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, DivergenceError, DivergenceWarning, ImageError, warn
from ..recipes import Recipe
from . import checkpoint, guard, margin, memory, optimizers, scales
from .backend import Backend
from .colouring import Colouring
from .devices import device_name, own_modes, pick_device, pick_precision, working_dtype
from .execution import Execution
from .inputs import Inputs
from .parametrization import Parametrization
from .result import Result, Step
from .state import RunState
from .stepper import Diverged, Stepper, is_finite
from .team import Alone, Team


class Run:
    """A transfer in progress: an iterator of `Step` that can be stopped, saved and asked for its result.

    Made by `iterate` or `Run.load`. ``state`` is all that a checkpoint holds.
    """

    @own_modes()
    def __init__(self, inputs: Inputs, recipe: Recipe, execution: Execution) -> None:
        self.inputs, self.recipe, self.execution = inputs, recipe, execution
        optimizers.check_available(recipe)
        self.device = pick_device(execution.device)
        self.precision = pick_precision(recipe.precision, self.device, half=isinstance(recipe.network, str))
        self._team = Team(self.device) if execution.shared else Alone()
        self.canvas = margin.extended(inputs, recipe)
        fitted = margin.fitted(recipe, inputs.size, self.canvas.size)
        self.backend = Backend(fitted, self.canvas, execution, self.device, self.precision, self._team)
        self.sizes = scales.sizes(recipe, self.canvas.size, self.backend.minimum_side, self.backend.multiple)
        self.backend.plan(self.sizes[-1])  # now, before anything runs, if it does not fit
        for size in self.sizes:
            self.backend.check_masks(size)
        self.colouring = Colouring(recipe, inputs)
        grey = self.colouring.grey or (recipe.keep_grey and self.colouring.keeps_grey)
        self.parametrization = Parametrization(recipe, self.device, working_dtype(self.precision), grey)
        generator = torch.Generator().manual_seed(recipe.seed)
        picture = scales.starting_picture(self.canvas, fitted, self.sizes[0], self.backend.mean, generator)
        variable = self.parametrization.variable(picture)
        self.state = RunState.of(recipe, inputs, execution, variable, generator)
        self.stopped: str | None = None
        self.stepper: Stepper | None = None
        self._stopping = False
        self._keeper = checkpoint.Keeper(execution, self._team)
        self._steps = self._loop()

    @property
    def plan(self) -> memory.Plan:
        """How the picture is computed at its full size: whole or in tiles, and what that takes."""
        return self.backend.plan(self.sizes[-1])

    @property
    def history(self) -> list[dict[str, Any]]:
        """The steps so far, as in `Result.history`."""
        return self.state.history

    @own_modes()
    def picture(self, *, best: bool = False) -> Tensor:
        """The current picture (or the best of this scale) in [0, 1], on the CPU."""
        best_or_last = self.state.best_variable if best else self.state.settled(self.recipe.averaging)
        painted = self.parametrization.finished(best_or_last)
        return self.colouring.finished(margin.cut(painted, self.inputs.size, self.canvas.size))

    def stop(self) -> None:
        """Stop after the current step; `result` then gives the best picture so far."""
        self._stopping = True

    def interrupt(self) -> None:
        """The run has been broken off, if it had not ended."""
        if self.stopped is None and not self.finished:
            self.stopped = "interrupted"

    @property
    def between_steps(self) -> bool:
        """Whether no step has begun that did not end."""
        return self.stepper is None or not self.stepper.within

    def __iter__(self) -> Iterator[Step]:
        return self

    @own_modes()
    def __next__(self) -> Step:
        return next(self._steps)

    def _loop(self) -> Iterator[Step]:
        state = self.state
        while state.scale < len(self.sizes):
            with state.timed():
                stepper = self.stepper = self._begin_scale()
            while state.iteration < self.recipe.scales[state.scale][1]:
                if self._team.any(self._stopping):
                    self._team.unite(state.variable, state.best_variable)
                    self.stopped = "interrupted"
                    return
                try:
                    with state.timed():
                        stepper.step()
                except Diverged as error:
                    self._team.unite(state.best_variable)
                    self._diverge(str(error), state.iteration + 1)
                    return
                yield self._recorded(stepper.losses)
            state.variable = state.settled(self.recipe.averaging)
            self._team.unite(state.variable)
            if not is_finite(state.variable):  # no loss was taken of it
                self._diverge("the picture itself is not finite", state.iteration)
                return
            state.scale, state.iteration, state.average = state.scale + 1, 0, None
            del stepper
            self._free()
        if self._ended_above:
            _warn_of_ending(self.history[-1]["losses"]["total"], state.best, self.recipe.learning_rate)

    def _begin_scale(self) -> Stepper:
        state, size = self.state, self.sizes[self.state.scale]
        if tuple(state.variable.shape[-2:]) != size:
            picture = self.parametrization.picture(state.variable.detach()).float().cpu()
            state.variable = self.parametrization.variable(scales.enlarged(picture, size, self.canvas, self.recipe))
        state.variable = state.variable.detach().requires_grad_(True)
        self._team.unite(state.variable)
        if state.iteration == 0:
            state.begin_scale()
        stepper = Stepper(self.recipe, state, size, self.backend, self.parametrization, self._team)
        memory.give_back()
        return stepper

    def _recorded(self, losses: dict[str, float]) -> Step:
        """The step that was just taken, kept in the history; the run is saved when that is due."""
        state, number = self.state, len(self.history) + 1

        def picture() -> Tensor:
            if not self.between_steps or len(self.history) != number:
                raise ImageError(
                    f"the run has gone on from step {number}, and its picture is gone: take it before the next step"
                )
            return self.picture()

        sizes = [margin.inside(size, self.inputs.size, self.canvas.size) for size in self.sizes]
        step = Step.of(state, self.recipe, sizes, losses, picture)
        self.history.append(step.record())
        interval = self.recipe.snapshot_every
        if interval and number % interval == 0:
            state.snapshots.append((state.evaluations, (self.picture() * 255).round().byte()))
        if number % self.execution.checkpoint_every == 0:
            self.keep()
        return step

    def _diverge(self, reason: str, step: int) -> None:
        where = f" of scale {self.state.scale + 1}" if len(self.sizes) > 1 else ""
        self.stopped = f"diverged: {reason} at step {step}{where}"
        if not math.isfinite(self.state.best) and not self.history:
            raise DivergenceError(f"{self.stopped}, and no picture came before it: check the pictures and the weights")

    @property
    def finished(self) -> bool:
        """Whether the run went through all its steps."""
        return self.state.scale >= len(self.sizes) and self.stopped is None

    @property
    def _ended_above(self) -> bool:
        single = self.recipe.evaluations == 1
        return self.finished and guard.ended_above(self.history, self.state.record, single=single)

    def _free(self) -> None:
        """Free what a scale needed, before the next one or the result: its optimiser remembers pictures."""
        self.stepper = None
        self.state.variable.grad = None
        memory.give_back()

    @own_modes()
    def result(self) -> Result:
        """The result so far: the last picture of a run that ended by itself, the best one of a run that did not.

        Of a run that ended at a loss far above its best one, as where the learning rate is much too high, it is the
        best picture too, and a `DivergenceWarning` has said so.
        """
        stopped = self.stopped if self.finished or self.stopped else "interrupted"
        settles = self.recipe.averaging and stopped == "interrupted"  # an average is better than any iterate of it
        picture = self.picture(best=self._ended_above or not (self.finished or settles))
        where = device_name(self.device), self.precision
        return Result.of(self.state, self.recipe, self.inputs, picture, *where, stopped)

    @own_modes()
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the run between two steps, so that `resume` goes on to the picture that it would have come to.

        Raises:
            CheckpointError: it cannot be written, a step was broken off in the middle, or the picture is not finite.
        """
        state = self.state
        if not self.between_steps:
            raise CheckpointError("a step was broken off in the middle: resume from the checkpoint before it")
        if not is_finite(state.variable):
            raise CheckpointError("the picture is no longer finite: resume from the checkpoint before it")
        remembered = self.stepper.memory() if self.stepper and state.iteration else state.optimizer
        checkpoint.write(Path(path), state, remembered)
        return Path(path)

    def keep(self) -> None:
        """Save the run to its checkpoint, if it has one. Where that fails it warns, once: the picture is worth more."""
        self._keeper.keep(self.save)

    @classmethod
    @own_modes()
    def load(cls, path: str | os.PathLike[str], **options: Any) -> Run:
        """The run that `save` wrote, ready to go on; it keeps saving itself to ``path``.

        Args:
            **options: fields of `execution.Execution`, if they shall not be what they were; ``weights`` or ``network``
                for runs that had an object in their place rather than a name.

        Raises:
            CheckpointError: the file is missing, damaged or not a saved run.
            WeightsError, DeviceError, RecipeError: its weights are gone, or what is given here does not fit.
        """
        return checkpoint.load(cls, Path(path), **options)


def _warn_of_ending(last: float, best: float, rate: float) -> None:
    warn(
        f"the loss ended at {last:.3g} and had been {best:.3g}, the picture of which was kept: "
        f"lower the learning rate, which is {rate:g}",
        DivergenceWarning,
    )
