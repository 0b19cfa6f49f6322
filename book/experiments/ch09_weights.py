"""From which content weight on is the photograph there, when the start is noise?

The ceiling is the same descent from the photograph; chance is the distance of its edges
from another photograph's.
"""

import styletut as st

PAIRS = (("coffee", "starry_night"), ("cat", "night_cafe"), ("astronaut", "harvest"))
WEIGHTS = (0.001, 0.01, 0.1, 2.0, 10.0)
SMALL = {"pairs": PAIRS[:1], "weights": (0.1, 10.0), "size": 64, "most": 10}

# As in 09/valleys, whose runs of weight 0.1 serve here too.
RECIPE = st.recipes.get("gram").replace(size=None, scales=((1.0, 1),), precision="float32")


def weights(run, pairs=PAIRS, weights=WEIGHTS, size=256, most=500):
    done, photos = {}, {}
    for content, style in pairs:
        photos[content], painting = st.samples.load(content, size), st.samples.load(style, size)
        for start, tried in (("noise", weights), ("content", (weights[0], weights[-1]))):
            for weight in tried:
                done[content, start, weight] = run(
                    f"{content} from {start}, weight {weight:g}", photos[content], painting,
                    RECIPE, start=start, steps=most, content_weight=weight,
                )
    return {
        "runs": [
            {
                "content": content, "start": start, "weight": weight,
                "content loss": outcome.unweighted("content"),
                "style loss": outcome.unweighted("style"),
                "edges": st.evaluate.edge_distance(outcome.picture, photos[content]),
            }
            for (content, start, weight), outcome in done.items()
        ],
        "chance": {
            content: st.evaluate.edge_distance(st.samples.load("cameraman", size), photo)
            for content, photo in photos.items()
        },
    }
