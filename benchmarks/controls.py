"""Does each control do what it says? A picture for each, and a number.

    python benchmarks/controls.py
    python benchmarks/controls.py --only colour strength --recipe fast

paints the recipe `draft` with each control and writes controls-NAME.jpg and controls.json to --out. The number under a
picture is said in controls.md, and which test would fail without the control.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import target
import torch
from torch import Tensor

import styletut as st
from styletut.control.masks import protection
from styletut.files import write_atomically

HERE = Path(__file__).parent
Row = list[tuple[str, Tensor, float | None]]  # a label, a picture, and what is measured of it


def picture(name: str, size: int = 384) -> Tensor:
    """A sample or a picture of benchmarks/pictures."""
    file = HERE / "pictures" / f"{name}.jpg"
    return st.images.resize(st.load_image(file) if file.is_file() else st.samples.load(name), size)


class Painter:
    """Paints with one recipe; what is painted twice is painted once."""

    def __init__(self, recipe: str | st.Recipe) -> None:
        self.recipe = recipe
        self.plain: dict[tuple[str, str], Tensor] = {}

    def __call__(self, content: Tensor, style: Any, **options: Any) -> Tensor:
        result = st.stylize(content, style, self.recipe, progress=False, **options)
        if result.stopped == "interrupted":
            raise KeyboardInterrupt
        return result.picture

    def pair(self, content: str, style: str) -> Tensor:
        """The pair without any control."""
        key = content, style
        if key not in self.plain:
            self.plain[key] = self(picture(content), picture(style))
        return self.plain[key]


def colour(paint: Painter) -> Row:
    """Palette distance to the photograph."""
    photo, style = picture("coffee"), picture("starry_night")
    made = {"the style's": paint.pair("coffee", "starry_night")}
    for method in ("luminance", "covariance", "histogram"):
        made[method] = paint(photo, style, colour=method)
    made["histogram, strength .5"] = paint(photo, style, colour="histogram", colour_strength=0.5)
    rows: Row = [("photograph", photo, None)]
    return rows + [(name, x, st.evaluate.palette_distance(x, photo)) for name, x in made.items()]


def strength(paint: Painter) -> Row:
    """Content distance."""
    photo, style = picture("flower"), picture("harvest")
    made = {f"strength {s:g}": paint(photo, style, strength=s) for s in (0, 0.25, 0.5, 0.75)}
    made["strength 1"] = paint.pair("flower", "harvest")
    return [(name, x, st.evaluate.content_distance(x, photo)) for name, x in made.items()]


def styles(paint: Painter) -> Row:
    """Palette distance to the first style."""
    photo, first, second = picture("china"), picture("starry_night"), picture("harvest")
    made = {
        "Starry Night": paint.pair("china", "starry_night"),
        "3 to 1": paint(photo, [first, second], style_weights=[3, 1]),
        "1 to 1": paint(photo, [first, second]),
        "Harvest": paint.pair("china", "harvest"),
    }
    return [(name, x, st.evaluate.palette_distance(x, first)) for name, x in made.items()]


def style_scale(paint: Painter) -> Row:
    """The mean length of the gradient over the standard deviation of the lightness: finer strokes have more."""
    photo, style = picture("coffee"), st.samples.load("mosaic", 768)
    made = {f"style scale {s}": paint(photo, style, style_scale=s) for s in (0.4, 1.0, "own")}
    return [(name, x, fineness(x)) for name, x in made.items()]


def fineness(x: Tensor) -> float:
    """Mean absolute difference of neighbouring pixels' lightness over its standard deviation."""
    light = x.mean(1)
    steps = light.diff(dim=-1).abs().mean() + light.diff(dim=-2).abs().mean()
    return float(steps / light.std())


