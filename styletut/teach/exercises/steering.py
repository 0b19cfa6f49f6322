"""The exercises of chapter 14, steering."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ...control.colour import match_moments
from ...losses import covariance
from .kinds import Function, Value


def _mixture() -> Tensor:
    """The variance of a channel whose mean and mean square are averaged over two paintings."""
    means, variances = torch.tensor([2.0, 4.0]), torch.tensor([1.0, 2.0])
    mean, square = means.mean().view(1, 1), (variances + means**2).mean().view(1, 1, 1)
    return covariance(mean, square).squeeze()


def _matched(spread: float = 0.1) -> Tensor:
    """The grey level that .8 becomes: a painting of mean .6 and deviation .2, to mean .3 and this deviation."""
    painting = torch.tensor([0.4, 0.8]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    matched = match_moments(painting, torch.full((1, 3), 0.3), torch.full((1, 3, 3), spread**2))
    return matched[0, 0, 0, 1]


def _features_and_mask(generator: Generator) -> tuple[Tensor, Tensor]:
    channels, rows, columns = (torch.randperm(4, generator=generator)[:3] + 3).tolist()
    features = torch.randn((1, channels, rows, columns), generator=generator)
    return features, torch.rand((1, 1, rows, columns), generator=generator)


EXERCISES: dict[str, Value | Function] = {
    "ex-steering-mixture": Value(
        expected=_mixture,
        slips={
            "That is the mean of the two variances. What is averaged is the mean and the mean square.": lambda: 1.5,
            "That is the mean of the squares; take away the square of the mean.": lambda: 11.5,
            "The mean square of a painting is its variance plus the square of its mean.": lambda: (1 + 2) / 2 - 3**2,
        },
    ),
    "ex-steering-pooled": Value(
        expected=lambda: torch.tensor(8.0 * 8 / 16**2),
        slips={
            "The mask is averaged over a position's pixels, not pooled by its largest.": lambda: 1.0,
            "A quarter of the pixels, not half: a position is as high as it is wide.": lambda: 8 / 16,
        },
    ),
    "ex-steering-matched": Value(
        expected=_matched,
        slips={
            "The mean is right; the distance from it has to shrink too.": lambda: 0.5,
            "The other way round: the painting varies more than the photograph.": lambda: _matched(0.4),
            "That is the distance from the mean; add the mean.": lambda: 0.1,
        },
    ),
    "ex-steering-region": Function(
        expected=lambda features, mask: (features * mask).sum((2, 3)) / mask.sum((2, 3)),
        inputs=_features_and_mask,
        slips={
            "Divide by the area of the mask, not by the number of positions.": lambda f, m: (f * m).mean((2, 3)),
            "The mask is not used: that is the mean over the whole map.": lambda f, m: f.mean((2, 3)),
            "That is the sum over the region; divide it by the area of the mask.": lambda f, m: (f * m).sum((2, 3)),
            "A mask of .5 counts half: there is no threshold.": lambda f, m: (
                (f * (m > 0.5)).sum((2, 3)) / (m > 0.5).sum((2, 3)).clamp(min=1)
            ),
        },
    ),
}
