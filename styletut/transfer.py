"""The engine: from pictures and a recipe to a painting, step by step.

`iterate` gives a `Run`, an iterator of `Step`; `stylize` drives one with a progress bar and returns a `Result`.
An *evaluation* is one loss and its gradient, an *iteration* one step of the optimiser.
"""

from __future__ import annotations

import dataclasses
import datetime
import gc
import hashlib
import io
import json
import math
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from . import __version__, objective
from .engine import checkpoint as checkpoints
from .engine import lbfgsb, memory, optim, signals, streams
from .engine import progress as progress_
from .errors import CheckpointError, DeviceError, DivergenceError, ImageError, RecipeError, StyletutError, did_you_mean
from .images import check_picture, load_image, resize, save_image, to_pil
from .lowmem import tiles
from .recipes import Recipe, get
from .vgg import Weights, layers

Picture = Tensor | np.ndarray | Image.Image | str | os.PathLike[str]
"""A picture: a tensor (1, 3, H, W) in [0, 1] (or (B, 3, H, W)), or anything else that `images.load_image` takes."""
Pictures = Picture | Sequence[Picture]

METADATA_KEY = "styletut"
_BLOWN_UP = 1e3
"""A loss this many times the first one of its scale counts as divergence."""
_OVERSHOT = 10
"""A loss this many times the best one, and above the first one of its scale, sends L-BFGS without a line search back to
its best picture, memory cleared."""
_ENDED_ABOVE = 1.5
"""Where the last loss is this many times the best one, the best picture is the result."""


@contextmanager
def _own_modes() -> Iterator[None]:
    """torch's modes as a run needs them, whatever those of the caller are."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() != torch.float32:
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float32)
        if torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled():
            # Operations that have no other form are deterministic as they are used here.
            stack.callback(torch.use_deterministic_algorithms, True)
            torch.use_deterministic_algorithms(True, warn_only=True)
        yield


@dataclass(frozen=True)
class Step:
    """What one iteration did. ``losses`` are those of the last evaluation in it, weighted, with their ``total``."""

    scale: int
    scales: int
    iteration: int
    iterations: int
    evaluations: int
    seconds: float
    size: tuple[int, int]
    losses: dict[str, float]
    _run: Run = dataclasses.field(repr=False, compare=False)
    _number: int = dataclasses.field(repr=False, compare=False)

    def picture(self) -> Tensor:
        """The picture after this step, (B, 3, H, W) in [0, 1], on the CPU; a copy.

        Raises:
            ImageError: the run has gone on, and keeps no earlier picture.
        """
        if self._run._within or len(self._run.history) != self._number:
            raise ImageError(
                f"the run has gone on from step {self._number}, and its picture is gone: take it before the next step"
            )
        return self._run.picture()

    def record(self) -> dict[str, Any]:
        """The step as a row of `Result.history`."""
        kept = ("scale", "iteration", "evaluations", "seconds", "size", "losses")
        return {key: getattr(self, key) for key in kept}


@dataclass(frozen=True)
class Result:
    """A finished (or stopped) transfer.

    ``picture`` (B, 3, H, W) in [0, 1] on the CPU; ``history`` one dict an iteration (scale, iteration, evaluations,
    seconds, size, losses); ``frames`` the snapshots in 8 bits, pairs (evaluations, picture); ``stopped`` None,
    ``"interrupted"`` or ``"diverged: ..."``.
    """

    picture: Tensor
    history: list[dict[str, Any]]
    frames: list[tuple[int, Tensor]]
    recipe: Recipe
    seconds: float
    evaluations: int
    device: str
    precision: str
    stopped: str | None
    inputs: dict[str, Any]

    @property
    def snapshots(self) -> list[tuple[int, Tensor]]:
        """Pairs (evaluations, picture in [0, 1]) of the pictures that were kept on the way."""
        return [(evaluations, frame.float() / 255) for evaluations, frame in self.frames]

    def manifest(self) -> dict[str, Any]:
        """Everything needed to make this picture again, and what it cost, in plain values."""
        return {
            "styletut": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "recipe": self.recipe.to_dict(),
            "inputs": self.inputs,
            "size": list(self.picture.shape[-2:]),
            "device": self.device,
            "precision": self.precision,
            "evaluations": self.evaluations,
            "iterations": len(self.history),
            "seconds": round(self.seconds, 2),
            "losses": self.history[-1]["losses"] if self.history else {},
            "stopped": self.stopped,
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }

    def save(
        self, path: str | os.PathLike[str], alpha: Tensor | None = None, *, overwrite: bool = True, bits: int = 8
    ) -> Path:
        """Write the picture; a PNG says in its metadata how it was made (`styletut info` reads it).

        A batch is written to ``name-1.png``, ``name-2.png`` ...; the first path is returned. ``overwrite``: whether an
        existing file may be replaced; ``bits`` of a colour: 8, or 16 in PNG and TIFF.

        Raises:
            ImageError: it cannot be written there; an existing file stays as it was.
        """
        metadata = {METADATA_KEY: json.dumps(self.manifest())}
        path = Path(path)
        if len(self.picture) == 1:
            return save_image(self.picture, path, alpha=alpha, metadata=metadata, overwrite=overwrite, bits=bits)
        names = [path.with_stem(f"{path.stem}-{i}") for i in range(1, len(self.picture) + 1)]
        for name, picture in zip(names, self.picture.split(1), strict=True):
            save_image(picture, name, metadata=metadata, overwrite=overwrite, bits=bits)
        return names[0]

    def show(self) -> None:
        """Show the picture: in a notebook below the cell, elsewhere in the system's viewer."""
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            notebook = False
        else:
            notebook = get_ipython() is not None
        for picture in self.picture.split(1):
            image = to_pil(picture)
            display(image) if notebook else image.show()

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        to_pil(self.picture[:1]).save(buffer, "PNG")
        return buffer.getvalue()

    def __repr__(self) -> str:
        rows, columns = self.picture.shape[-2:]
        total = f", loss {self.history[-1]['losses']['total']:.4g}" if self.history else ""
        stopped = f", {self.stopped}" if self.stopped else ""
        return (
            f"Result({columns} x {rows} by {self.recipe.name!r}, {self.evaluations} evaluations "
            f"in {self.seconds:.1f} s on {self.device} in {self.precision}{total}{stopped})"
        )


