"""`--mask` and `--protect`: a style a region, and where the photograph is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cli_helpers import SHORT, pixels
from PIL import Image

from styletut import images, recipes, transfer
from styletut.cli import main
from styletut.cli.manifest import read_manifest


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


def test_style_scales_have_an_option_and_are_kept(pair: list[str]) -> None:
    assert main([*pair, "-o", "out.png", "-q", *SHORT, "--style-scale", ".5,own", "--strength", "0.5"]) == 0
    made = read_manifest("out.png")["recipe"]
    assert made["strength"] == 0.5 and made["style_scale"] == [0.5, "own"]
    assert main([*pair, "-o", "again.png", "-q", "-r", "out.png"]) == 0
    assert np.array_equal(pixels("out.png"), pixels("again.png"))
