"""The page judges an answer to an exercise as `styletut.check` does, by the table that it is given."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import torch
from page_helpers import in_node

from styletut.teach.check import EXERCISES
from styletut.teach.exercises.kinds import Value

VALUES = {label: exercise for label, exercise in EXERCISES.items() if isinstance(exercise, Value)}
JUDGE = "return given.map(([text, exercise]) => judge(text, exercise));"


def in_page(cases: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """The page's verdicts: None, or whether it is right, and a hint."""
    return [each and (each["right"], each.get("hint")) for each in in_node({"judge": "judge.js"}, JUDGE, cases)]


def in_python(value: Any, exercise: Value) -> tuple[bool, str | None]:
    fault = exercise.fault(value)
    return fault is None, fault


def written(value: Any) -> str:
    """An answer as a reader types it."""
    return value if isinstance(value, str) else repr(value)


def test_every_right_answer_is_right_and_every_slip_gets_its_hint() -> None:
    """As in Python, which the tests of `styletut.check` see to."""
    cases, verdicts = [], []
    for table in (exercise.table() for exercise in VALUES.values()):
        cases.append((written(table["wanted"]), table))
        verdicts.append((True, None))
        for hint, slip in table["slips"]:
            cases.append((written(slip), table))
            verdicts.append((False, hint))
    assert len(cases) > 90
    assert in_page(cases) == verdicts


NUMBER = Value(expected=lambda: 250, slips={"Twice.": lambda: 500}, tolerance=0.01)
EXACT = Value(expected=lambda: 640 * 480 * 3, slips={"Three.": lambda: 640 * 480}, tolerance=0.0)
SHARE = Value(expected=lambda: 1 / 256, slips={"Half.": lambda: 1 / 16})
PAIR = Value(expected=lambda: torch.tensor([0.25, -1.0]), slips={"Turned.": lambda: torch.tensor([-1.0, 0.25])})
SQUARE = Value(expected=lambda: torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
WORD = Value(expected=lambda: "relu5_1", slips={"After its ReLU.": lambda: "conv5_1"})


@pytest.mark.parametrize(
    ("exercise", "answers"),
    [
        (
            NUMBER,
            [
                "250",
                "252.5",
                "252.6",
                "247.5",
                "247.4",
                "500",
                "502",
                "-250",
                "1e9",
                "[250]",
                "250, 251",
                "()",
                "-2**2",
            ],
        ),
        (EXACT, ["640 * 480 * 3", "640*480", "921600.0", "921600.01", "921600.1", "921_600", "921601", "2**20"]),
        (SHARE, ["1/256", "(1/4)**4", "1/16", "0.0039", "0.00390625", ".0039", "1e-3", "2 - 1", "-1/-256", "1e400"]),
        (PAIR, ["[0.25, -1]", "1/4, -1", "(0.25, -1.0)", "-1, 0.25", "[0.25]", "[[0.25, -1]]", "0.25", "0.3, -1"]),
        (SQUARE, ["[[1, 2], [3, 4]]", "((1, 2), (3, 4),)", "[[1, 2]]", "1, 2, 3, 4", "[[1, 2], [3, 5]]"]),
        (WORD, ["'relu5_1'", "' ReLU5_1 '", "'conv5_1'", "'pool5'"]),
    ],
    ids=["number", "exact", "share", "pair", "square", "word"],
)
def test_what_is_typed_is_judged_as_in_python(exercise: Value, answers: list[str]) -> None:
    verdicts = [in_python(eval(text), exercise) for text in answers]
    assert in_page([(text, exercise.table()) for text in answers]) == verdicts


def test_a_page_reads_some_answers_that_python_does_not() -> None:
    right = [("921,600", EXACT), ("921 600", EXACT), ("640 × 480 × 3", EXACT), ("1 ÷ 256", SHARE), ("0.25, −1", PAIR)]
    right += [("1, 2\n3, 4\n", SQUARE), ("relu5_1", WORD), ("RELU5_1", WORD)]
    assert in_page([(text, exercise.table()) for text, exercise in right]) == [(True, None)] * len(right)


@pytest.mark.parametrize(
    "text", ["three", "1 +", "1 2", "(1", "1)", "[1, [2, 3]]", "[1] + 1", "2 **", "alert(1)", ",", "1 // 2"]
)
def test_what_is_no_number_is_said_to_be_none(text: str) -> None:
    assert in_page([(text, NUMBER.table())]) == [(False, f"A number is asked for, not '{text}'.")]


def test_nothing_is_not_judged() -> None:
    assert in_page([("", NUMBER.table()), (" \n", WORD.table())]) == [None, None]


def test_the_table_is_plain_and_computed_when_it_is_asked_for() -> None:
    assert PAIR.table() == {"wanted": [0.25, -1.0], "tolerance": 0.01, "slips": [["Turned.", [-1.0, 0.25]]]}
    assert WORD.table()["wanted"] == "relu5_1"
    assert ast.literal_eval(repr(EXACT.table())) == EXACT.table()