class _Diverged(Exception):
    """A loss beyond hope, raised from inside an optimiser's step."""


class _Overshot(Exception):
    """A step of L-BFGS without a line search that went far astray, raised from inside the next one."""


class Run:
    """A transfer in progress: an iterator of `Step` that can be stopped, saved and asked for its result.

    Made by `iterate` or `Run.load`.
    """

    @_own_modes()
    def __init__(
        self,
        content: Pictures,
        style: Pictures | None,
        recipe: Recipe,
        *,
        start: Picture | None = None,
        style_weights: Sequence[float] | None = None,
        device: str | torch.device = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 25,
        max_memory: int | float | str | None = None,
        tile: int | None = None,
        shared: bool = False,
        _resized: bool = False,
    ) -> None:
        self.recipe = recipe
        self._workers = _count_workers() if shared else 1
        self.device = pick_device(device)
        self.precision = pick_precision(recipe.precision, self.device)
        self.content = _batch(content, recipe.replace(size=None) if _resized else recipe)
        if len(self.content) > recipe.batch:
            raise RecipeError(
                f"{len(self.content)} content pictures at once, but recipe {recipe.name!r} takes {recipe.batch}: "
                "give them one by one, or replace(batch=...)"
            )
        if len(self.content) > 1 and recipe.optimizer in ("lbfgs", "lbfgs-b"):
            raise RecipeError("L-BFGS couples the pictures of a batch: give them one by one, or use sgd or adam")
        if recipe.optimizer == "lbfgs-b":
            lbfgsb.require()
        self.styles = _list(style, "style")
        self.style_weights = _weights(style_weights, len(self.styles))
        if recipe.style_layers and recipe.style_weight and not self.styles:
            raise RecipeError(f"recipe {recipe.name!r} has style layers: give a style picture")
        self.start = None if start is None else _picture(start, "start")
        if self.start is not None and len(self.start) not in (1, len(self.content)):
            raise ImageError(f"{len(self.start)} start pictures for {len(self.content)} of content: give one for each")
        given = [self.content, *self.styles, *([] if self.start is None else [self.start])]
        self._grey = recipe.keep_grey and all(map(_is_grey, given))
        # Of several processes that share a picture, the first one keeps it.
        kept = checkpoint is not None and not (shared and torch.distributed.get_rank())
        self.checkpoint = Path(checkpoint) if checkpoint is not None and kept else None
        if isinstance(checkpoint_every, bool) or not isinstance(checkpoint_every, int) or checkpoint_every < 1:
            raise RecipeError(f"checkpoint_every must be 1 step or more, not {checkpoint_every!r}")
        self.checkpoint_every = checkpoint_every
        if self.checkpoint is not None and not self.checkpoint.parent.is_dir():
            raise CheckpointError(f"cannot save the run to {self.checkpoint}: its folder does not exist")

        self.max_memory = None if max_memory is None else memory.parse(max_memory)
        if tile is not None and (isinstance(tile, bool) or not isinstance(tile, int) or not 1 <= tile < 2**63):
            raise RecipeError(f"tile must be whole pixels, 1 or more, not {tile!r}")
        self.tile = tile

        self.history: list[dict[str, Any]] = []
        self.evaluations = 0
        self.seconds = 0.0
        self.stopped: str | None = None
        self._snapshots: list[tuple[int, Tensor]] = []
        self._scale = self._iteration = 0
        self._stopping = self._within = self._told = False
        self._goal: objective.Objective | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._resumed: dict[str, Any] | None = None
        self._best = math.inf
        self._first = math.nan
        self._returned = math.nan  # the best loss when a step last overshot
        self._losses: dict[str, float] = {}
        self._vgg = objective.network(recipe)
        if self._vgg is not None:
            dtype = {"bfloat16": torch.bfloat16, "float64": torch.float64}.get(self.precision, torch.float32)
            self._vgg.to(self.device, self._working_dtype())
            self._vgg.convs.to(dtype)  # the mean and the range stay exact
            self._vgg.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._check_sides()
        self._plans: dict[tuple[int, int], memory.Plan] = {}
        self._budget = self.max_memory
        if self._budget is None and (free := memory.available(self.device)) is not None:
            self._budget = int(memory.SHARE * free)
        if self._workers > 1:
            self._budget = _common_budget(self._budget, self.max_memory is None, self.device)
        self._plan(self._sizes()[-1])  # now, before anything runs, if it does not fit
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._spectra: dict[tuple[int, int], optim.Spectrum] = {}
        self._variable = self._best_variable = self._to_variable(self._starting_picture(self._sizes()[0]))
        self._steps = self._loop()

    # --- the pictures at each scale ------------------------------------------------------------------

    def _sizes(self) -> list[tuple[int, int]]:
        """(rows, columns) of the picture at each scale; a coarse one is never too small for the deepest layer."""
        rows, columns = self.content.shape[-2:]
        least = self._least()
        shares = [min(1.0, max(share, least / min(rows, columns))) for share, _ in self.recipe.scales]
        return [(max(1, round(rows * s)), max(1, round(columns * s))) for s in shares]

    def _least(self) -> int:
        """Pixels a side that the deepest layer needs."""
        every = self._vgg.layers if self._vgg is not None else ()
        return max((layer.stride for layer in layers(self.recipe.network) if layer.name in every), default=1)

    def _check_sides(self) -> None:
        """Refuse pictures that are too small for the network by themselves, by their names."""
        read = {"content": [self.content], "style": self.styles if self.recipe.style_weight else []}
        for name, pictures in read.items():
            for i, picture in enumerate(pictures, 1):
                rows, columns = picture.shape[-2:]
                if self._vgg is not None and min(rows, columns) < self._least():
                    which = f"{name} {i}" if len(pictures) > 1 else name
                    raise ImageError(
                        f"{which} of {columns} x {rows} pixels is too small for {self._vgg.layers[-1]}: it needs "
                        f"{self._least()} pixels a side at least; give a larger one, or leave out the deepest layers"
                    )

    def _style_at(self, style: Tensor, longer: int) -> Tensor:
        """A style with that longer side, or what the deepest layer needs of its shorter one; never enlarged."""
        sides = style.shape[-2:]
        longer = max(longer, math.ceil(self._least() * max(sides) / min(sides)))
        return resize(style, longer, resample=self.recipe.resample)

    def _at(self, picture: Tensor, size: tuple[int, int]) -> Tensor:
        same = tuple(picture.shape[-2:]) == size
        return picture if same else resize(picture, size, fit="exact", upscale=True)

    def _working_dtype(self) -> torch.dtype:
        return torch.float64 if self.precision == "float64" else torch.float32

    def _place(self, picture: Tensor) -> Tensor:
        return picture.to(self.device, self._working_dtype(), memory_format=torch.channels_last)

    @property
    def plan(self) -> memory.Plan:
        """How the picture is computed at its full size: whole or in tiles, and what that takes."""
        return self._plan(self._sizes()[-1])

    def _plan(self, size: tuple[int, int]) -> memory.Plan:
        """How the picture is computed at one size."""
        if size not in self._plans:
            self._plans[size] = memory.plan(
                self.recipe,
                self._vgg,
                size,
                self.precision,
                batch=len(self.content),
                budget=self._budget,
                tile=self.tile,
                device=self.device.type,
                workers=self._workers,
            )
        return self._plans[size]

    def _build(self, size: tuple[int, int]) -> objective.Objective:
        longer = max(1, round(max(size) * self.recipe.style_scale))
        styles = [self._place(self._style_at(s, longer)) for s in self.styles]
        content = self._place(self._at(self.content, size))
        options: dict[str, Any] = {"vgg": self._vgg, "style_weights": self.style_weights}
        while True:
            tile = self._plan(size).tile
            try:
                if tile is None:
                    goal = objective.build(content, styles, self.recipe, **options)
                else:
                    goal = tiles.build(content, styles, self.recipe, tile=tile, **options)
                if self._workers == 1:
                    return goal
                from .lowmem.distributed import SharedObjective

                return SharedObjective(goal.vgg, goal.terms, tile)
            except Exception as error:
                # Other processes would not know of smaller tiles, and wait for this one.
                if self._workers > 1 or not memory.is_exhausted(error):
                    raise
            self._smaller(size)

    def _smaller(self, size: tuple[int, int]) -> int:
        """Plan for smaller tiles, and nothing else, because the memory did not do."""
        plan = self._plan(size)
        sides = [side for side in memory.TILES if side < (plan.tile or max(size))]
        if not sides:
            raise MemoryError("out of memory even in the smallest tiles")
        gc.collect()  # errors hold what was computed in circles
        memory.give_back()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        less = [dataclasses.replace(plan, tile=side, bytes=self._needed(size, side, plan.pairs)) for side in sides]
        # The estimate was too low, but it tells which tiles take less than what did not fit.
        chosen = next((one for one in less if one.bytes < plan.bytes), less[-1])
        self._plans[size] = chosen
        warnings.warn(
            f"out of memory at {size[1]} x {size[0]} pixels: going on in tiles of {chosen.tile}",
            TilingWarning,
            stacklevel=2,
        )
        assert chosen.tile is not None
        return chosen.tile

    def _needed(self, size: tuple[int, int], tile: int, pairs: int) -> int:
        return memory.needed(
            self.recipe,
            self._vgg,
            size,
            self.precision,
            batch=len(self.content),
            tile=tile,
            pairs=pairs,
            device=self.device.type,
        )

    def _starting_picture(self, size: tuple[int, int]) -> Tensor:
        recipe = self.recipe
        content = self._at(self.content, size)
        if self.start is not None:
            return self._at(self.start, size).expand_as(content).clone()
        if recipe.start == "content":
            return content.clone()
        if recipe.start == "style":
            if not self.styles:
                raise RecipeError("start='style' needs a style picture")
            pairs = len(self.styles) == len(content) and self.style_weights is None
            firsts = self.styles if pairs else self.styles[:1]
            return torch.cat([self._at(_cover(s, size), size) for s in firsts]).expand_as(content).clone()
        mean = torch.full((1, 3, 1, 1), 0.5) if self._vgg is None else self._vgg.mean.float().cpu()
        first, second = recipe.noise_range
        if recipe.noise == "uniform":
            noise = first + (second - first) * torch.rand(content.shape, generator=self._generator)
        else:
            noise = first + second * torch.randn(content.shape, generator=self._generator)
        share = recipe.start_mix if recipe.start == "mix" else 0.0
        return mean + share * (content - mean) + (1 - share) * noise / 255

    def _to_variable(self, picture: Tensor) -> Tensor:
        """The optimiser's leaf: the picture on the recipe's own scale and in its coordinates."""
        picture = picture.to(self.device, self._working_dtype())
        if self.recipe.decorrelation:
            picture = self._spectrum(picture).coordinates(picture)
        # Contiguous, because torch's L-BFGS flattens gradients with view().
        return (picture * self.recipe.pixel_range).contiguous()

    def _from_variable(self, variable: Tensor) -> Tensor:
        """The picture that a leaf stands for, out of range where it is."""
        picture = variable if self.recipe.pixel_range == 1 else variable / self.recipe.pixel_range
        picture = self._spectrum(picture).picture(picture) if self.recipe.decorrelation else picture
        return picture.mean(1, keepdim=True).expand_as(picture) if self._grey else picture

    def _spectrum(self, picture: Tensor) -> optim.Spectrum:
        size = (picture.shape[-2], picture.shape[-1])
        if size not in self._spectra:
            self._spectra = {
                size: optim.Spectrum(self.recipe.decorrelation, size, device=self.device, dtype=self._working_dtype())
            }
        return self._spectra[size]

    def _to_picture(self, variable: Tensor) -> Tensor:
        picture = self._from_variable(variable).contiguous(memory_format=torch.channels_last)
        return picture.clamp(0, 1) if self.recipe.clamp == "forward" else picture

    @_own_modes()
    def picture(self, *, best: bool = False) -> Tensor:
        """The current picture (or the best of this scale) in [0, 1], on the CPU."""
        variable = self._best_variable if best else self._variable
        return self._from_variable(variable.detach()).clamp(0, 1).float().cpu().contiguous()

    # --- the descent ---------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Step]:
        return self

    @_own_modes()
    def __next__(self) -> Step:
        return next(self._steps)

    def stop(self) -> None:
        """Stop after the current step; `result` then gives the best picture so far."""
        self._stopping = True

    def _loop(self) -> Iterator[Step]:
        sizes = self._sizes()
        while self._scale < len(sizes):
            size, (_, steps) = sizes[self._scale], self.recipe.scales[self._scale]
            started = time.perf_counter()
            self._goal = self._build(size)
            memory.give_back()
            if tuple(self._variable.shape[-2:]) != size:
                picture = self._from_variable(self._variable.detach()).float().cpu()
                self._variable = self._to_variable(self._at(picture, size))
            self._variable = self._variable.detach().requires_grad_(True)
            self._bring_together(self._variable)
            if self._iteration == 0:
                self._best, self._first, self._returned = math.inf, math.nan, math.nan
                self._best_variable = self._variable.detach().clone()
            self._optimizer = self._new_optimizer()
            self.seconds += time.perf_counter() - started
            while self._iteration < steps:
                if self._agreed(self._stopping):
                    self._bring_together(self._variable, self._best_variable)
                    self.stopped = "interrupted"
                    return
                started = time.perf_counter()
                try:
                    self._step()
                except _Diverged as error:
                    self._bring_together(self._best_variable)
                    self._diverged(str(error))
                    return
                finally:
                    self.seconds += time.perf_counter() - started
                step = Step(
                    self._scale,
                    len(sizes),
                    self._iteration,
                    steps,
                    self.evaluations,
                    self.seconds,
                    size,
                    self._losses,
                    self,
                    len(self.history) + 1,
                )
                self.history.append(step.record())
                every = self.recipe.snapshot_every
                if every and len(self.history) % every == 0:
                    self._snapshots.append((self.evaluations, (self.picture() * 255).round().byte()))
                if len(self.history) % self.checkpoint_every == 0:
                    self._keep()
                yield step
            self._bring_together(self._variable)
            if not _is_finite(self._variable):  # no loss was taken of it
                self._iteration -= 1
                self._diverged("the picture itself is not finite")
                return
            self._scale, self._iteration = self._scale + 1, 0
            self._let_go()
        if self._ended_above():
            warnings.warn(
                f"the loss ended at {self._last:.3g} and had been {self._best:.3g}, the picture of which was kept: "
                f"lower the learning rate, which is {self.recipe.learning_rate:g}",
                DivergenceWarning,
                stacklevel=3,
            )

    @property
    def _last(self) -> float:
        """The loss of the last evaluation that was recorded."""
        return float(self.history[-1]["losses"]["total"]) if self.history else math.nan

    def _ended_above(self) -> bool:
        """Whether the run went through all its steps, and the last ones made the picture much worse."""
        finished = self._scale >= len(self.recipe.scales) and self.stopped is None
        # A line search's last trial need not be where it went; and next to nothing may wobble by any factor.
        above = self._last > _ENDED_ABOVE * self._best and self._last - self._best > 0.01 * abs(self._first)
        return finished and self.recipe.evaluations == 1 and above

    def _let_go(self) -> None:
        """Free what a scale needed, before the next one or the result: its optimiser remembers pictures."""
        self._goal = self._optimizer = None
        self._variable.grad = None
        memory.give_back()

    def _agreed(self, flag: bool) -> bool:
        """Whether it is so in any of the processes that share the picture: what they decide must be the same in all."""
        if self._workers > 1:
            from .lowmem.distributed import agree

            return agree(flag, self.device)
        return flag

    @torch.no_grad()
    def _bring_together(self, *variables: Tensor) -> None:
        """Give the processes that share the picture the first one's: rounding may have led them apart."""
        if self._workers > 1:
            from .lowmem.distributed import from_first

            for variable in variables:
                variable.copy_(from_first(variable))

    def _step(self) -> None:
        recipe, variable = self.recipe, self._variable
        self._within = True
        if recipe.optimizer == "lbfgs" and recipe.restart:
            self._optimizer = self._new_optimizer()
        optimizer = self._optimizer
        assert optimizer is not None
        if recipe.decay != 1:
            rate = recipe.learning_rate * recipe.decay ** (self._iteration / recipe.decay_steps)
            optimizer.param_groups[0]["lr"] = rate

        def evaluate() -> Tensor:
            losses = self._evaluate(variable)
            # One transfer for all the numbers: each by itself would wait for the device.
            values = torch.stack(list(losses.values())).detach()
            self._bring_together(values)
            self._losses = dict(zip(losses, values.tolist(), strict=True))
            self.evaluations += 1
            self._judge(variable)
            return values[list(losses).index("total")]

        try:
            optimizer.step(evaluate)  # type: ignore[arg-type]
        except _Overshot:
            self._bring_together(self._best_variable)
            with torch.no_grad():
                variable.copy_(self._best_variable)
            self._optimizer = self._new_optimizer()
            for group in self._optimizer.param_groups:
                if "first_step" in group:  # it may be what went too far
                    group["first_step"] /= 100
        if recipe.clamp == "step":
            with torch.no_grad():
                if recipe.decorrelation:
                    variable.copy_(self._to_variable(self._from_variable(variable).clamp(0, 1)))
                else:
                    variable.clamp_(0, recipe.pixel_range)
        self._iteration += 1
        self._within = False

    def _evaluate(self, variable: Tensor) -> dict[str, Tensor]:
        """The losses, and the gradient in ``variable.grad``; in tiles from now on if the memory does not do."""
        assert self._goal is not None
        while True:
            variable.grad = None
            try:
                losses = self._goal(self._to_picture(variable))
                losses["total"].backward()
            except Exception as error:
                if self._workers > 1 or not memory.is_exhausted(error):
                    raise
                losses = {}
            if losses:
                return losses
            # Out here, where the error no longer holds what was computed.
            tile = self._smaller((variable.shape[-2], variable.shape[-1]))
            self._goal = tiles.TiledObjective(self._goal.vgg, self._goal.terms, tile)

    def _judge(self, variable: Tensor) -> None:
        """Keep the picture if it is the best yet; raise if it went astray or is beyond hope."""
        total = self._losses["total"]
        if not math.isfinite(total):
            term = next((k for k, v in self._losses.items() if not math.isfinite(v)), "total")
            raise _Diverged(f"{term} is {self._losses[term]}")
        if self._agreed(variable.grad is not None and not _is_finite(variable.grad)):
            assert self._goal is not None
            losses = self._goal(self._to_picture(variable))
            spoilt = [k for k, v in losses.items() if v.requires_grad and not _finite_gradient(v, variable)]
            raise _Diverged(f"the gradient of {spoilt[0] if spoilt else 'total'} is not finite")
        if math.isnan(self._first):
            self._first = total
        # A line search may look far afield before it settles, so its trials are not held to these.
        # Near the end a loss may wobble by any factor; only one above where the scale began has gone astray.
        astray = total > self._first and total > _OVERSHOT * self._best > 0
        if self.recipe.optimizer == "lbfgs" and not self.recipe.line_search and astray:
            if self._best == self._returned:
                raise _Diverged(
                    f"the loss is {total:.3g}, over {_OVERSHOT} times the best, for the second time running"
                )
            self._returned = self._best
            raise _Overshot
        if self.recipe.evaluations == 1 and total > _BLOWN_UP * abs(self._first) > 0:
            term = max((k for k in self._losses if k != "total"), key=lambda k: self._losses[k])
            raise _Diverged(f"{term} is {self._losses[term]:.3g}, over {_BLOWN_UP:g} times the whole loss at the start")
        if total < self._best:
            self._best = total
            self._best_variable.copy_(variable.detach())

    def _diverged(self, why: str) -> None:
        step = self._iteration + 1
        where = f" of scale {self._scale + 1}" if len(self.recipe.scales) > 1 else ""
        self.stopped = f"diverged: {why} at step {step}{where}"
        if not math.isfinite(self._best) and not self.history:
            raise DivergenceError(f"{self.stopped}, and no picture came before it: check the pictures and the weights")

    def _new_optimizer(self) -> torch.optim.Optimizer:
        recipe = self.recipe
        with _without_compiler():
            if recipe.optimizer == "sgd":
                optimizer: torch.optim.Optimizer = torch.optim.SGD([self._variable], lr=recipe.learning_rate)
            elif recipe.optimizer == "adam":
                optimizer = torch.optim.Adam([self._variable], lr=recipe.learning_rate)
            elif recipe.optimizer == "lbfgs-b":
                optimizer = lbfgsb.LBFGSB([self._variable], recipe.memory, recipe.evaluations)
            else:
                optimizer = self._new_lbfgs()
        if self._resumed is not None:
            self._restore(optimizer, self._resumed)
            self._resumed = None
        return optimizer

    def _restore(self, optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
        """Let an optimiser remember what `checkpoint.remembered` found, as far as there is room for it now."""
        group, before = optimizer.state_dict()["param_groups"][0], saved["param_groups"][0]
        pairs = group.get("history_size")
        optimizer.load_state_dict({"state": saved["state"], "param_groups": [group | before]})
        if pairs is not None and pairs < before.get("history_size", 0):
            optimizer.param_groups[0]["history_size"] = pairs
            for state in optimizer.state.values():
                for name in ("s", "y", "old_dirs", "old_stps", "ro"):
                    if name in state:
                        del state[name][: -max(1, pairs - 1)]

    def _new_lbfgs(self) -> torch.optim.Optimizer:
        recipe = self.recipe
        pairs = self._plan((self._variable.shape[-2], self._variable.shape[-1])).pairs
        if recipe.evaluations == 1:
            first_step = optim.FIRST * recipe.pixel_range
            return optim.LBFGS([self._variable], lr=recipe.learning_rate, history_size=pairs, first_step=first_step)
        return torch.optim.LBFGS(
            [self._variable],
            lr=recipe.learning_rate,
            max_iter=recipe.evaluations,
            # torch's line search may make one evaluation more than it is allowed.
            max_eval=max(1, recipe.evaluations - recipe.line_search),
            history_size=pairs,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe" if recipe.line_search else None,
        )

    # --- the end, and saving -------------------------------------------------------------------------

    @_own_modes()
    def result(self) -> Result:
        """The result so far: the last picture of a run that ended by itself, the best one of a run that did not.

        Of a run that ended at a loss far above its best one, as where the learning rate is much too high, it is the
        best picture too, and a `DivergenceWarning` has said so.
        """
        finished = self._scale >= len(self.recipe.scales) and self.stopped is None
        picture = self.picture(best=not finished or self._ended_above())
        picture = self._at(picture, (self.content.shape[-2], self.content.shape[-1]))
        stopped = self.stopped if finished or self.stopped else "interrupted"
        return Result(
            picture=picture,
            history=list(self.history),
            frames=list(self._snapshots),
            recipe=self.recipe,
            seconds=self.seconds,
            evaluations=self.evaluations,
            device=_device_name(self.device),
            precision=self.precision,
            stopped=stopped,
            inputs={
                "content": _digest([self.content]),
                "styles": _digest(self.styles),
                "style_weights": self.style_weights,
                "start": _digest([self.start]) if self.start is not None else self.recipe.start,
            },
        )

    @_own_modes()
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the run between two steps, so that `resume` goes on to the picture that it would have come to.

        Raises:
            CheckpointError: it cannot be written, a step was broken off in the middle, or the picture is not finite.
        """
        if self._within:
            raise CheckpointError("a step was broken off in the middle: resume from the checkpoint before it")
        if not _is_finite(self._variable):
            raise CheckpointError("the picture is no longer finite: resume from the checkpoint before it")
        remembered = None
        if self._iteration > 0:
            remembered = self._resumed if self._optimizer is None else self._optimizer.state_dict()
        state = {
            "format": checkpoints.FORMAT,
            "recipe": self.recipe.to_json(),
            "content": self.content,
            "styles": self.styles,
            "style_weights": self.style_weights,
            "start": self.start,
            "checkpoint_every": self.checkpoint_every,
            "max_memory": self.max_memory,
            "tile": self.tile,
            "scale": self._scale,
            "iteration": self._iteration,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "variable": self._variable,
            "best_variable": self._best_variable,
            "best": self._best,
            "first": self._first,
            "returned": self._returned,
            "optimizer": remembered,
            "generator": self._generator.get_state(),
            "history": self.history,
            "snapshots": self._snapshots,
        }
        checkpoints.write(Path(path), state)
        return Path(path)

    def _keep(self) -> None:
        """Save the run to its checkpoint, if it has one. Where that fails it warns, once: the picture is worth more."""
        if self.checkpoint is None:
            return
        try:
            self.save(self.checkpoint)
        except Exception as error:
            if not self._told:
                reason = str(error) or "no memory to save the run"
                warnings.warn(f"{reason}; it goes on all the same", CheckpointWarning, stacklevel=2)
            self._told = True

    @classmethod
    @_own_modes()
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        device: str | torch.device = "auto",
        weights: str | Weights | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        max_memory: int | float | str | None = None,
        tile: int | None = None,
        shared: bool = False,
    ) -> Run:
        """The run that `save` wrote, ready to go on; it keeps saving itself to ``checkpoint`` (default: ``path``).

        Raises:
            CheckpointError: the file is missing, damaged or not a saved run.
            WeightsError, DeviceError, RecipeError: its weights are gone, or what is given here does not fit.
        """
        path = Path(path)
        state = checkpoints.read(path)
        try:
            recipe = Recipe.from_json(state["recipe"])
        except StyletutError as error:
            raise CheckpointError(f"the run in {path} is damaged: {error}") from None
        if weights is not None:
            recipe = recipe.replace(weights=weights)
        elif str(recipe.weights).startswith("<"):
            raise CheckpointError(f"the run in {path} has weights that are no file, {recipe.weights}: give weights=")
        run = cls(
            state["content"],
            state["styles"],
            recipe,
            start=state["start"],
            style_weights=state["style_weights"],
            device=device,
            checkpoint=path if checkpoint is None else checkpoint,
            checkpoint_every=state["checkpoint_every"],
            max_memory=state["max_memory"] if max_memory is None else max_memory,
            tile=state["tile"] if tile is None else tile,
            shared=shared,
            _resized=True,  # the content in the file has its working size already
        )
        try:
            run._restore_from(state)
        except (ValueError, RuntimeError) as error:  # of the generator's state the latter
            raise CheckpointError(f"the run in {path} is damaged: {str(error).splitlines()[0]}") from None
        return run

    def _restore_from(self, state: dict[str, Any]) -> None:
        """Take the place in a run that was saved.

        Raises:
            ValueError: its entries do not fit each other.
        """
        sizes, scale, iteration = self._sizes(), state["scale"], state["iteration"]
        steps = [steps for _, steps in self.recipe.scales] + [0]
        if scale > len(sizes) or iteration > steps[scale]:
            raise ValueError("its steps are not those of its recipe")
        # Before the first step of a scale the picture may still have the size of the one before.
        fits = [sizes[min(scale, len(sizes) - 1)]] + ([sizes[scale - 1]] if scale and not iteration else [])
        shapes = [(len(self.content), 3, *size) for size in fits]
        if not {tuple(state[name].shape) for name in ("variable", "best_variable")} <= set(shapes):
            raise ValueError("its picture does not have the size of the content")
        kind = self.recipe.optimizer
        if kind == "lbfgs" and self.recipe.evaluations > 1:
            kind = "torch-lbfgs"
        if iteration:
            saved = state["optimizer"] or {}
            self._resumed = checkpoints.remembered(saved, kind, state["variable"].numel())
            if self._resumed is None:
                raise ValueError("its 'optimizer' is not what one remembers")
        self._scale, self._iteration = scale, iteration
        self.evaluations, self.seconds = state["evaluations"], state["seconds"]
        self._variable = state["variable"].to(self.device, self._working_dtype())
        self._best_variable = state["best_variable"].to(self.device, self._working_dtype())
        self._best, self._first, self._returned = state["best"], state["first"], state["returned"]
        self._generator.set_state(state["generator"])
        self.history, self._snapshots = state["history"], state["snapshots"]


def iterate(
    content: Pictures,
    style: Pictures | None,
    recipe: str | Recipe = "fast",
    *,
    start: Picture | None = None,
    style_weights: Sequence[float] | None = None,
    device: str | torch.device = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 25,
    max_memory: int | float | str | None = None,
    tile: int | None = None,
    shared: bool = False,
    **changes: Any,
) -> Run:
    """Set up a transfer and give it back as an iterator of `Step`.

    Args:
        content: a picture: a tensor (1, 3, H, W) in [0, 1], a path, a PIL image or an array, as `images.load_image`
            takes them; several (a batch or a list) where the recipe's ``batch`` allows it.
        style: a picture of any size and aspect; a list is blended with ``style_weights`` for one content picture,
            and taken as pairs for as many content pictures; None if the recipe has no style layers.
        recipe: a name or a `Recipe`.
        start: begin from this picture instead of the recipe's start; or another of the recipe's starts, by name.
        style_weights: the share of each style in a blend (equal if not given).
        device: ``auto`` (CUDA, else MPS, else the CPU), or a name.
        checkpoint: save the run to this file every ``checkpoint_every`` steps, for `resume`. Where that fails a
            `CheckpointWarning` says so, and the run goes on.
        max_memory: what the run may take above what the process has, bytes or a text like ``4GB`` (default: most of
            what is free). A picture that takes more is computed in tiles, to the same gradient (`tiles`), and if
            L-BFGS alone would take too much it remembers fewer steps; `Run.plan` says what was chosen. If memory
            runs out all the same, the run goes on in smaller tiles and a `TilingWarning` says so.
        tile: compute in tiles of about so many pixels a side, whatever the memory.
        shared: compute together with the other processes of ``torch.distributed``, which all make the same call; the
            result is the same in all (`distributed`). Only the first keeps the checkpoint.
        **changes: fields of the recipe to change, for example ``size=512, seed=3``; ``steps=100`` sets the budget.

    Raises:
        ImageError, RecipeError, LayerError, WeightsError, DeviceError: something does not fit; nothing has run yet.
        DivergenceError: while iterating, if the very first evaluation is not finite.

    >>> from styletut import vgg
    >>> photo, painting = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    >>> run = iterate(photo, painting, steps=2, weights=vgg.random_weights(width=0.1), scales=((1.0, 2),))
    >>> [step.iteration for step in run]
    [1, 2]
    """
    if isinstance(start, str):  # the recipe's field of that name
        changes["start"], start = start, None
    chosen = get(recipe).replace(**changes)
    return Run(
        content,
        style,
        chosen,
        start=start,
        style_weights=style_weights,
        device=device,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        max_memory=max_memory,
        tile=tile,
        shared=shared,
    )


def stylize(
    content: Pictures,
    style: Pictures | None,
    recipe: str | Recipe = "fast",
    *,
    progress: bool | str = True,
    callback: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """Paint ``content`` in the manner of ``style``.

    Takes what `iterate` takes. Ctrl-C (or a notebook's stop button, SIGTERM, SIGHUP) ends it after the current step, a
    second Ctrl-C at once; both give the best picture so far, and none that comes later loses it. If the losses diverge,
    the best picture is restored and a warning says at which step and which term.

    Args:
        progress: show a progress bar, or in a notebook the picture and its loss on the way, with a stop button. A text
            asks for the picture in a terminal too: ``"auto"``, or its protocol, ``"kitty"``, ``"iterm2"``, ``"sixel"``.
        callback: called with each `Step`; if it returns ``False`` the run stops.

    Raises:
        As `iterate`.

    >>> from styletut import vgg
    >>> photo, painting = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    >>> tiny = vgg.random_weights(width=0.1)
    >>> stylize(photo, painting, scales=((1.0, 2),), weights=tiny, progress=False).picture.shape
    torch.Size([1, 3, 32, 32])
    """
    return _drive(iterate(content, style, recipe, **options), progress, callback)


def resume(
    path: str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    weights: str | Weights | None = None,
    max_memory: int | float | str | None = None,
    tile: int | None = None,
    shared: bool = False,
    progress: bool | str = True,
    callback: Callable[[Step], object] | None = None,
) -> Result:
    """Go on with a run that was saved, to the same picture as if it had never been stopped (on the same machine).

    Args:
        path: what ``checkpoint=`` or `Run.save` wrote.
        weights: only for runs whose weights were an object rather than a name.
        max_memory, tile: as for `iterate`, if they shall not be what they were.
        shared: as for `iterate`; the run may have been begun by one process or by any number.

    Raises:
        CheckpointError: the file is missing or not a saved run.
    """
    run = Run.load(path, device=device, weights=weights, max_memory=max_memory, tile=tile, shared=shared)
    return _drive(run, progress, callback)


def _drive(run: Run, progress: bool | str, callback: Callable[[Step], object] | None) -> Result:
    with signals.handled() as caught:
        caught.run(run.stop)
        try:
            with progress_.bar(run, progress, streams.Unbreakable(sys.stderr)) as show:
                for step in run:
                    show(step)
                    if callback is not None and callback(step) is False:
                        run.stop()
            caught.save()  # within `try`: until here a second Ctrl-C may come
        except KeyboardInterrupt:
            caught.save()
            if run.stopped is None and run._scale < len(run.recipe.scales):
                run.stopped = "interrupted"
        if run.stopped == "interrupted" and run.checkpoint is not None and not run._within:
            run._keep()
        result = run.result()
    if result.stopped and result.stopped.startswith("diverged"):
        warnings.warn(f"{run.stopped}; the best picture before it was kept", DivergenceWarning, stacklevel=3)
    return result


class CheckpointWarning(UserWarning):
    """A run could not be saved on its way, and goes on."""


class TilingWarning(UserWarning):
    """Memory ran out, and a run goes on in tiles."""


class DivergenceWarning(UserWarning):
    """A run diverged, or ended far above its best loss, and was put back to its best picture."""


# --- devices, precision, cost ------------------------------------------------------------------------


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """A device that exists: ``auto`` is CUDA if there is one, else MPS, else the CPU.

    Raises:
        DeviceError: no such device, or not on this machine.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, there in here.items() if there))
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise DeviceError(did_you_mean("device", device, ("auto", "cpu", "cuda", "cuda:1", "mps"))) from None
    if chosen.type not in here:
        raise DeviceError(did_you_mean("device", str(device), ("auto", "cpu", "cuda", "cuda:1", "mps")))
    there = here[chosen.type] and (chosen.type != "cuda" or (chosen.index or 0) < torch.cuda.device_count())
    if not there:
        raise DeviceError(f"there is no {chosen} on this machine: use 'auto' or 'cpu'")
    return chosen


