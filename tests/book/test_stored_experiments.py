"""The book's experiments run, keep to their budget, and gave what is stored."""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import experiments as tool
import pytest
import wheel_files
from PIL import Image

from styletut.teach import experiments
from styletut.teach.experiments import Runner
from styletut.vgg import Weights

BOOK = Path(__file__).parents[2] / "book"
NAMES = experiments.names()
STORED = [name for name in NAMES if (BOOK / "results" / name / "results.json").is_file()]
GAVE = {"evaluations", "seconds", "gain", "stopped", "first", "losses", "curve", "picture"}
"""What is stored of a run beside what it was asked for."""


def asked(value: Any, path: str = "") -> set[str]:
    """What a run was asked for, a text for each single value."""
    if isinstance(value, dict):
        return {text for key, each in value.items() for text in asked(each, f"{path}/{key}")}
    return {f"{path}={json.dumps(value)}"}


def stored_runs() -> Iterator[Any]:
    """All runs with their marks.

    `make unit` computes anew the first of each experiment, `make portable` those with a picture or a setting that no
    run before them has, and `make portable EVERY=1` the others too, which combine the same pictures and settings.
    """
    for name in STORED:
        seen: set[str] = set()
        for number, (run, stored) in enumerate(experiments.results(name).runs.items()):
            values = asked({key: stored[key] for key in stored.keys() - GAVE})
            marks = [pytest.mark.portable] * bool(number) + [pytest.mark.combined] * (values <= seen)
            seen |= values
            yield pytest.param(name, run, marks=marks, id=f"{name}-{run}")


SECONDS, HOURS = 0.55, 11
"""Of an evaluation at 256 pixels on two cores without bfloat16, and what all experiments may take."""


def test_the_experiments_of_the_checkout_are_those_that_are_found() -> None:
    assert experiments.home() == BOOK
    assert len(NAMES) == len(list((BOOK / "experiments").glob("*.py"))) > 0


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_runs_small_and_asks_for_all_its_runs_before_it_looks_at_one(name: str, tiny: Weights) -> None:
    experiment = experiments.experiment(name)
    planned = [task.name for task in experiment.plan(**experiment.small)]
    results = experiments.repeat(name, full=False, runner=Runner(weights=tiny))
    assert list(results.runs) == planned
    assert results.settings == experiment.settings | experiment.small
    numbers = leaves(results.numbers)
    assert numbers and all(isinstance(each, (int, float, str)) for each in numbers)
    for run in results.runs:
        assert results.picture(run).isfinite().all()


def leaves(value: Any) -> list[Any]:
    """All numbers and texts within; not the learning rates that were tried, of which some diverge."""
    if isinstance(value, dict):
        return [leaf for name, each in value.items() if name != "tried" for leaf in leaves(each)]
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_can_be_read_in_a_chapter(name: str) -> None:
    """Short, with a docstring, and nothing but torch and public names of the module."""
    path = BOOK / "experiments" / f"ch{name.replace('/', '_')}.py"
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree) and len(text.splitlines()) <= 100
    assert max(map(len, text.splitlines())) <= 110
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"styletut", "torch", "torch.nn", "copy", "itertools", "math"}
    private = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")}
    assert not private


def test_all_experiments_together_keep_to_eleven_hours() -> None:
    seen: dict[str, float] = {}
    for name in NAMES:
        for task in experiments.experiment(name).plan():
            key = json.dumps(task.describe(), sort_keys=True)  # asked for twice, a run is computed once
            seen[key] = tool.work(task)
            assert task.recipe.precision == "float32" or task.after, "first losses are compared on any machine"
    assert sum(seen.values()) * SECONDS / 3600 < HOURS


# --- what is stored ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORED)
def test_stored_results_are_those_of_the_function_and_its_settings_now(name: str) -> None:
    assert tool.fault(name) is None, f"make experiments ONLY={name}"


@functools.cache
def planned(name: str) -> dict[str, experiments.Task]:
    """The runs of an experiment as it was stored, by their names."""
    return {task.name: task for task in experiments.experiment(name).plan(**experiments.results(name).settings)}


@pytest.mark.numerical
@pytest.mark.parametrize(("name", "run"), stored_runs())
def test_the_first_losses_of_a_stored_run_are_found_again_at_its_real_size(name: str, run: str) -> None:
    stored, task = experiments.results(name), planned(name)[run]
    if task.recipe.precision != "float32":
        pytest.skip("rounded differently on every kind of processor")
    if task.after is not None:
        task = dataclasses.replace(task, start=stored.picture(task.after))
    rounds = task.recipe.evaluations > 1  # one of them is twenty evaluations and more
    found = task.first_losses(1) if rounds else task.first_losses()
    assert found and found == pytest.approx(stored.runs[run]["first"][: len(found)], rel=1e-3)


@pytest.mark.parametrize("name", STORED)
def test_stored_pictures_have_the_size_that_their_folder_is_for(name: str) -> None:
    folder = BOOK / "results" / name
    for run in experiments.results(name).runs.values():
        path = folder / run["picture"]
        with Image.open(path) as picture:
            assert [picture.height, picture.width] == run["content"]["size"]
        assert (path.parent.name == "large") == (max(run["content"]["size"]) > experiments.LARGEST)


def test_results_stay_small_in_git_and_in_the_wheel() -> None:
    everything = [path for path in (BOOK / "results").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in everything) < 60e6
    assert sum(path.stat().st_size for path in wheel_files.travelling(BOOK)) < 8e6
    assert not [path for path in wheel_files.travelling(BOOK) if "large" in path.parts]
