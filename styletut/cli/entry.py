"""The command ``styletut``: pictures, a recipe and options in; paintings out.

Every option of a run is a field of `Recipe`; its type, its choices and its default are the recipe's. What is decided
here is only what a command has to decide: which files are meant, which are written, and how it ends (see `_ENDS`).
Anything that can be refused is refused before any work, and torch is imported only once the words make sense.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import functools
import io
import json
import os
import re
import shlex
import sys
import tempfile
import time
import traceback
import typing
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine import signals, streams
from ..errors import CheckpointError, DivergenceError, ImageError, LayerError, RecipeError, StyletutError, printable

if TYPE_CHECKING:
    from torch import Tensor

    from ..recipes import Recipe
    from ..transfer import Result

_MISTAKE, _INCOMPLETE, _BUG, _INTERRUPTED = 1, 3, 70, 130
_ENDS = """\
exit codes:
  0    everything was done
  1    something you gave does not work; one line says what, and nothing was written
  2    the command was not understood
  3    not all went well, and a line says what: a run diverged (its best picture was saved), some of several pictures
       failed, or a picture was saved under another name than was asked for, or something beside it was not saved
  70   a bug in styletut
  130  interrupted with Ctrl-C, SIGTERM or SIGHUP (the best picture so far was saved)
"""
_EXAMPLES = """\
which pictures:
  CONTENT and STYLE are each a picture file, a folder of them, or sample:NAME (`styletut samples` lists those).
  The last one named is the style, unless styles are given with -s: then all that are named are contents.
  Every content is painted in every style; with --style-weights all styles are blended into one.

where to:
  -o names the file (.png .jpg .webp .tif) for one picture, the folder for several; a new folder is made. Without -o,
  and in a folder, a picture is called CONTENT-STYLE.png. No picture that is read is ever replaced, and an older
  output only once the new one is complete.

examples:
  styletut photo.jpg painting.jpg -o out.png
  styletut sample:cat sample:starry_night --size 256        try it with pictures that come along
  styletut photo.jpg painting.jpg --style-weight 3 --steps 400 -o out.png
  styletut photo.jpg -s waves.png -s fire.jpg --style-weights 2,1 -o blend.png
  styletut holiday/ painting.jpg -o painted/                every picture of a folder
  styletut photo.jpg painting.jpg --size 2000 --dry-run     how long would it take?
  styletut photo.jpg painting.jpg --checkpoint run.pt -o out.png; styletut resume run.pt -o out.png
  styletut other.jpg painting.jpg -r out.png                as out.png was made

other commands (COMMAND --help says more; a file of such a name is ./NAME):
  styletut recipes [NAME]      the named recipes, or every field of one
  styletut layers [NETWORK]    the layers that a recipe can use
  styletut samples [NAME]      the sample pictures; with -o it writes one
  styletut info PICTURE        how a picture was made
  styletut resume RUN.pt       go on with an interrupted run
