"""Every error that a user can cause, each with a message of one line that says what to do."""

from __future__ import annotations

import contextlib
import difflib
import sys
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path


class StyletutError(Exception):
    """Base of all errors that styletut raises on purpose; the command line prints it without a traceback."""

    def __str__(self) -> str:
        return printable(super().__str__())  # whatever path or metadata it quotes


class ImageError(StyletutError, ValueError):
    """A picture could not be read, written, resized or used."""


class ImageFileError(ImageError):
    """The file is missing, a folder, or may not be read or written."""


class NotAPictureError(ImageError):
    """The data are not a picture in any format that is read here."""


class TruncatedImageError(ImageError):
    """The picture is cut off or damaged."""


class AnimatedImageError(ImageError):
    """The file holds several frames or pages, and which one is meant is not said."""


class TooManyPixelsError(ImageError):
    """The picture has, or would get, more pixels than the limit, or takes more memory than allowed."""


class EmptyImageError(ImageError):
    """The file has no bytes, or the picture no pixels."""


class SampleError(StyletutError, ValueError):
    """No sample picture has that name."""


class LayerError(StyletutError, ValueError):
    """No layer of the network has that name."""


class WeightsError(StyletutError, ValueError):
    """Weights could not be found, read or used."""


class LossError(StyletutError, ValueError):
    """A loss was asked for in a form that does not exist, or of tensors that do not fit."""


class RecipeError(StyletutError, ValueError):
    """A recipe has a field or a value that means nothing."""


class DeviceError(StyletutError, ValueError):
    """The device does not exist here, or its name is not one."""


class CheckpointError(StyletutError, ValueError):
    """A saved run could not be read or does not fit."""


class DivergenceError(StyletutError, ArithmeticError):
    """The optimisation diverged before there was any picture worth keeping."""


class CheckpointWarning(UserWarning):
    """A run could not be saved while it runs, and goes on."""


class TilingWarning(UserWarning):
    """Memory ran out, and a run goes on in tiles."""


class DivergenceWarning(UserWarning):
    """A run diverged, or ended far above its best loss, and was put back to its best picture."""


class SizeWarning(UserWarning):
    """A picture gets another size than was asked for."""


_PACKAGE = str(Path(__file__).parent)


def warn(message: str, category: type[UserWarning]) -> None:
    """Warn at the line that called the package, however deep within it the warning arises."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_PACKAGE, contextlib.__file__)):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def printable(text: str, keep: str = "") -> str:
    r"""``text`` with everything that could steer a terminal, or reorder what it shows, written as an escape.

    Control characters (a newline too), line separators, lone surrogates and invisible format characters such as those
    that turn the direction of text; the joiners that some scripts and emoji need stay.

    Args:
        keep: characters to let through nonetheless, such as the newline of a text of several lines.

    >>> print(printable("red: \x1b[31m, photo\u202egnp.exe, naïve 星"))
    red: \x1b[31m, photo\u202egnp.exe, naïve 星
    """
    keep += "\u200c\u200d"
    return "".join(
        letter
        if letter in keep or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def shown(value: object, limit: int = 80) -> str:
    """A value as Python writes it, in one line and cut short, for messages; whatever it is, this does not fail.

    >>> shown(float("nan")), shown([0] * 1000, 20)
    ('nan', '[0, 0, 0, 0, 0 ...')
    """
    try:
        # A long text is cut before it is written out, which takes time and memory.
        text = " ".join(repr(value[: limit + 1] if isinstance(value, (str, bytes)) else value).split())
    except Exception:  # a `__repr__` may raise anything, and Python refuses to write integers of thousands of digits
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 4].rstrip(', ')} ..."


def nearest(name: object, choices: Iterable[str]) -> str | None:
    """The choice that is spelt most like ``name``; None where none is near, or the name is no text.

    >>> nearest("relu4_9", ["relu4_1", "pool4"])
    'relu4_1'
    """
    matches = difflib.get_close_matches(name, choices, n=1, cutoff=0.6) if isinstance(name, str) else []
    return matches[0] if matches else None


def did_you_mean(kind: str, name: object, choices: Iterable[str]) -> str:
    """Say that ``name`` is unknown, which of ``choices`` is nearest, and what there is.

    >>> did_you_mean("layer", "relu4_9", ["relu4_1", "pool4"])
    "unknown layer 'relu4_9': did you mean 'relu4_1'? Choose from relu4_1, pool4"
    """
    choices = list(choices)
    near = nearest(name, choices)
    hint = f"did you mean {near!r}? " if near else ""
    return f"unknown {kind} {shown(name)}: {hint}Choose from {', '.join(choices)}"
