"""What does bfloat16 cost near the minimum?

From where float32 has come to rest, on in each precision. Control: the same number of
further evaluations in float32. All losses are measured in float32.
"""

import copy

import torch

import styletut as st

PAIRS = (("coffee", "cafe_terrace"), ("cat", "starry_night"), ("astronaut", "harvest"))
PRECISIONS = ("float32", "bfloat16")
SMALL = {"pairs": PAIRS[:1], "size": 48, "most": 10, "further": 4}

RECIPE = st.recipes.get("gram").replace(size=None, scales=((1.0, 1),), precision="float32")


def precision(run, pairs=PAIRS, size=160, most=500, further=100):
    rest, then, photos = {}, {}, {}
    for content, style in pairs:
        photos[content], painting = st.samples.load(content, size), st.samples.load(style, size)
        rest[content] = run(f"{content} to rest", photos[content], painting, RECIPE, steps=most)
        for precision in PRECISIONS:
            then[content, precision] = run(
                f"{content}, then {precision}", photos[content], painting, RECIPE,
                start=rest[content], precision=precision, steps=further, converge=False,
            )
    return [
        {
            "content": content, "precision": precision,
            "loss at rest": rest[content].loss(rest[content].picture),
            "loss then": rest[content].loss(outcome.picture),
            "cosine at the photograph": cosine(outcome, photos[content], precision),
            "cosine at rest": cosine(outcome, rest[content].picture, precision),
        }
        for (content, precision), outcome in then.items()
    ]


def cosine(outcome, picture, precision):
    """Of the angle between the gradient in a precision and in float32."""
    one, other = (gradient(outcome, picture, each) for each in ("float32", precision))
    return torch.nn.functional.cosine_similarity(one, other, dim=0).item()


def gradient(outcome, picture, precision):
    """The gradient of the total loss, as a vector."""
    device, task = st.transfer.pick_device(), outcome.task
    network = copy.deepcopy(outcome.objective.network).to(getattr(torch, precision))
    objective = st.objective.build(
        task.content.to(device), task.style.to(device), task.recipe, network=network
    )
    picture = picture.to(device).clone().requires_grad_(True)
    return torch.autograd.grad(objective(picture)["total"], picture)[0].float().flatten()
