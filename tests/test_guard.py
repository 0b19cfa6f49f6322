"""The guard of a run: which losses are the best yet, which went astray, and which are beyond hope."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from styletut import objective, optim, transfer, vgg
from styletut.errors import DivergenceError
from styletut.recipes import Recipe
from styletut.transfer import Run, iterate

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


def judge(run: Run, total: float, *, first: float, best: float, returned: float = math.nan) -> str:
    """What the guard says of a loss: ``best``, ``fine``, ``overshot`` or why the run has diverged."""
    run._first, run._best, run._returned = first, best, returned
    run._losses = {"content/relu1_2": 0.2 * total, "style/relu1_1": 0.7 * total, "tv": 0.1 * total, "total": total}
    run._variable = torch.full_like(run._variable, 0.25)
    run._best_variable = torch.full_like(run._variable, 0.75)
    try:
        run._judge(run._variable)
    except transfer._Overshot:
        assert run._returned == best
        said = "overshot"
    except transfer._Diverged as error:
        said = str(error)
    else:
        said = "best" if run._best == total != best else "fine"
    # A picture is kept with its loss, and only then.
    assert run._best == (total if said == "best" else best)
    assert bool((run._best_variable == (0.25 if said == "best" else 0.75)).all())
    return said


@pytest.mark.parametrize(
    ("changes", "total", "best", "said"),
    [
        (LBFGS, 0.4, 0.5, "best"),
        (LBFGS, 0.5, 0.5, "fine"),
        (LBFGS, 5.0, 0.5, "fine"),  # ten times the best, and not above
        (LBFGS, 5.1, 0.5, "overshot"),
        (LBFGS, 1.0, 0.05, "fine"),  # not above the first
        (LBFGS, 1.1, 0.05, "overshot"),
        (LBFGS, 5.1, 0.0, "fine"),  # any loss is more than ten times nothing
        (LBFGS, 1001.0, 0.0, "diverged"),
        (SEVERAL, 5.1, 0.5, "overshot"),
        (SEVERAL, 1001.0, 0.0, "fine"),  # within one step it may look far afield
        (SEARCH, 1001.0, 0.5, "fine"),
        (SEARCH, 0.4, 0.5, "best"),
        (ADAM, 5.1, 0.5, "fine"),
        (ADAM, 1000.0, 0.5, "fine"),
        (ADAM, 1001.0, 0.5, "diverged"),
    ],
)
def test_a_loss_is_judged_by_the_best_and_the_first(
    changes: dict[str, Any], total: float, best: float, said: str, begun: Any
) -> None:
    if said == "diverged":
        said = f"style/relu1_1 is {0.7 * total:.3g}, over 1000 times the whole loss at the start"
    assert judge(begun(**changes), total, first=1.0, best=best) == said


def test_a_loss_that_began_at_nothing_cannot_blow_up(begun: Any) -> None:
    assert judge(begun(**ADAM), 5.0, first=0.0, best=0.0) == "fine"
    assert "1000 times" in judge(begun(**ADAM), 0.2, first=1e-4, best=1e-4)  # a small one can


def test_the_first_loss_of_a_scale_is_what_others_are_measured_by(begun: Any) -> None:
    run = begun(**ADAM)
    assert judge(run, 3.0, first=math.nan, best=math.inf) == "best" and run._first == 3.0
    assert judge(run, 2.0, first=3.0, best=3.0) == "best" and run._first == 3.0


def test_a_second_overshot_from_the_same_best_is_divergence(begun: Any) -> None:
    run = begun(**LBFGS)
    assert judge(run, 5.1, first=1.0, best=0.5, returned=0.6) == "overshot"
    assert judge(run, 5.1, first=1.0, best=0.5, returned=0.5).endswith("10 times the best, for the second time running")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_named_and_never_the_best(value: float, begun: Any) -> None:
    run = begun(**ADAM)
    run._best, run._losses = 1.0, {"style/relu1_1": 0.5, "tv": value, "total": value}
    with pytest.raises(transfer._Diverged, match=f"^tv is {value}$"):
        run._judge(run._variable)
    run._losses = {"style/relu1_1": 3e38, "tv": 3e38, "total": value}  # each is finite, and their sum is not
    with pytest.raises(transfer._Diverged, match=f"^total is {value}$"):
        run._judge(run._variable)
    assert run._best == 1.0


def test_the_term_whose_gradient_is_not_finite_is_named(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call = objective.Objective.__call__

    def steep(self: objective.Objective, picture: Tensor) -> dict[str, Tensor]:
        losses = call(self, picture)
        x = losses["style/relu1_1"]
        spoilt = 0 * torch.sqrt(x - x.detach())  # its slope is 0 times infinity
        return losses | {"style/relu1_1": x + spoilt, "total": losses["total"] + spoilt}

    monkeypatch.setattr(objective.Objective, "__call__", steep)
    with pytest.raises(DivergenceError, match=r"^diverged: the gradient of style/relu1_1 is not finite at step 1 of"):
        next(begun())


def test_divergence_says_where_and_is_an_error_only_if_there_is_no_picture(begun: Any) -> None:
    run = begun()
    with pytest.raises(DivergenceError, match=r"^diverged: why at step 1 of scale 1, and no picture came before it"):
        run._diverged("why")
    run._best = 1.0  # the first of several evaluations in a step
    run._iteration = 1
    run._diverged("why")
    assert run.stopped == "diverged: why at step 2 of scale 1"
    run = begun(scales=((1.0, 3),))
    next(run)
    run._best = math.inf  # the first evaluation of another scale
    run._diverged("why")
    assert run.stopped == "diverged: why at step 2"


def test_after_an_overshot_step_the_next_is_short_and_forgets(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(scales=((1.0, 6),), pixel_range=255.0)
    steps = [next(run), next(run)]
    before = run._optimizer
    assert before.param_groups[0]["first_step"] == pytest.approx(optim.FIRST * 255)
    best, call = run._best_variable.clone(), objective.Objective.__call__
    with monkeypatch.context() as patch:
        patch.setattr(objective.Objective, "__call__", lambda *x: {k: 1e3 * v for k, v in call(*x).items()})
        steps.append(next(run))
    assert run._optimizer is not before and not run._optimizer.state
    assert run._optimizer.param_groups[0]["first_step"] == pytest.approx(optim.FIRST * 255 / 100)
    assert torch.equal(run._variable.detach(), best)
    assert [step.iteration for step in steps] == [1, 2, 3] and run.evaluations == 3


def test_decay_lowers_the_rate_from_step_to_step(begun: Any) -> None:
    run = begun(optimizer="sgd", learning_rate=0.8, decay=0.25, decay_steps=2, scales=((1.0, 4),))
    rates = []
    for _ in run:
        rates.append(run._optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.8, 0.4, 0.2, 0.1])


@pytest.mark.parametrize(("changes", "restart"), [(SEARCH, False), (SEARCH, True), (LBFGS, False), (ADAM, True)])
def test_only_lbfgs_forgets_between_steps_and_only_if_the_recipe_says_so(
    changes: dict[str, Any], restart: bool, begun: Any
) -> None:
    run = begun(**changes, restart=restart)
    next(run)
    before = run._optimizer
    next(run)
    assert (run._optimizer is before) != (restart and changes["optimizer"] == "lbfgs")


def test_a_run_is_within_a_step_only_while_it_evaluates(begun: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, judge = begun(), Run._judge
    within: list[bool] = []

    def noted(self: Run, variable: Tensor) -> None:
        within.append(self._within)
        judge(self, variable)

    monkeypatch.setattr(Run, "_judge", noted)
    for _ in run:
        assert not run._within
    assert within == 6 * [True]


@pytest.mark.parametrize("decorrelation", [0.0, 0.5])
@pytest.mark.parametrize("clamp", ["step", "none"])
def test_a_step_ends_in_the_range_of_pictures_where_the_recipe_says_so(
    clamp: str, decorrelation: float, begun: Any
) -> None:
    changes: dict[str, Any] = {"optimizer": "adam", "learning_rate": 400.0, "pixel_range": 255.0}
    run = begun(clamp=clamp, decorrelation=decorrelation, scales=((1.0, 1),), **changes)
    next(run)
    picture = run._from_variable(run._variable.detach())
    if clamp == "step":
        assert float(picture.min()) == pytest.approx(0, abs=1e-4)
        assert float(picture.max()) == pytest.approx(1, abs=1e-4)
    else:
        assert float(picture.min()) < -0.1 and float(picture.max()) > 1.1
