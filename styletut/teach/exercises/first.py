"""The exercises of chapter 01, first-transfer."""

from __future__ import annotations

import torch
from torch import Tensor

from ... import images, losses, objective, recipes, samples
from ...vgg import VGG
from .kinds import Function, Value, random_features


def _deepest() -> str:
    network = objective.network(recipes.get("gram"))
    assert network is not None
    return network.layers[-1]


def _enlarging(form: str = "relative", *, swapped: bool = False) -> Tensor:
    """Content loss at relu4_2 of the cat at 128 pixels that was 64 in between."""
    sharp = samples.load("cat", size=128)
    blurred = images.resize(images.resize(sharp, 64), (sharp.shape[2], sharp.shape[3]), upscale=True)
    vgg = VGG(["relu4_2"])
    features, target = (vgg(picture)["relu4_2"] for picture in ((sharp, blurred) if swapped else (blurred, sharp)))
    return losses.content_loss(features, target, form)


EXERCISES: dict[str, Value | Function] = {
    "ex-first-unknowns": Value(
        expected=lambda: torch.empty(1, 3, 480, 640).numel(),
        slips={
            "Each pixel has a red, a green and a blue value, and each of them can move.": lambda: 480 * 640,
            "Pixels are rows times columns; you added them.": lambda: 3 * (480 + 640),
        },
        tolerance=0.0,
    ),
    "ex-first-deepest": Value(
        expected=_deepest,
        slips={
            "That is where the content is read. Where is the style?": lambda: next(
                iter(recipes.get("gram").content_layers)
            )
        },
    ),
    "ex-first-content-loss": Function(
        expected=lambda features, target: losses.content_loss(features, target, "half_sum"),
        inputs=random_features,
        slips={
            "The factor of one half is missing.": lambda f, p: losses.content_loss(f, p, "sum"),
            "The paper takes the sum, not the mean.": lambda f, p: losses.content_loss(f, p, "mean") / 2,
            "The paper takes half the sum, not the mean.": lambda f, p: losses.content_loss(f, p, "mean"),
            "This one is relative: the paper does not divide by the target.": lambda f, p: losses.content_loss(
                f, p, "relative"
            ),
            "The differences must be squared.": lambda f, p: (f - p).sum() / 2,
            "Squared, not absolute, differences.": lambda f, p: (f - p).abs().sum() / 2,
        },
    ),
    "ex-first-jump": Value(
        expected=_enlarging,
        slips={
            "The sharp photograph is the target: divide by the squares of its features.": lambda: _enlarging(
                swapped=True
            ),
            "Use the form that the recipe uses: form='relative'.": lambda: _enlarging("mean"),
            "Use the form that the recipe uses: form='relative', not the sum.": lambda: _enlarging("sum"),
        },
        tolerance=0.02,
    ),
}
