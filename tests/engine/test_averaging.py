"""The exponential average of iterates: what it is, and that everything that shows a picture shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from styletut import recipes, vgg
from styletut.engine import optimizers
from styletut.errors import RecipeError
from styletut.transfer import Run, iterate, resume

DECAY = 0.7
TINY = vgg.random_weights(width=0.1)
AVERAGED = recipes.Recipe(
    name="averaged",
    weights=TINY,
    content_layers={"relu2_1": 1.0},
    style_layers={"relu1_1": 1.0},
    optimizer="adam",
    learning_rate=0.02,
    averaging=DECAY,
    precision="float64",
    scales=((1.0, 5),),
)


def begin(photo: Tensor, painting: Tensor, **changes: object) -> Run:
    return iterate(photo, painting, AVERAGED.replace(**changes), device="cpu")


def iterates(photo: Tensor, painting: Tensor) -> list[Tensor]:
    """What the optimiser itself goes through: an average does not change its way."""
    return [step.picture() for step in begin(photo, painting, averaging=0.0)]


def test_the_picture_is_the_weighted_mean_of_the_iterates(photo: Tensor, painting: Tensor) -> None:
    run = begin(photo, painting)
    passed = iterates(photo, painting)
    for n, step in enumerate(run, 1):
        weights = torch.tensor([DECAY ** (n - i) for i in range(1, n + 1)])
        mean = sum(w * x for w, x in zip(weights / weights.sum(), passed[:n], strict=True))
        # The iterates were clamped to [0, 1] to be shown.
        torch.testing.assert_close(step.picture(), mean, atol=2e-3, rtol=0)
        assert n == 1 or (step.picture() - passed[n - 1]).abs().max() > 1e-3
    assert torch.equal(run.result().picture, run.picture())


def test_the_next_scale_begins_at_the_average(photo: Tensor, painting: Tensor) -> None:
    run = begin(photo, painting, scales=((1.0, 4), (1.0, 1)), learning_rate=0.05)
    for _ in range(4):
        step = next(run)
    average = step.picture()
    last = run.state.variable.detach().clamp(0, 1).float()
    losses = next(run).losses["total"]
    assert run.stepper is not None
    with torch.no_grad():
        of_average, of_last = (float(run.stepper.objective(x.double())["total"]) for x in (average, last))
    assert losses == pytest.approx(of_average, rel=1e-2)
    assert abs(losses - of_average) < abs(losses - of_last) / 5


def test_a_run_that_is_stopped_gives_the_average_and_not_an_iterate(photo: Tensor, painting: Tensor) -> None:
    run = begin(photo, painting)
    for step in run:
        if step.iteration == 3:
            shown = step.picture()
            run.stop()
    assert run.result().stopped == "interrupted"
    assert torch.equal(run.result().picture, shown)


@pytest.mark.parametrize("steps", [2, 4, 6])
def test_a_resumed_run_comes_to_the_same_average(photo: Tensor, painting: Tensor, tmp_path: Path, steps: int) -> None:
    scales = ((0.5, 4), (1.0, 4))
    whole = begin(photo, painting, scales=scales)
    for _ in whole:
        pass
    run = begin(photo, painting, scales=scales)
    for _ in range(steps):
        next(run)
    path = run.save(tmp_path / "run")
    assert torch.equal(resume(path, weights=TINY, progress=False, device="cpu").picture, whole.result().picture)


def test_it_takes_one_more_copy_of_the_picture(photo: Tensor, painting: Tensor) -> None:
    with_average, without = (AVERAGED.replace(averaging=value) for value in (DECAY, 0.0))
    assert optimizers.copies(with_average, None, 4) == optimizers.copies(without, None, 4) + 1


@pytest.mark.parametrize("value", [-0.1, 1, "much"])
def test_a_decay_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(RecipeError, match="averaging"):
        AVERAGED.replace(averaging=value)
