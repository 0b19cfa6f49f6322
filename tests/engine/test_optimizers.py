"""The optimisers: their steps are the analytic ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_helpers import OPTIMIZERS, SMALL, SMOOTH, loss_of, paint, totals
from torch import Tensor

from styletut import samples
from styletut.transfer import iterate


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