"""
_LONG = 2_000_000
"""Pixels times evaluations from which a run is worth an estimate: some ten seconds on two cores."""

_METAVARS = {"size": "PIXELS", "steps": "N", "snapshot_every": "N", "seed": "N", "weights": "WHICH"} | dict.fromkeys(
    ("content_weight", "style_weight", "tv_weight", "decorrelation"), "X"
)
# Options that are nothing but a field of the recipe (or `steps`, which its `replace` spreads over the scales).
_FIELDS = {
    "size": "pixels of the longer side (or what the recipe's `fit` says), or ROWSxCOLS, or `own` for the picture's own",
    "steps": "optimiser steps in all, shared out over the scales",
    "content_weight": "how much the content counts",
    "style_weight": "how much the style counts",
    "tv_weight": "how much smoothness (total variation) counts",
    "start": "where the picture starts from: one of these, or a picture",
    "decorrelation": "0.5 moves coarse structure further than fine: from a photograph, fewer steps; 0 moves pixels",
    "network": "the network that looks at the pictures",
    "weights": "its weights: oxford, torchvision, torchvision-oxford (both download), random, or a state dict file",
    "precision": "what the network computes in",
    "seed": "of the noise, where the start is noise",
    "snapshot_every": "keep a snapshot every N steps, 0 for never (see --snapshots)",
}


# --- the entrance ------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code; a user's mistake is one line on stderr, never a traceback.

    Args:
        argv: the words after ``styletut``; those of this process if not given.

    >>> main(["layers", "vgg99"])
    1
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    streams.fill_closed()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter shows another
            stream.reconfigure(errors="replace")
    out, err = streams.Unbreakable(sys.stdout), streams.Unbreakable(sys.stderr)
    shown = redirect_stdout(typing.cast(typing.TextIO, out)), redirect_stderr(typing.cast(typing.TextIO, err))
    with shown[0], shown[1], _short_warnings(), signals.handled() as caught:
        caught.say = _notice
        try:
            code = _run(argv)
            caught.save()
        except SystemExit as end:  # argparse: --help, --version, or not understood
            code = end.code if isinstance(end.code, int) else 0
        except KeyboardInterrupt:
            caught.save()  # one more must not interrupt this line
            _notice("interrupted; nothing more was written")
            code = _INTERRUPTED
        except Exception as error:
            if "--debug" in argv:
                print(printable(traceback.format_exc(), keep="\n"), file=sys.stderr)
            code = _explain(error)
    out.close()
    err.close()
    return code


def _run(argv: list[str]) -> int:
    commands: dict[str, Callable[[list[str]], int]] = {
        "recipes": _recipes,
        "layers": _layers,
        "samples": _samples,
        "info": _info,
        "resume": _resume,
    }
    flags = {"-q", "--quiet", "--debug"}
    first = next((i for i, word in enumerate(argv) if word not in flags), None)
    if first is not None and argv[first] in commands:
        return commands[argv[first]](argv[:first] + argv[first + 1 :])
    return _paint(argv)


def _explain(error: Exception) -> int:
    """Say in one line what went wrong, and give the exit code."""
    if isinstance(error, StyletutError):
        _complain(error)
        return _INCOMPLETE if isinstance(error, DivergenceError) else _MISTAKE
    if _is_memory(error):
        _complain(_MEMORY)
    elif _torch_is_missing(error):
        _complain(f"torch cannot be imported ({error}): install it as {_INSTALL_TORCH} says")
    elif isinstance(error, ImportError):
        _complain(f"{error}: the installation is damaged, install styletut again")
    elif isinstance(error, OSError):
        _complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    else:
        from importlib.metadata import metadata

        links = dict(link.split(", ", 1) for link in metadata("styletut").get_all("Project-URL") or ())
        where = f" at {links['Issues']}" if "Issues" in links else ""
        _complain(f"this is a bug, {type(error).__name__}: {error}; please report what --debug prints{where}")
        return _BUG
    return _MISTAKE


_INSTALL_TORCH = "https://pytorch.org/get-started/locally"
_MEMORY = "out of memory: choose a smaller --size, or --precision bfloat16"


def _is_memory(error: BaseException) -> bool:
    memory = sys.modules.get("styletut.engine.memory")  # importing it imports torch, which may be what failed
    return isinstance(error, MemoryError) or (memory is not None and memory.is_exhausted(error))


def _torch_is_missing(error: Exception) -> bool:
    """Whether importing torch is what failed, whatever it raised."""
    frames = (frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__))
    return "torch" not in sys.modules and (getattr(error, "name", None) == "torch" or "torch" in frames)


def _print(text: str) -> None:
    """Print what was asked for.

    Raises:
        OSError: nobody will see it, and not because the reader of a pipe has seen enough.
    """
    print(printable(text, keep="\n"), flush=True)
    error = getattr(sys.stdout, "error", None)
    if error is not None and not isinstance(error, BrokenPipeError):
        raise OSError(f"cannot print: {getattr(error, 'strerror', None) or error}")


def _say(text: str) -> None:
    """Print what goes on, which nothing depends on."""
    print(printable(text), file=sys.stderr, flush=True)


def _notice(text: str) -> None:
    _say(f"styletut: {text}")


def _complain(error: object, kind: str = "error") -> None:
    _notice(f"{kind}: {' '.join(str(error).split())}")


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Warnings as one line each, without the source line that they come from."""

    def show(message: Warning | str, *rest: object) -> None:
        _complain(message, "warning")

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        yield


# --- the words ---------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line, whole option names only, and a did-you-mean."""

    def __init__(self, prog: str, description: str, epilog: str | None = None, **options: Any) -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")
        self.add_argument("-q", "--quiet", action="store_true", help="print no more than was asked for, and warnings")

    def error(self, message: str) -> typing.NoReturn:
        self.exit(2, f"styletut: error: {printable(' '.join(message.split()))} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        _print(message.rstrip("\n")) if file is sys.stdout else super()._print_message(message, file)

    def parse(self, argv: list[str]) -> argparse.Namespace:
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
                known = [name for name in self._option_string_actions if name.startswith("--")]
                near = difflib.get_close_matches(word.partition("=")[0], known, n=1)
                self.error(f"unknown option {word!r}" + (f": did you mean {near[0]!r}?" if near else ""))
        if unknown:
            self.error(f"one word too many: {unknown[0]!r}")
        return args


def _options_of_a_run(parser: _Parser) -> None:
    """What painting and resuming share."""
    parser.add_argument("-o", "--output", metavar="OUT", help="the file to write, or the folder")
    parser.add_argument(
        "--existing",
        choices=("replace", "refuse", "skip"),
        help="what to do where an output exists already (default: replace a file that -o names, refuse otherwise)",
    )
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8, help="bits a colour; 16 in PNG and TIFF only")
    parser.add_argument("--snapshots", metavar="DIR", help="write the snapshots on the way: DIR/0001.png, 0002.png ...")
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:1, mps (default: the best there is)")
    parser.add_argument("--max-memory", metavar="GB", help="what it may take, as 4GB (default: most of what is free)")
    parser.set_defaults(shared=False, started=time.time())
    parser.add_argument("--tile", type=int, metavar="PIXELS", help="compute in tiles of about so many pixels a side")
    shows = "show the picture on its way, in a terminal that can: auto, kitty, iterm2 or sixel"
    parser.add_argument("--show", choices=("auto", "kitty", "iterm2", "sixel"), metavar="PROTOCOL", help=shows)


