"""Where a script writes, made and tried before anything is measured: minutes of work must not end there."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def folder(path: str | Path) -> Path:
    """The folder, made if it is missing; the script ends in one line if nothing can be written there."""
    found = Path(path)
    try:
        found.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=found):
            pass
    except OSError as error:
        sys.exit(f"cannot write to {found}: {error.strerror}; nothing was measured")
    return found
