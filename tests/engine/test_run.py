"""A run: its steps, snapshots and result, and that it can be repeated."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from engine_helpers import OPTIMIZERS, SGD, SMALL, paint, totals, without_seconds
from torch import Tensor

import styletut as st
from styletut import samples, vgg
from styletut.errors import ImageError
from styletut.losses import STYLE_LOSSES
from styletut.transfer import DivergenceWarning, iterate


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


def test_a_run_leaves_the_global_random_numbers_alone(photo: Tensor, painting: Tensor) -> None:
    state = torch.get_rng_state()
    paint(photo, painting, start=None, noise="normal", seed=3)
    paint(photo, painting, SMALL.replace(start="noise"))
    assert torch.equal(torch.get_rng_state(), state)


def test_without_noise_the_seed_changes_nothing(photo: Tensor, painting: Tensor) -> None:
    assert torch.equal(paint(photo, painting, seed=1).picture, paint(photo, painting, seed=2).picture)


@pytest.mark.parametrize(
    "name", ["fast", "gram", "gatys", "keras-sgd", "three-losses", "lbfgs", "five-layer", "avgpool"]
)
@pytest.mark.numerical
def test_every_recipe_lowers_its_loss_on_the_real_network(name: str) -> None:
    """`lbfgs` runs on VGG-19, because VGG-16's weights would need a download.

    The learning rates of the two SGD systems belong to their sizes: the fewer the pixels, the steeper the loss in each,
    and at 48 x 64 the published rates diverge. Here they are scaled down.
    """
    changes: dict[str, Any] = {"size": (48, 64), "steps": 4, "precision": "float32", "device": "cpu"}
    if name in ("keras-sgd", "three-losses"):
        changes["learning_rate"] = {"keras-sgd": 100 * 48 * 64 / (400 * 601), "three-losses": 1e-4}[name]
    if name in ("fast", "gram"):
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


@pytest.mark.parametrize("style_loss", STYLE_LOSSES)
def test_the_default_recipe_paints_small_pictures_by_every_style_loss(
    style_loss: str, photo: Tensor, painting: Tensor, oxford: vgg.Weights
) -> None:
    """At its coarsest scale the deepest layer has a single position."""
    result = st.stylize(
        photo, painting, "fast", weights=oxford, style_loss=style_loss, steps=6, progress=False, device="cpu"
    )
    assert result.stopped is None and min(min(row["size"]) for row in result.history) < 20
