"""The book's exercises are judged rightly, and a usual mistake gets its own hint."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from torch import Tensor

from styletut import check
from styletut.teach.check import EXERCISES, CheckError, Function, Value, answer

BOOK = Path(__file__).parents[2] / "book"
CELLS = [cell for path in BOOK.glob("*.ipynb") for cell in nbformat.read(path, as_version=4).cells]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Any, Any], str]:
    """The verdict on an answer to an exercise that is made up for the test."""

    def verdict(exercise: Value | Function, value: Any) -> str:
        monkeypatch.setitem(check.EXERCISES, "ex-made-up", exercise)
        right = answer("ex-made-up", value)
        said = capsys.readouterr().out
        assert said.count("\n") == 1
        assert right is (said == "ex-made-up: right\n")
        return said.strip().removeprefix("ex-made-up: ")

    return verdict


def right_answer(exercise: Value | Function) -> Any:
    return exercise.expected if isinstance(exercise, Function) else exercise.expected()


# --- every row of the table --------------------------------------------------------------------------


@pytest.mark.parametrize("label", EXERCISES)
def test_the_right_answer_is_right(label: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(label, right_answer(EXERCISES[label]))
    assert capsys.readouterr().out == f"{label}: right\n"


SLIPS = [(label, hint) for label, exercise in EXERCISES.items() for hint in exercise.slips]


@pytest.mark.parametrize(("label", "hint"), SLIPS)
def test_every_slip_gets_its_own_hint(label: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    exercise = EXERCISES[label]
    slip = exercise.slips[hint]
    assert not answer(label, slip if isinstance(exercise, Function) else slip())
    assert capsys.readouterr().out == f"{label}: not yet. {hint}\n"


NOTHING = [(label, nothing) for label in EXERCISES for nothing in (None, ...)] + [
    (label, lambda *_: None) for label, exercise in EXERCISES.items() if isinstance(exercise, Function)
]


@pytest.mark.parametrize(("label", "nothing"), NOTHING)
def test_no_answer_yet_is_not_a_mistake(label: str, nothing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert not answer(label, nothing)
    assert capsys.readouterr().out == f"{label}: not answered yet\n"


def test_the_table_and_the_book_name_the_same_exercises() -> None:
    code = "\n".join(cell.source for cell in CELLS if cell.cell_type == "code")
    text = "\n".join(cell.source for cell in CELLS if cell.cell_type == "markdown")
    checked = set(re.findall(r'check\.answer\(\s*"([\w-]+)"', code))
    assert checked == set(EXERCISES)
    assert checked <= set(re.findall(r"(?m)^:label: (\S+)", text))


def test_an_unknown_exercise_gets_a_suggestion() -> None:
    with pytest.raises(CheckError, match="did you mean 'ex-first-unknowns'"):
        answer("ex-first-unknown", 1)


# --- values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [2.0, 2, 2.019, torch.tensor(2.0), torch.tensor([[2.0]], requires_grad=True)])
def test_a_number_may_come_in_any_form_within_the_tolerance(given: Any, judge: Callable[[Any, Any], str]) -> None:
    assert judge(Value(expected=lambda: 2.0), given) == "right"


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (2.021, "not yet. It is too large."),
        (torch.tensor(1.9), "not yet. It is too small."),
        (float("nan"), "not yet. It is not finite: is something divided by zero?"),
        ([2.0, 2.0], "not yet. Its shape is (2,), and () is asked for."),
        ("two", "not yet. A number is asked for, not str 'two'."),
        (len, "not yet. A number is asked for, not a function."),
    ],
)
def test_a_wrong_number_is_told_how(given: Any, verdict: str, judge: Callable[[Any, Any], str]) -> None:
    assert judge(Value(expected=lambda: 2.0), given) == verdict


def test_a_tolerance_of_zero_asks_for_the_number_itself(judge: Callable[[Any, Any], str]) -> None:
    assert judge(Value(expected=lambda: 921_600, tolerance=0.0), 921_600) == "right"
    assert judge(Value(expected=lambda: 921_600, tolerance=0.0), 921_601) == "not yet. It is too large."


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ([[5, 2], [2, 10]], "right"),
        (torch.tensor([[5.05, 2.0], [2.0, 10.0]]), "right"),
        (torch.tensor([[5.2, 2.0], [2.0, 10.0]]), "not yet. Its shape is right, its values are not."),
        (torch.eye(3), "not yet. Its shape is (3, 3), and (2, 2) is asked for."),
        ("gram", "not yet. A tensor is asked for, not str 'gram'."),
    ],
)
def test_a_tensor_is_compared_value_by_value(given: Any, verdict: str, judge: Callable[[Any, Any], str]) -> None:
    assert judge(Value(expected=lambda: torch.tensor([[5.0, 2.0], [2.0, 10.0]])), given) == verdict


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (" RELU5_1 ", "right"),
        ("relu4_2", "not yet. It is not 'relu4_2'."),
        ("conv5_1", "not yet. After its ReLU."),
        (5, "not yet. A word in quotes is asked for, not int 5."),
    ],
)
def test_a_word_is_compared_without_its_case(given: Any, verdict: str, judge: Callable[[Any, Any], str]) -> None:
    exercise = Value(expected=lambda: "relu5_1", slips={"After its ReLU.": lambda: "conv5_1"})
    assert judge(exercise, given) == verdict


# --- functions ---------------------------------------------------------------------------------------


def squares(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().sum()


def pair(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(2, 3, generator=generator), torch.randn(2, 3, generator=generator)


SQUARES = Function(expected=squares, inputs=pair, slips={"Squared.": lambda x, y: (x - y).abs().sum()})


@pytest.mark.parametrize(
    ("function", "verdict"),
    [
        (lambda x, y: ((x - y) ** 2).sum(), "right"),
        (lambda x, y: ((x - y.detach()) ** 2).sum(), "right"),
        (lambda x, y: (x - y).abs().sum(), "not yet. Squared."),
        (lambda x, y: (x - y).abs().sum().item(), "not yet. Squared."),
        (lambda x, y: -squares(x, y), "not yet. It is too small."),
        (lambda x, y: (x - y) ** 2, "not yet. Its shape is (2, 3), and () is asked for."),
        (lambda x, y: "many", "not yet. A number is asked for, not str 'many'."),
        (
            lambda x, y: squares(x, y).item(),
            "not yet. The value is right, but no gradient flows: is there .item(), .detach() or NumPy in it?",
        ),
        (
            lambda x, y: squares(x.detach(), y) + 0 * x.sum(),
            "not yet. The value is right, but its gradient is not: is a part of it detached?",
        ),
        (
            lambda x, y: squares(x.detach(), y) + 0 * torch.ones(1, requires_grad=True).sum(),
            "not yet. The value is right, but no gradient flows: is there .item(), .detach() or NumPy in it?",
        ),
        (lambda x: x, "not yet. It raised TypeError: "),
        (3.0, "not yet. A function is asked for, not float 3.0."),
    ],
)
def test_a_function_is_judged_by_values_and_gradient(
    function: Any, verdict: str, judge: Callable[[Any, Any], str]
) -> None:
    said = judge(SQUARES, function)
    assert said.startswith(verdict) if verdict.endswith(": ") else said == verdict


def test_a_function_need_not_have_a_gradient_where_none_is_asked_for(judge: Callable[[Any, Any], str]) -> None:
    exercise = Function(expected=squares, inputs=pair, gradient=False)
    assert judge(exercise, lambda x, y: squares(x, y).item()) == "right"


def test_a_function_that_changes_its_arguments_in_place_does_not_change_what_is_expected(
    judge: Callable[[Any, Any], str],
) -> None:
    exercise = Function(expected=squares, inputs=pair, gradient=False)
    assert judge(exercise, lambda x, y: x.sub_(y).square().sum()) == "right"
    assert "right" not in judge(exercise, lambda x, y: squares(x.mul_(2), y))
