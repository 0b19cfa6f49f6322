"""The engine: descent, scales, guard, interrupts, resume, results."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

import styletut as st
from styletut import images, memory, objective, samples, tiles, transfer, vgg
from styletut.engine import devices, guard, scales
from styletut.engine import estimate as estimating
from styletut.engine.stepper import Stepper
from styletut.errors import CheckpointError, DeviceError, DivergenceError, ImageError, RecipeError
from styletut.losses import STYLE_LOSSES
from styletut.lowmem.objective import TapeObjective
from styletut.recipes import Recipe
from styletut.transfer import DivergenceWarning, Result, Run, estimate, iterate, pick_device, pick_precision, resume

TINY = vgg.random_weights(width=0.1)
SMALL = Recipe(
    name="small",
    weights=TINY,
    content_layers={"relu3_1": 1.0},
    style_layers={"relu1_1": 0.5, "relu2_1": 0.5},
    tv_weight=0.01,
    tv_reduction="mean",
    scales=((1.0, 6),),
)
SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1.0}
ADAM: dict[str, Any] = {"optimizer": "adam", "learning_rate": 0.02}
LBFGS: dict[str, Any] = {"optimizer": "lbfgs"}
SEARCH: dict[str, Any] = {"optimizer": "lbfgs", "line_search": True, "evaluations": 5}
RESTART: dict[str, Any] = {"optimizer": "lbfgs", "line_search": True, "evaluations": 5, "restart": True}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": SGD,
    "sgd with decay": SGD | {"decay": 0.5, "decay_steps": 3},
    "adam": ADAM,
    "adam clamped": ADAM | {"clamp": "forward", "start": "noise"},
    "lbfgs": LBFGS,
    "lbfgs with several evaluations": LBFGS | {"evaluations": 4},
    "lbfgs with line search": SEARCH,
    "lbfgs with line search and restart": RESTART,
}


def paint(content: Any, style: Any, recipe: Recipe = SMALL, **options: Any) -> Result:
    """`stylize` without a progress bar."""
    return st.stylize(content, style, recipe, **{"progress": False, **options})


def totals(result: Result) -> list[float]:
    return [row["losses"]["total"] for row in result.history]


def without_seconds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def loss_of(picture: Tensor, content: Tensor, style: Tensor, recipe: Recipe = SMALL) -> float:
    return float(objective.build(content, style, recipe)(picture)["total"])


# --- descent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.numerical
def test_every_optimiser_brings_the_loss_down(name: str, photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, SMALL.replace(**OPTIMIZERS[name], scales=((1.0, 12),)))
    assert result.stopped is None
    assert len(result.history) == 12
    assert totals(result)[-1] < 0.9 * totals(result)[0]
    assert float(result.picture.min()) >= 0 and float(result.picture.max()) <= 1
    if OPTIMIZERS[name].get("start", "content") == "content":
        assert loss_of(result.picture, photo, painting) < 0.9 * loss_of(photo, photo, painting)


SMOOTH = Recipe(name="smooth", content_weight=0, style_weight=0, tv_weight=0.5, tv_loss="squared", precision="float64")
"""Total variation alone: a quadratic, so that every step can be computed by hand."""


def laplacian(side: int) -> Tensor:
    """D'D of forward differences: the gradient of the sum of squared differences is 2 D'D x."""
    differences = torch.diff(torch.eye(side, dtype=torch.float64), dim=0)
    return differences.T @ differences


def tv_gradient(x: Tensor, weight: float) -> Tensor:
    rows, columns = laplacian(x.shape[-2]), laplacian(x.shape[-1])
    return 2 * weight * (rows @ x + x @ columns)


@pytest.mark.parametrize("pixel_range", [1.0, 255.0])
@pytest.mark.numerical
def test_sgd_on_a_quadratic_takes_the_analytic_steps_with_the_decay(pixel_range: float) -> None:
    """The variable v = x * pixel_range moves by lr * decay^(i / decay_steps) times the gradient in v."""
    start = samples.load("cat", size=12)
    rate = 0.05 * pixel_range**2
    options: dict[str, Any] = {
        "optimizer": "sgd",
        "learning_rate": rate,
        "decay": 0.5,
        "decay_steps": 2,
        "pixel_range": pixel_range,
    }
    run = iterate(start, None, SMOOTH, scales=((1.0, 5),), device="cpu", **options)
    x = start.double()
    for i, step in enumerate(run):
        loss = 0.5 * float((x[..., 1:] - x[..., :-1]).square().sum() + (x[..., 1:, :] - x[..., :-1, :]).square().sum())
        assert step.losses["total"] == pytest.approx(loss, rel=1e-9)
        x = x - rate * 0.5 ** (i / 2) * tv_gradient(x, 0.5) / pixel_range**2
        assert torch.allclose(step.picture().double(), x, atol=1e-6)


def test_the_first_step_of_adam_is_the_learning_rate_along_the_sign_of_the_gradient() -> None:
    start = 0.25 + 0.5 * torch.rand(1, 3, 6, 8)
    (step,) = iterate(start, None, SMOOTH, scales=((1.0, 1),), optimizer="adam", learning_rate=0.01, device="cpu")
    expected = start.double() - 0.01 * tv_gradient(start.double(), 0.5).sign()
    assert torch.allclose(step.picture().double(), expected, atol=1e-6)


@pytest.mark.parametrize("line_search", [False, True])
def test_lbfgs_finds_the_minimum_of_a_quadratic(line_search: bool) -> None:
    """Total variation is least for a flat picture, and its gradient keeps the mean of every channel."""
    start = torch.rand(1, 3, 6, 7)
    changes: dict[str, Any] = {
        "optimizer": "lbfgs",
        "line_search": line_search,
        "evaluations": 10,
        "scales": ((1.0, 12),),
    }
    result = paint(start, None, SMOOTH, **changes)
    assert torch.allclose(result.picture, start.mean((2, 3), keepdim=True).expand_as(start), atol=1e-5)


@pytest.mark.filterwarnings("ignore:the loss ended at")
def test_clamping_after_each_step_keeps_the_variable_in_its_range(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL, **ADAM | {"learning_rate": 90.0}, pixel_range=255.0, clamp="step")
    for _ in run:
        assert float(run.state.variable.detach().min()) >= 0 and float(run.state.variable.detach().max()) <= 255
    free = iterate(photo, painting, SMALL, **ADAM | {"learning_rate": 90.0}, pixel_range=255.0, clamp="none")
    assert max(float(free.state.variable.detach().max()) for _ in free) > 255


@pytest.mark.filterwarnings("ignore:the loss ended at")
def test_clamping_in_the_forward_pass_shows_the_network_only_pictures(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    call = TapeObjective.__call__

    def look(self: TapeObjective, picture: Tensor) -> dict[str, Tensor]:
        seen.append(picture.detach().clone())
        return call(self, picture)

    monkeypatch.setattr(TapeObjective, "__call__", look)
    paint(photo, painting, **ADAM | {"learning_rate": 0.5}, clamp="forward")
    assert all(float(p.min()) >= 0 and float(p.max()) <= 1 for p in seen)


def test_a_step_says_where_it_is_and_what_it_cost(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL, **SGD, scales=((0.5, 2), (1.0, 3)))
    steps = list(run)
    assert [(s.scale, s.scales, s.iteration, s.iterations) for s in steps] == [
        (0, 2, 1, 2),
        (0, 2, 2, 2),
        (1, 2, 1, 3),
        (1, 2, 2, 3),
        (1, 2, 3, 3),
    ]
    assert [s.evaluations for s in steps] == [1, 2, 3, 4, 5]
    assert [s.size for s in steps] == [(16, 20)] * 2 + [(32, 40)] * 3
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(steps))
    assert set(steps[0].losses) == {"content/relu3_1", "style/relu1_1", "style/relu2_1", "tv", "total"}
    assert steps[-1].picture().shape == photo.shape
    result = run.result()
    assert [row["losses"] for row in result.history] == [s.losses for s in steps]
    assert result.evaluations == 5 and result.stopped is None
    assert torch.equal(result.picture, steps[-1].picture())


def test_a_step_gives_its_own_picture_or_says_that_it_is_gone(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL, scales=((0.5, 2), (1.0, 2)))
    steps, pictures = [], []
    for step in run:
        steps.append(step)
        pictures.append(step.picture())
    assert torch.equal(steps[-1].picture(), pictures[-1])
    for step in steps[:-1]:
        with pytest.raises(ImageError, match="the run has gone on from step"):
            step.picture()


def test_the_picture_of_a_step_is_a_copy(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL)
    first = next(run).picture()
    kept = first.clone()
    next(run)
    assert torch.equal(first, kept)
    first.zero_()
    assert float(run.picture().abs().max()) > 0


def test_pictures_that_come_in_are_left_alone(photo: Tensor, painting: Tensor) -> None:
    before = photo.clone(), painting.clone()
    paint(photo, painting, start=photo.requires_grad_())
    assert torch.equal(photo, before[0]) and torch.equal(painting, before[1])
    assert photo.grad is None


# --- starts ------------------------------------------------------------------------------------------


def test_the_start_content_is_the_content(photo: Tensor, painting: Tensor) -> None:
    assert torch.allclose(iterate(photo, painting, SMALL).picture(), photo, atol=1e-6)


def test_the_start_style_is_the_middle_of_the_style_at_the_contents_size(photo: Tensor, painting: Tensor) -> None:
    """44 x 28 is cut to 22 x 28, the aspect of 32 x 40, and never squeezed."""
    found = iterate(photo, painting, SMALL.replace(start="style")).picture()
    expected = images.resize(painting[..., 11:33, :], (32, 40), upscale=True)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_the_start_noise_is_noise_around_the_networks_mean(noise: str, painting: Tensor) -> None:
    content = torch.rand(1, 3, 64, 64)
    changes = {"start": "noise", "noise": noise, "noise_range": (-30.0, 20.0) if noise == "uniform" else (10.0, 20.0)}
    found = iterate(content, painting, SMALL.replace(**changes)).state.variable.detach()
    offset = (found - torch.tensor(vgg.IMAGENET_MEAN).view(1, 3, 1, 1)) * 255
    if noise == "uniform":
        assert -30 <= float(offset.min()) < -29.5 and 19.5 < float(offset.max()) <= 20
        assert float(offset.mean()) == pytest.approx(-5, abs=1)
    else:
        assert float(offset.mean()) == pytest.approx(10, abs=1)
        assert float(offset.std()) == pytest.approx(20, abs=1)


def test_the_start_mix_is_noise_and_content_in_the_recipes_shares(photo: Tensor, painting: Tensor) -> None:
    mean = torch.tensor(vgg.IMAGENET_MEAN).view(1, 3, 1, 1)
    mix = SMALL.replace(start="mix", start_mix=0.25, noise_range=(-20.0, 20.0), seed=5)
    found = iterate(photo, painting, mix).state.variable.detach()
    noise = iterate(photo, painting, mix.replace(start="noise")).state.variable.detach()
    assert torch.allclose(found, mean + 0.25 * (photo - mean) + 0.75 * (noise - mean), atol=1e-6)
    pure = iterate(photo, painting, mix.replace(start_mix=1.0)).state.variable.detach()
    assert torch.allclose(pure, photo, atol=1e-6)


def test_without_a_network_noise_is_around_grey() -> None:
    found = iterate(torch.rand(1, 3, 32, 32), None, SMOOTH.replace(start="noise", noise_range=(0.0, 0.0))).picture()
    assert torch.allclose(found, torch.full_like(found, 0.5))


def test_the_start_may_be_a_picture_of_any_size(photo: Tensor, painting: Tensor) -> None:
    start = torch.rand(1, 3, 16, 20)
    found = iterate(photo, painting, SMALL, start=start).picture()
    assert torch.equal(found, images.resize(start, (32, 40), upscale=True))
    result = paint(photo, painting, start=start)
    assert result.manifest()["inputs"]["start"][0]["size"] == [16, 20]


@pytest.mark.parametrize("start", ["content", "style", "noise", "mix"])
def test_the_recipes_start_can_be_changed_by_its_name(start: str, photo: Tensor, painting: Tensor) -> None:
    """`start` is a field of the recipe too, and fields may be given as keywords."""
    run = iterate(photo, painting, SMALL, start=start)
    assert run.recipe.start == start
    assert torch.equal(run.picture(), iterate(photo, painting, SMALL.replace(start=start)).picture())


@pytest.mark.parametrize(
    "start",
    [torch.rand(3, 32, 40), torch.full((1, 3, 8, 8), math.nan), torch.rand(2, 3, 32, 40), 255 * torch.rand(1, 3, 8, 8)],
    ids=["no batch axis", "not finite", "two for one", "of 0 to 255"],
)
def test_a_start_that_is_not_a_picture_is_refused_before_anything_runs(
    start: Any, photo: Tensor, painting: Tensor
) -> None:
    with pytest.raises(ImageError, match="start"):
        iterate(photo, painting, SMALL, start=start)


COARSE_TO_FINE = SMALL.replace(scales=((0.25, 2), (0.5, 3), (1.0, 4)))


def test_refining_keeps_the_detail_of_a_result_and_takes_changed_settings(photo: Tensor, painting: Tensor) -> None:
    before = paint(photo, painting, COARSE_TO_FINE)
    run = iterate(photo, painting, COARSE_TO_FINE, refine=before, content_weight=0.3)
    assert torch.equal(run.picture(), before.picture)
    assert run.recipe == COARSE_TO_FINE.replace(scales=((1.0, 4),), content_weight=0.3)
    assert [step.size for step in run] == [(32, 40)] * 4
    assert not torch.equal(run.result().picture, before.picture)
    by_picture = paint(photo, painting, COARSE_TO_FINE, refine=before.picture, content_weight=0.3)
    assert torch.equal(by_picture.picture, run.result().picture)
    assert by_picture.manifest()["inputs"]["start"][0]["size"] == [32, 40]


@pytest.mark.parametrize(
    ("start", "kept"),
    [((32, 40), 1), ((17, 21), 2), ((16, 20), 2), ((8, 10), 3), ((4, 5), 3), ((64, 80), 1), ((22, 22), 1)],
)
def test_refining_leaves_out_the_scales_that_are_coarser_than_the_picture(
    start: tuple[int, int], kept: int, photo: Tensor, painting: Tensor
) -> None:
    given = torch.rand(1, 3, *start)
    assert iterate(photo, painting, COARSE_TO_FINE, refine=given).recipe.scales == COARSE_TO_FINE.scales[-kept:]
    assert iterate(photo, painting, COARSE_TO_FINE, start=given).recipe == COARSE_TO_FINE


def test_the_steps_of_refining_are_those_of_the_scales_that_remain(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, COARSE_TO_FINE, refine=photo, steps=5)
    assert run.recipe.scales == ((1.0, 5),)
    cost = st.estimate(photo, painting, COARSE_TO_FINE, refine=photo, steps=5)
    assert cost.evaluations == 5


def test_a_refined_run_resumes_exactly(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    whole = paint(photo, painting, COARSE_TO_FINE, refine=painting, content_weight=0.3)
    run = iterate(photo, painting, COARSE_TO_FINE, refine=painting, content_weight=0.3)
    next(run)
    resumed = st.resume(run.save(tmp_path / "run.pt"), weights=TINY, progress=False)
    assert torch.equal(resumed.picture, whole.picture)


def test_a_result_may_be_the_start(photo: Tensor, painting: Tensor) -> None:
    before = paint(photo, painting)
    run = iterate(photo, painting, COARSE_TO_FINE, start=before)
    assert run.state.start is not None and run.recipe == COARSE_TO_FINE
    assert torch.equal(run.state.start, before.picture)
    with pytest.raises(RecipeError, match="start= or refine=, not both"):
        iterate(photo, painting, COARSE_TO_FINE, start=before, refine=before)


@pytest.mark.parametrize("kind", ["path", "name", "pil", "array", "list of paths", "overshoot", "float64"])
def test_pictures_may_be_whatever_load_image_takes(kind: str, photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    path = images.save_image(photo, tmp_path / "photo.png")
    loaded = images.load_image(path)
    given: dict[str, Any] = {
        "path": path,
        "name": str(path),
        "pil": Image.open(path),
        "array": np.asarray(images.to_pil(loaded)),
        "list of paths": [path],
        "overshoot": (loaded - 0.5) * 1.5 + 0.5,
        "float64": loaded.double(),
    }
    run = iterate(given[kind], [given[kind], painting] if kind == "path" else given[kind], SMALL)
    wanted = ((loaded - 0.5) * 1.5 + 0.5).clamp(0, 1) if kind == "overshoot" else loaded
    for found in (run.inputs.content, run.inputs.styles[0]):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    if kind not in ("name", "list of paths"):
        assert torch.allclose(iterate(photo, painting, SMALL, start=given[kind]).picture(), wanted, atol=1e-6)


@pytest.mark.parametrize("role", ["content", "style", "second style", "start"])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: 255 * x, "values from .* to .*: bring them to"),
        (lambda x: x - 2, "values from"),
        (lambda x: (255 * x).byte(), "must hold floats"),
        (lambda x: x > 0.5, "must hold floats"),
        (lambda x: x[0].permute(1, 2, 0).numpy() * 255, "values from"),
        (lambda x: x.to_sparse(), "must be a dense tensor"),
        (lambda x: x.to("meta"), "is on the meta device"),
        (lambda x: x.to(torch.float8_e5m2), "must hold floats"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8), "must hold floats"),
        (lambda x: x.to(torch.complex64), "must hold floats"),
        (lambda x: 7, "expected a path"),
        (lambda x: Path("nowhere.png"), "there is no file"),
    ],
)
def test_what_is_no_picture_in_0_to_1_is_refused_before_anything_runs(
    role: str, spoil: Callable[[Tensor], Any], says: str, photo: Tensor, painting: Tensor
) -> None:
    bad = spoil(photo)
    given = {
        "content": (bad, painting, None),
        "style": (photo, bad, None),
        "second style": (photo, [painting, bad], None),
        "start": (photo, painting, bad),
    }[role]
    with pytest.raises(ImageError, match=says) as caught:
        iterate(given[0], given[1], SMALL, start=given[2])
    name = {"second style": "style 2"}.get(role, role)
    assert not isinstance(bad, Tensor) or str(caught.value).startswith(name)


@pytest.mark.parametrize("tile", [0, -1, 1.5, True, "64", (64, 64), 10**30, math.nan])
def test_a_tile_that_means_nothing_is_refused_before_anything_runs(tile: Any, photo: Tensor, painting: Tensor) -> None:
    for begin in (iterate, estimate):
        with pytest.raises(RecipeError, match="tile must be whole pixels, 1 or more, not"):
            begin(photo, painting, SMALL, tile=tile)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (["a"], "must be numbers, one for each style"),
        ("1", "must be numbers"),
        (7, "must be numbers"),
        ([], "must be numbers"),
        ([True], "must be numbers"),
        ([None], "must be numbers"),
        ([[1.0]], "must be numbers"),
        ([10**400], "must be numbers"),
        ([1, 2], "2 style weights for 1 styles"),
        ([-1], "must not be negative"),
        ([math.nan], "must not be negative"),
        ([0], "not all zero"),
    ],
)
def test_style_weights_that_mean_nothing_are_refused_before_anything_runs(
    weights: Any, says: str, photo: Tensor, painting: Tensor
) -> None:
    with pytest.raises(RecipeError, match=says):
        iterate(photo, painting, SMALL, style_weights=weights)


def test_a_style_that_is_missing_is_missed_before_anything_runs(photo: Tensor) -> None:
    with pytest.raises(RecipeError, match="has style layers: give a style picture"):
        iterate(photo, None, SMALL)


def test_the_start_style_needs_a_style(photo: Tensor) -> None:
    with pytest.raises(RecipeError, match="start='style' needs a style picture"):
        iterate(photo, None, SMALL.replace(start="style", style_weight=0))


# --- scales, sizes, styles ---------------------------------------------------------------------------


def test_coarse_to_fine_goes_through_every_size_and_step(photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, scales=((0.5, 3), (0.75, 2), (1.0, 4)), size=32)
    sizes = [row["size"] for row in result.history]
    assert sizes == [(13, 16)] * 3 + [(20, 24)] * 2 + [(26, 32)] * 4
    assert result.picture.shape == (1, 3, 26, 32)


@pytest.mark.numerical
def test_the_next_scale_begins_with_the_enlarged_picture_of_the_last(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL, scales=((0.5, 3), (1.0, 1)), **ADAM)
    for _ in range(3):
        coarse = next(run)
    enlarged = images.resize(run.state.variable.detach().contiguous(), (32, 40), upscale=True)
    expected = loss_of(enlarged, photo, images.resize(painting, 40))
    assert coarse.scale == 0
    assert next(run).losses["total"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("style_size", "changes", "sizes"),
    [
        ((44, 28), {}, [(40, 25)]),  # longer side 40, as the content's; its own aspect
        ((28, 44), {"scales": ((0.5, 1), (1.0, 1))}, [(13, 20), (25, 40)]),
        ((20, 16), {}, [(20, 16)]),  # never enlarged
        ((80, 80), {"style_scale": 1.5}, [(60, 60)]),
        ((80, 80), {"style_scale": 0.5}, [(20, 20)]),
    ],
)
def test_the_style_keeps_its_aspect_and_is_never_enlarged(
    style_size: tuple[int, int],
    changes: dict[str, Any],
    sizes: list[tuple[int, int]],
    photo: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, ...]] = []
    build = objective.build

    def look(content: Tensor, styles: Any, *args: Any, **kwargs: Any) -> objective.Objective:
        seen.extend(tuple(s.shape[-2:]) for s in styles)
        return build(content, styles, *args, **kwargs)

    monkeypatch.setattr(objective, "build", look)
    paint(photo, torch.rand(1, 3, *style_size), **{"scales": ((1.0, 1),), **changes})
    assert seen == sizes


@pytest.mark.parametrize(
    ("content", "style"), [((128, 128), (60, 128)), ((256, 192), (100, 640)), ((64, 64), (16, 500))]
)
def test_the_default_recipe_takes_styles_of_any_shape(
    content: tuple[int, int], style: tuple[int, int], tiny: vgg.Weights
) -> None:
    """At its coarse scales a style is not shrunk below what the deepest layer needs, and keeps its shape."""
    run = iterate(torch.rand(1, 3, *content), torch.rand(1, 3, *style), "fast", weights=tiny, size=None)
    for size in run.sizes:
        found = scales.style_at(run.inputs.styles[0], size, run.recipe, 16).shape[-2:]
        assert min(found) >= 16 and max(found) <= max(style)
        assert found[0] / found[1] == pytest.approx(style[0] / style[1], rel=0.1)
        run.backend.build(size)


@pytest.mark.parametrize(
    ("content", "styles", "says"),
    [
        ((64, 15), [(64, 64)], "content of 15 x 64 pixels is too small for relu5_1: it needs 16 pixels a side"),
        ((64, 64), [(12, 64)], "style of 64 x 12 pixels is too small"),
        ((64, 64), [(64, 64), (64, 12)], "style 2 of 12 x 64 pixels is too small"),
    ],
)
def test_a_picture_too_small_for_the_network_is_named_before_anything_runs(
    content: tuple[int, int], styles: list[tuple[int, int]], says: str, tiny: vgg.Weights
) -> None:
    with pytest.raises(ImageError, match=says):
        iterate(torch.rand(1, 3, *content), [torch.rand(1, 3, *s) for s in styles], "fast", weights=tiny, size=None)


def test_targets_are_computed_once_for_each_scale(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    prepare = vgg.VGG.prepare
    monkeypatch.setattr(vgg.VGG, "prepare", lambda self, x: calls.append(1) or prepare(self, x))  # type: ignore[func-returns-value]
    result = paint(photo, painting, scales=((0.5, 3), (1.0, 5)), **SGD)
    assert len(calls) == result.evaluations + 2 * 2  # content and style, at two scales


def test_a_run_without_style_layers_needs_no_style(photo: Tensor) -> None:
    result = paint(photo, None, style_weight=0, start=torch.rand(1, 3, 32, 40))
    assert set(result.history[0]["losses"]) == {"content/relu3_1", "tv", "total"}
    assert result.manifest()["inputs"]["styles"] == []


def test_styles_are_blended_by_their_weights(photo: Tensor, painting: Tensor) -> None:
    other = torch.rand(1, 3, 32, 32)
    alone = paint(photo, painting)
    assert torch.equal(paint(photo, [painting, other], style_weights=[2, 0]).picture, alone.picture)
    blend = paint(photo, [painting, other], style_weights=[1, 1])
    assert not torch.equal(blend.picture, alone.picture)
    assert blend.manifest()["inputs"]["style_weights"] == [1.0, 1.0]


def test_a_picture_too_small_for_the_layers_is_refused_by_a_typed_error(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(ImageError, match="too small for relu3_1"):
        paint(photo[..., :3, :], painting)


# --- batches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["content", "style"])
@pytest.mark.parametrize("optimizer", ["sgd", "sgd with decay", "adam"])
@pytest.mark.numerical
def test_a_batch_of_pairs_gives_the_pictures_of_the_single_pairs(optimizer: str, start: str) -> None:
    contents = [torch.rand(1, 3, 24, 32) for _ in range(3)]
    styles = [torch.rand(1, 3, 30 + 4 * i, 40 - 6 * i) for i in range(3)]
    recipe = SMALL.replace(**OPTIMIZERS[optimizer], batch=3, precision="float64", start=start)
    together = paint(contents, styles, recipe)
    singles = [paint(c, s, recipe) for c, s in zip(contents, styles, strict=True)]
    assert together.picture.shape == (3, 3, 24, 32)
    for picture, single in zip(together.picture.split(1), singles, strict=True):
        assert torch.allclose(picture, single.picture, atol=1e-6)
    expected = [math.fsum(values) for values in zip(*map(totals, singles), strict=True)]
    assert totals(together) == pytest.approx(expected, rel=1e-9)


def test_a_batch_of_contents_shares_one_style(painting: Tensor) -> None:
    contents = torch.rand(2, 3, 24, 32)
    recipe = SMALL.replace(**SGD, batch=2, precision="float64")
    together = paint(contents, painting, recipe).picture
    for content, picture in zip(contents.split(1), together.split(1), strict=True):
        assert torch.allclose(paint(content, painting, recipe).picture, picture, atol=1e-6)


def test_batches_are_refused_where_the_recipe_does_not_take_them(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match=r"2 content pictures at once, but recipe 'small' takes 1"):
        iterate([photo, photo], painting, SMALL.replace(**SGD))
    with pytest.raises(RecipeError, match="L-BFGS couples the pictures of a batch"):
        iterate([photo, photo], painting, SMALL.replace(batch=2))
    with pytest.raises(RecipeError, match="one size, not 40 x 32, 32 x 40"):
        iterate([photo, photo.transpose(2, 3)], painting, SMALL.replace(**SGD, batch=2))


# --- snapshots, callback, progress -------------------------------------------------------------------


def test_snapshots_are_kept_every_so_many_steps_over_all_scales(photo: Tensor, painting: Tensor) -> None:
    pictures: list[Tensor] = []
    result = paint(
        photo,
        painting,
        snapshot_every=2,
        scales=((0.5, 3), (1.0, 4)),
        **SGD,
        callback=lambda step: pictures.append(step.picture()),
    )
    assert [n for n, _ in result.snapshots] == [2, 4, 6]
    for (n, snapshot), size in zip(result.snapshots, [(16, 20), (32, 40), (32, 40)], strict=True):
        assert snapshot.shape == (1, 3, *size)
        assert torch.allclose(snapshot, pictures[n - 1], atol=0.5 / 255 + 1e-6)
    assert paint(photo, painting).snapshots == []


def test_a_callback_stops_the_run_by_returning_false(photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, callback=lambda step: step.iteration < 3)
    assert len(result.history) == 3
    assert result.stopped == "interrupted"


@pytest.mark.parametrize("value", [None, 0, True, "", []])
def test_only_false_itself_stops_the_run(value: object, photo: Tensor, painting: Tensor) -> None:
    assert paint(photo, painting, callback=lambda step: value).stopped is None


def test_a_stop_after_the_last_step_is_not_a_stop(photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, callback=lambda step: step.iteration < 6)
    assert result.stopped is None and len(result.history) == 6


def test_a_stopped_run_gives_its_best_picture_and_a_finished_one_its_last(photo: Tensor, painting: Tensor) -> None:
    """Adam with a wild rate: losses go up, so that best and last differ."""
    wild = SMALL.replace(optimizer="adam", learning_rate=0.3, scales=((1.0, 9),))
    pictures = [photo]
    result = paint(photo, painting, wild, callback=lambda step: pictures.append(step.picture()) or step.iteration < 5)  # type: ignore[func-returns-value]
    best = min(range(5), key=totals(result).__getitem__)
    assert result.stopped == "interrupted"
    # The loss of a step is that of the picture it began with.
    assert torch.allclose(result.picture, pictures[best], atol=1e-6)
    finished = iterate(photo, painting, wild, learning_rate=0.1, scales=((1.0, 4),))
    last = [step.picture() for step in finished][-1]
    losses = totals(finished.result())
    assert min(losses) < losses[-1] < 1.5 * min(losses), "the test needs a last step that made it a little worse"
    assert torch.equal(finished.result().picture, last)


def test_a_run_that_ends_far_above_its_best_gives_the_best_and_says_so(photo: Tensor, painting: Tensor) -> None:
    wild = SMALL.replace(optimizer="adam", learning_rate=0.3, scales=((1.0, 9),))
    pictures = [photo]
    with pytest.warns(DivergenceWarning, match="the picture of which was kept: lower the learning rate"):
        result = paint(photo, painting, wild, callback=lambda step: pictures.append(step.picture()))
    assert result.stopped is None and len(result.history) == 9
    best = min(range(9), key=totals(result).__getitem__)
    assert totals(result)[-1] > 1.5 * totals(result)[best]
    assert torch.allclose(result.picture, pictures[best], atol=1e-6)


def test_run_stop_ends_the_iteration(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL)
    for step in run:
        if step.iteration == 2:
            run.stop()
    assert len(run.history) == 2 and run.result().stopped == "interrupted"


def test_a_result_in_the_middle_of_a_run_says_so(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL)
    assert run.result().stopped == "interrupted" and run.result().history == []
    assert torch.allclose(run.result().picture, photo, atol=1e-6)
    next(run)
    assert len(run.result().history) == 1


def test_an_error_in_the_callback_comes_through(photo: Tensor, painting: Tensor) -> None:
    def fail(step: st.Step) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        paint(photo, painting, callback=fail)


def test_the_progress_bar_goes_to_stderr_only_and_can_be_switched_off(
    photo: Tensor, painting: Tensor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(photo, painting)
    assert capsys.readouterr() == ("", "")
    if "TQDM_DISABLE" not in os.environ:  # tqdm reads it when it is imported
        paint(photo, painting, progress=True)
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "6/6" in shown.err and "40x32, loss" in shown.err


def test_tqdm_can_be_silenced_from_outside() -> None:
    """The book is built with TQDM_DISABLE=1: progress bars do not belong in its pages."""
    code = (
        "import torch, styletut as st; x = torch.rand(1, 3, 32, 32)\n"
        "st.stylize(x, None, 'fast', content_weight=0, style_weight=0, tv_weight=1.0, scales=((1.0, 2),))"
    )
    environment = os.environ | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# --- the same again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs with line search"])
def test_the_same_inputs_recipe_and_seed_give_the_same_picture_bit_by_bit(
    optimizer: str, photo: Tensor, painting: Tensor
) -> None:
    recipe = SMALL.replace(**OPTIMIZERS[optimizer], start="noise", scales=((0.5, 3), (1.0, 4)))
    first = paint(photo, painting, recipe)
    torch.rand(7)  # the global generator is nobody's business
    again = paint(photo, painting, recipe)
    assert torch.equal(first.picture, again.picture)
    assert without_seconds(first.history) == without_seconds(again.history)
    assert not torch.equal(first.picture, paint(photo, painting, recipe, seed=1).picture)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


MODES: dict[str, Callable[[], Any]] = {
    "deterministic": deterministic,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference": torch.inference_mode,
    "no gradient": torch.no_grad,
    "float64 by default": doubles,
    "another device by default": lambda: torch.device("meta"),
}


@pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation")
@pytest.mark.parametrize("mode", MODES)
def test_the_modes_that_torch_is_in_change_nothing(mode: str, photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    recipe = SMALL.replace(scales=((0.5, 2), (1.0, 2)), start="mix", precision="float32")
    wanted = paint(photo, painting, recipe, device="cpu")
    with MODES[mode]():
        if mode == "inference":
            photo, painting = photo.clone(), painting.clone()
            assert photo.is_inference()
        run = iterate(photo, painting, recipe, device="cpu")
        for _ in range(3):
            next(run)
        found = paint(photo, painting, recipe, device="cpu")
        resumed = resume(run.save(tmp_path / "run"), weights=TINY, progress=False, device="cpu")
        assert estimate(photo, painting, recipe, device="cpu").evaluations == 4
    assert torch.equal(found.picture, wanted.picture) and torch.equal(resumed.picture, wanted.picture)
    assert not found.picture.is_inference()
    assert not torch.are_deterministic_algorithms_enabled() and torch.get_default_dtype() == torch.float32


def test_a_run_leaves_the_global_random_numbers_alone(photo: Tensor, painting: Tensor) -> None:
    state = torch.get_rng_state()
    paint(photo, painting, start=None, noise="normal", seed=3)
    paint(photo, painting, SMALL.replace(start="noise"))
    assert torch.equal(torch.get_rng_state(), state)


def test_without_noise_the_seed_changes_nothing(photo: Tensor, painting: Tensor) -> None:
    assert torch.equal(paint(photo, painting, seed=1).picture, paint(photo, painting, seed=2).picture)


# --- precision and devices ---------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float64"])
@pytest.mark.numerical
def test_every_precision_runs_and_says_so(precision: str, photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, precision=precision)
    assert result.precision == precision
    assert result.picture.dtype == torch.float32
    assert totals(result)[-1] < totals(result)[0]
    exact = paint(photo, painting, precision="float64")
    assert totals(result)[0] == pytest.approx(totals(exact)[0], rel=0.05 if precision == "bfloat16" else 1e-4)


def test_in_bfloat16_the_mean_is_subtracted_exactly(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL.replace(precision="bfloat16"))
    assert run.backend.vgg is not None and run.backend.vgg.layers[0] == "conv1_1"
    assert run.backend.vgg.convs["conv1_1"].weight.dtype == torch.bfloat16
    exact = vgg.VGG(["conv1_1"], weights=TINY)
    assert torch.equal(run.backend.vgg.preprocess(photo), exact.preprocess(photo))


@pytest.mark.numerical
def test_bfloat16_gradients_are_near_those_of_float32_on_the_real_network(oxford: vgg.Weights) -> None:
    content, style = samples.load("cat", size=48), samples.load("starry_night", size=48)
    recipe = st.recipes.get("fast").replace(weights=oxford, size=None)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        net = objective.network(recipe)
        assert net is not None
        goal = objective.build(content, style, recipe, network=net.to(dtype))
        noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(0))
        picture = (content + 0.05 * (noise - 0.5)).requires_grad_()
        goal(picture)["total"].backward()
        assert picture.grad is not None and picture.grad.dtype == torch.float32
        gradients.append(picture.grad.flatten())
    assert float(F.cosine_similarity(gradients[0], gradients[1], dim=0)) > 0.98


@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_only_where_the_processor_computes_in_it(
    native: bool, expected: str, monkeypatch: pytest.MonkeyPatch, photo: Tensor, painting: Tensor
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert pick_precision("auto", torch.device("cpu")) == expected
    assert paint(photo, painting, precision="auto", device="cpu").precision == expected
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert pick_precision("auto", torch.device("cpu")) == "float32"


@pytest.mark.parametrize(
    ("capability", "most", "expected"),
    [
        ("AVX512", "AVX2", "float32"),
        ("AVX512", "avx512_core_vnni", "float32"),
        ("AVX512", "AVX512_CORE_BF16", "bfloat16"),
        ("AVX512", "AVX512_CORE_AMX", "bfloat16"),
        ("AVX512", "ALL", "bfloat16"),
        ("AVX2", "AVX512_CORE_BF16", "float32"),
        ("DEFAULT", "DEFAULT", "float32"),
    ],
)
def test_auto_is_float32_where_bfloat16_is_there_but_not_allowed(
    capability: str, most: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert pick_precision("auto", torch.device("cpu")) == expected


def test_auto_on_other_devices_asks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, capability, expected in (
        (True, (8, 0), "bfloat16"),
        (False, (7, 5), "float16"),  # Colab's T4
        (False, (6, 1), "float32"),
    ):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, n=native: n)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert pick_precision("auto", torch.device("cuda")) == expected
    for quicker, expected in ((True, "float16"), (False, "float32")):
        monkeypatch.setattr(devices, "_half_is_quicker", lambda device, q=quicker: q)
        assert pick_precision("auto", torch.device("mps")) == expected


@pytest.mark.parametrize(("half", "quicker"), [(0.7, True), (0.8, False)])
def test_half_precision_is_taken_where_it_is_measured_to_be_quicker(
    half: float, quicker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock by which every convolution takes a second, or that share of it in float16."""
    clock = itertools.accumulate(itertools.chain.from_iterable([[0.0, 1.0]] * 5 + [[0.0, half]] * 5))
    monkeypatch.setattr(devices.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(devices.F, "conv2d", lambda x, weight, padding: x)
    devices._half_is_quicker.cache_clear()
    assert devices._half_is_quicker(torch.device("cpu")) is quicker
    devices._half_is_quicker.cache_clear()


@pytest.mark.numerical
@pytest.mark.parametrize("style_loss", ["relative", "gatys", "mean-covariance"])
def test_half_precision_gives_the_gradient_of_full_precision(
    style_loss: str, photo: Tensor, painting: Tensor, oxford: vgg.Weights
) -> None:
    """On the real network, whose activations would overflow float16 without their scale; in strips and in tiles too."""
    layers: dict[str, Any] = {"content_layers": {"relu3_1": 1.0}, "style_layers": {"relu1_1": 0.5, "relu3_1": 0.5}}
    gradients, losses = {}, {}
    for precision, tile in (("float32", None), ("float16", None), ("float16", 24)):
        run = iterate(
            photo, painting, "fast", weights=oxford, size=None, scales=((1.0, 1),), start="style",
            precision=precision, tile=tile, device="cpu", style_loss=style_loss, **layers,
        )  # fmt: skip
        losses[precision, tile] = next(run).losses["total"]
        assert run.state.variable.grad is not None
        gradients[precision, tile] = run.state.variable.grad.flatten()
    exact = gradients["float32", None]
    for key in (("float16", None), ("float16", 24)):
        assert losses[key] == pytest.approx(losses["float32", None], rel=0.01)
        assert float(torch.nn.functional.cosine_similarity(gradients[key], exact, dim=0)) > 0.999


@pytest.mark.numerical
@pytest.mark.parametrize("style_loss", STYLE_LOSSES)
def test_every_style_loss_is_itself_in_every_precision(style_loss: str, photo: Tensor, painting: Tensor) -> None:
    totals = {}
    for precision in ("float64", "float32", "bfloat16", "float16"):
        run = iterate(photo, painting, SMALL, style_loss=style_loss, precision=precision, start="style", device="cpu")
        losses = next(run).losses
        totals[precision] = sum(loss for name, loss in losses.items() if name.startswith("style/"))
    assert totals["float64"] > 0
    for precision, within in (("float32", 1e-3), ("float16", 0.05), ("bfloat16", 0.1)):
        assert totals[precision] == pytest.approx(totals["float64"], rel=within), precision


def test_a_gradient_too_small_for_float16_is_not_lost(photo: Tensor, painting: Tensor) -> None:
    """Nor one that is too large for it."""
    for weight in (1e-12, 1e9):
        recipe = SMALL.replace(content_weight=0.1 * weight, style_weight=weight, tv_weight=0, start="noise")
        runs = [iterate(photo, painting, recipe, precision=p, device="cpu") for p in ("float32", "float16")]
        gradients = []
        for run in runs:
            next(run)
            assert run.state.variable.grad is not None
            gradients.append(run.state.variable.grad.flatten().double())
        a, b = gradients
        assert float(a @ b / (a.norm() * b.norm())) > 0.99


def test_precisions_that_do_not_exist_are_refused() -> None:
    with pytest.raises(RecipeError, match="did you mean 'float32'"):
        pick_precision("float23", torch.device("cpu"))
    with pytest.raises(RecipeError, match="MPS has no float64"):
        pick_precision("float64", torch.device("mps"))
    assert pick_precision("float64", torch.device("cpu")) == "float64"


def test_auto_takes_the_best_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, best in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda c=cuda: c)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda m=mps: m)
        assert pick_device().type == best


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "there is no cuda on this machine: use 'auto' or 'cpu'"),
        ("cuda:3", "there is no cuda:3"),
        ("mps", "there is no mps"),
        ("cud", "did you mean 'cuda'"),
        ("meta", "unknown device 'meta'"),
        ("", "unknown device ''"),
        (None, "unknown device None"),
    ],
)
def test_devices_that_are_not_there_are_refused(
    device: str, message: str, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=message):
        iterate(photo, painting, SMALL, device=device)


