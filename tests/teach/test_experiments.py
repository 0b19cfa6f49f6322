"""Experiments: what a run gives, what is asked for before anything runs, and what is stored and read."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import experiments as tool
import pytest
import torch
from torch import Tensor

import styletut as st
from styletut.teach import experiments
from styletut.teach.experiments import ExperimentError, Runner, Task
from styletut.vgg import Weights

# Total variation alone needs no network.
SMOOTH = st.Recipe(
    content_layers={}, style_layers={}, tv_weight=1.0, tv_reduction="mean", optimizer="sgd", learning_rate=0.5
)
SOURCE = '''
"""Is it smooth?"""

import styletut as st

SMALL = {"steps": 2}
RECIPE = st.Recipe(
    content_layers={}, style_layers={}, tv_weight=1.0, tv_reduction="mean", optimizer="sgd", learning_rate=0.5
)


def smooth(run, photos=("cat", "coffee"), size=16, steps=4):
    ends = {
        photo: run(f"{photo}, once", st.samples.load(photo, size), None, RECIPE, steps=steps, converge=False)
        for photo in photos
    }
    again = run("again", st.samples.load("cat", size), None, RECIPE, start=ends["cat"], steps=3, converge=False)
    return {"losses": {photo: end.best for photo, end in ends.items()}, "again": again.best}
'''


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book with one experiment, and a folder of its own for the runs that are kept."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "ch01_smooth.py").write_text(SOURCE)
    monkeypatch.setattr(experiments, "home", lambda: tmp_path)
    monkeypatch.setattr(tool, "KEPT", tmp_path / "kept")
    return tmp_path


@pytest.fixture
def stored(book: Path) -> dict[str, Any]:
    """What is stored of its results."""
    assert tool.main(["--seconds", "1"]) == 0
    found: dict[str, Any] = json.loads((book / "results" / "01" / "smooth" / "results.json").read_text())
    return found


def rewrite(book: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the stored results."""
    path = book / "results" / "01" / "smooth" / "results.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def no_run(*_: Any) -> Any:
    raise AssertionError("a run was carried out")


# --- one run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("converge", "evaluations"), [(True, experiments.LEAST), (False, 130)])
def test_a_run_ends_when_it_gains_nothing_more_unless_it_is_to_take_all_its_steps(
    converge: bool, evaluations: int
) -> None:
    still = SMOOTH.replace(learning_rate=1e-9, steps=130)
    outcome = experiments.compute(Task("still", torch.rand(1, 3, 8, 8), None, still, converge=converge))
    assert len(outcome.curve) == evaluations
    assert outcome.gain < experiments.GAIN


def test_a_run_that_still_gains_goes_on() -> None:
    falling = SMOOTH.replace(learning_rate=0.5, steps=130)
    outcome = experiments.compute(Task("falling", torch.rand(1, 3, 8, 8), None, falling))
    assert outcome.gain > experiments.GAIN and len(outcome.curve) == 130


def test_a_run_that_has_left_its_lowest_loss_behind_has_not_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    class Jumps:
        """Falls, then jumps up and stays there for a while, as L-BFGS without a line search may."""

        stopped, state = None, SimpleNamespace(seconds=1.0)
        losses = [2.0 - i / 100 for i in range(80)] + [5.0] * 40 + [1.0] * 80

        def __iter__(self) -> Iterator[SimpleNamespace]:
            return (SimpleNamespace(losses={"total": loss}) for loss in self.losses)

        def picture(self, best: bool) -> Tensor:
            return torch.zeros(1, 3, 8, 8)

    monkeypatch.setattr(experiments, "iterate", lambda *args, **options: Jumps())
    outcome = experiments.compute(Task("jumps", torch.rand(1, 3, 8, 8), None, SMOOTH))
    assert len(outcome.curve) > 120 and outcome.best == 1.0
    record = outcome.record()
    assert experiments._has_converged(record) and not experiments._has_converged(record | {"gain": -0.5})


