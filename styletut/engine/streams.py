"""Where output goes, and printing that never ends a run."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Any, TextIO


class Unbreakable:
    """A text stream that drops what cannot be shown, and everything after it: on a closed pipe, on a full disk.

    ``error`` is why, once it has happened. ``None`` is what Python has for a stream that was closed from the start.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.error: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        if self._stream is None:
            self.error = self.error or OSError(errno.EBADF, os.strerror(errno.EBADF))
        elif self.error is None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self.error = error
        return len(text)

    def flush(self) -> None:
        if self._stream is not None and self.error is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self.error = error

    def close(self) -> None:
        """Flush; if that could not be, let go of what waits to be printed, or Python would fail on it at its end."""
        self.flush()
        if self.error is not None and self._stream is not None:
            with suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __eq__(self, other: object) -> bool:
        # tqdm fills the width of a terminal if what it writes to is sys.stderr.
        return self is other or self._stream == other

    def __hash__(self) -> int:
        return hash(self._stream)


def fill_closed() -> None:
    """Open what is closed of the three standard streams: a file would get its number, and what libraries print."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


def kernel_runs() -> bool:
    """Whether this is a notebook's kernel."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None
