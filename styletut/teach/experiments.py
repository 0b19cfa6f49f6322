"""The book's experiments: their functions, and what those that are stored gave.

An experiment is one function in ``book/experiments``: ``valleys`` of ``ch09_valleys.py`` is the experiment
``09/valleys``. Its arguments are all its settings. First it asks ``run`` for all its transfers, then it measures them
and returns the numbers. What it gave, where it has been run, is stored with the book and in the package: `results`.
`repeat` runs it again, smaller or whole.

``make experiments`` computes those that are missing or out of date (``tools/experiments.py``).

>>> "09/valleys" in names()
True
"""

from __future__ import annotations

import ast
import contextlib
import datetime
import functools
import hashlib
import importlib.util
import inspect
import io
import json
import math
import os
import platform
import textwrap
import tokenize
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import __version__, objective
from ..control.masks import Masks
from ..engine.devices import device_name, pick_device
from ..engine.drive import iterate
from ..engine.run import Run
from ..engine.scales import style_at
from ..errors import DivergenceWarning, StyletutError, did_you_mean
from ..images import load_image
from ..recipes import Recipe
from ..recipes import fields as recipe_fields
from ..vgg import VGG

LEAST = 100
"""Evaluations before which no run counts as converged: from noise, some stand still at first."""
TAIL, GAIN = 0.2, 0.01
"""A run has converged when the last fifth of its evaluations has lowered the loss by less than one per cent, and has
not left the lowest behind either: L-BFGS without a line search can."""
FIRST = 3
"""So many losses of each stored run are computed again by the tests."""
LARGEST = 256
"""Pixels of the longer side up to which stored pictures come with the package."""


class ExperimentError(StyletutError, ValueError):
    """No experiment has that name, its results are not stored, or it does not keep to the rules."""


