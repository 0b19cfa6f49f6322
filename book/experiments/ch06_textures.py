"""What each layer's Gram matrix asks for.

Textures from one layer alone, and from all layers up to it. Control: a second noise for the
deepest layer alone and for all five.
"""

import torch

import styletut as st

STYLES = ("starry_night", "waves")
FIVE = tuple(f"relu{block}_1" for block in (1, 2, 3, 4, 5))
SETS = {layer: [layer] for layer in FIVE}
SETS |= {f"up to {FIVE[n - 1]}": list(FIVE[:n]) for n in (2, 3, 4, 5)}
AGAIN = ("relu5_1", "up to relu5_1")
SMALL = {"styles": STYLES[:1], "size": 48, "steps": 10}

RECIPE = st.Recipe(
    name="texture", content_weight=0.0, start="noise", noise="normal",
    noise_range=(0.0, 5.0), optimizer="adam", learning_rate=0.06, decay=0.05,
    clamp="step", precision="float32",
)


def textures(run, styles=STYLES, size=256, steps=500):
    pieces = {style: piece(style, size) for style in styles}
    grown = {
        (style, name, seed): run(
            f"{style}, {name}, seed {seed}", pieces[style], pieces[style], RECIPE,
            style_layers={layer: 1 / len(layers) for layer in layers}, seed=seed,
            steps=steps, decay_steps=steps, converge=False,
        )
        for style in styles
        for name, layers in SETS.items()
        for seed in ((0, 1) if name in AGAIN else (0,))
    }
    vgg = st.vgg.VGG(FIVE)
    return [
        {
            "style": style, "layers": name, "seed": seed, "loss": outcome.best,
            "distances": distances(vgg, outcome.picture, pieces[style]),
        }
        for (style, name, seed), outcome in grown.items()
    ]


def piece(style, size):
    """A square of the style, (1, 3, size, size)."""
    return st.samples.load(style, 9 * size // 5)[..., :size, size // 14 : size // 14 + size]


@torch.no_grad()
def distances(vgg, picture, style):
    """The relative style loss at each of the five layers, also those not asked for."""
    mine, goal = vgg(picture), vgg(style)
    gram = st.losses.gram_matrix
    return {
        layer: st.losses.style_loss(gram(mine[layer]), gram(goal[layer]), "relative").item()
        for layer in FIVE
    }
