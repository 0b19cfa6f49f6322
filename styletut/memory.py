"""How much memory a run takes, how much there is, and how to make do with it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch

from .errors import RecipeError
from .recipes import Recipe
from .tiles import Tiling
from .vgg import VGG, layers

TILES = (2048, 1536, 1024, 768, 512, 384)
"""Sides that are tried, in pixels. Below the last the halo would be most of what is computed."""

PAIRS = (10, 8, 5, 3, 2)
"""Steps that L-BFGS may be asked to remember when there is no room for the recipe's."""

SHARE = 0.8
"""Of the memory that is free when a run begins, how much it takes by itself."""

SCRATCH = 200_000_000
"""Bytes that convolutions work in, whatever the picture's size (measured on a CPU by benchmarks/memory.py)."""

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


@dataclass(frozen=True)
class Plan:
    """How a picture is computed: in tiles of that side (None: whole), with so many steps remembered by L-BFGS.

    ``bytes`` is the peak above what the process has already.
    """

    tile: int | None
    pairs: int
    bytes: int


def parse(amount: int | float | str) -> int:
    """Bytes, from a number or a text such as ``4GB``, ``3.5 GiB`` or ``800M``.

    >>> parse("4 GiB"), parse("800MB")
    (4294967296, 800000000)

    Raises:
        RecipeError: it is no amount of memory.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]i?)?b?\s*", str(amount), re.IGNORECASE)
    value = float(found[1]) * _UNITS[(found[2] or "").lower()] if found else 0.0
    if isinstance(amount, bool) or not 1 <= value < math.inf:
        raise RecipeError(f"{amount!r} is no amount of memory: write it like 4GB or 800MB")
    return int(value)


def available(device: torch.device) -> int | None:
    """Bytes that are free on a device now, None where it does not say."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch keeps in its cache is free for torch.
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    import psutil

    return int(psutil.virtual_memory().available)


def needed(
    recipe: Recipe,
    vgg: VGG | None,
    size: tuple[int, int],
    precision: str,
    *,
    batch: int = 1,
    tile: int | None = None,
    pairs: int | None = None,
) -> int:
    """Bytes at the peak of a run at ``size`` (rows, columns), above what the process has before it.

    They are the activations that are kept for the gradient (of the picture, or of the largest tile with its halo), the
    content features, the weights, and the optimiser's copies of the picture.
    """
    pixels = batch * size[0] * size[1]
    computed = pixels if tile is None else batch * Tiling.of(vgg, size, tile).largest
    bytes_each = {"bfloat16": 2, "float32": 4, "float64": 8}[precision]
    kept = target = weights = 0.0
    if vgg is not None:
        for layer in layers(vgg.network):
            if layer.name not in vgg.layers:
                break
            share = layer.channels / layer.stride**2
            if layer.kind != "conv":  # a conv's output is not needed for the gradient, its ReLU's is
                indices = 8 if layer.kind == "pool" and vgg.pooling == "max" else 0
                kept += share * (bytes_each + indices)
            if layer.name in recipe.style_layers and bytes_each == 2:
                kept += share * 4  # Gram matrices are taken of a float32 copy
            if layer.name in {vgg.names.get(name) for name in recipe.content_layers}:
                target += share * bytes_each
        # While block 1 is on its way back, three more maps of its size are alive.
        kept += 3 * 64 * bytes_each
        weights = sum(p.numel() * p.element_size() for p in vgg.parameters())
    copies = {"sgd": 4, "adam": 6, "lbfgs": 8 + 2 * (recipe.memory if pairs is None else pairs)}[recipe.optimizer]
    pictures = pixels * copies * 3 * (8 if precision == "float64" else 4)
    # Untiled, the target lies below the peak: it is made before the first activation is kept.
    return int(computed * kept + pictures + weights + SCRATCH + (0 if tile is None else pixels * target))


def plan(
    recipe: Recipe,
    vgg: VGG | None,
    size: tuple[int, int],
    precision: str,
    *,
    batch: int = 1,
    budget: int | None = None,
    tile: int | None = None,
) -> Plan:
    """The quickest way to compute a picture of ``size`` within ``budget`` bytes.

    Whole if that fits; else in tiles, as large as they may be; if the optimiser alone takes too much, L-BFGS has to
    remember fewer steps. A ``tile`` that is given is kept.

    Raises:
        RecipeError: it does not fit in any way.
    """

    def cost(side: int | None, pairs: int) -> int:
        return needed(recipe, vgg, size, precision, batch=batch, tile=side, pairs=pairs)

    sides = [tile]
    if tile is None and vgg is not None:
        sides += [side for side in TILES if side < max(size)]
    least = math.inf
    for pairs in (recipe.memory, *(p for p in PAIRS if p < recipe.memory and recipe.optimizer == "lbfgs")):
        for side in sides:
            took = cost(side, pairs)
            if budget is None or took <= budget:
                return Plan(side, pairs, took)
            least = min(least, took)
    raise RecipeError(
        f"a picture of {size[1]} x {size[0]} takes {least / 1e9:.1f} GB at least, and it may take "
        f"{(budget or 0) / 1e9:.1f}: allow more memory, or choose a smaller size or another optimizer than "
        f"{recipe.optimizer!r}"
    )


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has run out of memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "allocate memory" in text)
    )
