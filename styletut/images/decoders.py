"""Pillow, libtiff and tifffile kept quiet: what is wrong with a file is one of our errors, in one line."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache

from PIL import Image, _imaging

from ..errors import AnimatedImageError, TruncatedImageError

_lock = threading.Lock()
_decoding, _settings = 0, ExitStack()

for _name in ("PIL", "tifffile"):  # what they log is printed only where the application wants it
    logging.getLogger(_name).addHandler(logging.NullHandler())


@contextmanager
def quiet() -> Iterator[None]:
    """Without Pillow's limit, its warnings, and what libtiff prints: ours are errors, of one line.

    All of these are settings of the whole process: off when the first of several threads comes, back after the last.
    """
    global _decoding, _settings
    with _lock:
        _decoding += 1
        if _decoding == 1:
            _settings = ExitStack()
            _settings.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.|tifffile")
            _settings.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = None
            for install in _libtiff_handlers():
                _settings.callback(install, install(None))
    try:
        yield
    finally:
        with _lock:
            _decoding -= 1
            if _decoding == 0:
                _settings.close()


@cache
def _libtiff_handlers() -> list[Callable[[int | None], int | None]]:
    """Functions that set what Pillow's libtiff does with errors and warnings: None is nothing, else it prints them."""
    setters = []
    with suppress(OSError, AttributeError):  # where libtiff is part of Pillow's own library they cannot be reached
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            function = getattr(library, name)
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
            setters.append(function)
    return setters


def reason(error: BaseException) -> str:
    """Why, on one line; decoders may quote what a damaged file holds, which is cut short."""
    text = " ".join(str(getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
    return text if len(text) <= 200 else f"{text[:200]} ..."


def animated_error(name: str) -> AnimatedImageError:
    """The error for a file of several frames or pages."""
    return AnimatedImageError(
        f"{name} is animated or has several pages: save the one you want by itself, or pass it as a PIL image"
    )


def damaged_error(name: str, error: Exception) -> TruncatedImageError:
    """The error for data that end early or make no sense to a decoder."""
    return TruncatedImageError(f"{name} is cut off or damaged ({reason(error)}): get the file again")
