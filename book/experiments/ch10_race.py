"""SGD, Adam or L-BFGS? Each rate is tuned at the length that is raced, for each pair.

The grid is a factor of two apart; where the best rate is at its end, the numbers say so.
"""

import math

import styletut as st

PAIRS = (("coffee", "cafe_terrace"), ("cat", "starry_night"), ("astronaut", "harvest"))
RATES = {
    "sgd": (5, 10, 20, 40, 80, 160),
    "adam": (0.01, 0.02, 0.04, 0.08, 0.16),
    "adam, decay": (0.01, 0.02, 0.04, 0.08, 0.16),
    "lbfgs": (1.0,),
}
DECAY = 0.02  # of the rate, over the whole race
SMALL = {"pairs": PAIRS[:1], "size": 48, "steps": 8}

RECIPE = st.recipes.get("gram").replace(size=None, scales=((1.0, 1),), precision="float32")


def race(run, pairs=PAIRS, size=160, steps=200):
    done = {}
    for content, style in pairs:
        photo, painting = st.samples.load(content, size), st.samples.load(style, size)
        for name, rates in RATES.items():
            optimizer, *decays = name.split(", ")
            decay = {"decay": DECAY, "decay_steps": steps} if decays else {}
            for rate in rates:
                done[content, name, rate] = run(
                    f"{content}, {name}, rate {rate:g}", photo, painting, RECIPE,
                    optimizer=optimizer, learning_rate=rate, steps=steps, converge=False,
                    **decay,
                )
    return [
        {"content": content, "optimizer": name}
        | best({rate: done[content, name, rate] for rate in rates})
        for content, _ in pairs
        for name, rates in RATES.items()
    ]


def best(tried):
    """The rate that ends lowest, and what the others gave; a run that diverged ends nowhere."""
    ends = {rate: math.inf if each.stopped else each.curve[-1] for rate, each in tried.items()}
    rate = min(ends, key=lambda each: ends[each])
    outermost = len(ends) > 1 and rate in (min(ends), max(ends))
    return {"rate": rate, "loss": ends[rate], "tried": ends, "outermost rate": outermost}
