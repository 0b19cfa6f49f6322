"""When a run has gone wrong: a pure function of its losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

DIVERGED = 1e3
"""A loss this many times the first one of its scale counts as divergence."""
OVERSHOT = 10
"""A loss this many times the best one, and above the first one of its scale, sends L-BFGS without a line search back to
its best picture, memory cleared."""
ENDED_ABOVE = 1.5
"""Where the last loss is this many times the best one, the best picture is the result."""


class Action(Enum):
    """What to do after an evaluation."""

    GO_ON = auto()
    KEEP = auto()  # the best picture yet
    RETURN = auto()  # to the best picture
    STOP = auto()


@dataclass(frozen=True)
class Record:
    """What the guard remembers of a scale: its first loss, its best, and the best when a step last overshot."""

    first: float = math.nan
    best: float = math.inf
    returned: float = math.nan


@dataclass(frozen=True)
class Verdict:
    """What to do, why, and the record from now on."""

    action: Action
    record: Record
    reason: str = ""


def judge(losses: Mapping[str, float], record: Record, *, returns: bool, single: bool) -> Verdict:
    """Judge one evaluation by its ``losses``, all of them finite or not, with their ``total``.

    Args:
        returns: whether a step that overshot is taken back: L-BFGS without a line search.
        single: whether a step has one evaluation. A line search may try far away before it settles, so what it tries
            does not count as divergence.
    """
    total = losses["total"]
    if not math.isfinite(total):
        term = next(name for name, loss in losses.items() if not math.isfinite(loss))
        return Verdict(Action.STOP, record, f"{term} is {losses[term]}")
    if math.isnan(record.first):
        record = replace(record, first=total)
    # Near the end a loss may change by any factor; only one above where the scale began has overshot.
    if returns and total > record.first and total > OVERSHOT * record.best > 0:
        if record.best == record.returned:
            reason = f"the loss is {total:.3g}, over {OVERSHOT} times the best, for the second time running"
            return Verdict(Action.STOP, record, reason)
        return Verdict(Action.RETURN, replace(record, returned=record.best))
    if single and total > DIVERGED * abs(record.first) > 0:
        term = max((name for name in losses if name != "total"), key=lambda name: losses[name])
        reason = f"{term} is {losses[term]:.3g}, over {DIVERGED:g} times the whole loss at the start"
        return Verdict(Action.STOP, record, reason)
    if total < record.best:
        return Verdict(Action.KEEP, replace(record, best=total))
    return Verdict(Action.GO_ON, record)


def ended_above(history: Sequence[Mapping[str, Any]], record: Record, *, single: bool) -> bool:
    """Whether the last loss of a run is so far above its best one that the best picture is the result."""
    last = history[-1]["losses"]["total"] if history else math.nan
    # The last trial of a line search need not be where it went, and next to nothing may change by any factor.
    return single and last > ENDED_ABOVE * record.best and last - record.best > 0.01 * abs(record.first)
