"""The exercises of the failure gallery."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ...vgg import CAFFE_MEAN, layers
from .kinds import Function, Value

_LARGEST = torch.finfo(torch.float16).max
_MEAN = torch.tensor(CAFFE_MEAN).view(1, 3, 1, 1) * 255  # red, green, blue


def _shown(picture: Tensor) -> Tensor:
    """The input that the Oxford weights expect: blue, green, red in 0 to 255, minus the mean."""
    return (picture * 255 - _MEAN).flip(1)


def _picture_and_arrived(generator: Generator) -> tuple[Tensor, Tensor]:
    """A picture of a random size, and that input with some noise added."""
    rows, columns = (torch.randperm(4, generator=generator)[:2] + 3).tolist()
    picture = torch.rand(1, 3, rows, columns, generator=generator)
    return picture, _shown(picture) + 20 * torch.randn(picture.shape, generator=generator)


EXERCISES: dict[str, Value | Function] = {
    "ex-gallery-number": Value(
        expected=lambda: layers("vgg16")[21].name,
        slips={
            "That is VGG-19's. Block 3 of VGG-16 has one convolution fewer.": lambda: layers("vgg19")[21].name,
            "Nearly: torchvision counts from 0.": lambda: layers("vgg16")[20].name,
        },
    ),
    "ex-gallery-overflow": Value(
        expected=lambda: int(_LARGEST // 32**2) + 1,
        slips={
            "That many still fit: one more.": lambda: int(_LARGEST // 32**2),
            "A Gram matrix adds up products: each position gives 32 times 32.": lambda: int(_LARGEST // 32) + 1,
        },
        tolerance=0.0,
    ),
    "ex-gallery-shown": Function(
        expected=lambda picture, arrived: (_shown(picture) - arrived).abs().max(),
        inputs=_picture_and_arrived,
        slips={
            "Reverse the order of the channels first: the network expects blue, green, red.": lambda picture, arrived: (
                (picture * 255 - _MEAN.flip(1) - arrived).abs().max()
            ),
            "The means are those of blue, green and red, in this order: subtract them after reversing the channels.": (
                lambda picture, arrived: ((picture * 255 - _MEAN.flip(1)).flip(1) - arrived).abs().max()
            ),
            "The network expects values from 0 to 255: multiply first.": lambda picture, arrived: (
                (picture.flip(1) - _MEAN.flip(1) - arrived).abs().max()
            ),
            "The largest difference is asked for, not the mean.": lambda picture, arrived: (
                (_shown(picture) - arrived).abs().mean()
            ),
            "A difference counts whatever its sign: take its absolute value.": lambda picture, arrived: (
                _shown(picture) - arrived
            ).max(),
        },
        gradient=False,
    ),
    "ex-gallery-diagnosis": Value(
        expected=lambda: "in-place",
        slips={
            "Swapped, red would arrive in channel 0.": lambda: "swapped",
            "The mean colour arrives as zero, so the mean is subtracted, and only once.": lambda: "mean",
            "512 channels and an eighth of each side: the block is the right one.": lambda: "number",
            "The weights are those of the file.": lambda: "random",
        },
    ),
}
