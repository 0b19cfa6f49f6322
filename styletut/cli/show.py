"""The commands that show what there is: recipes, layers, samples, and how a picture was made."""

from __future__ import annotations

import dataclasses
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

from .files import Inputs, check_output
from .manifest import describe_manifest, read_manifest, sheet_commands
from .parser import Parser
from .printing import format_table, format_value, print_result, report
from .recipe import named_recipe, parse_value


def recipes_command(argv: list[str]) -> int:
    """The command ``styletut recipes``."""
    parser = Parser(
        "styletut recipes",
        "The named recipes, or all fields of one.",
        usage="styletut recipes [options] [NAME]",
    )
    what = "a recipe, a .json file, or a picture that styletut made"
    parser.add_argument("name", nargs="?", metavar="NAME", help=what)
    parser.add_argument("--json", action="store_true", help="as JSON; of one recipe, what -r FILE.json takes")
    parser.add_argument("--fields", action="store_true", help="what each field means and may hold")
    args = parser.parse(argv)
    from .. import recipes

    if args.fields:
        print_result(_describe_fields())
    elif args.name is not None:
        recipe = named_recipe(args.name)
        rows = ((key, format_value(value)) for key, value in recipe.to_dict().items())
        print_result(recipe.to_json(indent=2) if args.json else format_table(rows))
    elif args.json:
        print_result(json.dumps({name: recipes.get(name).to_dict() for name in recipes.names()}, indent=2))
    else:
        default = recipes.get().name
        for name in recipes.names():
            recipe = recipes.get(name)
            print_result(f"{name}{' (the default)' if name == default else ''}: {recipe.source}")
            print_result(f"    {recipe.optimizer}, {recipe.steps} steps, size {format_value(recipe.size)}")
    return 0


def _describe_fields() -> str:
    from .. import recipes

    return "\n".join(f"{field.name}: {field.help}\n    {field.allowed()}" for field in recipes.fields())


def layers_command(argv: list[str]) -> int:
    """The command ``styletut layers``."""
    parser = Parser(
        "styletut layers",
        "The layers of a network, in the order of the forward pass.",
        usage="styletut layers [options] [NETWORK]",
    )
    parser.add_argument("network", nargs="?", metavar="NETWORK", help="vgg16 or vgg19 (the default)")
    args = parser.parse(argv)
    from .. import vgg

    rows = [("layer", "channels", "stride", "sees pixels", "in Keras")]
    for layer in vgg.layers() if args.network is None else vgg.layers(args.network):
        rows.append((layer.name, str(layer.channels), str(layer.stride), str(layer.receptive_field), layer.keras))
    print_result(format_table(rows))
    return 0


def samples_command(argv: list[str]) -> int:
    """The command ``styletut samples``."""
    parser = Parser(
        "styletut samples",
        "The pictures that come along; elsewhere they are called sample:NAME.",
        usage="styletut samples [options] [NAME]",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="say more of this one")
    parser.add_argument("-o", "--output", metavar="OUT", help="write it to this file")
    parser.add_argument("--size", help="pixels of the longer side, or ROWSxCOLS (default: its own)")
    args = parser.parse(argv)
    if args.name is None and (args.output or args.size):
        parser.error("say which sample, as in: styletut samples cat -o cat.png")
    from .. import samples

    if args.name is None:
        with redirect_stdout(io.StringIO()):
            text = samples.table()
        print_result(text)
        return 0
    sample = samples.info(args.name.removeprefix("sample:"))
    if args.output is None:
        rows = ((field.name, str(getattr(sample, field.name))) for field in dataclasses.fields(sample))
        print_result(format_table(rows))
    else:
        _write_sample(sample.name, Path(args.output), args.size, args.quiet)
    return 0


def _write_sample(name: str, output: Path, size: str | None, quiet: bool) -> None:
    from .. import images, samples

    output = output / f"{name}.png" if output.is_dir() else output
    check_output(output, Inputs([]))
    picture = samples.load(name, None if size is None else parse_value("size", size))
    output.parent.mkdir(parents=True, exist_ok=True)
    images.save_image(picture, output)
    if not quiet:
        report(f"wrote {output} ({picture.shape[-1]} x {picture.shape[-2]})")


def info_command(argv: list[str]) -> int:
    """The command ``styletut info``."""
    parser = Parser(
        "styletut info",
        "How a picture was made, from what styletut wrote into it.",
        usage="styletut info [options] PICTURE",
    )
    parser.add_argument("picture", metavar="PICTURE", help="a picture, or a contact sheet, that styletut made")
    parser.add_argument("--json", action="store_true", help="all of it, as JSON; -r FILE.json takes it as a recipe")
    args = parser.parse(argv)
    if (calls := sheet_commands(args.picture)) is not None:
        print_result(json.dumps(calls.splitlines(), indent=2) if args.json else calls)
        return 0
    manifest = read_manifest(args.picture)
    print_result(json.dumps(manifest, indent=2) if args.json else describe_manifest(args.picture, manifest))
    return 0
