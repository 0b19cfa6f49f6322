"""The exercises of chapter 12, recipes."""

from __future__ import annotations

from torch import Tensor

from ... import losses, recipes
from ...vgg import layers
from .kinds import Function, Value, random_features


def _rate(step: int, *, times: float | None = None) -> float:
    recipe = recipes.get("keras-sgd")
    exponent = step / recipe.decay_steps if times is None else times
    return float(recipe.learning_rate * recipe.decay**exponent)


def _channels(name: str) -> int:
    return next(layer.channels for layer in layers("vgg19") if layer.name == name)


def _mean_style_loss(features: Tensor, target: Tensor) -> Tensor:
    """The form ``mean``, with both Grams of as many positions."""
    positions = features.shape[2] * features.shape[3]
    grams = losses.gram_matrix(features), losses.gram_matrix(target)
    return losses.style_loss(*grams, "mean", positions=positions)


EXERCISES: dict[str, Value | Function] = {
    "ex-recipes-decay": Value(
        expected=lambda: _rate(1000),
        slips={
            "It is multiplied by 0.96 ten times by then, not once.": lambda: _rate(1000, times=1),
            "It falls every 100 steps, not every step.": lambda: _rate(1000, times=1000),
            "Multiplied, not reduced by 4 per cent of the first rate each time.": lambda: 100 - 10 * 4,
        },
        tolerance=0.005,
    ),
    "ex-recipes-constant": Value(
        expected=lambda: (_channels("relu1_1") / 3) ** 2,
        slips={
            "The number of channels is squared in both.": lambda: _channels("relu1_1") / 3,
            "That is how much smaller the paper's is; the Keras loss is the larger one.": lambda: (
                (3 / _channels("relu1_1")) ** 2
            ),
            "The factor 4 is in both.": lambda: (_channels("relu1_1") / 3) ** 2 / 4,
        },
    ),
    "ex-recipes-mean": Function(
        expected=_mean_style_loss,
        inputs=random_features,
        slips={
            "The mean, not the sum, of the squared differences.": lambda f, s: _mean_style_loss(f, s) * f.shape[1] ** 2,
            "These Gram matrices are not divided by the number of positions.": lambda f, s: losses.style_loss(
                losses.gram_matrix(f), losses.gram_matrix(s), "mean", positions=1
            ),
            "Compare Gram matrices, not features.": lambda f, s: (f - s).square().mean(),
        },
    ),
}
