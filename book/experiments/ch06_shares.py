"""Which layer moves the picture?

Each layer's share of the style's gradient, under every form of the style loss. At the
photograph, at noise, and at the end of a descent on style alone, where the shares are what
is left to do.
"""

import torch

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
FORMS = (
    "relative", "gatys", "gatys, rescaled", "picture", "mean",
    "mean-std", "mean-covariance", "wasserstein",
)
SMALL = {"pairs": PAIRS[:1], "size": 48, "most": 6}

RECIPE = st.recipes.get("gram").replace(
    size=None, scales=((1.0, 1),), precision="float32", content_weight=0.0, tv_weight=0.0
)


def shares(run, pairs=PAIRS, size=160, most=250):
    done, photos = {}, {}
    for content, style in pairs:
        photos[content] = st.samples.load(content, size)
        painting = st.samples.load(style, size)
        for form in FORMS:
            loss, *rescaled = form.split(", ")
            done[content, form] = run(
                f"{content}, {form}", photos[content], painting, RECIPE,
                style_loss=loss, rescale=bool(rescaled), steps=most,
            )
    noise = {c: torch.rand(p.shape, generator=seeded()) for c, p in photos.items()}
    return [
        {
            "content": content, "form": form,
            "photograph": share(outcome, photos[content]),
            "noise": share(outcome, noise[content]),
            "end": share(outcome, outcome.picture),
        }
        for (content, form), outcome in done.items()
    ]


def seeded():
    return torch.Generator().manual_seed(0)


def share(outcome, picture):
    """The length of each layer's gradient over the sum of these lengths."""
    picture = picture.to(st.transfer.pick_device()).clone().requires_grad_(True)
    losses = outcome.objective(picture)
    lengths = {
        name: torch.autograd.grad(loss, picture, retain_graph=True)[0].norm().item()
        for name, loss in losses.items()
        if name != "total"
    }
    total = sum(lengths.values())
    return {name.removeprefix("style/"): length / total for name, length in lengths.items()}
