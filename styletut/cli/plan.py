"""Which pictures are painted, from which files, to which files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError, ImageError, RecipeError
from .files import (
    Inputs,
    Output,
    Picture,
    check_checkpoint,
    check_output,
    check_snapshots,
    is_folder,
    is_wanted,
    output_for,
    pictures_in,
    snapshot_folder,
)

Pair = tuple[Picture, tuple[Picture, ...]]
"""A content and the styles that it is painted in at once."""


@dataclass(frozen=True)
class Job:
    """One picture to paint."""

    content: Picture
    styles: tuple[Picture, ...]
    output: Output
    snapshots: Path | None
    """The folder for its snapshots."""


@dataclass(frozen=True)
class Plan:
    """All pictures to paint."""

    jobs: list[Job]
    several: bool
    """Whether more than one picture was asked for, so that one may fail and the others go on."""
    inputs: Inputs


def make_plan(args: argparse.Namespace, contents: list[str], styles: list[str]) -> Plan:
    """Plan which pictures are painted; outputs are checked now, not after the work.

    Raises:
        StyletutError: a file is missing, or an output cannot be written or would replace what it must not.
    """
    pairs = _pairs(args, contents, styles)
    names = {picture.name for content, group in pairs for picture in (content, *group)}
    inputs = Inputs([*names, args.weights, args.recipe, args.start, args.refine, *args.mask, args.protect])
    several = len(pairs) > 1 or any(Path(name).is_dir() for name in contents)
    if several or is_folder(args.output):
        outputs = _outputs_in_folder(args.output, pairs, contents)
        existing = args.existing or "refuse"
    else:
        outputs = [Path(args.output)]
        existing = args.existing or "replace"
    for output in outputs:
        check_output(output, inputs, args.bits)
    if args.checkpoint is not None:
        if several:
            raise CheckpointError("--checkpoint is for one picture at a time")
        check_checkpoint(Path(args.checkpoint), inputs, args.existing)
    jobs = [
        Job(*pair, output_for(output, existing), snapshot_folder(args.snapshots, output, several))
        for pair, output in zip(pairs, outputs, strict=True)
        if is_wanted(output, existing)
    ]
    for job in jobs:
        check_snapshots(job.snapshots, job.output.path, inputs, args.existing)
    return Plan(jobs, several, inputs)


def _pairs(args: argparse.Namespace, contents: list[str], styles: list[str]) -> list[Pair]:
    """Each content with each style, or with all of them where they are blended or have regions."""
    content = [picture for name in contents for picture in pictures_in(name)]
    style = [picture for name in styles for picture in pictures_in(name)]
    shares = args.style_weights
    if shares is not None and len(shares) != len(style):
        raise RecipeError(f"{len(shares)} style weights for {len(style)} styles: give one for each")
    if args.mask and len(args.mask) != len(style):
        raise RecipeError(f"{len(args.mask)} masks for {len(style)} styles: give --mask once for each, in their order")
    groups = [(one,) for one in style] if shares is None and not args.mask else [tuple(style)]
    return [(one, group) for one in content for group in groups]


def _outputs_in_folder(output: str | None, pairs: list[Pair], contents: list[str]) -> list[Path]:
    """The files for the pictures in the folder that -o names."""
    folder = Path(output or ".")
    if not is_folder(output) and (folder.exists() or folder.suffix):
        raise ImageError(f"{len(pairs)} pictures do not go into one file {output!r}: name a folder with -o")
    for name in contents:
        if Path(name).is_dir() and folder.is_dir() and os.path.samefile(folder, name):
            raise ImageError(f"the outputs would come among the contents in {name!r}: name another folder with -o")
    return [folder / name for name in _names(pairs)]


def _names(pairs: list[Pair]) -> list[str]:
    """CONTENT-STYLE.png; with the suffixes of both where two outputs would have the same name."""

    def joined(part: Callable[[Picture], str]) -> list[str]:
        return [f"{part(content)}-{'+'.join(map(part, styles))}.png" for content, styles in pairs]

    short, long = joined(lambda picture: picture.stem), joined(lambda picture: picture.file_name)
    names = [long[i] if short.count(short[i]) > 1 else short[i] for i in range(len(pairs))]
    for name in names:
        if names.count(name) > 1:
            raise ImageError(f"two outputs would be called {name!r}: rename a picture, or paint them one by one")
    return names
