"""Values for the page: classic scripts that set a variable, because a page from ``file://`` cannot fetch."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import torch
from torch import Tensor

from .. import architecture, samples
from ..engine import guard, optim
from ..errors import WeightsError
from ..images import to_pil
from ..recipes import Recipe, field, fields, get
from ..transfer import METADATA_KEY
from ..vgg import CAFFE_MEAN
from ..weights import Weights, load_weights

DEEPEST, FINER = "relu4_1", "relu5_1"
"""The deepest layer of the weights that a page loads, and of those that it can load on top."""

RECIPES = ("fast", "gram")
"""The recipes that the page offers, as far as its weights go."""

LIBRARY_VERSION = "4.22.0"
"""Of TensorFlow.js, which `build` vendors."""

STYLE_LOSSES = ("mean-covariance", "relative")
POOLINGS = ("max-same", "max", "average")
STARTS = ("matched", "content", "style", "noise")
OPTIMISERS = ("lbfgs", "adam")

ADAM_RATE = 0.02
"""Learning rate with which Adam is offered, for pictures in a range of 1."""

CONTROLS = ("size", "strength", "content_weight", "style_weight", "tv_weight")
"""Fields of a recipe that the page shows with their own help."""


def script(name: str, value: Any) -> str:
    """A classic script that sets ``self[name]``.

    >>> script("answer", {"is": 42})
    'self.answer = {"is":42};\\n'
    """
    return f"self.{name} = {json.dumps(value, separators=(',', ':'), ensure_ascii=True, allow_nan=False)};\n"


# --- the network -------------------------------------------------------------------------------------------


def weights(deepest: str = DEEPEST, *, after: str | None = None, source: Weights | None = None) -> list[dict[str, Any]]:
    """The convolutions up to a layer (and after another), each with its filters as codes of one byte.

    The filters have the order of TensorFlow, (3, 3, in, out), and the first takes RGB. ``table`` holds the values of
    the 256 codes in float32; it, ``codes`` and ``biases`` are base64.

    Raises:
        LayerError: there is no such layer.
        WeightsError: a layer has more than 256 values, so that a byte cannot say which.

    >>> [layer["shape"] for layer in weights("relu1_2")]
    [[3, 3, 3, 64], [3, 3, 64, 64]]
    """
    source = load_weights("oxford") if source is None else source
    first = -1 if after is None else architecture.layer(after).index
    last, channels, entries = architecture.layer(deepest).index, 3, []
    for layer in architecture.layers():
        if layer.kind != "conv" or layer.index > last:
            continue
        filters, biases = source.filters(layer, channels)
        if layer.index == 0 and source.preprocessing == "caffe":
            filters = filters.flip(1)  # from BGR
        channels = len(filters)
        if layer.index > first:
            table, codes = torch.unique(filters.permute(2, 3, 1, 0), return_inverse=True)
            if len(table) > 256:
                raise WeightsError(f"{source.source}: {layer.name} has {len(table)} values, a byte tells 256 apart")
            entries.append(
                {
                    "name": layer.name,
                    "shape": list(codes.shape),
                    "table": _base64(table),
                    "codes": _base64(codes.to(torch.uint8)),
                    "biases": _base64(biases),
                }
            )
    return entries


def _base64(values: Tensor) -> str:
    array = values.contiguous().numpy()
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


# --- settings ----------------------------------------------------------------------------------------------


def recipe(name: str, deepest: str = DEEPEST) -> Recipe:
    """A recipe of the module as the page offers it: no layer beyond ``deepest``, no margin, a small size.

    Total variation is a mean, and the content is compared at ``deepest`` where the recipe's own layer is deeper.

    >>> recipe("fast").content_layers
    mappingproxy({'relu4_1': 1.0})
    """
    chosen, last = get(name), architecture.layer(deepest).index

    def within(layers: Any) -> dict[str, float]:
        return {layer: weight for layer, weight in layers.items() if architecture.layer(layer).index <= last}

    return chosen.replace(
        content_layers=within(chosen.content_layers) or {deepest: sum(chosen.content_layers.values())},
        style_layers=within(chosen.style_layers),
        tv_reduction="mean",
        margin=0,
        size=256,
    )


def settings() -> dict[str, Any]:
    """All that the page's scripts know of the module: layers, recipes, choices, constants."""
    last = architecture.layer(FINER).index
    table = [
        {key: getattr(layer, key) for key in ("name", "kind", "channels", "stride")}
        for layer in architecture.layers()
        if layer.index <= last
    ]
    betas, epsilon = (torch.optim.Adam([torch.zeros(1)]).defaults[key] for key in ("betas", "eps"))
    return {
        "version": _version(),
        "library": LIBRARY_VERSION,
        "key": METADATA_KEY,
        "options": [each.name for each in fields() if each.option],
        "network": {"table": table, "mean": list(CAFFE_MEAN), "range": 255, "deepest": DEEPEST, "finer": FINER},
        "recipes": {name: recipe(name).to_dict() for name in RECIPES},
        "bases": {name: get(name).to_dict() for name in RECIPES},
        "choices": {
            "style_loss": list(STYLE_LOSSES),
            "pooling": list(POOLINGS),
            "start": list(STARTS),
            "optimizer": list(OPTIMISERS),
        },
        "help": {name: field(name).help for name in (*CONTROLS, "start", "optimizer", "style_loss", "pooling")},
        "rates": {"adam": ADAM_RATE, "lbfgs": get(RECIPES[0]).learning_rate},
        "optimisers": {
            "adam": {"decays": list(betas), "epsilon": epsilon},
            "lbfgs": {"recent": optim.RECENT, "first": optim.FIRST},
        },
        "guard": {"diverged": guard.DIVERGED, "overshot": guard.OVERSHOT},
    }


def _version() -> str:
    from .. import __version__

    return __version__


# --- samples -----------------------------------------------------------------------------------------------


def sample_pictures(size: int = 384, quality: int = 85) -> list[dict[str, str]]:
    """The sample pictures as JPEG in base64, with who made them: ``[{name, kind, title, author, jpeg}, ...]``."""
    return [
        {
            "name": name,
            "kind": samples.info(name).kind,
            "title": samples.info(name).title,
            "author": samples.info(name).author,
            "jpeg": _jpeg(samples.load(name, size=size), quality),
        }
        for name in samples.names()
    ]


def _jpeg(picture: Tensor, quality: int) -> str:
    file = io.BytesIO()
    to_pil(picture).save(file, "JPEG", quality=quality, optimize=True)
    return base64.b64encode(file.getvalue()).decode()
