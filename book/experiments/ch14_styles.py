"""Two styles in one picture: mixed everywhere, or each in its half.

Judged by a second network, as a whole and by halves, against both paintings. Controls: each
painting alone, and the mixture.
"""

import torch

import styletut as st

TRIPLES = (
    ("coffee", "starry_night", "harvest"),
    ("cat", "night_cafe", "starry_night"),
    ("astronaut", "harvest", "night_cafe"),
)
SMALL = {"triples": TRIPLES[:1], "size": 132, "steps": 6}

RECIPE = st.recipes.get("fast").replace(
    size=None, scales=((1.0, 1),), precision="float32", margin=0
)


def styles(run, triples=TRIPLES, size=160, steps=62):
    done, paintings = {}, {}
    for content, *names in triples:
        photo = st.samples.load(content, size)
        both = [st.samples.load(name, 2 * size) for name in names]
        paintings[content] = [st.images.resize(each, size) for each in both]
        ways = {
            "first": (both[0], {}),
            "second": (both[1], {}),
            "mixed": (both, {"style_weights": [1.0, 1.0]}),
            "masks": (both, {"masks": halves(photo)}),
        }
        for way, (style, options) in ways.items():
            done[content, way] = run(
                f"{content}, {way}", photo, style, RECIPE,
                steps=steps, converge=False, **options,
            )
    return [
        {"content": content, "way": way}
        | distances(outcome.picture, paintings[content])
        | columns(outcome.picture, [done[content, each] for each in ALONE])
        for (content, way), outcome in done.items()
    ]


ALONE = ("first", "second")


def halves(photo):
    """A hard mask for the left half and one for the right, (1, 1, H, W)."""
    left = torch.zeros_like(photo[:, :1])
    left[..., : photo.shape[-1] // 2] = 1
    return [left, 1 - left]


def distances(picture, paintings):
    """Of the whole and of each half, the style distance to the first and to the second."""
    middle = picture.shape[-1] // 2
    parts = {
        "whole": picture, "left": picture[..., :middle], "right": picture[..., middle:],
    }
    return {
        part: [st.evaluate.style_distance(cut, painting) for painting in paintings]
        for part, cut in parts.items()
    }


def columns(picture, alone):
    """In bands of four columns, the mean difference in colour to each painted alone."""
    lab = st.colour.to_oklab(picture)
    others = [st.colour.to_oklab(outcome.picture) for outcome in alone]
    each = [(lab - other).norm(dim=1).mean(1)[0] for other in others]
    bands = [column[: len(column) // 4 * 4].view(-1, 4).mean(1) for column in each]
    return {"columns": bands}