def _paint_parser(describe: bool) -> _Parser:
    """The parser; only with ``describe`` are the recipes imported, to tell their choices and defaults."""
    parser = _Parser(
        "styletut",
        "Paint a photograph in the manner of a painting (neural style transfer).",
        f"{_EXAMPLES}\n{_ENDS}",
        usage="styletut [options] CONTENT [CONTENT ...] STYLE\n"
        "       styletut [options] CONTENT [CONTENT ...] -s STYLE [-s STYLE ...]",
    )
    parser.add_argument("-V", "--version", action="version", version=f"styletut {_version()}", help="show the version")
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
    _options_of_a_run(parser)
    parser.add_argument("--checkpoint", metavar="RUN.pt", help="save the run as it goes, for `styletut resume`")
    parser.add_argument("--flatten", action="store_true", help="put transparency on white, not back into the output")
    parser.add_argument("--dry-run", action="store_true", help="only say how long it will take and how much memory")
    group = parser.add_argument_group(
        "recipe", "Every default is the recipe's; `styletut recipes NAME` shows all of one."
    )
    names, choices, defaults, default = "a name", {}, {}, ""
    if describe:
        try:
            from .. import recipes
        except (ImportError, OSError):  # without torch: help is wanted all the more
            describe = False
    if describe:
        chosen = recipes.get()
        names, default, choices = ", ".join(recipes.names()), chosen.name, {f.name: f.choices for f in recipes.fields()}
        defaults = chosen.to_dict() | {"steps": chosen.steps}
    group.add_argument(
        "-r", "--recipe", help=f"{names}; or a .json file, or a picture that styletut made (default: {default})"
    )
    for field, text in _FIELDS.items():
        metavar = f"{{{','.join(choices[field])}}}" if field in choices else _METAVARS.get(field)
        shown = f" (default of {default}: {_shown(defaults[field])})" if describe else ""
        group.add_argument(f"--{field.replace('_', '-')}", metavar=metavar, help=text + shown)
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any field of the recipe, the value as in JSON",
    )
    return parser


def _version() -> str:
    from .. import __version__

    return __version__


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers with commas between, such as 2,1, not {text!r}") from None


def _recipe(args: argparse.Namespace) -> Recipe:
    """The recipe that the options ask for."""
    from .. import recipes

    chosen = recipes.get() if args.recipe is None else _named_recipe(args.recipe)
    given = {field: getattr(args, field) for field in _FIELDS}
    if _start_picture(args) is not None:
        del given["start"]
    changes = {field: _value(field, text) for field, text in given.items() if text is not None}
    for text in args.set:
        field, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--set takes FIELD=VALUE, for example --set optimizer=adam, not {text!r}")
        changes[field] = _value(field, value)
    return chosen.replace(**changes)


def _start_picture(args: argparse.Namespace) -> _Picture | None:
    """The picture that --start names, if it is not one of the recipe's starts."""
    from .. import recipes

    name = args.start
    if name is None or name in {f.name: f.choices for f in recipes.fields()}["start"]:
        return None
    return _Picture(name) if name.startswith("sample:") or os.path.exists(name) else None


def _named_recipe(name: str) -> Recipe:
    """A recipe by name, from JSON (a recipe or what ``info --json`` prints), or of a picture."""
    from .. import recipes

    path = Path(name)
    if path.suffix.lower() == ".json":
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise RecipeError(f"cannot read the recipe {name!r}: {getattr(error, 'strerror', None) or error}") from None
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"the recipe {name!r} is not JSON: {error}") from None
        if isinstance(values, dict) and isinstance(values.get("recipe"), dict):
            values = values["recipe"]
        return recipes.Recipe.from_json(json.dumps(values))
    if path.is_file() and name not in recipes.names():
        return recipes.Recipe.from_dict(_manifest(name)["recipe"])
    return recipes.get(name)


def _value(field: str, text: str) -> Any:
    """What a word means for a field of the recipe: itself where the field holds text, else what it is as JSON."""
    from ..recipes import Recipe

    kind = type(getattr(Recipe(), field, None))
    if field == "size":
        if text == "own":
            return None
        if pair := re.fullmatch(r"(\d{1,18})x(\d{1,18})", text):
            return int(pair[1]), int(pair[2])
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if kind is str:
        return value if isinstance(value, str) else text
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


# --- the files ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Picture:
    """A picture named on the command line: a file, or a sample by ``sample:NAME``."""

    name: str

    @property
    def sample(self) -> str | None:
        return self.name.removeprefix("sample:") if self.name.startswith("sample:") else None

    @property
    def file_name(self) -> str:
        return self.sample or Path(self.name).name

    @property
    def stem(self) -> str:
        return self.sample or Path(self.name).stem

    def load(self, max_memory: int | None = None) -> Tensor:
        from .. import images, samples

        if self.sample is not None:
            return samples.load(self.sample)
        return images.load_image(self.name, max_memory=max_memory)

    def load_for(self, recipe: Recipe, *, flatten: bool, max_memory: int | None) -> tuple[Tensor, Tensor | None]:
        """The picture and its transparency at the recipe's size: resized together, or edges would get a fringe."""
        from .. import images

        source = self.name if self.sample is None else self.load()
        options: dict[str, Any] = {"fit": recipe.fit, "upscale": recipe.upscale, "max_memory": max_memory}
        if flatten:
            return images.load_image(source, recipe.size, **options), None
        return images.load_image(source, recipe.size, alpha="keep", **options)


