"""The exercises of chapter 07, content-depth."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ... import losses, samples
from ...vgg import VGG, layers
from .kinds import Function, Value


def _shape(name: str = "relu5_2", rows: int = 301, columns: int = 450) -> tuple[int, int, int]:
    """Channels, rows and columns of a layer's features: every pooling drops an odd row or column."""
    layer = next(layer for layer in layers() if layer.name == name)
    return layer.channels, rows // layer.stride, columns // layer.stride


def _fewest() -> str:
    """The first layer with fewer numbers than the picture."""
    return next(layer.name for layer in layers() if layer.channels / layer.stride**2 < 3)


def _halfway(name: str = "relu3_2") -> int:
    """By how many pixels the chapter's portrait must move before a layer's relative content loss is above 0.5."""
    whole = samples.load("astronaut", size=150)
    vgg = VGG([name])
    target = vgg(whole[..., :112, 8:120])[name]
    for pixels in range(1, 25):
        features = vgg(whole[..., :112, 8 + pixels : 120 + pixels])[name]
        if losses.content_loss(features, target, "relative") > 0.5:
            return pixels
    raise AssertionError(f"the loss at {name} stays below 0.5")


def _psnr(a: Tensor, b: Tensor) -> Tensor:
    return -10 * (a - b).square().mean().log10()


def _pictures(generator: Generator) -> tuple[Tensor, Tensor]:
    """Two pictures of one random size."""
    rows, columns = (torch.randperm(5, generator=generator)[:2] + 4).tolist()
    shape = (1, 3, rows, columns)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


EXERCISES: dict[str, Value | Function] = {
    "ex-depth-shape": Value(
        expected=_shape,
        slips={
            "Pooling drops an odd last row or column: round down each time.": lambda: (
                512,
                -(-301 // 16),
                -(-450 // 16),
            ),
            "The fifth pooling comes after relu5_2.": lambda: _shape("pool5"),
            "That is block 4: how many poolings come before block 5?": lambda: _shape("relu4_2"),
            "Rows first, then columns.": lambda: _shape(rows=450, columns=301),
        },
        tolerance=0.0,
    ),
    "ex-depth-fewest": Value(
        expected=_fewest,
        slips={
            "It has fewer, but it is not the first: look at the layer that its input comes from.": lambda: "conv5_1",
            "It has fewer, but it is not the first: pooling layers count too.": lambda: "relu5_1",
            "Nearly: a quarter of the positions, but 4 numbers for each pixel. The picture has 3.": lambda: "pool3",
        },
    ),
    "ex-depth-psnr": Function(
        expected=_psnr,
        inputs=_pictures,
        slips={
            "The logarithm is to the base 10.": lambda a, b: -10 * (a - b).square().mean().log(),
            "The mean of the squares is inside the logarithm, not their sum.": lambda a, b: (
                -10 * (a - b).square().sum().log10()
            ),
            "The smaller the error, the more decibels: mind the sign.": lambda a, b: -_psnr(a, b),
            "It is 10 times the logarithm of the mean square, or 20 times that of its root, not both.": lambda a, b: (
                2 * _psnr(a, b)
            ),
            "The differences must be squared, not made absolute.": lambda a, b: -10 * (a - b).abs().mean().log10(),
        },
    ),
    "ex-depth-room": Value(
        expected=_halfway,
        slips={
            "That is relu2_2's answer.": lambda: _halfway("relu2_2"),
            "That is relu4_2's answer.": lambda: _halfway("relu4_2"),
            "That is the last shift at which it is still below 0.5.": lambda: _halfway() - 1,
        },
        tolerance=0.0,
    ),
}
