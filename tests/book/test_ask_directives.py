"""The directives `predict`, `exercise` and `exercise-list` in a small book: what stands in the page."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from styletut.teach.exercises import EXERCISES

BOOK = Path(__file__).parents[2] / "book"

PREDICT = """```{predict}
Look at *this*.

Which?

- [ ] One
- [x] Two *more*
- [ ] Three

It was the second.
```"""

SKETCH = """```{predict}
:sketch: 08/front
:where: content = cat, variation = 0.0
:x: content weight = weight
:y: style loss = style loss
:range: 0 to 0.4

How does it grow?

Like this.
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


def curves(page: str) -> list[dict[str, Any]]:
    """The axes and values of all sketches of a page."""
    return [json.loads(html.unescape(text)) for text in re.findall(r'class="sketch" data-sketch="([^"]*)"', page)]


def stored(experiment: str) -> Any:
    return json.loads((BOOK / "results" / experiment / "results.json").read_text(encoding="utf-8"))["numbers"]


def test_a_sketch_is_axes_and_the_stored_values(built: Any) -> None:
    page, other, warnings = built(SKETCH)
    assert warnings == "" and "ask.js" in page and "ask.js" not in other
    rows = [row for row in stored("08/front") if row["content"] == "cat" and row["variation"] == 0]
    assert curves(page) == [
        {
            "x": "content weight",
            "y": "style loss",
            "places": ["0.02", "0.05", "0.1", "0.2", "0.5", "1.0", "2.0"],
            "range": [0, 0.4],
            "measured": [row["style loss"] for row in rows],
        }
    ]
    box = page.partition('id="predict-0"')[2].partition("</details>")[0]
    assert "<legend>How does it grow?</legend>" in box and "<p>Like this.</p>" in box.partition("<details")[2]
    assert "<noscript><p>Sketch it on paper, then look at the figure.</p></noscript>" in box and "<textarea" not in box


def test_the_sketches_of_the_chapters_are_the_stored_curves(built: Any) -> None:
    asked = []
    for path in sorted(BOOK.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            asked += re.findall(r"^```\{predict\}\n(?::.*\n)+\n.*\n", cell.source, re.M)
    page, _, warnings = built("\n\n".join(f"{head}\nThis.\n```" for head in asked))
    assert warnings == ""
    depth = [row["edges"] for row in stored("07/depth")["rebuilt"] if row["photo"] == "astronaut"]
    front = [row for row in stored("08/front") if row["content"] == "coffee" and row["variation"] == 0]
    assert [curve["measured"] for curve in curves(page)] == [depth, [row["style loss"] for row in front]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SKETCH.replace("08/front", "08/back"), "this sketch has no curve: ExperimentError"),
        (SKETCH.replace("= weight", "= width"), "this sketch has no curve: KeyError: 'width'"),
        (SKETCH.replace("0 to 0.4", "0.4"), "this sketch has no curve: ValueError"),
        (SKETCH.replace("= cat", "= dog"), "a sketch has 5 to 8 values from 0 to 0.4, not []"),
        (SKETCH.replace("0 to 0.4", "0 to 0.2"), "a sketch has 5 to 8 values from 0 to 0.2"),
        (without(SKETCH, ":x: content weight = weight\n"), "a sketch needs x"),
        (SKETCH.replace("Like", "- [x] So\n\nLike"), "a sketch has no options"),
    ],
)
def test_a_sketch_that_is_none_is_a_warning(built: Any, text: str, message: str) -> None:
    assert message in built(text)[2]


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