@dataclass(frozen=True)
class _Job:
    """One picture to paint."""

    content: _Picture
    styles: tuple[_Picture, ...]
    output: _Output


@dataclass(frozen=True)
class _Output:
    """A file to write."""

    path: Path
    replace: bool
    """Whether a file that is there may be replaced; one that appears only during the run may not, if this is false."""


def _check_there(name: str) -> None:
    """Refuse a missing file at once: it takes no torch to see that."""
    if name.startswith("sample:") or os.path.exists(name):
        return
    hint = "" if "." in name or os.sep in name else " (`styletut samples` lists those that come along)"
    raise ImageError(f"there is no file {name!r}: check the path{hint}")


def _expand(name: str) -> list[_Picture]:
    """The pictures that a word stands for: one, or all of a folder in the order of their names."""
    from PIL import Image

    from .. import images, samples

    if name.startswith("sample:"):
        samples.info(name.removeprefix("sample:"))
        return [_Picture(name)]
    folder = Path(name)
    if not folder.is_dir():
        return [_Picture(name)]
    Image.init()
    endings = {end for end, kind in Image.registered_extensions().items() if kind in images._READABLE}
    files = (path for path in folder.iterdir() if path.suffix.lower() in endings and path.is_file())
    found = sorted(str(path) for path in files if not path.name.startswith("."))
    if not found:
        raise ImageError(f"there is no picture in the folder {name!r}")
    return [_Picture(path) for path in found]


class _Inputs:
    """The files that are read, however their names are spelled, so that none of them is written."""

    def __init__(self, names: Sequence[str | None]) -> None:
        self._files = {_identity(name) for name in names if name is not None and os.path.exists(name)}

    def refuse(self, path: Path) -> None:
        """Raise if ``path`` is one of them."""
        if path.exists() and _identity(path) in self._files:
            raise ImageError(
                f"{str(path)!r} is one of the files that are read, and they are never replaced: use another name"
            )


def _identity(path: str | Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _plan(args: argparse.Namespace, contents: list[str], styles: list[str]) -> tuple[list[_Job], bool]:
    """Every picture to paint, each output checked now and not after the work; and whether a folder was asked for."""
    every = [picture for name in contents for picture in _expand(name)]
    single = [picture for name in styles for picture in _expand(name)]
    shares = args.style_weights
    if shares is not None and len(shares) != len(single):
        raise RecipeError(f"{len(shares)} style weights for {len(single)} styles: give one for each")
    groups = [(style,) for style in single] if shares is None else [tuple(single)]
    pairs = [(content, group) for content in every for group in groups]
    inputs = args.inputs = _Inputs([*(p.name for p in (*every, *single)), args.weights, args.recipe, args.start])

    several = len(pairs) > 1 or any(Path(name).is_dir() for name in contents)
    as_folder = args.output is None or args.output.endswith(("/", os.sep)) or Path(args.output).is_dir()
    if several or as_folder:
        folder = Path(args.output or ".")
        if not as_folder and (folder.exists() or folder.suffix):
            raise ImageError(f"{len(pairs)} pictures do not go into one file {args.output!r}: name a folder with -o")
        for name in contents:
            if Path(name).is_dir() and folder.is_dir() and os.path.samefile(folder, name):
                raise ImageError(f"the outputs would come among the contents in {name!r}: name another folder with -o")
        outputs = [folder / name for name in _names(pairs)]
        existing = args.existing or "refuse"
    else:
        outputs = [Path(args.output)]
        existing = args.existing or "replace"
    for output in outputs:
        _check_output(output, inputs, args.bits)
    if args.checkpoint is not None:
        if several:
            raise CheckpointError("--checkpoint is for one picture at a time")
        _check_checkpoint(Path(args.checkpoint), inputs, args.existing)
    jobs = [
        _Job(*pair, _Output(output, existing == "replace" or os.path.lexists(output)))
        for pair, output in zip(pairs, outputs, strict=True)
        if _wanted(output, existing)
    ]
    for job in jobs if args.snapshots is not None else ():
        _check_snapshots(_frames_of(args.snapshots, job.output.path, several), job.output.path, inputs, args.existing)
    return jobs, several


def _names(pairs: list[tuple[_Picture, tuple[_Picture, ...]]]) -> list[str]:
    """CONTENT-STYLE.png; with the suffixes of both where two outputs would have the same name."""

    def names(part: Callable[[_Picture], str]) -> list[str]:
        return [f"{part(content)}-{'+'.join(map(part, styles))}.png" for content, styles in pairs]

    short = names(lambda picture: picture.stem)
    found = [f if short.count(s) > 1 else s for s, f in zip(short, names(lambda p: p.file_name), strict=True)]
    for name in found:
        if found.count(name) > 1:
            raise ImageError(f"two outputs would be called {name!r}: rename a picture, or paint them one by one")
    return found


def _check_folder(folder: Path) -> None:
    """Refuse a folder that is missing or cannot be written into. It is tried, since permissions do not say all."""
    if not folder.is_dir():
        raise ImageError(f"there is no folder {str(folder)!r}: create it, or name another")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ImageError(f"cannot write into the folder {str(folder)!r}: {error.strerror}") from None


def _nearest(folder: Path) -> Path:
    """The folder itself, or of those above it the first that is there: the others are made when they are needed."""
    return next(parent for parent in (folder, *folder.parents, *folder.absolute().parents) if os.path.lexists(parent))


def _check_output(path: Path, inputs: _Inputs, bits: int = 8) -> None:
    """Refuse an output that could not be saved, or that is an input."""
    from .. import images

    _check_folder(_nearest(path.parent))
    images.check_savable(path, bits=bits)
    inputs.refuse(path)
    if path.parent.exists():
        images._check_target(path, True)
        if path.exists() and not path.is_file():
            raise ImageError(f"{str(path)!r} is not a file: choose another name")


def _check_checkpoint(path: Path, inputs: _Inputs, existing: str | None) -> None:
    """Refuse a file for the run that could not be written, or that holds something else."""
    if path.suffix != ".pt":
        raise CheckpointError(f"a run is saved to a file in .pt, not to {str(path)!r}")
    inputs.refuse(path)
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{str(path)!r} is not a file: choose another name")
    _check_folder(path.parent)
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
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError):
        return False


