"""Paint what a live figure paints, by the module, as its still picture: for readers without scripts, and in print.

python tools/live_stills.py                # book/images/live-NAME.jpg, minutes in all
python tools/live_stills.py depth starts   # some of them
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import styletut as st
from styletut import objective
from styletut.images import resize, to_pil
from styletut.page.figures import Figure, figures
from styletut.recipes import Recipe

IMAGES = Path(__file__).parents[1] / "book" / "images"
STEPS = 60
WIDTH, MOST = 780, 40_000
"""Columns and, at most, bytes of a still picture."""
GAP, GREY = 6, (128, 128, 128)  # between two pictures; as well in front of white as of black
LOUD = 0.9995
"""Share of a gradient's values that is not drawn as black or white, as in ``book/_page/kinds.js``."""


def path(name: str) -> Path:
    """Where the still picture of a figure is."""
    return IMAGES / f"live-{name}.jpg"


def made_of(figure: Figure) -> dict[str, Any]:
    """What a still picture says of how it was made."""
    return {**figure.to_dict(), "steps": STEPS}


def panes(name: str, figure: Figure) -> list[Tensor]:
    """The pictures of a figure, row by row; where a reader chooses one, what comes of each choice."""
    first = figure.recipes[0]
    content, style = (st.samples.load(sample, size=first.size) for sample in (figure.content, figure.style))

    def painted(recipe: Recipe) -> Tensor:
        recipe = recipe.replace(scales=((1.0, STEPS),), precision="float32")
        return st.stylize(content, style, recipe, progress=False).picture

    def chosen(key: str, recipe: Recipe) -> list[Tensor]:
        return [painted(recipe.replace(**changes)) for changes in figure.choices[key].values()]

    if name == "losses":
        picture = painted(first)
        return [picture, *asked(picture, content, style, first)]
    if name == "depth":
        return [content, *chosen("layer", first)]
    if name == "starts":
        poolings = figure.choices["pooling"].values()
        return [picture for changes in poolings for picture in chosen("start", first.replace(**changes))]
    if len(figure.recipes) > 1:
        return [painted(recipe) for recipe in figure.recipes]
    return [style[..., : content.shape[-2], :], painted(first)]  # as much of it as the picture has room for


def asked(picture: Tensor, content: Tensor, style: Tensor, recipe: Recipe) -> list[Tensor]:
    """What content, style and total variation each ask for: darker or lighter than mid-grey, each to its own scale."""
    x = picture.clone().requires_grad_()
    losses = objective.build(content, style, recipe.replace(precision="float32"))(x)
    found = []
    for question in ("content", "style", "tv"):
        terms = [loss for name, loss in losses.items() if name.partition("/")[0] == question]
        (gradient,) = torch.autograd.grad(torch.stack(terms).sum(), x, retain_graph=True)
        full = gradient.abs().flatten().quantile(LOUD)
        found.append((0.5 - 0.5 * gradient / full).clamp(0, 1))
    return found


def sheet(pictures: list[Tensor]) -> Image.Image:
    """Pictures of one size in two rows, or two in one."""
    columns = max(2, len(pictures) // 2)
    wide = (WIDTH + GAP) // columns - GAP
    rows = wide * pictures[0].shape[-2] // pictures[0].shape[-1]
    size = columns * (wide + GAP) - GAP, len(pictures) // columns * (rows + GAP) - GAP
    made = Image.new("RGB", size, GREY)
    for i, picture in enumerate(pictures):
        larger = resize(picture, (rows, wide), fit="exact", upscale=True)
        made.paste(to_pil(larger), (i % columns * (wide + GAP), i // columns * (rows + GAP)))
    return made


def save(made: Image.Image, said: str, target: Path) -> None:
    """As good a JPEG as may be, with a comment."""
    for quality in range(95, 0, -5):
        made.save(target, "JPEG", quality=quality, optimize=True, comment=said)
        if target.stat().st_size <= MOST:
            return


def main(names: list[str]) -> int:
    """Paint the figures that are named, or all."""
    known = figures()
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no live figure {unknown[0]!r}; there are {', '.join(known)}")
    for name in names or known:
        said = json.dumps(made_of(known[name]), separators=(",", ":"))
        save(sheet(panes(name, known[name])), said, path(name))
        print(f"{path(name).name}: {path(name).stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
