"""Checkers for the book's exercises: a verdict in one line, and a hint that fits the mistake.

A cell of a chapter ends with ``right = st.check.answer("ex-first-unknowns", value)``. The exercises themselves are in
`styletut.teach.exercises`, one file a chapter.
"""

from __future__ import annotations

from typing import Any

import torch

from ..errors import StyletutError, did_you_mean
from .exercises import EXERCISES
from .exercises.kinds import Function, Value

__all__ = ["EXERCISES", "CheckError", "Function", "Value", "answer"]


class CheckError(StyletutError, ValueError):
    """No exercise has that label."""


def answer(label: str, value: Any) -> bool:
    """Say in one line whether ``value`` answers the exercise, with a hint if it does not.

    Args:
        label: the exercise's label in the book.
        value: a number, a tensor, a word or a function, as the exercise asks; None, or a function that returns
            None, is no answer yet.

    Returns:
        Whether it is right.

    Raises:
        CheckError: there is no exercise of that label.

    >>> answer("ex-first-unknowns", None)
    ex-first-unknowns: not answered yet
    False
    >>> answer("ex-first-unknowns", 640 * 480)
    ex-first-unknowns: not yet. Each pixel has a red, a green and a blue value, and each of them can move.
    False
    """
    if label not in EXERCISES:
        raise CheckError(did_you_mean("exercise", label, EXERCISES))
    exercise = EXERCISES[label]
    if _unanswered(value, exercise):
        print(f"{label}: not answered yet")
        return False
    fault = exercise.fault(value)
    print(f"{label}: right" if fault is None else f"{label}: not yet. {fault}")
    return fault is None


def _unanswered(value: Any, exercise: Value | Function) -> bool:
    if isinstance(exercise, Function) and callable(value):
        try:
            value = value(*exercise.inputs(torch.Generator().manual_seed(0)))
        except Exception:  # it tries something: `fault` says what went wrong
            return False
    return value is None or value is ...
