"""Coarse to fine and decorrelated coordinates, each alone and together.

The same number of pixels goes through the network in all of them: 60 evaluations, or 40 at
half the size, which are the work of 10, and 50 after that.
"""

import styletut as st

PAIRS = (("coffee", "cafe_terrace"), ("cat", "starry_night"), ("astronaut", "harvest"))
STARTS = ("content", "noise")
POWERS = (0.0, 0.5)
SMALL = {"pairs": PAIRS[:1], "size": 48, "coarse": 4, "fine": 3}

RECIPE = st.recipes.get("gram").replace(size=None, scales=((1.0, 1),), precision="float32")


def plans(run, pairs=PAIRS, size=160, coarse=40, fine=50):
    done = {}
    for content, style in pairs:
        whole, half = (
            (st.samples.load(content, side), st.samples.load(style, side))
            for side in (size, size // 2)
        )
        for start in STARTS:
            for power in POWERS:
                name = f"{content}, {start}, p = {power:g}"
                how = {"decorrelation": power, "converge": False}
                done[content, start, power, 1] = run(
                    f"{name}, one scale", *whole, RECIPE,
                    start=start, steps=fine + coarse // 4, **how,
                )
                begun = run(
                    f"{name}, half the size", *half, RECIPE, start=start, steps=coarse, **how
                )
                done[content, start, power, 2] = run(
                    f"{name}, two scales", *whole, RECIPE, start=begun, steps=fine, **how
                )
    names = ("content", "start", "decorrelation", "scales")
    return [
        dict(zip(names, key, strict=True)) | {"loss": outcome.best}
        for key, outcome in done.items()
    ]
