"""The commands that paint nothing: recipes, layers, samples, info."""

from __future__ import annotations

import json

import pytest
from cli_helpers import SHORT
from PIL import Image

from styletut import recipes, samples
from styletut.cli import main
from styletut.cli.parser import painting_parser
from styletut.cli.recipe import recipe_from


def test_recipes_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("fast (the default): ") and all(f"\n{n}: " in text for n in recipes.names()[1:])
    assert main(["recipes", "three-losses"]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["size"] == "224x224" and shown["optimizer"] == "sgd" and shown["upscale"] == "true"
    assert main(["recipes", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(recipes.names())
    for name in recipes.names():
        assert main(["recipes", name, "--json"]) == 0
        assert recipes.Recipe.from_json(capsys.readouterr().out) == recipes.get(name)


def test_what_recipes_shows_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    for name in recipes.names():
        assert main(["recipes", name]) == 0
        rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
        words = [word for field, *value in rows for word in ("--set", f"{field}={''.join(value)}")]
        assert recipe_from(painting_parser().parse(words)) == recipes.get(name)


def test_layers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers"]) == 0
    default = capsys.readouterr().out
    assert main(["layers", "vgg19"]) == 0
    assert capsys.readouterr().out == default
    row = next(line.split() for line in default.splitlines() if line.startswith("relu4_2"))
    assert row == ["relu4_2", "512", "8", "76", "block4_conv2"] or row[:3] == ["relu4_2", "512", "8"]
    assert main(["layers", "vgg16"]) == 0
    assert "relu3_4" not in capsys.readouterr().out


def test_samples_are_listed_shown_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samples"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in samples.names())
    assert main(["samples", "cat"]) == 0
    assert "Chelsea the cat" in capsys.readouterr().out
    assert main(["samples", "cat", "-o", "cat.png", "--size", "64"]) == 0
    assert capsys.readouterr().out == "wrote cat.png (64 x 43)\n"
    assert main(["samples", "sample:waves", "-o", ".", "--size", "20x30"]) == 0
    assert Image.open("waves.png").size == (30, 20)
    assert main(["samples", "-o", "cat.png"]) == 2
    assert "say which sample" in capsys.readouterr().err


def test_info_tells_how_a_picture_was_made(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*pair, "-o", "out.png", "-q", *SHORT, "--set", "name=mine"]) == 0
    assert main(["info", "out.png"]) == 0
    text = capsys.readouterr().out
    assert "32 x 32" in text and "mine" in text and "2 steps, 2 evaluations" in text and "loss total" in text
    assert main([*pair, "-o", "out.jpg", "-q", *SHORT]) == 0
    assert main(["info", "out.jpg"]) == 0
    assert "changed  " in (text := capsys.readouterr().out) and "size = 32" in text and "stopped" not in text
    assert main(["info", "out.jpg", "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["recipe"]["size"] == 32 and manifest["iterations"] == 2
