"""Does a picture that was painted in tiles show, after many steps, where they met?

    python benchmarks/seams.py

paints the cup of chapter 13 at once and in tiles of 96 pixels, thirty steps each, and prints the mean difference of
neighbours across the line at 96 pixels over that of all others: upright and level, and how far the two pictures are
apart.
"""

from __future__ import annotations

from torch import Tensor

import styletut as st

SIDE, TILE, STEPS = 192, 96, 30


def step_across(picture: Tensor, at: int) -> float:
    """Mean difference of neighbours across an upright line, over that of all others."""
    differences = (picture[..., 1:] - picture[..., :-1]).abs().mean((0, 1, 2))
    line = differences[at - 1]
    return float(line / ((differences.sum() - line) / (len(differences) - 1)))


def main(side: int = SIDE, tile: int = TILE, steps: int = STEPS) -> None:
    content = st.images.resize(st.samples.load("coffee"), (side, side), fit="exact")
    style = st.samples.load("starry_night", size=side)
    recipe = st.recipes.get("gram").replace(size=None, precision="float32", scales=((1.0, steps),))
    print("| painted | across the upright line | across the level line |\n" + "| --- " * 3 + "|", flush=True)
    pictures = []
    for name, cut in (("at once", None), (f"in tiles of {tile}", tile)):
        picture = st.stylize(content, style, recipe, tile=cut).picture
        pictures.append(picture)
        across = [step_across(each, tile) for each in (picture, picture.transpose(2, 3))]
        print(f"| {name} | {across[0]:.2f} | {across[1]:.2f} |", flush=True)
    apart = 255 * (pictures[0] - pictures[1])
    print(
        f"\n{apart.abs().max():.0f} levels of 255 apart at most, {apart.square().mean().sqrt():.0f} in the mean (RMS)"
    )


if __name__ == "__main__":
    main()
