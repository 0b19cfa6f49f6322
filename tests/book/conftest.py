"""What the tests of the book share: a small book with the directives of the large one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import styletut_book
from sphinx.application import Sphinx


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Build a book of two pages, and return its pages as HTML and its warnings."""
    for late in ("add_offline_scripts", "add_painter"):  # they copy what is not looked at here
        monkeypatch.setattr(styletut_book, late, lambda app, exception: None)

    def built(text: str) -> tuple[str, str, str]:
        (tmp_path / "index.md").write_text(f"# One\n\n{text}\n\n```{{toctree}}\nother\n```\n", encoding="utf-8")
        (tmp_path / "other.md").write_text("# Other\n\nNothing.\n", encoding="utf-8")
        warnings = tmp_path / "warnings.txt"
        with warnings.open("w", encoding="utf-8") as stream:
            app = Sphinx(
                tmp_path,
                None,
                tmp_path / "html",
                tmp_path / "trees",
                "html",
                confoverrides={
                    "extensions": [
                        "myst_parser",
                        "sphinx.ext.autodoc",
                        "styletut_book",
                        "styletut_ask",
                        "styletut_example",
                        "styletut_gallery",
                    ],
                    "html_theme": "basic",
                },
                status=None,
                warning=stream,
            )
            app.build()
        pages = [(tmp_path / "html" / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "other")]
        # What is set up a second time in one process is not what is looked for.
        said = [line for line in warnings.read_text(encoding="utf-8").splitlines() if "while setting up" not in line]
        return pages[0], pages[1], "\n".join(said)

    return built