def test_a_cuda_device_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="no cuda:2 on this machine"):
        pick_device("cuda:2")


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
needs_mps = pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no MPS device")


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=needs_cuda), pytest.param("mps", marks=needs_mps)])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_devices_agree_with_the_cpu(optimizer: str, device: str, photo: Tensor, painting: Tensor) -> None:
    exact = device != "mps"  # which has no float64; in float32 rounding may turn a ReLU or a pool the other way
    recipe = SMALL.replace(**OPTIMIZERS[optimizer], start="noise", scales=((0.5, 2), (1.0, 2)))
    recipe = recipe.replace(precision="float64" if exact else "float32")
    here, there = (paint(photo, painting, recipe, device=d) for d in ("cpu", device))
    assert there.device.startswith(device) and there.picture.device.type == "cpu"
    assert totals(there) == pytest.approx(totals(here), rel=1e-6 if exact else 1e-2)
    assert float((here.picture - there.picture).abs().mean()) < (1e-6 if exact else 1e-2)


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=needs_cuda), pytest.param("mps", marks=needs_mps)])
def test_a_run_saved_on_a_device_goes_on_there_to_the_same_picture(
    device: str, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    exact = device != "mps"
    recipe = SMALL.replace(precision="float64" if exact else "float32")
    whole = paint(photo, painting, recipe, device=device)
    run = iterate(photo, painting, recipe, device=device)
    for _ in range(3):
        next(run)
    on = resume(run.save(tmp_path / "half.run"), device=device, weights=TINY, progress=False)
    assert float((on.picture - whole.picture).abs().mean()) < (1e-6 if exact else 1e-2)


# --- the guard ---------------------------------------------------------------------------------------


def break_at(monkeypatch: pytest.MonkeyPatch, evaluation: int, spoil: Callable[[dict[str, Tensor]], None]) -> None:
    """Let the losses of one evaluation, and of all after it, be spoilt."""
    call, count = TapeObjective.__call__, iter(range(1, 10**6))

    def broken(self: TapeObjective, picture: Tensor) -> dict[str, Tensor]:
        losses = call(self, picture)
        if next(count) >= evaluation:
            spoil(losses)
        return losses

    monkeypatch.setattr(TapeObjective, "__call__", broken)


def nan_style(losses: dict[str, Tensor]) -> None:
    for name in ("style/relu2_1", "total"):
        losses[name] = losses[name] * math.nan


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs", "lbfgs with line search"])
def test_nan_stops_the_run_names_step_and_term_and_restores_the_best_picture(
    optimizer: str, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = OPTIMIZERS[optimizer] | {"evaluations": 2 if "line search" in optimizer else 1}
    pictures = [photo]
    clean = paint(photo, painting, **changes, callback=lambda step: pictures.append(step.picture()))
    evaluations = [0] + [row["evaluations"] for row in clean.history]
    break_at(monkeypatch, evaluations[3] + 1, nan_style)
    with pytest.warns(DivergenceWarning, match=r"style/relu2_1 is nan at step 4; the best picture before it was kept"):
        result = paint(photo, painting, **changes)
    assert result.stopped == "diverged: style/relu2_1 is nan at step 4"
    assert [row["losses"] for row in result.history] == [row["losses"] for row in clean.history[:3]]
    assert bool(torch.isfinite(result.picture).all())
    if "line search" not in optimizer:  # there an evaluation lies between the steps
        best = min(range(3), key=totals(clean).__getitem__)
        assert torch.allclose(result.picture, pictures[best], atol=1e-6)
    assert result.manifest()["stopped"] == result.stopped
    assert "diverged" in repr(result)


def test_infinity_and_a_gradient_that_is_not_finite_stop_the_run_too(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def infinite(losses: dict[str, Tensor]) -> None:
        losses["tv"] = losses["total"] = losses["tv"] * math.inf

    with monkeypatch.context() as patch, pytest.warns(DivergenceWarning, match="tv is inf at step 2"):
        break_at(patch, 2, infinite)
        paint(photo, painting)

    def steep(losses: dict[str, Tensor]) -> None:
        x = losses["total"]
        losses["total"] = x + torch.where(x > 0, 0.0, torch.sqrt(x - x.detach())) + 0 * torch.sqrt(x - x.detach())

    with (
        monkeypatch.context() as patch,
        pytest.warns(DivergenceWarning, match="the gradient of total is not finite at step 3"),
    ):
        break_at(patch, 3, steep)
        result = paint(photo, painting)
    assert len(result.history) == 2


def test_nan_in_a_later_scale_says_which(photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    break_at(monkeypatch, 5, nan_style)
    with pytest.warns(DivergenceWarning, match="at step 2 of scale 2"):
        result = paint(photo, painting, scales=((0.5, 3), (1.0, 4)))
    assert result.picture.shape == photo.shape


def test_nan_at_the_first_evaluation_is_an_error(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at(monkeypatch, 1, nan_style)
    with pytest.raises(DivergenceError, match=r"style/relu2_1 is nan at step 1, and no picture came before it"):
        paint(photo, painting)


def test_nan_at_the_first_evaluation_of_a_later_scale_keeps_the_picture_of_the_scale_before(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a good picture: the coarse one."""
    coarse = paint(photo, painting, scales=((0.5, 3),)).picture
    break_at(monkeypatch, 4, nan_style)
    with pytest.warns(DivergenceWarning, match="at step 1 of scale 2"):
        result = paint(photo, painting, scales=((0.5, 3), (1.0, 4)))
    assert len(result.history) == 3
    small = images.resize(result.picture, tuple(coarse.shape[-2:]))
    assert float((small - coarse).abs().mean()) < 0.05


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_a_learning_rate_far_too_high_stops_with_a_finite_picture(
    optimizer: str, photo: Tensor, painting: Tensor
) -> None:
    with pytest.warns(DivergenceWarning, match="diverged"):
        result = paint(photo, painting, optimizer=optimizer, learning_rate=1e8, scales=((1.0, 50),))
    assert result.stopped is not None and len(result.history) < 50
    assert bool(torch.isfinite(result.picture).all())
    assert torch.allclose(result.picture, photo, atol=1e-6), "nothing better than the start was seen"


def test_a_loss_a_thousand_times_the_first_is_divergence_and_the_worst_term_is_named(
    photo: Tensor, painting: Tensor
) -> None:
    with pytest.warns(DivergenceWarning, match=r"tv is .*, over 1000 times the whole loss at the start at step \d"):
        paint(photo, None, SMOOTH, optimizer="sgd", learning_rate=20.0, precision="float32", scales=((1.0, 50),))


@pytest.mark.parametrize("scales", [((1.0, 1),), ((0.5, 2), (1.0, 3)), ((1.0, 3),)])
def test_a_last_step_that_blows_the_picture_up_is_noticed_and_named(
    scales: tuple[tuple[float, int], ...], photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No evaluation follows the last step of a scale, so no loss can tell."""
    step = Stepper.step

    def blown(self: Stepper) -> None:
        step(self)
        if len(self.state.history) + 1 == scales[0][1]:
            with torch.no_grad():
                self.state.variable.fill_(math.inf)

    monkeypatch.setattr(Stepper, "step", blown)
    where = f"at step {scales[0][1]}" + (" of scale 1" if len(scales) > 1 else "")
    with pytest.warns(DivergenceWarning, match=f"the picture itself is not finite {where};"):
        result = paint(photo, painting, scales=scales)
    assert bool(torch.isfinite(result.picture).all())


def test_a_run_that_goes_well_warns_of_nothing(photo: Tensor, painting: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paint(photo, painting)


# --- memory and tiles --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.numerical
def test_a_run_in_tiles_comes_to_the_same_picture(name: str, photo: Tensor, painting: Tensor) -> None:
    recipe = SMALL.replace(**OPTIMIZERS[name], precision="float64", scales=((0.5, 3), (1.0, 3)))
    whole, tiled = paint(photo, painting, recipe), paint(photo, painting, recipe, tile=16)
    assert torch.allclose(tiled.picture, whole.picture, atol=1e-6)
    assert totals(tiled) == pytest.approx(totals(whole), rel=1e-6)


def test_a_run_says_how_it_is_computed(photo: Tensor, painting: Tensor) -> None:
    assert st.iterate(photo, painting, SMALL).plan.tile is None
    assert st.iterate(photo, painting, SMALL, tile=16).plan.tile == 16
    assert st.estimate(photo, painting, SMALL, tile=16).tile == 16
    line = str(st.estimate(photo, painting, SMALL, tile=16))
    assert line.endswith("GB, in tiles of 16")


def test_a_budget_makes_lbfgs_forget_before_the_run_is_refused(painting: Tensor) -> None:
    content = torch.rand(1, 3, 64, 64)
    whole = st.iterate(content, painting, SMALL).plan
    assert whole.pairs == SMALL.memory
    less = st.iterate(content, painting, SMALL, max_memory=whole.bytes - 1)
    assert less.plan.pairs < SMALL.memory and less.plan.bytes < whole.bytes
    next(less)
    assert less.stepper is not None
    assert less.stepper.optimizer.param_groups[0]["history_size"] == less.plan.pairs
    with pytest.raises(RecipeError, match=r"takes .* MB at least, and it may take"):
        st.iterate(content, painting, SMALL, max_memory="1 MB")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no"), RuntimeError("can't allocate memory"), MemoryError()])
@pytest.mark.parametrize("where", ["targets", "statistics"])
def test_out_of_memory_a_run_goes_on_in_tiles_and_loses_nothing(
    error: Exception, where: str, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that has room for half the photograph and its halo only."""
    recipe = SMALL.replace(**ADAM, precision="float64", scales=((1.0, 5),))
    whole = paint(photo, painting, recipe)
    prepare, calls = vgg.VGG.prepare, iter(range(10**6))

    def cramped(net: vgg.VGG, x: Tensor) -> Tensor:
        begun = where == "targets" or next(calls) > 3
        if begun and x.shape[-2:] == photo.shape[-2:]:
            raise error
        return prepare(net, x)

    monkeypatch.setattr(vgg.VGG, "prepare", cramped)
    monkeypatch.setattr(memory, "TILES", (20,))
    with pytest.warns(transfer.TilingWarning, match="out of memory at 40 x 32 pixels: going on in tiles of 20"):
        found = paint(photo, painting, recipe)
    assert torch.allclose(found.picture, whole.picture, atol=1e-6)
    assert found.evaluations == whole.evaluations == len(found.history)


def test_falling_back_to_tiles_never_asks_for_more_than_before(tiny: vgg.Weights) -> None:
    """A budget has made L-BFGS remember less already."""
    picture = torch.rand(1, 3, 1200, 1200)
    recipe = st.recipes.get("fast").replace(weights=tiny, size=None, memory=50)
    least = iterate(picture, picture, recipe, tile=memory.TILES[-1]).plan.bytes
    run = iterate(picture, picture, recipe, max_memory=least - 1)
    size = (1200, 1200)
    before = run.backend.plan(size)
    assert before.pairs < 50
    with pytest.warns(transfer.TilingWarning):
        run.backend._shrink(size)
    after = run.backend.plan(size)
    assert after.pairs == before.pairs and after.bytes < before.bytes
    assert after.tile is not None and after.tile < (before.tile or 1200)


def test_out_of_memory_in_the_smallest_tiles_is_an_error(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(net: vgg.VGG, x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(vgg.VGG, "prepare", full)
    monkeypatch.setattr(memory, "TILES", (20, 16))
    with pytest.warns(transfer.TilingWarning), pytest.raises(MemoryError, match="even in the smallest tiles"):
        paint(photo, painting)


def test_another_error_is_not_taken_for_want_of_memory(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = st.iterate(photo, painting, SMALL)
    next(run)

    def broken(picture: Tensor) -> dict[str, Tensor]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(run.stepper, "objective", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        next(run)


def test_a_resumed_run_keeps_its_tiles_and_takes_others(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    run = st.iterate(photo, painting, SMALL, tile=16, max_memory="2GB")
    next(run)
    path = run.save(tmp_path / "run.pt")
    again = transfer.Run.load(path, weights=TINY)
    assert again.plan == run.plan and again.execution.max_memory == 2 * 10**9
    assert transfer.Run.load(path, weights=TINY, tile=24).plan.tile == 24


# --- interrupts --------------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handling of Ctrl-C, whatever the test runner has made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "the handler was not put back"
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_step_and_gives_the_best_picture(photo: Tensor, painting: Tensor) -> None:
    pictures = [photo]

    def interrupt(step: st.Step) -> None:
        pictures.append(step.picture())
        if step.iteration == 3:
            os.kill(os.getpid(), signal.SIGINT)

    result = paint(photo, painting, **SGD, callback=interrupt)
    assert result.stopped == "interrupted"
    assert len(result.history) == 3 and result.evaluations == 3
    best = min(range(3), key=totals(result).__getitem__)
    assert torch.allclose(result.picture, pictures[best], atol=1e-6)


@pytest.mark.usefixtures("ctrl_c")
def test_one_ctrl_c_during_a_step_lets_it_end_and_the_run_be_saved(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = paint(photo, painting, **SEARCH)
    pressed: list[int] = []

    def once(losses: dict[str, Tensor]) -> None:
        if not pressed:
            pressed.append(1)
            signal.raise_signal(signal.SIGINT)

    break_at(monkeypatch, 8, once)
    result = paint(photo, painting, **SEARCH, checkpoint=tmp_path / "run")
    assert result.stopped == "interrupted" and len(result.history) == 2
    assert result.evaluations == whole.history[1]["evaluations"], "the step was not whole"
    on = resume(tmp_path / "run", weights=TINY, progress=False)
    assert torch.equal(on.picture, whole.picture)


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_breaks_the_step_off_and_still_gives_the_best_picture(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "run"

    def twice(losses: dict[str, Tensor]) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    break_at(monkeypatch, 8, twice)
    result = paint(photo, painting, **SEARCH, checkpoint=path, checkpoint_every=1)
    monkeypatch.undo()
    assert result.stopped == "interrupted"
    assert result.evaluations == 7 and len(result.history) == 1, "the second step never ended"
    assert bool(torch.isfinite(result.picture).all())
    assert loss_of(result.picture, photo, painting) < loss_of(photo, photo, painting)
    state = torch.load(path, weights_only=True)
    assert state["iteration"] == 1, "the checkpoint of the last whole step stays"


@pytest.mark.usefixtures("ctrl_c")
def test_a_keyboard_interrupt_from_the_callback_is_an_interrupt(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    """A notebook's stop button may raise it anywhere."""

    def interrupt(step: st.Step) -> None:
        if step.iteration == 2:
            raise KeyboardInterrupt

    whole = paint(photo, painting)
    result = paint(photo, painting, callback=interrupt, checkpoint=tmp_path / "run")
    assert result.stopped == "interrupted" and len(result.history) == 2
    on = resume(tmp_path / "run", weights=TINY, progress=False)
    assert torch.equal(on.picture, whole.picture)


def test_stylize_works_outside_the_main_thread(photo: Tensor, painting: Tensor) -> None:
    found: list[Result] = []
    thread = threading.Thread(target=lambda: found.append(paint(photo, painting)))
    thread.start()
    thread.join()
    assert torch.equal(found[0].picture, paint(photo, painting).picture)


# --- saving and resuming -----------------------------------------------------------------------------

LONG = SMALL.replace(scales=((0.5, 3), (1.0, 4)), snapshot_every=2)


@pytest.mark.parametrize("at", [1, 3, 5])  # within a scale, at the border, within the next
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_ends_in_the_same_picture_as_one_that_was_never_stopped(
    name: str, at: int, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    recipe = LONG.replace(**OPTIMIZERS[name])
    whole = paint(photo, painting, recipe)
    path = tmp_path / "saved.run"
    steps: list[st.Step] = []
    half = paint(photo, painting, recipe, checkpoint=path, callback=lambda step: steps.append(step) or len(steps) < at)  # type: ignore[func-returns-value]
    assert half.stopped == "interrupted" and len(half.history) == at
    on = resume(path, weights=TINY, progress=False)
    assert torch.equal(on.picture, whole.picture)
    assert on.evaluations == whole.evaluations
    assert without_seconds(on.history) == without_seconds(whole.history)
    assert (
        [n for n, _ in on.snapshots]
        == [n for n, _ in whole.snapshots]
        == [row["evaluations"] for row in whole.history[1::2]]
    )
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(on.snapshots, whole.snapshots, strict=True))
    assert on.stopped is None and on.seconds > half.seconds


def test_a_run_that_died_goes_on_from_its_last_checkpoint(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    whole = paint(photo, painting, LONG)
    path = tmp_path / "saved.run"
    steps: list[st.Step] = []

    def power_cut(step: st.Step) -> None:
        steps.append(step)
        if len(steps) == 6:
            raise SystemExit

    with pytest.raises(SystemExit):
        paint(photo, painting, LONG, checkpoint=path, checkpoint_every=4, callback=power_cut)
    assert len(torch.load(path, weights_only=True)["history"]) == 4
    more: list[st.Step] = []
    on = resume(path, weights=TINY, progress=False, callback=more.append)
    assert len(more) == 3
    assert torch.equal(on.picture, whole.picture)
    assert without_seconds(on.history) == without_seconds(whole.history)


def test_a_batch_with_pairs_a_start_and_a_size_resumes_too(tmp_path: Path) -> None:
    recipe = LONG.replace(**ADAM, batch=2, size=(24, 30), seed=4)
    contents, styles = [torch.rand(1, 3, 40, 50), torch.rand(1, 3, 44, 44)], [torch.rand(1, 3, 32, 32)] * 2
    start = torch.rand(2, 3, 24, 30)
    whole = paint(contents, styles, recipe, start=start)
    run = iterate(contents, styles, recipe, start=start)
    for _ in range(4):
        next(run)
    on = resume(run.save(tmp_path / "batch.run"), weights=TINY, progress=False)
    assert torch.equal(on.picture, whole.picture)
    assert on.manifest()["inputs"] == whole.manifest()["inputs"]
    assert on.recipe.replace(weights=TINY) == whole.recipe


def test_a_blend_resumes_with_its_weights(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    styles = [painting, torch.rand(1, 3, 32, 32)]
    whole = paint(photo, styles, style_weights=[3, 1])
    run = iterate(photo, styles, SMALL, style_weights=[3, 1])
    next(run)
    assert torch.equal(resume(run.save(tmp_path / "r"), weights=TINY, progress=False).picture, whole.picture)


def test_a_run_saved_before_its_first_step_or_after_its_last_can_be_resumed(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    whole = paint(photo, painting, LONG)
    early = iterate(photo, painting, LONG).save(tmp_path / "early.run")
    assert torch.equal(resume(early, weights=TINY, progress=False).picture, whole.picture)
    paint(photo, painting, LONG, checkpoint=tmp_path / "late.run", checkpoint_every=7)
    late = resume(tmp_path / "late.run", weights=TINY, progress=False)
    assert torch.equal(late.picture, whole.picture)
    assert len(late.history) == 7 and late.stopped is None


def test_a_resumed_run_remembers_its_best_picture_and_goes_on_saving_itself(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    wild = SMALL.replace(optimizer="adam", learning_rate=0.3, scales=((1.0, 9),))
    path = tmp_path / "run"
    first = paint(photo, painting, wild, checkpoint=path, checkpoint_every=1, callback=lambda s: s.iteration < 4)
    second = resume(path, weights=TINY, progress=False, callback=lambda s: s.iteration < 5)
    assert len(second.history) == 5
    assert min(totals(first)) < totals(second)[-1], "the test needs a step that made it worse"
    assert torch.equal(first.picture, second.picture)
    third = Run.load(path, weights=TINY)
    assert len(third.history) == 5
    assert third.execution.checkpoint == path and third.execution.checkpoint_every == 1


def test_runs_with_named_weights_need_no_weights_to_resume(photo: Tensor, tmp_path: Path) -> None:
    shallow: dict[str, Any] = {"content_layers": {"relu2_1": 1.0}, "style_layers": ["relu1_1"], "scales": ((1.0, 4),)}
    recipe = st.recipes.get("fast").replace(**shallow, precision="float32", size=None)
    whole = paint(photo, photo.flip(2), recipe)
    run = iterate(photo, photo.flip(2), recipe)
    next(run)
    on = resume(run.save(tmp_path / "r"), progress=False)
    assert torch.equal(on.picture, whole.picture)
    assert on.recipe == whole.recipe


def test_weights_that_were_an_object_must_be_given_again(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    path = iterate(photo, painting, SMALL).save(tmp_path / "r")
    with pytest.raises(st.StyletutError, match="weights="):
        resume(path, progress=False)


@pytest.mark.parametrize("content", [b"", b"no run at all", bytes(range(256)) * 50])
def test_what_is_not_a_saved_run_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "saved.run"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is not a saved run"):
        resume(path)


def test_a_cut_off_run_is_refused(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    path = iterate(photo, painting, SMALL).save(tmp_path / "saved.run")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match="is not a saved run"):
        resume(path)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"features.0.weight": torch.zeros(3)}, "is not a saved run"),
        ([1, 2], "is not a saved run"),
        (torch.zeros(3), "is not a saved run"),
        ({"format": 99}, "saved in format 99, this styletut reads 2"),
        ({"format": 1}, "saved in format 1, this styletut reads 2"),
    ],
    ids=["state dict", "list", "tensor", "from the future", "from the past"],
)
def test_other_files_of_torch_are_refused(state: object, message: str, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=message) as caught:
        resume(tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


def test_a_saved_run_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    from functools import partial

    torch.save({"format": partial(Path.touch, tmp_path / "sprung")}, tmp_path / "trap.run")
    with pytest.raises(CheckpointError, match="is not a saved run"):
        resume(tmp_path / "trap.run")
    assert not (tmp_path / "sprung").exists()


def test_a_missing_run_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.run", tmp_path):
        with pytest.raises(CheckpointError, match="no saved run at"):
            resume(path)


def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_run(
    photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="its folder does not exist"):
        iterate(photo, painting, SMALL, checkpoint=tmp_path / "nowhere" / "x.run")
    with pytest.raises(CheckpointError, match="cannot save the run to"):
        iterate(photo, painting, SMALL).save(tmp_path / "nowhere" / "x.run")
    with pytest.raises(CheckpointError, match="directory"):
        iterate(photo, painting, SMALL).save(tmp_path)


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "often"])
def test_a_checkpoint_every_that_means_nothing_is_refused(every: Any, photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match="checkpoint_every must be 1 step or more"):
        iterate(photo, painting, SMALL, checkpoint_every=every)


def test_a_checkpoint_is_replaced_only_by_a_whole_one(
    photo: Tensor, painting: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "saved.run"
    run = iterate(photo, painting, SMALL)
    next(run)
    run.save(path)
    before = path.read_bytes()
    next(run)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(CheckpointError, match="No space left on device"):
            patch.setattr(os, function, full)
            run.save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path], "half a file was left behind"


def test_a_run_broken_off_within_a_step_refuses_to_be_saved(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = iterate(photo, painting, SMALL)
    next(run)

    def cut(losses: dict[str, Tensor]) -> None:
        raise KeyboardInterrupt

    break_at(monkeypatch, 1, cut)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    with pytest.raises(CheckpointError, match="broken off in the middle"):
        run.save(tmp_path / "x.run")


# --- results -----------------------------------------------------------------------------------------


def test_a_saved_png_says_how_to_make_the_picture_again(tmp_path: Path) -> None:
    """With named weights the recipe in the file is the recipe, and running it gives the same picture."""
    content, style = samples.load("cat", size=40), samples.load("waves", size=40)
    shallow = {
        "content_layers": {"relu2_1": 1.0},
        "style_layers": {"block1_conv1": 1.0},
        "scales": ((0.5, 2), (1.0, 3)),
    }
    result = paint(content, style, st.recipes.get("fast"), **shallow, noise_range=(-3, 5), seed=9, precision="float32")
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


# --- estimates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sgd", "adam", "lbfgs"])
def test_an_estimate_knows_the_evaluations_exactly(name: str, photo: Tensor, painting: Tensor) -> None:
    recipe = LONG.replace(**OPTIMIZERS[name])
    assert estimate(photo, painting, recipe).evaluations == paint(photo, painting, recipe).evaluations == 7
    rounds = LONG.replace(**LBFGS, evaluations=4)
    assert estimate(photo, painting, rounds).evaluations == paint(photo, painting, rounds).evaluations == 28


def test_an_estimate_grows_with_size_steps_and_precision(painting: Tensor) -> None:
    content = torch.rand(1, 3, 64, 64)

    def cost(**changes: Any) -> transfer.Estimate:
        return estimate(content, painting, SMALL, device="cpu", **changes)

    small, large = cost(size=32), cost(size=64)
    assert 0 < small.memory_bytes < large.memory_bytes
    assert small.seconds > 0 and large.seconds > 0
    assert cost(steps=12).evaluations == 2 * large.evaluations
    assert cost(precision="float64").memory_bytes > large.memory_bytes > cost(precision="bfloat16").memory_bytes
    assert cost(content_layers=dict(SMALL.content_layers) | {"relu4_1": 1.0}).memory_bytes > large.memory_bytes
    batch = estimate(torch.rand(4, 3, 64, 64), painting, SMALL.replace(**SGD, batch=4)).memory_bytes
    assert batch > estimate(content, painting, SMALL.replace(**SGD)).memory_bytes


def test_the_seconds_of_an_estimate_grow_with_the_pixels(painting: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that ticks once a look, so that every evaluation of the probe takes one second."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: float(next(ticks)))
    found = estimate(torch.rand(1, 3, 320, 320), painting, SMALL, scales=((0.5, 10), (1.0, 5)), device="cpu")
    # 160 x 160 pixels take 1 s; half the size is just that, the full size four times as much.
    assert found.seconds == pytest.approx(10 * 1 + 5 * 4)


@pytest.mark.parametrize("device", ["cuda:0", "mps", "cpu"])
def test_a_clock_waits_for_the_device(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda where: waited.append(str(where)))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    devices.synchronize(torch.device(device))
    assert waited == ([device] if device != "cpu" else [])


def test_the_seconds_of_an_estimate_know_what_tiles_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pixel is seen once in every tile whose halo it lies in, and a tile passes forward twice."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: float(next(ticks)))
    picture = torch.rand(1, 3, 320, 320)
    found = estimate(picture, picture, SMALL, scales=((1.0, 5),), tile=80, device="cpu")
    network = objective.network(SMALL)
    seen = sum(tile.padded.pixels for tile in tiles.Tiling.of(network, (320, 320), 80))
    assert seen > 1.3 * 320**2
    # 160 x 160 pixels take 1 s whole: forward is a third, back two thirds.
    assert found.seconds == pytest.approx(5 * 1.5 * seen / 160**2)


def test_an_estimate_reads_as_one_line(photo: Tensor, painting: Tensor) -> None:
    line = str(estimate(photo, painting, SMALL, device="cpu"))
    assert "\n" not in line
    for word in ("40 x 32 pixels", "6 evaluations", "float32 on cpu", " s and ", " GB"):
        assert word in line
    assert "about 5 min" in str(transfer.Estimate(1, 300.0, 10**9, (1, 1), "cpu", "float32"))


def test_an_estimate_needs_no_network_for_total_variation(photo: Tensor) -> None:
    found = estimate(photo, None, SMOOTH)
    assert found.memory_bytes > 0 and found.precision == "float64"


def test_an_estimate_raises_what_the_run_would(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match="did you mean 'size'"):
        estimate(photo, painting, SMALL, sise=3)
    with pytest.raises(RecipeError, match="content pictures at once"):
        estimate([photo, photo], painting, SMALL)


# --- the recipes on the real weights -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["fast", "gatys", "keras-sgd", "three-losses", "lbfgs", "five-layer", "avgpool"])
@pytest.mark.numerical
def test_every_recipe_lowers_its_loss_on_the_real_network(name: str) -> None:
    """`lbfgs` runs on VGG-19, because VGG-16's weights would need a download.

    The learning rates of the two SGD systems belong to their sizes: the fewer the pixels, the steeper the loss in each,
    and at 48 x 64 the published rates diverge. Here they are scaled down.
    """
    changes: dict[str, Any] = {"size": (48, 64), "steps": 4, "precision": "float32", "device": "cpu"}
    if name in ("keras-sgd", "three-losses"):
        changes["learning_rate"] = {"keras-sgd": 100 * 48 * 64 / (400 * 601), "three-losses": 1e-4}[name]
    if name == "fast":
        changes["scales"] = ((0.5, 2), (1.0, 2))
    if name == "lbfgs":
        changes |= {"network": "vgg19", "weights": "oxford"}
    if name in ("gatys", "lbfgs"):
        changes |= {"evaluations": 4, "steps": 2}
    content, style = samples.load("cat", size=72), samples.load("starry_night", size=96)
    result = paint(content, style, st.recipes.get(name), **changes)
    assert result.stopped is None
    assert result.picture.shape == (1, 3, 48, 64)
    finest = result.history[-1]["scale"]  # a loss of one scale says nothing about that of another
    within = [row["losses"]["total"] for row in result.history if row["scale"] == finest]
    assert within[-1] < within[0]
    assert bool(torch.isfinite(result.picture).all())


def test_a_coarse_scale_is_never_too_small_for_the_deepest_layer(tiny: vgg.Weights) -> None:
    small = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    run = st.iterate(small, small.flip(3), "fast", weights=tiny, scales=((0.25, 1), (0.5, 1), (1.0, 1)))
    assert [step.size for step in run] == [(16, 20), (16, 20), (32, 40)], "relu5_1 needs 16 pixels"


def overshoot(monkeypatch: pytest.MonkeyPatch, evaluation: int) -> None:
    """Let one evaluation, and no other, come out a hundred times too high."""
    call, count = TapeObjective.__call__, iter(range(1, 10**6))

    def high(self: TapeObjective, picture: Tensor) -> dict[str, Tensor]:
        losses = call(self, picture)
        return {name: 100 * loss for name, loss in losses.items()} if next(count) == evaluation else losses

    monkeypatch.setattr(TapeObjective, "__call__", high)


@pytest.mark.numerical
def test_lbfgs_takes_back_a_step_that_overshot_and_goes_on(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"optimizer": "lbfgs", "learning_rate": 0.5, "scales": ((1.0, 8),)}
    clean = totals(paint(photo, painting, **changes))
    overshoot(monkeypatch, 5)
    result = paint(photo, painting, **changes)
    after = totals(result)
    assert result.stopped is None and len(after) == 8, "one overshoot is no divergence"
    assert after[:4] == clean[:4] and after[4] == pytest.approx(100 * clean[4])
    assert after[5] == pytest.approx(min(clean[:4]), rel=1e-5), "back at the best picture so far"
    assert after[-1] < after[5], "and down from there"


def test_a_wobble_below_the_first_loss_is_not_an_overshoot() -> None:
    """Where a loss can fall to almost nothing, ten times the best is still almost nothing."""
    record = guard.Record(first=1.0, best=1e-6)
    assert guard.judge({"total": 1e-4}, record, returns=True, single=True).action is guard.Action.GO_ON
    assert guard.judge({"total": 2.0}, record, returns=True, single=True).action is guard.Action.RETURN


def test_a_first_step_does_not_wait_for_torchs_compiler() -> None:
    script = """
import sys, torch
import styletut as st
picture, tiny = torch.rand(1, 3, 32, 32), st.vgg.random_weights(width=0.1)
next(st.iterate(picture, picture, weights=tiny, device="cpu"))
assert "torch._dynamo" not in sys.modules
assert not hasattr(torch.optim.Optimizer.add_param_group.__wrapped__, "__dynamo_disable")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("style_loss", STYLE_LOSSES)
def test_the_default_recipe_paints_small_pictures_by_every_style_loss(
    style_loss: str, photo: Tensor, painting: Tensor, oxford: vgg.Weights
) -> None:
    """At its coarsest scale the deepest layer has a single position."""
    result = st.stylize(
        photo, painting, "fast", weights=oxford, style_loss=style_loss, steps=6, progress=False, device="cpu"
    )
    assert result.stopped is None and min(min(row["size"]) for row in result.history) < 20
