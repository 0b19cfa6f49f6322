"""The exercises of chapter 15, beyond the Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from ...losses import STYLE_LOSSES, covariance
from .kinds import Function, Value, random_features


def _spread() -> Tensor:
    """The deviation that a channel of mean 2 needs, to have the Gram entry of mean 3 and deviation 2."""
    second = torch.tensor(3.0**2 + 2.0**2).view(1, 1, 1)
    return covariance(torch.tensor([[2.0]]), second).sqrt().squeeze()


def _distance() -> Tensor:
    """Wasserstein distance of Gaussians of two channels without correlation: not relative, not squared."""
    mean, spread = torch.tensor([[1.0, 6.0]]), torch.tensor([3.0, 1.0])
    goal, goal_spread = torch.tensor([[1.0, 2.0]]), torch.tensor([1.0, 5.0])
    loss = STYLE_LOSSES["wasserstein"]
    of, target = (
        (m, torch.diag(s**2)[None] + m[:, :, None] * m[:, None, :]) for m, s in ((mean, spread), (goal, goal_spread))
    )
    power = goal.square().sum() + goal_spread.square().sum()
    return (loss.loss(of, loss.prepare(target)) * power).sqrt()


def _sorted_apart(features: Tensor, target: Tensor) -> Tensor:
    """Mean over channels of the squared Wasserstein distance of their values."""
    mine, goal = (each.flatten(2).sort(dim=2).values for each in (features, target))
    return (mine - goal).square().mean()


EXERCISES: dict[str, Value | Function] = {
    "ex-beyond-spread": Value(
        expected=_spread,
        slips={
            "That is the variance; its root is the deviation.": lambda: 9.0,
            "Then the mean square would be 8. It has to be what it is in the painting.": lambda: 2.0,
            "That is the painting's entry; take away the square of the picture's mean, and the root.": lambda: 13.0,
        },
    ),
    "ex-beyond-distance": Value(
        expected=_distance,
        slips={
            "That is its square.": lambda: 36.0,
            "The means are apart too.": lambda: 20**0.5,
            "The variances were compared: take the deviations.": lambda: (4**2 + 8**2 + 24**2) ** 0.5,
        },
    ),
    "ex-beyond-sorted": Function(
        expected=_sorted_apart,
        inputs=random_features,
        slips={
            "Not sorted: that compares position with position, as a content loss does.": lambda a, b: (
                (a - b).square().mean()
            ),
            "Sort each channel by itself, not all values together.": lambda a, b: (
                (a.flatten().sort().values - b.flatten().sort().values).square().mean()
            ),
            "That is the sum; take the mean over channels and positions.": lambda a, b: (
                (a.flatten(2).sort(dim=2).values - b.flatten(2).sort(dim=2).values).square().sum()
            ),
            "The differences are to be squared.": lambda a, b: (
                (a.flatten(2).sort(dim=2).values - b.flatten(2).sort(dim=2).values).abs().mean()
            ),
        },
    ),
}
