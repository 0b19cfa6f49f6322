"""The command that paints a contact sheet, to choose a style or a setting from."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine import signals
from ..errors import DeviceError, ImageError, RecipeError
from .exits import INCOMPLETE, INTERRUPTED
from .files import Inputs, Picture, check_exists, check_output, is_folder, is_wanted, output_for, pictures_in
from .parser import Parser, add_execution_options, add_output_options, add_protect_option, add_recipe_options
from .printing import complain, format_table, format_value, notice, print_result, report, say
from .recipe import changes_from, named_recipe, parse_value, protected, start_picture
from .save import quoted, save_somewhere

if TYPE_CHECKING:
    from ..recipes import Recipe
    from ..sheets import Sheet, Source
    from ..transfer import Estimate

_EXAMPLES = """\
PHOTO is a picture file or sample:NAME; a STYLE is that too, or a folder of
pictures.

Each picture of the sheet has a label, and the command that makes it at full
quality: by the default recipe, or by the one that -r names, with all other
options that were given but --size and --steps, which are those of the sheet.
The commands are printed too, and are in the sheet's metadata. A style that
cannot be read costs its own picture only. Ctrl-C writes the sheet with the
pictures that are finished.

examples:
  one photograph in all styles of a folder:
    styletut sheet photo.jpg paintings/ -o sheet.png
  with the faces kept in every style:
    styletut sheet photo.jpg paintings/ --protect faces.png
  over one setting, or two:
    styletut sheet photo.jpg painting.jpg --vary content-weight=.03,.1,.3
    styletut sheet photo.jpg painting.jpg --vary content-weight=.03,.1,.3 \\
        --vary style-loss=relative,mean-covariance
  which pictures would it have, and how long would it take?
    styletut sheet photo.jpg a.jpg b.jpg --vary recipe=fast,gatys --dry-run
