"""Where a picture is read from, and where it is written to: paths and open files, with errors that say what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from ..errors import EmptyImageError, ImageError, ImageFileError
from .decoders import reason


def as_path(source: Any, wanted: str) -> Path:
    """``source`` as a path; if it is none, the error says what is ``wanted``."""
    if not isinstance(source, (str, os.PathLike)):
        raise ImageError(f"expected {wanted}, got {type(source).__name__}")
    return Path(os.fsdecode(source))


@contextmanager
def opened(source: Any) -> Iterator[tuple[IO[bytes], str]]:
    """A stream that can be rewound, and the name that errors call it by."""
    if hasattr(source, "read"):
        name = repr(str(getattr(source, "name", "the open file")))
        try:
            content = source.read()
        except (OSError, ValueError) as error:
            raise ImageFileError(f"cannot read {name} ({reason(error)}): open it again with mode 'rb'") from error
        if not isinstance(content, bytes):
            raise ImageError(f"{name} is open as text: open it with mode 'rb'")
        if not content:
            raise EmptyImageError(f"{name} is empty, or was read to its end already: open it again")
        yield BytesIO(content), name
        return
    if isinstance(source, str) and re.match(r"(?i)[a-z][a-z0-9+.-]+://|data:", source):
        raise ImageError(f"{source[:200]!r} is an address, not a file: download it first, then give the file's path")
    path = as_path(source, "a path, a binary file, a PIL image, an array or a picture tensor")
    name = repr(str(path))
    try:
        if path.is_dir():
            raise ImageFileError(f"{name} is a folder: name a picture in it")
        stream: IO[bytes] = path.open("rb")
    except FileNotFoundError:
        raise ImageFileError(f"there is no file {name} (looked in {str(Path.cwd())!r}): check the path") from None
    except PermissionError:
        raise ImageFileError(f"no permission to read {name}: change its permissions or copy it") from None
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageFileError(f"cannot open {name} ({reason(error)}): check the path") from error
    with stream:
        first = stream.read(1)
        if not first:
            raise EmptyImageError(f"{name} is empty (0 bytes): get the file again")
        if stream.seekable():
            stream.seek(0)
            yield stream, name
        else:  # a pipe
            yield BytesIO(first + stream.read()), name
