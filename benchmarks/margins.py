"""Have the edges of a painting other colours than its inside, and does a margin take them away?

    python benchmarks/margins.py > benchmarks/margins.md

The first two scales of `fine` at 400 pixels, with a margin and without. For each side, the mean chroma (CIELab)
of the outermost 2 rows or columns of the painting, over that of those 8 to 15 pixels inside: 1 is an edge as colourful
as what is beside it. The photograph's own edges are in the first line of each pair.
"""

from __future__ import annotations

import statistics
import sys

import torch
from torch import Tensor

import styletut as st
from styletut.images import resize
from styletut.images.colour import to_lab

SIZE = 400
SCALES = ((0.5, 120), (1.0, 80))
PAIRS = (("cat", "waves"), ("cat", "dots"), ("coffee", "mosaic"))
MARGINS = (0, 8)


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


def main() -> None:
    """Print the table."""
    print("# Margins\n\n`python benchmarks/margins.py`\n")
    print((__doc__ or "").split("\n\n")[2].strip() + "\n")
    print("| | margin | top | right | bottom | left | mean | most |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for content, style in PAIRS:
        photo = resize(st.samples.load(content), SIZE)
        print(row(f"{content} | photograph", photo))
        for margin in MARGINS:
            painting = st.samples.load(style)
            recipe = st.recipes.get("fine").replace(size=SIZE, scales=SCALES, margin=margin)
            print(row(f"{content} + {style} | {margin}", st.stylize(photo, painting, recipe, progress=False).picture))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
