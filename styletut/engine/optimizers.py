"""The optimiser that a recipe asks for, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..recipes import Recipe
from . import lbfgsb, optim
from .devices import without_compiler
from .entries import Check, is_positive, is_whole


def kind(recipe: Recipe) -> str:
    """``sgd``, ``adam``, ``lbfgs`` (`optim.LBFGS`), ``torch-lbfgs`` (several evaluations a step) or ``lbfgs-b``."""
    return "torch-lbfgs" if recipe.optimizer == "lbfgs" and recipe.evaluations > 1 else recipe.optimizer


def check_available(recipe: Recipe) -> None:
    """Look for what a recipe's optimiser needs.

    Raises:
        RecipeError: it needs SciPy, which is missing.
    """
    if recipe.optimizer == "lbfgs-b":
        lbfgsb.require()


def new(recipe: Recipe, variable: Tensor, pairs: int) -> torch.optim.Optimizer:
    """An optimiser of ``variable``; L-BFGS remembers so many ``pairs``."""
    with without_compiler():
        return KINDS[kind(recipe)].new(recipe, variable, pairs)


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


def _twice_a_pair(recipe: Recipe, pairs: int, bytes_each: int) -> float:
    return 6 + 2 * pairs


@dataclass(frozen=True)
class Kind:
    """An optimiser: how it is made, what it takes, and what it remembers between steps.

    ``new(recipe, variable, pairs)`` makes it; ``copies(recipe, pairs, bytes_each)`` is how many copies of the picture,
    of so many bytes a value, there are with it. ``state`` are the entries of its state, each a ``vector`` as long as
    the picture, a ``number``, ``vectors`` or ``numbers``; ``options`` are those entries of its parameter group that do
    not follow from the recipe.
    """

    new: Callable[[Recipe, Tensor, int], torch.optim.Optimizer]
    copies: Callable[[Recipe, int, int], float]
    state: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Check] = field(default_factory=dict)


KINDS = {
    "sgd": Kind(_sgd, lambda *_: 4),
    "adam": Kind(_adam, lambda *_: 6, {"step": "number", "exp_avg": "vector", "exp_avg_sq": "vector"}),
    "lbfgs": Kind(
        _lbfgs,
        _twice_a_pair,
        {"gradient": "vector", "last_step": "vector", "s": "vectors", "y": "vectors"},
        {"first_step": is_positive, "history_size": is_whole(1)},
    ),
    "torch-lbfgs": Kind(
        _torch_lbfgs,
        _twice_a_pair,
        {
            "d": "vector",
            "t": "number",
            "old_dirs": "vectors",
            "old_stps": "vectors",
            "ro": "numbers",
            "H_diag": "number",
            "prev_flat_grad": "vector",
            "prev_loss": "number",
            "func_evals": "number",
            "n_iter": "number",
        },
        {"history_size": is_whole(1)},
    ),
    # SciPy's own vectors are in float64.
    "lbfgs-b": Kind(_lbfgsb, lambda recipe, pairs, bytes_each: 6 + (2 * recipe.memory + 18) * 8 / bytes_each),
}
"""All that there are; a new one is a line here, and its name among the choices of the recipe's ``optimizer``."""


def copies(recipe: Recipe, pairs: int | None, bytes_each: int) -> float:
    """Copies of the picture that there are with a recipe's optimiser, which remembers so many ``pairs``."""
    own = KINDS[kind(recipe)].copies(recipe, recipe.memory if pairs is None else pairs, bytes_each)
    return own + (1 if recipe.averaging else 0)


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
