"""What the page is told: the weights to the bit, and the module's own recipes and constants."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from styletut import architecture, recipes, samples, vgg
from styletut.engine import guard, optim
from styletut.errors import WeightsError
from styletut.page import scripts


def decoded(entry: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Filters (in, out last) and biases, as the page decodes them."""
    table, biases = (np.frombuffer(base64.b64decode(entry[key]), "<f4") for key in ("table", "biases"))
    codes = np.frombuffer(base64.b64decode(entry["codes"]), np.uint8)
    return torch.from_numpy(table[codes].reshape(entry["shape"])), torch.from_numpy(biases.copy())


def test_weights_are_those_of_the_network_bit_for_bit(oxford: vgg.Weights) -> None:
    entries = scripts.weights(source=oxford)
    net = vgg.VGG([scripts.DEEPEST], weights=oxford)
    assert [entry["name"] for entry in entries] == list(net.convs)
    for entry in entries:
        filters, biases = decoded(entry)
        conv = net.conv(entry["name"])
        assert torch.equal(filters.permute(3, 2, 0, 1), conv.weight), entry["name"]
        assert conv.bias is not None and torch.equal(biases, conv.bias), entry["name"]


def test_the_larger_download_goes_on_where_the_first_ends(oxford: vgg.Weights) -> None:
    first = scripts.weights(source=oxford)
    more = scripts.weights(scripts.FINER, after=scripts.DEEPEST, source=oxford)
    net = vgg.VGG([scripts.FINER], weights=oxford)
    assert [entry["name"] for entry in first + more] == list(net.convs)
    filters, _ = decoded(more[-1])
    assert torch.equal(filters.permute(3, 2, 0, 1), net.conv("conv5_1").weight)


def test_weights_that_a_byte_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(WeightsError, match="conv1_1 has 1728 values, a byte tells 256 apart"):
        scripts.weights("relu1_1", source=vgg.random_weights())


def test_what_a_reader_loads_is_under_seven_megabytes() -> None:
    from page_helpers import SOURCES, VENDORED, in_node

    from styletut.page import build

    parts = [
        build.library(VENDORED),
        build.engine(SOURCES),
        scripts.script("styletutWeights", scripts.weights()),
        scripts.script("styletutSamples", scripts.sample_pictures()),
    ]
    plain = sum(len(part.encode()) for part in parts)
    more = {name: len(build.backend(VENDORED, name).encode()) for name in build.BACKENDS}
    assert plain + max(more.values()) < 7e6
    said = in_node({"DOWNLOAD, EXTRAS": "load.js"}, "return { DOWNLOAD, EXTRAS };")
    assert said["DOWNLOAD"] == f"{plain / 1e6:.1f} to {(plain + max(more.values())) / 1e6:.1f} MB"
    assert said["EXTRAS"] == {name: f"{size / 1e6:.1f} MB" for name, size in more.items()}
    assert len(build.painter(SOURCES).encode()) < 100_000


def test_settings_are_plain_json_and_the_modules_own() -> None:
    settings = json.loads(json.dumps(scripts.settings(), allow_nan=False))
    table = settings["network"]["table"]
    assert [row["name"] for row in table] == [layer.name for layer in architecture.layers()][: len(table)]
    assert table[-1]["name"] == "relu5_1"
    assert np.allclose(np.array(settings["network"]["mean"]) * 255, (123.68, 116.779, 103.939))
    assert settings["optimisers"]["lbfgs"] == {"recent": optim.RECENT, "first": optim.FIRST}
    assert settings["optimisers"]["adam"] == {"decays": [0.9, 0.999], "epsilon": 1e-8}
    assert settings["guard"] == {"diverged": guard.DIVERGED, "overshot": guard.OVERSHOT}


@pytest.mark.parametrize("name", scripts.RECIPES)
def test_the_pages_recipes_are_the_modules_cut_at_the_deepest_layer(name: str) -> None:
    made, own = scripts.recipe(name), recipes.get(name)
    changed = {f.name for f in recipes.fields() if getattr(made, f.name) != getattr(own, f.name)}
    assert changed <= {"content_layers", "style_layers", "tv_reduction", "margin", "size"}
    assert list(made.content_layers) == ["relu4_1"] and list(made.style_layers) == [f"relu{i}_1" for i in range(1, 5)]
    assert all(made.style_layers[layer] == own.style_layers[layer] for layer in made.style_layers)
    assert recipes.Recipe.from_dict(scripts.settings()["recipes"][name]) == made


def test_all_choices_that_the_page_offers_exist() -> None:
    for name, offered in scripts.settings()["choices"].items():
        assert set(offered) <= set(recipes.field(name).choices or ()), name


def test_samples_come_with_their_makers() -> None:
    made = scripts.sample_pictures(size=64)
    assert [each["name"] for each in made] == list(samples.names())
    for each in made:
        image = Image.open(io.BytesIO(base64.b64decode(each["jpeg"])))
        assert max(image.size) == 64
        assert each["author"] == samples.info(each["name"]).author


def test_the_still_picture_says_how_many_steps_the_recipe_has() -> None:
    page = (Path(__file__).parents[2] / "book" / "paint.md").read_text(encoding="utf-8")
    assert f"all {recipes.get('fast').steps} steps of <code>fast</code>" in page