def test_the_picture_is_that_of_the_lowest_loss(photo: Tensor, painting: Tensor, tiny: Weights) -> None:
    recipe = st.recipes.get("gram").replace(
        size=None, scales=((1.0, 9),), weights=tiny, clamp="forward", precision="float32", style_weight=3.0
    )
    outcome = Runner()("one", photo, painting, recipe)
    assert outcome.best == min(outcome.curve)
    assert outcome.loss(outcome.picture) == pytest.approx(outcome.best, rel=1e-4)
    assert outcome.losses["total"] == outcome.best
    parts = sum(value for name, value in outcome.losses.items() if name.startswith("style"))
    assert outcome.unweighted("style") == pytest.approx(parts / 3)


def test_a_run_takes_several_styles_and_masks(photo: Tensor, painting: Tensor, tiny: Weights) -> None:
    recipe = st.recipes.get("fast").replace(size=None, scales=((1.0, 4),), margin=0, weights=tiny, precision="float32")
    left = torch.zeros(1, 1, 32, 40)
    left[..., :16] = 1
    styles = [painting, painting.flip(1)]
    steer: dict[str, Any] = {"masks": [left, 1 - left], "style_weights": [1.0, 3.0]}
    factors = 1 + 9 * left
    outcome = Runner()("one", photo, styles, recipe, content_mask=factors, **steer)
    wanted = st.stylize(photo, styles, recipe, content_mask=factors, progress=False, **steer)
    assert outcome.curve == [step["losses"]["total"] for step in wanted.history]
    assert outcome.loss(outcome.picture) == pytest.approx(outcome.best, rel=1e-4)
    record = outcome.record()
    assert record["style_weights"] == [1.0, 3.0]
    assert [record[name]["mean"] for name in ("mask", "mask 2", "content_mask")] == [[0.4], [0.6], [4.6]]
    assert record["style"]["mean"] == record["style 2"]["mean"][::-1]
    assert outcome.task.first_losses(2) == outcome.curve[:2]


def test_a_run_that_diverged_says_so_and_keeps_its_best_picture() -> None:
    wild = SMOOTH.replace(learning_rate=1e6, steps=30)
    outcome = experiments.compute(Task("wild", torch.rand(1, 3, 8, 8), None, wild))
    assert outcome.stopped is not None and outcome.stopped.startswith("diverged")
    assert bool(outcome.picture.isfinite().all())


def test_a_run_goes_on_from_an_earlier_picture_as_it_is_stored() -> None:
    run = Runner()
    first = run("first", torch.rand(1, 3, 8, 8), None, SMOOTH, steps=3)
    then = run("then", torch.rand(1, 3, 8, 8), None, SMOOTH, start=first, steps=2)
    in_bytes = (first.picture * 255).round() / 255
    assert then.curve[0] == pytest.approx(float(st.losses.total_variation(in_bytes, reduction="mean")), rel=1e-5)
    assert then.task.after == "first"


def test_names_are_unique_and_pictures_have_their_size() -> None:
    run, picture = Runner(), torch.rand(1, 3, 8, 8)
    run("one", picture, None, SMOOTH, steps=1)
    with pytest.raises(ExperimentError, match="two runs are called 'one'"):
        run("one", picture, None, SMOOTH, steps=1)
    for changes in ({"size": 64}, {"scales": ((0.5, 1), (1.0, 1))}, {"scales": ((0.5, 1),)}):
        with pytest.raises(ExperimentError, match="load them at one size"):
            run("two", picture, None, SMOOTH, **changes)


