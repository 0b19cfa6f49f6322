"""What does content cost in style?

Converged transfers over the content weight, and over total variation. The price of one in
the other is the ratio of their weights; at the end the gradients of all three must add up
to zero.
"""

import torch

import styletut as st

PAIRS = (("coffee", "night_cafe"), ("cat", "starry_night"), ("astronaut", "harvest"))
WEIGHTS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
VARIATIONS = (0.0, 0.4, 10.0)
SMALL = {
    "pairs": PAIRS[:1], "weights": (0.1, 1.0), "variations": (0.0,), "size": 64, "most": 10,
}

RECIPE = st.recipes.get("gram").replace(size=None, scales=((1.0, 1),), precision="float32")


def front(run, pairs=PAIRS, weights=WEIGHTS, variations=VARIATIONS, size=160, most=450):
    done, photos = {}, {}
    for content, style in pairs:
        photos[content], painting = st.samples.load(content, size), st.samples.load(style, size)
        for variation in variations:
            for weight in weights if variation == 0 else weights[::3]:
                done[content, weight, variation] = run(
                    f"{content}, content {weight:g}, variation {variation:g}",
                    photos[content], painting, RECIPE, steps=most,
                    content_weight=weight, tv_weight=variation,
                )
    return [
        {
            "content": content, "weight": weight, "variation": variation,
            "content loss": outcome.unweighted("content"),
            "style loss": outcome.unweighted("style"),
            "roughness": st.losses.total_variation(outcome.picture, "squared", "mean").item(),
            "gradients at noise": lengths(outcome, noise(photos[content])),
            "gradients at the end": lengths(outcome, outcome.picture),
        }
        for (content, weight, variation), outcome in done.items()
    ]


def noise(photo):
    return torch.rand(photo.shape, generator=torch.Generator().manual_seed(0))


def lengths(outcome, picture):
    """Lengths of the weighted gradients of content, style and variation, and of their sum."""
    picture = picture.to(st.transfer.pick_device()).clone().requires_grad_(True)
    losses = outcome.objective(picture)
    found = {}
    for term in ("content", "style", "tv", "total"):
        parts = [loss for name, loss in losses.items() if name.startswith(term)]
        if parts:
            (gradient,) = torch.autograd.grad(sum(parts), picture, retain_graph=True)
            found[term] = gradient.norm().item()
    return found
