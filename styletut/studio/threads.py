"""Threads that compute with torch, and that a program can end with."""

from __future__ import annotations

import atexit
import threading
import time
from pathlib import Path

_started: set[int] = set()


class Thread(threading.Thread):
    """A thread that runs backward passes.

    torch keeps a Python object for every thread that ran one, and lets go of it when the system's thread ends. That
    is after Python takes the thread for ended: a program that ends in between is aborted by glibc
    (https://github.com/pytorch/pytorch/issues/117762; Python 3.13 joins the system's threads). So Python waits for
    these threads, as they are no daemons, and then for what is left of them.
    """

    def start(self) -> None:
        """As `threading.Thread.start`."""
        super().start()
        _started.difference_update([number for number in tuple(_started) if not _is_left(number)])
        if self.native_id is not None:
            _started.add(self.native_id)


def is_ending() -> bool:
    """Whether Python waits for its threads in order to end: they should come to their ends."""
    return not threading.main_thread().is_alive()


def _is_left(number: int) -> bool:
    return Path(f"/proc/self/task/{number}").exists()  # elsewhere than on Linux a thread's end aborts nothing


@atexit.register  # what is registered is called after Python waited for its threads
def _wait(seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while any(map(_is_left, _started)) and time.monotonic() < until:
        time.sleep(0.001)
