"""`styletut texture`: a texture from a style alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import files, interrupt_at, pixels

import styletut as st
from styletut import images, recipes
from styletut.cli import main
from styletut.cli.manifest import read_manifest

QUICK = ["--steps", "2", "--weights", "random"]


def test_a_texture_is_that_of_the_api(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["texture", pair[1], "--size", "48x32", "-o", "out.png", *QUICK]) == 0
    assert "wrote out.png (32 x 48)" in capsys.readouterr().out
    expected = st.texture(images.load_image(pair[1]), (48, 32), steps=2, weights="random", progress=False)
    assert np.array_equal(pixels("out.png"), np.asarray(images.to_pil(expected.picture)))
    assert main(["texture", pair[1], "--size", "32", "-q", *QUICK]) == 0
    assert pixels("painting-texture.png").shape == (32, 32, 3)
    assert main(["texture", pair[1], "--size", "32", "-q", *QUICK]) == 1  # it is there already
    assert "exists already" in capsys.readouterr().err


def test_a_seamless_texture_has_sides_that_tile_and_says_so(
    pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["texture", pair[1], "--size", "40x33", "--seamless", "-o", "out.png", "-q", *QUICK]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "styletut: warning: 33 x 40 pixels rounded up to 48 x 48, multiples of 16, so that the texture tiles"
    ]
    assert pixels("out.png").shape == (48, 48, 3)
    made = read_manifest("out.png")["recipe"]
    assert made["padding"] == "circular" and made["content_weight"] == 0 and made["size"] == [48, 48]
    # Its recipe makes it again, whatever content it is given.
    assert main([*pair, "-r", "out.png", "-o", "again.png", "-q", "--set", "upscale=true"]) == 0
    assert np.array_equal(pixels("again.png"), pixels("out.png"))


def test_the_usual_options_apply(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["texture", pair[1], "--size", "64", "--weights", "random", "--device", "cpu"]
    assert main([*words, "--dry-run", "-o", "none.png"]) == 0
    assert f"64 x 64 pixels, {recipes.get().steps} evaluations" in capsys.readouterr().out and "none.png" not in files()
    many = ["--tile", "32", "--steps", "4", "--snapshots", "film", "--snapshot-every", "2", "--seed", "3"]
    assert main([*words, *many, "--start", pair[0], "-o", "out.png", "-q"]) == 0
    assert files("film") == ["0001.png", "0002.png"]
    Path("own.json").write_text(recipes.get("gatys").replace(scales=((1.0, 1),), evaluations=2).to_json())
    assert main([*words, "-r", "own.json", "-o", "gatys.png", "-q", "--snapshots", "more"]) == 0
    assert json.loads(json.dumps(read_manifest("gatys.png")["recipe"]))["name"] == "gatys"
    interrupt_at(monkeypatch, 2)
    assert main([*words, "--steps", "4", "--checkpoint", "run.pt", "-o", "half.png"]) == 130
    assert "styletut resume run.pt" in capsys.readouterr().err
    assert main(["resume", "run.pt", "-o", "half.png", "-q"]) == 0
    assert main([*words, "--steps", "4", "-o", "whole.png", "-q"]) == 0
    assert np.array_equal(pixels("half.png"), pixels("whole.png"))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["painting.png", "--content-weight", "1"], 1, "a texture has no photograph: content_weight must be 0"),
        (["painting.png", "--keep-colours"], 1, "a texture has no photograph: colour must be 'style'"),
        (["painting.png", "--size", "9"], 1, "a texture of 9 x 9 pixels is too small for the recipe's layers"),
        (["missing.png"], 1, "there is no file 'missing.png'"),
        (["painting.png", "-o", "painting.png"], 1, "is one of the files that are read"),
        (["painting.png", "--snapshots", "film"], 1, "keeps no snapshots by itself"),
        (["painting.png", "--snapshot-every", "3"], 2, "--snapshot-every needs a folder"),
        ([], 2, "the following arguments are required: STYLE"),
        (["painting.png", "photo.png"], 2, "one word too many: 'photo.png'"),
        (["painting.png", "--seamles"], 2, "did you mean '--seamless'?"),
        (["."], 2, "a texture has one style, and '.' is a folder"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    words: list[str], code: int, says: str, pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = files()
    assert main(["texture", *words, *QUICK]) == code
    captured = capsys.readouterr()
    assert says in captured.err and len(captured.err.splitlines()) == 1 and captured.out == ""
    assert files() == before
