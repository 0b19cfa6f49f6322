"""The command that goes on with a saved run."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

from ..errors import CheckpointError
from .files import (
    Inputs,
    check_folder,
    check_output,
    check_snapshots,
    is_folder,
    is_wanted,
    output_for,
    snapshot_folder,
)
from .parser import Parser, add_run_options
from .save import Target, finish


def resume_command(argv: list[str]) -> int:
    """The command ``styletut resume``."""
    args = _parse(argv)
    from .. import transfer
    from ..lowmem import distributed

    run, folder = Path(args.checkpoint), is_folder(args.output)
    output = Path(args.output or ".") / f"{run.stem}.png" if folder else Path(args.output)
    inputs = Inputs([args.checkpoint, args.weights])
    check_folder(run.parent)
    check_output(output, inputs, args.bits)
    existing = args.existing or ("refuse" if folder else "replace")
    if not is_wanted(output, existing):
        return 0
    snapshots = snapshot_folder(args.snapshots, output, several=False)
    check_snapshots(snapshots, output, inputs, args.existing)
    resume = functools.partial(transfer.resume, run, weights=args.weights)
    targets = [Target(output_for(output, existing), snapshots)]
    if distributed.launched() == (0, 1):
        return finish(resume, targets, inputs, args)
    with distributed.processes(args.device or "auto") as (rank, _):
        distributed.barrier()  # until every process has seen that the output may be written
        args.shared, args.quiet = True, args.quiet or rank > 0
        return finish(resume, targets, inputs, args)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        "styletut resume",
        "Go on with a run that --checkpoint saved, to the picture it would have come to.",
        usage="styletut resume [options] RUN.pt",
    )
    parser.add_argument("checkpoint", metavar="RUN.pt", help="the saved run, which is kept up to date")
    add_run_options(parser)
    parser.add_argument("--weights", help="the network's weights, if they are no longer where they were")
    args = parser.parse(argv)
    args.started = 0.0  # however old the saved run is, it is this one
    if not Path(args.checkpoint).is_file():
        raise CheckpointError(f"there is no saved run {args.checkpoint!r}: check the path")
    return args
