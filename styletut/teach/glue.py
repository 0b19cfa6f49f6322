"""Numbers of a run, for the text of a chapter: the book never types a number that was measured.

A cell calls ``glue("seconds", result.seconds)``; the text beside it quotes that with the role ``glue:text``, as
``seconds:.0f`` for no decimals. This is the storage format of ``myst_nb.glue``, without asking readers on Colab to
install a documentation builder.

The notebooks that readers run have the text with its numbers already in place. There, ``show`` stands in for ``glue``
and prints what this run has, which on another machine is something else.
"""

from __future__ import annotations

from ast import literal_eval
from typing import Any

PREFIX = "application/papermill.record/"


def glue(name: str, value: Any) -> None:
    """Store a value in the output of this notebook cell, unseen, for the text to quote by name.

    Numbers of torch and NumPy are stored as plain Python numbers, so that the text can format them.

    Args:
        name: what the text calls it; unique in the notebook.
        value: anything that can be displayed; usually a number or a short string.

    >>> from unittest import mock
    >>> with mock.patch("IPython.display.display") as display:
    ...     glue("side", 512)
    >>> display.call_args.args[0]
    {'application/papermill.record/text/plain': '512'}
    """
    from IPython.core.formatters import format_display_data  # only notebooks glue, and they have IPython
    from IPython.display import display

    data, metadata = format_display_data(_plain(value))
    metadata["scrapbook"] = {"name": name, "mime_prefix": PREFIX}
    display({PREFIX + kind: shown for kind, shown in data.items()}, raw=True, metadata=metadata)


def show(name: str, value: Any) -> None:
    """Print a value that the text quotes, under the name that ``glue`` would store it by.

    Args:
        name: what ``glue`` calls it.
        value: anything; numbers are rounded to four significant digits.

    >>> show("seconds", 65.81623998)
    seconds = 65.82
    """
    print(line(name, repr(_plain(value))), end="")


def line(name: str, stored: str) -> str:
    """The line that ``show`` prints, for a value as ``glue`` has stored it.

    >>> line("device", "'CPU'")
    'device = CPU\\n'
    """
    try:
        value = literal_eval(stored)
    except (SyntaxError, ValueError):
        value = stored
    return f"{name} = {value:.4g}\n" if isinstance(value, float) else f"{name} = {value}\n"


def _plain(value: Any) -> Any:
    """A number of torch or NumPy as one of Python's."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
