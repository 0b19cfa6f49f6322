"""The directive `live` in a small book: what stands in the page, and what the page loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import styletut_book
from sphinx.application import Sphinx

LIVE = """```{live} texture

Which *layers*?

Tick some.

As a still picture: Fig. 1.
```"""


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Build a book of two pages, and return its pages as HTML and its warnings."""
    for late in ("add_offline_scripts", "add_painter"):  # they copy what is not looked at here
        monkeypatch.setattr(styletut_book, late, lambda app, exception: None)

    def built(text: str) -> tuple[str, str, str]:
        (tmp_path / "index.md").write_text(f"# One\n\n{text}\n\n```{{toctree}}\nother\n```\n", encoding="utf-8")
        (tmp_path / "other.md").write_text("# Other\n\nNothing.\n", encoding="utf-8")
        warnings = tmp_path / "warnings.txt"
        with warnings.open("w", encoding="utf-8") as said:
            app = Sphinx(
                tmp_path,
                None,
                tmp_path / "html",
                tmp_path / "trees",
                "html",
                confoverrides={
                    "extensions": ["myst_parser", "sphinx.ext.autodoc", "styletut_book"],
                    "html_theme": "basic",
                },
                status=None,
                warning=said,
            )
            app.build()
        pages = [(tmp_path / "html" / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "other")]
        return pages[0], pages[1], warnings.read_text(encoding="utf-8")

    return built


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
