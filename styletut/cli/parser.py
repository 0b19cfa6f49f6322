"""The options of the command, most of them made from the fields of a recipe."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
import time
import typing
from typing import Any

from ..errors import printable
from ..fields import Field
from .exits import EXIT_CODES
from .printing import format_value, print_result

_EXAMPLES = """\
which pictures:
  CONTENT and STYLE are each a picture file, a folder of them, or sample:NAME
  (`styletut samples` lists those). The last one named is the style, unless
  styles are given with -s: then all that are named are contents. Every content
  is painted in every style; with --style-weights all styles are blended into
  one, and with --mask each is painted in its region. Of a mask with
  transparency the opaque part counts as white.

where to:
  -o names the file (.png .jpg .webp .tif) for one picture, the folder for
  several; a new folder is made. Without -o, and in a folder, a picture is
  called CONTENT-STYLE.png. No picture that is read is ever replaced, and an
  older output only once the new one is complete.

examples:
  styletut photo.jpg painting.jpg -o out.png
  styletut photo.jpg painting.jpg --style-weight 3 --steps 400 -o out.png
  styletut photo.jpg painting.jpg --keep-colours -o out.png
  styletut photo.jpg -s waves.png -s fire.jpg --style-weights 2,1 -o blend.png
  try it with pictures that come along:
    styletut sample:cat sample:starry_night --size 256
  a style a region, and where the photograph is kept:
    styletut photo.jpg -s sea.png -s sky.png --mask low.png --mask high.png \\
        --protect faces.png -o two.png
  every picture of a folder:
    styletut holiday/ painting.jpg -o painted/
  how long would it take?
    styletut photo.jpg painting.jpg --size 2000 --dry-run
  save the run as it goes, and go on with it:
    styletut photo.jpg painting.jpg --checkpoint run.pt -o out.png
    styletut resume run.pt -o out.png
  as out.png was made:
    styletut other.jpg painting.jpg -r out.png
  go on from out.png with one setting changed:
    styletut photo.jpg painting.jpg -r out.png --refine out.png \\
        --content-weight .3 -o next.png

other commands (COMMAND --help says more; a file of such a name is ./NAME):
  styletut recipes [NAME]      the named recipes, or all fields of one
  styletut recipes --fields    what each field means and may hold
  styletut layers [NETWORK]    the layers that a recipe can use
  styletut samples [NAME]      the sample pictures; with -o it writes one
  styletut info PICTURE        how a picture was made
  styletut resume RUN.pt       go on with an interrupted run
  styletut texture STYLE       a texture from a style alone, which may tile
  styletut sheet PHOTO STYLES  a contact sheet: one photograph in many styles,
                               or over a grid of settings
  styletut studio [PHOTO] [PAINTING]
                               the studio in a browser: choose, paint, steer
                               and compare
"""
_METAVARS = {"number": "X", "whole": "N"}
"""What values of a kind are called, where the field does not say."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Texts in the lines they are written in; options as Python 3.13 shows them, on older versions too."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """`-o, --output OUT`, not `-o OUT, --output OUT`."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line, whole option names only, and a did-you-mean."""

    def __init__(self, prog: str, description: str, epilog: str | None = None, **options: Any) -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=Formatter,
            **options,
        )
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")
        self.add_argument("-q", "--quiet", action="store_true", help="print results and warnings only")

    def error(self, message: str) -> typing.NoReturn:
        """End with exit code 2 and one line that says what was not understood."""
        self.exit(2, f"styletut: error: {printable(' '.join(message.split()))} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        print_result(message.rstrip("\n")) if file is sys.stdout else super()._print_message(message, file)

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """The options; it ends the program where they are not understood."""
        if "--" in argv:  # what comes after it are names, also those that look like options
            i = argv.index("--")
            argv = argv[:i] + [f".{os.sep}{word}" if word.startswith("-") else word for word in argv[i + 1 :]]
        for word in argv:
            if re.fullmatch(r"(--[\w-]+=|-\w+)--", word):  # argparse forgets the value and then misses it
                self.error(f"{word!r}: '--' is no value (a file of this name is ./--)")
        # Intermixed, so that options may stand between the pictures.
        args, unknown = self.parse_known_intermixed_args(argv)
        for word in unknown:
            if word.startswith("-"):
                self._refuse_option(word)
        if unknown:
            self.error(f"one word too many: {unknown[0]!r}")
        return args

    def _refuse_option(self, word: str) -> typing.NoReturn:
        known = [name for name in self._option_string_actions if name.startswith("--")]
        near = difflib.get_close_matches(word.partition("=")[0], known, n=1)
        self.error(f"unknown option {word!r}" + (f": did you mean {near[0]!r}?" if near else ""))


def add_run_options(parser: Parser) -> None:
    """Add what painting and resuming share."""
    add_output_options(parser)
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8, help="bits a colour; 16 in PNG and TIFF only")
    parser.add_argument("--snapshots", metavar="DIR", help="write the snapshots: DIR/0001.png, 0002.png ...")
    add_execution_options(parser)
    parser.set_defaults(shared=False, started=time.time())


