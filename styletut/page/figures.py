"""The live figures of the chapters: what each of them paints; what they show is in ``book/_page/kinds.js``."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..recipes import Recipe
from .scripts import ADAM_RATE, recipe

SIZE, SLOW_SIZE = 96, 48
"""Longer side in pixels, on a graphics chip and on a processor."""

TEXTURE_RATE = 0.06
"""Learning rate of Adam for a texture, which is far from its start."""


class Figure(NamedTuple):
    """Two samples, and the recipes that paint them, side by side where there is more than one."""

    content: str
    style: str
    recipes: tuple[Recipe, ...]

    def to_dict(self) -> dict[str, Any]:
        """As the script takes it."""
        return {"content": self.content, "style": self.style, "recipes": [each.to_dict() for each in self.recipes]}


def figures() -> dict[str, Figure]:
    """Every live figure by name, each from the page's ``gram``, at one scale.

    >>> figures()["race"].recipes[0].optimizer
    'adam'
    """
    gram = recipe("gram").replace(size=SIZE, scales=((1.0, 200),))
    # From noise with Adam, as in chapter 5: at so small a size the first steps of L-BFGS overshoot. A little
    # smoothness, against the grain in which a texture can hide its Gram matrices.
    texture = gram.replace(
        content_weight=0.0,
        tv_weight=0.05,
        start="noise",
        noise_range=(-60.0, 60.0),
        optimizer="adam",
        learning_rate=TEXTURE_RATE,
    )
    return {
        "texture": Figure("starry_night", "starry_night", (texture,)),
        "losses": Figure("coffee", "night_cafe", (gram.replace(tv_weight=1.0),)),
        "race": Figure("coffee", "cafe_terrace", (gram.replace(optimizer="adam", learning_rate=ADAM_RATE), gram)),
        "layers": Figure("coffee", "waves", (gram.replace(content_weight=0.15),)),
    }


def settings() -> dict[str, Any]:
    """All that the script of the figures knows of them."""
    return {
        "sizes": [SIZE, SLOW_SIZE],
        "figures": {name: figure.to_dict() for name, figure in figures().items()},
    }
