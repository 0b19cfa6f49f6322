"""Can a part of the photograph be protected?

Content counts ten times in one ellipse: the cup, an eye, the face. Controls: nothing
protected, and content ten times everywhere.
"""

import torch

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
PLACES = {  # row and column of the middle, half the height and width, as shares
    "coffee": (0.28, 0.49, 0.28, 0.22),
    "cat": (0.38, 0.38, 0.22, 0.13),
    "astronaut": (0.21, 0.46, 0.19, 0.14),
}
SMALL = {"pairs": PAIRS[:1], "size": 100, "steps": 6}

RECIPE = st.recipes.get("fast").replace(
    size=None, scales=((1.0, 1),), precision="float32", margin=0
)


def protect(run, pairs=PAIRS, size=160, steps=62):
    done, photos, paintings, masks = {}, {}, {}, {}
    for content, style in pairs:
        photo = photos[content] = st.samples.load(content, size)
        paintings[content] = st.samples.load(style, 2 * size)
        mask = masks[content] = ellipse(photo, *PLACES[content])
        ways = {
            "nothing": None,
            "the place": st.control.masks.protection(mask),
            "everywhere": st.control.masks.protection(torch.ones_like(mask)),
        }
        for way, factors in ways.items():
            done[content, way] = run(
                f"{content}, {way}", photo, paintings[content], RECIPE,
                content_mask=factors, steps=steps, converge=False,
            )
    rows = []
    for (content, way), outcome in done.items():
        photo, mask = photos[content], masks[content]
        painting = st.images.resize(paintings[content], size)
        gap = st.colour.to_oklab(outcome.picture) - st.colour.to_oklab(photo)
        gap = gap.norm(dim=1)
        rows.append({
            "content": content, "way": way,
            "inside": (gap * mask[:, 0]).sum() / mask.sum(),
            "outside": (gap * (1 - mask[:, 0])).sum() / (1 - mask).sum(),
            "content distance": st.evaluate.content_distance(
                cut(outcome.picture, *PLACES[content]),
                cut(photo, *PLACES[content]),
            ),
            "style distance": st.evaluate.style_distance(outcome.picture, painting),
        })
    return rows


def ellipse(photo, row, column, height, width):
    """A mask (1, 1, H, W): 1 inside, 0 outside."""
    rows, columns = (torch.linspace(0, 1, side) for side in photo.shape[-2:])
    y, x = (rows[:, None] - row) / height, (columns[None] - column) / width
    return (y.square() + x.square() < 1).float()[None, None]


def cut(picture, row, column, height, width):
    """The place, as large as the second network needs it."""
    rows, columns = picture.shape[-2:]
    top, bottom = max(0, round((row - height) * rows)), round((row + height) * rows)
    left, right = round((column - width) * columns), round((column + width) * columns)
    return st.images.resize(picture[..., top:bottom, left:right], 128, upscale=True)
