"""The command `styletut` as a process, and what every command has. Hostile users are in test_hostile.py."""

from __future__ import annotations

import signal

import pytest
from cli_helpers import SHORT, files, start

from styletut.cli import main
from styletut.cli.manifest import read_manifest
from styletut.cli.parser import version


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"styletut {version()}\n"


def test_quiet_is_known_to_every_command(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*pair, "-o", "out.png", "-q", *SHORT]) == 0
    for words in (["recipes"], ["layers"], ["samples"], ["info", "out.png"]):
        assert main(words) == 0
        printed = capsys.readouterr().out
        assert main(["-q", *words]) == main([*words, "--quiet"]) == 0
        assert printed and capsys.readouterr().out == 2 * printed


def test_ctrl_c_on_the_real_command_leaves_a_picture(pair: list[str]) -> None:
    process = start(*pair, "-o", "out.png", "--size", "32", "--weights", "random", "--steps", "100000")
    assert process.stderr is not None
    read = ""
    while "loss" not in read:  # until the bar has moved
        read += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the best picture so far is out.png" in err and "Traceback" not in read + err
    assert read_manifest("out.png")["stopped"] == "interrupted"
    assert files() == ["out.png", "painting.png", "photo.png"]


def test_a_closed_pipe_is_no_error() -> None:
    process = start("layers")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
