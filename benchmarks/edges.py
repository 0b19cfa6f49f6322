"""Are the edges of a picture painted as much as its inside? The gradient there, at the start from noise.

    python benchmarks/edges.py > benchmarks/edges.md
    python benchmarks/edges.py 133x141                         other sizes, rows x columns

For each padding and pooling, the mean square of the style losses' gradient in the outer 12 pixels of each side, over
that of the inside: 1 is a side that moves as much as the inside. No content and no total variation, the layers, weights
and noise of `gram`, the real network; mean of three seeds.
"""

from __future__ import annotations

import statistics
import sys

import torch
from torch import Tensor
from torch.nn import functional as F

from styletut import objective, recipes, samples, vgg
from styletut.images import resize
from styletut.objective import Objective

STRIP = 12
SIZES = ((127, 159), (128, 160), (135, 165))
SEEDS = (0, 1, 2)
STYLE = "starry_night"
RANGE = (0.85, 1.15)
"""What every side shall be within."""
VARIANTS = [
    ("zeros", "max", False),
    ("zeros", "max-same", False),
    ("replicate", "max", False),
    ("reflect", "max", False),
    ("replicate", "max-same", False),
    ("reflect", "max-same", False),
    ("zeros", "average", False),
    ("reflect", "average-same", False),
    ("zeros", "max", True),
    ("replicate", "max", True),
    ("reflect", "max", True),
]
"""Padding, pooling, and whether the network sees the picture mirrored beyond its edges up to multiples of the deepest
stride, as much on both sides."""


def mirrored(picture: Tensor, stride: int) -> Tensor:
    """The picture, mirrored at its edges up to multiples of ``stride``; differentiable."""
    rows, columns = (-side % stride for side in picture.shape[-2:])
    return F.pad(picture, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), mode="reflect")


def energies(goal: Objective, size: tuple[int, int], seed: int, stride: int | None) -> list[float]:
    """Mean square of the gradient in the strip of each side (top, right, bottom, left), over that of the inside."""
    noise = 255 * torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed)) - 128
    assert isinstance(goal.network, vgg.VGG)
    picture = (goal.network.mean + noise / 255).requires_grad_(True)
    losses = goal(picture if stride is None else mirrored(picture, stride))
    (gradient,) = torch.autograd.grad(losses["total"], picture)
    energy = gradient.square().sum(1)[0]
    sides = energy[:STRIP], energy[:, -STRIP:], energy[-STRIP:], energy[:, :STRIP]
    return [float(side.mean() / energy[STRIP:-STRIP, STRIP:-STRIP].mean()) for side in sides]


def measure(padding: str, pooling: str, size: tuple[int, int], *, mirror: bool) -> list[float]:
    """The mean over the seeds, for each side."""
    recipe = recipes.get("gram").replace(content_weight=0, tv_weight=0, padding=padding, pooling=pooling)
    style = resize(samples.load(STYLE), max(size))
    goal = objective.build(torch.zeros(1, 3, *size), style, recipe)
    assert isinstance(goal.network, vgg.VGG)
    stride = goal.network.deepest.stride if mirror else None
    rows = [energies(goal, size, seed, stride) for seed in SEEDS]
    return [statistics.mean(side) for side in zip(*rows, strict=True)]


def main() -> None:
    """Print the table."""
    print("# Edges\n\n`python benchmarks/edges.py`\n")
    print((__doc__ or "").split("\n\n")[2].strip() + f" The style is {STYLE}.\n")
    print("| rows x columns | padding | pooling | top | right | bottom | left | all within .85 to 1.15 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    sizes = [(int(rows), int(columns)) for rows, columns in (word.split("x") for word in sys.argv[1:])]
    for size in sizes or SIZES:
        for padding, pooling, mirror in VARIANTS:
            sides = measure(padding, pooling, size, mirror=mirror)
            good = "yes" if all(RANGE[0] <= side <= RANGE[1] for side in sides) else "no"
            shown = " | ".join(f"{side:.2f}" for side in sides)
            name = f"{padding}, mirrored picture" if mirror else padding
            print(f"| {size[0]} x {size[1]} | {name} | {pooling} | {shown} | {good} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
