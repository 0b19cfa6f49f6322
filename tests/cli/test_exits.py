"""How the command ends: Ctrl-C, divergence, want of memory, bugs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_helpers import SHORT, draw, files, interrupt_at, pixels
from PIL import Image

from styletut import images, transfer
from styletut.cli import main, paint
from styletut.cli.manifest import read_manifest
from styletut.engine.backend import Backend
from styletut.engine.stepper import Diverged, Stepper


def test_ctrl_c_keeps_the_best_picture_and_the_run(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*pair, *SHORT, "--steps", "6", "-q"]
    assert main([*words, "-o", "whole.png"]) == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        assert main([*words, "-o", "half.png", "--checkpoint", "run.pt"]) == 130
    err = capsys.readouterr().err
    assert err == (
        "styletut: interrupted after 3 of 6 steps; the best picture so far is half.png; "
        "go on with: styletut resume run.pt -o half.png\n"
    )
    assert read_manifest("half.png")["stopped"] == "interrupted"
    assert main(["resume", "run.pt", "-o", "half.png", "-q"]) == 0
    assert np.array_equal(pixels("half.png"), pixels("whole.png"))


def test_ctrl_c_at_a_coarse_scale_keeps_the_transparency(monkeypatch: pytest.MonkeyPatch) -> None:
    draw("clear.png", 3, channels=4)
    draw("painting.png", 2)
    interrupt_at(monkeypatch, 1)
    assert main(["clear.png", "painting.png", "-o", "out.png", "-q", *SHORT, "--steps", "9"]) == 130
    picture = Image.open("out.png")
    assert picture.mode == "RGBA" and picture.size in ((16, 16), (32, 32))


def test_ctrl_c_in_a_folder_ends_all_and_the_half_picture_is_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        draw(f"in/{i}.png", i)
    words = ["in", draw("p.png", 9), "-o", "out", "-q", *SHORT]
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        assert main(words) == 130
    assert files("out") == ["0-p.png", "1-p.png"]
    assert main([*words, "--existing", "skip"]) == 0
    assert [read_manifest(f"out/{i}-p.png")["stopped"] for i in range(3)] == [None] * 3


def test_ctrl_c_before_the_first_step_writes_nothing(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(images, "load_image", pressed)
        assert main([*pair, "-o", "out.png", *SHORT]) == 130
    assert capsys.readouterr().err == "styletut: interrupted; nothing more was written\n"
    monkeypatch.setattr(Backend, "build", pressed)
    assert main([*pair, "-o", "out.png", "-q", *SHORT]) == 130
    assert capsys.readouterr().err == "styletut: interrupted before the first step; nothing was written\n"
    assert files() == ["painting.png", "photo.png"]


def test_a_diverged_run_keeps_its_best_picture(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    wild = ["--set", "optimizer=sgd", "--set", "learning_rate=1e30", "--set", "scales=[[1, 5]]"]
    assert main([*pair, "-o", "out.png", "-q", "--size", "32", "--weights", "random", *wild]) == 3
    err = capsys.readouterr().err
    assert err.startswith("styletut: warning: diverged: ") and err.count("\n") == 1 and "out.png" in err
    assert Image.open("out.png").size == (32, 32)


def test_a_run_that_diverges_at_once_writes_nothing(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nan(self: Stepper, finite: bool) -> None:
        raise Diverged("style/relu1_1 is nan")

    monkeypatch.setattr(Stepper, "_judge", nan)
    assert main([*pair, "-o", "out.png", "-q", *SHORT]) == 3
    assert capsys.readouterr().err.startswith("styletut: error: diverged: style/relu1_1 is nan")
    assert not Path("out.png").exists()


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError(), 1, "styletut: error: out of memory: choose a smaller --size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nto allocate"), 1, "styletut: error: out of memory: choose"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "styletut: error: out of memory"),
        (OSError(28, "No space left on device", "out.png"), 1, "styletut: error: No space left on device: out.png"),
        (
            RuntimeError("shapes\ndo not fit"),
            70,
            "styletut: error: this is a bug, RuntimeError: shapes do not fit; please",
        ),
    ],
)
def test_an_unexpected_error_is_one_line(
    error: Exception, code: int, says: str, pair: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(transfer, "stylize", fail)
    assert main([*pair, "-o", "out.png", *SHORT]) == code
    err = capsys.readouterr().err
    assert err.startswith(says) and err.count("\n") == 1
    assert main([*pair, "-o", "out.png", *SHORT, "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_says_where_to_report_it(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paint, "make_plan", lambda *args: 1 / 0)
    assert main([*pair, *SHORT]) == 70
    assert "please report what --debug prints at https://" in capsys.readouterr().err


def test_out_of_memory_for_one_of_several_is_reported_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw("in/a.png", 1)
    draw("in/b.png", 2, size=(40, 32))
    stylize = transfer.stylize

    def scarce(content: Any, *rest: Any, **options: Any) -> transfer.Result:
        if content[0].shape[-1] == 26:
            raise MemoryError
        return stylize(content, *rest, **options)

    monkeypatch.setattr(transfer, "stylize", scarce)
    assert main(["in", draw("p.png", 9), "-o", "out", "-q", *SHORT, "--set", "scales=[[1, 1]]"]) == 3
    assert (
        capsys.readouterr().err
        == "styletut: error: in/b.png: out of memory: choose a smaller --size, or --precision bfloat16\n"
    )
    assert files("out") == ["a-p.png"]
