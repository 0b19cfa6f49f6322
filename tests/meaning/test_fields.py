"""Fields that carry their help, choices and range: a dataclass made of them checks, describes and documents itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest

from styletut import fields
from styletut.errors import ImageError, RecipeError
from styletut.validation import LARGEST, as_list, check_choice, check_number, check_text, check_whole, describe_range

asked: list[str] = []


def names() -> list[str]:
    asked.append("names")
    return ["round", "flat"]


@fields.documented
@dataclass(frozen=True)
class Drawing:
    """How to draw."""

    title: str = fields.text("", "what it shows")
    width: float = fields.number(1, "width of the pen", above=0, maximum=9)
    lines: int = fields.whole(3, "number of lines", minimum=1, maximum=99, option=True)
    tip: str = fields.choice("round", "form of its tip", names, option=True, metavar="TIP")
    wet: bool = fields.flag(False, "whether it runs")

    def __post_init__(self) -> None:
        fields.check_fields(self)


def test_values_are_kept_as_their_checks_give_them() -> None:
    drawing = Drawing(width=2, lines=4.0)  # type: ignore[arg-type]
    assert (drawing.width, drawing.lines) == (2.0, 4) and type(drawing.width) is float and type(drawing.lines) is int
    assert dataclasses.replace(drawing, wet=True).wet


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"title": 5}, "title must be text, not 5"),
        ({"width": 0}, "width must be a number, above 0 and 9 at most, not 0"),
        ({"width": 9.5}, "width must be a number, above 0 and 9 at most, not 9.5"),
        ({"lines": 0}, "lines must be a whole number, 1 or more and 99 at most, not 0"),
        ({"lines": 100}, "lines must be a whole number, 1 or more and 99 at most, not 100"),
        ({"lines": 2.5}, "lines must be a whole number"),
        ({"tip": "flta"}, "unknown tip 'flta': did you mean 'flat'"),
        ({"wet": 1}, "wet must be true or false, not 1"),
    ],
)
def test_wrong_values_are_refused_with_a_reason(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        Drawing(**wrong)


def test_fields_describe_themselves() -> None:
    title, width, lines, tip, wet = fields.fields_of(Drawing)
    assert [field.allowed() for field in (title, width, lines, tip, wet)] == [
        "text",
        "a number, above 0 and 9 at most",
        "a whole number, 1 or more and 99 at most",
        "round or flat",
        "true or false",
    ]
    assert (width.minimum, width.maximum, width.exclusive, width.default, width.kind) == (0, 9, True, 1, "number")
    assert (tip.option, tip.metavar, tip.help, tip.choices) == (True, "TIP", "form of its tip", ("round", "flat"))
    assert lines.option and wet.option is False and wet.choices == ()


def test_choices_are_asked_for_only_when_they_are_needed() -> None:
    asked.clear()
    fields.fields_of(Drawing)
    assert not asked
    lines = (Drawing.__doc__ or "").splitlines()
    assert "    tip: Form of its tip. ``round`` or ``flat``; default ``round``." in lines and asked
    assert "    width: Width of the pen. A number, above 0 and 9 at most; default 1." in lines


def test_checks_raise_the_error_that_they_are_told_to() -> None:
    for check in (
        lambda: check_text("name", 1, ImageError),
        lambda: check_choice("name", 1, ["a"], ImageError),
        lambda: check_number("name", "1", error=ImageError),
        lambda: check_whole("name", 0.5, error=ImageError),
    ):
        with pytest.raises(ImageError, match="name"):
            check()


def test_numbers_have_no_bounds_unless_they_are_given() -> None:
    assert check_number("x", -1e300) == -1e300 and str(check_number("x", -0.0)) == "0.0"
    assert check_whole("n", LARGEST) == LARGEST
    assert (describe_range(None, None), describe_range(None, 2), describe_range(1, 2)) == (
        "",
        "2 at most",
        "1 or more and 2 at most",
    )
    with pytest.raises(RecipeError, match="x must be a number, finite, not inf"):
        check_number("x", float("inf"))


def test_lists_of_more_than_ten_thousand_entries_are_refused() -> None:
    assert as_list(range(10_000)) == list(range(10_000)) and as_list(range(10_001)) is None
    assert as_list({"a": 1}) is None and as_list(b"ab") is None and as_list(3) is None
