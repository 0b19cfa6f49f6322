"""The pictures of a run are saved: where they should go, or else where they can."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine import signals
from .exits import INCOMPLETE, INTERRUPTED, reason
from .files import Inputs, Output
from .printing import complain, notice, report

if TYPE_CHECKING:
    from torch import Tensor

    from ..transfer import Result


@dataclass(frozen=True, eq=False)
class Target:
    """Where a picture of a run is written."""

    output: Output
    snapshots: Path | None = None
    """The folder for its snapshots, if they are wanted."""
    alpha: Tensor | None = None
    """The transparency that is put back into it."""


def finish(paint: Callable[..., Result], targets: Sequence[Target], inputs: Inputs, args: argparse.Namespace) -> int:
    """Paint, with the options that painting and resuming share, save the pictures and give the exit code."""
    from .. import transfer
    from ..lowmem import distributed

    caught = signals.current()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "diverged", transfer.DivergenceWarning)  # `_conclude` says it
            result = paint(
                device=args.device or "auto",
                max_memory=args.max_memory,
                tile=args.tile,
                shared=args.shared,
                progress=not args.quiet and (args.show or True),
            )
        # From here on signals wait: `stylize` and `resume` leave it so.
        if args.shared and distributed.launched()[0] > 0:
            return 0 if result.stopped is None else INCOMPLETE  # the first process writes
        return _conclude(result, targets, inputs, args)
    finally:
        caught.release()


def _conclude(result: Result, targets: Sequence[Target], inputs: Inputs, args: argparse.Namespace) -> int:
    """Write the pictures of a run and their snapshots, say so, and give the exit code."""
    if not result.history:
        notice("interrupted before the first step; nothing was written")
        return INTERRUPTED
    replace = args.existing == "replace"
    if len(targets) < len(result.picture):  # a resumed batch
        targets = _numbered(targets[0], len(result.picture), replace)
    code, written = 0, []
    for i, target in enumerate(targets):
        path = _save(result, i, target, inputs, args.bits)
        written.append(path)
        code = code if path == target.output.path else INCOMPLETE
        if target.snapshots is not None and not _save_snapshots(result, i, target.snapshots, replace):
            code = INCOMPLETE
    if result.stopped == "interrupted":
        _report_interruption(result, written, args)
        return INTERRUPTED
    names = ", ".join(map(str, written))
    if result.stopped is not None:
        complain(f"{result.stopped}; the best picture before that is {names}", "warning")
    if not args.quiet:
        rows, columns = result.picture.shape[-2:]
        loss = f"{result.history[-1]['losses']['total']:.4g}"
        report(f"wrote {names} ({columns} x {rows}) in {result.seconds:.1f} s, loss {loss}")
    return INCOMPLETE if result.stopped else code


def _numbered(target: Target, count: int, replace: bool) -> list[Target]:
    """NAME-1, NAME-2 ...; the first keeps the folder for snapshots."""
    path = target.output.path
    outputs = [Output(path.with_stem(f"{path.stem}-{i}"), replace) for i in range(1, count + 1)]
    return [Target(output, None if i else target.snapshots) for i, output in enumerate(outputs)]


def _report_interruption(result: Result, written: list[Path], args: argparse.Namespace) -> None:
    again = ""
    if args.checkpoint is not None and _is_newer(args.checkpoint, args.started):
        again = f"; go on with: styletut resume {quoted(args.checkpoint)} -o {quoted(*written)}"
    steps = f"{len(result.history)} of {result.recipe.steps} steps"
    notice(f"interrupted after {steps}; the best picture so far is {', '.join(map(str, written))}{again}")


def _save(result: Result, i: int, target: Target, inputs: Inputs, bits: int) -> Path:
    """Save a picture of a run where it should go, or else where it can: what was computed is not to be lost.

    Raises:
        Exception: the first error, if it can be saved nowhere.
    """
    from .. import images

    one = dataclasses.replace(result, picture=result.picture[i : i + 1])
    output, alpha = target.output, target.alpha
    if alpha is not None:  # a run that was stopped at a coarse scale has a smaller picture
        alpha = images.resize(alpha.expand(1, 3, -1, -1), _size(one.picture), upscale=True)[:, :1]
    return save_somewhere(
        output, inputs, lambda path, replace: one.save(path, alpha, overwrite=replace, bits=bits), "the picture"
    )


def save_somewhere(output: Output, inputs: Inputs, write: Callable[[Path, bool], object], what: str) -> Path:
    """Write a file where it should go, or else where it can; ``write`` takes a path and whether it may be replaced.

    Raises:
        Exception: the first error, if it can be saved nowhere.
    """
    first: Exception | None = None
    for path in _places(output.path):
        try:
            inputs.refuse(path)  # again, for what has become of it during the run
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, output.replace and path == output.path)
        except Exception as error:
            first = first or error
            continue
        if first is not None:
            complain(f"{reason(first)}: {what} was saved as {str(path)!r} instead", "warning")
        return path
    assert first is not None
    raise first


def _places(path: Path) -> Iterator[Path]:
    """Where a picture is tried to be saved, best first; all but the first are names that are free."""
    yield path
    folders = [path.parent, Path()]
    with suppress(OSError):
        folders.append(Path(tempfile.gettempdir()))
    for suffix in dict.fromkeys((path.suffix, ".png")):  # a format may be at fault
        for folder in folders:
            names = (f"{path.stem}{number}{suffix}" for number in ("", *(f"-{i}" for i in range(2, 1000))))
            free = next((folder / name for name in names if not os.path.lexists(folder / name)), path)
            if free != path:
                yield free


def _save_snapshots(result: Result, i: int, folder: Path, replace: bool) -> bool:
    """Write the snapshots of a picture of a run; say so and go on if that cannot be."""
    from .. import images

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (_, snapshot) in enumerate(result.snapshots, start=1):
            # All at the size of the last: a film has one size.
            frame = images.resize(snapshot[i : i + 1], _size(result.picture), upscale=True)
            images.save_image(frame, folder / f"{number:04d}.png", overwrite=replace)
    except Exception as error:
        complain(f"not all snapshots were saved: {reason(error)}", "warning")
        return False
    return True


def _is_newer(name: str, moment: float) -> bool:
    """Whether a file was written after a moment."""
    try:
        return os.stat(name).st_mtime >= moment
    except OSError:
        return False


def quoted(*names: str | Path) -> str:
    """Names of files as a shell takes them."""
    return shlex.join(f".{os.sep}{name}" if str(name).startswith("-") else str(name) for name in names)


def _size(picture: Tensor) -> tuple[int, int]:
    return picture.shape[-2], picture.shape[-1]