def regions(paint: Painter) -> Row:
    """Palette distance of the upper third to the first style."""
    photo = picture("china")
    rows, columns = photo.shape[-2:]
    down = (torch.linspace(0, 1, rows) - 0.45).mul(8).clamp(0, 1).view(-1, 1).expand(rows, columns)  # a soft edge
    above, below = picture("starry_night"), picture("mosaic")
    both = paint(photo, [above, below], masks=[1 - down, down])
    made = {
        "above Starry Night, below mosaic": both,
        "Starry Night": paint.pair("china", "starry_night"),
        "mosaic": paint.pair("china", "mosaic"),
    }
    shown: Row = [("region of the first", photo * (0.2 + 0.8 * (1 - down)), None)]
    return shown + [(n, x, st.evaluate.palette_distance(x[..., : rows // 3, :], above)) for n, x in made.items()]


def protect(paint: Painter) -> Row:
    """Content distance of the face, a square of a fifth of the side, enlarged to 160 pixels."""
    photo, style = picture("astronaut"), picture("starry_night")
    rows, columns = (torch.linspace(0, 1, side) for side in photo.shape[-2:])
    face = ((rows[:, None] - 0.2) / 0.17).square() + ((columns[None] - 0.44) / 0.13).square()
    mask = (1.5 - face).clamp(0, 1)
    made = {
        "nothing protected": paint.pair("astronaut", "starry_night"),
        "face protected": paint(photo, style, content_mask=protection(mask[None, None])),
    }

    def cut(x: Tensor) -> Tensor:
        rows, columns = x.shape[-2:]
        face = x[..., 5 * rows // 48 : 15 * rows // 48, 65 * columns // 192 : 105 * columns // 192]
        return st.images.resize(face, 160, upscale=True)

    shown: Row = [("mask", mask.expand(1, 3, *mask.shape), None)]
    return shown + [(name, x, st.evaluate.content_distance(cut(x), cut(photo))) for name, x in made.items()]


def texture(paint: Painter) -> Row:
    """The mean step across the seam of two tiles over that inside."""
    rows: Row = []
    for name, seamless in (("tiles", True), ("does not tile", False)):
        tile = st.texture(
            picture("mosaic", 256), 192, paint.recipe, seamless=seamless, steps=100, progress=False
        ).picture
        seam = float((tile[..., 0] - tile[..., -1]).abs().mean() / tile.diff(dim=-1).abs().mean())
        rows.append((f"{name}: 2 x 2", tile.repeat(1, 1, 2, 2), seam))
    return rows


def refine(paint: Painter) -> Row:
    """Content distance."""
    photo, style = picture("flower"), picture("harvest")
    first = paint.pair("flower", "harvest")
    made = {
        "first": first,
        "gone on, content weight 2": paint(photo, style, refine=first, content_weight=2.0, steps=20),
        "gone on, content weight .05": paint(photo, style, refine=first, content_weight=0.05, steps=20),
    }
    return [(name, x, st.evaluate.content_distance(x, photo)) for name, x in made.items()]


def grey(paint: Painter) -> Row:
    """The largest difference between two channels of a pixel."""
    photo = picture("cameraman")
    style = st.colour.luminance(picture("starry_night"))
    made = {"grey in a grey style": paint(photo, style), "not kept grey": paint(photo, style, keep_grey=False)}
    return [(name, x, float((x.amax(1) - x.amin(1)).max())) for name, x in made.items()]


CONTROLS: Mapping[str, Callable[[Painter], Row]] = {
    "colour": colour,
    "strength": strength,
    "styles": styles,
    "style-scale": style_scale,
    "regions": regions,
    "protect": protect,
    "texture": texture,
    "refine": refine,
    "grey": grey,
}


def main() -> None:
    """Paint the chosen controls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CONTROLS, default=list(CONTROLS), help="default: all")
    parser.add_argument("--recipe", default="draft", help="default: draft")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    options = parser.parse_args()
    out, paint = target.folder(options.out), Painter(options.recipe)
    file = out / "controls.json"
    numbers: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for name in options.only:
        row = CONTROLS[name](paint)
        labels = [label if number is None else f"{label}: {number:.2f}" for label, _, number in row]
        columns = len(row) if len(row) < 5 else math.ceil(len(row) / 2)
        figure = st.figures.gallery([x for _, x, _ in row], labels, columns=columns)
        figure.savefig(out / f"controls-{name}.jpg", dpi=200, pil_kwargs={"quality": 88})
        numbers[name] = {label: number for label, _, number in row if number is not None}
        write_atomically(file, (json.dumps(numbers, indent=1) + "\n").encode())
        print(name, numbers[name], flush=True)


if __name__ == "__main__":
    main()
