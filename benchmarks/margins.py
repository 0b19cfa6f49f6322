"""Have the edges of a painting other colours than its inside, and does a margin take them away?

    python benchmarks/margins.py > benchmarks/margins.md
    python benchmarks/margins.py before book/gallery >> benchmarks/margins.md

By `fast`, with margins and without. For each side, the mean chroma (CIELab)
of the outermost 2 rows or columns of the painting, over that of those 8 to 15 pixels inside: 1 is an edge as colourful
as what is beside it. The photograph's own edges are in the first line of each pair.

The second compares two folders with the gallery's pictures by all that `styletut.evaluate` measures.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

import styletut as st
from styletut.images.colour import to_lab

PAIRS = (("cat", "waves"), ("cat", "dots"), ("coffee", "mosaic"))
MARGINS = (0, 2, 4, 8)
SIDES = ("top", "right", "bottom", "left")


def edges(picture: Tensor) -> list[float]:
    """Chroma of the top, right, bottom and left edge, over that of what is 8 to 15 pixels inside."""
    chroma = to_lab(picture)[0, 1:].norm(dim=0)
    turned = [torch.rot90(chroma, quarters) for quarters in range(4)]
    return [float(side[:2].mean() / side[8:16].mean()) for side in turned]


def row(name: str, picture: Tensor) -> str:
    """A line of the table."""
    sides = edges(picture)
    shown = " | ".join(f"{side:.2f}" for side in sides)
    return f"| {name} | {shown} | {statistics.mean(sides):.2f} | {max(sides):.2f} |"


def compare(folders: Mapping[str, Path]) -> None:
    """Print the means over all pairs of two folders, and on how many pairs the second has less."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in folders}
    for content in st.samples.names("photograph"):
        for style in st.samples.names("style"):
            for name, folder in folders.items():
                picture = st.load_image(folder / f"{content}-{style}.webp")
                size = max(picture.shape[-2:])
                scores = st.evaluate.scores(picture, st.samples.load(content, size), st.samples.load(style, size))
                sides = {f"{name} edge": each for name, each in zip(SIDES, edges(picture), strict=True)}
                found[name].append(dataclasses.asdict(scores) | sides)
    first, second = found.values()
    print(f"\n| mean of {len(first)} pairs | {' | '.join(folders)} | less on |\n| --- | ---: | ---: | ---: |")
    for measure in first[0]:
        values = [[row[measure] for row in rows] for rows in (first, second)]
        less = sum(b < a for a, b in zip(*values, strict=True))
        print(f"| {measure} | {statistics.mean(values[0]):.3f} | {statistics.mean(values[1]):.3f} | {less} |")


def main(before: str = "", after: str = "") -> None:
    """Print the table."""
    if before:
        return compare({"without": Path(before), "with": Path(after)})
    print("# Margins\n\n`python benchmarks/margins.py`\n")
    print((__doc__ or "").split("\n\n")[2].strip() + "\n")
    print("| | margin | top | right | bottom | left | mean | most |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for content, style in PAIRS:
        photo = st.samples.load(content, st.recipes.get().size)
        print(row(f"{content} | photograph", photo))
        for margin in MARGINS:
            painting = st.samples.load(style)
            picture = st.stylize(photo, painting, margin=margin, progress=False).picture
            print(row(f"{content} + {style} | {margin}", picture))
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
