"""The folder that a script writes to: created and checked before anything is measured, so that no result is lost."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def folder(path: str | Path) -> Path:
    """The folder, made if it is missing; the script ends in one line if nothing can be written there."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        sys.exit(f"cannot write to {folder}: {error.strerror}; nothing was measured")
    return folder
