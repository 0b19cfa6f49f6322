"""Whose colours?

Three ways to keep the photograph's, before the picture is painted and after. Controls: the
picture in the painting's colours, and the photograph.
"""

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
SMALL = {"pairs": PAIRS[:1], "size": 100, "steps": 6}

RECIPE = st.recipes.get("fast").replace(
    size=None, scales=((1.0, 1),), precision="float32", margin=0
)


def colour(run, pairs=PAIRS, size=160, steps=62):
    done, photos, paintings = {}, {}, {}
    for content, style in pairs:
        photos[content] = st.samples.load(content, size)
        paintings[content] = st.samples.load(style, 2 * size)
        for method in ("style", *st.colour.METHODS):
            done[content, method] = run(
                f"{content}, {method}", photos[content], paintings[content],
                RECIPE, colour=method, steps=steps, converge=False,
            )
    made = {(c, m, "before"): done[c, m].picture for c, m in done}
    for content, photo in photos.items():
        plain = done[content, "style"].picture
        for method in st.colour.METHODS:
            after = st.colour.match_colours(plain, photo, method)
            made[content, method, "after"] = after
        made[content, "photograph", ""] = photo
    return [
        {"content": content, "method": method, "when": when}
        | judged(
            picture, photos[content], st.images.resize(paintings[content], size)
        )
        for (content, method, when), picture in made.items()
    ]


def judged(picture, photo, painting):
    """Colours beside the photograph's; and strokes, which are judged without colour."""
    lab, other = st.colour.to_oklab(picture), st.colour.to_oklab(photo)
    grey = st.colour.luminance(picture)
    chroma = lab[:, 1:]
    return {
        "palette": st.evaluate.palette_distance(picture, photo),
        "in place": (chroma - other[:, 1:]).norm(dim=1).mean(),
        "strokes": st.evaluate.style_distance(grey, st.colour.luminance(painting, picture)),
        "lightness changes": changes(lab[:, :1]),
        "colour changes": changes(chroma),
    }


def changes(channels):
    """The mean difference between neighbours."""
    across, down = channels.diff(dim=3).norm(dim=1), channels.diff(dim=2).norm(dim=1)
    return (across.mean() + down.mean()) / 2