def _wanted(path: Path, existing: str) -> bool:
    """Whether an output is to be painted, by what ``existing`` says of those that are there."""
    if existing == "replace" or not os.path.lexists(path):
        return True
    if existing == "refuse":
        raise ImageError(
            f"{str(path)!r} exists already: add --existing replace (or skip), or name another output with -o"
        )
    try:
        return _manifest(str(path)).get("stopped") == "interrupted"  # half a painting is not one to keep
    except StyletutError:
        return False


def _frames_of(snapshots: str, output: Path, several: bool) -> Path:
    return Path(snapshots) / output.stem if several else Path(snapshots)


def _check_snapshots(folder: Path, output: Path, inputs: _Inputs, existing: str | None) -> None:
    """Refuse a folder for snapshots that could not be made, or that has such pictures already."""
    _check_folder(_nearest(folder))
    if folder.absolute() == output.parent.absolute() and output.stem.isdigit():
        raise ImageError(f"the snapshots would replace {str(output)!r}: put them into another folder")
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]*.png")):
        inputs.refuse(path)
        if existing != "replace":
            raise ImageError(
                f"the snapshot {str(path)!r} exists already: add --existing replace, or name another folder"
            )


# --- painting ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A job and its content picture at its working size."""

    job: _Job
    content: Tensor
    alpha: Tensor | None


def _paint(argv: list[str]) -> int:
    parser = _paint_parser(describe=not {"-h", "--help"}.isdisjoint(argv))
    args = parser.parse(argv)
    contents, styles = args.pictures, args.style
    if not styles:
        contents, styles = contents[:-1], contents[-1:]
    if not contents or not styles:
        parser.error("name a photograph and a painting, as in: styletut photo.jpg painting.jpg -o out.png")
    if args.snapshot_every is not None and args.snapshots is None:
        parser.error("--snapshot-every needs a folder to keep the pictures in: --snapshots DIR")
    for name in (*contents, *styles, *([args.start] if args.start and args.start.startswith("sample:") else [])):
        _check_there(name)
    from .. import transfer
    from ..lowmem import distributed

    recipe = _recipe(args)
    if args.snapshots is not None and not recipe.snapshot_every:
        raise RecipeError(f"recipe {recipe.name!r} keeps no snapshots by itself: add --snapshot-every N")
    transfer.pick_device(args.device or "auto")
    jobs, several = _plan(args, contents, styles)
    if not jobs and not args.quiet:
        _say("styletut: nothing to paint: every output exists already")
    if distributed.launched() != (0, 1):
        with distributed.processes(args.device or "auto") as (rank, workers):
            distributed.wait()  # until every process has seen which outputs exist
            args.shared = len(jobs) == 1
            args.quiet = args.quiet or (args.shared and rank > 0)
            return _work(jobs if args.shared else jobs[rank::workers], several, recipe, args)
    return _work(jobs, several, recipe, args)


def _work(jobs: list[_Job], several: bool, recipe: Recipe, args: argparse.Namespace) -> int:
    """Paint all that is to be painted, and give the exit code."""
    failures: list[str] = []  # the words alone: an exception would keep its pictures in memory

    def failed(jobs: Sequence[_Job], error: Exception) -> None:
        """One of several pictures may fail; what would befall all of them may not."""
        of_the_picture = isinstance(error, (ImageError, LayerError, DivergenceError)) or _is_memory(error)
        if not several or not of_the_picture:
            raise error
        text = _MEMORY if _is_memory(error) else str(error)
        failures.extend(text if job.content.name in text else f"{job.content.name}: {text}" for job in jobs)

    paintings = {
        style: style.load(_memory(args)) for job in jobs for style in job.styles
    }  # each once, and before any work
    start = _start_picture(args)
    args.start = None if start is None or not jobs else start.load(_memory(args))
    code, written = 0, 0
    caught = signals.current()
    estimated = args.quiet and not args.dry_run
    for batch in _batches(jobs, recipe, args, failed):
        try:
            if not estimated:
                _estimate(batch, paintings, recipe, args, len(jobs))
                estimated = True
            if args.dry_run:
                break
            code = max(code, _paint_batch(batch, paintings, recipe, args, several))
        except Exception as error:
            failed([one.job for one in batch], error)
            continue
        if code == _INTERRUPTED:
            break
        written += len(batch)
        if caught.asked:  # while a finished picture was being saved
            code = _INTERRUPTED if written < len(jobs) else code
            break

    if several and not args.quiet and not args.dry_run:
        print(f"wrote {written} of {len(jobs)} pictures", flush=True)
    for failure in failures:
        _complain(failure)
    return max(code, _INCOMPLETE if failures else 0)


