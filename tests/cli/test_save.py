"""Snapshots, and results that cannot be saved where they should be."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import SHORT, draw, files, interrupt_at, pixels, sha
from PIL import Image

from styletut import images, transfer
from styletut.cli import main
from styletut.engine import result as engine_result
from styletut.engine.stepper import Stepper


def test_snapshots_are_numbered_and_of_one_size(pair: list[str]) -> None:
    words = [*pair, "-o", "out.png", "-q", *SHORT, "--steps", "4", "--snapshots", "film"]
    assert main([*words, "--snapshot-every", "1"]) == 0
    assert files("film") == ["0001.png", "0002.png", "0003.png", "0004.png"]
    assert {Image.open(p).size for p in Path("film").iterdir()} == {(32, 32)}
    assert np.array_equal(pixels("film/0004.png"), pixels("out.png"))
    assert main([*words, "--snapshot-every", "2"]) == 1  # they exist
    assert main([*words, "--snapshot-every", "2", "--existing", "replace"]) == 0


def test_snapshots_of_several_have_a_folder_each() -> None:
    for i in range(2):
        draw(f"in/{i}.png", i)
    words = ["in", draw("p.png", 2), "-o", "out", "-r", "avgpool", "-q", *SHORT, "--snapshot-every", "2"]
    assert main([*words, "--snapshots", "film"]) == 0
    assert files("film") == ["0-p/0001.png", "1-p/0001.png"]


def test_impossible_snapshot_folders_are_refused(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*pair, *SHORT, "--snapshots", "film"]) == 1
    assert "add --snapshot-every N" in capsys.readouterr().err
    assert main([*pair, *SHORT, "--snapshot-every", "2"]) == 2
    assert "--snapshots DIR" in capsys.readouterr().err
    assert main([*pair, *SHORT, "--snapshot-every", "2", "--snapshots", "photo.png/film"]) == 1
    assert main([*pair, *SHORT, "-o", "0.png", "--snapshot-every", "1", "--snapshots", "."]) == 1
    assert "the snapshots would replace" in capsys.readouterr().err
    assert main([draw("film/0001.png"), pair[1], *SHORT, "--snapshot-every", "1", "--snapshots", "film"]) == 1
    assert "one of the files that are read" in capsys.readouterr().err


def full_disk(monkeypatch: pytest.MonkeyPatch, *folders: str) -> None:
    """No more room for a picture in these folders."""
    save = images.save_image

    def full(picture: Any, path: Any, **options: Any) -> Path:
        if str(Path(path).parent) in folders:
            raise images.ImageFileError(f"could not write {str(path)!r} (No space left on device)")
        return save(picture, path, **options)

    monkeypatch.setattr(images, "save_image", full)
    monkeypatch.setattr(engine_result, "save_image", full)


@pytest.mark.parametrize(("full", "written"), [(["out"], "out.png"), (["out", "."], "tmp/out.png")])
def test_on_a_full_disk_the_picture_is_saved_elsewhere(
    full: list[str], written: str, pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", "tmp")
    full_disk(monkeypatch, *full)
    assert main([*pair, "-o", "out/out.png", *SHORT, "-q"]) == 3
    assert capsys.readouterr().err == (
        "styletut: warning: could not write 'out/out.png' (No space left on device): "
        f"the picture was saved as {written!r} instead\n"
    )
    assert Image.open(written).size == (32, 32)


def test_a_picture_that_can_be_saved_nowhere_is_an_error(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full_disk(monkeypatch, "out", ".", "tmp")
    monkeypatch.setattr(tempfile, "tempdir", "tmp")
    assert main([*pair, "-o", "out/out.png", *SHORT, "-q"]) == 1
    assert capsys.readouterr().err == "styletut: error: could not write 'out/out.png' (No space left on device)\n"


def appear(monkeypatch: pytest.MonkeyPatch, make: Callable[[], object]) -> None:
    """Something happens in the folder while the picture is painted."""
    result = transfer.Run.result

    def meanwhile(self: transfer.Run) -> transfer.Result:
        make()
        return result(self)

    monkeypatch.setattr(transfer.Run, "result", meanwhile)


def test_an_output_that_appears_during_the_run_is_not_replaced(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    appear(monkeypatch, lambda: Path("photo-painting.png").write_bytes(b"mine"))
    assert main([*pair, "-q", *SHORT]) == 3
    assert Path("photo-painting.png").read_bytes() == b"mine"
    assert "exists already" in (err := capsys.readouterr().err) and "saved as 'photo-painting-2.png' instead" in err
    assert Image.open("photo-painting-2.png").size == (32, 32)


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
@pytest.mark.parametrize("plant", [os.symlink, os.link])
def test_a_link_that_is_planted_at_the_output_never_leads_to_an_input(
    plant: Callable[[str, str], None], pair: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sha("photo.png")
    appear(monkeypatch, lambda: plant("photo.png", "out.png"))
    assert main([*pair, "-o", "out.png", "-q", *SHORT]) == 3
    assert sha("photo.png") == before and Image.open("out-2.png").size == (32, 32)


def test_snapshots_that_cannot_be_saved_are_a_warning(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full_disk(monkeypatch, "film")
    words = [*pair, *SHORT, "-q", "-o", "out.png", "--snapshot-every", "1", "--snapshots", "film"]
    assert main(words) == 3
    assert capsys.readouterr().err.startswith("styletut: warning: not all snapshots were saved: could not write 'film")
    assert Image.open("out.png").size == (32, 32)


def test_a_checkpoint_that_cannot_be_saved_is_a_warning(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C with its folder gone: the picture is written, and no word of resuming."""
    Path("there").mkdir()
    interrupt_at(monkeypatch, 1)
    step = Stepper.step

    def vanish(self: Stepper) -> None:
        if Path("there").exists():
            Path("there").rmdir()
        step(self)

    monkeypatch.setattr(Stepper, "step", vanish)
    assert main([*pair, *SHORT, "-q", "-o", "out.png", "--checkpoint", "there/run.pt"]) == 130
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("styletut: warning: cannot save the run to there/run.pt: ")
    assert "the best picture so far is out.png" in last and "resume" not in last
    assert Image.open("out.png").size
