"""Checkers for the book's exercises: a verdict in one line, and a hint that fits the mistake.

A cell of a chapter ends with ``right = st.check.answer("ex-first-unknowns", value)``. What is right is never written
down here as a number: the module computes it, when it is asked for.

To add an exercise, add a row to `EXERCISES`: a `Value` (a number, a tensor or a word) or a `Function`. Its ``slips``
map a hint to what the usual mistake gives: a wrong answer that equals one of those gets that hint. Tests then take
the row through its right answer and every slip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from . import images, losses, objective, recipes, samples
from .errors import StyletutError, did_you_mean
from .vgg import VGG


class CheckError(StyletutError, ValueError):
    """No exercise has that label."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """An exercise whose answer is a number, a tensor or a word.

    ``expected`` computes it; ``slips`` maps a hint to what the mistake gives; ``tolerance`` is relative, to the
    largest value of a tensor.
    """

    expected: Callable[[], Any]
    slips: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    tolerance: float = 0.01

    def fault(self, answer: Any) -> str | None:
        """What is wrong with ``answer``: a hint, or None if it is right."""
        wanted = self.expected()
        wrong = _mismatch(answer, wanted, self.tolerance)
        if wrong is None:
            return None
        slips = (hint for hint, slip in self.slips.items() if _mismatch(answer, slip(), self.tolerance) is None)
        return next(slips, wrong)


@dataclass(frozen=True, kw_only=True)
class Function:
    """An exercise whose answer is a function of tensors, compared with the module's on random ones.

    ``inputs`` draws its arguments from a generator. Where ``gradient`` is set, the gradient with respect to the
    first of them counts too: a loss that no gradient flows through moves no picture.
    """

    expected: Callable[..., Tensor]
    inputs: Callable[..., tuple[Tensor, ...]]
    slips: Mapping[str, Callable[..., Tensor]] = field(default_factory=dict)
    gradient: bool = True
    tolerance: float = 1e-4
    trials: int = 3

    def fault(self, answer: Any) -> str | None:
        """What is wrong with ``answer``: a hint, or None if it is right."""
        if not callable(answer):
            return f"A function is asked for, not {_kind(answer)}."
        generator = torch.Generator().manual_seed(0)
        for _ in range(self.trials):
            arguments = self.inputs(generator)
            try:
                found, slope = self._try(answer, arguments)
            except Exception as error:  # whatever the reader's code raises is the verdict
                return f"It raised {type(error).__name__}: {error}"
            wanted, right_slope = self._try(self.expected, arguments)
            wrong = _mismatch(found, wanted, self.tolerance)
            if wrong is not None:
                return next((hint for hint, slip in self.slips.items() if self._is(found, slip, arguments)), wrong)
            if self.gradient and slope is None:
                return "The value is right, but no gradient flows: is there .item(), .detach() or NumPy in it?"
            if self.gradient and _mismatch(slope, right_slope, self.tolerance) is not None:
                return "The value is right, but its gradient is not: is a part of it detached?"
        return None

    def _try(self, function: Callable[..., Any], arguments: tuple[Tensor, ...]) -> tuple[Any, Tensor | None]:
        """The function's value, and its gradient where there is one."""
        first, *rest = (argument.clone() for argument in arguments)
        value = function(first.requires_grad_(self.gradient), *rest)
        if not (isinstance(value, Tensor) and value.requires_grad):
            return value, None
        (slope,) = torch.autograd.grad(value.sum(), first, allow_unused=True)
        return value.detach(), slope

    def _is(self, found: Any, slip: Callable[..., Tensor], arguments: tuple[Tensor, ...]) -> bool:
        return _mismatch(found, self._try(slip, arguments)[0], self.tolerance) is None


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


