"""The exercises of chapter 03, features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ... import samples, vgg
from .kinds import Function, Value


def _layer(name: str) -> vgg.Layer:
    return next(layer for layer in vgg.layers() if layer.name == name)


def _field(*, pooling: bool = True, strides: bool = True) -> int:
    """Receptive field of relu3_2, optionally without what pooling layers add, or as if all strides were 1."""
    field = 1
    upto = vgg.layers().index(_layer("relu3_2"))
    stride = 1
    for layer in vgg.layers()[:upto]:
        if layer.kind == "conv":
            field += 2 * (stride if strides else 1)
        elif layer.kind == "pool":
            field += (stride if strides else 1) if pooling else 0
            stride = layer.stride
    return field


def _shape(stride: int | None = None) -> Tensor:
    """Shape of relu4_1 for a picture of 224 x 320."""
    layer = _layer("relu4_1")
    stride = stride or layer.stride
    return torch.tensor([1, layer.channels, 224 // stride, 320 // stride])


def _recurrence(first: int = 1, less: int = 1, early: bool = False) -> Callable[[Tensor, Tensor], Tensor]:
    """The recurrence for windows and steps, or one of its misreadings."""

    def receptive_field(windows: Tensor, steps: Tensor) -> Tensor:
        before = torch.cat([torch.ones_like(steps[:1]), steps[:-1]])
        strides = (steps if early else before).cumprod(0)
        return first + ((windows - less) * strides).sum()

    return receptive_field


def _chain(generator: Generator) -> tuple[Tensor, Tensor]:
    """Windows and steps of 4 to 7 layers, the first two steps above 1."""
    count = int(torch.randint(4, 8, (1,), generator=generator))
    windows = torch.randint(2, 8, (count,), generator=generator)
    steps = torch.randint(1, 4, (count,), generator=generator)
    steps[:2] += 1
    return windows, steps


def _both(before: Callable[[Tensor], Tensor], after: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A convolution, then two functions of what it gives, along the channels."""

    def outputs(features: Tensor, weight: Tensor) -> Tensor:
        convolved = F.conv2d(features, weight, padding=1)
        return torch.cat([before(convolved), after(convolved)], 1)

    return outputs


def _features_and_weight(generator: Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(1, 3, 6, 7, generator=generator), torch.randn(4, 3, 3, 3, generator=generator)


def _zeros(name: str = "relu4_2") -> Tensor:
    """For each value of The Starry Night at 128 pixels, whether it is zero."""
    return vgg.VGG([name])(samples.load("starry_night", size=128))[name] == 0


EXERCISES: dict[str, Value | Function] = {
    "ex-features-field": Value(
        expected=lambda: _layer("relu3_2").receptive_field,
        slips={
            "Pooling has a window too, of 2 x 2: each widens the receptive field by the stride before it.": lambda: (
                _field(pooling=False)
            ),
            "After a pooling layer, one position further is several pixels further: multiply by the stride.": lambda: (
                _field(strides=False)
            ),
            "That is relu3_1: there is one convolution more.": lambda: _layer("relu3_1").receptive_field,
            "That is relu3_3: one convolution too many.": lambda: _layer("relu3_3").receptive_field,
        },
        tolerance=0.0,
    ),
    "ex-features-shape": Value(
        expected=_shape,
        slips={
            "Block 4 comes after three pooling layers, not four.": lambda: _shape(16),
            "Block 4 comes after three pooling layers, not two.": lambda: _shape(4),
            "Rows come before columns.": lambda: _shape()[[0, 1, 3, 2]],
            "PyTorch puts the channels second, not last.": lambda: _shape()[[0, 2, 3, 1]],
            "The first number is how many pictures there are.": lambda: _shape()[1:],
        },
        tolerance=0.0,
    ),
    "ex-features-recurrence": Function(
        expected=_recurrence(),
        inputs=_chain,
        slips={
            "A layer widens the field by the stride before it: multiply by its own step afterwards.": _recurrence(
                early=True
            ),
            "A window of k positions reaches k - 1 steps further than one position, not k.": _recurrence(less=0),
            "Start with 1: the receptive field of a pixel is the pixel itself.": _recurrence(first=0),
        },
        gradient=False,
    ),
    "ex-features-tap": Function(
        expected=_both(lambda x: x, F.relu),
        inputs=_features_and_weight,
        slips={
            "The first half has no negative values: the ReLU has overwritten it.": _both(F.relu, F.relu),
            "The second half has negative values: where is the ReLU?": _both(lambda x: x, lambda x: x),
            "The convolution comes first, the ReLU second.": _both(F.relu, lambda x: x),
        },
    ),
    "ex-features-zeros": Value(
        expected=lambda: _zeros().float().mean(),
        slips={
            "That is the share of values that are not zero.": lambda: 1 - _zeros().float().mean(),
            "Before the ReLU, hardly any value is exactly zero: read relu4_2.": lambda: (
                _zeros("conv4_2").float().mean()
            ),
            "A share: divide the count by the number of values.": lambda: _zeros().sum(),
            "In per cent it is right; a number from 0 to 1 is asked for.": lambda: 100 * _zeros().float().mean(),
        },
        tolerance=0.02,
    ),
}
