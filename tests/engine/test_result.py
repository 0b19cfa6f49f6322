"""Results: what is saved and shown."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_helpers import ADAM, SMALL, paint, totals
from PIL import Image
from torch import Tensor

import styletut as st
from styletut import images, samples, transfer
from styletut.errors import ImageError
from styletut.recipes import Recipe
from styletut.transfer import iterate


def test_a_saved_png_says_how_to_make_the_picture_again(tmp_path: Path) -> None:
    """With named weights the recipe in the file is the recipe, and running it gives the same picture."""
    content, style = samples.load("cat", size=40), samples.load("waves", size=40)
    shallow = {
        "content_layers": {"relu2_1": 1.0},
        "style_layers": {"block1_conv1": 1.0},
        "scales": ((0.5, 2), (1.0, 3)),
    }
    result = paint(content, style, st.recipes.get("gram"), **shallow, noise_range=(-3, 5), seed=9, precision="float32")
    path = result.save(tmp_path / "picture.png")
    assert path == tmp_path / "picture.png"
    assert torch.equal(images.load_image(path), (result.picture * 255).round() / 255)
    manifest = json.loads(images.read_metadata(path)[transfer.METADATA_KEY])
    recipe = Recipe.from_dict(manifest["recipe"])
    assert recipe == result.recipe
    again = paint(content, style, recipe)
    assert torch.equal(again.picture, result.picture)
    assert manifest["inputs"] == again.manifest()["inputs"]
    assert manifest["evaluations"] == manifest["iterations"] == 5
    assert manifest["losses"] == result.history[-1]["losses"]
    assert manifest["size"] == list(result.picture.shape[-2:])
    assert manifest["styletut"] == st.__version__ and manifest["torch"] == torch.__version__
    assert manifest["precision"] == "float32" and manifest["stopped"] is None and manifest["seconds"] > 0


def test_the_manifest_knows_its_inputs_apart(photo: Tensor, painting: Tensor) -> None:
    def inputs(content: Tensor, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = iterate(content, painting, SMALL, **options).result().manifest()["inputs"]
        return found

    assert inputs(photo) == inputs(photo.clone())
    assert inputs(photo)["content"][0]["size"] == [32, 40]
    assert inputs(photo)["content"] != inputs(photo.flip(3))["content"]
    assert inputs(photo)["start"] == "content"


def test_a_result_keeps_the_alpha_that_it_is_given(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    alpha = torch.rand(1, 1, 32, 40)
    path = paint(photo, painting).save(tmp_path / "a.png", alpha=alpha)
    _, kept = images.load_image(path, alpha="keep")
    assert kept is not None and torch.allclose(kept, alpha, atol=0.5 / 255 + 1e-6)


def test_a_batch_is_saved_under_numbered_names(tmp_path: Path, painting: Tensor) -> None:
    result = paint(torch.rand(3, 3, 24, 24), painting, **ADAM, batch=3)
    assert result.save(tmp_path / "many.png") == tmp_path / "many-1.png"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["many-1.png", "many-2.png", "many-3.png"]
    for i, picture in enumerate(result.picture.split(1), start=1):
        assert torch.equal(images.load_image(tmp_path / f"many-{i}.png"), (picture * 255).round() / 255)


def test_a_result_that_cannot_be_saved_leaves_the_old_file(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    result = paint(photo, painting)
    with pytest.raises(ImageError):
        result.save(tmp_path / "nowhere" / "x.png")
    with pytest.raises(ImageError, match="suffix"):
        result.save(tmp_path / "x.gif")


def test_the_repr_says_size_recipe_cost_device_precision_and_loss(photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting)
    text = repr(result)
    for word in ("40 x 32", "'small'", "6 evaluations", "on cpu", "float32", f"loss {totals(result)[-1]:.4g}"):
        assert word in text
    assert "interrupted" not in text
    assert "interrupted" in repr(iterate(photo, painting, SMALL).result())


def test_a_notebook_shows_the_picture_as_a_png(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    result = paint(photo, painting)
    (tmp_path / "shown.png").write_bytes(result._repr_png_())
    assert torch.equal(images.load_image(tmp_path / "shown.png"), (result.picture * 255).round() / 255)


@pytest.mark.parametrize("where", ["notebook", "terminal", "without IPython"])
def test_show_uses_the_notebook_where_there_is_one_and_the_viewer_elsewhere(
    where: str, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    import IPython
    import IPython.display

    in_cell: list[Any] = []
    in_viewer: list[Any] = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object() if where == "notebook" else None)
    monkeypatch.setattr(IPython.display, "display", in_cell.append)
    monkeypatch.setattr(Image.Image, "show", lambda self: in_viewer.append(self))
    if where == "without IPython":
        monkeypatch.setitem(sys.modules, "IPython", None)
    paint(torch.rand(2, 3, 24, 28), painting, **ADAM, batch=2).show()
    shown, other = (in_cell, in_viewer) if where == "notebook" else (in_viewer, in_cell)
    assert [image.size for image in shown] == [(28, 24)] * 2
    assert other == []


# --- in a notebook -----------------------------------------------------------------------------------


def pictures_of(shown: str) -> list[Image.Image]:
    """The pictures within a piece of HTML."""
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', shown)
    return [Image.open(BytesIO(base64.b64decode(data))) for data in found]


def test_a_notebook_shows_before_and_after_under_a_divider(photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting)
    shown = result._repr_html_()
    assert shown is not None and "styletut-divider-" in shown and len(shown) < 300_000
    assert shown == result._repr_html_()
    for picture, expected in zip(pictures_of(shown), (photo, result.picture), strict=True):
        assert picture.size == (40, 32)
        difference = images.from_pil(picture.convert("RGB")) - expected
        assert float(difference.abs().mean()) < 0.03  # JPEG's


def test_a_picture_without_one_photograph_before_it_is_shown_alone(photo: Tensor, painting: Tensor) -> None:
    batch = torch.cat([photo, photo.flip(3)])
    assert paint(batch, painting, SMALL.replace(batch=2, **ADAM))._repr_html_() is None
    assert st.texture(painting, recipe=SMALL, size=32, steps=1, progress=False)._repr_html_() is None
    bare = dataclasses.replace(paint(photo, painting), before=None)
    assert bare._repr_html_() is None and bare._repr_png_().startswith(b"\x89PNG")
