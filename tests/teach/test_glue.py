"""Numbers of a run reach the text of a chapter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from styletut.teach.glue import PREFIX, glue


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: calls.append((data, options)))
    return calls


@pytest.mark.parametrize("value", [2.5, torch.tensor(2.5), np.float64(2.5)], ids=["float", "torch", "numpy"])
def test_a_number_is_stored_plainly_and_unseen(value: Any, shown: list[tuple[Any, dict[str, Any]]]) -> None:
    glue("seconds", value)
    [(data, options)] = shown
    assert data == {PREFIX + "text/plain": "2.5"}
    assert options == {"raw": True, "metadata": {"scrapbook": {"name": "seconds", "mime_prefix": PREFIX}}}


def test_the_book_reads_what_glue_stores(shown: list[tuple[Any, dict[str, Any]]]) -> None:
    glue_of_the_book = pytest.importorskip("myst_nb.ext.glue")
    assert glue_of_the_book.GLUE_PREFIX == PREFIX
    glue("name", "relu4_2")
    assert shown[0][0][PREFIX + "text/plain"] == "'relu4_2'"
