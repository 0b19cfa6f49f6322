"""Run the experiments of the book whose function, settings or inputs have changed, and store what they give.

First it says what that will cost: seconds of an evaluation, measured here, times evaluations at most. Each run is kept
in `.experiments/` as soon as it is done. Whoever stops it (Ctrl-C) loses the run in progress and no other; said again,
the command goes on from there. Runs that two experiments ask for are computed once.

    python tools/experiments.py                                    # all that are missing or out of date
    python tools/experiments.py --plan                             # only what that would cost
    python tools/experiments.py 09/valleys --set size=160 most=200 # one of them, smaller: its results say so
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import math
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from styletut import architecture, files, images, recipes, samples, transfer
from styletut.errors import StyletutError
from styletut.teach import experiments
from styletut.teach.experiments import Experiment, Outcome, Results, Runner, Task

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".experiments"
UNIT = (171, 256)
"""What evaluations are counted in: a landscape of 256 pixels, VGG-19 to relu5_1."""
QUALITY = 85


# --- what is out of date -----------------------------------------------------------------------------------


def fault(name: str) -> str | None:
    """Why the stored results of an experiment are not those that it would give; None if they are.

    Settings may be smaller than the experiment's own (`Results.reduced` says so): the pictures and recipes are those
    that it asks for with the settings stored.
    """
    experiment = experiments.experiment(name)
    if not (experiments.home() / "results" / name / "results.json").is_file():
        return "never run"
    stored = experiments.results(name)
    if stored.source != experiment.source:
        return "its function has changed"
    if unknown := stored.settings.keys() ^ experiment.settings.keys():
        return f"its settings have changed: {', '.join(sorted(unknown))}"
    tasks = {task.name: task for task in experiment.plan(**stored.settings)}
    if list(tasks) != list(stored.runs):
        return "it asks for other runs"
    for run, task in tasks.items():
        if difference := _difference(task.describe(), stored.runs[run]):
            return f"{difference} of {run!r} is another"
    return None


def _difference(asked: dict[str, Any], stored: dict[str, Any]) -> str | None:
    """The first thing that was stored of a run and is not what is asked for."""
    for name, value in asked.items():
        if isinstance(value, dict) and "std" in value:  # a picture
            for part in value:
                pairs = zip(value[part], stored.get(name, {}).get(part, []), strict=False)
                # Resizing is not the same to the last bit on every machine.
                if not all(math.isclose(a, b, abs_tol=2e-3) for a, b in pairs):
                    return f"the {name}"
        elif value != stored.get(name):
            return f"the {name}"
    return None


# --- what it costs -----------------------------------------------------------------------------------------


def work(task: Task) -> float:
    """Evaluations at most, in evaluations of `UNIT`: by pixels, and by the multiplications to the deepest layer."""
    network, deepest = task.recipe.network, 0
    for name in task.recipe.layers:
        deepest = max(deepest, architecture.layer(name, network).index)
    return task.evaluations * math.prod(task.size) * _multiplications(deepest, network) / _UNIT_WORK


def _multiplications(deepest: int, network: str = "vgg19") -> float:
    """Multiplications of VGG's convolutions a pixel, up to the layer of that index."""
    total, channels = 0.0, 3
    for layer in architecture.layers(network)[: deepest + 1]:
        if layer.kind == "conv":
            total += 9 * channels * layer.channels / layer.stride**2
            channels = layer.channels
    return total


_UNIT_WORK = math.prod(UNIT) * _multiplications(architecture.layer("relu5_1").index)


def seconds_of_a_unit() -> float:
    """The quickest of a few evaluations of `UNIT` on this machine."""
    photo = samples.load("cat", UNIT)
    recipe = recipes.get("gram").replace(size=None, scales=((1.0, 1),), precision="float32")
    return transfer.estimate(photo, photo, recipe).seconds


# --- running -----------------------------------------------------------------------------------------------


class Keeper(Runner):
    """Keeps each outcome in a file, and carries out only what it has not kept."""

    def __init__(self, folder: Path, show: Callable[[Task, list[float]], object] | None = None, **changes: Any) -> None:
        super().__init__(**changes)
        self.folder, self.show = folder, show

    def path(self, task: Task) -> Path:
        """Where the outcome of a task is kept."""
        return self.folder / f"{task.key()[:32]}.pt"

    def outcome(self, task: Task) -> Outcome:
        """What a task gave, now or before."""
        path = self.path(task)
        if path.is_file():
            return Outcome(task, **torch.load(path, weights_only=True))
        show = self.show
        outcome = experiments.compute(task, None if show is None else lambda curve: show(task, curve))
        kept = ("picture", "curve", "losses", "seconds", "stopped")
        stream = io.BytesIO()
        torch.save({name: getattr(outcome, name) for name in kept}, stream)
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, stream.getvalue())
        return outcome


def save(results: Results, outcomes: dict[str, Outcome], folder: Path) -> None:
    """Write the numbers and the pictures, the numbers last: they are there when all of it is."""
    begun_from = {run["after"] for run in results.runs.values()}
    runs, written = {}, {folder / "results.json"}
    for number, (name, outcome) in enumerate(outcomes.items(), 1):
        lossless = name in begun_from  # another run goes on from this picture
        words = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
        path = folder / ("" if max(outcome.task.size) <= experiments.LARGEST else "large")
        path /= f"{number:02}-{words}.{'png' if lossless else 'webp'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        images.save_image(outcome.picture, path, quality=QUALITY)
        written.add(path)
        runs[name] = results.runs[name] | {"picture": path.relative_to(folder).as_posix()}
    names = ("settings", "made", "source", "numbers")
    stored = {"experiment": results.name} | {name: getattr(results, name) for name in names} | {"runs": runs}
    files.write_atomically(folder / "results.json", (_json(stored) + "\n").encode())
    for left in folder.rglob("*"):
        if left.is_file() and left not in written:  # of runs that it no longer has
            left.unlink()


