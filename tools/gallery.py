"""Paint the book's gallery: every sample photograph in every sample style, by the recipe `fast` as it is.

    python tools/gallery.py          # what is missing, or was painted by another `fast`: an hour on two cores
    python tools/gallery.py waves    # one style

The photograph of the landing page's cover is painted once more, as large as that page shows it, by `fine` with about
half as many evaluations, in each style but the one that has all of them: `book/images/hero.jpg`.

Each picture is kept without loss in `.experiments/gallery/` as soon as it is painted, with its manifest, so that the
same command goes on where it was stopped; of a picture that is in `book/gallery/` only, that one counts. That folder
gets the styles that are whole as the page shows them, and at last their table, `gallery.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import styletut as st
from styletut.cli.manifest import read_manifest
from styletut.errors import ImageError, RecipeError
from styletut.files import write_atomically

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".experiments" / "gallery"
SHOWN = ROOT / "book" / "gallery"
COVER, WHOLE = "cat", "starry_night"
SCALES = ((1 / 6, 120), (1 / 3, 80), (2 / 3, 25), (1.0, 8))
LARGER: dict[str, Any] = {"recipe": "fine", "size": 1500, "upscale": True, "scales": SCALES}
QUALITY = 75  # of WebP
Painted = tuple[str, str, dict[str, Any]]  # photograph, style and manifest
FACTS = ("size", "evaluations", "seconds", "device", "precision", "styletut", "torch", "made")


def name_of(photograph: str, style: str, changes: Mapping[str, Any] = MappingProxyType({})) -> str:
    """What a picture's files are called."""
    return f"{photograph}-{style}" + ("-large" if changes else "")


def kept(photograph: str, style: str, **changes: Any) -> dict[str, Any] | None:
    """What a picture of a pair, kept or shown, says of how it was made, if that is by today's recipe, to its end."""
    name = name_of(photograph, style, changes)
    for path in (KEPT / f"{name}.png", SHOWN / f"{name}.webp"):
        try:
            manifest = read_manifest(str(path))
        except ImageError:
            continue
        if is_todays(manifest["recipe"], **changes) and manifest["stopped"] is None:
            return manifest
    return None


def is_todays(stored: Mapping[str, Any], **changes: Any) -> bool:
    """Whether a recipe in a manifest is that of today, where fields that it does not know have their defaults."""
    try:
        return st.Recipe.from_dict(stored) == st.Recipe.from_dict(recipe(**changes))
    except RecipeError:
        return False


def recipe(recipe: str = "fast", **changes: Any) -> dict[str, Any]:
    """A recipe of today, as a manifest has it."""
    fields: dict[str, Any] = json.loads(st.recipes.get(recipe).replace(**changes).to_json())
    return fields


def paint(photograph: str, style: str, **changes: Any) -> None:
    """Paint a pair and keep it.

    Raises:
        KeyboardInterrupt: it was interrupted; nothing is kept of it.
    """
    result = st.stylize(st.samples.load(photograph), st.samples.load(style), **{"recipe": "fast"} | changes)
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    KEPT.mkdir(parents=True, exist_ok=True)
    result.save(KEPT / f"{name_of(photograph, style, changes)}.png")


def show(photograph: str, style: str, manifest: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Write a picture that was kept as the page shows it, and give its row of `gallery.json`."""
    name = name_of(photograph, style, changes)
    if (KEPT / f"{name}.png").exists():
        metadata = {st.transfer.METADATA_KEY: json.dumps(manifest)}
        st.save_image(st.load_image(KEPT / f"{name}.png"), SHOWN / f"{name}.webp", metadata=metadata, quality=QUALITY)
    facts = {name: manifest[name] for name in FACTS}
    return {
        "photograph": photograph,
        "style": style,
        "file": f"{name}.webp",
        **facts,
        "loss": manifest["losses"]["total"],
    }


def main(styles: Sequence[str]) -> int:
    """Paint what is missing, and write the styles that are whole."""
    photographs = st.samples.names("photograph")
    for style in styles or st.samples.names("style"):
        pairs: list[tuple[str, dict[str, Any]]] = [(each, {}) for each in photographs]
        for photograph, changes in pairs + [(COVER, LARGER)] * (style != WHOLE):
            if kept(photograph, style, **changes) is None:
                print(name_of(photograph, style, changes), file=sys.stderr)
                paint(photograph, style, **changes)
    whole: list[Painted] = []
    larger: list[Painted] = []
    for style in st.samples.names("style"):
        made = [(each, style, manifest) for each in photographs if (manifest := kept(each, style))]
        cover = kept(COVER, style, **LARGER)
        if len(made) == len(photographs) and (cover or style == WHOLE):
            whole += made
            larger += [(COVER, style, cover)] if cover else []
    write(whole, larger)
    print(f"{len(whole)} pictures of {len(photographs) * len(st.samples.names('style'))} are in {SHOWN}")
    return 0


def write(made: Sequence[Painted], larger: Sequence[Painted]) -> None:
    """Write the gallery, its table last: it is there when all that it names is."""
    SHOWN.mkdir(exist_ok=True)
    tables = {"pictures": [show(*each, {}) for each in made], "cover": [show(*each, LARGER) for each in larger]}
    for name in filter(lambda name: st.samples.info(name).drawn, st.samples.names("style")):
        st.save_image(st.samples.load(name), SHOWN / f"{name}.webp", quality=QUALITY)
    text = f'{{\n "recipe": {json.dumps(recipe())},\n "larger": {json.dumps(recipe(**LARGER))}'
    for name, rows in tables.items():
        text += f',\n "{name}": [\n' + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]"
    write_atomically(SHOWN / "gallery.json", f"{text}\n}}\n".encode())


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nstopped; the pictures that were painted are kept: the same command goes on", file=sys.stderr)
        sys.exit(130)
