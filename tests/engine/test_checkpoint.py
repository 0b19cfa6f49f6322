"""Saved runs: nothing damaged goes on, nothing computed is lost."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import random
import shutil
import tracemalloc
import warnings
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

import styletut as st
from styletut import objective, vgg
from styletut.engine import checkpoint, memory
from styletut.engine.state import RunState
from styletut.errors import CheckpointError, RecipeError, StyletutError
from styletut.losses import STYLE_LOSSES
from styletut.recipes import Recipe
from styletut.transfer import CheckpointWarning, Run, iterate, resume

TINY = vgg.random_weights(width=0.1)
SMALL = Recipe(
    name="small",
    weights=TINY,
    content_layers={"relu2_1": 1.0},
    style_layers={"relu1_1": 1.0},
    scales=((0.5, 2), (1.0, 4)),
    snapshot_every=2,
)
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "learning_rate": 1.0},
    "adam": {"optimizer": "adam", "learning_rate": 0.02, "averaging": 0.8},
    "lbfgs": {"optimizer": "lbfgs"},
    "lbfgs with line search": {"optimizer": "lbfgs", "line_search": True, "evaluations": 5},
}


def paint(photo: Tensor, painting: Tensor, **options: Any) -> st.Result:
    return st.stylize(photo, painting, SMALL, **{"progress": False, "device": "cpu", **options})


def go_on(path: Path) -> Tensor:
    """The picture that a saved run comes to."""
    return resume(path, weights=TINY, progress=False, device="cpu").picture


def begun(photo: Tensor, painting: Tensor, steps: int = 4, **changes: Any) -> Run:
    run = iterate(photo, painting, SMALL, device="cpu", **changes)
    for _ in range(steps):
        next(run)
    return run


# --- damage ------------------------------------------------------------------------------------------

JUNK: dict[str, Any] = {
    "none": None,
    "true": True,
    "text": "x",
    "negative": -1,
    "huge": 2**70,
    "nan": math.nan,
    "empty list": [],
    "list": [1],
    "nested": [[None]],
    "empty dictionary": {},
    "dictionary": {"a": 1},
    "pair": (1, 2),
    "vector": torch.zeros(3),
    "nothing": torch.zeros(1, 3, 0, 4),
    "not finite": torch.full((1, 3, 32, 40), math.nan),
    "whole numbers": torch.zeros(1, 3, 32, 40, dtype=torch.int64),
    "doubles": torch.zeros(1, 3, 5, 7, dtype=torch.float64),
    "another size": torch.zeros(1, 3, 5, 7),
    "sparse": torch.zeros(1, 3, 32, 40).to_sparse(),
}
SOUND = {
    "styles": {"empty list"},  # of the right kind; the recipe says that one is missing
    "style_weights": {"none", "list", "empty list"},
    "start": {"none", "another size"},
    "masks": {"none", "empty list"},
    "style_masks": {"none", "empty list"},
    "content_mask": {"none"},
    "max_memory": {"none"},
    "tile": {"none"},
    "best": {"negative", "huge"},
    "first": {"negative", "huge", "nan"},
    "returned": {"negative", "huge", "nan"},
    "seconds": {"negative", "huge"},
    "history": {"empty list"},
    "snapshots": {"empty list"},
}
"""What an entry may be, or what another error than a damaged run's speaks of."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What is in the file of a run after four of its six steps, by its optimiser."""
    generator = torch.Generator().manual_seed(3)
    photo, painting = (torch.rand(1, 3, 32, 40, generator=generator) for _ in range(2))
    found = {}
    for name, changes in OPTIMIZERS.items():
        path = begun(photo, painting, **changes).save(tmp_path_factory.mktemp("saved") / "run")
        found[name] = torch.load(path, weights_only=True)
    return found


OPTIONAL = {"masks", "style_masks", "content_mask"}
"""What older files do not have."""


def entries() -> list[str]:
    return ["format", *(field.name for field in dataclasses.fields(RunState))]


