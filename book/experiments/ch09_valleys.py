"""Is there more than one valley? The loss on the straight line between two converged results.

Control: between two points of one descent, an early one and its end, the loss has no reason
to rise.
"""

import torch
from torch.nn import functional as F

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
SMALL = {"pairs": PAIRS[:1], "size": 64, "most": 12, "points": 5}

RECIPE = st.recipes.get("gram").replace(
    size=None, scales=((1.0, 1),), precision="float32"
)
STARTS = {"content": ("content", 0), "noise": ("noise", 0), "other noise": ("noise", 1)}
LINES = (("content", "noise"), ("noise", "other noise"), ("content, early", "content"))


def valleys(run, pairs=PAIRS, size=256, most=500, points=17):
    ends = {}
    for content, style in pairs:
        photo, painting = st.samples.load(content, size), st.samples.load(style, size)
        for name, (start, seed) in STARTS.items():
            ends[content, name] = run(
                f"{content} from {name}", photo, painting, RECIPE,
                start=start, seed=seed, steps=most,
            )
        ends[content, "content, early"] = run(
            f"{content} from content, early", photo, painting, RECIPE,
            steps=max(2, most // 10), converge=False,
        )
    return {
        content: {
            f"{one} to {other}": between(ends[content, one], ends[content, other], points)
            for one, other in LINES
        }
        for content, _ in pairs
    }


def between(one, other, points):
    """The loss on the line, and how far its ends are apart in levels of 255."""
    a, b = one.picture, other.picture
    line = [one.loss(torch.lerp(a, b, t)) for t in torch.linspace(0, 1, points).tolist()]
    return {
        "line": line,
        "rise": max(line) / max(line[0], line[-1]),  # 1: the line is never above its ends
        "apart": levels(a - b),
        "apart, coarsely": levels(F.avg_pool2d(a - b, 8)),  # without grain and strokes
    }


def levels(difference):
    return 255 * difference.square().mean().sqrt().item()