def test_what_is_kept_of_a_run_depends_on_all_that_decides_it() -> None:
    picture = torch.rand(1, 3, 8, 8)
    task = Task("one", picture, None, SMOOTH)
    others = [
        Task("one", picture + 1e-6, None, SMOOTH),
        Task("one", picture, picture, SMOOTH),
        Task("one", picture, None, SMOOTH, start=picture),
        Task("one", picture, None, SMOOTH.replace(seed=1)),
        Task("one", picture, None, SMOOTH, converge=False),
        Task("one", picture, [picture, picture], SMOOTH),
        Task("one", picture, [picture, picture], SMOOTH, style_weights=[1.0, 2.0]),
        Task("one", picture, [picture, picture], SMOOTH, masks=[picture[:, :1], picture[:, 1:2]]),
        Task("one", picture, None, SMOOTH, content_mask=picture[:, :1]),
    ]
    assert Task("another name", picture.clone(), None, SMOOTH).key() == task.key()
    assert len({each.key() for each in [task, *others]}) == 1 + len(others)


# --- before anything runs ----------------------------------------------------------------------------------


def test_what_an_experiment_asks_for_is_known_before_anything_runs(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "compute", no_run)
    tasks = experiments.experiment("01/smooth").plan(steps=7)
    assert [(task.name, task.evaluations, task.after) for task in tasks] == [
        ("cat, once", 7, None),
        ("coffee, once", 7, None),
        ("again", 3, "cat, once"),
    ]