"""


def sheet_command(argv: list[str]) -> int:
    """The command ``styletut sheet``."""
    args, photo, words = _parse(argv)
    from .. import transfer
    from ..lowmem import distributed

    if distributed.launched() != (0, 1):
        raise DeviceError("a sheet is painted by one process: start it without torchrun")
    transfer.pick_device(args.device or "auto")
    styles = [style for word in words for style in pictures_in(word)]
    sheet = _plan(args, photo, styles)
    inputs = Inputs([photo, *(style.name for style in styles), args.weights, args.recipe, args.start, args.protect])
    folder = is_folder(args.output)
    path = Path(args.output or ".") / f"{Picture(photo).stem}-sheet.png" if folder else Path(args.output)
    existing = args.existing or ("refuse" if folder else "replace")
    _check_place(path, words)
    check_output(path, inputs)
    if not is_wanted(path, existing):
        say("styletut: nothing to paint: the sheet exists already")
        return 0
    where = {"device": args.device or "auto", "max_memory": args.max_memory, "tile": args.tile}
    if args.dry_run or not args.quiet:
        text = _describe(sheet, sheet.estimate(**where))
        print_result(text) if args.dry_run else say(text)
    if args.dry_run:
        print_result(_commands(sheet))
        return 0
    return _paint(sheet, where, path, existing, inputs, args)


def _paint(
    sheet: Sheet, where: Mapping[str, Any], path: Path, existing: str, inputs: Inputs, args: argparse.Namespace
) -> int:
    """Paint the sheet, write it, and give the exit code."""
    output, caught = output_for(path, existing), signals.current()
    try:
        progress: bool | str = not args.quiet and (args.show or True)
        sheet.paint(progress=progress, tell=(lambda text: None) if args.quiet else say, **where)
        # From here on signals wait.
        if not sheet.painted and not sheet.complete:
            notice("interrupted before the first picture; nothing was written")
            return INTERRUPTED
        written = save_somewhere(output, inputs, lambda path, replace: sheet.save(path, overwrite=replace), "the sheet")
        for number, cell in enumerate(sheet.cells, start=1):
            if cell.note is not None:
                complain(f"picture {number}, {', '.join(cell.label)}: {cell.note}")
        if not args.quiet:
            report(f"wrote {written} with {sheet.painted} of {len(sheet.cells)} pictures, which at full quality are:")
            print_result(_commands(sheet))
        if not sheet.complete:
            notice(f"interrupted; the pictures so far are in {written}")
            return INTERRUPTED
        return INCOMPLETE if written != path or any(cell.note for cell in sheet.cells) else 0
    finally:
        caught.release()


def _parse(argv: list[str]) -> tuple[argparse.Namespace, str, list[str]]:
    """The options, the photograph and the styles, as far as they can be understood without torch."""
    parser = Parser(
        "styletut sheet",
        "Paint a contact sheet: one photograph in several styles, or over a grid of\nsettings, small and labelled.",
        _EXAMPLES,
        usage="styletut sheet [options] PHOTO STYLE [STYLE ...]",
    )
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="the photograph, then the styles (see below)")
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="FIELD=V,V...",
        help="values to try of a field of the recipe, or of `recipe` itself; given twice: rows and columns",
    )
    add_protect_option(parser)
    add_output_options(parser)
    add_execution_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say how many pictures, how long, and the commands")
    describe = not {"-h", "--help"}.isdisjoint(argv)
    add_recipe_options(parser, describe=describe, default="draft")
    args = parser.parse(argv)
    if len(args.pictures) < 2:
        parser.error("name a photograph and one or more paintings, as in: styletut sheet photo.jpg paintings/")
    for name in (*args.pictures, *filter(None, [args.protect])):
        check_exists(name)
    photo, *styles = args.pictures
    if Path(photo).is_dir():
        raise ImageError(f"a sheet shows one photograph, and {photo!r} is a folder: name a picture in it")
    return args, photo, styles


def _plan(args: argparse.Namespace, photo: str, styles: Sequence[Picture]) -> Sheet:
    """The sheet, not painted yet; every value is checked.

    Raises:
        RecipeError, LayerError, ImageError: something does not fit.
    """
    from .. import sheets
    from ..engine import memory

    max_memory = None if args.max_memory is None else memory.parse(args.max_memory)
    given = changes_from(args)
    changes = {field: parse_value(field, text) for field, text in given.items()}
    base = sheets.quick() if args.recipe is None else named_recipe(args.recipe)
    base.replace(**changes)  # checked, also where `recipe` varies
    settings = {} if args.recipe is None else {"recipe": args.recipe}
    settings |= {field: text for field, text in given.items() if field not in ("size", "steps")}
    start = start_picture(args.start)
    settings |= {} if start is None else {"start": start.name}
    settings |= {} if args.protect is None else {"protect": args.protect}

    def make(named: Any, fields: Mapping[str, Any]) -> Recipe:
        return (base if named is None else named_recipe(named)).replace(**{**changes, **fields})

    def source(picture: Picture, name: str, *, content: bool) -> Source:
        def load(recipe: Recipe) -> Any:
            if content:
                return picture.load_for(recipe, flatten=True, max_memory=max_memory)[0]
            return picture.load(max_memory)

        return sheets.Source(name, picture.name, load)

    photograph = source(Picture(photo), Picture(photo).file_name, content=True)
    sources = [source(style, style.stem, content=False) for style in styles]
    cells, columns = sheets.cells_of(photograph, sources, _varied(args.vary), settings, make, _command)
    begin = {} if start is None else {"start": start.load(max_memory)}
    return sheets.Sheet(photograph, cells, columns, begin | protected(args.protect))


def _varied(options: Iterable[str]) -> dict[str, list[Any]]:
    """The values of --vary by their fields.

    Raises:
        RecipeError: one of them is not understood, or comes twice.
    """
    varied: dict[str, list[Any]] = {}
    for option in options:
        name, equals, text = option.partition("=")
        field = name.replace("-", "_")
        if not equals or not text:
            raise RecipeError(f"--vary takes FIELD=VALUE,VALUE, for example content-weight=.1,.3, not {option!r}")
        if field in varied:
            raise RecipeError(f"--vary {name} comes twice: give all its values at once, with commas between")
        words = split_values(text)
        varied[field] = words if field == "recipe" else [parse_value(field, word) for word in words]
    return varied


def split_values(text: str) -> list[str]:
    """Words with commas between; those within brackets belong to a word.

    >>> split_values('.1,[1,2],{"a": 1, "b": 2}')
    ['.1', '[1,2]', '{"a": 1, "b": 2}']
    """
    words, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    return words


def _command(photo: str, style: str, settings: Mapping[str, Any]) -> str:
    """The command that paints one picture of a sheet."""
    from .. import recipes

    words: list[str] = []
    for name, value in settings.items():
        text = value if isinstance(value, str) else format_value(value)
        if name == "recipe":
            words += ["-r", text]
        elif name == "protect" or recipes.field(name).option:
            words += [f"--{name.replace('_', '-')}", text]
        else:
            words += ["--set", f"{name}={text}"]
    return " ".join(filter(None, ["styletut", quoted(photo, style), shlex.join(words)]))


def _commands(sheet: Sheet) -> str:
    rows = ((str(number), ", ".join(c.label), c.call) for number, c in enumerate(sheet.cells, start=1))
    return format_table(rows)


def _describe(sheet: Sheet, costs: Sequence[Estimate]) -> str:
    """How many pictures, and how long in all."""
    seconds, size = sum(cost.seconds for cost in costs), {cost.size for cost in costs}
    rows, columns = max(size)
    shown = f"{columns} x {rows} pixels" if len(size) == 1 else f"up to {columns} x {rows} pixels"
    minutes = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    memory = max(cost.memory_bytes for cost in costs) / 1e9
    what = f"{len(sheet.cells)} picture{'s' if len(sheet.cells) > 1 else ''} of {shown} on {costs[0].device}"
    return f"{what}: about {minutes} in all, {memory:.1f} GB at most"


def _check_place(path: Path, styles: Iterable[str]) -> None:
    """Refuse to write the sheet among the styles, where it would be one of them the next time.

    Raises:
        ImageError: it would be.
    """
    for name in styles:
        if Path(name).is_dir() and path.parent.is_dir() and os.path.samefile(path.parent, name):
            raise ImageError(f"the sheet would come among the styles in {name!r}: name another folder with -o")
