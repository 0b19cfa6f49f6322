"""The exercises of chapter 09, starting-points."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ... import recipes
from ...architecture import layer, layers
from .kinds import Function, Value


def _shares() -> Tensor:
    maps = torch.tensor([[0.0, 0.0, 0.0, 8.0], [2.0, 2.0, 2.0, 2.0]]).view(2, 1, 2, 2)
    return (F.avg_pool2d(maps, 2) / F.max_pool2d(maps, 2)).flatten()


def _mix(photograph: Tensor, noise: Tensor, mean: Tensor) -> Tensor:
    share = recipes.get("avgpool").start_mix
    return mean + share * (photograph - mean) + (1 - share) * noise


def _pictures(generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A photograph, noise around zero, and a colour."""
    photograph, noise, mean = (
        torch.rand(shape, generator=generator) for shape in ((1, 3, 4, 5), (1, 3, 4, 5), (1, 3, 1, 1))
    )
    return photograph, noise - 0.5, mean


def _reached(pools: int, share: float = 0.25) -> float:
    return share**pools


def _pools(deepest: str) -> int:
    return sum(each.kind == "pool" for each in layers("vgg19")[: layer(deepest).index + 1])


EXERCISES: dict[str, Value | Function] = {
    "ex-starts-pools": Value(
        expected=_shares,
        slips={
            "Shares of the maximum are asked for, not the averages.": lambda: torch.tensor([2.0, 2.0]),
            "The order is reversed: the first map is the one with a single 8.": lambda: _shares().flip(0),
        },
        tolerance=1e-4,
    ),
    "ex-starts-mix": Function(
        expected=_mix,
        inputs=_pictures,
        slips={
            "The two shares are swapped.": lambda p, n, m: m + 0.75 * (p - m) + 0.25 * n,
            "Subtract the mean from the photograph before it is scaled.": lambda p, n, m: m + 0.25 * p + 0.75 * n,
            "Add the mean again: zero is not the network's mean colour.": lambda p, n, m: 0.25 * (p - m) + 0.75 * n,
        },
    ),
    "ex-starts-routes": Value(
        expected=lambda: _reached(_pools("pool4")),
        slips={
            "That is one pooling layer: there are four.": lambda: _reached(1),
            "Each pooling layer takes one of 2 x 2 positions, not one of two.": lambda: _reached(_pools("pool4"), 0.5),
            "There are four pooling layers, not five.": lambda: _reached(5),
        },
    ),
}
