"""A recipe of the page in words: Python that runs, a command that is understood, a PNG that says how it was made."""

from __future__ import annotations

import base64
import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from page_helpers import in_node
from PIL import Image

import styletut as st
from styletut.cli.manifest import describe_manifest, read_manifest
from styletut.cli.parser import painting_parser
from styletut.cli.recipe import named_recipe, recipe_from
from styletut.page import scripts
from styletut.recipes import Recipe

CHANGES: list[dict[str, Any]] = [
    {},
    {"size": 64, "strength": 0.4, "tv_weight": 0.25, "content_weight": 1.75},
    {"optimizer": "adam", "learning_rate": scripts.ADAM_RATE, "pooling": "average", "start": "noise"},
    {"style_layers": {"relu3_1": 0.5, "relu4_1": 1}, "content_layers": {"relu3_2": 1}, "style_loss": "relative"},
]
VARIANTS = [(name, changes) for name in scripts.RECIPES for changes in CHANGES]


def words(name: str, changes: dict[str, Any], function: str, content: dict[str, str], style: dict[str, str]) -> str:
    given = {"settings": scripts.settings(), "name": name, "changes": changes, "content": content, "style": style}
    body = f"""const {{ settings, name, changes, content, style }} = given;
    const recipe = {{ ...settings.recipes[name], ...changes }};
    return {function}(recipe, settings.bases[name], content, style, settings.options);"""
    text: str = in_node({function: "words.js"}, body, given)
    return text


def chosen(name: str, changes: dict[str, Any]) -> Recipe:
    return scripts.recipe(name).replace(**changes)


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_the_python_text_runs_and_paints_with_the_pages_recipe(
    name: str, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    st.save_image(st.samples.load("waves", size=40), 'my "painting".png')
    text = words(name, changes, "asPython", {"sample": "cat"}, {"file": 'my "painting".png'})
    asked: list[Recipe] = []
    own = st.stylize

    def quickly(content: Any, style: Any, recipe: Recipe) -> st.Result:
        asked.append(recipe)
        return own(content, style, recipe.replace(size=32, scales=((1.0, 1),)))

    monkeypatch.setattr(st, "stylize", quickly)
    exec(text, {})
    assert asked == [chosen(name, changes)]
    assert Image.open("painted.png").width == 32


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_the_command_is_understood_as_the_pages_recipe(name: str, changes: dict[str, Any]) -> None:
    text = words(name, changes, "asCommand", {"file": "it's a photo.jpg"}, {"sample": "starry_night"})
    program, *argv = shlex.split(text)
    args = painting_parser().parse(argv)
    assert program == "styletut" and args.pictures == ["it's a photo.jpg", "sample:starry_night"]
    assert args.output == "painted.png"
    assert recipe_from(args) == chosen(name, changes)


def test_a_file_that_looks_like_an_option_is_a_file_in_the_command() -> None:
    text = words("fast", {}, "asCommand", {"file": "-x.jpg"}, {"sample": "waves"})
    assert painting_parser().parse(shlex.split(text)[1:]).pictures == ["./-x.jpg", "sample:waves"]


def test_layers_in_another_order_are_no_change() -> None:
    recipe = scripts.recipe("fast").to_dict()
    turned = dict(reversed(list(recipe["style_layers"].items())))
    body = "return changed({ ...given.recipe, style_layers: given.turned }, given.recipe);"
    assert in_node({"changed": "words.js"}, body, {"recipe": recipe, "turned": turned}) == []


def test_a_saved_png_says_how_it_was_made_and_its_recipe_can_be_taken(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.new("RGB", (5, 4), (200, 30, 60)).save(png, "PNG")
    recipe = chosen("gram", CHANGES[1]).to_dict()
    run = {"version": "0.1", "library": "4", "backend": "cpu", "size": [4, 5], "evaluations": 3, "steps": 3}
    run |= {
        "seconds": 1.5,
        "losses": {"total": 0.25},
        "finished": True,
        "content": {"name": "Zoë – β.jpg"},
        "style": {},
    }
    body = """const png = Uint8Array.from(atob(given.png), (c) => c.charCodeAt(0));
    const made = withText(png, given.key, JSON.stringify(manifest(given.recipe, given.run)));
    return btoa(String.fromCharCode(...made));"""
    given = {
        "png": base64.b64encode(png.getvalue()).decode(),
        "recipe": recipe,
        "run": run,
        "key": scripts.settings()["key"],
    }
    path = tmp_path / "painted.png"
    path.write_bytes(base64.b64decode(in_node({"manifest, withText": "words.js"}, body, given)))
    Image.open(path).load()  # checks the sums of all chunks that it reads
    made = read_manifest(str(path))
    assert made["inputs"]["content"]["name"] == "Zoë – β.jpg"
    assert named_recipe(str(path)) == chosen("gram", CHANGES[1])
    assert "3 steps, 3 evaluations, 1.5 s" in describe_manifest(str(path), made)
    assert made["recipe"] == json.loads(json.dumps(recipe))


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_the_estimate_counts_the_operations_of_the_convolutions_and_gram_matrices(padding: str) -> None:
    settings = scripts.settings()
    given = {"table": settings["network"]["table"], "padding": padding}
    body = """const { table, padding } = given;
    return [[64, 48], [128, 96]].map((size) => estimate(table, ["relu2_1"], size, padding));"""
    small, large = in_node({"estimate": "estimate.js"}, body, given)
    pixels = 64 * 48
    convolutions = 4 * 9 * (3 * 64 + 64 * 64) * pixels + 4 * 9 * 64 * 128 * pixels // 4
    assert small["operations"] == convolutions + 6 * 128**2 * pixels // 4
    assert large["operations"] == 4 * small["operations"]
    weights = 4 * (27 * 64 + 64 + 576 * 64 + 64 + 576 * 128 + 128)
    kept = 4 * pixels * (64 + 64 + 64 // 4 + 128 // 4)
    assert small["bytes"] == weights + kept + (5 if padding == "replicate" else 3) * 4 * 64 * pixels
