"""The exercises of chapter 04, gram-matrices."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ... import losses, vgg
from .kinds import Function, Value

_TINY = torch.tensor([[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 0.0, 4.0]])


def _channels() -> int:
    return next(layer.channels for layer in vgg.layers() if layer.name == "relu4_1")


def _batch(generator: Generator) -> tuple[Tensor]:
    """Features of two pictures, (2, N, h, w), no two sides equal."""
    shape = (2, *(torch.randperm(4, generator=generator)[:3] + 3).tolist())
    return (torch.randn(shape, generator=generator),)


EXERCISES: dict[str, Value | Function] = {
    "ex-gram-tiny": Value(
        expected=lambda: losses.gram_matrix(_TINY[None, :, :, None])[0],
        slips={
            "These are the sums: divide by the number of positions.": lambda: _TINY @ _TINY.T,
            "Divide by the positions only, not by channels times positions.": lambda: _TINY @ _TINY.T / 12,
            "Divide by the number of positions, not by that of the channels.": lambda: _TINY @ _TINY.T / 3,
            "This compares positions with each other: multiply rows, not columns.": lambda: _TINY.T @ _TINY / 4,
            "These are covariances: do not subtract the means.": lambda: torch.cov(_TINY, correction=0),
        },
    ),
    "ex-gram-function": Function(
        expected=losses.gram_matrix,
        inputs=_batch,
        slips={
            "Divide by the number of positions, h times w.": lambda f: losses.gram_matrix(f, "none"),
            "Divide by the positions only, not by channels times positions.": lambda f: losses.gram_matrix(
                f, "elements"
            ),
            "This compares positions: the channels must be the rows.": lambda f: (
                f.flatten(2).transpose(1, 2) @ f.flatten(2) / f[0, 0].numel()
            ),
            "This adds up the pictures of the batch: keep them apart.": lambda f: losses.gram_matrix(f).sum(
                0, keepdim=True
            ),
            "This averages over the batch: keep its pictures apart.": lambda f: losses.gram_matrix(f).mean(
                0, keepdim=True
            ),
            "This is the covariance: do not subtract the mean.": lambda f: losses.gram_matrix(
                f - f.mean((2, 3), keepdim=True)
            ),
        },
    ),
    "ex-gram-distinct": Value(
        expected=lambda: _channels() * (_channels() + 1) // 2,
        slips={
            "The matrix is symmetric: half of these come twice.": lambda: _channels() ** 2,
            "The diagonal counts too.": lambda: _channels() * (_channels() - 1) // 2,
            "That is the number of its rows.": _channels,
            "Halving all entries halves the diagonal too.": lambda: _channels() ** 2 // 2,
        },
        tolerance=0.0,
    ),
}
