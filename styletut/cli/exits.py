"""How the command ends: its exit codes, and an error as one line."""

from __future__ import annotations

import sys
import traceback

from ..errors import DivergenceError, StyletutError
from .printing import complain

MISTAKE, INCOMPLETE, BUG, INTERRUPTED = 1, 3, 70, 130
EXIT_CODES = """\
exit codes:
  0    everything was done
  1    something you gave does not work; one line says what, and nothing was
       written
  2    the command was not understood
  3    not all went well, and a line says what: a run diverged (its best picture
       was saved), some of several pictures failed, or a picture was saved under
       another name than was asked for, or something beside it was not saved
  70   a bug in styletut
  130  interrupted with Ctrl-C, SIGTERM or SIGHUP (the best picture so far was
       saved)
"""
OUT_OF_MEMORY = "out of memory: choose a smaller --size, or --precision bfloat16"
_INSTALL_TORCH = "https://pytorch.org/get-started/locally"


def explain(error: Exception) -> int:
    """Say in one line what went wrong, and give the exit code."""
    if isinstance(error, StyletutError):
        complain(error)
        return INCOMPLETE if isinstance(error, DivergenceError) else MISTAKE
    if is_out_of_memory(error):
        complain(OUT_OF_MEMORY)
    elif _torch_is_missing(error):
        complain(f"torch cannot be imported ({error}): install it as {_INSTALL_TORCH} says")
    elif isinstance(error, ImportError):
        complain(f"{error}: the installation is damaged, install styletut again")
    elif isinstance(error, OSError):
        complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    else:
        complain(f"this is a bug, {type(error).__name__}: {error}; please report what --debug prints{_issues()}")
        return BUG
    return MISTAKE


def reason(error: Exception) -> str:
    """An error's message; running out of memory reads the same on each device."""
    return OUT_OF_MEMORY if is_out_of_memory(error) else str(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, here or on a device."""
    memory = sys.modules.get("styletut.engine.memory")  # importing it imports torch, which may be what failed
    return isinstance(error, MemoryError) or (memory is not None and memory.is_exhausted(error))


def _torch_is_missing(error: Exception) -> bool:
    """Whether importing torch is what failed, whatever it raised."""
    frames = (frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__))
    return "torch" not in sys.modules and (getattr(error, "name", None) == "torch" or "torch" in frames)


def _issues() -> str:
    """Where to report a bug."""
    from importlib.metadata import metadata

    links = dict(link.split(", ", 1) for link in metadata("styletut").get_all("Project-URL") or ())
    return f" at {links['Issues']}" if "Issues" in links else ""
