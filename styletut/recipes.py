"""A recipe is the complete configuration of a run; ten of them have names.

`Recipe` holds every choice: network, layers, losses, start, optimiser, sizes, steps, precision, seed. Defaults live
here and nowhere else. What a field means and may hold is said where it is declared: the checks, the command line, the
controls of a notebook (`fields`) and this page are made from that. Five recipes reproduce published systems to the
digit, ``gatys`` is the paper's, ``gram`` has the losses that the book's chapters explain, and ``fast``, ``draft`` and
``fine`` are for making pictures.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import styletut  # its modules are imported on first use: reading this one must not wait for torch

from . import fields as kinds
from .errors import RecipeError, did_you_mean, shown
from .fields import Field


def _style_losses() -> tuple[str, ...]:
    return tuple(styletut.losses.STYLE_LOSSES)


@kinds.documented
@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe:
    """Every choice of a style transfer. Frozen: `replace` makes a variant.

    Raises:
        RecipeError: a value is out of range or not one of the choices, or nothing is left to optimise.
        LayerError: a layer does not exist in the network.

    >>> get("five-layer").replace(seed=3).content_layers["relu5_4"]
    0.45
    """

    name: str = kinds.text("custom", "what the recipe is called")
    source: str = kinds.text("", "the paper or system it comes from")
    note: str = kinds.text("", "what is particular about it, or chosen where the source is silent")

    network: Any = kinds.network(
        "vgg19",
        "the network whose features are compared",
        values="or an object of your own: it has `layers`, their names, and gives their features when it is called",
        option=True,
    )
    weights: str | os.PathLike[str] | styletut.vgg.Weights = kinds.weights(
        "oxford",
        "the network's weights: oxford, torchvision, torchvision-oxford (both download), random, or a state dict file",
        values="a name, a path or a `vgg.Weights`",
        metavar="WHICH",
        option=True,
    )
    preprocessing: str = kinds.choice(
        "auto",
        "how pictures are shifted and scaled for the network; auto is as its weights were trained, none is not at all",
        lambda: styletut.vgg.PREPROCESSINGS,
    )
    pooling: str = kinds.choice(
        "max",
        "how layers are pooled; max-same and average-same keep an odd row or column, as TensorFlow does",
        lambda: styletut.vgg.POOLINGS,
    )
    padding: str = kinds.choice(
        "zeros",
        "what convolutions see beyond the edges: zeros as trained, the edge repeated or mirrored, or the opposite edge "
        "(circular: the picture tiles)",
        lambda: styletut.vgg.PADDINGS,
    )
    rescale: bool = kinds.flag(False, "scale the filters to mean activation 1 (Gatys et al. 2016, section 2)")

    content_layers: Mapping[str, float] = kinds.layers({"relu4_2": 1.0}, "where the content is compared")
    content_weight: float = kinds.number(1.0, "how much the content counts", minimum=0, option=True)
    content_loss: str = kinds.choice(
        "relative", "how the content is compared (`losses.content_loss`)", lambda: styletut.losses.CONTENT_FORMS
    )
    style_layers: Mapping[str, float] = kinds.layers(
        {f"relu{i}_1": 0.2 for i in range(1, 6)}, "where the style is compared"
    )
    style_weight: float = kinds.number(1.0, "how much the style counts", minimum=0, option=True)
    style_loss: str = kinds.choice("relative", "how the style is compared (`losses.style_loss`)", _style_losses)
    strength: float = kinds.number(
        1.0,
        "from the photograph (0) to the painting (1): the style aimed at lies so far between the content's and its own",
        minimum=0,
        maximum=1,
        option=True,
    )
    tv_weight: float = kinds.number(0.0, "how much smoothness (total variation) counts", minimum=0, option=True)
    tv_loss: str = kinds.choice(
        "squared", "which total variation (`losses.total_variation`)", lambda: styletut.losses.TV_FORMS
    )
    tv_range: float = kinds.number(1.0, "total variation is that of a picture on the scale from 0 to this", above=0)
    tv_reduction: str = kinds.choice(
        "sum", "whether total variation is a sum over pixels or their mean", lambda: styletut.losses.TV_REDUCTIONS
    )

    size: int | tuple[int, int] | None = kinds.size(
        None,
        "pixels of the longer side, or of what `fit` says; or rows and columns; or the picture's own size",
        values="a whole number, (rows, columns) or None for its own",
        metavar="PIXELS|ROWSxCOLS|own",
        option=True,
    )
    fit: str = kinds.choice(
        "long",
        "what `size` counts: the longer side, the shorter side, the rows, both sides exactly, or all pixels",
        lambda: styletut.images.FITS,
    )
    upscale: bool = kinds.flag(False, "enlarge a picture that is smaller than `size`")
    resample: str = kinds.choice(
        "bicubic",
        "how pictures are brought to their first size: bicubic, antialiased, or nearest, as Keras loads them",
        ("bicubic", "nearest"),
    )
    style_scale: float | str | tuple[float | str, ...] = kinds.ratios(
        1.0,
        "longer side of the style picture over the content picture's; the style is never enlarged, its aspect is kept. "
        "With own it has its own size, however large; several are averaged",
        above=0,
        maximum=1e6,
        values="a number, above 0 and 1e+06 at most, `own`, or several of them",
        metavar="X|own",
        option=True,
    )

    start: str = kinds.choice(
        "content",
        "where the picture starts from; mix is noise and content, matched the content with the style's mean and "
        "covariance of colours, as far as `strength` goes",
        ("content", "style", "noise", "mix", "matched"),
        metavar="PICTURE",
        option=True,
    )
    start_mix: float = kinds.number(0.25, "the content's share in the start mix", minimum=0, maximum=1)
    noise: str = kinds.choice("uniform", "the distribution of the noise", ("uniform", "normal"))
    noise_range: tuple[float, float] = kinds.pair(
        (-128.0, 127.0),
        "noise around the network's mean, in units of 0 to 255",
        values="(low, high) if uniform, (mean, standard deviation) if normal",
    )

    colour: str = kinds.choice(
        "style",
        "whose colours the result has: the style's, or the photograph's: its chroma, so that only the luminance is "
        "painted, its mean and covariance of colours, or its histogram",
        lambda: ("style", *styletut.colour.METHODS),
        option=True,
    )
    colour_when: str = kinds.choice(
        "auto",
        "what is recoloured to the photograph: the style, before, the result, after, or both; auto is both for "
        "luminance, else before",
        ("auto", "before", "after", "both"),
        option=True,
    )
    colour_strength: float = kinds.number(
        1.0, "how much of `colour`, from 0, nothing, to 1", minimum=0, maximum=1, option=True
    )

    optimizer: str = kinds.choice(
        "lbfgs",
        "the optimiser; lbfgs-b is SciPy's (an extra), each step a call of its own, on one picture at a time",
        ("sgd", "adam", "lbfgs", "lbfgs-b"),
    )
    learning_rate: float = kinds.number(1.0, "the optimiser's learning rate", above=0)
    decay: float = kinds.number(
        1.0, "the learning rate is multiplied by decay ** (step / decay_steps), continuously", above=0, maximum=1
    )
    decay_steps: int = kinds.whole(100, "steps in which the learning rate is multiplied by `decay` once", minimum=1)
    memory: int = kinds.whole(10, "pairs of vectors that L-BFGS keeps", minimum=1)
    line_search: bool = kinds.flag(False, "strong Wolfe line search in L-BFGS")
    evaluations: int = kinds.whole(
        1,
        "the most evaluations (loss and gradient) in one step; lbfgs-b ends the line search that it is in",
        minimum=1,
    )
    restart: bool = kinds.flag(False, "L-BFGS forgets its memory after each step")
    averaging: float = kinds.number(
        0.0,
        "the picture is the exponential average of the optimiser's iterates with this decay, 0 for the last iterate",
        minimum=0,
        maximum=0.9999,
    )
    pixel_range: float = kinds.number(
        1.0,
        "the optimiser moves a picture on the scale from 0 to this: a learning rate means nothing without it",
        above=0,
    )
    decorrelation: float = kinds.number(
        0.0,
        "the optimiser moves spatial frequency f by f to the power of minus this, and colour less (`optim.Spectrum`): "
        "0 moves pixels; 0.5 takes fewer steps from a photograph",
        minimum=0,
        maximum=10,
        option=True,
    )
    keep_grey: bool = kinds.flag(False, "where the content, the styles and the start are grey, the result is")
    clamp: str = kinds.choice(
        "none",
        "where the picture is kept in its range: in what the network sees (forward), or after each step",
        ("none", "forward", "step"),
    )

    scales: tuple[tuple[float, int], ...] = kinds.scales(
        ((1.0, 500),), "from coarse to fine", values="pairs (share of the full size, steps)"
    )
    margin: int = kinds.whole(
        0,
        "pixels around the picture that are painted at the coarsest scale, in proportion at the others, and cut off in "
        "the end: edges have stray colours",
    )
    snapshot_every: int = kinds.whole(0, "keep a snapshot of the picture every N steps, 0 for never", option=True)
    batch: int = kinds.whole(1, "how many content pictures may be optimised in one go", minimum=1)
    precision: str = kinds.choice(
        "float32",
        "what the network computes in; auto is half precision where the hardware is quicker in it, float32 elsewhere",
        ("auto", "float32", "bfloat16", "float16", "float64"),
        option=True,
    )
    seed: int = kinds.whole(0, "seed of the noise", option=True)

    def __post_init__(self) -> None:
        kinds.check_fields(self)
        self._check_together()

    def _check_together(self) -> None:
        """What one field means for another."""
        if isinstance(self.size, tuple):
            object.__setattr__(self, "fit", "exact")
        elif self.size is not None and self.fit == "exact":
            object.__setattr__(self, "fit", "long")
        low, high = self.noise_range
        if self.noise == "uniform" and low > high:
            raise RecipeError(f"noise_range must be (low, high) for uniform noise, not {shown(self.noise_range)}")
        if self.optimizer == "lbfgs" and self.line_search and self.evaluations < 2:
            raise RecipeError("a line search needs at least 2 evaluations in a step: set evaluations")
        if self.optimizer in ("sgd", "adam") and self.evaluations > 1:
            raise RecipeError(f"{self.optimizer} takes one evaluation in a step, not {self.evaluations}: evaluations=1")
        if self.strength < 1 and not styletut.losses.STYLE_LOSSES[self.style_loss].additive:
            raise RecipeError(
                f"style_loss={self.style_loss!r} has no strength: its styles cannot be blended with the content's; "
                "choose another, or strength=1"
            )
        if self.padding != "zeros" and not isinstance(self.network, str):
            raise RecipeError("padding is for a VGG, another network has its own: leave it out")
        if len(self.style_scales) > 1 and not styletut.losses.STYLE_LOSSES[self.style_loss].additive:
            raise RecipeError(f"style_loss={self.style_loss!r} cannot be averaged over sizes: give one style_scale")
        if not self.layers and not self.tv_weight:
            raise RecipeError("nothing to optimise: give content layers, style layers or a total variation weight")

    # --- reading -------------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that count, each once, in no particular order."""
        content = self.content_layers if self.content_weight else ()
        style = self.style_layers if self.style_weight else ()
        return tuple(dict.fromkeys([*content, *style]))

    @property
    def style_scales(self) -> tuple[float | str, ...]:
        """What `style_scale` holds, as a tuple."""
        return self.style_scale if isinstance(self.style_scale, tuple) else (self.style_scale,)

    @property
    def steps(self) -> int:
        """Optimiser steps over all scales."""
        return sum(steps for _, steps in self.scales)

    def replace(self, **changes: Any) -> Recipe:
        """A copy with some fields changed; ``steps=n`` is short for a budget of n steps spread over the scales, as
        they are shared out there (or in the ``scales`` that are given with it).

        Raises:
            RecipeError: there is no such field, or its value is wrong.
        """
        for key in changes:
            field(key)  # is there one?
        budget = STEPS.check(STEPS, changes.pop("steps"), self) if "steps" in changes else None
        if not isinstance(changes.get("network", ""), str):
            changes.setdefault("padding", "zeros")  # a network of one's own has its own
        made = dataclasses.replace(self, **changes)
        return made if budget is None else dataclasses.replace(made, scales=_spread(made.scales, budget))

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, ready for JSON; a network or weights that are an object become a description in <>."""
        values = self._values()
        for key in ("network", "weights"):
            if not isinstance(values[key], str):
                values[key] = kinds.describe(values[key])
        return values

    def _values(self) -> dict[str, Any]:
        """The fields, with dictionaries that can be changed, pickled and written."""
        values = {f.name: getattr(self, f.name) for f in fields()}
        return {key: dict(value) if isinstance(value, MappingProxyType) else value for key, value in values.items()}

    def to_json(self, indent: int | None = None) -> str:
        """The recipe as JSON; `from_json` reads it back."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_dict` wrote.

        Raises:
            RecipeError: a field is unknown or a value is wrong.
        """
        if not isinstance(values, Mapping):
            raise RecipeError(f"a recipe is made from a dictionary of its fields, not from {shown(values)}")
        return cls().replace(**{key if isinstance(key, str) else shown(key): value for key, value in values.items()})

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe that `to_json` wrote.

        Raises:
            RecipeError: it is not JSON, not an object, or holds a field or value that means nothing.
        """
        try:
            values = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise RecipeError(f"this recipe is not JSON: {str(error).splitlines()[0]}") from None
        if not isinstance(values, dict):
            raise RecipeError('a recipe in JSON is an object of fields, for example {"seed": 1}')
        return cls.from_dict(values)

    def __hash__(self) -> int:
        # Sorted, because layers in another order make an equal recipe.
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._values(),)

    def __repr__(self) -> str:
        """Name, then each field that is not the default, one a line."""
        values = self.to_dict()
        changed = [f.name for f in fields() if f.name == "name" or values[f.name] != f.default]
        return "\n".join(["Recipe(", *(f"    {name}={values[name]!r}," for name in changed), ")"])

    def _repr_html_(self) -> str:
        """For notebooks: a table of what is not the default, and all else folded below it."""
        values = self.to_dict()
        told = [f for f in fields() if f.kind != "text"]
        changed = [f for f in told if values[f.name] != f.default]
        rest = [f for f in told if f not in changed]
        about = ". ".join(text.rstrip(".") for text in (self.source, self.note) if text)
        return (
            f"<p><b>Recipe {html.escape(self.name)}</b>{f': {html.escape(about)}.' if about else ''}</p>"
            f"{_html_table(changed, values)}<details><summary>{len(rest)} fields as they are by default</summary>"
            f"{_html_table(rest, values)}</details>"
        )