def pick_precision(precision: str, device: torch.device) -> str:
    """What ``auto`` means on a device: bfloat16 where the hardware multiplies in it, float32 elsewhere.

    Raises:
        RecipeError: the precision is unknown, or the device does not have it.
    """
    if precision not in ("auto", "float32", "bfloat16", "float64"):
        raise RecipeError(did_you_mean("precision", precision, ("auto", "float32", "bfloat16", "float64")))
    if precision == "float64" and device.type == "mps":
        raise RecipeError("Apple's MPS has no float64: use precision='float32' or device='cpu'")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device.type == "cpu" and _processor_has_bfloat16()
    return "bfloat16" if native else "float32"


def _processor_has_bfloat16() -> bool:
    """Whether convolutions will use the processor's bfloat16; emulated, it is slower than float32.

    torch knows what the processor has. The variables of ATen and oneDNN may allow less.
    """
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    return (
        bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and any(part in allowed for part in ("DEFAULT", "ALL", "BF16", "FP16", "AMX", "AVX10"))
    )


def _count_workers() -> int:
    """Processes that share a picture.

    Raises:
        DeviceError: they cannot talk.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        raise DeviceError("to share a picture, start with torchrun and call within st.distributed.processes()")
    return torch.distributed.get_world_size()


def _wait_for(device: torch.device) -> None:
    """Until a device has done what it was given: a clock that is read before tells nothing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _device_name(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


@dataclass(frozen=True)
class Estimate:
    """What a run will cost: evaluations at most, seconds and peak bytes above what the process has already.

    ``tile`` is the side of the tiles at the largest size, or None; ``pairs`` how many steps L-BFGS remembers there.
    """

    evaluations: int
    seconds: float
    memory_bytes: int
    size: tuple[int, int]
    device: str
    precision: str
    tile: int | None = None
    pairs: int | None = None

    def __str__(self) -> str:
        minutes = f"{self.seconds:.0f} s" if self.seconds < 100 else f"{self.seconds / 60:.0f} min"
        rows, columns = self.size
        return (
            f"{columns} x {rows} pixels, {self.evaluations} evaluations in {self.precision} on {self.device}: "
            f"about {minutes} and {self.memory_bytes / 1e9:.1f} GB"
            + (f", in tiles of {self.tile}" if self.tile else "")
            + (f", remembering {self.pairs} steps" if self.pairs is not None else "")
        )


_PROBE_PIXELS = 160 * 160
_TWO_PASSES = 1.5  # a forward pass more than the forward and backward pass of an untiled evaluation


@_own_modes()
def estimate(
    content: Pictures,
    style: Pictures | None,
    recipe: str | Recipe = "fast",
    *,
    device: str | torch.device = "auto",
    max_memory: int | float | str | None = None,
    tile: int | None = None,
    **changes: Any,
) -> Estimate:
    """Say what `stylize` would cost, from a few evaluations of a small copy: the cost grows with the pixels.

    Raises:
        As `iterate`.
    """
    chosen = get(recipe).replace(**changes)
    run = Run(content, style, chosen, device=device, max_memory=max_memory, tile=tile)
    rows, columns = run.content.shape[-2:]
    share = min(1.0, math.sqrt(_PROBE_PIXELS / (rows * columns)))
    size = (max(run._least(), round(rows * share)), max(run._least(), round(columns * share)))
    planned = [run._plan(s) for s in run._sizes()]
    run._plans[size] = memory.Plan(None, chosen.memory, 0)  # the probe is small
    goal = run._build(size)
    probe = run._to_variable(run._at(run.content, size)).requires_grad_(True)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        goal(run._to_picture(probe))["total"].backward()
        _wait_for(run.device)
        times.append(time.perf_counter() - started)
    per_pixel = min(times) / (size[0] * size[1])
    evaluations, seconds = 0, 0.0
    for (r, c), (_, steps), plan in zip(run._sizes(), chosen.scales, planned, strict=True):
        evaluations += steps * chosen.evaluations
        tiling = None if plan.tile is None else tiles.Tiling.of(run._vgg, (r, c), plan.tile)
        factor = _TWO_PASSES * tiling.overhead if tiling is not None and len(tiling) > 1 else 1.0
        seconds += steps * chosen.evaluations * per_pixel * r * c * factor
    largest = planned[-1]
    fewer = chosen.optimizer == "lbfgs" and largest.pairs < chosen.memory
    return Estimate(
        evaluations,
        seconds,
        largest.bytes,
        (rows, columns),
        _device_name(run.device),
        run.precision,
        largest.tile,
        largest.pairs if fewer else None,
    )


# --- small helpers -----------------------------------------------------------------------------------


def _picture(picture: Picture, name: str) -> Tensor:
    """A picture (or a batch of them) in [0, 1], float32 on the CPU, checked."""
    if not isinstance(picture, Tensor):
        return load_image(picture)
    picture = check_picture(picture, name, in_range=True).detach().float().cpu().clamp(0, 1)
    return picture.clone() if picture.is_inference() else picture  # autograd refuses to save such a one


def _list(pictures: Pictures | None, name: str) -> list[Tensor]:
    """Pictures as a list of (1, 3, H, W)."""
    if pictures is None:
        return []
    several = isinstance(pictures, (Sequence, Iterator)) and not isinstance(pictures, (str, bytes))
    if not several or hasattr(pictures, "read"):  # lines of an open file are no pictures
        return list(_picture(pictures, name).split(1))  # type: ignore[arg-type]
    given = list(pictures)  # type: ignore[arg-type]
    names = [f"{name} {i}" if len(given) > 1 else name for i in range(1, len(given) + 1)]
    return [one for p, n in zip(given, names, strict=True) for one in _picture(p, n).split(1)]


def _weights(style_weights: Sequence[float] | None, styles: int) -> list[float] | None:
    """The weights of the styles, checked."""
    if style_weights is None:
        return None
    try:
        given = [] if isinstance(style_weights, (str, bytes)) else list(style_weights)
        if not given or any(isinstance(weight, (str, bytes, bool)) for weight in given):
            raise TypeError
        found = [float(weight) for weight in given]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise RecipeError(f"style_weights must be numbers, one for each style, not {style_weights!r:.200}") from None
    objective._shares(styles, found)
    return found


def _batch(content: Pictures, recipe: Recipe) -> Tensor:
    """The content pictures at the recipe's size, as one batch."""
    pictures = _list(content, "content")
    if not pictures:
        raise ImageError("no content picture was given")
    if recipe.size is not None:
        pictures = [
            resize(p, recipe.size, fit=recipe.fit, upscale=recipe.upscale, resample=recipe.resample) for p in pictures
        ]
    if len({p.shape for p in pictures}) > 1:
        sizes = ", ".join(f"{p.shape[-1]} x {p.shape[-2]}" for p in pictures)
        raise RecipeError(f"the pictures of a batch must have one size, not {sizes}: replace(size=(rows, columns))")
    return torch.cat(pictures)


def _common_budget(budget: int | None, free: bool, device: torch.device) -> int | None:
    """One budget for all processes that share a picture: with different plans their tiles would not fit together.

    ``free``: it is what a machine has free, and is there once for all processes on it.
    """
    from .lowmem.distributed import least, neighbours

    mine = math.inf if budget is None else budget / (neighbours() if free and device.type == "cpu" else 1)
    found = least(mine, device)
    return None if math.isinf(found) else int(found)


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Keep torch from importing its compiler, which takes a second, only to tell it to leave an optimiser alone."""
    plain = getattr(torch.optim.Optimizer.add_param_group, "__wrapped__", None)
    if plain is None or hasattr(plain, "__dynamo_disable"):
        yield
        return
    plain.__dynamo_disable = plain
    try:
        yield
    finally:
        del plain.__dynamo_disable


def _is_grey(picture: Tensor) -> bool:
    """Whether the channels are equal, but for the rounding to 8 bits."""
    return float((picture.amax(1) - picture.amin(1)).max()) < 1.5 / 255


def _finite_gradient(loss: Tensor, variable: Tensor) -> bool:
    (gradient,) = torch.autograd.grad(loss, variable, retain_graph=True)
    return _is_finite(gradient)


def _is_finite(values: Tensor) -> bool:
    """`torch.isfinite` would need memory as large as the picture."""
    return bool(torch.stack(values.detach().aminmax()).isfinite().all())


def _cover(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest middle part of ``picture`` that has the aspect of ``size``."""
    rows, columns = picture.shape[-2:]
    share = min(rows / size[0], columns / size[1])
    r, c = max(1, round(size[0] * share)), max(1, round(size[1] * share))
    top, left = (rows - r) // 2, (columns - c) // 2
    return picture[..., top : top + r, left : left + c]


def _digest(pictures: Sequence[Tensor]) -> list[dict[str, Any]]:
    """Size and SHA-256 of the 8-bit pixels of each picture."""
    rows = []
    for picture in pictures:
        pixels = picture.clamp(0, 1).mul_(255).round_().byte().contiguous()
        rows.append({"size": list(picture.shape[-2:]), "sha256": hashlib.sha256(pixels.numpy().data).hexdigest()})
    return rows
