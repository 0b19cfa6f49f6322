"""The live figures of the chapters: what each of them paints; what they show is in ``book/_page/kinds.js``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..recipes import Recipe
from .scripts import ADAM_RATE, recipe

SIZE, SLOW_SIZE = 96, 48
"""Longer side in pixels, on a graphics chip and on a processor."""

NOISE_RATE = 0.06
"""Learning rate of Adam for what begins as noise, far from where it ends."""

NOISE = (-60.0, 60.0)
"""The noise that it begins as, narrower than a recipe's own: few of its values are beyond black and white."""

DEPTHS = ("relu1_1", "relu2_2", "relu3_2", "relu3_4", "relu4_1")
"""The layers to rebuild a photograph from: those of chapter 7, and the deepest that a page loads."""

STARTS: dict[str, dict[str, Any]] = {
    "noise": {"start": "noise", "noise_range": NOISE},
    "grey": {"start": "noise", "noise_range": (0.0, 0.0)},  # the mean colour, around which noise lies
    "the photograph": {"start": "content"},
    "the painting": {"start": "style"},
}


class Figure(NamedTuple):
    """Two samples, and the recipes that paint them, side by side where there is more than one.

    ``choices`` are what a reader chooses among and begins anew with: names, and what each changes in a recipe.
    """

    content: str
    style: str
    recipes: tuple[Recipe, ...]
    choices: Mapping[str, dict[str, dict[str, Any]]] = MappingProxyType({})

    def to_dict(self) -> dict[str, Any]:
        """As the script takes it."""

        def changed(changes: dict[str, Any]) -> dict[str, Any]:
            told = self.recipes[0].replace(**changes).to_dict()
            return {field: told[field] for field in changes}

        choices = {
            key: {name: changed(changes) for name, changes in options.items()} for key, options in self.choices.items()
        }
        recipes = [each.to_dict() for each in self.recipes]
        return {"content": self.content, "style": self.style, "recipes": recipes, "choices": choices}

    def variants(self) -> list[Recipe]:
        """Its recipes, and the first of them with each of the choices."""
        changed = [changes for options in self.choices.values() for changes in options.values()]
        return [*self.recipes, *(self.recipes[0].replace(**changes) for changes in changed)]


def figures() -> dict[str, Figure]:
    """Every live figure by name, each from the page's ``gram``, at one scale.

    >>> figures()["race"].recipes[0].optimizer
    'adam'
    """
    gram = recipe("gram").replace(size=SIZE, scales=((1.0, 200),))
    # From noise and from grey with Adam, as in chapter 6: at so small a size the first steps of L-BFGS overshoot.
    adam = gram.replace(optimizer="adam", learning_rate=ADAM_RATE)
    noise = adam.replace(start="noise", noise_range=NOISE, learning_rate=NOISE_RATE)
    # A little smoothness, against the grain in which a texture can hide its Gram matrices.
    texture = noise.replace(content_weight=0.0, tv_weight=0.05)
    depth = noise.replace(content_weight=1.0, content_layers={"relu3_2": 1.0}, style_layers={}, tv_weight=0.3)
    return {
        "texture": Figure("starry_night", "starry_night", (texture,)),
        "losses": Figure("coffee", "night_cafe", (gram.replace(tv_weight=1.0),)),
        "race": Figure("coffee", "cafe_terrace", (adam, gram)),
        "layers": Figure("coffee", "waves", (gram.replace(content_weight=0.15),)),
        "depth": Figure(
            "astronaut", "astronaut", (depth,), {"layer": {layer: {"content_layers": {layer: 1.0}} for layer in DEPTHS}}
        ),
        "starts": Figure(
            "coffee",
            "starry_night",
            (adam.replace(**STARTS["noise"]), adam),
            {"start": STARTS, "pooling": {name: {"pooling": name} for name in ("max", "average")}},
        ),
    }


def settings() -> dict[str, Any]:
    """All that the script of the figures knows of them."""
    return {
        "sizes": [SIZE, SLOW_SIZE],
        "figures": {name: figure.to_dict() for name, figure in figures().items()},
    }