# --- one run of an experiment ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Task:
    """A transfer that an experiment asks for.

    ``content`` and ``style`` have their working size; ``start`` is the picture to begin from, where it is none of the
    recipe's, and ``after`` the name of the run that gave it. With ``converge`` it ends when it has converged, else only
    after all its steps. ``style`` may be several; ``style_weights``, ``masks`` and ``content_mask`` are those of
    `stylize`.
    """

    name: str
    content: Tensor
    style: Tensor | list[Tensor] | None
    recipe: Recipe
    start: Tensor | None = None
    after: str | None = None
    converge: bool = True
    style_weights: list[float] | None = None
    masks: list[Tensor] | None = None
    content_mask: Tensor | None = None

    @property
    def evaluations(self) -> int:
        """Evaluations at most."""
        return self.recipe.steps * self.recipe.evaluations

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.content.shape[-2], self.content.shape[-1]

    def describe(self) -> dict[str, Any]:
        """What was asked for, as plain values: pictures by their size, means and deviations."""
        defaults = {field.name: field.default for field in recipe_fields()}
        changed = {name: value for name, value in self.recipe.to_dict().items() if value != defaults[name]}
        described = {name: _describe(picture) for name, picture in self.pictures().items()}
        weights = {} if self.style_weights is None else {"style_weights": self.style_weights}
        return plain({**described, **weights, "after": self.after, "converge": self.converge, "recipe": changed})

    def pictures(self) -> dict[str, Tensor]:
        """All that it is given, masks too, by what they are called."""
        given: dict[str, Sequence[Tensor | None]] = {
            "content": [self.content],
            "style": self.styles,
            "start": [self.start],
            "mask": self.masks or [],
            "content_mask": [self.content_mask],
        }
        return {
            f"{name} {i}" if i > 1 else name: picture
            for name, pictures in given.items()
            for i, picture in enumerate(pictures, 1)
            if picture is not None
        }

    @property
    def styles(self) -> list[Tensor]:
        """The style pictures."""
        return self.style if isinstance(self.style, list) else [] if self.style is None else [self.style]

    def iterate(self) -> Run:
        """The transfer, to be run."""
        return iterate(
            self.content,
            self.style,
            self.recipe,
            start=self.start,
            style_weights=self.style_weights,
            masks=self.masks,
            content_mask=self.content_mask,
        )

    def key(self) -> str:
        """Differs for any two tasks that differ in more than their name."""
        settings = [__version__, self.recipe.to_dict(), self.converge, self.style_weights]
        digest = hashlib.sha256(json.dumps(settings).encode())
        for name, picture in self.pictures().items():
            digest.update(f"{name} {picture.shape}".encode() + picture.numpy().tobytes())
        return digest.hexdigest()

    def first_losses(self, count: int = FIRST) -> list[float]:
        """The total losses of its first evaluations."""
        steps = self.iterate()
        return [step.losses["total"] for _, step in zip(range(count), steps, strict=False)]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run gave: the picture of its lowest loss, (1, 3, H, W), and its total loss at each evaluation."""

    task: Task
    picture: Tensor
    curve: list[float]
    losses: dict[str, float]
    seconds: float
    stopped: str | None = None

    @property
    def best(self) -> float:
        """The lowest total loss."""
        return min(self.curve)

    @property
    def gain(self) -> float:
        """By which share the last fifth of the evaluations has lowered the loss: `gain`."""
        return gain(self.curve)

    def unweighted(self, term: str) -> float:
        """The loss of a term (``content``, ``style`` or ``tv``) over its weight; NaN where it has none."""
        weight = getattr(self.task.recipe, f"{term}_weight")
        parts = [value for name, value in self.losses.items() if name.partition("/")[0] == term]
        return sum(parts) / weight if weight and parts else math.nan

    @functools.cached_property
    def objective(self) -> objective.Objective:
        """What was minimised, for measuring it elsewhere."""
        task, device, styles = self.task, pick_device(), list[Tensor]()
        network = _network(task.recipe)
        if network is not None:
            styles = [style_at(each, task.size, task.recipe, network.minimum_side).to(device) for each in task.styles]
        masks = Masks(task.masks, content=task.content_mask)
        return objective.build(
            task.content.to(device), styles, task.recipe, network=network, style_weights=task.style_weights, masks=masks
        )

    @torch.no_grad()
    def loss(self, picture: Tensor) -> float:
        """The total loss of another picture."""
        return float(self.objective(picture.to(pick_device()))["total"])

    def record(self) -> dict[str, Any]:
        """What is stored of it, beside the picture."""
        last = len(self.curve) - 1
        places = sorted({round(last ** (i / 40)) for i in range(41)} | {0, last}) if last > 0 else [0]
        return plain(
            {
                **self.task.describe(),
                "evaluations": len(self.curve),
                "seconds": round(self.seconds, 1),
                "gain": self.gain,
                "stopped": self.stopped,
                "first": self.curve[:FIRST],
                "losses": self.losses,
                "curve": [[place + 1, self.curve[place]] for place in places],
            }
        )


def compute(task: Task, watch: Callable[[list[float]], object] | None = None) -> Outcome:
    """Carry out a task; ``watch`` is called with the losses so far, after each evaluation."""
    steps = task.iterate()
    curve: list[float] = []
    losses: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # `stopped` says it
        for step in steps:
            curve.append(step.losses["total"])
            if curve[-1] == min(curve):
                losses = step.losses
            if watch is not None:
                watch(curve)
            if task.converge and len(curve) >= LEAST and abs(gain(curve)) < GAIN:
                break
    return Outcome(task, steps.picture(best=True), curve, losses, steps.state.seconds, steps.stopped)


def gain(curve: list[float]) -> float:
    """By which share the lowest of the last fifth of these losses is below those before; negative where it is above.

    >>> round(gain([8.0, 4.0, 2.0, 1.0, 0.9]), 9), round(gain([8.0, 4.0, 2.0, 1.0, 1.1]), 9)
    (0.1, -0.1)
    """
    end = max(1, round((1 - TAIL) * len(curve)))
    before = min(curve[:end])
    return 1 - min(curve[end:], default=before) / before if before > 0 else 0.0


# --- what an experiment calls ------------------------------------------------------------------------------


class Runner:
    """What an experiment is given as ``run``: carries out each transfer, and keeps what it gave by its name.

    ``changes`` are made to the recipes of all runs.
    """

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.outcomes: dict[str, Outcome] = {}

    def __call__(
        self,
        name: str,
        content: Tensor,
        style: Tensor | list[Tensor] | None,
        recipe: Recipe,
        *,
        start: Outcome | str | None = None,
        converge: bool = True,
        style_weights: list[float] | None = None,
        masks: list[Tensor] | None = None,
        content_mask: Tensor | None = None,
        **changes: Any,
    ) -> Outcome:
        """The outcome of one transfer.

        Args:
            name: unique in the experiment; what the stored results call it.
            content, style: pictures (1, 3, H, W) of the size that they are to have; style None if the recipe has none,
                or several.
            recipe: its ``size`` must be None, and its scales one of 1.0: an evaluation is always one of these pictures.
            start: one of the recipe's starts; or an earlier outcome, to go on from its picture, which is rounded to 8
                bits as it is stored.
            converge: end when it has converged; else all steps are taken.
            style_weights, masks, content_mask: as `stylize` takes them; masks are (1, 1, H, W), of the content's size.
            **changes: fields of the recipe to change; ``steps`` are the most that it takes.

        Raises:
            ExperimentError: the name was used before, or the recipe changes the size of the pictures.
        """
        if isinstance(start, str):
            changes["start"], start = start, None
        recipe = recipe.replace(**(changes | self.changes))
        if name in self.outcomes:
            raise ExperimentError(f"two runs are called {name!r}: give each a name of its own")
        if recipe.size is not None or len(recipe.scales) > 1 or recipe.scales[0][0] != 1:
            raise ExperimentError(
                f"run {name!r} changes the size of its pictures: load them at one size, with size=None and one scale"
            )
        after, begin = (None, None) if start is None else (start.task.name, self.begin(start))
        task = Task(name, content, style, recipe, begin, after, converge, style_weights, masks, content_mask)
        outcome = self.outcome(task)
        self.outcomes[name] = outcome
        return outcome

    def outcome(self, task: Task) -> Outcome:
        """What a task gave."""
        return compute(task)

    def begin(self, start: Outcome) -> Tensor | None:
        """The picture to go on from, in 8 bits."""
        return (start.picture * 255).round() / 255


class _Planned(Exception):
    """An experiment looks at what its runs have given: by now it has asked for all of them."""


@dataclass(frozen=True, eq=False)
class _Pending:
    """Stands for an outcome that there is not yet."""

    task: Task

    def __getattr__(self, name: str) -> Any:
        raise _Planned


class Planner(Runner):
    """Carries out nothing: ``tasks`` are what an experiment asks for before it looks at an outcome."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**changes)
        self.tasks: list[Task] = []

    def outcome(self, task: Task) -> Outcome:
        """A stand-in."""
        self.tasks.append(task)
        return _Pending(task)  # type: ignore[return-value]

    def begin(self, start: Outcome) -> Tensor | None:
        """No picture yet."""
        return None


