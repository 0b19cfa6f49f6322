"""What a run gives: its steps, and its result."""

from __future__ import annotations

import dataclasses
import datetime
import io
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import styletut  # the figures are above this room: a notebook's display asks the package for them

from .. import __version__
from ..images import save_image, to_pil
from ..recipes import Recipe
from . import scales
from .inputs import Inputs
from .state import RunState

METADATA_KEY = "styletut"
"""Under this name a picture's file says how it was made."""


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
    _picture: Callable[[], Tensor] = dataclasses.field(repr=False, compare=False)

    @classmethod
    def of(
        cls,
        state: RunState,
        recipe: Recipe,
        sizes: Sequence[tuple[int, int]],
        losses: dict[str, float],
        picture: Callable[[], Tensor],
    ) -> Step:
        """The step that a run has just taken."""
        steps, size = recipe.scales[state.scale][1], sizes[state.scale]
        place = (state.scale, len(sizes), state.iteration, steps)
        return cls(*place, state.evaluations, state.seconds, size, losses, picture)

    def picture(self) -> Tensor:
        """The picture after this step, (B, 3, H, W) in [0, 1], on the CPU; a copy.

        Raises:
            ImageError: the run has gone on, and keeps no earlier picture.
        """
        return self._picture()

    def record(self) -> dict[str, Any]:
        """The step as a row of `Result.history`."""
        kept = ("scale", "iteration", "evaluations", "seconds", "size", "losses")
        return {key: getattr(self, key) for key in kept}


@dataclass(frozen=True)
class Result:
    """A finished (or stopped) transfer.

    ``picture`` (B, 3, H, W) in [0, 1] on the CPU; ``history`` one dict an iteration (scale, iteration, evaluations,
    seconds, size, losses); ``frames`` the snapshots in 8 bits, pairs (evaluations, picture); ``stopped`` None,
    ``"interrupted"`` or ``"diverged: ..."``; ``before`` the content in 8 bits, at the size of the picture.

    A notebook shows it as before and after, under a divider.
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
    before: Tensor | None = None

    @classmethod
    def of(
        cls,
        state: RunState,
        recipe: Recipe,
        inputs: Inputs,
        picture: Tensor,
        device: str,
        precision: str,
        stopped: str | None,
    ) -> Result:
        """The result of a run in some state."""
        return cls(
            picture=scales.resized(picture, inputs.size, wraps=recipe.padding == "circular"),
            history=list(state.history),
            frames=list(state.snapshots),
            recipe=recipe,
            seconds=state.seconds,
            evaluations=state.evaluations,
            device=device,
            precision=precision,
            stopped=stopped,
            inputs=inputs.manifest(recipe),
            before=(inputs.content * 255).round().byte(),
        )

    @property
    def snapshots(self) -> list[tuple[int, Tensor]]:
        """Pairs (evaluations, picture in [0, 1]) of the snapshots."""
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

    def _repr_html_(self) -> str | None:
        """Before and after under a divider; None, which leaves the picture alone, of a batch or without a content."""
        compared = self.recipe.content_layers and self.recipe.content_weight
        if self.before is None or len(self.picture) > 1 or not compared:
            return None
        before = self.before.float() / 255
        return styletut.figures.divider(before, self.picture, ("before", "after"), max_bytes=300_000).html

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
