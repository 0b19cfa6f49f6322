"""How far towards the painting?

The same three pairs at four strengths, judged by a second network. Control: the finished
picture laid over the photograph, as transparent as the strength says.
"""

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
SMALL = {"pairs": PAIRS[:1], "strengths": (0.5, 1.0), "size": 100, "steps": 6}

RECIPE = st.recipes.get("fast").replace(
    size=None, scales=((1.0, 1),), precision="float32", margin=0
)


def strength(
    run, pairs=PAIRS, strengths=(0.25, 0.5, 0.75, 1.0), size=160, steps=62
):
    done, photos, paintings = {}, {}, {}
    for content, style in pairs:
        photos[content] = st.samples.load(content, size)
        paintings[content] = st.samples.load(style, 2 * size)
        for share in strengths:
            done[content, share] = run(
                f"{content}, strength {share:g}",
                photos[content], paintings[content], RECIPE, strength=share,
                steps=steps, converge=False,
            )
    made = {(c, "strength", s): done[c, s].picture for c, s in done}
    for content, share in done:
        photo, full = photos[content], done[content, strengths[-1]].picture
        made[content, "laid over", share] = (1 - share) * photo + share * full
    made |= {(name, "photograph", 0.0): photo for name, photo in photos.items()}
    return [
        {
            "content": content, "how": how, "share": share,
            "content distance": st.evaluate.content_distance(
                picture, photos[content]
            ),
            "style distance": st.evaluate.style_distance(
                picture, st.images.resize(paintings[content], size)
            ),
        }
        for (content, how, share), picture in made.items()
    ]
