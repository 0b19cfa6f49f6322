"""The files that the command reads and writes, and what can be known of them before any work."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, ImageError, StyletutError
from .manifest import read_manifest

if TYPE_CHECKING:
    from torch import Tensor

    from ..recipes import Recipe


# --- what is read ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A picture named on the command line: a file, or a sample by ``sample:NAME``."""

    name: str

    @property
    def sample(self) -> str | None:
        """The name of the sample, None for a file."""
        return self.name.removeprefix("sample:") if self.name.startswith("sample:") else None

    @property
    def file_name(self) -> str:
        """Its name without the folder."""
        return self.sample or Path(self.name).name

    @property
    def stem(self) -> str:
        """Its name without folder and suffix."""
        return self.sample or Path(self.name).stem

    def load(self, max_memory: int | None = None) -> Tensor:
        """The picture at its own size."""
        from .. import images, samples

        if self.sample is not None:
            return samples.load(self.sample)
        return images.load_image(self.name, max_memory=max_memory)

    def mask(self) -> Tensor:
        """What it says as a mask."""
        from ..control import masks

        return masks.read(self.name if self.sample is None else self.load(), f"the mask {self.name!r}")

    def load_for(self, recipe: Recipe, *, flatten: bool, max_memory: int | None) -> tuple[Tensor, Tensor | None]:
        """The picture and its transparency at the recipe's size: resized together, or edges would get a fringe."""
        from .. import images

        source = self.name if self.sample is None else self.load()
        options: dict[str, Any] = {"fit": recipe.fit, "upscale": recipe.upscale, "max_memory": max_memory}
        if flatten:
            return images.load_image(source, recipe.size, **options), None
        return images.load_image(source, recipe.size, alpha="keep", **options)


def exists(name: str) -> bool:
    """Whether a word names a sample, or a file or folder that is there. It takes no torch to see that."""
    return name.startswith("sample:") or os.path.exists(name)


def check_exists(name: str) -> None:
    """Refuse a file that is missing.

    Raises:
        ImageError: it is.
    """
    if not exists(name):
        hint = "" if "." in name or os.sep in name else " (`styletut samples` lists those that come along)"
        raise ImageError(f"there is no file {name!r}: check the path{hint}")


def pictures_in(name: str) -> list[Picture]:
    """The pictures that a word stands for: one, or all of a folder in the order of their names.

    Raises:
        ImageError: the folder holds none.
        SampleError: there is no such sample.
    """
    from PIL import Image

    from .. import images, samples

    if name.startswith("sample:"):
        samples.info(name.removeprefix("sample:"))
        return [Picture(name)]
    folder = Path(name)
    if not folder.is_dir():
        return [Picture(name)]
    Image.init()
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in images.READABLE}
    files = (path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file())
    names = sorted(str(path) for path in files if not path.name.startswith("."))
    if not names:
        raise ImageError(f"there is no picture in the folder {name!r}")
    return [Picture(path) for path in names]


class Inputs:
    """The files that are read, however their names are spelled, so that none of them is written."""

    def __init__(self, names: Iterable[str | None]) -> None:
        self._files = {_identity(name) for name in names if name is not None and os.path.exists(name)}

    def refuse(self, path: Path) -> None:
        """Refuse ``path`` as an output if it is one of them.

        Raises:
            ImageError: it is.
        """
        if path.exists() and _identity(path) in self._files:
            raise ImageError(
                f"{str(path)!r} is one of the files that are read, and they are never replaced: use another name"
            )


