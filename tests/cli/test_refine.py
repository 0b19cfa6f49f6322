"""`--refine`: going on from a picture with changed settings."""

from __future__ import annotations

import numpy as np
import pytest
from cli_helpers import SHORT, pixels

from styletut import images, recipes, transfer
from styletut.cli import main
from styletut.cli.manifest import read_manifest


def test_a_picture_is_refined_with_its_own_recipe_and_one_setting_changed(pair: list[str]) -> None:
    assert main([*pair, "-o", "prev.png", "-q", *SHORT, "--set", "scales=[[0.5, 1], [1, 1]]", "--seed", "3"]) == 0
    again = ["-r", "prev.png", "--refine", "prev.png", "--content-weight", ".3"]
    assert main([*pair, "-o", "next.png", "-q", *again]) == 0
    made = read_manifest("next.png")
    assert made["recipe"]["scales"] == [[1.0, 1]] and made["recipe"]["content_weight"] == 0.3
    assert made["recipe"]["seed"] == 3 and made["iterations"] == 1
    content, style, before = (images.load_image(name) for name in (*pair, "prev.png"))
    recipe = recipes.get().replace(size=32, weights="random", seed=3, content_weight=0.3, scales=[(1, 1)])
    expected = transfer.stylize(content, style, recipe, start=before, progress=False)
    assert np.array_equal(pixels("next.png"), np.asarray(images.to_pil(expected.picture)))
    assert main([*pair, "-o", "more.png", "-q", *again, "--steps", "3"]) == 0
    assert read_manifest("more.png")["iterations"] == 3
    assert main([*pair, "-o", "prev.png", "-q", *again]) == 1  # what is read is never replaced


def test_a_picture_to_refine_that_is_missing_or_one_too_many_is_refused(
    pair: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*pair, "-o", "out.png", *SHORT, "--refine", "prev.png"]) == 1
    assert capsys.readouterr().err.startswith("styletut: error: there is no file 'prev.png'")
    assert main([*pair, "-o", "out.png", *SHORT, "--refine", pair[0], "--start", "noise"]) == 2
    assert "give --start or --refine, not both" in capsys.readouterr().err
