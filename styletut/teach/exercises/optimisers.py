"""The exercises of chapter 10, optimisers."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ... import recipes
from .kinds import Function, Value


def _rate(power: int) -> float:
    recipe = recipes.get("keras-sgd")
    return float(recipe.learning_rate / recipe.pixel_range**power)


def _adam(gradient: Tensor) -> Tensor:
    """torch's own first step, from zero."""
    variable = torch.zeros_like(gradient).requires_grad_(True)
    variable.grad = gradient.detach().clone()
    torch.optim.Adam([variable], lr=0.02, eps=1e-8).step()
    return variable.detach()


def _gradient(generator: Generator) -> tuple[Tensor]:
    return (torch.randn(1, 3, 4, 5, generator=generator),)


EXERCISES: dict[str, Value | Function] = {
    "ex-optimisers-range": Value(
        expected=lambda: _rate(2),
        slips={
            "The range scales the step, but the gradient as well.": lambda: _rate(1),
            "It is the inverse: a picture of 0 to 1 moves by less.": lambda: _rate(-2),
            "The range of the picture matters to SGD.": lambda: _rate(0),
        },
    ),
    "ex-optimisers-adam": Function(
        expected=_adam,
        inputs=_gradient,
        gradient=False,
        slips={
            "The step goes against the gradient: mind the sign.": lambda g: -_adam(g),
            "That is SGD's step: Adam divides by the size of the gradient.": lambda g: -0.02 * g,
            "Each value is divided by its own size, not by the length of the whole gradient.": lambda g: (
                -0.02 * g / g.norm()
            ),
        },
    ),
    "ex-optimisers-limit": Value(
        expected=lambda: 2 / 25,
        slips={
            "At that rate b is zero after one step; it grows only beyond twice as much.": lambda: 1 / 25,
            "The steep direction sets the limit, not the flat one.": lambda: 2.0,
        },
    ),
}
