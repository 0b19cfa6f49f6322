"""`stylize` and `iterate`: callbacks, progress and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from engine_helpers import SEARCH, SGD, TINY, break_at, loss_of, paint, totals
from torch import Tensor

import styletut as st
from styletut.transfer import Result, resume


def test_a_callback_stops_the_run_by_returning_false(photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, callback=lambda step: step.iteration < 3)
    assert len(result.history) == 3
    assert result.stopped == "interrupted"


@pytest.mark.parametrize("value", [None, 0, True, "", []])
def test_only_false_itself_stops_the_run(value: object, photo: Tensor, painting: Tensor) -> None:
    assert paint(photo, painting, callback=lambda step: value).stopped is None


def test_a_stop_after_the_last_step_is_not_a_stop(photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, callback=lambda step: step.iteration < 6)
    assert result.stopped is None and len(result.history) == 6


def test_an_error_in_the_callback_comes_through(photo: Tensor, painting: Tensor) -> None:
    def fail(step: st.Step) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        paint(photo, painting, callback=fail)


def test_the_progress_bar_goes_to_stderr_only_and_can_be_switched_off(
    photo: Tensor, painting: Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    paint(photo, painting)
    assert capsys.readouterr() == ("", "")
    paint(photo, painting, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "6/6" in shown.err and "40x32, loss" in shown.err


def test_tqdm_can_be_silenced_from_outside() -> None:
    """The book is built with TQDM_DISABLE=1: progress bars do not belong in its pages."""
    code = (
        "import torch, styletut as st; x = torch.rand(1, 3, 32, 32)\n"
        "st.stylize(x, None, 'gram', content_weight=0, style_weight=0, tv_weight=1.0, scales=((1.0, 2),))"
    )
    environment = os.environ | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handling of Ctrl-C, whatever the test runner has made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "the handler was not put back"
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_step_and_gives_the_best_picture(photo: Tensor, painting: Tensor) -> None:
    pictures = [photo]

    def interrupt(step: st.Step) -> None:
        pictures.append(step.picture())
        if step.iteration == 3:
            os.kill(os.getpid(), signal.SIGINT)

    result = paint(photo, painting, **SGD, callback=interrupt)
    assert result.stopped == "interrupted"
    assert len(result.history) == 3 and result.evaluations == 3
    best = min(range(3), key=totals(result).__getitem__)
    assert torch.allclose(result.picture, pictures[best], atol=1e-6)


@pytest.mark.usefixtures("ctrl_c")
def test_one_ctrl_c_during_a_step_lets_it_end_and_the_run_be_saved(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = paint(photo, painting, **SEARCH)
    pressed: list[int] = []

    def once(losses: dict[str, Tensor]) -> None:
        if not pressed:
            pressed.append(1)
            signal.raise_signal(signal.SIGINT)

    break_at(monkeypatch, 8, once)
    result = paint(photo, painting, **SEARCH, checkpoint=tmp_path / "run")
    assert result.stopped == "interrupted" and len(result.history) == 2
    assert result.evaluations == whole.history[1]["evaluations"], "the step was not whole"
    on = resume(tmp_path / "run", weights=TINY, progress=False)
    assert torch.equal(on.picture, whole.picture)


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_breaks_the_step_off_and_still_gives_the_best_picture(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "run"

    def twice(losses: dict[str, Tensor]) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    break_at(monkeypatch, 8, twice)
    result = paint(photo, painting, **SEARCH, checkpoint=path, checkpoint_every=1)
    monkeypatch.undo()
    assert result.stopped == "interrupted"
    assert result.evaluations == 7 and len(result.history) == 1, "the second step never ended"
    assert bool(torch.isfinite(result.picture).all())
    assert loss_of(result.picture, photo, painting) < loss_of(photo, photo, painting)
    state = torch.load(path, weights_only=True)
    assert state["iteration"] == 1, "the checkpoint of the last whole step stays"


@pytest.mark.usefixtures("ctrl_c")
def test_a_keyboard_interrupt_from_the_callback_is_an_interrupt(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    """A notebook's stop button may raise it anywhere."""

    def interrupt(step: st.Step) -> None:
        if step.iteration == 2:
            raise KeyboardInterrupt

    whole = paint(photo, painting)
    result = paint(photo, painting, callback=interrupt, checkpoint=tmp_path / "run")
    assert result.stopped == "interrupted" and len(result.history) == 2
    on = resume(tmp_path / "run", weights=TINY, progress=False)
    assert torch.equal(on.picture, whole.picture)


def test_stylize_works_outside_the_main_thread(photo: Tensor, painting: Tensor) -> None:
    found: list[Result] = []
    thread = threading.Thread(target=lambda: found.append(paint(photo, painting)))
    thread.start()
    thread.join()
    assert torch.equal(found[0].picture, paint(photo, painting).picture)
