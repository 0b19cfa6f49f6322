"""Adam, L-BFGS and the guard in the page against torch's and the module's."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from page_helpers import in_node

from styletut import optim
from styletut.engine import guard
from styletut.page import scripts

SIZE, STEPS = 24, 25
CURVATURES = torch.logspace(-1, 2, SIZE)


def path(make: Any) -> list[float]:
    """Where an optimiser goes from ones on the quadratic with these curvatures: the losses."""
    x = torch.ones(SIZE, requires_grad=True)
    optimizer, losses = make([x]), []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (CURVATURES * x * x).sum() / 2
        loss.backward()
        return loss

    for _ in range(STEPS):
        losses.append(optimizer.step(closure).item())
    return losses


def path_in_the_page(**recipe: Any) -> list[float]:
    body = """
    const c = floats(given.curvatures), x = new Float32Array(c.length).fill(1);
    const optimiser = optimiserFor(given.recipe, x.length, given.constants);
    return Array.from({ length: given.steps }, () => {
      const loss = x.reduce((sum, v, i) => sum + (c[i] * v * v) / 2, 0);
      optimiser.step(x, x.map((v, i) => c[i] * v));
      return loss;
    });"""
    constants = scripts.settings()["optimisers"]
    given = {"curvatures": CURVATURES.tolist(), "steps": STEPS, "recipe": recipe, "constants": constants}
    found: list[float] = in_node({"optimiserFor": "optimise.js"}, body, given)
    return found


def test_adam_goes_where_torchs_goes() -> None:
    expected = path(lambda params: torch.optim.Adam(params, lr=0.02))
    assert path_in_the_page(optimizer="adam", learning_rate=0.02) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("memory", "rate"), [(10, 1.0), (3, 0.5)])
def test_lbfgs_goes_where_the_modules_goes(memory: int, rate: float) -> None:
    expected = path(lambda params: optim.LBFGS(params, lr=rate, history_size=memory))
    found = path_in_the_page(optimizer="lbfgs", learning_rate=rate, memory=memory)
    assert found[:12] == pytest.approx(expected[:12], rel=1e-3)  # rounding grows from step to step
    assert found[0] / found[-1] > 3


def test_the_guard_judges_as_the_modules() -> None:
    runs = [
        [1.0, 0.5, 0.6, 0.4],
        [1.0, 0.01, 5.0, 0.02, 6.0],
        [1.0, 0.01, 5.0, 5.0],
        [1.0, math.inf],
        [1.0, 2e3],
        [0.0, 0.0],
    ]
    words = {
        guard.Action.GO_ON: "go on",
        guard.Action.KEEP: "keep",
        guard.Action.RETURN: "return",
        guard.Action.STOP: "stop",
    }
    body = """return given.runs.map((losses) => { const record = newRecord();
      const of = (total) => judge({ total: total ?? Infinity }, record, given.returns, given.constants).action;
      return losses.map(of); });"""
    for returns in (True, False):
        given = {
            "runs": [[None if math.isinf(loss) else loss for loss in losses] for losses in runs],
            "returns": returns,
            "constants": scripts.settings()["guard"],
        }
        found = in_node({"judge, newRecord": "optimise.js"}, body, given)
        for losses, actions in zip(runs, found, strict=True):
            record, expected = guard.Record(), []
            for total in losses:
                verdict = guard.judge({"total": total, "style": total}, record, returns=returns, single=True)
                record = verdict.record
                expected.append(words[verdict.action])
            assert actions == expected, (losses, returns)
