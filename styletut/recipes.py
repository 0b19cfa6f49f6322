"""A recipe is the whole truth about a run; seven of them have names.

`Recipe` holds every choice: network, layers, losses, start, optimiser, sizes, steps, precision, seed. Defaults live
here and nowhere else. Five recipes reproduce published systems to the digit, ``gatys`` is the paper's, and ``fast``
is the one that looks best soonest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

from .errors import RecipeError, did_you_mean, shown
from .losses import CONTENT_FORMS, STYLE_LOSSES, TV_FORMS, TV_REDUCTIONS
from .vgg import NETWORKS, POOLINGS, PREPROCESSINGS, Weights, _known, canonical

_CHOICES: dict[str, tuple[str, ...]] = {
    "network": tuple(NETWORKS),
    "preprocessing": PREPROCESSINGS,
    "pooling": POOLINGS,
    "content_loss": CONTENT_FORMS,
    "style_loss": tuple(STYLE_LOSSES),
    "tv_loss": TV_FORMS,
    "tv_reduction": TV_REDUCTIONS,
    "fit": ("long", "short", "rows", "exact", "pixels"),
    "resample": ("bicubic", "nearest"),
    "start": ("content", "style", "noise", "mix"),
    "noise": ("uniform", "normal"),
    "optimizer": ("sgd", "adam", "lbfgs", "lbfgs-b"),
    "clamp": ("none", "forward", "step"),
    "precision": ("auto", "float32", "bfloat16", "float16", "float64"),
}
_ABOVE = math.ulp(0.0)
_NUMBERS: dict[str, tuple[float, float]] = {
    "content_weight": (0, math.inf),
    "style_weight": (0, math.inf),
    "tv_weight": (0, math.inf),
    "tv_range": (_ABOVE, math.inf),
    "style_scale": (_ABOVE, 1e6),
    "start_mix": (0, 1),
    "learning_rate": (_ABOVE, math.inf),
    "decay": (_ABOVE, 1),
    "pixel_range": (_ABOVE, math.inf),
    "decorrelation": (0, 10),
}
"""The least and the most of each number; all are finite."""
_WHOLE: dict[str, int] = {"decay_steps": 1, "memory": 1, "evaluations": 1, "snapshot_every": 0, "batch": 1, "seed": 0}
"""The least of each whole number."""
_LARGEST = 2**63 - 1
_LONGEST = 1_000_000
"""Pixels of the longest side that may be asked for."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe:
    """Every choice of a style transfer. Frozen: `replace` makes a variant.

    Raises:
        RecipeError: a value is out of range or not one of the choices, or nothing is left to optimise.
        LayerError: a layer does not exist in the network.

    >>> get("five-layer").replace(seed=3).content_layers["relu5_4"]
    0.45
    """

    name: str = "custom"
    source: str = ""
    """The paper or system it comes from."""
    note: str = ""
    """What is particular about it, or chosen where the source is silent."""

    network: str = "vgg19"
    weights: str | os.PathLike[str] | Weights = "oxford"
    """``oxford``, ``torchvision``, ``random``, a path, or a `vgg.Weights`."""
    preprocessing: str = "auto"
    pooling: str = "max"
    rescale: bool = False
    """Scale the filters to mean activation 1 (Gatys et al. 2016, section 2)."""

    content_layers: Mapping[str, float] = field(default_factory=lambda: {"relu4_2": 1.0})
    content_weight: float = 1.0
    content_loss: str = "relative"
    style_layers: Mapping[str, float] = field(default_factory=lambda: {f"relu{i}_1": 0.2 for i in range(1, 6)})
    style_weight: float = 1.0
    style_loss: str = "relative"
    tv_weight: float = 0.0
    tv_loss: str = "squared"
    tv_range: float = 1.0
    """The differences are taken of a picture on the scale 0 to ``tv_range``."""
    tv_reduction: str = "sum"

    size: int | tuple[int, int] | None = None
    """Pixels, as ``fit`` means them; (rows, columns) for ``exact``; None for the picture's own size."""
    fit: str = "long"
    upscale: bool = False
    """Enlarge a picture that is smaller than ``size``."""
    resample: str = "bicubic"
    """How pictures are brought to their first size: ``bicubic``, antialiased, or ``nearest``, as Keras loads them."""
    style_scale: float = 1.0
    """Longer side of the style picture over the content picture's; the style is never enlarged, its aspect is kept."""

    start: str = "content"
    start_mix: float = 0.25
    """The content's share in the start ``mix``."""
    noise: str = "uniform"
    noise_range: tuple[float, float] = (-128.0, 127.0)
    """Noise around the network's mean in 0..255 units: (low, high) if uniform, (mean, standard deviation) if normal."""

    optimizer: str = "lbfgs"
    """``lbfgs-b`` is SciPy's (an extra), each step a call of its own, on one picture at a time."""
    learning_rate: float = 1.0
    decay: float = 1.0
    """The learning rate is multiplied by ``decay ** (step / decay_steps)``, continuously."""
    decay_steps: int = 100
    memory: int = 10
    """Pairs of vectors that L-BFGS keeps."""
    line_search: bool = False
    """Strong Wolfe line search in L-BFGS."""
    evaluations: int = 1
    """At most so many evaluations (loss and gradient) in one step; ``lbfgs-b`` ends the line search that it is in."""
    restart: bool = False
    """L-BFGS forgets its memory after each step."""
    pixel_range: float = 1.0
    """The optimiser moves a picture on the scale 0 to ``pixel_range``: a learning rate means nothing without it."""
    decorrelation: float = 0.0
    """The optimiser moves spatial frequency f by ``f ** -decorrelation``, and colour less (`optim.Spectrum`): 0 for
    pixels as they are."""
    keep_grey: bool = False
    """Where the content, the styles and the start are grey, the result is."""
    clamp: str = "none"
    """Keep the picture in its range: ``forward`` (what the network sees), ``step`` (after each step), or ``none``."""

    scales: tuple[tuple[float, int], ...] = ((1.0, 500),)
    """From coarse to fine: (share of the full size, steps)."""
    snapshot_every: int = 0
    """Keep the picture every so many steps; 0 for never."""
    batch: int = 1
    """How many content pictures may be optimised in one go."""
    precision: str = "float32"
    """Of the network; ``auto`` is bfloat16 where the hardware computes in it, float32 elsewhere."""
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("name", "source", "note"):
            if not isinstance(getattr(self, key), str):
                raise RecipeError(f"{key} must be text, not {shown(getattr(self, key))}")
        for key, choices in _CHOICES.items():
            _known(key.replace("_", " "), getattr(self, key), choices, RecipeError)
        for key, (least, most) in _NUMBERS.items():
            self._set(key, _number(key, getattr(self, key), least, most))
        for key, fewest in _WHOLE.items():
            self._set(key, _whole(key, getattr(self, key), fewest))
        for key in ("rescale", "upscale", "line_search", "restart", "keep_grey"):
            if not isinstance(getattr(self, key), bool):
                raise RecipeError(f"{key} must be true or false, not {shown(getattr(self, key))}")
        if self.optimizer == "lbfgs" and self.line_search and self.evaluations < 2:
            raise RecipeError("a line search needs at least 2 evaluations in a step: set evaluations")
        if self.optimizer in ("sgd", "adam") and self.evaluations > 1:
            raise RecipeError(f"{self.optimizer} takes one evaluation in a step, not {self.evaluations}: evaluations=1")
        if isinstance(self.weights, os.PathLike):
            self._set("weights", os.fspath(self.weights))
        if not isinstance(self.weights, (str, Weights)):
            raise RecipeError(f"weights must be a name, a path or a Weights object, not {shown(self.weights)}")
        self._set("content_layers", self._layers("content_layers"))
        self._set("style_layers", self._layers("style_layers"))
        self._set("noise_range", self._pair("noise_range"))
        self._set("size", self._size())
        self._set("scales", self._scales())
        if not self.layers and not self.tv_weight:
            raise RecipeError("nothing to optimise: give content layers, style layers or a total variation weight")

    def _set(self, key: str, value: object) -> None:
        object.__setattr__(self, key, value)

    def _layers(self, key: str) -> Mapping[str, float]:
        given = getattr(self, key)
        named = given if isinstance(given, Mapping) else _sequence(given)
        if named is None:
            raise RecipeError(f"{key} must map layers to weights, for example {{'relu4_2': 1.0}}, not {shown(given)}")
        found: dict[str, float] = {}
        for layer in named:
            place = canonical(layer, self.network)
            if place in found:
                raise RecipeError(f"{key} names {place} twice ({layer!r} is another name for it)")
            weight = named[layer] if isinstance(named, Mapping) else 1.0
            found[place] = _number(f"the weight of {layer} in {key}", weight, 0, math.inf)
        return MappingProxyType(found)

    def _pair(self, key: str) -> tuple[float, float]:
        given = _sequence(getattr(self, key))
        if given is None or len(given) != 2:
            raise RecipeError(f"{key} must be two numbers, not {shown(getattr(self, key))}")
        low, high = (_number(f"each of {key}", value, -math.inf, math.inf) for value in given)
        if self.noise == "uniform" and low > high:
            raise RecipeError(f"{key} must be (low, high) for uniform noise, not {shown(getattr(self, key))}")
        return low, high

    def _size(self) -> int | tuple[int, int] | None:
        if self.size is None:
            return None
        if isinstance(self.size, Integral):
            if self.fit == "exact":
                self._set("fit", "long")
            return _whole("size", self.size, 1, _LONGEST)
        sides = _sequence(self.size)
        if sides is None or len(sides) != 2:
            raise RecipeError(f"size must be a number of pixels, or (rows, columns), not {shown(self.size)}")
        self._set("fit", "exact")
        rows, columns = (_whole("each side of size", side, 1, _LONGEST) for side in sides)
        return rows, columns

    def _scales(self) -> tuple[tuple[float, int], ...]:
        pairs = [_sequence(pair) for pair in _sequence(self.scales) or ()]
        if not pairs:
            raise RecipeError(
                f"scales must be pairs (share of the size, steps), one at least, not {shown(self.scales)}"
            )
        scales = []
        for pair in pairs:
            if pair is None or len(pair) != 2:
                raise RecipeError(f"scales must be pairs (share of the size, steps), not {shown(self.scales)}")
            share = _number("the share of the size in scales", pair[0], _ABOVE, 1)
            scales.append((share, _whole("the steps in scales", pair[1], 1)))
        if sum(steps for _, steps in scales) > _LARGEST:
            raise RecipeError(f"the steps of all scales must be below 2**63, not {shown(self.scales)}")
        return tuple(scales)

    # --- reading -------------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that count, each once, in no particular order."""
        content = self.content_layers if self.content_weight else ()
        style = self.style_layers if self.style_weight else ()
        return tuple(dict.fromkeys([*content, *style]))

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
        known = [*(f.name for f in dataclasses.fields(self)), "steps"]
        for key in changes:
            if key not in known:
                raise RecipeError(did_you_mean("recipe field", key, known))
        budget = _whole("steps", changes.pop("steps"), 1) if "steps" in changes else None
        made = dataclasses.replace(self, **changes)
        return made if budget is None else dataclasses.replace(made, scales=_spread(made.scales, budget))

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, ready for JSON; weights that are an object become their description in <>."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for key in ("content_layers", "style_layers"):
            values[key] = dict(values[key])
        if isinstance(self.weights, Weights):
            values["weights"] = f"<{self.weights.source}>"
        else:
            values["weights"] = str(self.weights)
        return values

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
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return _rebuild, (
            fields | {"content_layers": dict(self.content_layers), "style_layers": dict(self.style_layers)},
        )

    def __repr__(self) -> str:
        """Name, then each field that is not the default, one a line."""
        lines = []
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            value = dict(value) if isinstance(value, MappingProxyType) else value
            value = self.to_dict()["weights"] if isinstance(value, Weights) else value
            default = f.default_factory() if callable(f.default_factory) else f.default
            if f.name == "name" or value != default:
                lines.append(f"    {f.name}={value!r},")
        return "\n".join(["Recipe(", *lines, ")"])


