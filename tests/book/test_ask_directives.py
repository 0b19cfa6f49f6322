"""The directives `predict`, `exercise` and `exercise-list` in a small book: what stands in the page."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from styletut.teach.exercises import EXERCISES

PREDICT = """```{predict}
Look at *this*.

Which?

- [ ] One
- [x] Two *more*
- [ ] Three

It was the second.
```"""

EXERCISE = """```{exercise} Count the unknowns
:label: ex-first-unknowns
:difficulty: easy
:minutes: 2

How many?
```"""


def without(text: str, *lines: str) -> str:
    for line in lines:
        assert line in text
        text = text.replace(line, "")
    return text


def test_a_prediction_is_a_group_of_options_and_what_happens_is_folded(built: Any) -> None:
    page, other, warnings = built(PREDICT)
    box = page.partition('<div class="admonition tip styletut-predict" id="predict-0">')[2].partition("</details>")[0]
    before, options, outcome = re.split(r"<fieldset>|</fieldset>", box)
    assert '<p class="admonition-title">Predict</p>' in before and "<p>Look at <em>this</em>.</p>" in before
    assert "<legend>Which?</legend>" in options
    assert re.findall(r'<label class="option"><input type="radio" name="predict-0" value="(.)">', options) == [*"abc"]
    assert outcome.lstrip().startswith('<details class="outcome" data-right="b">')
    assert '<p class="right">b) Two <em>more</em></p>' in outcome and "<p>It was the second.</p>" in outcome
    assert "[x]" not in page and "[ ]" not in page
    assert "ask.js" in page and "ask.js" not in other
    assert "predict" not in warnings


def test_a_prediction_without_options_is_a_sentence(built: Any) -> None:
    page, _, _ = built("```{predict}\nWhat?\n\nThis.\n\nAnd that.\n```")
    box = page.partition('id="predict-0"')[2].partition("</details>")[0]
    assert "<legend>What?</legend>" in box and "data-right" not in box
    assert '<label class="sentence" for="predict-0-sentence">' in box and '<textarea id="predict-0-sentence"' in box
    assert "<p>This.</p>\n<p>And that.</p>" in box.partition("<details")[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PREDICT.replace("[x]", "[ ]"), "0 of the options are ticked, one must be"),
        (PREDICT.replace("[ ] One", "[x] One"), "2 of the options are ticked, one must be"),
        (PREDICT.replace("[ ] One", "One"), "an option begins with"),
        (without(PREDICT, "It was the second.\n"), "a prediction has a question"),
        (without(PREDICT, "Look at *this*.\n\nWhich?\n\n"), "a prediction has a question"),
    ],
    ids=["no right one", "two right ones", "no box", "no outcome", "no question"],
)
def test_a_prediction_that_is_none_is_a_warning(built: Any, text: str, message: str) -> None:
    assert message in built(text)[2]


def test_an_exercise_says_its_effort_and_a_number_is_checked_by_the_table_of_the_module(built: Any) -> None:
    page, _, warnings = built(EXERCISE)
    assert '<p class="effort">easy, 2 minutes</p>' in page and "ask.js" in page
    table = json.loads(html.unescape(page.partition('data-exercise="')[2].partition('"')[0]))
    assert table["wanted"] == 921600 and table["tolerance"] == 0
    assert [hint for hint, _ in table["slips"]] == list(EXERCISES["ex-first-unknowns"].slips)
    assert "exercise" not in warnings


@pytest.mark.parametrize("label", ["ex-first-content-loss", "ex-of-no-table"])
def test_a_function_and_an_open_question_are_not_checked_in_the_page(built: Any, label: str) -> None:
    page, _, _ = built(EXERCISE.replace("ex-first-unknowns", label))
    assert '<p class="effort">' in page and "data-exercise" not in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (without(EXERCISE, ":minutes: 2\n"), "an exercise needs a minutes"),
        (without(EXERCISE, ":difficulty: easy\n"), "an exercise needs a difficulty"),
        (EXERCISE.replace("easy", "trivial"), "choose from"),
    ],
)
def test_an_exercise_without_its_effort_is_a_warning(built: Any, text: str, message: str) -> None:
    assert message in built(text)[2]


def test_the_list_has_every_exercise_with_its_effort(built: Any) -> None:
    second = EXERCISE.replace("ex-first-unknowns", "ex-b").replace("Count the unknowns", "Two")
    second = second.replace("easy", "hard").replace("minutes: 2", "minutes: 40")
    page, _, _ = built(f"{EXERCISE}\n\n{second}\n\n```{{exercise-list}}\n```")
    table = page.partition('<table class="exercises')[2].partition("</table>")[0]
    rows = [re.findall(r"<p>(.*?)</p>", row) for row in table.split("</tr>")]
    cells = [[re.sub("<.*?>", "", cell) for cell in row] for row in rows]
    assert cells[:4] == [
        ["Exercise", "Difficulty", "Minutes"],
        ["One: 42 minutes in all"],
        ["Count the unknowns", "easy", "2"],
        ["Two", "hard", "40"],
    ]
    assert 'href="#ex-b"' in table
