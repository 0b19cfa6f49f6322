"""`styletut photo.png painting.png`: what it reads, writes and says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import SHORT, draw, files, pixels
from PIL import Image

from styletut import images, recipes, transfer
from styletut.cli import main, paint
from styletut.cli.manifest import read_manifest


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
    assert err.startswith("styletut: error: a picture of 40 x 40, its margin included, takes ") and err.count("\n") == 1
    assert "allow more memory" in err and not Path("out.png").exists()
    assert main([*pair, "-o", "out.png", *SHORT, "--max-memory", "much"]) == 1
    assert "'much' is no amount of memory: write it like 4GB" in capsys.readouterr().err


def test_the_memory_for_reading_a_picture_counts(
    pair: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(transfer, "stylize", None)
    Image.new("RGB", (6000, 6000)).save("large.png")
    given = [["large.png", pair[1]], [pair[0], "large.png"]]
    for words in (*given, [*pair, "--start", "large.png"], [*pair, "--refine", "large.png"]):
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