def _rebuild(fields: dict[str, Any]) -> Recipe:
    return Recipe(**fields)


def _number(key: str, value: object, least: float, most: float) -> float:
    """A finite number from ``least`` to ``most``, as a float: equal recipes must not differ in how they are written."""
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # an integer of hundreds of digits
            number = float(value)
    if not (math.isfinite(number) and least <= number <= most):
        low = {-math.inf: "", _ABOVE: "above 0"}.get(least, f"{least:g} or more")
        high = "" if most == math.inf else f"{most:g} at most"
        bounds = " and ".join(filter(None, [low, high])) or "finite"
        raise RecipeError(f"{key} must be a number, {bounds}, not {shown(value)}")
    return number + 0.0  # no minus zero


def _whole(key: str, value: object, least: int, most: int = _LARGEST) -> int:
    """A whole number from ``least`` to ``most``; 3.0 is one, as JSON's readers and writers may have it."""
    whole = isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
    number = int(value) if whole and not isinstance(value, bool) else least - 1  # type: ignore[call-overload]
    if not least <= number <= most:
        high = "below 2**63" if most == _LARGEST else f"{most:,} at most"
        raise RecipeError(f"{key} must be a whole number, {least} or more and {high}, not {shown(value)}")
    return number


def _sequence(value: object) -> list[Any] | None:
    """The values of a list, tuple, array or anything like it; None if it has none, or no end."""
    if isinstance(value, (str, bytes, Mapping)):
        return None
    try:
        found = list(itertools.islice(value, 10_001))  # type: ignore[call-overload]
    except TypeError:
        return None
    return found if len(found) <= 10_000 else None


