"""How much memory a run takes, how much is available, and how to stay within it."""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch

from .. import architecture
from ..errors import RecipeError
from ..losses import STYLE_LOSSES
from ..lowmem.distributed import share
from ..lowmem.tape import blocks, count_convs, strips
from ..lowmem.tiles import Tiling
from ..recipes import Recipe
from ..vgg import VGG
from . import optimizers

TILES = (2048, 1536, 1024, 768, 512, 384)
"""Sides that are tried, in pixels. Below the last the halo would be most of what is computed."""

PAIRS = (10, 8, 5, 3, 2)
"""Steps that L-BFGS may be asked to remember when there is no room for the recipe's."""

SHARE = 0.8
"""Of the memory that is free when a run begins, how much it takes by itself."""

SCRATCH = 35_000_000
"""What convolutions work in, times the bytes of a number, whatever the size (measured by benchmarks/memory.py)."""
PIECES = 40_000_000
"""What tiles take beside their own share, times the bytes of a number: memory that is given back in pieces is not all
used again (measured)."""
WHOLE_MAPS = 6
"""Copies in float32 of the features that a style loss makes which needs all positions at once (sorted projections,
their places and gradients, and those of the target)."""
EVALUATION = 4
"""Copies of the picture that an evaluation makes by itself."""
COLOURS = {"luminance": 16, "covariance": 9, "histogram": 28}
"""Copies of the picture in float32 that each way to keep colours makes (measured at 2048 x 2048)."""
COMPILER = 100_000_000
"""torch's compiler, which its own optimisers import (measured)."""

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
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]i?)?b?\s*", str(amount), re.IGNORECASE)
    value = float(match[1]) * _UNITS[(match[2] or "").lower()] if match else 0.0
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

    return min([int(psutil.virtual_memory().available), *_container()])


def _container(root: Path = Path("/")) -> Iterator[int]:
    """Bytes that each limit on this process's control group leaves (Linux, versions 1 and 2): a container's memory.

    A group is held to the limits of those above it too. Within a container it may see its own group as the topmost.
    """
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        hierarchy, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if (hierarchy, controllers) == ("0", ""):
            places: tuple[Path, ...] = (mounts, mounts / "unified")
            names = ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            places = tuple(dict.fromkeys((mounts / "memory", mounts / controllers)))
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        path = PurePosixPath(group.lstrip("/"))
        for mount in places:
            for level in (path, *path.parents):
                left = _left(mount / level, *names)
                if left is not None:
                    yield left


def _left(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """What the limit of one control group leaves; None if it has none. Files that were only read make way."""
    try:
        most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, most - used + int(stat.get(reclaimable, 0)))
    except (OSError, ValueError):  # no such group, or "max"
        return None


def needed(
    recipe: Recipe,
    vgg: VGG | None,
    size: tuple[int, int],
    precision: str,
    *,
    batch: int = 1,
    regions: int = 0,
    tile: int | None = None,
    pairs: int | None = None,
    device: str = "cpu",
    workers: int = 1,
    style: tuple[int, int] | None = None,
) -> int:
    """Bytes at the peak of a run at ``size`` (rows, columns), above what the process has before it.

    They are what the network keeps for the gradient (of the picture, or of the largest tile with its halo), what it
    takes to read the largest ``style`` (rows, columns), or what it takes to keep colours, whichever is most; the
    content features, the weights of positions in each region, and the optimiser's copies of the picture. The network's
    own weights are there already.
    """
    bytes_each = {"bfloat16": 2, "float16": 2, "float32": 4, "float64": 8}[precision]
    gradients = 4 if precision == "float16" else bytes_each  # in float16 they would be lost
    passing = target = 0.0
    if vgg is not None:
        padded = _largest(vgg, size, tile or share(size, workers))
        passing = batch * _tape(vgg, padded, bytes_each, device, gradients)[1]
        if style is not None and recipe.style_weight:
            passing = max(passing, _forward(vgg, _largest(vgg, style, tile or style), bytes_each, device))
        for name in recipe.content_layers if recipe.content_weight else ():
            target += batch * _values(vgg, name, size) * gradients
        if not STYLE_LOSSES[recipe.style_loss].additive:
            for name in recipe.style_layers if recipe.style_weight else ():
                target += batch * _values(vgg, name, size) * 4 * WHOLE_MAPS
    if recipe.colour_strength and recipe.colour in COLOURS:
        pixels = max(batch * math.prod(size), math.prod(style or (0, 0)))
        passing = max(passing, COLOURS[recipe.colour] * pixels * 3 * 4)
    picture_bytes = 8 if precision == "float64" else 4
    if vgg is not None and recipe.style_weight:
        positions = sum(math.prod(size) / vgg.strides[name] ** 2 for name in recipe.style_layers)
        target += regions * positions * picture_bytes
    copies = optimizers.copies(recipe, pairs, picture_bytes)
    copies += 1 if recipe.decorrelation else 0
    if vgg is None:  # beside a network these are small, and there when it has let go
        copies += EVALUATION
    pictures = batch * math.prod(size) * copies * 3 * picture_bytes
    ours = optimizers.kind(recipe) == "lbfgs"
    constant = (SCRATCH + (0 if tile is None else PIECES)) * bytes_each + (0 if ours else COMPILER)
    return int(passing + target + pictures + constant)


