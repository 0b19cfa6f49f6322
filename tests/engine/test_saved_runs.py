"""A saved run ends in the same picture as one that was never stopped; other files are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_helpers import ADAM, LONG, OPTIMIZERS, SMALL, TINY, break_at, paint, totals, without_seconds
from torch import Tensor

import styletut as st
from styletut.errors import CheckpointError, RecipeError
from styletut.transfer import Run, iterate, resume


@pytest.mark.parametrize("at", [1, 3, 5])  # within a scale, at the border, within the next
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_ends_in_the_same_picture_as_one_that_was_never_stopped(
    name: str, at: int, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    recipe = LONG.replace(**OPTIMIZERS[name])
    whole = paint(photo, painting, recipe)
    path = tmp_path / "saved.run"
    steps: list[st.Step] = []
    half = paint(photo, painting, recipe, checkpoint=path, callback=lambda step: steps.append(step) or len(steps) < at)  # type: ignore[func-returns-value]
    assert half.stopped == "interrupted" and len(half.history) == at
    on = resume(path, weights=TINY, progress=False)
    assert torch.equal(on.picture, whole.picture)
    assert on.evaluations == whole.evaluations
    assert without_seconds(on.history) == without_seconds(whole.history)
    assert (
        [n for n, _ in on.snapshots]
        == [n for n, _ in whole.snapshots]
        == [row["evaluations"] for row in whole.history[1::2]]
    )
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(on.snapshots, whole.snapshots, strict=True))
    assert on.stopped is None and on.seconds > half.seconds


def test_a_run_that_died_goes_on_from_its_last_checkpoint(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    whole = paint(photo, painting, LONG)
    path = tmp_path / "saved.run"
    steps: list[st.Step] = []

    def power_cut(step: st.Step) -> None:
        steps.append(step)
        if len(steps) == 6:
            raise SystemExit

    with pytest.raises(SystemExit):
        paint(photo, painting, LONG, checkpoint=path, checkpoint_every=4, callback=power_cut)
    assert len(torch.load(path, weights_only=True)["history"]) == 4
    more: list[st.Step] = []
    on = resume(path, weights=TINY, progress=False, callback=more.append)
    assert len(more) == 3
    assert torch.equal(on.picture, whole.picture)
    assert without_seconds(on.history) == without_seconds(whole.history)


def test_a_batch_with_pairs_a_start_and_a_size_resumes_too(tmp_path: Path) -> None:
    recipe = LONG.replace(**ADAM, batch=2, size=(24, 30), seed=4)
    contents, styles = [torch.rand(1, 3, 40, 50), torch.rand(1, 3, 44, 44)], [torch.rand(1, 3, 32, 32)] * 2
    start = torch.rand(2, 3, 24, 30)
    whole = paint(contents, styles, recipe, start=start)
    run = iterate(contents, styles, recipe, start=start)
    for _ in range(4):
        next(run)
    on = resume(run.save(tmp_path / "batch.run"), weights=TINY, progress=False)
    assert torch.equal(on.picture, whole.picture)
    assert on.manifest()["inputs"] == whole.manifest()["inputs"]
    assert on.recipe.replace(weights=TINY) == whole.recipe


def test_a_blend_resumes_with_its_weights(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    styles = [painting, torch.rand(1, 3, 32, 32)]
    whole = paint(photo, styles, style_weights=[3, 1])
    run = iterate(photo, styles, SMALL, style_weights=[3, 1])
    next(run)
    assert torch.equal(resume(run.save(tmp_path / "r"), weights=TINY, progress=False).picture, whole.picture)


def test_a_run_saved_before_its_first_step_or_after_its_last_can_be_resumed(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    whole = paint(photo, painting, LONG)
    early = iterate(photo, painting, LONG).save(tmp_path / "early.run")
    assert torch.equal(resume(early, weights=TINY, progress=False).picture, whole.picture)
    paint(photo, painting, LONG, checkpoint=tmp_path / "late.run", checkpoint_every=7)
    late = resume(tmp_path / "late.run", weights=TINY, progress=False)
    assert torch.equal(late.picture, whole.picture)
    assert len(late.history) == 7 and late.stopped is None


def test_a_resumed_run_remembers_its_best_picture_and_goes_on_saving_itself(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    wild = SMALL.replace(optimizer="adam", learning_rate=0.3, scales=((1.0, 9),))
    path = tmp_path / "run"
    first = paint(photo, painting, wild, checkpoint=path, checkpoint_every=1, callback=lambda s: s.iteration < 4)
    second = resume(path, weights=TINY, progress=False, callback=lambda s: s.iteration < 5)
    assert len(second.history) == 5
    assert min(totals(first)) < totals(second)[-1], "the test needs a step that made it worse"
    assert torch.equal(first.picture, second.picture)
    third = Run.load(path, weights=TINY)
    assert len(third.history) == 5
    assert third.execution.checkpoint == path and third.execution.checkpoint_every == 1


def test_runs_with_named_weights_need_no_weights_to_resume(photo: Tensor, tmp_path: Path) -> None:
    shallow: dict[str, Any] = {"content_layers": {"relu2_1": 1.0}, "style_layers": ["relu1_1"], "scales": ((1.0, 4),)}
    recipe = st.recipes.get("fast").replace(**shallow, precision="float32", size=None)
    whole = paint(photo, photo.flip(2), recipe)
    run = iterate(photo, photo.flip(2), recipe)
    next(run)
    on = resume(run.save(tmp_path / "r"), progress=False)
    assert torch.equal(on.picture, whole.picture)
    assert on.recipe == whole.recipe


def test_weights_that_were_an_object_must_be_given_again(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    path = iterate(photo, painting, SMALL).save(tmp_path / "r")
    with pytest.raises(st.StyletutError, match="weights="):
        resume(path, progress=False)


@pytest.mark.parametrize("content", [b"", b"no run at all", bytes(range(256)) * 50])
def test_what_is_not_a_saved_run_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "saved.run"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is not a saved run"):
        resume(path)


def test_a_cut_off_run_is_refused(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    path = iterate(photo, painting, SMALL).save(tmp_path / "saved.run")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match="is not a saved run"):
        resume(path)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"features.0.weight": torch.zeros(3)}, "is not a saved run"),
        ([1, 2], "is not a saved run"),
        (torch.zeros(3), "is not a saved run"),
        ({"format": 99}, "saved in format 99, this styletut reads 2"),
        ({"format": 1}, "saved in format 1, this styletut reads 2"),
    ],
    ids=["state dict", "list", "tensor", "from the future", "from the past"],
)
def test_other_files_of_torch_are_refused(state: object, message: str, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=message) as caught:
        resume(tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


def test_a_saved_run_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    from functools import partial

    torch.save({"format": partial(Path.touch, tmp_path / "sprung")}, tmp_path / "trap.run")
    with pytest.raises(CheckpointError, match="is not a saved run"):
        resume(tmp_path / "trap.run")
    assert not (tmp_path / "sprung").exists()


def test_a_missing_run_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.run", tmp_path):
        with pytest.raises(CheckpointError, match="no saved run at"):
            resume(path)


def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_run(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="its folder does not exist"):
        iterate(photo, painting, SMALL, checkpoint=tmp_path / "nowhere" / "x.run")
    with pytest.raises(CheckpointError, match="cannot save the run to"):
        iterate(photo, painting, SMALL).save(tmp_path / "nowhere" / "x.run")
    with pytest.raises(CheckpointError, match="directory"):
        iterate(photo, painting, SMALL).save(tmp_path)


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "often"])
def test_a_checkpoint_every_that_means_nothing_is_refused(every: Any, photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match="checkpoint_every must be 1 step or more"):
        iterate(photo, painting, SMALL, checkpoint_every=every)


def test_a_checkpoint_is_replaced_only_by_a_whole_one(
    photo: Tensor, painting: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "saved.run"
    run = iterate(photo, painting, SMALL)
    next(run)
    run.save(path)
    before = path.read_bytes()
    next(run)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(CheckpointError, match="No space left on device"):
            patch.setattr(os, function, full)
            run.save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path], "half a file was left behind"


def test_a_run_broken_off_within_a_step_refuses_to_be_saved(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = iterate(photo, painting, SMALL)
    next(run)

    def cut(losses: dict[str, Tensor]) -> None:
        raise KeyboardInterrupt

    break_at(monkeypatch, 1, cut)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    with pytest.raises(CheckpointError, match="broken off in the middle"):
        run.save(tmp_path / "x.run")