def _spread(scales: tuple[tuple[float, int], ...], steps: int) -> tuple[tuple[float, int], ...]:
    """Share ``steps`` over the scales as they are shared now; the finest scale gets what is left."""
    total = sum(n for _, n in scales)
    coarse = [(share, steps * n // total) for share, n in scales[:-1]]
    rest = steps - sum(n for _, n in coarse)
    return tuple((share, n) for share, n in [*coarse, (scales[-1][0], rest)] if n > 0)


# --- the named recipes -------------------------------------------------------------------------------

_FIRST = tuple(f"relu{i}_1" for i in range(1, 6))
_FIFTHS = dict.fromkeys(_FIRST, 0.2)

_NAMED = (
    Recipe(
        name="fast",
        source="styletut; chosen by looking, see benchmarks/candidates.py",
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
    Recipe(
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
    Recipe(
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
    Recipe(
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
    Recipe(
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
    Recipe(
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
    Recipe(
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
)
_BY_NAME = {recipe.name: recipe for recipe in _NAMED}


def names() -> tuple[str, ...]:
    """Names of the recipes, the default first."""
    return tuple(_BY_NAME)


def get(recipe: str | Recipe = "fast") -> Recipe:
    """A recipe by its name; a `Recipe` is returned as it is.

    Raises:
        RecipeError: there is no recipe of that name.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str) or recipe not in _BY_NAME:
        raise RecipeError(did_you_mean("recipe", recipe, _BY_NAME))
    return _BY_NAME[recipe]


def table(which: Iterable[str | Recipe] | None = None) -> list[dict[str, str]]:
    """One row for each field in which the recipes differ: ``{"field": ..., <recipe>: value, ...}``."""
    chosen = [get(r) for r in (names() if which is None else which)]
    rows = []
    for f in dataclasses.fields(Recipe):
        if f.name in ("name", "source", "note"):
            continue
        values = [r.to_dict()[f.name] for r in chosen]
        if any(value != values[0] for value in values):
            rows.append({"field": f.name} | {r.name: _cell(v) for r, v in zip(chosen, values, strict=True)})
    return rows


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{layer} {weight:g}" for layer, weight in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
