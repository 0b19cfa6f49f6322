"""Another network is one class: anything with `layers` that gives their features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import styletut as st
from styletut.errors import CheckpointError, LayerError, RecipeError
from styletut.recipes import Recipe


class Sequential(nn.Module):
    """A sequence of modules, such as torchvision's ``features``; its layers are called by their numbers."""

    def __init__(self, modules: nn.Sequential) -> None:
        super().__init__()
        self.sequence = modules.requires_grad_(False).eval()
        self.layers = [name for name, _ in modules.named_children()]

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features, x = {}, (image - 0.45) / 0.22
        for name, module in self.sequence.named_children():
            features[name] = x = module(x)
        return features


@pytest.fixture
def network() -> Sequential:
    torch.manual_seed(0)
    return Sequential(
        nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2, padding_mode="reflect"),
            nn.GELU(),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.SiLU(),
            nn.AvgPool2d(2),
        )
    )


@pytest.fixture
def recipe(network: Sequential) -> Recipe:
    return st.recipes.get("gram").replace(
        network=network,
        content_layers={"3": 1.0},
        style_layers={"1": 0.5, "4": 0.5},
        scales=((0.5, 6), (1.0, 6)),
        size=None,
        precision="float32",
    )


@pytest.mark.parametrize("style_loss", ["relative", "wasserstein", "sliced-wasserstein"])
def test_a_run_over_another_network_lowers_its_losses(
    style_loss: str, recipe: Recipe, photo: Tensor, painting: Tensor
) -> None:
    result = st.stylize(photo, painting, recipe, style_loss=style_loss, progress=False, device="cpu")
    losses = [row["losses"] for row in result.history if row["scale"] == 1]
    assert set(losses[0]) == {"content/3", "style/1", "style/4", "tv", "total"}
    assert losses[-1]["total"] < 0.8 * losses[0]["total"]
    assert result.manifest()["recipe"]["network"] == "<Sequential>"


@pytest.mark.numerical
def test_its_losses_are_those_of_its_features(recipe: Recipe, photo: Tensor, painting: Tensor) -> None:
    exact = recipe.replace(precision="float64", scales=((1.0, 1),), start="style")
    run = st.iterate(photo, painting, exact, device="cpu")
    (step,) = run
    network = recipe.network
    content, style = network(photo.double()), network(run.inputs.styles[0].double())
    assert step.losses["content/3"] > 0
    start = st.iterate(photo, painting, exact, device="cpu").picture().double()
    found = st.losses.content_loss(network(start)["3"], content["3"], "relative")
    assert step.losses["content/3"] == pytest.approx(recipe.content_weight * float(found), rel=1e-4)
    grams = (st.losses.gram_matrix(network(p)["1"]) for p in (start, run.backend.place(painting)))
    assert style["1"].dtype == torch.float64 and all(g.shape == (1, 8, 8) for g in grams)


def test_a_wrong_layer_names_those_that_there_are(recipe: Recipe) -> None:
    with pytest.raises(LayerError, match=r"unknown layer of Sequential '7'.*Choose from 0, 1, 2, 3, 4"):
        recipe.replace(content_layers={"7": 1.0})


@pytest.mark.parametrize("options", [{"tile": 32}, {"precision": "bfloat16"}, {"precision": "float16"}])
def test_what_needs_a_vgg_says_so(options: dict[str, Any], recipe: Recipe, photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match="a VGG"):
        st.iterate(photo, painting, recipe, device="cpu", **options)


def test_auto_is_float32(recipe: Recipe, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("styletut.engine.devices._processor_has_bfloat16", lambda: True)
    assert st.iterate(photo, painting, recipe, precision="auto", device="cpu").precision == "float32"


def test_a_saved_run_asks_for_its_network(recipe: Recipe, photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    whole = st.stylize(photo, painting, recipe, progress=False, device="cpu")
    run = st.iterate(photo, painting, recipe, device="cpu")
    for _ in range(4):
        next(run)
    path = run.save(tmp_path / "run")
    with pytest.raises(CheckpointError, match="network="):
        st.resume(path, device="cpu")
    found = st.resume(path, network=recipe.network, progress=False, device="cpu")
    assert torch.equal(found.picture, whole.picture)
