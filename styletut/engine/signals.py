"""Ctrl-C, and SIGTERM and SIGHUP with it: a run ends after its step, and what is being saved is saved whole."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

_ASKING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_active: Interrupts | None = None


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Interrupts:
    """What a signal does. At first it raises `KeyboardInterrupt`; see `run` and `save`."""

    def __init__(self, say: Callable[[str], object] = _tell) -> None:
        self.asked = False
        """Whether there was a signal."""
        self.say = say
        """What tells the user to wait."""
        self._stop: Callable[[], object] | None = None
        self._saving = self._said = False

    def run(self, stop: Callable[[], object]) -> None:
        """From now on a signal calls ``stop``, and only Ctrl-C after another signal is a `KeyboardInterrupt`."""
        self._stop, self._saving = stop, False

    def save(self) -> None:
        """From now on a signal ends nothing."""
        self._saving = True

    def release(self) -> None:
        """From now on a signal is a `KeyboardInterrupt`."""
        self._stop, self._saving = None, False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if self._saving:
            if not self._said:
                self._said = True
                with suppress(Exception):  # it may have come in the middle of another print
                    self.say("saving…")
        elif self._stop is None:
            raise KeyboardInterrupt
        elif again and signum == signal.SIGINT:
            self._saving = True  # here, so that no third one can come before the saving
            raise KeyboardInterrupt
        else:
            self._stop()


def current() -> Interrupts:
    """What signals do here; outside of `handled` one that none reaches."""
    mine = threading.current_thread() is threading.main_thread()
    return _active if _active is not None and mine else Interrupts()


@contextmanager
def handled(say: Callable[[str], object] = _tell) -> Iterator[Interrupts]:
    """Within it signals do what its `Interrupts` say: those of an outer call, where there is one.

    A signal that is ignored (Ctrl-C in a shell's background, SIGHUP under nohup) stays so, and a program's own handler
    of SIGTERM or SIGHUP stays in place. After an inner call that ended well with a run to save, saving goes on: whoever
    made the outer call has not written the picture yet.
    """
    global _active
    if threading.current_thread() is not threading.main_thread():
        yield Interrupts(say)  # only the main thread hears signals
        return
    if _active is not None:
        outer = _active
        before = outer._stop, outer._saving
        try:
            yield outer
        except BaseException:
            outer._stop, outer._saving = before
            raise
        if before[0] is not None:
            outer._stop, outer._saving = before
        return
    interrupts = Interrupts(say)
    replaced = _install(interrupts)
    try:
        yield interrupts
    finally:
        interrupts.save()  # until the last handler, Ctrl-C's, is back
        _active = None
        for number in reversed(replaced):
            signal.signal(number, replaced[number])


def hold() -> None:
    """`handled` to the end of the program."""
    if _active is None and threading.current_thread() is threading.main_thread():
        _install(Interrupts())


def _install(interrupts: Interrupts) -> dict[int, Any]:
    """The handlers that were there before."""
    global _active
    _active = interrupts
    interrupts.save()  # until all handlers are known to have been replaced
    replaced: dict[int, Any] = {}
    for number in _ASKING:
        now = signal.getsignal(number)
        if now is signal.SIG_DFL or (number == signal.SIGINT and now not in (signal.SIG_IGN, None)):
            replaced[number] = signal.signal(number, interrupts)
    interrupts.release()
    return replaced
