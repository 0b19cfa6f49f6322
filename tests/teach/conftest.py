"""A page of a real browser, and ipywidgets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open some HTML in a page; fails the test if the page asks for anything else, or has a script error."""
    contexts, requests, errors = [], [], []

    def visit(*parts: Any, inserted: bool = False, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 900, "height": 700}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        body = "".join(getattr(part, "html", part) for part in parts)
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text("<!doctype html><meta charset=utf-8><main>" + ("" if inserted else body), encoding="utf-8")
        page.goto(path.as_uri())
        if inserted:  # the way notebooks do it: scripts in innerHTML do not run by themselves
            page.evaluate(
                """html => {
                    const main = document.querySelector("main");
                    main.innerHTML = html;
                    for (const old of main.querySelectorAll("script")) {
                        const script = document.createElement("script");
                        script.textContent = old.textContent;
                        old.replaceWith(script);
                    }
                }""",
                body,
            )
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
