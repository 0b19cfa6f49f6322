"""What the wheel carries of the book: its experiments, and of their results all but the large pictures.

A build hook of hatchling. An editable installation needs no copies: `styletut.teach.experiments.home` finds the book.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGET = "styletut/teach/book"


def travelling(book: Path) -> list[Path]:
    """The files of ``book`` that travel."""
    results = [path for path in (book / "results").rglob("*") if path.is_file() and "large" not in path.parts]
    return sorted([*(book / "experiments").glob("*.py"), *results])


class WheelFiles(BuildHookInterface):
    """Adds them to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is built; ``version`` is ``standard`` or ``editable``."""
        if version != "editable":
            book = Path(self.root) / "book"
            files = {str(path): f"{TARGET}/{path.relative_to(book).as_posix()}" for path in travelling(book)}
            build_data["force_include"] |= files
