"""Do Gram matrices keep the composition of a small picture?

A texture is grown from noise out of the whole painting, at several sizes and from several
layers. Its brightness, averaged to 8 x 8 blocks, is correlated with the painting's. Chance
is the same with the painting turned and mirrored, the seven other ways: what its
distribution of light gives by itself.
"""

import torch
from torch.nn import functional as F

import styletut as st

STYLES = ("starry_night", "night_cafe", "cafe_terrace")
SIZES = (64, 96, 128, 192, 256)  # pixels a side
FIVE = tuple(f"relu{block}_1" for block in (1, 2, 3, 4, 5))
SUBSETS = {"without relu5_1": FIVE[:4], "to relu3_1": FIVE[:3], "relu5_1": FIVE[4:]}
SMALL = {"styles": STYLES[:1], "sizes": (64,), "subset_size": 64, "steps": 12}

# Faint noise, and Adam with a falling rate, as in chapter 6.
RECIPE = st.Recipe(
    name="texture", content_weight=0.0, start="noise", noise="normal",
    noise_range=(0.0, 5.0), optimizer="adam", learning_rate=0.06, decay=0.05,
    clamp="step", precision="float32",
)


def composition(run, styles=STYLES, sizes=SIZES, subset_size=128, steps=500):
    grown, paintings = {}, {}
    for style in styles:
        for size in {*sizes, subset_size}:
            paintings[style, size] = square(style, size)
        tried = [(size, "all five", FIVE) for size in sizes]
        tried += [(subset_size, name, layers) for name, layers in SUBSETS.items()]
        for size, name, layers in tried:
            painting = paintings[style, size]  # the first picture only gives the size
            grown[style, size, name] = run(
                f"{style}, {size} pixels, {name}", painting, painting, RECIPE,
                style_layers={layer: 1 / len(layers) for layer in layers},
                steps=steps, decay_steps=steps, converge=False,
            )
    return [
        {
            "style": style, "size": size, "layers": name, "loss": outcome.best,
            **agreement(outcome.picture, paintings[style, size]),
        }
        for (style, size, name), outcome in grown.items()
    ]


def square(style, size):
    """The middle of a painting, (1, 3, size, size)."""
    whole = st.samples.load(style)
    side = min(whole.shape[-2:])
    top, left = (n - side for n in whole.shape[-2:])
    middle = whole[..., top // 2 : top // 2 + side, left // 2 : left // 2 + side]
    return st.images.resize(middle, size)


def agreement(picture, painting):
    """Correlation of coarse brightness, and with the painting turned and mirrored."""
    mine, goal = (F.adaptive_avg_pool2d(p.mean(1), 8)[0] for p in (picture, painting))
    views = [g.rot90(turns) for g in (goal, goal.flip(1)) for turns in range(4)]
    here, *elsewhere = [
        torch.corrcoef(torch.stack([mine.flatten(), view.flatten()]))[0, 1].item()
        for view in views
    ]
    return {"here": here, "turned": elsewhere}