@pytest.mark.filterwarnings("ignore:the loss ended at")
@pytest.mark.parametrize("name", entries())
def test_an_entry_that_is_missing_or_means_nothing_is_refused_in_one_line(
    name: str, saved: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    path, whole = tmp_path / "run", saved["adam"]
    assert set(whole) == set(entries())
    torch.save({key: value for key, value in whole.items() if key != name}, path)
    if name in OPTIONAL:
        assert getattr(Run.load(path, weights=TINY).state, name) is None
    else:
        with pytest.raises(CheckpointError) as missing:
            Run.load(path, weights=TINY)
        assert "\n" not in str(missing.value)
    for kind, junk in JUNK.items():
        torch.save(whole | {name: junk}, path)
        if kind in SOUND.get(name, ()):
            with contextlib.suppress(StyletutError):
                assert bool(torch.isfinite(go_on(path)).all())
        else:
            with pytest.raises(CheckpointError) as caught:
                Run.load(path, weights=TINY)
            assert "\n" not in str(caught.value), kind


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("tiles", "unknown option 'tiles': did you mean 'tile'?"),
        ("kind", "unknown option 'kind'"),
        ("content_weight", "content_weight cannot be changed"),
        ("steps", "steps cannot be changed"),
    ],
)
def test_an_option_that_a_saved_run_does_not_take_is_refused_in_one_line(
    option: str, said: str, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    path = begun(photo, painting).save(tmp_path / "run")
    with pytest.raises(RecipeError, match=said) as caught:
        resume(path, weights=TINY, **cast(Any, {option: 3}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "lbfgs with line search"])
def test_what_an_optimiser_remembers_is_refused_unless_it_is_whole(
    optimizer: str, saved: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    path, whole = tmp_path / "run", saved[optimizer]
    remembered, count = whole["optimizer"], whole["variable"].numel()
    wrong: list[Any] = [
        None,
        "x",
        math.nan,
        {},
        [None],
        [torch.zeros(3)],
        torch.zeros(3),
        torch.full((count,), math.nan),
    ]

    def refuse(state: Any) -> None:
        torch.save(whole | {"optimizer": state}, path)
        with pytest.raises(CheckpointError, match="'optimizer'"):
            Run.load(path, weights=TINY)

    refuse(None)
    for key in ("state", "param_groups"):
        refuse({k: v for k, v in remembered.items() if k != key})
        for junk in wrong[:5]:
            if (key, junk) != ("state", {}) or optimizer == "adam":
                refuse(remembered | {key: junk})
    state = remembered["state"][0]
    for key in [k for k in state if k != "al"]:  # which is scratch paper
        refuse(remembered | {"state": {0: {k: v for k, v in state.items() if k != key}}})
        for junk in wrong:
            refuse(remembered | {"state": {0: state | {key: junk}}})
    for key in {"history_size", "first_step"} & set(remembered["param_groups"][0]):
        for junk in (None, "x", 0, -1, math.nan):
            refuse(remembered | {"param_groups": [remembered["param_groups"][0] | {key: junk}]})


def test_pairs_of_an_optimiser_are_refused_unless_they_are_pairs_of_such_pictures(
    saved: dict[str, dict[str, Any]],
) -> None:
    whole, values = saved["lbfgs"]["optimizer"], saved["lbfgs"]["variable"].numel()
    state = whole["state"][0]
    assert len(state["s"]) == len(state["y"]) > 0
    assert checkpoint.remembered(whole, "lbfgs", values) is not None
    for changes in ({"s": state["s"][1:]}, {"s": [torch.zeros(3)], "y": [torch.zeros(3)]}):
        assert checkpoint.remembered(whole | {"state": {0: state | changes}}, "lbfgs", values) is None


def test_a_saved_torch_lbfgs_may_have_had_a_zero_gradient() -> None:
    def remembered(kind: str, steps: int) -> object:
        state = {"func_evals": 1, "n_iter": steps}
        group = {"history_size": 10, "first_step": 1.0}
        return checkpoint.remembered({"state": {0: state}, "param_groups": [group]}, kind, 5)

    assert remembered("torch-lbfgs", 0) is not None
    assert remembered("torch-lbfgs", 1) is None and remembered("lbfgs", 0) is None


def test_places_that_a_recipe_does_not_have_are_refused(saved: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    path, whole = tmp_path / "run", saved["sgd"]
    for changes in ({"scale": 3}, {"iteration": 5}, {"scale": 2}, {"scale": 0}, {"content": torch.zeros(1, 3, 64, 64)}):
        torch.save(whole | changes, path)
        with pytest.raises(CheckpointError, match="is damaged: its"):
            Run.load(path, weights=TINY)


def test_a_flipped_bit_never_leads_to_another_picture(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    path = begun(photo, painting).save(tmp_path / "run")
    wanted, content = go_on(path), path.read_bytes()
    chance, refused = random.Random(0), 0
    for _ in range(25):
        spoilt = bytearray(content)
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        path.write_bytes(spoilt)
        try:
            assert torch.equal(go_on(path), wanted)  # between the parts there are bytes that mean nothing
        except CheckpointError:
            refused += 1
    assert refused > 12


# --- saving ------------------------------------------------------------------------------------------


def test_saving_takes_no_memory_for_the_file(tmp_path: Path) -> None:
    picture = torch.rand(1, 3, 512, 512)
    changes: dict[str, Any] = {"content_weight": 0, "style_weight": 0, "tv_weight": 1.0, "scales": ((1.0, 1),)}
    run = iterate(picture, None, "gram", device="cpu", **changes)
    tracemalloc.start()
    path = run.save(tmp_path / "run")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 2 * picture.nbytes
    assert peak < picture.nbytes / 2


def test_a_part_of_a_larger_tensor_is_saved_by_itself(painting: Tensor, tmp_path: Path) -> None:
    film = torch.rand(50, 3, 32, 40)
    path = iterate(film[7:8], painting, SMALL, device="cpu").save(tmp_path / "run")
    assert path.stat().st_size < film.nbytes / 4


@pytest.mark.parametrize("style_loss", STYLE_LOSSES)
def test_a_run_of_every_style_loss_goes_on_to_the_same_picture(
    style_loss: str, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"style_loss": style_loss, "optimizer": "adam", "learning_rate": 0.02}
    wanted = paint(photo, painting, **changes).picture
    path = begun(photo, painting, **changes).save(tmp_path / "run")
    assert torch.equal(go_on(path), wanted)
    assert not torch.equal(wanted, photo)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_that_is_loaded_can_be_saved_before_it_goes_on(
    name: str, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    wanted = paint(photo, painting, **OPTIMIZERS[name]).picture
    path = begun(photo, painting, **OPTIMIZERS[name]).save(tmp_path / "run")
    again = Run.load(path, weights=TINY, device="cpu").save(tmp_path / "copy")
    assert torch.equal(go_on(again), wanted)


def test_an_interrupt_while_a_resumed_run_prepares_loses_nothing(
    photo: Tensor, painting: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = paint(photo, painting).picture
    path = begun(photo, painting).save(tmp_path / "run")

    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(objective, "build", interrupted)
        result = resume(path, weights=TINY, progress=False, device="cpu")
    assert result.stopped == "interrupted" and len(result.history) == 4
    assert torch.equal(go_on(path), wanted)


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_checkpoint_that_cannot_be_written_costs_a_warning_and_not_the_picture(
    fails: str, photo: Tensor, painting: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = paint(photo, painting).picture

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.warns(CheckpointWarning, match="No space left on device") as caught:
        result = paint(photo, painting, checkpoint=tmp_path / "run", checkpoint_every=1)
    assert torch.equal(result.picture, wanted) and result.stopped is None
    assert len([one for one in caught if one.category is CheckpointWarning]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_called_that(photo: Tensor, painting: Tensor) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no device that is always full")
    run = iterate(photo, painting, SMALL, device="cpu")

    with open("/dev/full", "wb", buffering=0) as full, pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "atomic_file", lambda path: full)
        with pytest.raises(CheckpointError, match="No space left on device"):
            run.save("run")


def test_a_stop_whose_folder_is_gone_still_gives_the_picture(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    steps: list[st.Step] = []

    def stop(step: st.Step) -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        steps.append(step)
        return len(steps) < 3

    with pytest.warns(CheckpointWarning, match="No such file or directory"):
        result = paint(photo, painting, checkpoint=folder / "run", callback=stop)
    assert result.stopped == "interrupted" and len(result.history) == 3


def test_a_picture_that_is_not_finite_does_not_replace_a_sound_checkpoint(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    run = begun(photo, painting)
    path = run.save(tmp_path / "run")
    before = path.read_bytes()
    with torch.no_grad():
        run.state.variable[0, 0, 0, 0] = math.nan
    with pytest.raises(CheckpointError, match="no longer finite"):
        run.save(path)
    assert path.read_bytes() == before


# --- going on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lbfgs", "lbfgs with line search"])
def test_a_run_that_goes_on_with_less_memory_remembers_less(
    name: str, photo: Tensor, painting: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = begun(photo, painting, 6, **OPTIMIZERS[name], scales=((1.0, 9),)).save(tmp_path / "run")
    run = Run.load(path, weights=TINY, device="cpu")
    size = (32, 40)
    run.backend._plans[size] = memory.Plan(None, 2, 1)
    for _ in run:
        assert run.stepper is not None
        (state,) = run.stepper.optimizer.state.values()
        assert all(len(state[k]) <= 2 for k in ("s", "y", "old_dirs", "old_stps") if k in state)
    assert math.isfinite(run.history[-1]["losses"]["total"])


def steps_judged(photo: Tensor, painting: Tensor, path: Path | None) -> list[tuple[float, float]]:
    """First loss and best one where a step last overshot, as the guard has them in each step."""
    run = iterate(photo, painting, SMALL, device="cpu") if path is None else Run.load(path, weights=TINY, device="cpu")
    return [(run.state.first, run.state.returned) for _ in run]


def test_the_guard_measures_a_resumed_run_by_the_first_loss_of_its_scale(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    whole = steps_judged(photo, painting, None)
    path = begun(photo, painting).save(tmp_path / "run")
    assert [first for first, _ in steps_judged(photo, painting, path)] == [first for first, _ in whole[4:]]
    assert whole[3][0] == whole[5][0] != whole[1][0]


def test_a_step_that_was_taken_back_counts_within_its_scale_only(photo: Tensor, painting: Tensor) -> None:
    """Two scales may have the same best loss by chance; that is no second time running."""
    run = iterate(photo, painting, SMALL, device="cpu")
    next(run)
    run.state.returned = run.state.best
    next(run)
    assert not math.isnan(run.state.returned)
    next(run)
    assert math.isnan(run.state.returned)


def test_a_resumed_run_knows_that_a_step_was_taken_back(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    run = begun(photo, painting)
    run.state.returned = run.state.best
    resumed = Run.load(run.save(tmp_path / "run"), weights=TINY)
    next(resumed)
    assert resumed.state.returned == run.state.returned


def test_a_run_that_goes_well_says_nothing_of_its_checkpoint(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paint(photo, painting, checkpoint=tmp_path / "run", checkpoint_every=2)
    assert (tmp_path / "run").is_file()


def test_an_older_file_whose_last_step_is_called_step_goes_on(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    wanted = paint(photo, painting).picture
    path = begun(photo, painting).save(tmp_path / "run")
    state: dict[str, Any] = torch.load(path, weights_only=True)
    remembered = state["optimizer"]["state"][0]
    remembered["step"] = remembered.pop("last_step")
    torch.save(state, path)
    assert torch.equal(go_on(path), wanted)


@pytest.mark.parametrize("style_loss", [name for name, loss in STYLE_LOSSES.items() if loss.weighs])
def test_a_run_with_masks_goes_on_to_the_same_picture(
    style_loss: str, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    where = torch.linspace(0, 1, 40).expand(32, 40)
    styles = [painting, photo.flip(3)]
    given: dict[str, Any] = {
        "masks": [where, 1 - where],
        "style_masks": [None, where],
        "content_mask": 5 * where,
        "style_loss": style_loss,
    }
    wanted = paint(photo, styles, **given).picture  # type: ignore[arg-type]
    run = begun(photo, styles, **given)  # type: ignore[arg-type]
    path = run.save(tmp_path / "run")
    assert torch.equal(go_on(path), wanted)
    without = {key: value for key, value in torch.load(path, weights_only=True).items() if key not in OPTIONAL}
    torch.save(without, tmp_path / "older")
    assert not torch.equal(go_on(tmp_path / "older"), wanted)