# --- the functions -----------------------------------------------------------------------------------------


@functools.cache
def home() -> Path:
    """The folder of ``experiments`` and ``results``: of the book in a checkout, else the package's copy."""
    checkout = Path(__file__).parents[2] / "book"
    return checkout if (checkout / "experiments").is_dir() else Path(__file__).parent / "book"


def names() -> tuple[str, ...]:
    """All experiments, by chapter and name."""
    files = sorted((home() / "experiments").glob("ch[0-9][0-9]_*.py"))
    return tuple(f"{file.stem[2:4]}/{file.stem[5:]}" for file in files)


@dataclass(frozen=True, eq=False)
class Experiment:
    """An experiment: its function, its settings (whole, and of a small run), and a hash of its source."""

    name: str
    function: Callable[..., Any]
    settings: dict[str, Any]
    small: dict[str, Any]
    source: str

    def plan(self, runner: Planner | None = None, **settings: Any) -> list[Task]:
        """All that it asks for, in order; nothing is computed."""
        planner = runner or Planner()
        with contextlib.suppress(_Planned):
            self(planner, **settings)
        return planner.tasks

    def __call__(self, runner: Runner, **settings: Any) -> dict[str, Any]:
        """Its numbers.

        Raises:
            ExperimentError: it has no such setting.
        """
        for name in settings:
            if name not in self.settings:
                raise ExperimentError(did_you_mean(f"setting of {self.name}", name, self.settings))
        return plain(self.function(runner, **settings))


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ExperimentError: there is none; the message lists all.

    >>> sorted(experiment("09/valleys").settings)
    ['most', 'pairs', 'points', 'size']
    """
    if name not in names():
        raise ExperimentError(did_you_mean("experiment", name, names()))
    chapter, _, called = name.partition("/")
    path = home() / "experiments" / f"ch{chapter}_{called}.py"
    spec = importlib.util.spec_from_file_location(f"styletut_experiment_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, called)
    _, *parameters = inspect.signature(function).parameters.values()  # the first is `run`
    settings = plain({each.name: each.default for each in parameters})
    return Experiment(name, function, settings, plain(module.SMALL), source_hash(path.read_text(encoding="utf-8")))


def source_hash(text: str) -> str:
    r"""A hash of Python source that comments, docstrings and empty lines do not change.

    >>> source_hash('def f():\n    "About it."\n    return 1  # one\n') == source_hash("def f():\n\n    return 1\n")
    True
    """
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node, clean=False):
            about = node.body[0]
            lines[about.lineno - 1 : about.end_lineno] = [""] * ((about.end_lineno or 0) - about.lineno + 1)
    return hashlib.sha256("\n".join(line.rstrip() for line in lines if line.strip()).encode()).hexdigest()[:16]


# --- what they gave ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Results:
    """What an experiment gave.

    ``numbers`` are what its function returned, ``runs`` what is known of each run by its name, ``settings`` those that
    it had, ``made`` when and with what. `picture` gives the result of a run.
    """

    name: str
    settings: dict[str, Any]
    numbers: dict[str, Any]
    runs: dict[str, dict[str, Any]]
    made: dict[str, Any]
    source: str
    _picture: Callable[[str], Tensor] = field(repr=False)

    @classmethod
    def of(
        cls, experiment: Experiment, runner: Runner, settings: Mapping[str, Any], numbers: dict[str, Any]
    ) -> Results:
        """What an experiment has just given."""
        outcomes = runner.outcomes
        return cls(
            experiment.name,
            experiment.settings | plain(dict(settings)),
            numbers,
            {name: outcome.record() for name, outcome in outcomes.items()},
            {
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "machine": machine(),
                "minutes": round(sum(outcome.seconds for outcome in outcomes.values()) / 60, 1),
                "python": platform.python_version(),
                "styletut": __version__,
                "torch": torch.__version__,
            },
            experiment.source,
            lambda name: outcomes[name].picture,
        )

    def picture(self, run: str) -> Tensor:
        """The picture that a run gave, (1, 3, H, W) in [0, 1].

        Raises:
            ExperimentError: there is no such run, or its picture is larger than those that come with the package.
        """
        if run not in self.runs:
            raise ExperimentError(did_you_mean(f"run of {self.name}", run, self.runs))
        return self._picture(run)

    def curve(self, run: str) -> tuple[list[int], list[float]]:
        """Evaluations, not all of them, and the total loss at each; for a plot."""
        if run not in self.runs:
            raise ExperimentError(did_you_mean(f"run of {self.name}", run, self.runs))
        evaluations, losses = zip(*self.runs[run]["curve"], strict=True)
        return list(evaluations), list(losses)

    @property
    def unfinished(self) -> list[str]:
        """The runs that were to converge, and had not when their steps were used up."""
        return [name for name, run in self.runs.items() if run["converge"] and not _has_converged(run)]

    @property
    def reduced(self) -> dict[str, Any]:
        """The settings in which it was smaller than the experiment is now; empty for the whole of it."""
        whole = experiment(self.name).settings
        return {name: value for name, value in self.settings.items() if whole.get(name) != value}

    def __str__(self) -> str:
        sizes = sorted({max(run["content"]["size"]) for run in self.runs.values()})
        counts = sorted(run["evaluations"] for run in self.runs.values())
        open_ended = sum(run["converge"] for run in self.runs.values())
        parts = [
            f"{self.name}: {len(self.runs)} runs at {_range(sizes)} pixels, {_range(counts)} evaluations",
            f"{open_ended - len(self.unfinished)} of {open_ended} converged" if open_ended else "as long as was asked",
            f"{self.made['minutes']:g} minutes on {self.made['machine']}, {self.made['date']}",
        ]
        if self.reduced:
            settings = "not the whole experiment: " + ", ".join(f"{k}={v!r}" for k, v in self.reduced.items())
            parts.append(textwrap.fill(settings, 76, subsequent_indent="    ", break_on_hyphens=False))
        return "\n  ".join(parts)


def results(name: str) -> Results:
    """The stored results of an experiment.

    Raises:
        ExperimentError: there is no such experiment, or nothing is stored of it.
    """
    if name not in names():
        raise ExperimentError(did_you_mean("experiment", name, names()))
    folder = home() / "results" / name
    try:
        stored = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExperimentError(
            f"no results of {name} are stored: in a copy of the project, make experiments ONLY={name} computes them"
        ) from None

    def picture(run: str) -> Tensor:
        path = folder / stored["runs"][run]["picture"]
        if not path.is_file():
            raise ExperimentError(
                f"the picture of {run!r} is over {LARGEST} pixels and does not come with the package: "
                "it is on the book's page, and in a copy of the project"
            )
        return load_image(path)

    kept = {key: stored[key] for key in ("settings", "numbers", "runs", "made", "source")}
    return Results(name=name, **kept, _picture=picture)


def repeat(name: str, full: bool | None = None, *, runner: Runner | None = None, **settings: Any) -> Results:
    """Run an experiment here and now.

    Args:
        name: which.
        full: with all its settings as they were for the stored results, which takes hours without a GPU; else small, in
            seconds. By default where there is a GPU.
        runner: what carries out its runs.
        **settings: to be changed.

    Raises:
        ExperimentError: there is no such experiment, or it has no such setting.
    """
    chosen, runner = experiment(name), runner or Runner()
    full = pick_device().type != "cpu" if full is None else full
    settings = ({} if full else chosen.small) | settings
    return Results.of(chosen, runner, settings, chosen(runner, **settings))


# --- plain values ------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Values as JSON has them, numbers of six significant digits; None for what is not finite.

    >>> plain({"a": (1, torch.tensor(2 / 3)), "b": float("nan")})
    {'a': [1, 0.666667], 'b': None}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, Tensor):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def machine() -> str:
    """The kind of this machine, without its name."""
    device = pick_device()
    kind = f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    return kind if device.type == "cpu" else f"{device_name(device)}, {kind}"


def _network(recipe: Recipe) -> VGG | None:
    """The network of a recipe on the device; recipes that differ in nothing else share it."""
    asked = {name: getattr(recipe, name) for name in ("network", "weights", "pooling", "padding", "preprocessing")}
    layers = dict.fromkeys(recipe.layers, 1.0)
    return _shared(Recipe(**asked, rescale=recipe.rescale, content_layers=layers, style_layers={}, tv_weight=1.0))


@functools.lru_cache(maxsize=2)
def _shared(recipe: Recipe) -> VGG | None:
    network = objective.network(recipe)
    return network if network is None else network.to(pick_device())


def _describe(picture: Tensor) -> dict[str, Any]:
    return {"size": list(picture.shape[-2:]), "mean": picture.mean((0, 2, 3)), "std": picture.std((0, 2, 3))}


def _has_converged(run: Mapping[str, Any]) -> bool:
    return bool(run["evaluations"] >= LEAST and abs(run["gain"]) < GAIN and run["stopped"] is None)


def _range(values: list[int]) -> str:
    return f"{values[0]}" if values[0] == values[-1] else f"{values[0]} to {values[-1]}"
