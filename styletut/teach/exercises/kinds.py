"""What an exercise can be: a value or a function, with its usual mistakes.

The right answer is never written down as a number: the package computes it when an answer is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor


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

    def table(self) -> dict[str, Any]:
        """The same as plain numbers and words, for a page that judges by itself."""
        slips = [[hint, _plain(slip())] for hint, slip in self.slips.items()]
        return {"wanted": _plain(self.expected()), "tolerance": self.tolerance, "slips": slips}


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
                value, gradient = self._try(answer, arguments)
            except Exception as error:  # any error of the reader's code is the verdict
                return f"It raised {type(error).__name__}: {error}"
            wanted, wanted_gradient = self._try(self.expected, arguments)
            wrong = _mismatch(value, wanted, self.tolerance)
            if wrong is not None:
                return next((hint for hint, slip in self.slips.items() if self._is(value, slip, arguments)), wrong)
            if self.gradient and gradient is None:
                return "The value is right, but no gradient flows: is there .item(), .detach() or NumPy in it?"
            if self.gradient and _mismatch(gradient, wanted_gradient, self.tolerance) is not None:
                return "The value is right, but its gradient is not: is a part of it detached?"
        return None

    def _try(self, function: Callable[..., Any], arguments: tuple[Tensor, ...]) -> tuple[Any, Tensor | None]:
        """The function's value, and its gradient where there is one."""
        first, *rest = (argument.clone() for argument in arguments)
        value = function(first.requires_grad_(self.gradient), *rest)
        if not (isinstance(value, Tensor) and value.requires_grad):
            return value, None
        (gradient,) = torch.autograd.grad(value.sum(), first, allow_unused=True)
        return value.detach(), gradient

    def _is(self, value: Any, slip: Callable[..., Tensor], arguments: tuple[Tensor, ...]) -> bool:
        return _mismatch(value, self._try(slip, arguments)[0], self.tolerance) is None


def random_features(generator: Generator) -> tuple[Tensor, Tensor]:
    """Features and a target of one random shape (1, N, h, w), no two sides equal."""
    shape = (1, *(torch.randperm(4, generator=generator)[:3] + 3).tolist())
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


def _mismatch(answer: Any, wanted: Any, tolerance: float) -> str | None:
    """How ``answer`` differs from ``wanted``, in words that do not tell what is wanted; None if it does not."""
    if isinstance(wanted, str):
        if not isinstance(answer, str):
            return f"A word in quotes is asked for, not {_kind(answer)}."
        return None if answer.strip().casefold() == wanted.casefold() else f"It is not {answer!r}."
    try:
        given = torch.as_tensor(answer).detach().double().cpu()
    except (TypeError, ValueError, RuntimeError):
        kind = "tensor" if isinstance(wanted, Tensor) and wanted.dim() else "number"
        return f"A {kind} is asked for, not {_kind(answer)}."
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


def _plain(value: Any) -> Any:
    """A word, a number, or lists of numbers, as `_mismatch` compares them."""
    return value if isinstance(value, str) else torch.as_tensor(value).detach().double().tolist()


def _kind(value: Any) -> str:
    return "a function" if callable(value) else f"{type(value).__name__} {value!r}"
