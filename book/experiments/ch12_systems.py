"""The systems with their own number of steps, judged by another network.

All at one size, from their own starts, with their own weights. `keras-sgd` asks for 10 000
steps and is given 3000: it ends, as all of them may, when it gains less than one per cent in a
fifth of them.
"""

import styletut as st

PAIRS = (("cat", "starry_night"),)
SYSTEMS = ("three-losses", "gram", "gatys", "lbfgs", "five-layer", "avgpool", "keras-sgd")
SMALL = {"systems": SYSTEMS[1:2], "size": 100, "most": 6}


def systems(run, pairs=PAIRS, systems=SYSTEMS, size=256, most=3000):
    photos, paintings, done = {}, {}, {}
    for content, style in pairs:
        photos[content] = st.samples.load(content, size)
        paintings[content] = st.samples.load(style, size)
        for name in systems:
            recipe = st.recipes.get(name)
            own = recipe.steps * recipe.evaluations
            done[content, name] = run(
                f"{content}, {name}", photos[content], paintings[content],
                recipe.replace(size=None, scales=((1.0, 1),), precision="float32"),
                steps=max(1, min(own, most) // recipe.evaluations),
            )
    made = {key: outcome.picture for key, outcome in done.items()}
    made |= {(content, "photograph"): photo for content, photo in photos.items()}
    return [
        {"content": content, "system": name}
        | vars(st.evaluate.scores(picture, photos[content], paintings[content]))
        for (content, name), picture in made.items()
    ]
