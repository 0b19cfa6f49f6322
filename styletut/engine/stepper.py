"""The optimisation at one scale: an objective, an optimiser, and one step after another."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..objective import Objective
from ..recipes import Recipe
from . import guard, optimizers, scales
from .backend import Backend
from .guard import Action
from .parametrization import Parametrization
from .state import RunState
from .team import Alone


class Diverged(Exception):
    """The losses are beyond repair, raised from inside an optimiser's step."""


class _Overshot(Exception):
    """The step before went too far, raised from inside an optimiser's step."""


class Stepper:
    """Moves the variable of a run's ``state`` at the scale where it is.

    ``losses`` are those of the last evaluation; ``within`` says that a step has begun and not ended.
    """

    def __init__(
        self,
        recipe: Recipe,
        state: RunState,
        size: tuple[int, int],
        backend: Backend,
        parametrization: Parametrization,
        team: Alone,
    ) -> None:
        self.recipe, self.state, self.size = recipe, state, size
        self.backend, self.parametrization, self.team = backend, parametrization, team
        self.losses: dict[str, float]
        self.within = False
        self._at_rest = scales.is_at_rest(backend.inputs, recipe)
        self.objective: Objective = backend.build(size)
        self.optimizer = self._new_optimizer()
        if state.optimizer is not None:
            optimizers.restore(self.optimizer, state.optimizer)
            state.optimizer = None

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return optimizers.new(self.recipe, self.state.variable, self.backend.plan(self.size).pairs)

    def step(self) -> None:
        """One step of the optimiser.

        Raises:
            Diverged: the losses or the gradient are beyond repair.
        """
        recipe, state = self.recipe, self.state
        self.within = True
        if recipe.optimizer == "lbfgs" and recipe.restart:
            self.optimizer = self._new_optimizer()
        optimizers.set_rate(self.optimizer, recipe, state.iteration)
        try:
            self.optimizer.step(self._judged)  # type: ignore[arg-type]
        except _Overshot:
            self.team.unite(state.best_variable)
            with torch.no_grad():
                state.variable.copy_(state.best_variable)
            self.optimizer = self._new_optimizer()
            optimizers.shorten_first_step(self.optimizer)
        if recipe.clamp == "step":
            self.parametrization.clamp_(state.variable)
        state.iteration += 1
        if recipe.averaging:
            state.add_to_average(recipe.averaging)
        self.within = False

    def _judged(self) -> Tensor:
        """The total loss of one evaluation, unless it has gone wrong."""
        losses = self.evaluate()
        total, gradient = losses["total"].detach(), self.state.variable.grad
        assert gradient is not None
        finite = _are_finite(gradient).to(total)
        # One transfer for all the numbers: each by itself would wait for the device.
        values = torch.stack([*losses.values(), finite]).detach()
        self.team.unite(values)
        *numbers, is_sound = values.tolist()
        self.losses = dict(zip(losses, numbers, strict=True))
        self.state.evaluations += 1
        self._judge(bool(is_sound))
        return total

    def evaluate(self) -> dict[str, Tensor]:
        """The losses, and the gradient in ``state.variable.grad``; in smaller tiles from now on if memory runs out."""
        variable = self.state.variable
        while True:
            variable.grad = None
            try:
                losses = self.objective(self.parametrization.input(variable))
                losses["total"].backward()
                if self._at_rest:
                    variable.grad = torch.zeros_like(variable)
                return losses
            except Exception as error:
                if not self.backend.may_shrink(error):
                    raise
            # Out here, where the error no longer holds what was computed.
            self.objective = self.backend.smaller(self.size, self.objective)

    def _judge(self, gradient_is_finite: bool) -> None:
        state, recipe = self.state, self.recipe
        returns = recipe.optimizer == "lbfgs" and not recipe.line_search
        verdict = guard.judge(self.losses, state.record, returns=returns, single=recipe.evaluations == 1)
        if math.isfinite(self.losses["total"]) and not gradient_is_finite:
            raise Diverged(f"the gradient of {self._spoilt()} is not finite")
        state.record = verdict.record
        if verdict.action is Action.STOP:
            raise Diverged(verdict.reason)
        if verdict.action is Action.RETURN:
            raise _Overshot
        if verdict.action is Action.KEEP:
            state.best_variable.copy_(state.variable.detach())

    def _spoilt(self) -> str:
        """The first term whose gradient is not finite."""
        variable = self.state.variable
        for name, loss in self.objective(self.parametrization.input(variable)).items():
            if loss.requires_grad and not is_finite(torch.autograd.grad(loss, variable, retain_graph=True)[0]):
                return name
        return "total"

    def memory(self) -> dict[str, Any]:
        """What the optimiser remembers."""
        return self.optimizer.state_dict()


def is_finite(values: Tensor) -> bool:
    """Whether all values are."""
    return bool(_are_finite(values))


def _are_finite(values: Tensor) -> Tensor:
    """A flag on the device; `torch.isfinite` of all values would need memory as large as the picture."""
    return torch.stack(values.detach().aminmax()).isfinite().all()
