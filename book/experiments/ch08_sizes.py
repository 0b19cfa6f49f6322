"""Do weights survive a change of size?

Three ways to normalise the losses, balanced at the small size, painted at both. All are
judged by the same relative losses, whatever they minimised. Control: the relative form
itself.
"""

import torch

import styletut as st

PAIRS = (("coffee", "night_cafe"), ("cat", "starry_night"), ("astronaut", "harvest"))
FORMS = {
    "relative": {},
    "sums": {"content_loss": "sum", "style_loss": "picture", "tv_reduction": "sum"},
    "means": {"content_loss": "mean", "style_loss": "mean", "tv_reduction": "sum"},
}
SMALL = {"pairs": PAIRS[:1], "small": 32, "large": 64, "most": 8}

RECIPE = st.recipes.get("gram").replace(
    size=None, scales=((1.0, 1),), precision="float32", content_weight=0.2
)


def sizes(run, pairs=PAIRS, small=96, large=256, most=400):
    done = {}
    for content, style in pairs:
        for form, fields in FORMS.items():
            recipe = balanced(RECIPE.replace(**fields), content, style, small)
            for size in (small, large):
                photo, painting = st.samples.load(content, size), st.samples.load(style, size)
                done[content, form, size] = run(
                    f"{content}, {form}, {size} pixels", photo, painting, recipe, steps=most
                )
    return [
        {"content": content, "form": form, "size": size}
        | judged(outcome.picture, done[content, "relative", size])
        for (content, form, size), outcome in done.items()
    ]


def balanced(recipe, content, style, size):
    """The recipe, weighted so that its losses are those of `RECIPE`.

    At photograph and painting averaged, and rounded to two digits, so that rounding errors of
    another machine do not make another experiment.
    """
    photo, painting = st.samples.load(content, size), st.samples.load(style, size)
    fitted = st.images.resize(painting, tuple(photo.shape[2:]), fit="exact", upscale=True)
    both = (photo + fitted) / 2
    vgg = st.objective.network(recipe)
    now, wanted = (
        terms(st.objective.build(photo, painting, each, network=vgg), both)
        for each in (recipe, RECIPE)
    )
    weights = {
        f"{term}_weight": getattr(recipe, f"{term}_weight") * wanted[term] / now[term]
        for term in now
    }
    return recipe.replace(**{name: float(f"{weight:.2g}") for name, weight in weights.items()})


@torch.no_grad()
def terms(objective, picture):
    """The weighted loss of content, style and total variation."""
    losses = objective(picture)
    return {
        term: sum(loss.item() for name, loss in losses.items() if name.startswith(term))
        for term in ("content", "style", "tv")
    }


def judged(picture, relative):
    """Content and style loss of a picture as the relative form measures them."""
    found = terms(relative.objective, picture.to(st.transfer.pick_device()))
    return {
        "content loss": found["content"] / RECIPE.content_weight,
        "style loss": found["style"] / RECIPE.style_weight,
    }
