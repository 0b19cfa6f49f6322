"""The command ``styletut``: pictures, a recipe and options in; paintings out.

Every option of a run is a field of `Recipe`; its help, its choices and its default are the recipe's (`parser`). What is
decided here is only what a command has to decide: which files are read and written (`files`, `plan`), in which order
the work is done (`paint`, `save`, `resume`), and how it ends (`exits`). Anything that can be refused is refused before
any work, and torch is imported only once the options are known to make sense.
"""

from __future__ import annotations

import sys
import traceback
import typing
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout

from ..engine import signals, streams
from ..errors import printable
from . import paint, resume, sheet, show, studio, texture
from .exits import INTERRUPTED, explain
from .printing import notice, short_warnings

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "recipes": show.recipes_command,
    "layers": show.layers_command,
    "samples": show.samples_command,
    "info": show.info_command,
    "resume": resume.resume_command,
    "sheet": sheet.sheet_command,
    "studio": studio.studio_command,
    "texture": texture.texture_command,
}
"""What a first word stands for that is not a picture."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code; a user's mistake is one line on stderr, never a traceback.

    Args:
        argv: the arguments after ``styletut``; those of this process if not given.

    >>> main(["layers", "vgg99"])
    1
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    streams.fill_closed()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter shows another
            stream.reconfigure(errors="replace")
    out, err = streams.Unbreakable(sys.stdout), streams.Unbreakable(sys.stderr)
    shown = redirect_stdout(typing.cast(typing.TextIO, out)), redirect_stderr(typing.cast(typing.TextIO, err))
    with shown[0], shown[1], short_warnings(), signals.handled() as caught:
        caught.say = notice
        try:
            code = _run(argv)
            caught.save()
        except SystemExit as end:  # argparse: --help, --version, or not understood
            code = end.code if isinstance(end.code, int) else 0
        except KeyboardInterrupt:
            caught.save()  # one more must not interrupt this line
            notice("interrupted; nothing more was written")
            code = INTERRUPTED
        except Exception as error:
            if "--debug" in argv:
                print(printable(traceback.format_exc(), keep="\n"), file=sys.stderr)
            code = explain(error)
    out.close()
    err.close()
    return code


def _run(argv: list[str]) -> int:
    """The command that the first word names, if it is not an option that all commands have; else painting."""
    flags = {"-q", "--quiet", "--debug"}
    first = next((i for i, word in enumerate(argv) if word not in flags), None)
    if first is not None and argv[first] in COMMANDS:
        return COMMANDS[argv[first]](argv[:first] + argv[first + 1 :])
    return paint.paint_command(argv)
