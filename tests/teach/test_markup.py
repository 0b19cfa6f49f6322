"""The templates of interactive figures."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from teach_helpers import picture

from styletut.teach import markup
from styletut.teach.figures import divider

TEMPLATES = sorted((Path(markup.__file__).parent / "html").iterdir())
KINDS = ("divider", "frames", "hover", "grid")


def test_all_templates_are_used_and_nothing_of_their_comments_is_shown() -> None:
    markup.template.cache_clear()
    pages = [markup.template(f"{name}.html") for name in (*KINDS, "page", "keys")]
    whole = "".join(pages)
    assert "/*" not in whole and "<!--" not in whole and "include" not in whole
    for path in TEMPLATES:
        assert markup.template(path.name) in whole, f"{path.name} is in no figure"


@pytest.mark.parametrize("name", [path.name for path in TEMPLATES if path.suffix == ".css"])
def test_style_sheets_are_css_and_reach_nothing_outside_the_figure(name: str) -> None:
    tinycss2 = pytest.importorskip("tinycss2")
    rules = tinycss2.parse_stylesheet(markup.template(name), skip_comments=True, skip_whitespace=True)
    inner: list[Any] = []
    for rule in rules:
        assert rule.type in ("qualified-rule", "at-rule"), getattr(rule, "message", rule)
        nested = rule.type == "at-rule"
        inner += tinycss2.parse_rule_list(rule.content, skip_whitespace=True) if nested else [rule]
    for rule in inner:
        assert rule.type == "qualified-rule", getattr(rule, "message", rule)
        selectors = tinycss2.serialize(rule.prelude).split(",")
        assert all(selector.strip().startswith("#__ID__ ") or selector == "#__ID__" for selector in selectors)
        declarations = tinycss2.parse_declaration_list(rule.content, skip_comments=True, skip_whitespace=True)
        assert {declaration.type for declaration in declarations} == {"declaration"}


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.suffix == ".js"], ids=lambda path: path.name)
def test_scripts_are_javascript_as_they_stand(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to parse them")
    subprocess.run([node, "--check", path], check=True, capture_output=True)


def test_what_a_label_says_is_never_taken_for_a_placeholder() -> None:
    """Nor for a file to include."""
    labels = ("__ALT__ and __FIGURES__", "/* include keys.js */")
    shown = divider(picture(), picture(), labels, alt="__ID__").html
    assert all(f"<figcaption>{label}</figcaption>" in shown for label in labels)
    assert 'aria-label="__ID__"' in shown