def _html_table(rows: Iterable[Field], values: Mapping[str, Any]) -> str:
    """A table of fields: name, value, what it means."""
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left">{f.name}</th>'
        f'<td style="text-align:left">{html.escape(_cell(values[f.name]))}</td>'
        f'<td style="text-align:left">{html.escape(f.help)}</td></tr>'
        for f in rows
    )
    return f"<table><tbody>{cells}</tbody></table>"


def _rebuild(values: dict[str, Any]) -> Recipe:
    return Recipe(**values)


def _spread(scales: tuple[tuple[float, int], ...], steps: int) -> tuple[tuple[float, int], ...]:
    """Share ``steps`` over the scales as they are shared now; the finest scale gets what is left."""
    total = sum(n for _, n in scales)
    coarse = [(share, steps * n // total) for share, n in scales[:-1]]
    rest = steps - sum(n for _, n in coarse)
    return tuple((share, n) for share, n in [*coarse, (scales[-1][0], rest)] if n > 0)


# --- its fields --------------------------------------------------------------------------------------

STEPS = Field(
    name="steps",
    kind="whole",
    default=None,
    help="optimiser steps in all, shared out over the scales",
    check=kinds.check_whole_field,
    minimum=1,
    option=True,
)
"""What `Recipe.replace` takes like a field."""


def fields() -> tuple[Field, ...]:
    """What the fields of a recipe mean and may hold, in their order.

    >>> [f.name for f in fields() if f.kind == "choice"][:3]
    ['preprocessing', 'pooling', 'padding']
    """
    return kinds.fields_of(Recipe)


def field(name: str) -> Field:
    """What one field, or ``steps``, means and may hold.

    >>> field("start_mix").help, field("start_mix").maximum
    ("the content's share in the start mix", 1)

    Raises:
        RecipeError: there is no field of that name.
    """
    known = {f.name: f for f in (*fields(), STEPS)}
    if name not in known:
        raise RecipeError(did_you_mean("recipe field", name, known))
    return known[name]


# --- the named recipes -------------------------------------------------------------------------------

_FIRST = tuple(f"relu{i}_1" for i in range(1, 6))
_FIFTHS = dict.fromkeys(_FIRST, 0.2)


def _like_fast(**changes: Any) -> Recipe:
    return get("fast").replace(**changes)


_NAMED: dict[str, Callable[[], Recipe]] = {
    "fast": lambda: Recipe(
        name="fast",
        source="styletut; chosen by benchmarks/quality.py and by looking",
        note=(
            "Styles compared by mean and covariance, the finer layers weighted more; edges repeated, odd rows pooled, "
            "so that no edge shows; begun at half the size from the photograph in the style's colours."
        ),
        pooling="max-same",
        padding="replicate",
        content_layers={"relu4_2": 1.0},
        content_weight=0.4,
        content_loss="relative",
        style_layers=dict(zip(_FIRST, (0.33, 0.27, 0.2, 0.13, 0.07), strict=True)),
        style_weight=1.0,
        style_loss="mean-covariance",
        size=512,
        start="matched",
        optimizer="lbfgs",
        memory=10,
        keep_grey=True,
        scales=((0.5, 30), (1.0, 32)),
        margin=4,
        precision="auto",
    ),
    "draft": lambda: _like_fast(
        name="draft",
        note="As fast, smaller and with fewer steps: to see what a pair gives.",
        size=384,
        scales=((0.5, 24), (1.0, 7)),
    ),
    "fine": lambda: _like_fast(
        name="fine",
        note="As fast, larger and with more steps, begun at the size that fast begins at: for a GPU, or a night.",
        size=1536,
        scales=((1 / 6, 200), (1 / 3, 120), (2 / 3, 80), (1.0, 50)),
    ),
    "gram": lambda: Recipe(
        name="gram",
        source="styletut; the losses of the book's chapters",
        note="Losses without units, so that weights mean the same at every layer and size; coarse to fine.",
        content_layers={"relu4_2": 1.0},
        content_weight=0.1,
        content_loss="relative",
        style_layers=_FIFTHS,
        style_weight=1.0,
        style_loss="relative",
        tv_weight=0.1,
        tv_loss="squared",
        tv_reduction="mean",
        size=512,
        optimizer="lbfgs",
        memory=10,
        keep_grey=True,
        scales=((0.25, 150), (0.5, 100), (1.0, 60)),
        precision="auto",
    ),
    "gatys": lambda: Recipe(
        name="gatys",
        source="Gatys, Ecker and Bethge, Image style transfer using convolutional neural networks, CVPR 2016",
        note=(
            "As printed: alpha/beta = 1e-3, average pooling, white noise, L-BFGS. The printed content loss, "
            "1/2 sum (F - P)^2, grows with the picture; here it is the mean times what it has at the paper's 512 x 512 "
            "(512 channels, 64 x 64 positions), so that the balance is the paper's there and the same at other sizes. "
            "The paper also rescales the filters to mean activation 1 (rescale=True); with these weights the content "
            "then drowns the style, so the filters are left as they were trained."
        ),
        pooling="average",
        content_layers={"relu4_2": 1.0},
        content_weight=1e-3 * 0.5 * 512 * 64 * 64,
        content_loss="mean",
        style_layers=_FIFTHS,
        style_weight=1.0,
        style_loss="gatys",
        size=512,
        start="noise",
        noise="normal",
        noise_range=(0.0, 64.0),
        optimizer="lbfgs",
        memory=20,
        line_search=True,
        evaluations=25,
        pixel_range=255.0,
        scales=((1.0, 20),),
        snapshot_every=1,
    ),
    "keras-sgd": lambda: Recipe(
        name="keras-sgd",
        source="Keras example, neural style transfer with VGG-19 and SGD",
        note=(
            "Keras resizes pictures by nearest neighbour, as resample='nearest' does; this recipe averages: for a "
            "photograph (china) at 400 x 600 the first loss is 56 121 by that, 45 942 by this."
        ),
        preprocessing="caffe",
        content_layers={"relu5_2": 1.0},
        content_weight=2.5e-8,
        content_loss="sum",
        style_layers=_FIFTHS,
        style_weight=1e-6,
        style_loss="picture",
        tv_weight=1e-6,
        tv_loss="power",
        tv_range=255.0,
        size=400,
        fit="rows",
        upscale=True,
        optimizer="sgd",
        learning_rate=100.0,
        decay=0.96,
        decay_steps=100,
        pixel_range=255.0,
        scales=((1.0, 10_000),),
        snapshot_every=100,
    ),
    "three-losses": lambda: Recipe(
        name="three-losses",
        source="three-loss batch version (content, style, total variation) in PyTorch",
        note=(
            "The source gives no weights: these make all three losses matter in ten steps. Batches of up to 8 pairs of "
            "content and style."
        ),
        preprocessing="none",
        content_layers={"relu5_2": 1.0},
        content_weight=2e3,
        content_loss="mean",
        style_layers=dict.fromkeys(("relu1_1", "relu2_1", "relu3_1"), 1.0),
        style_weight=2e-6,
        style_loss="mean",
        tv_weight=0.02,
        tv_loss="l1",
        size=(224, 224),
        upscale=True,
        optimizer="sgd",
        learning_rate=0.01,
        scales=((1.0, 10),),
        snapshot_every=1,
        batch=8,
    ),
    "lbfgs": lambda: Recipe(
        name="lbfgs",
        source="Keras example, neural style transfer with VGG-16 and L-BFGS",
        note=(
            "Each step is a call of SciPy's L-BFGS-B with maxfun=20, from where the last one ended: pip install scipy. "
            "VGG-16's Oxford weights need a download; without one, network='vgg19' with weights='oxford' comes nearest."
        ),
        network="vgg16",
        weights="torchvision-oxford",
        preprocessing="caffe",
        content_layers={"relu4_2": 1.0},
        content_weight=0.025,
        content_loss="sum",
        style_layers=_FIFTHS,
        style_weight=1.0,
        style_loss="picture",
        tv_weight=1.0,
        tv_loss="power",
        tv_range=255.0,
        size=(300, 500),
        upscale=True,
        start="noise",
        noise="uniform",
        noise_range=(-128.0, 127.0),
        optimizer="lbfgs-b",
        memory=10,
        evaluations=20,
        pixel_range=255.0,
        scales=((1.0, 30),),
        snapshot_every=1,
    ),
    "five-layer": lambda: Recipe(
        name="five-layer",
        source="PyTorch system with five content and five style layers and Adam",
        preprocessing="none",
        content_layers={"relu1_2": 0.05, "relu2_2": 0.05, "relu3_4": 0.15, "relu4_4": 0.3, "relu5_4": 0.45},
        content_weight=0.5,
        content_loss="mean",
        style_layers={"relu1_2": 0.1, "relu2_2": 0.1, "relu3_4": 0.6, "relu4_4": 0.1, "relu5_4": 0.1},
        style_weight=0.5,
        style_loss="mean",
        optimizer="adam",
        learning_rate=0.001,
        clamp="forward",
        scales=((1.0, 1_000),),
    ),
    "avgpool": lambda: Recipe(
        name="avgpool",
        source="average-pooling Adam system after Gatys, VGG-19",
        note="TensorFlow pools with padding SAME: an odd last row or column is kept.",
        preprocessing="caffe",
        pooling="average-same",
        content_layers={"relu5_2": 1.0},
        content_weight=5.0,
        content_loss="half_sum",
        style_layers=dict(zip(_FIRST, (0.5, 1.0, 1.5, 3.0, 4.0), strict=True)),
        style_weight=100.0,
        style_loss="gatys",
        start="mix",
        start_mix=0.25,
        noise="uniform",
        noise_range=(-20.0, 20.0),
        optimizer="adam",
        learning_rate=2.0,
        pixel_range=255.0,
        scales=((1.0, 3_000),),
        snapshot_every=100,
    ),
}
"""The named recipes, made when they are asked for: checking their layers and losses takes torch."""


@functools.cache
def _made(name: str) -> Recipe:
    return _NAMED[name]()


def names() -> tuple[str, ...]:
    """Names of the recipes, the default first."""
    return tuple(_NAMED)


def get(recipe: str | Recipe = "fast") -> Recipe:
    """A recipe by its name; a `Recipe` is returned as it is.

    Raises:
        RecipeError: there is no recipe of that name.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str) or recipe not in _NAMED:
        raise RecipeError(did_you_mean("recipe", recipe, _NAMED))
    return _made(recipe)


def table(which: Iterable[str | Recipe] | None = None) -> list[dict[str, str]]:
    """One row for each field in which the recipes differ: ``{"field": ..., <recipe>: value, ...}``."""
    chosen = [get(recipe) for recipe in (names() if which is None else which)]
    rows = []
    for field in fields():
        if field.kind == "text":  # what it is called and where it comes from
            continue
        values = [recipe.to_dict()[field.name] for recipe in chosen]
        if any(value != values[0] for value in values):
            cells = {recipe.name: _cell(value) for recipe, value in zip(chosen, values, strict=True)}
            rows.append({"field": field.name} | cells)
    return rows


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{layer} {weight:g}" for layer, weight in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
