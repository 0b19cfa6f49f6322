"""The guard of a run: which losses are the best yet, which overshot, and which end the run."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from styletut import optim, vgg
from styletut.engine import guard
from styletut.engine.guard import Action, Record, Verdict
from styletut.engine.stepper import Stepper, _Overshot
from styletut.engine.team import Alone
from styletut.errors import DivergenceError
from styletut.lowmem.objective import TapeObjective
from styletut.recipes import Recipe
from styletut.transfer import iterate

SMALL = Recipe(
    name="small",
    weights=vgg.random_weights(width=0.1),
    content_layers={"relu1_2": 1.0},
    style_layers={"relu1_1": 1.0},
    tv_weight=0.01,
    scales=((0.5, 3), (1.0, 3)),
)
LBFGS: dict[str, Any] = {"optimizer": "lbfgs"}
SEVERAL: dict[str, Any] = {"optimizer": "lbfgs", "evaluations": 4}
SEARCH: dict[str, Any] = {"optimizer": "lbfgs", "evaluations": 5, "line_search": True}
ADAM: dict[str, Any] = {"optimizer": "adam", "learning_rate": 0.02}


@pytest.fixture
def begun(photo: Tensor, painting: Tensor) -> Any:
    return lambda **changes: iterate(photo, painting, SMALL, device="cpu", **changes)


def losses(total: float) -> dict[str, float]:
    return {"content/relu1_2": 0.2 * total, "style/relu1_1": 0.7 * total, "tv": 0.1 * total, "total": total}


def judge(total: float, record: Record, changes: dict[str, Any]) -> Verdict:
    recipe = SMALL.replace(**changes)
    returns = recipe.optimizer == "lbfgs" and not recipe.line_search
    return guard.judge(losses(total), record, returns=returns, single=recipe.evaluations == 1)


@pytest.mark.parametrize(
    ("changes", "total", "best", "action"),
    [
        (LBFGS, 0.4, 0.5, Action.KEEP),
        (LBFGS, 0.5, 0.5, Action.GO_ON),
        (LBFGS, 5.0, 0.5, Action.GO_ON),  # ten times the best, and not above
        (LBFGS, 5.1, 0.5, Action.RETURN),
        (LBFGS, 1.0, 0.05, Action.GO_ON),  # not above the first
        (LBFGS, 1.1, 0.05, Action.RETURN),
        (LBFGS, 5.1, 0.0, Action.GO_ON),  # any loss is more than ten times nothing
        (LBFGS, 1001.0, 0.0, Action.STOP),
        (SEVERAL, 5.1, 0.5, Action.RETURN),
        (SEVERAL, 1001.0, 0.0, Action.GO_ON),  # within one step it may try far away
        (SEARCH, 1001.0, 0.5, Action.GO_ON),
        (SEARCH, 0.4, 0.5, Action.KEEP),
        (ADAM, 5.1, 0.5, Action.GO_ON),
        (ADAM, 1000.0, 0.5, Action.GO_ON),
        (ADAM, 1001.0, 0.5, Action.STOP),
    ],
)
def test_a_loss_is_judged_by_the_best_and_the_first(
    changes: dict[str, Any], total: float, best: float, action: Action
) -> None:
    before = Record(first=1.0, best=best)
    verdict = judge(total, before, changes)
    assert verdict.action is action
    expected = {Action.KEEP: Record(1.0, total), Action.RETURN: Record(1.0, best, returned=best)}.get(action, before)
    assert repr(verdict.record) == repr(expected)  # a NaN is not equal to itself
    said = f"style/relu1_1 is {0.7 * total:.3g}, over 1000 times the whole loss at the start"
    assert verdict.reason == (said if action is Action.STOP else "")


def test_a_loss_that_began_at_zero_cannot_diverge() -> None:
    assert judge(5.0, Record(first=0.0, best=0.0), ADAM).action is Action.GO_ON
    assert "1000 times" in judge(0.2, Record(first=1e-4, best=1e-4), ADAM).reason  # a small one can


def test_the_first_loss_of_a_scale_is_what_others_are_measured_by() -> None:
    first = judge(3.0, Record(), ADAM)
    assert first.action is Action.KEEP and first.record.first == first.record.best == 3.0
    second = judge(2.0, first.record, ADAM)
    assert second.action is Action.KEEP and (second.record.first, second.record.best) == (3.0, 2.0)


def test_a_second_overshot_from_the_same_best_is_divergence() -> None:
    assert judge(5.1, Record(first=1.0, best=0.5, returned=0.6), LBFGS).action is Action.RETURN
    record = Record(first=1.0, best=0.5, returned=0.5)
    verdict = judge(5.1, record, LBFGS)
    assert verdict.action is Action.STOP and verdict.record == record
    assert verdict.reason.endswith("10 times the best, for the second time running")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_named_and_never_the_best(value: float) -> None:
    record = Record(first=2.0, best=1.0)
    for parts, term in (({"style/relu1_1": 0.5, "tv": value}, "tv"), ({"style/relu1_1": 3e38, "tv": 3e38}, "total")):
        verdict = guard.judge(parts | {"total": value}, record, returns=True, single=True)
        assert (verdict.action, verdict.reason) == (Action.STOP, f"{term} is {value}")
        assert verdict.record is record


@pytest.mark.parametrize(
    ("last", "single", "above"),
    [(3.2, True, True), (3.0, True, False), (3.2, False, False), (0.9, True, False), (math.nan, True, False)],
)
def test_a_run_ends_above_its_best_by_half_of_it(last: float, single: bool, above: bool) -> None:
    history = [{"losses": {"total": value}} for value in (10.0, 7.0, last)]
    assert guard.ended_above(history, Record(first=10.0, best=2.0), single=single) is above
    assert not guard.ended_above(history, Record(first=400.0, best=2.0), single=single)  # next to nothing
    assert not guard.ended_above([], Record(first=10.0, best=2.0), single=single)


def test_the_term_whose_gradient_is_not_finite_is_named(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call = TapeObjective.__call__

    def steep(self: TapeObjective, picture: Tensor) -> dict[str, Tensor]:
        losses = call(self, picture)
        x = losses["style/relu1_1"]
        spoilt = 0 * torch.sqrt(x - x.detach())  # its gradient is 0 times infinity
        return losses | {"style/relu1_1": x + spoilt, "total": losses["total"] + spoilt}

    monkeypatch.setattr(TapeObjective, "__call__", steep)
    with pytest.raises(DivergenceError, match=r"^diverged: the gradient of style/relu1_1 is not finite at step 1 of"):
        next(begun())


def test_divergence_says_where_and_is_an_error_only_if_there_is_no_picture(begun: Any) -> None:
    run = begun()
    with pytest.raises(DivergenceError, match=r"^diverged: why at step 1 of scale 1, and no picture came before it"):
        run._diverge("why", 1)
    run.state.best = 1.0  # the first of several evaluations in a step
    run._diverge("why", 2)
    assert run.stopped == "diverged: why at step 2 of scale 1"
    run = begun(scales=((1.0, 3),))
    next(run)
    run.state.best = math.inf  # the first evaluation of another scale
    run._diverge("why", 2)
    assert run.stopped == "diverged: why at step 2"


def test_after_an_overshot_step_the_next_is_short_and_forgets(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(scales=((1.0, 6),), pixel_range=255.0)
    steps = [next(run), next(run)]
    before = run.stepper.optimizer
    assert before.param_groups[0]["first_step"] == pytest.approx(optim.FIRST * 255)
    best, call = run.state.best_variable.clone(), TapeObjective.__call__
    with monkeypatch.context() as patch:
        patch.setattr(TapeObjective, "__call__", lambda *x: {k: 1e3 * v for k, v in call(*x).items()})
        steps.append(next(run))
    assert run.stepper.optimizer is not before and not run.stepper.optimizer.state
    assert run.stepper.optimizer.param_groups[0]["first_step"] == pytest.approx(optim.FIRST * 255 / 100)
    assert torch.equal(run.state.variable.detach(), best)
    assert [step.iteration for step in steps] == [1, 2, 3] and run.state.evaluations == 3


class First(Alone):
    """As a second process: what the first one has counts, here 0.25 everywhere."""

    def unite(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            tensor.fill_(0.25)


def test_all_processes_judge_by_the_losses_of_the_first(begun: Any) -> None:
    run = begun()
    next(run)
    run.stepper.team = First()
    next(run)
    assert set(run.stepper.losses.values()) == {0.25}


def test_all_processes_return_to_the_best_picture_of_the_first(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun()
    next(run)

    def overshot(stepper: Stepper) -> Tensor:
        raise _Overshot

    monkeypatch.setattr(Stepper, "_judged", overshot)
    run.stepper.team = First()
    next(run)
    assert bool((run.state.variable == 0.25).all()) and bool((run.state.best_variable == 0.25).all())


def test_decay_lowers_the_rate_from_step_to_step(begun: Any) -> None:
    run = begun(optimizer="sgd", learning_rate=0.8, decay=0.25, decay_steps=2, scales=((1.0, 4),))
    rates = []
    for _ in run:
        rates.append(run.stepper.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.8, 0.4, 0.2, 0.1])


@pytest.mark.parametrize(("changes", "restart"), [(SEARCH, False), (SEARCH, True), (LBFGS, False), (ADAM, True)])
def test_only_lbfgs_forgets_between_steps_and_only_if_the_recipe_says_so(
    changes: dict[str, Any], restart: bool, begun: Any
) -> None:
    run = begun(**changes, restart=restart)
    next(run)
    before = run.stepper.optimizer
    next(run)
    assert (run.stepper.optimizer is before) != (restart and changes["optimizer"] == "lbfgs")


def test_a_run_is_within_a_step_only_while_it_evaluates(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, evaluate = begun(), Stepper.evaluate
    within: list[bool] = []

    def noted(self: Stepper) -> dict[str, Tensor]:
        within.append(self.within)
        assert not run.between_steps
        return evaluate(self)

    monkeypatch.setattr(Stepper, "evaluate", noted)
    for _ in run:
        assert run.between_steps
    assert within == 6 * [True]


@pytest.mark.parametrize("decorrelation", [0.0, 0.5])
@pytest.mark.parametrize("clamp", ["step", "none"])
def test_a_step_ends_in_the_range_of_pictures_where_the_recipe_says_so(
    clamp: str, decorrelation: float, begun: Any
) -> None:
    changes: dict[str, Any] = {"optimizer": "adam", "learning_rate": 400.0, "pixel_range": 255.0}
    run = begun(clamp=clamp, decorrelation=decorrelation, scales=((1.0, 1),), **changes)
    next(run)
    picture = run.parametrization.picture(run.state.variable.detach())
    if clamp == "step":
        assert float(picture.min()) == pytest.approx(0, abs=1e-4)
        assert float(picture.max()) == pytest.approx(1, abs=1e-4)
    else:
        assert float(picture.min()) < -0.1 and float(picture.max()) > 1.1
