"""Numbers of a run, for the text of a chapter: the book never types a number that was measured.

A cell calls ``glue("seconds", result.seconds)``; the text beside it quotes that with the role ``glue:text``, as
``seconds:.0f`` for no decimals. This is the storage format of ``myst_nb.glue``, without asking readers on Colab to
install a documentation builder.
"""

from __future__ import annotations

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

    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    data, metadata = format_display_data(value)
    metadata["scrapbook"] = {"name": name, "mime_prefix": PREFIX}
    display({PREFIX + kind: shown for kind, shown in data.items()}, raw=True, metadata=metadata)
