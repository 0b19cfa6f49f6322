"""Divergence: where it is noticed, and which picture is kept."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from engine_helpers import OPTIMIZERS, SMOOTH, break_at, paint, totals
from torch import Tensor

from styletut import images
from styletut.engine import guard
from styletut.engine.stepper import Stepper
from styletut.errors import DivergenceError
from styletut.lowmem.objective import TapeObjective
from styletut.transfer import DivergenceWarning


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


def test_a_rise_that_stays_below_the_first_loss_is_not_an_overshoot() -> None:
    """Where a loss can fall to almost nothing, ten times the best is still almost nothing."""
    record = guard.Record(first=1.0, best=1e-6)
    assert guard.judge({"total": 1e-4}, record, returns=True, single=True).action is guard.Action.GO_ON
    assert guard.judge({"total": 2.0}, record, returns=True, single=True).action is guard.Action.RETURN
