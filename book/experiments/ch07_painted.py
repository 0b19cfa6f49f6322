"""Can more weight make up for the wrong depth?

Transfers from noise, with content at five depths and two weights. Chance is another
photograph in the painting's place.
"""

import itertools

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
LAYERS = ("relu1_1", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
WEIGHTS = (0.2, 1.6)
SIDES = (8, 16, 24, 32)
SMALL = {
    "pairs": PAIRS[:1], "layers": LAYERS[3:], "size": 64, "most": 10, "sides": (8,),
}

RECIPE = st.recipes.get("gram").replace(
    size=None, scales=((1.0, 1),), precision="float32", start="noise",
    tv_weight=1.0,
)


def painted(run, pairs=PAIRS, layers=LAYERS, weights=WEIGHTS, size=160, most=300, sides=SIDES):
    done, photos = {}, {}
    for content, style in pairs:
        photos[content], painting = st.samples.load(content, size), st.samples.load(style, size)
        for layer, weight in itertools.product(layers, weights):
            done[content, layer, weight] = run(
                f"{content}, {layer}, weight {weight:g}", photos[content], painting, RECIPE,
                content_layers={layer: 1.0}, content_weight=weight, steps=most,
            )
    return {
        "painted": [
            {
                "content": content, "layer": layer, "weight": weight,
                "style loss": outcome.unweighted("style"),
                "displacement": places(outcome.picture, photos[content], sides),
            }
            for (content, layer, weight), outcome in done.items()
        ],
        "chance": {
            content: places(st.samples.load("cameraman", size), photo, sides)
            for content, photo in photos.items()
        },
    }


def places(picture, photo, sides):
    """How far structures of each size lie from home, in pixels."""
    if picture.shape != photo.shape:
        picture = st.images.resize(picture, tuple(photo.shape[2:]), fit="exact")
    return {side: st.evaluate.displacement(picture, photo, side) for side in sides}