def _identity(path: str | Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


# --- what is written ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """A file to write."""

    path: Path
    replace: bool
    """Whether a file that is there may be replaced; one that appears only during the run may not, if this is false."""


def output_for(path: Path, existing: str) -> Output:
    """An output, by what ``existing`` says of files that are there."""
    return Output(path, existing == "replace" or os.path.lexists(path))


def is_folder(output: str | None) -> bool:
    """Whether what -o names is a folder, which need not exist yet."""
    return output is None or output.endswith(("/", os.sep)) or Path(output).is_dir()


def is_wanted(path: Path, existing: str) -> bool:
    """Whether an output is to be painted, by what ``existing`` says of files that are there.

    Raises:
        ImageError: it is there, and is not to be replaced.
    """
    if existing == "replace" or not os.path.lexists(path):
        return True
    if existing == "refuse":
        raise ImageError(
            f"{str(path)!r} exists already: add --existing replace (or skip), or name another output with -o"
        )
    try:
        return read_manifest(str(path)).get("stopped") == "interrupted"  # half a painting is not one to keep
    except StyletutError:
        return False


def check_output(path: Path, inputs: Inputs, bits: int = 8) -> None:
    """Refuse an output that could not be saved, or that is an input.

    Raises:
        ImageError: it is one of these.
    """
    from .. import images

    check_folder(nearest_folder(path.parent))
    images.check_savable(path, bits=bits)
    inputs.refuse(path)
    if path.is_dir():
        raise ImageError(f"{str(path)!r} is a folder: give a file's name")
    if path.exists() and not path.is_file():
        raise ImageError(f"{str(path)!r} is not a file: choose another name")
    if path.exists() and not os.access(path, os.W_OK):
        raise ImageError(f"{str(path)!r} is write-protected: change its permissions or choose another name")


def check_folder(folder: Path) -> None:
    """Refuse a folder that is missing or cannot be written into. It is tried, since permissions do not say all.

    Raises:
        ImageError: it is one of these.
    """
    if not folder.is_dir():
        raise ImageError(f"there is no folder {str(folder)!r}: create it, or name another")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ImageError(f"cannot write into the folder {str(folder)!r}: {error.strerror}") from None


def nearest_folder(folder: Path) -> Path:
    """The folder itself, or of those above it the first that is there: the others are made when they are needed."""
    return next(parent for parent in (folder, *folder.parents, *folder.absolute().parents) if os.path.lexists(parent))


def snapshot_folder(snapshots: str | None, output: Path, several: bool) -> Path | None:
    """Where the snapshots of an output go: into a folder each, if there are ``several`` outputs."""
    if snapshots is None:
        return None
    return Path(snapshots) / output.stem if several else Path(snapshots)


def check_snapshots(folder: Path | None, output: Path, inputs: Inputs, existing: str | None) -> None:
    """Refuse a folder for snapshots that could not be made, or that has such pictures already.

    Raises:
        ImageError: it is one of these.
    """
    if folder is None:
        return
    check_folder(nearest_folder(folder))
    if folder.absolute() == output.parent.absolute() and output.stem.isdigit():
        raise ImageError(f"the snapshots would replace {str(output)!r}: put them into another folder")
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]*.png")):
        inputs.refuse(path)
        if existing != "replace":
            raise ImageError(
                f"the snapshot {str(path)!r} exists already: add --existing replace, or name another folder"
            )


def check_checkpoint(path: Path, inputs: Inputs, existing: str | None) -> None:
    """Refuse a file for the run that could not be written, or that holds something else.

    Raises:
        CheckpointError, ImageError: it is one of these.
    """
    if path.suffix != ".pt":
        raise CheckpointError(f"a run is saved to a file in .pt, not to {str(path)!r}")
    inputs.refuse(path)
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{str(path)!r} is not a file: choose another name")
    check_folder(path.parent)
    if not os.path.lexists(path):
        return
    if existing == "refuse":
        raise CheckpointError(f"{str(path)!r} exists already: choose another name, or go on with it: styletut resume")
    if path.exists() and not path.stat().st_mode & 0o222:  # os.access allows everything to an administrator
        raise CheckpointError(f"{str(path)!r} is write-protected: choose another name")
    if not _is_run(path):
        raise CheckpointError(f"{str(path)!r} is not a saved run, and it is not replaced: choose another name")


def _is_run(path: Path) -> bool:
    """Whether a file is a run that was saved, by the names in it: reading all of it would take as long as resuming."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            return len(names) == 1 and {b"checkpoint_every", b"best_variable"} <= set(
                re.findall(rb"checkpoint_every|best_variable", archive.read(names[0]))
            )
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError):
        return False
