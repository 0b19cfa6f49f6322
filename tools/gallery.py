"""Paint the book's gallery: every sample photograph in every sample style, by the recipe `fast` as it is.

    python tools/gallery.py          # what is missing, or was painted by another `fast`: an hour and more on two cores
    python tools/gallery.py waves    # one style

Each picture is kept without loss in `.experiments/gallery/` as soon as it is painted, with its manifest, so that the
same command goes on where it was stopped. `book/gallery/` gets the styles that are whole as the page shows them, and at
last their table, `gallery.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import styletut as st
from styletut.cli.manifest import read_manifest
from styletut.errors import ImageError
from styletut.files import write_atomically

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".experiments" / "gallery"
SHOWN = ROOT / "book" / "gallery"
QUALITY = 75  # of WebP
FACTS = ("size", "evaluations", "seconds", "device", "precision", "styletut", "torch", "made")


def kept(photograph: str, style: str) -> dict[str, Any] | None:
    """What the kept picture of a pair says of how it was made, if that is by today's `fast`, to its end."""
    try:
        manifest = read_manifest(str(KEPT / f"{photograph}-{style}.png"))
    except ImageError:
        return None
    return manifest if manifest["recipe"] == fast() and manifest["stopped"] is None else None


def fast() -> dict[str, Any]:
    """Today's `fast`, as a manifest has it."""
    recipe: dict[str, Any] = json.loads(st.recipes.get("fast").to_json())
    return recipe


def paint(photograph: str, style: str) -> None:
    """Paint a pair and keep it.

    Raises:
        KeyboardInterrupt: it was interrupted; nothing is kept of it.
    """
    result = st.stylize(st.samples.load(photograph), st.samples.load(style), recipe="fast")
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    KEPT.mkdir(parents=True, exist_ok=True)
    result.save(KEPT / f"{photograph}-{style}.png")


def show(photograph: str, style: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write a picture as the page shows it, and give its row of `gallery.json`."""
    file = f"{photograph}-{style}.webp"
    picture = st.load_image(KEPT / f"{photograph}-{style}.png")
    metadata = {st.transfer.METADATA_KEY: json.dumps(manifest)}
    st.save_image(picture, SHOWN / file, metadata=metadata, quality=QUALITY)
    facts = {name: manifest[name] for name in FACTS}
    return {"photograph": photograph, "style": style, "file": file, **facts, "loss": manifest["losses"]["total"]}


def main(styles: Sequence[str]) -> int:
    """Paint what is missing, and write the styles that are whole."""
    photographs = st.samples.names("photograph")
    for style in styles or st.samples.names("style"):
        for photograph in photographs:
            if kept(photograph, style) is None:
                print(f"{photograph} in the style of {style}", file=sys.stderr)
                paint(photograph, style)
    whole = []
    for style in st.samples.names("style"):
        made = [(each, style, manifest) for each in photographs if (manifest := kept(each, style))]
        if len(made) == len(photographs):
            whole += made
    write(whole)
    print(f"{len(whole)} pictures of {len(photographs) * len(st.samples.names('style'))} are in {SHOWN}")
    return 0


def write(made: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Write the gallery, its table last: it is there when all that it names is."""
    SHOWN.mkdir(exist_ok=True)
    rows = [show(*each) for each in made]
    for name in filter(lambda name: st.samples.info(name).drawn, st.samples.names("style")):
        st.save_image(st.samples.load(name), SHOWN / f"{name}.webp", quality=QUALITY)
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    text = f'{{\n "recipe": {json.dumps(fast())},\n "pictures": [\n{lines}\n ]\n}}\n'
    write_atomically(SHOWN / "gallery.json", text.encode())


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nstopped; the pictures that were painted are kept: the same command goes on", file=sys.stderr)
        sys.exit(130)
