"""What the engine's tests share: a small recipe, the settings of each optimiser, and how to run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

import styletut as st
from styletut import objective, vgg
from styletut.lowmem.objective import TapeObjective
from styletut.recipes import Recipe
from styletut.transfer import Result

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


SMOOTH = Recipe(name="smooth", content_weight=0, style_weight=0, tv_weight=0.5, tv_loss="squared", precision="float64")
"""Total variation alone: a quadratic, so that every step can be computed by hand."""


def break_at(monkeypatch: pytest.MonkeyPatch, evaluation: int, spoil: Callable[[dict[str, Tensor]], None]) -> None:
    """Let the losses of one evaluation, and of all after it, be spoilt."""
    call, count = TapeObjective.__call__, iter(range(1, 10**6))

    def broken(self: TapeObjective, picture: Tensor) -> dict[str, Tensor]:
        losses = call(self, picture)
        if next(count) >= evaluation:
            spoil(losses)
        return losses

    monkeypatch.setattr(TapeObjective, "__call__", broken)


LONG = SMALL.replace(scales=((0.5, 3), (1.0, 4)), snapshot_every=2)
