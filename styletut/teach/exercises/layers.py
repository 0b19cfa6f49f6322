"""The exercises of chapter 06, style-layers."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ...vgg import Layer, layers
from .kinds import Function, Value

MYSTERY = (0.45, 0.22, 0.23, 0.015, 0.40)
"""Distances at the first ReLU of each block of a texture grown from one of them."""


def _firsts() -> list[Layer]:
    """relu1_1 to relu5_1."""
    return [layer for layer in layers() if layer.kind == "relu" and layer.name.endswith("_1")]


def _numbers(each: int) -> int:
    """Entries of the five Gram matrices: all (2), those on one side of the diagonal with it (1) or without it (0)."""
    counts = {2: lambda n: n * n, 1: lambda n: n * (n + 1) // 2, 0: lambda n: n * (n - 1) // 2}
    return sum(counts[each](layer.channels) for layer in _firsts())


def _room(stroke: float) -> str:
    """The first layer whose receptive field is as wide as a stroke of so many pixels."""
    return next(layer.name for layer in _firsts() if layer.receptive_field >= stroke)


def _gradient_lengths(generator: Generator) -> tuple[Tensor]:
    """Lengths of five gradients, over several orders of magnitude."""
    return (10 ** (4 * torch.rand(5, generator=generator)),)


EXERCISES: dict[str, Value | Function] = {
    "ex-layers-constraints": Value(
        expected=lambda: _numbers(1),
        slips={
            "Those are all entries; each off the diagonal occurs twice.": lambda: _numbers(2),
            "The diagonal counts too: how strong each channel is by itself.": lambda: _numbers(0),
            "Half of all entries leaves half of the diagonal out.": lambda: _numbers(2) // 2,
            "That is the number of channels; a Gram matrix has an entry for each pair of them.": lambda: sum(
                layer.channels for layer in _firsts()
            ),
        },
        tolerance=0.0,
    ),
    "ex-layers-room": Value(
        expected=lambda: _room(60 * 512 / 1024),
        slips={
            "That is the layer before: its receptive field is a little too small for a stroke at your size.": lambda: (
                _room(60 * 256 / 1024)
            ),
            "It would hold a stroke too, but a shallower one does.": lambda: _firsts()[-1].name,
        },
    ),
    "ex-layers-equal": Function(
        expected=lambda lengths: (1 / lengths) / (1 / lengths).sum(),
        inputs=_gradient_lengths,
        slips={
            "All gradients are then equally long, but the weights do not add up to 1.": lambda lengths: 1 / lengths,
            "These make long gradients longer: divide by the length.": lambda lengths: lengths / lengths.sum(),
            "The gradient grows with the weight, not with its square root: no square is needed.": lambda lengths: (
                lengths**-2 / (lengths**-2).sum()
            ),
        },
        gradient=False,
    ),
    "ex-layers-which": Value(
        expected=lambda: _firsts()[MYSTERY.index(min(MYSTERY))].name,
        slips={
            "That is the layer with the largest distance; the layer that was matched has a small one.": lambda: (
                _firsts()[MYSTERY.index(max(MYSTERY))].name
            ),
            "The distance is fairly small there, but much smaller at another layer.": lambda: (
                _firsts()[MYSTERY.index(sorted(MYSTERY)[1])].name
            ),
        },
    ),
}
