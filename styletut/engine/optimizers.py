"""The optimiser that a recipe asks for, and what it remembers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..recipes import Recipe
from . import lbfgsb, optim
from .devices import without_compiler


def kind(recipe: Recipe) -> str:
    """``sgd``, ``adam``, ``lbfgs`` (`optim.LBFGS`), ``torch-lbfgs`` (several evaluations a step) or ``lbfgs-b``."""
    return "torch-lbfgs" if recipe.optimizer == "lbfgs" and recipe.evaluations > 1 else recipe.optimizer


def new(recipe: Recipe, variable: Tensor, pairs: int) -> torch.optim.Optimizer:
    """An optimiser of ``variable``; L-BFGS remembers so many ``pairs``."""
    with without_compiler():
        return _NEW[kind(recipe)](recipe, variable, pairs)


def _sgd(recipe: Recipe, variable: Tensor, pairs: int) -> torch.optim.Optimizer:
    return torch.optim.SGD([variable], lr=recipe.learning_rate)


def _adam(recipe: Recipe, variable: Tensor, pairs: int) -> torch.optim.Optimizer:
    return torch.optim.Adam([variable], lr=recipe.learning_rate)


def _lbfgs(recipe: Recipe, variable: Tensor, pairs: int) -> torch.optim.Optimizer:
    first_step = optim.FIRST * recipe.pixel_range
    return optim.LBFGS([variable], lr=recipe.learning_rate, history_size=pairs, first_step=first_step)


def _torch_lbfgs(recipe: Recipe, variable: Tensor, pairs: int) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(
        [variable],
        lr=recipe.learning_rate,
        max_iter=recipe.evaluations,
        # torch's line search may make one evaluation more than it is allowed.
        max_eval=max(1, recipe.evaluations - recipe.line_search),
        history_size=pairs,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe" if recipe.line_search else None,
    )


def _lbfgsb(recipe: Recipe, variable: Tensor, pairs: int) -> torch.optim.Optimizer:
    return lbfgsb.LBFGSB([variable], recipe.memory, recipe.evaluations)


_NEW = {"sgd": _sgd, "adam": _adam, "lbfgs": _lbfgs, "torch-lbfgs": _torch_lbfgs, "lbfgs-b": _lbfgsb}


def set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, iteration: int) -> None:
    """The learning rate of an iteration, where it decays."""
    if recipe.decay != 1:
        rate = recipe.learning_rate * recipe.decay ** (iteration / recipe.decay_steps)
        optimizer.param_groups[0]["lr"] = rate


def shorten_first_step(optimizer: torch.optim.Optimizer) -> None:
    """Where the first step may be what went too far, take a hundredth of it."""
    for group in optimizer.param_groups:
        if "first_step" in group:
            group["first_step"] /= 100


def restore(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Let an optimiser remember what `checkpoint.remembered` returned, as far as there is room for it now."""
    group, before = optimizer.state_dict()["param_groups"][0], saved["param_groups"][0]
    pairs = group.get("history_size")
    optimizer.load_state_dict({"state": saved["state"], "param_groups": [group | before]})
    if pairs is not None and pairs < before.get("history_size", 0):
        optimizer.param_groups[0]["history_size"] = pairs
        for state in optimizer.state.values():
            for name in ("s", "y", "old_dirs", "old_stps", "ro"):
                if name in state:
                    del state[name][: -max(1, pairs - 1)]