def add_protect_option(parser: Parser) -> None:
    """Add the mask of the content."""
    parser.add_argument(
        "--protect",
        metavar="FILE",
        help="where the content is kept: it counts 10 times as much where this picture is white",
    )


def add_output_options(parser: Parser) -> None:
    """Add what says where an output goes."""
    parser.add_argument("-o", "--output", metavar="OUT", help="the file to write, or the folder")
    parser.add_argument(
        "--existing",
        choices=("replace", "refuse", "skip"),
        help="what to do where an output exists already (default: replace a file that -o names, refuse otherwise)",
    )


def add_execution_options(parser: Parser) -> None:
    """Add what says where and how it is computed."""
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:1, mps (default: the best there is)")
    parser.add_argument(
        "--max-memory", metavar="GB", help="how much memory it may use, for example 4GB (default: most of what is free)"
    )
    parser.add_argument("--tile", type=int, metavar="PIXELS", help="compute in tiles of about this many pixels a side")
    shows = "show the picture while it is painted, in a terminal that can: auto, kitty, iterm2 or sixel"
    parser.add_argument("--show", choices=("auto", "kitty", "iterm2", "sixel"), metavar="PROTOCOL", help=shows)


def painting_parser(*, describe: bool = False) -> Parser:
    """The parser of the command that paints; only if it is to ``describe`` choices and defaults it imports torch."""
    parser = Parser(
        "styletut",
        "Paint a photograph in the manner of a painting (neural style transfer).",
        f"{_EXAMPLES}\n{EXIT_CODES}",
        usage="styletut [options] CONTENT [CONTENT ...] STYLE\n"
        "       styletut [options] CONTENT [CONTENT ...] -s STYLE [-s STYLE ...]",
    )
    parser.add_argument("-V", "--version", action="version", version=f"styletut {version()}", help="show the version")
    parser.add_argument(
        "pictures", nargs="*", metavar="PICTURE", help="the content pictures, then the style (see below)"
    )
    parser.add_argument("-s", "--style", action="append", default=[], help="a style; may be given several times")
    parser.add_argument(
        "--style-weights",
        type=_numbers,
        metavar="W,W...",
        help="blend the styles in these proportions, for example 2,1",
    )
    parser.add_argument(
        "--mask",
        action="append",
        default=[],
        metavar="FILE",
        help="where a style is painted: white for here, black for not here; one for each -s, in their order",
    )
    add_protect_option(parser)
    add_run_options(parser)
    parser.add_argument("--checkpoint", metavar="RUN.pt", help="save the run as it goes, for `styletut resume`")
    parser.add_argument(
        "--refine",
        metavar="PICTURE",
        help="go on from this picture, keeping its detail: as --start, but without the scales that are coarser than it",
    )
    parser.add_argument("--flatten", action="store_true", help="put transparency on white, not back into the output")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say how long it will take and how much memory it needs"
    )
    add_recipe_options(parser, describe=describe)
    return parser


def recipe_options() -> tuple[Field, ...]:
    """The fields of a recipe that have an option of their own."""
    from .. import recipes

    return tuple(field for field in (recipes.STEPS, *recipes.fields()) if field.option)


def add_recipe_options(parser: Parser, *, describe: bool, default: str | None = None) -> None:
    """Add the options for a recipe and its fields; ``default`` says which is the default, if it is not the first."""
    from .. import recipes

    group = parser.add_argument_group(
        "recipe",
        "Every default is the recipe's; `styletut recipes NAME` shows all of one,\n"
        "`styletut recipes --fields` what its fields mean.",
    )
    names, chosen = ", ".join(recipes.names()), default or recipes.names()[0]
    what = f"{names}; or a .json file, or a picture that styletut made (default: {chosen})"
    group.add_argument("-r", "--recipe", help=what)
    defaults = _defaults(chosen) if describe else None
    for field in recipe_options():
        metavar, shown = field.metavar or _METAVARS.get(field.kind), ""
        if defaults is not None:
            choices = [f"{{{','.join(field.choices)}}}"] if field.choices else []
            metavar = "|".join(filter(None, [*choices, metavar])) or None
            shown = f" (default of {chosen}: {format_value(defaults[field.name])})"
        text = f"{field.help}{shown}".replace("%", "%%")
        group.add_argument(f"--{field.name.replace('_', '-')}", metavar=metavar, help=text)
    group.add_argument(
        "--keep-colours",
        action="store_true",
        help="keep the photograph's colours: short for --colour luminance",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any field of the recipe, the value as in JSON",
    )


def _defaults(name: str) -> dict[str, Any] | None:
    """What a recipe holds; None without torch, when help is wanted all the more."""
    from .. import recipes

    try:
        chosen = recipes.get(name)
    except (ImportError, OSError):
        return None
    return chosen.to_dict() | {"steps": chosen.steps}


def version() -> str:
    """The version of this package."""
    from .. import __version__

    return __version__


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers with commas between, such as 2,1, not {text!r}") from None