def _json(value: Any, indent: int = 1) -> str:
    """JSON with a line for each run and number, so that a diff shows which have changed."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) <= 110 or not isinstance(value, (dict, list)) or not value:
        return line
    pad, end = "\n" + " " * indent, "\n" + " " * (indent - 1)
    if isinstance(value, list):
        if not any(isinstance(each, dict) for each in value):
            return line
        return "[" + ",".join(pad + _json(each, indent + 1) for each in value) + end + "]"
    parts = (f"{pad}{json.dumps(key, ensure_ascii=False)}: {_json(each, indent + 1)}" for key, each in value.items())
    return "{" + ",".join(parts) + end + "}"


class Progress:
    """A line that says how far a run has come, and how long the rest will take at most."""

    def __init__(self, units: float, seconds: float, stream: Any = None) -> None:
        self.left, self.seconds = units, seconds
        self.stream = sys.stderr if stream is None else stream
        self.shown = 0.0

    def __call__(self, task: Task, curve: list[float]) -> None:
        """Show the losses so far of a run in progress, once in a while."""
        now, live = time.monotonic(), self.stream.isatty()
        if now - self.shown < (0.5 if live else 60):
            return
        self.shown = now
        left = self.left - work(task) * len(curve) / max(task.evaluations, 1)
        line = f"  {task.name}: evaluation {len(curve)} of at most {task.evaluations}, loss {curve[-1]:.4g}"
        line += f"; {duration(left * self.seconds)} left at most"
        print(f"\r{line:<110}" if live else line, end="" if live else "\n", file=self.stream, flush=True)

    def done(self, task: Task) -> None:
        """A run has ended."""
        self.left -= work(task)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(40), duration(4000), duration(40000)
    ('40 s', '67 min', '11.1 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def main(arguments: Sequence[str]) -> int:
    """Run what is out of date; the exit status is 130 if it was stopped, 1 if an experiment failed."""
    asked = parsed(arguments)
    try:
        todo = chosen(asked.names, asked.set, asked.all)
        return run(todo, asked.set, asked.plan, asked.seconds)
    except StyletutError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the runs that were done are kept: the same command goes on", file=sys.stderr)
        return 130


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="experiments, such as 09/valleys (default: all)")
    parser.add_argument("--plan", action="store_true", help="only say what it would cost")
    parser.add_argument("--all", action="store_true", help="those that are up to date too")
    parser.add_argument("--seconds", type=float, help="of an evaluation at 256 pixels (default: measured here)")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="other settings: smaller results")
    asked = parser.parse_args(arguments)
    try:
        asked.set = {name: ast.literal_eval(value) for name, value in (pair.split("=", 1) for pair in asked.set)}
    except (SyntaxError, ValueError):
        parser.error("--set takes NAME=VALUE with a Python value, for example size=160")
    return asked


def chosen(names: Sequence[str], settings: dict[str, Any], everything: bool) -> dict[Experiment, str]:
    """The experiments to run, and why."""
    todo = {}
    for name in names or experiments.names():
        experiment, reason = experiments.experiment(name), fault(name)
        if reason is None and experiments.results(name).reduced:
            reason = "only run smaller"
        if reason is None and (settings or everything):
            reason = "asked for"
        if reason is not None:
            todo[experiment] = reason
    return todo


def run(todo: dict[Experiment, str], settings: dict[str, Any], only_plan: bool, seconds: float | None) -> int:
    """Say what it costs, and do it."""
    if not todo:
        print("all experiments are up to date")
        return 0
    seconds = seconds_of_a_unit() if seconds is None else seconds
    keeper, seen, total = Keeper(KEPT), set[Path](), 0.0
    print(f"{'experiment':16} {'why':28} {'runs':>5} {'kept':>5} {'evaluations':>12} {'at 256':>8} {'at most':>9}")
    for experiment, reason in todo.items():
        tasks = experiment.plan(**settings)
        new = {keeper.path(task): task for task in tasks if task.after or not keeper.path(task).is_file()}
        new = {path: task for path, task in new.items() if path not in seen}
        seen |= new.keys()
        units = sum(map(work, new.values()))
        total += units
        evaluations = sum(task.evaluations for task in new.values())
        print(
            f"{experiment.name:16} {reason:28.28} {len(tasks):5} {len(tasks) - len(new):5} "
            f"{evaluations:12,} {units:8,.0f} {duration(units * seconds):>9}"
        )
    print(f"together {total:,.0f} evaluations of {UNIT[1]} x {UNIT[0]} pixels to relu5_1, at {seconds:.2f} s: ", end="")
    print(f"{duration(total * seconds)} at most", flush=True)
    if only_plan:
        return 0
    progress = Progress(total, seconds)
    for experiment in todo:
        keeper = _Told(progress)
        print(f"{experiment.name}:", flush=True)
        numbers = experiment(keeper, **settings)
        results = Results.of(experiment, keeper, settings, numbers)
        save(results, keeper.outcomes, experiments.home() / "results" / experiment.name)
        print(f"  {results}", flush=True)
    return 0


class _Told(Keeper):
    """Tells the progress of what is kept, and of what is done."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(KEPT, progress)
        self.progress = progress

    def outcome(self, task: Task) -> Outcome:
        new = not self.path(task).is_file()
        outcome = super().outcome(task)
        if new:
            self.progress.done(task)
            line = f"  {task.name}: {len(outcome.curve)} evaluations, loss {outcome.best:.4g}, gain {outcome.gain:.1%}"
            print(f"{line}, {duration(outcome.seconds)}", flush=True)
        return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
