"""Atomic writing: at any moment there is the old file or the complete new one, never a part of it."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """A binary file to write to, which takes the place of ``path`` when the block ends without an error.

    What is written goes to a temporary file in the same folder, is flushed to the disk and then renamed; on any
    failure, Ctrl-C included, it is removed and ``path`` is as it was. A process that is killed leaves its temporary
    file behind: the next one that writes to the same path removes it, unless its writer is still running.

    The new file gets the permissions of the one it replaces. A symbolic link is replaced itself: the file that it leads
    to is never overwritten.

    Args:
        path: in a folder that exists.
        overwrite: False refuses when ``path`` exists, also when it appears only while the block runs.

    Raises:
        FileExistsError: ``path`` exists and must not be replaced.
        OSError: the folder cannot be written; nothing has changed then.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_file(Path(folder) / "greeting.txt") as stream:
    ...         _ = stream.write(b"hello")
    ...     print((Path(folder) / "greeting.txt").read_text())
    hello
    """
    path = Path(path)
    if not overwrite:
        _refuse_existing(path)
    _sweep(path)
    temporary, stream = _temporary(path)
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if overwrite:
            if path.is_file() and not path.is_symlink():
                shutil.copymode(path, temporary)
            os.replace(temporary, path)
        else:
            _place(temporary, path)
    except BaseException:  # Ctrl-C too
        with suppress(OSError):
            temporary.unlink()
        raise


def write_atomically(path: str | os.PathLike[str], content: bytes, *, overwrite: bool = True) -> None:
    """Write a whole file by ``atomic_file``.

    Raises:
        FileExistsError: it exists and must not be replaced.
        OSError: the folder cannot be written; nothing has changed then.
    """
    with atomic_file(path, overwrite=overwrite) as stream:
        stream.write(content)


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _place(temporary: Path, path: Path) -> None:
    """Rename, but never over a file that exists."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: reserve the name first
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(temporary, path)
    else:
        temporary.unlink()


def _prefix(path: Path) -> str:
    """How the names of all temporary files for one target begin: short, as the target's own name may be long."""
    return f".styletut-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]}-"


def _temporary(path: Path) -> tuple[Path, IO[bytes]]:
    while True:
        temporary = path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}.tmp")
        stream = temporary.open("xb")  # permissions by umask, as for any new file
        if fcntl is not None:  # locked while the writer runs: the system frees it however the process ends
            with suppress(OSError):
                fcntl.flock(stream, fcntl.LOCK_EX)
        if temporary.exists():  # not swept away by another writer before it was locked
            return temporary, stream
        stream.close()


def _sweep(path: Path) -> None:
    """Remove the temporary files that killed processes left while writing this file."""
    with suppress(OSError):
        for leftover in path.parent.glob(f"{_prefix(path)}*.tmp"):
            with suppress(OSError):
                if fcntl is None:
                    leftover.unlink()
                elif leftover.is_file():
                    with leftover.open("rb") as stream:
                        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        leftover.unlink()
