"""How large are the strokes?

The painting at .6 of the photograph's size, at the same, and at twice. A second network
judges each picture by the painting at all three sizes. Control: the photograph.
"""

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
SMALL = {"pairs": PAIRS[:1], "scales": (0.7, 2.0), "size": 132, "steps": 6}

RECIPE = st.recipes.get("fast").replace(
    size=None, scales=((1.0, 1),), precision="float32", margin=0
)


def scale(run, pairs=PAIRS, scales=(0.6, 1.0, 2.0), size=160, steps=62):
    done, photos, paintings = {}, {}, {}
    for content, style in pairs:
        photos[content] = st.samples.load(content, size)
        paintings[content] = st.samples.load(style, 2 * size)
        for share in scales:
            done[content, share] = run(
                f"{content}, style scale {share:g}", photos[content], paintings[content],
                RECIPE, style_scale=share, steps=steps, converge=False,
            )
    made = {(c, f"{share:g}"): outcome.picture for (c, share), outcome in done.items()}
    made |= {(content, "photograph"): photo for content, photo in photos.items()}
    return [
        {
            "content": content, "scale": name,
            "style distances": [
                st.evaluate.style_distance(
                    picture, st.images.resize(paintings[content], round(share * size))
                )
                for share in scales
            ],
            "content distance": st.evaluate.content_distance(picture, photos[content]),
        }
        for (content, name), picture in made.items()
    ]
