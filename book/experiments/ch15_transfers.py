"""Which statistic paints best?

Three pairs by each statistic, at content weights that keep the photograph about equally well,
and the first pair at a second, smaller one. Another network judges. Control: the photograph.
"""

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
WEIGHTS = {  # of content: chosen on one small pair, so that content distances are about alike
    "mean-std": (0.4, 0.02), "relative": (0.5, 0.06), "mean-covariance": (1.6, 0.4),
    "wasserstein": (0.45, 0.12), "sliced-wasserstein": (0.08, 0.01),
}
SMALL = {
    "pairs": PAIRS[:1], "weights": {"mean-std": (0.1,)}, "size": 100, "steps": 6,
}

RECIPE = st.recipes.get("fast").replace(
    size=None, scales=((1.0, 1),), precision="float32", margin=0
)


def transfers(run, pairs=PAIRS, weights=WEIGHTS, swept=1, size=160, steps=40):
    done, photos, paintings = {}, {}, {}
    for number, (content, style) in enumerate(pairs):
        photos[content] = st.samples.load(content, size)
        paintings[content] = st.samples.load(style, 2 * size)
        for name, each in weights.items():
            for weight in each if number < swept else each[:1]:
                done[content, name, weight] = run(
                    f"{content}, {name}, content {weight:g}",
                    photos[content], paintings[content], RECIPE,
                    style_loss=name, content_weight=weight,
                    steps=steps, converge=False,
                )
    made = {key: outcome.picture for key, outcome in done.items()}
    made |= {(content, "photograph", 0.0): photo for content, photo in photos.items()}
    return [
        {"content": content, "statistic": name, "content weight": weight}
        | judged(picture, photos[content], st.images.resize(paintings[content], size))
        for (content, name, weight), picture in made.items()
    ]


def judged(picture, photo, painting):
    """By a second network; sliced distance and style distance are of the same features."""
    seen, asked = st.evaluate.features(picture), st.evaluate.features(painting)
    loss = st.losses.STYLE_LOSSES["sliced-wasserstein"]
    sliced = [
        loss.loss(loss.measure(seen[stride]), loss.measure(asked[stride])).item()
        for stride in (2, 4, 8, 16)
    ]
    return {
        "content distance": st.evaluate.content_distance(picture, photo),
        "structure distance": st.evaluate.structure_distance(picture, photo),
        "style distance": st.evaluate.style_distance(picture, painting),
        "sliced distance": sum(sliced) / len(sliced),
        "palette": st.evaluate.palette_distance(picture, painting),
        "grain": st.evaluate.grain(picture, painting),
    }