def _mismatch(found: Any, wanted: Any, tolerance: float) -> str | None:
    """How ``found`` differs from ``wanted``, without giving that away; None if it does not."""
    if isinstance(wanted, str):
        if not isinstance(found, str):
            return f"A word in quotes is asked for, not {_kind(found)}."
        return None if found.strip().casefold() == wanted.casefold() else f"It is not {found!r}."
    try:
        given = torch.as_tensor(found).detach().double().cpu()
    except (TypeError, ValueError, RuntimeError):
        kind = "tensor" if isinstance(wanted, Tensor) and wanted.dim() else "number"
        return f"A {kind} is asked for, not {_kind(found)}."
    right = torch.as_tensor(wanted).detach().double().cpu()
    if right.numel() == 1:
        given, right = given.squeeze(), right.squeeze()  # tensor([2.]) is a number too
    if given.shape != right.shape:
        return f"Its shape is {tuple(given.shape)}, and {tuple(right.shape)} is asked for."
    if not torch.isfinite(given).all():
        return "It is not finite: is something divided by zero?"
    if (given - right).abs().max() <= tolerance * right.abs().max():
        return None
    if right.numel() > 1:
        return "Its shape is right, its values are not."
    return "It is too large." if given > right else "It is too small."


def _kind(value: Any) -> str:
    return "a function" if callable(value) else f"{type(value).__name__} {value!r}"


# --- the exercises -----------------------------------------------------------------------------------


def _features(generator: Generator) -> tuple[Tensor, Tensor]:
    """Features and a target of one random shape (1, N, h, w), no two sides equal."""
    shape = (1, *(torch.randperm(4, generator=generator)[:3] + 3).tolist())
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


def _deepest() -> str:
    network = objective.network(recipes.get("fast"))
    assert network is not None
    return network.layers[-1]


def _enlarging(form: str = "relative", *, swapped: bool = False) -> Tensor:
    """Content loss at relu4_2 of the cat at 128 pixels that was 64 in between."""
    sharp = samples.load("cat", size=128)
    blurred = images.resize(images.resize(sharp, 64), (sharp.shape[2], sharp.shape[3]), upscale=True)
    vgg = VGG(["relu4_2"])
    features, target = (vgg(picture)["relu4_2"] for picture in ((sharp, blurred) if swapped else (blurred, sharp)))
    return losses.content_loss(features, target, form)


EXERCISES: dict[str, Value | Function] = {
    # 01 first-transfer
    "ex-first-unknowns": Value(
        expected=lambda: torch.empty(1, 3, 480, 640).numel(),
        slips={
            "Each pixel has a red, a green and a blue value, and each of them can move.": lambda: 480 * 640,
            "Pixels are rows times columns; you added them.": lambda: 3 * (480 + 640),
        },
        tolerance=0.0,
    ),
    "ex-first-deepest": Value(
        expected=_deepest,
        slips={
            "That is where the content is read. Where is the style?": lambda: next(
                iter(recipes.get("fast").content_layers)
            )
        },
    ),
    "ex-first-content-loss": Function(
        expected=lambda features, target: losses.content_loss(features, target, "half_sum"),
        inputs=_features,
        slips={
            "You forgot the one half.": lambda f, p: losses.content_loss(f, p, "sum"),
            "The paper takes the sum, not the mean.": lambda f, p: losses.content_loss(f, p, "mean") / 2,
            "The paper takes half the sum, not the mean.": lambda f, p: losses.content_loss(f, p, "mean"),
            "This one is relative: the paper does not divide by the target.": lambda f, p: losses.content_loss(
                f, p, "relative"
            ),
            "The differences must be squared.": lambda f, p: (f - p).sum() / 2,
            "Squared, not absolute, differences.": lambda f, p: (f - p).abs().sum() / 2,
        },
    ),
    "ex-first-jump": Value(
        expected=_enlarging,
        slips={
            "The sharp photograph is the target: divide by the squares of its features.": lambda: _enlarging(
                swapped=True
            ),
            "Use the form that the recipe uses: form='relative'.": lambda: _enlarging("mean"),
            "Use the form that the recipe uses: form='relative', not the sum.": lambda: _enlarging("sum"),
        },
        tolerance=0.02,
    ),
}
