"""What the command prints: results on stdout, everything else on stderr, nothing that could steer a terminal."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from ..errors import printable


def print_result(text: str) -> None:
    """Print what was asked for.

    Raises:
        OSError: nobody will see it, and not because the reader of a pipe has seen enough.
    """
    print(printable(text, keep="\n"), flush=True)
    error = getattr(sys.stdout, "error", None)
    if error is not None and not isinstance(error, BrokenPipeError):
        raise OSError(f"cannot print: {getattr(error, 'strerror', None) or error}")


def report(text: str) -> None:
    """Print what has been written, which may also be seen from the files."""
    print(printable(text), flush=True)


def say(text: str) -> None:
    """Print what goes on, which nothing depends on."""
    print(printable(text), file=sys.stderr, flush=True)


def notice(text: str) -> None:
    """Print a line on stderr that begins with the command's name."""
    say(f"styletut: {text}")


def complain(error: object, kind: str = "error") -> None:
    """Print an error, or a warning, in one line."""
    notice(f"{kind}: {' '.join(str(error).split())}")


@contextmanager
def short_warnings() -> Iterator[None]:
    """Warnings as one line each, without the source line that they come from."""

    def show(message: Warning | str, *rest: object) -> None:
        complain(message, "warning")

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def format_value(value: object) -> str:
    """A value of a recipe as --set takes it, but text and sizes without JSON's marks.

    >>> format_value((300, 500)), format_value("adam"), format_value(None)
    ('300x500', 'adam', 'null')
    """
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return f"{value[0]}x{value[1]}"
    return value if isinstance(value, str) else json.dumps(value)


def format_table(rows: Iterable[Sequence[str]]) -> str:
    """Rows as lines, in columns as wide as they need."""
    cells = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
