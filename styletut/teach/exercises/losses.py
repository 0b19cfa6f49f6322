"""The exercises of chapter 08, three-losses."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ...losses import TV_FORMS, total_variation
from .kinds import Function, Value


def _small() -> Tensor:
    """The picture of the exercise, two rows and three columns of grey."""
    return torch.tensor([[0.0, 2.0, 2.0], [0.0, 2.0, 5.0]]).view(1, 1, 2, 3)


def _both(picture: Tensor, reduction: str = "sum") -> Tensor:
    return torch.stack([total_variation(picture, form, reduction) for form in ("squared", "l1")])


def _rows(picture: Tensor) -> Tensor:
    """Each row as a picture of its own: nothing is compared across them."""
    return torch.cat(picture.split(1, 2))


def _poster(side: int, reduction: str = "sum") -> Tensor:
    """Total variation of a poster, half black and half white: the same in every form."""
    poster = (torch.arange(side) >= side / 2).float().expand(1, 3, side, side)
    return total_variation(poster, TV_FORMS[0], reduction)


def _random_picture(generator: Generator) -> tuple[Tensor]:
    rows, columns = (torch.randperm(4, generator=generator)[:2] + 4).tolist()
    return (torch.rand((1, 3, rows, columns), generator=generator),)


EXERCISES: dict[str, Value | Function] = {
    "ex-losses-by-hand": Value(
        expected=lambda: _both(_small()),
        slips={
            "Differences between rows count too.": lambda: _both(_rows(_small())),
            "Differences between columns count too.": lambda: _both(_rows(_small().transpose(2, 3))),
            "The order is reversed: squared first, then l1.": lambda: _both(_small()).flip(0),
            "The sum is asked for, not the mean.": lambda: _both(_small(), "mean"),
        },
    ),
    "ex-losses-l1": Function(
        expected=lambda picture: total_variation(picture, "l1"),
        inputs=_random_picture,
        slips={
            "Absolute differences, not squared ones.": lambda x: total_variation(x, "squared"),
            "Absolute differences: this is the form called power.": lambda x: total_variation(x, "power"),
            "The sum, not the sum per pixel.": lambda x: total_variation(x, "l1", "mean"),
            "Differences between rows count too.": lambda x: total_variation(_rows(x), "l1"),
            "Differences between columns count too.": lambda x: total_variation(_rows(x.transpose(2, 3)), "l1"),
            "Take absolute values before adding up.": lambda x: x.diff(dim=2).sum() + x.diff(dim=3).sum(),
            "The first and the last column are not adjacent: torch.roll wraps around.": lambda x: (
                (x - x.roll(1, 2)).abs().sum() + (x - x.roll(1, 3)).abs().sum()
            ),
        },
    ),
    "ex-losses-size": Value(
        expected=lambda: _poster(512) / _poster(256),
        slips={
            "So many times more pixels, but how many of them are at the edge?": lambda: (512 / 256) ** 2,
            "The edge is as sharp as before, but it is longer.": lambda: 1.0,
            "That is the mean; the sum is asked for.": lambda: _poster(512, "mean") / _poster(256, "mean"),
        },
    ),
    "ex-losses-million": Value(
        expected=lambda: 0.0,
        slips={
            "A million times what? Compare the features of the photograph with those of the photograph.": lambda: 1e6,
        },
    ),
}
