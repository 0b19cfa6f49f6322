"""Ctrl-C, SIGTERM and SIGHUP at any moment: what was computed is saved, whole, and one line says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from cli_helpers import ENVIRONMENT, NARROW, SHORT, draw, files, interrupt_at, pixels, start
from PIL import Image
from torch import Tensor

import styletut as st
from styletut import images, transfer
from styletut.cli import main
from styletut.cli import paint as painting
from styletut.cli.manifest import read_manifest
from styletut.engine import inputs, signals
from styletut.engine.stepper import Stepper

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
WORDS = ["photo.png", "painting.png", *SHORT, "--steps", "4", "-q", "--set", "scales=[[1, 4]]"]


@pytest.fixture(autouse=True)
def _prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Two pictures, a narrow network, and Python's own handlers, whatever the test runner has made of them."""
    monkeypatch.setattr("styletut.weights.random_weights", NARROW)
    monkeypatch.chdir(tmp_path)
    draw("photo.png", 1)
    draw("painting.png", 2)
    usual: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL
    }  # fmt: skip
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    after = {number: signal.signal(number, handler) for number, handler in before.items()}
    assert after == usual, "the handlers were not put back"


def press(count: int = 1, number: int = signal.SIGINT) -> None:
    for _ in range(count):
        os.kill(os.getpid(), number)


# Every place where something is made or written once the steps are over.
POINTS: dict[str, tuple[Any, str]] = {
    "checkpoint": (transfer.Run, "save"),
    "serialising": (torch, "save"),
    "result": (transfer.Run, "result"),
    "digest": (inputs.Inputs, "manifest"),
    "picture": (transfer.Result, "save"),
    "encoding": (Image.Image, "save"),
    "writing": (os, "fsync"),
    "renaming": (os, "replace"),
}


def press_at(monkeypatch: pytest.MonkeyPatch, point: str, *, after: bool) -> list[str]:
    """Press Ctrl-C twice at a point of saving, every time that it is passed; the list says that it was."""
    owner, name = POINTS[point]
    original = getattr(owner, name)
    passed: list[str] = []

    def pressed(*args: Any, **options: Any) -> Any:
        passed.append(point)
        if not after:
            press(2)
        value = original(*args, **options)
        if after:
            press(2)
        return value

    monkeypatch.setattr(owner, name, pressed)
    return passed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("point", POINTS)
def test_more_ctrl_c_while_an_interrupted_run_is_saved_lose_nothing(
    point: str, after: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "-o", "whole.png"]) == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        passed = press_at(patch, point, after=after)
        assert main([*WORDS, "-o", "half.png", "--checkpoint", "run.pt"]) == 130
    assert passed
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "styletut: saving…" and len(lines) == 2 and "the best picture so far is half.png" in lines[1]
    assert read_manifest("half.png")["iterations"] == 2
    assert main(["resume", "run.pt", "-o", "again.png", "-q"]) == 0
    assert np.array_equal(pixels("again.png"), pixels("whole.png"))
    assert files() == ["again.png", "half.png", "painting.png", "photo.png", "run.pt", "whole.png"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("point", ["result", "digest", "picture", "encoding", "writing", "renaming"])
def test_a_signal_while_a_finished_run_is_saved_loses_nothing(
    point: str, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "-o", "whole.png"]) == 0
    owner, name = POINTS[point]
    original = getattr(owner, name)

    def pressed(*args: Any, **options: Any) -> Any:
        press(1, number)
        return original(*args, **options)

    monkeypatch.setattr(owner, name, pressed)
    assert main([*WORDS, "-o", "out.png"]) == 0
    assert capsys.readouterr().err == "styletut: saving…\n"
    assert read_manifest("out.png")["stopped"] is None and np.array_equal(pixels("out.png"), pixels("whole.png"))


def traced(count: int, begun: list[int], words: list[str]) -> tuple[int, int]:
    """Run the command and press Ctrl-C before the count-th line of this package after something has begun.

    Gives the exit code and the number of lines.
    """
    package = str(Path(st.__file__).parent)
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.startswith(package):
            return None
        if event == "line" and begun:
            lines += 1
            if lines == count:
                press()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with signals.handled():  # as of the real command, to whose end it stays
            return main(words), lines
    finally:
        sys.settrace(before)
        begun.clear()


