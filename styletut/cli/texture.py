"""The command that makes a texture from a style alone."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from .files import (
    Inputs,
    Picture,
    check_checkpoint,
    check_exists,
    check_output,
    check_snapshots,
    is_folder,
    is_wanted,
    output_for,
    pictures_in,
    snapshot_folder,
)
from .parser import Parser, add_recipe_options, add_run_options
from .printing import print_result
from .recipe import changes_from, named_recipe, parse_value, start_picture
from .save import Target, finish

_EXAMPLES = """\
STYLE is a picture file or sample:NAME. Without -o the texture is called
STYLE-texture.png. It starts from noise, unless --start names a picture.
--size PIXELS makes a square, ROWSxCOLS any rectangle, own one of the style's
size.

examples:
  styletut texture painting.jpg --size 768x1024 -o texture.png
  its edges meet when it is laid side by side:
    styletut texture sample:waves --size 512 --seamless -o tile.png
"""


def texture_command(argv: list[str]) -> int:
    """The command ``styletut texture``."""
    args = _parse(argv)
    from .. import transfer
    from ..engine import memory
    from ..engine.texture import prepare
    from ..lowmem import distributed

    chosen = named_recipe(args.recipe or "fast")
    changes = {name: parse_value(name, text) for name, text in changes_from(args).items()}
    transfer.pick_device(args.device or "auto")
    name, folder = Picture(args.style), is_folder(args.output)
    output = Path(args.output or ".") / f"{name.stem}-texture.png" if folder else Path(args.output)
    inputs = Inputs([args.style, args.weights, args.recipe, args.start])
    check_output(output, inputs, args.bits)
    existing = args.existing or ("refuse" if folder else "replace")
    if args.checkpoint is not None:
        check_checkpoint(Path(args.checkpoint), inputs, args.existing)
    if not is_wanted(output, existing):
        return 0
    snapshots = snapshot_folder(args.snapshots, output, several=False)
    check_snapshots(snapshots, output, inputs, args.existing)
    limit = None if args.max_memory is None else memory.parse(args.max_memory)
    canvas, styles, recipe = prepare(name.load(limit), None, chosen, changes, seamless=args.seamless)
    if snapshots is not None and not recipe.snapshot_every:
        raise RecipeError(f"recipe {recipe.name!r} keeps no snapshots by itself: add --snapshot-every N")
    start = start_picture(args.start)
    begin: dict[str, Any] = {} if start is None else {"start": start.load(limit)}
    if args.dry_run:
        where = {"device": args.device or "auto", "max_memory": args.max_memory, "tile": args.tile}
        print_result(str(transfer.estimate(canvas, styles, recipe, **begin, **where)))
        return 0
    make = functools.partial(transfer.stylize, canvas, styles, recipe, **begin, checkpoint=args.checkpoint)
    targets = [Target(output_for(output, existing), snapshots)]
    if distributed.launched() == (0, 1):
        return finish(make, targets, inputs, args)
    with distributed.processes(args.device or "auto") as (rank, _):
        distributed.barrier()  # until every process has seen that the output may be written
        args.shared, args.quiet = True, args.quiet or rank > 0
        return finish(make, targets, inputs, args)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        "styletut texture",
        "Make a texture of any size from a style alone; with --seamless one that tiles.",
        _EXAMPLES,
        usage="styletut texture [options] STYLE",
    )
    parser.add_argument("style", metavar="STYLE", help="the picture whose style it has")
    parser.add_argument(
        "--seamless",
        action="store_true",
        help="the texture tiles; its sides are rounded up to multiples of the deepest layer's stride",
    )
    add_run_options(parser)
    parser.add_argument("--checkpoint", metavar="RUN.pt", help="save the run as it goes, for `styletut resume`")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say how long it will take and how much memory it needs"
    )
    add_recipe_options(parser, describe=not {"-h", "--help"}.isdisjoint(argv))
    args = parser.parse(argv)
    if args.snapshot_every is not None and args.snapshots is None:
        parser.error("--snapshot-every needs a folder to keep the pictures in: --snapshots DIR")
    check_exists(args.style)
    if Path(args.style).is_dir():
        parser.error(f"a texture has one style, and {args.style!r} is a folder: name a picture in it")
    pictures_in(args.style)  # a sample that is not there
    return args
