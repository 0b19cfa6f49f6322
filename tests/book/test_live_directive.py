"""The directives `live` and `prints` in a small book: what stands in the page, and what the page loads."""

from __future__ import annotations

import re
from typing import Any

import pytest

LIVE = """```{live} texture

Which *layers*?

Tick some.

As a still picture: Fig. 1.
```"""


def test_a_live_figure_is_placed_and_only_its_page_loads_the_script_that_offers_it(built: Any) -> None:
    page, other, warnings = built(LIVE)
    assert '<div aria-labelledby="live-texture-question" class="styletut-live" data-figure="texture"' in page
    assert '<p class="question" id="live-texture-question">Which <em>layers</em>?</p>' in page
    assert '<p class="doing">Tick some.</p>' in page and '<p class="still">As a still picture: Fig. 1.</p>' in page
    assert 'id="live-texture" role="group">' in page
    for file in ("painter/live.js", "painter/live.css"):
        assert page.count(file) == 1 and file not in other
    assert "live" not in warnings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LIVE.replace("texture", "sculpture"),
            "no live figure 'sculpture'; there are texture, losses, race, layers, depth, starts",
        ),
        (LIVE.replace("Tick some.\n\n", ""), "a live figure has three paragraphs"),
    ],
    ids=["no such figure", "no still picture"],
)
def test_a_live_figure_that_is_none_is_a_warning(built: Any, text: str, message: str) -> None:
    assert message in built(text)[2]


def test_what_a_command_prints_stands_in_the_page(built: Any) -> None:
    page, _, warnings = built("```{prints} styletut info --help\n```\n\n```{prints} styletut inof cat\n```")
    assert "<pre>usage: styletut info [options] PICTURE\n\nHow a picture was made" in re.sub("</?span[^>]*>", "", page)
    assert warnings.count("cannot show what 'styletut inof cat' prints") == 1 and "Traceback" not in warnings