def test_cost_is_counted_in_evaluations_of_a_picture_of_256_pixels() -> None:
    unit, half = torch.rand(1, 3, *tool.UNIT), torch.rand(1, 3, tool.UNIT[0], tool.UNIT[1] // 2)
    recipe = st.recipes.get("gram").replace(size=None, scales=((1.0, 30),))
    assert tool.work(Task("unit", unit, unit, recipe)) == pytest.approx(30)
    assert tool.work(Task("half", half, unit, recipe)) == pytest.approx(15)
    shallow = recipe.replace(content_weight=0, style_layers={"relu1_1": 1.0})
    # relu1_1 takes 9 * 3 * 64 multiplications a pixel, relu5_1 361 152.
    assert tool.work(Task("shallow", unit, unit, shallow)) == pytest.approx(30 * 9 * 3 * 64 / 361_152)


def test_the_cost_is_said_beforehand(book: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(experiments, "compute", no_run)
    assert tool.main(["--plan", "--seconds", "2"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"01/smooth +never run +3 +0 +11 ", said)
    assert "together" in said and "at 2.00 s" in said


# --- stored, and read --------------------------------------------------------------------------------------


def test_results_are_read_as_they_were_stored(book: Path, stored: dict[str, Any]) -> None:
    results = experiments.results("01/smooth")
    assert results.settings == {"photos": ["cat", "coffee"], "size": 16, "steps": 4}
    assert list(results.runs) == ["cat, once", "coffee, once", "again"]
    assert results.numbers["losses"]["cat"] == pytest.approx(min(results.runs["cat, once"]["first"]), rel=0.5)
    assert results.numbers == experiments.repeat("01/smooth", full=True).numbers
    assert not results.reduced and not results.unfinished
    evaluations, losses = results.curve("coffee, once")
    assert evaluations == [1, 2, 3, 4] and losses[:3] == results.runs["coffee, once"]["first"]


def test_pictures_are_stored_and_those_that_runs_go_on_from_lose_nothing(book: Path, stored: dict[str, Any]) -> None:
    again = Runner()
    experiments.repeat("01/smooth", full=True, runner=again)
    results = experiments.results("01/smooth")
    exact = again.outcomes["again"].task.start
    assert exact is not None
    torch.testing.assert_close(results.picture("cat, once"), exact, rtol=0, atol=1e-6)
    about = again.outcomes["coffee, once"].picture
    assert float((results.picture("coffee, once") - about).abs().mean()) < 0.06


def test_what_is_stored_names_no_machine_and_no_folder(book: Path, stored: dict[str, Any]) -> None:
    text = json.dumps(stored)
    assert str(Path.home()) not in text and str(book) not in text
    assert socket.gethostname() not in text
    assert set(stored["made"]) == {"date", "machine", "minutes", "python", "styletut", "torch"}


def test_large_pictures_have_a_folder_of_their_own_and_where_it_is_missing_it_is_said(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "LARGEST", 10)
    assert tool.main(["--seconds", "1"]) == 0
    folder = book / "results" / "01" / "smooth"
    assert sorted(path.name for path in folder.iterdir()) == ["large", "results.json"]
    assert len(list((folder / "large").iterdir())) == 3
    assert experiments.results("01/smooth").picture("again").shape == (1, 3, 11, 16)
    for picture in (folder / "large").iterdir():
        picture.unlink()
    with pytest.raises(ExperimentError, match="over 10 pixels and does not come with the package"):
        experiments.results("01/smooth").picture("again")


def test_pictures_of_runs_that_are_gone_are_removed(book: Path, stored: dict[str, Any]) -> None:
    before = {path.name for path in (book / "results" / "01" / "smooth").iterdir()}
    assert tool.main(["01/smooth", "--seconds", "1", "--set", "photos=('cat',)"]) == 0
    after = {path.name for path in (book / "results" / "01" / "smooth").iterdir()}
    assert len(before) == 4 and len(after) == 3


def test_results_that_are_missing_are_asked_for_in_one_line(book: Path) -> None:
    with pytest.raises(ExperimentError, match="make experiments ONLY=01/smooth") as caught:
        experiments.results("01/smooth")
    assert "\n" not in str(caught.value)


def test_a_wrong_name_gets_the_nearest_one(book: Path, stored: dict[str, Any]) -> None:
    results = experiments.results("01/smooth")
    with pytest.raises(ExperimentError, match="did you mean '01/smooth'"):
        experiments.results("01/smoth")
    with pytest.raises(ExperimentError, match="did you mean 'cat, once'"):
        results.picture("cat once")
    with pytest.raises(ExperimentError, match="did you mean 'cat, once'"):
        results.curve("cat once")
    with pytest.raises(ExperimentError, match="did you mean 'steps'"):
        experiments.repeat("01/smooth", step=2)


def test_an_experiment_is_repeated_small_or_whole(book: Path) -> None:
    small = experiments.repeat("01/smooth", full=False, photos=("cat",))
    assert small.settings == {"photos": ["cat"], "size": 16, "steps": 2}
    assert small.reduced == {"photos": ["cat"], "steps": 2}
    assert "not the whole experiment: photos=['cat'], steps=2" in str(small)
    assert small.picture("again").shape == (1, 3, 11, 16)
    many = dataclasses.replace(small, settings=small.settings | {"photos": ["a photograph of a cat"] * 9})
    assert len(str(many).splitlines()) > 5 and max(map(len, str(many).splitlines())) <= 80


def test_numbers_are_plain(book: Path) -> None:
    assert experiments.plain({1: (math.inf, torch.tensor([0.5])), "a": 1 / 3}) == {"1": [None, [0.5]], "a": 0.333333}


# --- what is run again -------------------------------------------------------------------------------------


def test_what_is_up_to_date_is_not_run_again(
    book: Path, stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(experiments, "compute", no_run)
    assert tool.fault("01/smooth") is None
    assert tool.main(["--seconds", "1"]) == 0
    assert "all experiments are up to date" in capsys.readouterr().out


def test_comments_and_docstrings_change_nothing(book: Path, stored: dict[str, Any]) -> None:
    changed = SOURCE.replace("Is it smooth?", "Is it?\n\nReally?").replace("SMALL =", "\n# How small.\nSMALL =")
    (book / "experiments" / "ch01_smooth.py").write_text(changed)
    assert tool.fault("01/smooth") is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"again": again.best', '"again": 2 * again.best', "its function has changed"),
        ("learning_rate=0.5", "learning_rate=0.4", "its function has changed"),
        ("steps=4", "steps=5", "its function has changed"),
    ],
)
def test_a_change_of_the_function_or_its_settings_is_noticed(
    book: Path, stored: dict[str, Any], old: str, new: str, reason: str
) -> None:
    (book / "experiments" / "ch01_smooth.py").write_text(SOURCE.replace(old, new))
    assert tool.fault("01/smooth") == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda values: values["settings"].update(steps=5), "the recipe of 'cat, once' is another"),
        (lambda values: values["settings"].update(photos=["cat"]), "it asks for other runs"),
        (lambda values: values["settings"].pop("steps"), "its settings have changed: steps"),
        (lambda values: values["runs"]["again"]["content"]["mean"].reverse(), "the content of 'again' is another"),
        (lambda values: values["runs"]["again"]["content"]["size"].reverse(), "the content of 'again' is another"),
        (lambda values: values["runs"]["again"].update(converge=True), "the converge of 'again' is another"),
    ],
)
def test_results_that_do_not_fit_what_is_asked_for_are_noticed(
    book: Path, stored: dict[str, Any], change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    rewrite(book, change)
    assert (tool.fault("01/smooth") or "").startswith(reason)


def test_a_small_difference_of_resized_pictures_is_none(book: Path, stored: dict[str, Any]) -> None:
    def nudge(values: dict[str, Any]) -> None:
        values["runs"]["again"]["content"]["mean"][0] += 1e-5

    rewrite(book, nudge)
    assert tool.fault("01/smooth") is None


def test_smaller_results_are_kept_as_such_and_run_whole_later(book: Path) -> None:
    assert tool.main(["01/smooth", "--seconds", "1", "--set", "steps=2"]) == 0
    assert tool.fault("01/smooth") is None
    assert experiments.results("01/smooth").reduced == {"steps": 2}
    assert list(tool.chosen([], {}, False).values()) == ["only run smaller"]
    assert tool.main(["--seconds", "1"]) == 0
    assert not experiments.results("01/smooth").reduced


def test_who_stops_it_loses_the_run_in_progress_and_no_other(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    whole = experiments.repeat("01/smooth", full=True).numbers
    begun: list[str] = []
    compute = experiments.compute

    def interrupted(task: Task, watch: Any = None) -> Any:
        begun.append(task.name)
        if task.name == "coffee, once" and begun.count(task.name) == 1:
            raise KeyboardInterrupt
        return compute(task, watch)

    monkeypatch.setattr(experiments, "compute", interrupted)
    assert tool.main(["--seconds", "1"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (book / "results").exists()
    assert tool.main(["--seconds", "1"]) == 0
    assert begun == ["cat, once", "coffee, once", "coffee, once", "again"]
    assert experiments.results("01/smooth").numbers == whole


def test_what_was_kept_gives_the_same_as_what_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.rand(1, 3, 8, 8)
    first = tool.Keeper(tmp_path)("one", picture, None, SMOOTH, steps=3)
    monkeypatch.setattr(experiments, "compute", no_run)
    again = tool.Keeper(tmp_path)("called otherwise", picture, None, SMOOTH, steps=3)
    assert torch.equal(first.picture, again.picture) and first.curve == again.curve
    assert again.task.name == "called otherwise" and first.losses == again.losses


def test_progress_says_how_far_a_run_is(capsys: Any) -> None:
    task = Task("one", torch.rand(1, 3, 8, 8), None, SMOOTH.replace(steps=10))
    show = tool.Progress(units=100.0, seconds=2.0)
    show.shown = -math.inf
    show(task, [2.0, 1.5])
    assert "one: evaluation 2 of at most 10, loss 1.5; " in capsys.readouterr().err


@pytest.mark.parametrize("value", ["size", "size=", "size=[1"])
def test_a_setting_that_is_none_is_refused(value: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        tool.parsed(["--set", value])
    assert "NAME=VALUE" in capsys.readouterr().err


def test_an_unknown_experiment_is_one_line(book: Path, capsys: Any) -> None:
    assert tool.main(["02/rough"]) == 1
    assert capsys.readouterr().err.startswith("unknown experiment '02/rough'")