def spread(lines: int) -> list[int]:
    """The first lines, and some of the others."""
    assert lines > 200
    return [*range(1, 6), *range(6, lines, lines // 12)]


def test_a_second_ctrl_c_before_any_line_after_the_first_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From within the step to the end of the command."""
    asked: list[int] = []
    step = Stepper.step

    def pressed(self: Stepper) -> None:
        if len(self.state.history) == 2 and not asked:
            press()
            asked.append(1)
        step(self)

    monkeypatch.setattr(Stepper, "step", pressed)
    for count in spread(traced(0, asked, [*WORDS, "-o", "0.png"])[1]):
        code, _ = traced(count, asked, [*WORDS, "-o", f"{count}.png"])
        assert (code, read_manifest(f"{count}.png")["stopped"]) == (130, "interrupted"), count


def test_one_ctrl_c_before_any_line_after_the_last_step_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    finished: list[int] = []
    let_go = transfer.Run._free

    def end(self: transfer.Run) -> None:
        let_go(self)
        finished.append(1)

    monkeypatch.setattr(transfer.Run, "_free", end)
    for count in spread(traced(0, finished, [*WORDS, "-o", "0.png"])[1]):
        code, _ = traced(count, finished, [*WORDS, "-o", f"{count}.png"])
        assert code in (0, 130) and read_manifest(f"{count}.png")["stopped"] is None, count


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_sighup_end_the_run_after_the_step(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Stepper.step

    def pressed(self: Stepper) -> None:
        if len(self.state.history) == 1:
            press(3, number)
        step(self)

    monkeypatch.setattr(Stepper, "step", pressed)
    assert main([*WORDS, "-o", "out.png"]) == 130
    assert capsys.readouterr().err == "styletut: interrupted after 2 of 4 steps; the best picture so far is out.png\n"
    assert read_manifest("out.png")["iterations"] == 2


def test_ctrl_c_while_one_of_several_is_saved_ends_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("in/a.png", "in/b.png"):
        draw(name)
    press_at(monkeypatch, "encoding", after=False)
    assert main(["in", "painting.png", "-o", "out", "-q", *SHORT]) == 130
    assert files("out") == ["a-painting.png"] and read_manifest("out/a-painting.png")["stopped"] is None


@pytest.mark.parametrize("place", [(images, "load_image"), (transfer, "estimate"), (transfer.Run, "__init__")])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_before_the_run_a_signal_ends_the_command_in_one_line(
    place: tuple[Any, str], number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(painting, "LONG_RUN", 1)  # so that it is estimated
    monkeypatch.setattr(*place, lambda *args, **options: press(1, number))
    before = files()
    assert main([word for word in WORDS if word != "-q"] + ["-o", "out.png"]) == 130
    assert capsys.readouterr().err == "styletut: interrupted; nothing more was written\n"
    assert files() == before


# --- in Python ---------------------------------------------------------------------------------------


def paint(photo: Tensor, painting: Tensor, **options: Any) -> st.Result:
    return st.stylize(photo, painting, weights=NARROW(), scales=((1.0, 3),), progress=False, **options)


@pytest.mark.parametrize("point", ["result", "digest"])
def test_stylize_gives_its_result_whatever_is_pressed_while_it_is_made(
    point: str, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = paint(photo, painting)
    passed = press_at(monkeypatch, point, after=True)
    result = paint(photo, painting)
    assert passed and result.stopped is None and torch.equal(result.picture, whole.picture)
    assert capsys.readouterr().err == "saving…\n"


def test_an_ignored_signal_stays_ignored(photo: Tensor, painting: Tensor) -> None:
    """As of a command in a shell's background, or under nohup."""
    seen: list[object] = []

    def look(step: st.Step) -> None:
        seen.append([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)])
        press(2)
        press(1, signal.SIGHUP)

    before = [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)]
    result = paint(photo, painting, callback=look)
    after = [signal.signal(number, old) for number, old in zip((signal.SIGINT, signal.SIGHUP), before, strict=True)]
    assert result.stopped is None and seen == [[signal.SIG_IGN] * 2] * 3 and after == [signal.SIG_IGN] * 2


def test_a_handler_of_sigterm_that_the_program_has_set_stays(photo: Tensor, painting: Tensor) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    result = paint(photo, painting, callback=lambda step: press(1, signal.SIGTERM))
    signal.signal(signal.SIGTERM, before)
    assert result.stopped is None and heard == [signal.SIGTERM] * 3


def test_a_run_within_the_callback_of_another_leaves_it_stoppable(photo: Tensor, painting: Tensor) -> None:
    def inner(step: st.Step) -> None:
        assert paint(photo, painting).stopped is None
        press()

    result = paint(photo, painting, callback=inner)
    assert result.stopped == "interrupted" and len(result.history) == 1


def test_the_handler_of_ctrl_c_is_restored_after_an_error(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(ZeroDivisionError):
        paint(photo, painting, callback=lambda step: 1 / 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        press()


def test_no_handlers_are_set_in_another_thread() -> None:
    found: list[object] = []

    def look() -> None:
        with signals.handled():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


# --- as a process ------------------------------------------------------------------------------------


def test_ctrl_c_stays_ignored_in_the_background_of_a_shell() -> None:
    """A shell that is no terminal's starts `command &` with SIGINT ignored."""
    words = f"{sys.executable} -m styletut photo.png painting.png --size 32 --weights random --steps 3 -o out.png"
    process = subprocess.Popen(
        ["sh", "-c", f"{words} & echo $!; wait $!"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    number, read = int(process.stdout.readline()), ""
    while "0/3" not in read:  # until the bar is there
        read += process.stderr.read(1)
    os.kill(number, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "3/3" in err
    assert read_manifest("out.png")["stopped"] is None


def test_sigterm_on_the_real_command_leaves_a_picture() -> None:
    process = start("photo.png", "painting.png", "-o", "out.png", "--size", "32", "--weights", "random", "--steps=9999")
    assert process.stderr is not None
    read = ""
    while "loss" not in read:
        read += process.stderr.read(1)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "the best picture so far is out.png" in err
    assert read_manifest("out.png")["stopped"] == "interrupted"
