"""What makes the default better?

`fast` with one of its choices at a time put back to that of `gram`, and with all of them.
Another network judges. Losses of other units have other content weights: `gram`'s is given
two, so that a picture with more of the photograph can be told from a better one.
"""

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
SMALL = {"pairs": PAIRS[:1], "variants": ("fast", "Gram matrices"), "size": 100, "steps": 6}

RECIPE = st.recipes.get("fast").replace(
    size=None, scales=((1.0, 1),), precision="float32", margin=0
)
GRAM = st.recipes.get("gram")
EVEN = GRAM.style_layers
VARIANTS: dict[str, dict] = {
    "fast": {},
    "Gram matrices": {"style_loss": "relative"},
    "even layers": {"style_layers": EVEN},
    "photograph's colours": {"start": "content"},
    "zeros and floors": {"padding": GRAM.padding, "pooling": GRAM.pooling},
    "all four": {
        "style_loss": "relative", "style_layers": EVEN, "start": "content",
        "padding": GRAM.padding, "pooling": GRAM.pooling,
    },
}
LIGHTER = 0.1
"""The content weight of `gram`, for the two variants with Gram matrices."""


def ablation(run, pairs=PAIRS, variants=tuple(VARIANTS), size=256, steps=80):
    photos, paintings, done = {}, {}, {}
    for content, style in pairs:
        photos[content] = st.samples.load(content, size)
        paintings[content] = st.samples.load(style, size)
        for name in variants:
            changes = VARIANTS[name]
            weights = [RECIPE.content_weight]
            if "style_loss" in changes:
                weights.append(LIGHTER)
            for weight in weights:
                done[content, name, weight] = run(
                    f"{content}, {name}, content {weight:g}",
                    photos[content], paintings[content], RECIPE,
                    content_weight=weight, steps=steps, converge=False, **changes,
                )
    made = {key: outcome.picture for key, outcome in done.items()}
    made |= {(content, "photograph", 0.0): photo for content, photo in photos.items()}
    return [
        {"photo": content, "variant": name, "content weight": weight}
        | vars(st.evaluate.scores(picture, photos[content], paintings[content]))
        for (content, name, weight), picture in made.items()
    ]
