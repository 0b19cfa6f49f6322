"""For every test of the command line: a folder of its own, and a narrow network."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_helpers import NARROW, draw


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A narrow network for `--weights random`, and a folder of one's own."""
    monkeypatch.setattr("styletut.weights.random_weights", NARROW)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pair() -> list[str]:
    """A photograph and a painting."""
    return [draw("photo.png", 1), draw("painting.png", 2)]
