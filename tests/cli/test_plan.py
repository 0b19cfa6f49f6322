"""Several pictures, folders and batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import SHORT, draw, files, pixels

from styletut import transfer
from styletut.cli import main
from styletut.cli.manifest import read_manifest


def test_a_folder_is_painted_in_every_style() -> None:
    for i, name in enumerate(("a.png", "b.jpg", ".hidden.png")):
        draw(f"in/{name}", i)
    Path("in/notes.txt").write_text("not a picture")
    Path("in/folder.png").mkdir()
    styles = [draw("s/one.png", 5), draw("s/two.png", 6)]
    assert main(["in", "-s", styles[0], "-s", styles[1], "-o", "out", "-q", *SHORT]) == 0
    assert files("out") == ["a-one.png", "a-two.png", "b-one.png", "b-two.png"]
    assert main(["in/a.png", "s", "-o", "more", "-q", *SHORT]) == 0
    assert np.array_equal(pixels("out/a-two.png"), pixels("more/a-two.png"))


def test_weights_blend_the_styles_into_one(pair: list[str]) -> None:
    third = draw("third.png", 9)
    words = [pair[0], "-s", pair[1], "-s", third, "-q", *SHORT]
    assert main([*words, "--style-weights", "2,1", "-o", "two.png"]) == 0
    assert main([*words, "--style-weights", "1,0", "-o", "one.png"]) == 0
    assert main([*pair, "-o", "plain.png", "-q", *SHORT]) == 0
    assert read_manifest("two.png")["inputs"]["style_weights"] == [2, 1]
    assert np.array_equal(pixels("one.png"), pixels("plain.png"))
    assert not np.array_equal(pixels("two.png"), pixels("plain.png"))
    assert main([*words, "--style-weights", "1,1"]) == 0
    assert Path("photo-painting+third.png").is_file()


def test_a_bad_file_in_a_folder_is_reported_and_the_others_are_painted(capsys: pytest.CaptureFixture[str]) -> None:
    draw("in/a.png", 1)
    Path("in/b.png").write_bytes(b"no picture")
    draw("in/c.png", 3)
    draw("in/d.png", 4, size=(1, 1))
    style = draw("painting.png", 2)
    assert main(["in", style, "-o", "out", *SHORT]) == 3
    out, err = capsys.readouterr()
    assert files("out") == ["a-painting.png", "c-painting.png"]
    assert out.splitlines()[-1] == "wrote 2 of 4 pictures"
    last = err.splitlines()[-2:]
    assert last[0].startswith("styletut: error: 'in/b.png' is ") and "not a picture" in last[0]
    assert last[1].startswith("styletut: error: in/d.png: ") and "too small" in last[1]


def test_an_error_that_concerns_all_pictures_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(2):
        draw(f"in/{i}.png", i)
    style = draw("painting.png", 2)
    assert main(["in", style, "-o", "out", "-q", *SHORT, "--weights", "nowhere.pth"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("out").exists()


def test_a_run_over_a_folder_goes_on_where_it_was_left(capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        draw(f"in/{i}.png", i)
    style = draw("painting.png", 2)
    words = ["in", style, "-o", "out", "-q", *SHORT]
    assert main(words) == 0
    Path("out/1-painting.png").unlink()
    before = Path("out/0-painting.png").stat().st_mtime_ns
    assert main(words) == 1
    assert main([*words, "--existing", "skip"]) == 0
    assert main([*words[:-7], *SHORT, "--existing", "skip"]) == 0
    assert "nothing to paint" in capsys.readouterr().err
    assert len(files("out")) == 3 and Path("out/0-painting.png").stat().st_mtime_ns == before


def test_pictures_of_one_size_share_a_batch_where_the_recipe_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        draw(f"in/{i}.png", i)
    draw("in/wide.png", 7, size=(32, 60))
    styles = ["-s", draw("s/one.png", 5), "-s", draw("s/two.png", 6)]
    counts: list[int] = []
    stylize = transfer.stylize

    def counted(content: Any, *rest: Any, **options: Any) -> transfer.Result:
        counts.append(len(content))
        return stylize(content, *rest, **options)

    monkeypatch.setattr(transfer, "stylize", counted)
    words = [
        "-r",
        "three-losses",
        "-q",
        "--precision",
        "float64",
        "--weights",
        "random",
        "--size",
        "40",
        "--steps",
        "1",
        "--set",
        "upscale=false",
    ]
    assert main(["in", *styles, "-o", "out", *words, "--set", "batch=4"]) == 0
    assert counts == [4, 2, 2]
    assert main(["in/1.png", *styles[2:], "-o", "alone.png", *words]) == 0
    difference = pixels("alone.png").astype(int) - pixels("out/1-two.png")
    assert np.abs(difference).max() <= 1
    counts.clear()
    assert main(["in", *styles, "--style-weights", "1,3", "-o", "blend", *words]) == 0
    assert counts == [3, 1]


def test_names_that_would_clash_keep_their_suffixes(capsys: pytest.CaptureFixture[str]) -> None:
    for i, name in enumerate(("a.png", "a.bmp", "b.png")):
        draw(f"in/{name}", i)
    style = draw("painting.png", 2)
    assert main(["in", style, "-o", "out", "-q", *SHORT]) == 0
    assert files("out") == ["a.bmp-painting.png.png", "a.png-painting.png.png", "b-painting.png"]
    assert main(["in/a.png", draw("other/a.png"), style, "-o", "twice", "-q", *SHORT]) == 1
    assert "two outputs would be called 'a.png-painting.png.png'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["in", "painting.png", "-o", "out.png"], "do not go into one file"),
        (["in", "painting.png", "-o", "painting.png"], "do not go into one file"),
        (["in", "painting.png", "-o", "in"], "would come among the contents"),
        (["in", "painting.png", "-o", "painting.png/such"], "there is no folder 'painting.png'"),
        (["in", "painting.png", "-o", "out", "--checkpoint", "run.pt"], "one picture at a time"),
        (["empty", "painting.png", "-o", "out"], "no picture in the folder 'empty'"),
    ],
)
def test_options_for_one_picture_are_refused_for_several(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    draw("in/a.png", 1)
    draw("in/b.png", 1)
    draw("painting.png", 2)
    Path("empty").mkdir()
    before = files()
    assert main([*words, *SHORT]) == 1
    assert says in capsys.readouterr().err
    assert files() == before and not Path("out").exists()
