"""The command `styletut`: what it reads, writes and says, and how it ends. Hostile users are in test_hostile.py."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styletut import images, recipes, samples, transfer, vgg
from styletut.cli import main, paint
from styletut.cli.manifest import read_manifest
from styletut.cli.parser import painting_parser, recipe_options, version
from styletut.cli.printing import format_value
from styletut.cli.recipe import recipe_from
from styletut.engine import result as engine_result
from styletut.engine.backend import Backend
from styletut.engine.stepper import Diverged, Stepper
from styletut.fields import Field

NARROW = functools.cache(functools.partial(vgg.random_weights, width=0.1))
SHORT = ["--size", "32", "--steps", "2", "--weights", "random"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A narrow network for `--weights random`, and a folder of one's own."""
    monkeypatch.setattr("styletut.weights.random_weights", NARROW)
    monkeypatch.chdir(tmp_path)


def draw(path: str, seed: int = 0, size: tuple[int, int] = (40, 40), channels: int = 3) -> str:
    """A file of coloured noise."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def pair() -> list[str]:
    """A photograph and a painting."""
    return [draw("photo.png", 1), draw("painting.png", 2)]


def sha(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def files(folder: str = ".") -> list[str]:
    """Everything in a folder, hidden files included."""
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


# --- one picture -------------------------------------------------------------------------------------


def test_two_pictures_and_a_name_are_enough(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*pair, "-o", "out.png", *SHORT]) == 0
    assert Image.open("out.png").size == (32, 32)
    out, err = capsys.readouterr()
    assert out.startswith("wrote out.png (32 x 32) in ") and ", loss " in out and out.count("\n") == 1
    assert "2/2" in err  # the progress bar
    assert files() == ["out.png", "painting.png", "photo.png"]


def test_the_command_paints_what_the_function_paints(pair: list[str]) -> None:
    assert main([*pair, "-o", "out.png", "-q", *SHORT, "--seed", "3", "--start", "noise", "--set", "memory=5"]) == 0
    recipe = recipes.get().replace(size=32, steps=2, weights="random", seed=3, start="noise", memory=5)
    content, style = images.load_image("photo.png"), images.load_image("painting.png")
    expected = transfer.stylize(content, style, recipe, progress=False)
    assert np.array_equal(pixels("out.png"), np.asarray(images.to_pil(expected.picture)))


def test_without_a_name_the_picture_is_called_content_and_style(pair: list[str]) -> None:
    assert main([*pair, "-q", *SHORT]) == 0
    assert Path("photo-painting.png").is_file()


def test_a_folder_as_output_takes_the_picture(pair: list[str]) -> None:
    Path("there").mkdir()
    assert main([*pair, "-o", "there", "-q", *SHORT]) == 0
    assert main([*pair, "-o", "new/", "-q", *SHORT]) == 0
    assert files("there") == files("new") == ["photo-painting.png"]


def test_folders_that_are_missing_are_made_when_the_picture_is_written(pair: list[str]) -> None:
    assert main([*pair, "-o", "new/and/deep/out.png", "--dry-run", *SHORT]) == 0
    assert not Path("new").exists()
    assert main([*pair, "-o", "new/and/deep/out.png", "-q", *SHORT]) == 0
    assert main(["samples", "waves", "-o", "other/waves.png", "--size", "16x16", "-q"]) == 0
    assert files("new") == ["and/deep/out.png"] and files("other") == ["waves.png"]


def test_names_may_begin_with_a_dash(pair: list[str]) -> None:
    for name, dashed in zip(pair, ("-photo.png", "--"), strict=True):
        os.rename(name, dashed)
    assert main(["-q", "--output=-out.png", *SHORT, "--", "-photo.png", "--"]) == 0
    assert main(["-q", *SHORT, "--", "-photo.png", "--"]) == 0
    assert main(["info", "--", "-out.png"]) == 0
    assert np.array_equal(pixels("-out.png"), pixels("-photo---.png"))


def test_masks_name_the_region_of_each_style_and_what_is_protected(
    pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    left = np.zeros((64, 64), np.uint8)
    left[:, :32] = 255
    Image.fromarray(left).save("left.png")
    cutout = Image.new("RGBA", (64, 64))
    cutout.putalpha(Image.fromarray(255 - left))
    cutout.save("right.png")
    styles = ["photo.png", "-s", "painting.png", "-s", "photo.png"]
    given = ["--mask", "left.png", "--mask", "right.png", "--protect", "left.png"]
    assert main([*styles, *given, "-o", "out.png", "-q", *SHORT]) == 0
    recipe = recipes.get().replace(size=32, steps=2, weights="random")
    content, painting = images.load_image("photo.png"), images.load_image("painting.png")
    shares = torch.from_numpy(left / 255)
    expected = transfer.stylize(
        content,
        [painting, content],
        recipe,
        masks=[shares, 1 - shares],
        content_mask=1 + 9 * shares,
        progress=False,
    )
    assert np.array_equal(pixels("out.png"), np.asarray(images.to_pil(expected.picture)))
    assert read_manifest("out.png")["inputs"] == expected.manifest()["inputs"]
    assert main([*styles, *given, "--dry-run", *SHORT]) == 0
    assert main([*styles, *given[:2], "-q", *SHORT]) == 1
    assert "1 masks for 2 styles: give --mask once for each" in capsys.readouterr().err
    assert main([*styles, *given[:2], "--mask", "gone.png", "-q", *SHORT]) == 1
    assert "there is no file 'gone.png'" in capsys.readouterr().err
    assert main([*styles, *given, "-o", "left.png", "-q", *SHORT]) == 1  # what is read is never replaced
    assert np.array_equal(pixels("left.png"), left)


def test_a_picture_to_start_from_is_resized_with_the_content(pair: list[str]) -> None:
    start = draw("start.png", 5, size=(60, 60))
    assert main([*pair, "-o", "out.png", "-q", *SHORT, "--start", start]) == 0
    assert main([*pair, "-o", "plain.png", "-q", *SHORT]) == 0
    recipe = recipes.get().replace(size=32, steps=2, weights="random")
    content, style, begin = (images.load_image(name) for name in (*pair, start))
    expected = transfer.stylize(content, style, recipe, start=begin, progress=False)
    assert np.array_equal(pixels("out.png"), np.asarray(images.to_pil(expected.picture)))
    assert not np.array_equal(pixels("out.png"), pixels("plain.png"))
    assert read_manifest("out.png")["inputs"]["start"] != "content"
    assert main([*pair, "-o", start, "-q", *SHORT, "--start", start]) == 1  # what is read is never replaced


def test_samples_are_pictures(pair: list[str]) -> None:
    assert main(["sample:cat", "sample:waves", "-q", *SHORT, "--set", "scales=[[1, 1]]", "--set", "size=[32, 32]"]) == 0
    assert Image.open("cat-waves.png").size == (32, 32)


def test_options_may_stand_anywhere(pair: list[str]) -> None:
    assert main(["-q", pair[0], "-o", "out.png", *SHORT, pair[1]]) == 0
    assert main(["--size", "32", pair[0], "--steps=2", "-s", pair[1], "--weights=random", "-qo", "other.png"]) == 0
    assert np.array_equal(pixels("out.png"), pixels("other.png"))


def test_quiet_is_silent(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*pair, "-o", "out.png", "-q", *SHORT]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_the_suffix_chooses_the_format(pair: list[str], suffix: str) -> None:
    assert main([*pair, "-o", f"out.{suffix}", "-q", *SHORT]) == 0
    assert Image.open(f"out.{suffix}").format == {"jpg": "JPEG"}.get(suffix, suffix.upper())


def test_an_older_output_is_replaced_only_when_named(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("out.png", "photo-painting.png"):
        Path(name).write_bytes(b"old")
    assert main([*pair, "-o", "out.png", "-q", *SHORT]) == 0
    assert Path("out.png").read_bytes() != b"old"
    assert main([*pair, "-q", *SHORT]) == 1
    assert "exists already: add --existing replace" in capsys.readouterr().err
    assert main([*pair, "-q", *SHORT, "--existing", "skip"]) == 0
    assert Path("photo-painting.png").read_bytes() == b"old"
    assert main([*pair, "-q", *SHORT, "--existing", "replace"]) == 0
    assert Path("photo-painting.png").read_bytes() != b"old"
    assert main([*pair, "-o", "out.png", "-q", *SHORT, "--existing", "refuse"]) == 1


def test_sixteen_bits_are_written_where_the_format_holds_them(
    pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*pair, "-o", "out.png", "-q", *SHORT, "--bits", "16"]) == 0
    fine, coarse = images.load_image("out.png"), pixels("out.png")
    assert Path("out.png").read_bytes()[24] == 16  # the header's depth
    assert fine.shape == (1, 3, 32, 32) and coarse.shape[:2] == (32, 32)
    assert main([*pair, "-o", "out.jpg", *SHORT, "--bits", "16"]) == 1
    assert "save 'out.jpg' as .png or .tif for 16" in capsys.readouterr().err


def test_what_the_format_cannot_hold_is_refused_before_the_work(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(transfer, "stylize", None)
    monkeypatch.setitem(images.LONGEST_SIDE, "WEBP", 31)
    assert main([*pair, "-o", "out.webp", *SHORT]) == 1
    assert "WEBP holds at most 31 pixels a side" in capsys.readouterr().err


# --- transparency ------------------------------------------------------------------------------------


def test_transparency_is_put_back_where_it_can_be_held() -> None:
    draw("clear.png", 3, channels=4)
    alpha = np.asarray(Image.open("clear.png"))[..., 3]
    draw("painting.png", 2)
    options = [*SHORT, "-q", "--size", "own"]
    assert main(["clear.png", "painting.png", "-o", "kept.png", *options]) == 0
    assert np.array_equal(pixels("kept.png")[..., 3], alpha)
    assert main(["clear.png", "painting.png", "-o", "small.webp", *SHORT, "-q"]) == 0
    assert Image.open("small.webp").mode == "RGBA"


def test_flattened_and_jpeg_are_painted_on_white() -> None:
    draw("clear.png", 3, channels=4)
    images.save_image(images.load_image("clear.png"), "white.png")
    draw("painting.png", 2)
    assert main(["clear.png", "painting.png", "-o", "flat.png", "--flatten", "-q", *SHORT]) == 0
    assert main(["clear.png", "painting.png", "-o", "flat.jpg", "-q", *SHORT]) == 0
    assert Image.open("flat.png").mode == "RGB"
    manifests = [read_manifest(name)["inputs"]["content"] for name in ("flat.png", "flat.jpg")]
    assert manifests[0] == manifests[1]


# --- recipes and options -----------------------------------------------------------------------------


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
    ],
)
def test_set_takes_json_or_plain_words(text: str, value: object) -> None:
    recipe = recipe_from(painting_parser().parse(["--set", text]))
    found = getattr(recipe, text.partition("=")[0])
    assert found == value
    assert isinstance(value, dict) or type(found) is type(value)


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


def test_the_words_are_understood_without_torch(tmp_path: Path) -> None:
    code = "import sys; from styletut.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    for words, codes in (["--version"], "0"), (["--sede", "3"], "2"), (["no.png", "no.png"], "1"), (["a.png"], "2"):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=ENVIRONMENT)
        assert done.stdout.splitlines()[-1] == f"{codes} False", words


def test_help_tells_the_recipes_own_choices_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"default of fast: {recipes.get('fast').size})" in text and "{content,style,noise,mix}" in text
    assert all(name in text.replace("five- layer", "five-layer") for name in recipes.names())
    assert "exit codes: 0" in text and "styletut photo.jpg painting.jpg -o out.png" in text
    for command in ("recipes", "layers", "samples", "info", "resume"):
        assert main([command, "--help"]) == 0
        assert f"usage: styletut {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"styletut {version()}\n"


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


# --- several -----------------------------------------------------------------------------------------


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


def test_what_would_befall_every_picture_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
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
def test_what_cannot_be_meant_of_several_is_refused(
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


# --- estimates ---------------------------------------------------------------------------------------


def test_a_dry_run_only_estimates(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*pair, "-o", "new/", "--dry-run", *SHORT]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("32 x 32 pixels, 2 evaluations in ") and " GB" in out and out.count("\n") == 1 and not err
    assert files() == ["painting.png", "photo.png"] and not Path("new").exists()
    draw("in/a.png", 1)
    draw("in/b.png", 1)
    assert main(["in", pair[1], "-o", "new", "--dry-run", *SHORT]) == 0
    assert capsys.readouterr().out.startswith("2 pictures, 1 at a time, each time 32 x 32 pixels")


def test_a_long_run_is_estimated_first(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paint, "LONG_RUN", 1)
    assert main([*pair, "-o", "out.png", *SHORT]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("32 x 32 pixels, 2 evaluations")


def test_a_picture_that_does_not_fit_is_refused_before_it_is_begun(
    pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*pair, "-o", "out.png", *SHORT, "--max-memory", "60MB"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("styletut: error: a picture of 32 x 32 takes ") and err.count("\n") == 1
    assert "allow more memory" in err and not Path("out.png").exists()
    assert main([*pair, "-o", "out.png", *SHORT, "--max-memory", "much"]) == 1
    assert "'much' is no amount of memory: write it like 4GB" in capsys.readouterr().err


def test_the_memory_for_reading_a_picture_counts(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(transfer, "stylize", None)
    Image.new("RGB", (6000, 6000)).save("large.png")
    for words in (["large.png", pair[1]], [pair[0], "large.png"], [*pair, "--start", "large.png"]):
        assert main([*words, "-o", "out.png", *SHORT, "--max-memory", "200MB"]) == 1
        assert "over the 200 MB allowed" in capsys.readouterr().err


def test_in_tiles_the_picture_is_the_same(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    sized = [*pair, *SHORT, "--precision", "float64"]
    assert main([*sized, "-o", "whole.png", "-q"]) == 0
    assert main([*sized, "-o", "tiled.png", "-q", "--tile", "16"]) == 0
    assert np.abs(pixels("whole.png").astype(int) - pixels("tiled.png")).max() <= 1
    assert main([*sized, "--tile", "16", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith(", in tiles of 16\n")
    assert main([*sized, "--tile", "0"]) == 1
    assert "tile must be whole pixels, 1 or more, not 0" in capsys.readouterr().err


# --- snapshots ---------------------------------------------------------------------------------------


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


def test_snapshots_that_cannot_be_are_refused(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*pair, *SHORT, "--snapshots", "film"]) == 1
    assert "add --snapshot-every N" in capsys.readouterr().err
    assert main([*pair, *SHORT, "--snapshot-every", "2"]) == 2
    assert "--snapshots DIR" in capsys.readouterr().err
    assert main([*pair, *SHORT, "--snapshot-every", "2", "--snapshots", "photo.png/film"]) == 1
    assert main([*pair, *SHORT, "-o", "0.png", "--snapshot-every", "1", "--snapshots", "."]) == 1
    assert "the snapshots would replace" in capsys.readouterr().err
    assert main([draw("film/0001.png"), pair[1], *SHORT, "--snapshot-every", "1", "--snapshots", "film"]) == 1
    assert "one of the files that are read" in capsys.readouterr().err


# --- how it ends -------------------------------------------------------------------------------------


def interrupt_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Press Ctrl-C in the count-th step."""
    step = Stepper.step
    calls = iter(range(1, 1000))

    def pressed(self: Stepper) -> None:
        if next(calls) == count:
            signal.raise_signal(signal.SIGINT)
        step(self)

    monkeypatch.setattr(Stepper, "step", pressed)


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
def test_the_unexpected_is_one_line(
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


# --- what cannot be saved ----------------------------------------------------------------------------


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


# --- resume ------------------------------------------------------------------------------------------


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


# --- the other commands ------------------------------------------------------------------------------


def test_quiet_is_known_to_every_command(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*pair, "-o", "out.png", "-q", *SHORT]) == 0
    for words in (["recipes"], ["layers"], ["samples"], ["info", "out.png"]):
        assert main(words) == 0
        printed = capsys.readouterr().out
        assert main(["-q", *words]) == main([*words, "--quiet"]) == 0
        assert printed and capsys.readouterr().out == 2 * printed


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


# --- as a process ------------------------------------------------------------------------------------

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def start(*words: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "styletut", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, **options,
    )  # fmt: skip


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
