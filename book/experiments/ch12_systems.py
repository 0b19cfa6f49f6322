"""The systems with their own number of steps, judged by another network.

All at one size, from their own starts. Losses that grow with the pixels are weighed as at the
system's own size, and `lbfgs` looks with VGG-19 in place of VGG-16, as in the chapter.
`keras-sgd` asks for 10 000 steps and is given 3000: it ends, as all of them may, when it gains
less than one per cent in a fifth of them.
"""

import styletut as st

PAIRS = (("cat", "starry_night"),)
SYSTEMS = ("three-losses", "gram", "gatys", "lbfgs", "five-layer", "avgpool", "keras-sgd")
OWN = {
    "three-losses": 224 * 224, "lbfgs": 300 * 500, "five-layer": 300 * 451,
    "avgpool": 300 * 451, "keras-sgd": 400 * 601,
}
"""Pixels for which the weights were chosen; those of the others have no size."""
SMALL = {"systems": SYSTEMS[1:2], "size": 100, "most": 6}


def systems(run, pairs=PAIRS, systems=SYSTEMS, size=256, most=3000):
    photos, paintings, done = {}, {}, {}
    for content, style in pairs:
        photos[content] = st.samples.load(content, size)
        paintings[content] = st.samples.load(style, size)
        rows, columns = photos[content].shape[2:]
        for name in systems:
            recipe = st.recipes.get(name)
            steps = max(1, min(recipe.steps * recipe.evaluations, most) // recipe.evaluations)
            if name in OWN:
                recipe = resized(recipe, OWN[name] / (rows * columns))
            done[content, name] = run(
                f"{content}, {name}", photos[content], paintings[content],
                recipe.replace(
                    network="vgg19", weights="oxford", size=None, scales=((1.0, 1),),
                    precision="float32",
                ),
                steps=steps,
            )
    made = {key: outcome.picture for key, outcome in done.items()}
    made |= {(content, "photograph"): photo for content, photo in photos.items()}
    return [
        {"photo": content, "system": name}
        | vars(st.evaluate.scores(picture, photos[content], paintings[content]))
        for (content, name), picture in made.items()
    ]


def resized(recipe, k):
    """The recipe for k times fewer pixels, balanced as at its own size."""
    changes = {}
    if recipe.content_loss in ("sum", "half_sum"):
        changes["content_weight"] = recipe.content_weight * k
    if recipe.style_loss == "mean":
        changes["style_weight"] = recipe.style_weight * k**2
    if recipe.tv_weight and recipe.tv_reduction == "sum":
        changes["tv_weight"] = recipe.tv_weight * k
    if recipe.optimizer == "sgd":
        changes["learning_rate"] = recipe.learning_rate / k
    return recipe.replace(**changes)