def _batches(
    jobs: list[_Job],
    recipe: Recipe,
    args: argparse.Namespace,
    failed: Callable[[Sequence[_Job], Exception], None],
) -> Iterator[list[_Loaded]]:
    """Jobs with their contents read: alone, or so many at once as the recipe allows and have one size."""
    from .. import images

    batch: list[_Loaded] = []
    for job in jobs:
        try:
            # What cannot hold transparency is painted as it will be seen.
            opaque = args.flatten or job.output.path.suffix.lower() in (".jpg", ".jpeg")
            content, alpha = job.content.load_for(recipe, flatten=opaque, max_memory=_memory(args))
            images.check_savable(job.output.path, _size(content), bits=args.bits)
        except Exception as error:
            failed([job], error)
            continue
        if batch and (len(batch) == recipe.batch or batch[0].content.shape != content.shape):
            yield batch
            batch = []
        batch.append(_Loaded(job, content, alpha))
    if batch:
        yield batch


def _styles_of(batch: list[_Loaded], paintings: dict[_Picture, Tensor], args: argparse.Namespace) -> list[Tensor]:
    """Blended styles are the same for every content; others come in pairs with their contents."""
    blended = args.style_weights is not None
    return [paintings[s] for s in (batch[0].job.styles if blended else [one.job.styles[0] for one in batch])]


def _estimate(
    batch: list[_Loaded],
    paintings: dict[_Picture, Tensor],
    recipe: Recipe,
    args: argparse.Namespace,
    pictures: int,
) -> None:
    """Say what is to come, if it takes long enough to be worth the asking."""
    from .. import transfer

    content = [one.content for one in batch]
    rows, columns = content[0].shape[-2:]
    if not args.dry_run and len(batch) * rows * columns * recipe.steps * recipe.evaluations * pictures < _LONG:
        return
    paintings_of = _styles_of(batch, paintings, args)
    cost = transfer.estimate(
        content, paintings_of, recipe, device=args.device or "auto", max_memory=args.max_memory, tile=args.tile
    )
    text = str(cost) if pictures == 1 else f"{pictures} pictures, {len(batch)} at a time, each time {cost}"
    _print(text) if args.dry_run else _say(text)


def _paint_batch(
    batch: list[_Loaded],
    paintings: dict[_Picture, Tensor],
    recipe: Recipe,
    args: argparse.Namespace,
    several: bool,
) -> int:
    from .. import transfer

    jobs = [one.job for one in batch]
    if several and not args.quiet:
        _say(", ".join(f"{job.content.name} in the style of {' + '.join(s.name for s in job.styles)}" for job in jobs))
    folders = [None if args.snapshots is None else _frames_of(args.snapshots, job.output.path, several) for job in jobs]
    return _finish(
        functools.partial(
            transfer.stylize,
            [one.content for one in batch],
            _styles_of(batch, paintings, args),
            recipe,
            start=args.start,
            style_weights=args.style_weights,
            checkpoint=args.checkpoint,
        ),
        [job.output for job in jobs],
        [one.alpha for one in batch],
        folders,
        args,
    )


def _finish(
    paint: Callable[..., Result],
    outputs: list[_Output],
    alphas: Sequence[Tensor | None],
    folders: Sequence[Path | None],
    args: argparse.Namespace,
) -> int:
    """Paint, with the options that painting and resuming share, write what has come of it and give the exit code."""
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
            return 0 if result.stopped is None else _INCOMPLETE  # the first process writes
        return _conclude(result, outputs, alphas, folders, args)
    finally:
        caught.release()


