"""What does each depth keep of a photograph?

Rebuilt from one layer alone, then looked for, structure by structure. The search is over
the whole picture. Chance is another photograph in the rebuild's place.
"""

import styletut as st

PHOTOS = ("astronaut", "coffee", "cat")
LAYERS = ("relu1_1", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
SIDES = (8, 16, 24, 48)  # pixels of the structures that are looked for
SMALL = {"photos": PHOTOS[:1], "size": 64, "most": 10, "sides": (8, 16)}

RECIPE = st.Recipe(
    name="inversion", style_layers={}, start="noise", tv_weight=0.3,
    tv_reduction="mean", precision="float32",
)


def depth(run, photos=PHOTOS, layers=LAYERS, size=160, most=500, sides=SIDES):
    pictures = {photo: square(photo, size) for photo in photos}
    rebuilt = {
        (photo, layer): run(
            f"{photo} from {layer}", picture, None, RECIPE,
            content_layers={layer: 1.0}, steps=most,
        )
        for photo, picture in pictures.items()
        for layer in layers
    }
    other = square("cameraman", size)
    return {
        "rebuilt": [
            {"photo": photo, "layer": layer} | compare(outcome.picture, pictures[photo], sides)
            for (photo, layer), outcome in rebuilt.items()
        ],
        "chance": {photo: compare(other, pictures[photo], sides) for photo in photos},
    }


def square(photo, size):
    """The left square of a photograph, (1, 3, size, size)."""
    whole = st.samples.load(photo)
    side = min(whole.shape[-2:])
    return st.images.resize(whole[..., :side, :side], size)


def compare(picture, photo, sides):
    """Where structures are, whether edges agree, and the pixels themselves."""
    return {
        "displacement": {n: st.evaluate.displacement(picture, photo, n) for n in sides},
        "edges": st.evaluate.edge_distance(picture, photo),
        "pixels": 255 * (picture - photo).square().mean().sqrt().item(),
    }
