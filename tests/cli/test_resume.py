"""`styletut resume`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_helpers import files

from styletut import images, transfer
from styletut.cli import main
from styletut.engine.stepper import Diverged, Stepper


@pytest.fixture
def saved(pair: list[str]) -> str:
    """A run of four steps, saved after two."""
    content, style = (images.load_image(name) for name in pair)
    run = transfer.iterate(content, style, size=32, steps=4, weights="random", snapshot_every=1, scales=((1.0, 4),))
    next(run), next(run)
    run.save("run.pt")
    return "run.pt"


def test_a_resumed_run_is_named_after_its_file(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", saved, "--snapshots", "film"]) == 0
    assert capsys.readouterr().out.startswith("wrote run.png (32 x 32) in ")
    assert len(files("film")) == 4
    assert main(["resume", saved]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["-q", "resume", saved, "--existing", "skip"]) == 0
    assert main(["resume", saved, "-o", "x.png", "--snapshots", "film"]) == 1
    assert main(["resume", "none.pt"]) == 1
    assert "no saved run 'none.pt'" in capsys.readouterr().err
    assert main(["resume", saved, "-o", "."]) == 1


def test_a_resumed_run_that_diverges_says_so(
    saved: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nan(self: Stepper, finite: bool) -> None:
        raise Diverged("tv is inf")

    monkeypatch.setattr(Stepper, "_judge", nan)
    assert main(["resume", saved, "-q"]) == 3
    assert capsys.readouterr().err.startswith("styletut: warning: diverged: tv is inf")


def test_a_resumed_batch_gives_every_picture(pair: list[str]) -> None:
    contents = [images.load_image(name) for name in pair]
    run = transfer.iterate(contents, contents, "three-losses", size=(32, 32), weights="random", steps=2)
    next(run)
    run.save("run.pt")
    assert main(["resume", "run.pt", "-q"]) == 0
    assert Path("run-1.png").is_file() and Path("run-2.png").is_file()