def _conclude(
    result: Result,
    outputs: list[_Output],
    alphas: Sequence[Tensor | None],
    folders: Sequence[Path | None],
    args: argparse.Namespace,
) -> int:
    """Write the pictures of a run and their snapshots, say so, and give the exit code."""
    from .. import images

    if not result.history:
        _notice("interrupted before the first step; nothing was written")
        return _INTERRUPTED
    if len(outputs) < (count := len(result.picture)):  # a resumed batch
        path, replace = outputs[0].path, args.existing == "replace"
        outputs = [_Output(path.with_stem(f"{path.stem}-{i}"), replace) for i in range(1, count + 1)]
        alphas, folders = [None] * count, [*folders, *[None] * (count - 1)]
    code = 0
    written: list[Path] = []
    for i, (output, alpha, folder) in enumerate(zip(outputs, alphas, folders, strict=True)):
        one = dataclasses.replace(result, picture=result.picture[i : i + 1])
        if alpha is not None:  # a run that was stopped at a coarse scale has a smaller picture
            alpha = images.resize(alpha.expand(1, 3, -1, -1), _size(one.picture), upscale=True)[:, :1]
        path = _save(one, alpha, output, args.bits, args.inputs)
        written.append(path)
        code = code if path == output.path else _INCOMPLETE
        if folder is not None and not _save_snapshots(result, i, folder, args.existing == "replace"):
            code = _INCOMPLETE
    names = ", ".join(map(str, written))
    if result.stopped == "interrupted":
        again = ""
        if args.checkpoint is not None and _is_newer(args.checkpoint, args.started):
            again = f"; go on with: styletut resume {_words(args.checkpoint)} -o {_words(*written)}"
        steps = f"{len(result.history)} of {result.recipe.steps} steps"
        _notice(f"interrupted after {steps}; the best picture so far is {names}{again}")
        return _INTERRUPTED
    if result.stopped is not None:
        _complain(f"{result.stopped}; the best picture before that is {names}", "warning")
    if not args.quiet:
        rows, columns = result.picture.shape[-2:]
        loss = f"{result.history[-1]['losses']['total']:.4g}"
        seconds = f"{result.seconds:.1f} s"
        print(printable(f"wrote {names} ({columns} x {rows}) in {seconds}, loss {loss}"), flush=True)
    return _INCOMPLETE if result.stopped else code


def _save(one: Result, alpha: Tensor | None, output: _Output, bits: int, inputs: _Inputs) -> Path:
    """Save a picture where it should go, or else where it can: what was computed is not to be lost.

    Raises:
        The first error, if it can be saved nowhere.
    """
    first: Exception | None = None
    for path in _places(output.path):
        try:
            inputs.refuse(path)  # again, for what has become of it during the run
            path.parent.mkdir(parents=True, exist_ok=True)
            replace = output.replace and path == output.path
            one.save(path, alpha, overwrite=replace, bits=bits)
        except Exception as error:
            first = first or error
            continue
        if first is not None:
            _complain(f"{_reason(first)}: the picture was saved as {str(path)!r} instead", "warning")
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
        _complain(f"not all snapshots were saved: {_reason(error)}", "warning")
        return False
    return True


def _reason(error: Exception) -> str:
    return _MEMORY if _is_memory(error) else str(error)


def _is_newer(name: str, moment: float) -> bool:
    """Whether a file was written after a moment."""
    try:
        return os.stat(name).st_mtime >= moment
    except OSError:
        return False


def _words(*names: str | Path) -> str:
    """Names of files as words of a command."""
    return shlex.join(f".{os.sep}{name}" if str(name).startswith("-") else str(name) for name in names)


def _memory(args: argparse.Namespace) -> int | None:
    """What --max-memory allows, in bytes."""
    from ..engine import memory

    return None if args.max_memory is None else memory.parse(args.max_memory)


def _size(picture: Tensor) -> tuple[int, int]:
    return picture.shape[-2], picture.shape[-1]


def _resume(argv: list[str]) -> int:
    parser = _Parser(
        "styletut resume", "Go on with a run that --checkpoint saved, to the picture it would have come to."
    )
    parser.add_argument("checkpoint", metavar="RUN.pt", help="the saved run, which is kept up to date")
    _options_of_a_run(parser)
    parser.add_argument("--weights", help="the network's weights, if they are no longer where they were")
    args = parser.parse(argv)
    args.started = 0.0  # however old the saved run is, it is this one
    run = Path(args.checkpoint)
    if not run.is_file():
        raise CheckpointError(f"there is no saved run {args.checkpoint!r}: check the path")
    from .. import transfer
    from ..lowmem import distributed

    into = args.output is None or args.output.endswith(("/", os.sep)) or Path(args.output).is_dir()
    output = Path(args.output or ".") / f"{run.stem}.png" if into else Path(args.output)
    inputs = args.inputs = _Inputs([args.checkpoint, args.weights])
    _check_folder(run.parent)
    _check_output(output, inputs, args.bits)
    existing = args.existing or ("refuse" if into else "replace")
    if not _wanted(output, existing):
        return 0
    if args.snapshots is not None:
        _check_snapshots(Path(args.snapshots), output, inputs, args.existing)
    resume = functools.partial(transfer.resume, run, weights=args.weights)
    folder = None if args.snapshots is None else Path(args.snapshots)
    end = [_Output(output, existing == "replace" or os.path.lexists(output))], [None], [folder], args
    if distributed.launched() == (0, 1):
        return _finish(resume, *end)
    with distributed.processes(args.device or "auto") as (rank, _):
        distributed.wait()  # until every process has seen that the output may be written
        args.shared, args.quiet = True, args.quiet or rank > 0
        return _finish(resume, *end)


# --- the other commands ------------------------------------------------------------------------------


