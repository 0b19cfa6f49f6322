"""Checks of values: each gives the value back as it is kept, or raises one line that says what it must be."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from .errors import RecipeError, StyletutError, did_you_mean, shown

LARGEST = 2**63 - 1
"""The largest whole number that PyTorch can count to."""


def check_text(name: str, value: object, error: type[StyletutError] = RecipeError) -> str:
    """Text.

    Raises:
        StyletutError: ``error``, if it is not.
    """
    if not isinstance(value, str):
        raise error(f"{name} must be text, not {shown(value)}")
    return value


def check_flag(name: str, value: object, error: type[StyletutError] = RecipeError) -> bool:
    """True or False, and nothing that merely counts as one of them.

    Raises:
        StyletutError: ``error``, if it is neither.
    """
    if not isinstance(value, bool):
        raise error(f"{name} must be true or false, not {shown(value)}")
    return value


def check_choice(name: str, value: object, choices: Iterable[str], error: type[StyletutError] = RecipeError) -> str:
    """One of the choices. An array, which compares to an array, is none of them.

    Raises:
        StyletutError: ``error``, with the choice that comes nearest and all that there are.

    >>> check_choice("pooling", "max", ["max", "average"])
    'max'
    """
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise error(did_you_mean(name, value, choices))
    return value


def check_number(
    name: str,
    value: object,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    exclusive: bool = False,
    error: type[StyletutError] = RecipeError,
) -> float:
    """A finite number in a range, as a float: equal recipes must not differ in how they are written.

    Args:
        exclusive: the minimum itself is not allowed.

    Raises:
        StyletutError: ``error``, if it is no such number.

    >>> check_number("share", 1, minimum=0, exclusive=True, maximum=1)
    1.0
    """
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # an integer of hundreds of digits
            number = float(value)
    low, high = (-math.inf if minimum is None else minimum), (math.inf if maximum is None else maximum)
    if not (math.isfinite(number) and low <= number <= high and not (exclusive and number == low)):
        bounds = describe_range(minimum, maximum, exclusive=exclusive) or "finite"
        raise error(f"{name} must be a number, {bounds}, not {shown(value)}")
    return number + 0.0  # no minus zero


def check_whole(
    name: str,
    value: object,
    minimum: int = 0,
    maximum: int = LARGEST,
    *,
    error: type[StyletutError] = RecipeError,
) -> int:
    """A whole number in a range, as an int; 3.0 is one, as JSON's readers and writers may have it.

    Raises:
        StyletutError: ``error``, if it is no such number.

    >>> check_whole("seed", 3.0)
    3
    """
    whole = isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
    number = int(value) if whole and not isinstance(value, bool) else minimum - 1  # type: ignore[call-overload]
    if not minimum <= number <= maximum:
        high = "below 2**63" if maximum == LARGEST else f"{maximum:,} at most"
        raise error(f"{name} must be a whole number, {minimum} or more and {high}, not {shown(value)}")
    return number


def describe_range(minimum: float | None, maximum: float | None, *, exclusive: bool = False) -> str:
    """A range in words; empty where there are no bounds.

    >>> describe_range(0, 1), describe_range(0, None, exclusive=True)
    ('0 or more and 1 at most', 'above 0')
    """
    low = "" if minimum is None else f"above {minimum:g}" if exclusive else f"{minimum:g} or more"
    high = "" if maximum is None else f"{maximum:g} at most"
    return " and ".join(filter(None, [low, high]))


def as_list(value: object, longest: int = 10_000) -> list[Any] | None:
    """The values of a list, tuple, array or anything like it; None if it is none, or is longer than ``longest``.

    >>> as_list((1, 2)), as_list("12"), as_list(itertools.count())
    ([1, 2], None, None)
    """
    if isinstance(value, (str, bytes, Mapping)):
        return None
    try:
        values = list(itertools.islice(value, longest + 1))  # type: ignore[call-overload]
    except TypeError:
        return None
    return values if len(values) <= longest else None
