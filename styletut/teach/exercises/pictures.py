"""The exercises of chapter 02, pictures."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ...vgg import CAFFE_MEAN, IMAGENET_MEAN, IMAGENET_STD
from .kinds import Function, Value

ORANGE = torch.tensor([255.0, 128.0, 0.0])  # red, green, blue
BLACK_AND_WHITE = torch.tensor([0.0, 1.0])

_caffe = 255 * torch.tensor(CAFFE_MEAN)  # red, green, blue
_mean, _std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))


def _red_taken_for(values: Tensor, channel: int = 0) -> Tensor:
    """The red that a network of torchvision sees in raw values."""
    return IMAGENET_MEAN[channel] + IMAGENET_STD[channel] * values


def _preprocessed(generator: Generator) -> tuple[Tensor]:
    """Values as a network of torchvision gets them, of a random shape."""
    rows, columns = (torch.randperm(4, generator=generator)[:2] + 4).tolist()
    return (torch.randn(1, 3, rows, columns, generator=generator),)


EXERCISES: dict[str, Value | Function] = {
    "ex-pictures-pixel": Value(
        expected=lambda: (ORANGE - _caffe).flip(0),
        slips={
            "The values are right, but blue comes first.": lambda: ORANGE - _caffe,
            "Each colour has its own mean: reverse the means together with the colours.": lambda: (
                ORANGE.flip(0) - _caffe
            ),
            "Caffe's values go from 0 to 255: do not divide.": lambda: (ORANGE / 255 - _caffe).flip(0),
            "The means are subtracted.": lambda: (ORANGE + _caffe).flip(0),
        },
    ),
    "ex-pictures-deprocess": Function(
        expected=lambda values: values * _std + _mean,
        inputs=_preprocessed,
        slips={
            "The inverse undoes the last operation first: multiply, then add.": lambda values: (values + _mean) * _std,
            "To undo a division, multiply.": lambda values: values / _std + _mean,
            "The mean was subtracted: add it.": lambda values: values * _std - _mean,
            "And the standard deviations?": lambda values: values + _mean,
            "And the mean?": lambda values: values * _std,
            "This network takes red first: do not reverse the channels.": lambda values: (values * _std + _mean).flip(
                1
            ),
            "Pictures go from 0 to 1 here: do not multiply by 255.": lambda values: 255 * (values * _std + _mean),
            "Here nothing should be clamped.": lambda values: (values * _std + _mean).clamp(0, 1),
        },
    ),
    "ex-pictures-wrap": Value(
        expected=lambda: torch.tensor(255 * 1.02).long() % 256,
        slips={
            "That is what clamping gives, and what it should be. What happens without?": lambda: 255,
            "A byte has no room for that: after 255 it begins again at 0.": lambda: 260,
            "Count once more: after 255 comes 0, not 1.": lambda: 5,
        },
        tolerance=0.0,
    ),
    "ex-pictures-order": Value(
        expected=lambda: "RGB",
        slips={"Which of Caffe's means belongs to blue, the largest or the smallest?": lambda: "BGR"},
    ),
    "ex-pictures-fog": Value(
        expected=lambda: _red_taken_for(BLACK_AND_WHITE),
        slips={
            "That is what the input should be for black and white. It was 0 and 1: apply the inverse.": lambda: (
                (BLACK_AND_WHITE - IMAGENET_MEAN[0]) / IMAGENET_STD[0]
            ),
            "That would be so if nothing was wrong. Apply the inverse to 0 and to 1.": lambda: BLACK_AND_WHITE,
            "Red comes first in torchvision's mean and standard deviation.": lambda: _red_taken_for(BLACK_AND_WHITE, 2),
        },
    ),
}