def _recipes(argv: list[str]) -> int:
    parser = _Parser("styletut recipes", "The named recipes, or every field of one.")
    parser.add_argument("name", nargs="?", help="a recipe, a .json file, or a picture that styletut made")
    parser.add_argument("--json", action="store_true", help="as JSON; of one recipe, what -r FILE.json takes")
    args = parser.parse(argv)
    from .. import recipes

    if args.name is not None:
        recipe = _named_recipe(args.name)
        values = recipe.to_dict()
        _print(recipe.to_json(indent=2) if args.json else _table((key, _shown(value)) for key, value in values.items()))
    elif args.json:
        _print(json.dumps({name: recipes.get(name).to_dict() for name in recipes.names()}, indent=2))
    else:
        default = recipes.get().name
        for name in recipes.names():
            recipe = recipes.get(name)
            _print(f"{name}{' (the default)' if name == default else ''}: {recipe.source}")
            _print(f"    {recipe.optimizer}, {recipe.steps} steps, size {_shown(recipe.size)}")
    return 0


def _layers(argv: list[str]) -> int:
    parser = _Parser("styletut layers", "The layers of a network, in the order of the forward pass.")
    parser.add_argument("network", nargs="?", help="vgg16 or vgg19 (the default)")
    args = parser.parse(argv)
    from .. import vgg

    rows = [("layer", "channels", "stride", "sees pixels", "in Keras")]
    for layer in vgg.layers() if args.network is None else vgg.layers(args.network):
        rows.append((layer.name, str(layer.channels), str(layer.stride), str(layer.receptive_field), layer.keras))
    _print(_table(rows))
    return 0


def _samples(argv: list[str]) -> int:
    parser = _Parser("styletut samples", "The pictures that come along; elsewhere they are called sample:NAME.")
    parser.add_argument("name", nargs="?", help="say more of this one")
    parser.add_argument("-o", "--output", metavar="OUT", help="write it to this file")
    parser.add_argument("--size", help="pixels of the longer side, or ROWSxCOLS (default: its own)")
    args = parser.parse(argv)
    if args.name is None and (args.output or args.size):
        parser.error("say which sample, as in: styletut samples cat -o cat.png")
    from .. import images, samples

    if args.name is None:
        with redirect_stdout(io.StringIO()):
            text = samples.table()
        _print(text)
        return 0
    sample = samples.info(args.name.removeprefix("sample:"))
    if args.output is None:
        _print(_table((field.name, str(getattr(sample, field.name))) for field in dataclasses.fields(sample)))
        return 0
    output = Path(args.output)
    output = output / f"{sample.name}.png" if output.is_dir() else output
    _check_output(output, _Inputs([]))
    picture = samples.load(sample.name, None if args.size is None else _value("size", args.size))
    output.parent.mkdir(parents=True, exist_ok=True)
    images.save_image(picture, output)
    if not args.quiet:
        print(printable(f"wrote {output} ({picture.shape[-1]} x {picture.shape[-2]})"), flush=True)
    return 0


def _info(argv: list[str]) -> int:
    parser = _Parser("styletut info", "How a picture was made, from what styletut wrote into it.")
    parser.add_argument("picture")
    parser.add_argument("--json", action="store_true", help="all of it, as JSON; -r FILE.json takes it as a recipe")
    args = parser.parse(argv)
    manifest = _manifest(args.picture)
    try:
        text = json.dumps(manifest, indent=2) if args.json else _story(args.picture, manifest)
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError, RecursionError):  # somebody changed it
        raise _damaged(args.picture) from None
    _print(text)
    return 0


def _manifest(name: str) -> dict[str, Any]:
    """What a picture says of how it was made."""
    from .. import images, transfer

    text = images.read_metadata(name).get(transfer.METADATA_KEY)
    if text is None:
        raise ImageError(f"{name!r} does not say how it was made: only pictures that styletut wrote do")
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged(name) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("recipe"), dict):
        raise _damaged(name)
    return manifest


def _damaged(name: str) -> ImageError:
    return ImageError(f"what {name!r} says of how it was made is damaged: nothing can be learnt from it")


def _story(name: str, made: dict[str, Any]) -> str:
    """A manifest for people."""
    from .. import recipes

    recipe, losses = made["recipe"], made["losses"]
    rows = [
        ("made", f"{made['made']} by styletut {made['styletut']} with torch {made['torch']}"),
        ("size", f"{made['size'][1]} x {made['size'][0]}"),
        ("recipe", str(recipe["name"])),
    ]
    if recipe["name"] in recipes.names():
        named = json.loads(recipes.get(recipe["name"]).to_json())
        rows += [("  changed", f"{key} = {_shown(value)}") for key, value in recipe.items() if value != named.get(key)]
    rows += [
        ("cost", f"{made['iterations']} steps, {made['evaluations']} evaluations, {made['seconds']} s"),
        ("on", f"{made['device']} in {made['precision']}"),
        *((f"loss {key}", f"{float(value):.4g}") for key, value in losses.items()),
        *((key, str(made[key])) for key in ("stopped",) if made[key]),
        ("another", f"styletut CONTENT STYLE -r {name}"),
    ]
    return _table(rows)


def _shown(value: object) -> str:
    """A value of a recipe as --set takes it, but text and sizes without JSON's marks."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return f"{value[0]}x{value[1]}"
    return value if isinstance(value, str) else json.dumps(value)


def _table(rows: Iterable[Sequence[str]]) -> str:
    """Rows as lines, in columns as wide as they need."""
    cells = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
