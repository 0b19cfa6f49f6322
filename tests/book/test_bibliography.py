"""References are labelled by author and year, and no two alike: a reader finds the one that is meant."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import styletut_book
from pybtex.database import parse_file

ROOT = Path(__file__).parents[2]
ENTRIES = list(parse_file(ROOT / "book" / "references.bib").entries.values())


def test_no_two_references_have_the_same_label() -> None:
    labels = Counter(styletut_book.AuthorYearLabels().format_labels(ENTRIES))
    assert len(labels) == len(ENTRIES), [label for label, count in labels.items() if count > 1]
    assert not any(brace in label for label in labels for brace in "{}")
    assert labels["Gatys et al., 2015a"] == labels["Gatys et al., 2015b"] == 1


def test_every_reference_is_cited() -> None:
    texts = [path.read_text() for kind in ("*.md", "*.ipynb") for path in (ROOT / "book").glob(kind)]
    unused = [entry.key for entry in ENTRIES if not any(entry.key in text for text in texts)]
    assert unused == []