def _largest(vgg: VGG, size: tuple[int, int], tile: int | tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the largest tile with its halo."""
    return max((each.padded.size for each in Tiling.of(vgg, size, tile)), key=math.prod)


def _values(vgg: VGG, name: str, size: tuple[int, int]) -> float:
    """Values of a layer's features of a picture."""
    layer = architecture.layer(vgg.names[name], vgg.network)
    return math.prod(size) * layer.channels / layer.stride**2


def _tape(
    vgg: VGG, size: tuple[int, int], bytes_each: int, device: str, gradients: int | None = None
) -> tuple[float, float]:
    """Bytes that a `tape.Tape` keeps of one picture of ``size``, and those at the peak of both passes.

    A feature takes ``bytes_each``, its gradient ``gradients`` (as many, if not given).
    """
    ratio = (gradients or bytes_each) / bytes_each
    kept = peak = 0.0
    for block in blocks(vgg.sequence):
        first = block[0]
        rows, columns = max(1, size[0] // first.stride), max(1, size[1] // first.stride)
        row = columns * first.channels * bytes_each
        share = max(s.stop - s.start for _, s in strips(rows, row, count_convs(block), device, wraps=vgg.wraps)) / rows
        for layer, after in itertools.pairwise((*block, None)):
            assert layer is not None
            pooled = after is not None and after.kind == "pool" and vgg.takes_maxima
            values = (size[0] // layer.stride) * (size[1] // layer.stride) * layer.channels
            if layer.name in vgg.wanted:
                kept += values * bytes_each if layer.index != 1 else 0  # that one is computed again
            elif layer.kind == "relu" and not pooled:
                kept += values
            if layer.kind == "pool" and vgg.takes_maxima:
                kept += 3 * values
        # In the backward pass three maps of a strip, a copy in float32 of one for its statistic, and the gradients of
        # the block's input and output. Padding other than zeros copies a map.
        strip = rows * row * share
        copy = strip * 4 / bytes_each if bytes_each == 2 and any(layer.name in vgg.wanted for layer in block) else 0
        handed = rows * row * (1.0 if share < 1 else 0.5)
        maps = 3 if vgg.padding == "zeros" else 4
        peak = max(peak, kept + maps * ratio * strip + copy + ratio * handed / 2)
    return kept, peak


def _forward(vgg: VGG, size: tuple[int, int], bytes_each: int, device: str) -> float:
    """Bytes at the peak of a forward pass that keeps nothing: a block's input and output, and two maps of a strip."""
    image = taken = float(math.prod(size) * 3 * max(4, bytes_each))
    peak = 0.0
    for block in blocks(vgg.sequence):
        first, last = block[0], block[-1]
        rows, columns = max(1, size[0] // first.stride), max(1, size[1] // first.stride)
        row = columns * first.channels * bytes_each
        share = max(s.stop - s.start for _, s in strips(rows, row, count_convs(block), device, wraps=vgg.wraps)) / rows
        out = math.prod(size) * last.channels * bytes_each / last.stride**2
        peak = max(peak, taken + out + 2 * rows * row * share)
        taken = out
    return image + peak


def plan(
    recipe: Recipe,
    vgg: VGG | None,
    size: tuple[int, int],
    precision: str,
    *,
    batch: int = 1,
    regions: int = 0,
    budget: int | None = None,
    tile: int | None = None,
    device: str = "cpu",
    workers: int = 1,
    style: tuple[int, int] | None = None,
) -> Plan:
    """The quickest way to compute a picture of ``size`` within ``budget`` bytes, its largest ``style`` read as well.

    Whole (or, with several ``workers``, a strip by each) if that fits; else in tiles, as large as they may be; if the
    optimiser alone takes too much, L-BFGS has to remember fewer steps. A ``tile`` that is given is kept.

    Raises:
        RecipeError: it does not fit in any way.
    """

    cost = functools.partial(
        needed, recipe, vgg, size, precision, batch=batch, regions=regions, device=device, workers=workers, style=style
    )
    sides = [tile]
    if tile is None and vgg is not None:
        sides += [side for side in TILES if side < max(*size, *(style or ()))]
    smallest = math.inf
    for pairs in (recipe.memory, *(p for p in PAIRS if p < recipe.memory and recipe.optimizer == "lbfgs")):
        for side in sides:
            taken = cost(tile=side, pairs=pairs)
            if budget is None or taken <= budget:
                return Plan(side, pairs, taken)
            smallest = min(smallest, taken)
    another = " or another optimizer than 'lbfgs'" if recipe.optimizer == "lbfgs" else ""
    margin = ", its margin included," if recipe.margin and recipe.padding != "circular" else ""
    what = f"a picture of {size[1]} x {size[0]}{margin}"
    if style and math.prod(style) > math.prod(size):
        what += f" with a style of {style[1]} x {style[0]}"
    raise RecipeError(
        f"{what} takes {math.ceil(smallest / 1e6):,} MB at least, and it may take {(budget or 0) // 10**6:,} MB: "
        f"allow more memory, or choose a smaller size{another}"
    )


def give_back() -> None:
    """Return freed memory to the system; glibc, the C library of most Linux systems, keeps what was freed in pieces."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has run out of memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "allocate memory" in text)
    )
