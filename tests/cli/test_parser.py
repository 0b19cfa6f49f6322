"""Options and recipes on the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import ENVIRONMENT, SHORT, draw, pixels

from styletut import recipes
from styletut.cli import main
from styletut.cli.files import Picture
from styletut.cli.manifest import read_manifest
from styletut.cli.parser import painting_parser, recipe_options
from styletut.cli.printing import format_value
from styletut.cli.recipe import named_recipe, parse_value, recipe_from, start_picture
from styletut.errors import RecipeError
from styletut.fields import Field


def recipe_of(path: str) -> dict[str, Any]:
    recipe = read_manifest(path)["recipe"]
    assert isinstance(recipe, dict)
    return recipe


def test_every_option_reaches_its_field(pair: list[str]) -> None:
    options = {
        "content_weight": ("2", 2),
        "style_weight": ("0.5", 0.5),
        "tv_weight": ("0", 0),
        "start": ("mix", "mix"),
        "colour": ("histogram", "histogram"),
        "colour_when": ("both", "both"),
        "colour_strength": ("0.5", 0.5),
        "decorrelation": ("0.4", 0.4),
        "network": ("vgg16", "vgg16"),
        "weights": ("random", "random"),
        "precision": ("float32", "float32"),
        "seed": ("7", 7),
        "size": ("32x36", [32, 36]),
        "steps": ("1", None),
    }
    assert set(options) | {"snapshot_every"} <= {field.name for field in recipe_options()}
    words = [word for field, (text, _) in options.items() for word in (f"--{field.replace('_', '-')}", text)]
    assert main([*pair, "-o", "out.png", "-q", *words, "--set", "note=1"]) == 0
    found = recipe_of("out.png")
    assert {f: found[f] for f in options if f != "steps"} == {f: v for f, (_, v) in options.items() if f != "steps"}
    assert found["scales"] == [[1.0, 1]] and found["note"] == "1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rescale=true", True),
        ("optimizer=adam", "adam"),
        ('optimizer="adam"', "adam"),
        ("seed=2.0", 2),
        ("size=null", None),
        ("size=64", 64),
        ("noise_range=[-1, 1]", (-1.0, 1.0)),
        ('content_layers={"block4_conv1": 2}', {"relu4_1": 2.0}),
        ("weights=5", "5"),
        ("style_scale=.5,1", (0.5, 1.0)),
        ("style_scale=[0.5, 1]", (0.5, 1.0)),
        ("strength=.5", 0.5),
    ],
)
def test_set_takes_json_or_plain_words(text: str, value: object) -> None:
    recipe = recipe_from(painting_parser().parse(["--set", text]))
    found = getattr(recipe, text.partition("=")[0])
    assert found == value
    assert isinstance(value, dict) or type(found) is type(value)


def test_a_word_stays_a_word_where_the_field_holds_text_and_a_whole_number_is_no_fraction() -> None:
    for name in ("optimizer", "network", "note", "weights"):
        assert parse_value(name, "5") == "5" and parse_value(name, '"a"') == "a"
    assert parse_value("seed", ".5") == ".5" and parse_value("seed", "5") == 5
    assert parse_value("size", "9" * 18 + "x1") == (int("9" * 18), 1)
    for text in ("9" * 19 + "x1", "1x" + "9" * 19, "x1"):
        assert parse_value("size", text) == text
    assert parse_value("style_scale", "own") == "own" and parse_value("note", "own,1") == "own,1"


def test_the_last_word_for_a_field_counts_and_keeping_colours_may_be_said_twice() -> None:
    parser = painting_parser()
    assert recipe_from(parser.parse(["--set", "seed=2", "--set", "seed=3", "--seed", "1"])).seed == 3
    for words in (["--keep-colours"], ["--keep-colours", "--colour", "luminance"]):
        assert recipe_from(parser.parse(words)) == recipes.get().replace(colour="luminance")
    with pytest.raises(RecipeError, match=re.escape("--keep-colours is --colour luminance: leave out one of them")):
        recipe_from(parser.parse(["--keep-colours", "--colour", "histogram"]))
    with pytest.raises(
        RecipeError, match=re.escape("--set takes FIELD=VALUE, for example --set optimizer=adam, not 'seed'")
    ):
        recipe_from(parser.parse(["--set", "seed"]))


def test_names_of_the_recipes_come_before_files_of_such_names() -> None:
    for name in ("noise", "fast"):
        os.rename(draw(f"{name}.png"), name)
    assert start_picture("noise") is None and start_picture("nowhere.png") is None and start_picture(None) is None
    assert start_picture("fast") == Picture("fast")
    assert recipe_from(painting_parser().parse(["--start", "noise"])).start == "noise"
    assert named_recipe("fast") == recipes.get("fast")


def test_a_recipe_in_a_file_that_cannot_be_read_says_why() -> None:
    Path("MINE.JSON").write_text(recipes.get("gatys").replace(note="größer").to_json(), encoding="utf-8")
    assert named_recipe("MINE.JSON").note == "größer"
    Path("latin.json").write_bytes(b"\xff")
    Path("empty.json").write_bytes(b"")
    for name, says in (
        ("none.json", "cannot read the recipe 'none.json': No such file or directory"),
        ("latin.json", "cannot read the recipe 'latin.json': 'utf-8' codec can't decode byte 0xff"),
        ("empty.json", "the recipe 'empty.json' is not JSON: Expecting value: line 1 column 1"),
    ):
        with pytest.raises(RecipeError, match=f"^{re.escape(says)}"):
            named_recipe(name)


@pytest.mark.parametrize("field", recipes.fields(), ids=lambda field: field.name)
def test_the_command_line_knows_each_field(field: Field, capsys: pytest.CaptureFixture[str]) -> None:
    """By --set, with the value as `styletut recipes NAME` shows it, and by an option if the field asks for one."""
    gatys = recipes.get("gatys")
    value = format_value(gatys.to_dict()[field.name])
    words = [["--set", "evaluations=25", "--set", f"{field.name}={value}"]]
    if field.option:
        words.append(["--set", "evaluations=25", f"--{field.name.replace('_', '-')}", value])
        assert main(["--help"]) == 0
        text = capsys.readouterr().out
        assert f"--{field.name.replace('_', '-')} " in text
        assert " ".join(field.help.split()) in " ".join(text.replace("-\n", "-").split())
        assert not field.choices or f"{{{','.join(field.choices)}}}" in text
    expected = recipes.get().replace(**({"evaluations": 25} | {field.name: getattr(gatys, field.name)}))
    for line in words:
        assert recipe_from(painting_parser().parse(line)) == expected
    assert main(["recipes", "--fields"]) == 0
    assert f"{field.name}: {field.help}\n    {field.allowed()}\n" in capsys.readouterr().out


def test_no_option_has_a_default_of_its_own() -> None:
    parser = painting_parser()
    assert recipe_from(parser.parse([])) == recipes.get()
    assert all(parser.get_default(field.name) is None for field in recipe_options())
    assert parser.get_default("recipe") is None


def test_arguments_are_parsed_without_torch(tmp_path: Path) -> None:
    code = "import sys; from styletut.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    for words, codes in (["--version"], "0"), (["--sede", "3"], "2"), (["no.png", "no.png"], "1"), (["a.png"], "2"):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=ENVIRONMENT)
        assert done.stdout.splitlines()[-1] == f"{codes} False", words


@pytest.mark.parametrize(("command", "recipe"), [(None, "fast"), ("texture", "fast"), ("sheet", "draft")])
def test_help_tells_the_defaults_of_the_command_s_own_recipe(
    command: str | None, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*filter(None, [command]), "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"(default: {recipe})" in text and f"default of {recipe}: {recipes.get(recipe).steps})" in text
    assert set(re.findall(r"default of ([\w-]+)", text)) == {recipe}


def test_help_tells_the_recipes_own_choices_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"default of fast: {recipes.get('fast').size})" in text and "{content,style,noise,mix,matched}" in text
    assert all(name in text.replace("- ", "-") for name in recipes.names())
    assert "exit codes: 0" in text and "styletut photo.jpg painting.jpg -o out.png" in text
    for command in ("recipes", "layers", "samples", "info", "resume"):
        assert main([command, "--help"]) == 0
        assert f"usage: styletut {command}" in capsys.readouterr().out


def test_a_recipe_comes_by_name_from_json_from_a_manifest_or_from_a_picture(
    pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*pair, "-r", "five-layer", "-o", "a.png", "-q", *SHORT]) == 0
    Path("recipe.json").write_text(json.dumps(recipe_of("a.png")))
    assert main(["info", "a.png", "--json"]) == 0
    Path("manifest.json").write_text(capsys.readouterr().out)
    for name in ("recipe.json", "manifest.json", "a.png"):
        assert main([*pair, "-r", name, "-o", "b.png", "-q"]) == 0
        assert recipe_of("b.png") == recipe_of("a.png")
        assert np.array_equal(pixels("a.png"), pixels("b.png"))
