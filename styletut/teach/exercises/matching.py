"""The exercises of chapter 05, matching-gram."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ... import losses
from .kinds import Function, Value

_MEAN, _SQUARE = 0.6, 0.5


def _statistics(generator: Generator) -> tuple[Tensor, Tensor]:
    """Gram matrix per position, (N, N), and mean, (N,), of random features."""
    channels, positions = (torch.randperm(4, generator=generator)[:2] + 3).tolist()
    features = torch.rand(channels, positions, generator=generator)
    return features @ features.T / positions, features.mean(1)


def _covariance(gram: Tensor, mean: Tensor) -> Tensor:
    return gram - torch.outer(mean, mean)


def _clouds(generator: Generator) -> tuple[Tensor, Tensor]:
    """Two point clouds of different size, (N, M) and (N, M'), of positive numbers, as features are."""
    channels, many, few = (torch.randperm(4, generator=generator)[:3] + 3).tolist()
    return torch.rand(channels, many, generator=generator), torch.rand(channels, few, generator=generator)


def _discrepancy(x: Tensor, y: Tensor) -> Tensor:
    gram, target = (losses.gram_matrix(cloud[None, :, :, None]) for cloud in (x, y))
    return (gram - target).square().sum()


def _pairs(x: Tensor, y: Tensor, power: int = 2) -> Tensor:
    return (x.T @ x).pow(power).mean() + (y.T @ y).pow(power).mean() - 2 * (x.T @ y).pow(power).mean()


def _without_self(x: Tensor) -> Tensor:
    kernel = (x.T @ x).square()
    return (kernel.sum() - kernel.diagonal().sum()) / (len(kernel) * (len(kernel) - 1))


EXERCISES: dict[str, Value | Function] = {
    "ex-matching-trade": Value(
        expected=lambda: (_SQUARE - _MEAN**2) ** 0.5,
        slips={
            "That is the variance: take its root.": lambda: _SQUARE - _MEAN**2,
            "That is the root of the mean square: subtract the square of the mean first.": lambda: _SQUARE**0.5,
            "The square of the mean is subtracted, not the mean.": lambda: abs(_SQUARE - _MEAN) ** 0.5,
            "Subtract before taking the root.": lambda: _SQUARE**0.5 - _MEAN,
        },
    ),
    "ex-matching-covariance": Function(
        expected=_covariance,
        inputs=_statistics,
        slips={
            "Subtract the product of the two means for each pair, not on the diagonal alone.": lambda gram, mean: (
                gram - mean.square().diag()
            ),
            "The product of the means is subtracted, not added.": lambda gram, mean: gram + torch.outer(mean, mean),
            "Subtract the product of two means, not a mean.": lambda gram, mean: gram - mean,
        },
    ),
    "ex-gram-mmd": Function(
        expected=_discrepancy,
        inputs=_clouds,
        slips={
            "The kernel is the square of the inner product.": lambda x, y: _pairs(x, y, power=1),
            "The pairs across the clouds count twice.": lambda x, y: _pairs(x, y) + (x.T @ y).square().mean(),
            "The pairs across the clouds are subtracted.": lambda x, y: _pairs(x, y) + 4 * (x.T @ y).square().mean(),
            "The pairs of a point with itself count too.": lambda x, y: (
                _without_self(x) + _without_self(y) - 2 * (x.T @ y).square().mean()
            ),
            "Each of the three sums must be divided by its number of pairs.": lambda x, y: (
                (x.T @ x).square().sum() + (y.T @ y).square().sum() - 2 * (x.T @ y).square().sum()
            ),
        },
    ),
}
