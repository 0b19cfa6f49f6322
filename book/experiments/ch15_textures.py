"""What does each statistic keep of a painting?

Textures from noise, one for each statistic and painting, from the same layers and with the same
work. Every picture is measured by all statistics, of VGG's features, which were matched, and of
EfficientNet's. Controls: the other half of the painting, another painting, and noise.
"""

import torch

import styletut as st

STYLES = ("starry_night", "waves", "mosaic")
STATISTICS = (
    "mean-std", "relative", "mean-covariance", "wasserstein", "sliced-wasserstein",
)
SMALL = {"styles": STYLES[:2], "statistics": STATISTICS[:2], "size": 64, "steps": 6}

RECIPE = st.recipes.get("fast").replace(
    size=None, scales=((1.0, 1),), precision="float32", margin=0, content_weight=0.0,
    start="noise", noise="normal", noise_range=(0.0, 5.0),
)
LAYERS = RECIPE.style_layers  # shares, from relu1_1 .33 to relu5_1 .07
STRIDES = (2, 4, 8, 16)


def textures(run, styles=STYLES, statistics=STATISTICS, size=128, steps=80):
    pieces = {style: halves(style, size) for style in styles}
    grown = {
        (style, name): run(
            f"{style}, {name}", pieces[style][0], pieces[style][0], RECIPE,
            style_loss=name, steps=steps, converge=False,
        )
        for style in styles
        for name in statistics
    }
    made = {key: outcome.picture for key, outcome in grown.items()}
    generator = torch.Generator().manual_seed(0)
    for number, style in enumerate(styles):
        made[style, "other half"] = pieces[style][1]
        made[style, "another painting"] = pieces[styles[number - 1]][0]
        made[style, "noise"] = torch.rand(1, 3, size, size, generator=generator)
    vgg = st.vgg.VGG(list(LAYERS), padding="replicate", pooling="max-same")
    return [
        {"style": style, "picture": name}
        | judged(vgg, picture, pieces[style][0])
        for (style, name), picture in made.items()
    ]


def halves(style, size):
    """Two squares of a painting that share no pixel, each (1, 3, size, size)."""
    whole = st.samples.load(style, 2 * size)
    top = (whole.shape[-2] - size) // 2
    band = whole[..., top : top + size, :]
    return band[..., :size], band[..., size : 2 * size]


@torch.no_grad()
def judged(vgg, picture, painting):
    """All statistics, by both networks; what else the benchmarks measure."""
    mine, goal = vgg(picture), vgg(painting)
    seen, asked = st.evaluate.features(picture), st.evaluate.features(painting)
    found = {"matched": {}, "judged": {}}
    for name in STATISTICS:
        found["matched"][name] = sum(
            share * distance(name, mine[layer], goal[layer])
            for layer, share in LAYERS.items()
        )
        found["judged"][name] = sum(
            distance(name, seen[stride], asked[stride]) / len(STRIDES)
            for stride in STRIDES
        )
    return found | {
        "style distance": st.evaluate.style_distance(picture, painting),
        "spectrum": spectrum(mine["relu3_1"], goal["relu3_1"]),
        "palette": st.evaluate.palette_distance(picture, painting),
        "grain": st.evaluate.grain(picture, painting),
    }


def distance(name, features, target):
    """One statistic of features, compared as its loss compares it."""
    loss = st.losses.STYLE_LOSSES[name]
    goal = loss.prepare(loss.measure(target))
    return loss.loss(loss.measure(features), goal).item()


def spectrum(features, target, groups=8):
    """Variance along the target's own directions over the target's, for each eighth of them."""
    mine, goal = (torch.cov(f.flatten(2)[0].double(), correction=0) for f in (features, target))
    values, vectors = torch.linalg.eigh(goal)
    along = (vectors.T @ mine @ vectors).diagonal()
    sums = [
        torch.stack([part.sum() for part in each.flip(0).chunk(groups)])  # largest first
        for each in (along, values)
    ]
    return sums[0] / sums[1].clamp(min=1e-12)
