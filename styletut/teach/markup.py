"""The HTML of interactive figures: pictures, style and a few lines of script in one string.

The templates are the files of the folder `html`; `interactive` says what may be asked for.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from PIL import Image

# Shares of the width and JPEG qualities, best first: the first that fits is taken.
EFFORTS = ((1.0, 90), (1.0, 82), (1.0, 74), (0.85, 78), (0.72, 76), (0.6, 76), (0.5, 74), (0.42, 72), (0.35, 70))
SMALLEST = 120  # pixels: below this there is nothing left to see
MINIMUM_WIDTHS = {"divider": 320, "frames": 320, "hover": 480, "grid": 480}  # pixels: tiny pictures are enlarged to it

Axes = Sequence[tuple[str, Sequence[str]]]  # of a grid: (name, values) down the rows, then along the columns


def build(
    kind: str,
    pictures: Sequence[Image.Image],
    labels: Sequence[str],
    alt: str,
    max_width: int,
    max_bytes: int,
    start: int = 0,
    axes: Axes = (),
) -> str | None:
    """The figure as one string of HTML, as good as `max_bytes` allows; None where nothing fits.

    `kind` is "divider", "frames", "hover" or "grid".
    """
    largest = max(pictures, key=lambda picture: picture.width * picture.height)
    width, height = shown_size(largest, max_width)
    for share, quality in EFFORTS:
        if share < 1 and share * max(width, height) < SMALLEST:
            break
        target = max(1, round(width * share)), max(1, round(height * share))
        jpegs = [jpeg(picture, target, quality, crop=kind == "divider") for picture in pictures]
        fragment = _fragment(kind, jpegs, labels, alt, (width, height), start, axes)
        if len(fragment.encode()) <= max_bytes:
            return fragment
    return None


def shown_size(picture: Image.Image, max_width: int) -> tuple[int, int]:
    """Columns and rows of `picture` once neither is more than `max_width`."""
    shrink = min(1.0, max_width / max(picture.size))
    return max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))


def jpeg(picture: Image.Image, target: tuple[int, int], quality: int, *, crop: bool = False) -> bytes:
    """`picture` within `target` (columns, rows), or, with `crop`, stretched by a rounding error to fill it."""
    if not crop:
        scale = min(target[0] / picture.width, target[1] / picture.height, 1.0)
        target = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if picture.size != target:
        picture = picture.resize(target, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Full colour resolution: half of it would smear the strokes that these pictures are about.
    # Not optimize or progressive: Pillow's buffer for them is too small for noise at full colour resolution.
    picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _fragment(
    kind: str,
    jpegs: Sequence[bytes],
    labels: Sequence[str],
    alt: str,
    size: tuple[int, int],
    start: int,
    axes: Axes,
) -> str:
    digest = hashlib.sha256(repr((kind, list(labels), alt, size, start)).encode())
    if axes:
        digest.update(repr([(name, list(values)) for name, values in axes]).encode())
    for data in jpegs:
        digest.update(hashlib.sha256(data).digest())
    name = f"styletut-{kind}-{digest.hexdigest()[:12]}"

    sources = [f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}" for data in jpegs]
    return _filled(kind, name, sources, labels, labels, alt, size, start, axes)


def linked_divider(
    name: str, sources: Sequence[str], alts: Sequence[str], labels: Sequence[str], alt: str, size: tuple[int, int]
) -> str:
    """A divider over two files that lie beside the page; `name` is its id, `size` columns and rows at its widest."""
    return _filled("divider", name, sources, alts, labels, alt, size, 0, ())


def _filled(
    kind: str,
    name: str,
    sources: Sequence[str],
    alts: Sequence[str],
    labels: Sequence[str],
    alt: str,
    size: tuple[int, int],
    start: int,
    axes: Axes,
) -> str:
    roles = ("pic before", "pic after") if kind == "divider" else ("pic",) * len(sources)
    figures = "".join(
        f'<figure class="{role}{" on" if kind != "divider" and i == start else ""}"{_bare(kind, i == start)}>'
        f'<img src="{html.escape(source)}" '
        f'alt="{html.escape(about)}" width="{size[0]}" height="{size[1]}" decoding="sync" draggable="false">'
        f"<figcaption>{html.escape(label)}</figcaption></figure>"
        for i, (role, source, about, label) in enumerate(zip(roles, sources, alts, labels, strict=True))
    )
    parts = {
        "FIGURES": figures,
        "ID": name,
        "ALT": html.escape(alt),
        "WIDTH": str(max(size[0], min(MINIMUM_WIDTHS[kind], size[0] * 4))),
        "SHAPE": f"{size[0]} / {size[1]}",
        "COLUMN": "45%" if kind == "divider" else "7.5rem",
        "LAST": str(len(sources) - 1),
        "START": str(start),
        "NOW": "50 %" if kind == "divider" else html.escape(labels[start]),
        "PAUSE": str(min(900, max(120, 7000 // len(sources)))),
    }
    if kind == "hover":
        parts["KEYS"] = "".join(
            f'<label><input type="radio" name="key" value="{i}"{" checked" if i == start else ""}>'
            f"<span>{html.escape(label)}</span></label>"
            for i, label in enumerate(labels)
        )
    if axes:
        across = len(axes[1][1])
        parts |= {
            "ACROSS": str(across),
            "CELL": str(_cell_width(size, len(sources) // across)),
            "DIALS": _dials(axes, divmod(start, across)),
        }
        parts |= {
            placeholder: html.escape(axis) for placeholder, (axis, _) in zip(("DOWN", "ALONG"), axes, strict=True)
        }
    return fill(f"{kind}.html", parts)


def _bare(kind: str, first: bool) -> str:
    """What a picture needs where style and script are stripped: a divider's two side by side, else one alone."""
    if kind == "divider":
        return ' style="display:inline-block;width:48%;margin:0 1% 0 0"'
    return "" if first else ' hidden="hidden"'


def _cell_width(size: tuple[int, int], rows: int) -> int:
    """Pixels across one cell of the map: equal areas whatever the shape, large enough to tap, not too high."""
    aspect = size[0] / size[1]
    return max(26, min(80, round(math.sqrt(2400 * aspect)), round(250 / rows * aspect)))


def _dials(axes: Axes, at: Sequence[int]) -> str:
    """A labelled slider for each parameter that has more than one value."""
    return "".join(
        f'<label><span>{html.escape(name)}</span><b aria-hidden="true">{html.escape(values[now])}</b>'
        f'<input type="range" min="0" max="{len(values) - 1}" step="1" value="{now}" data-axis="{axis}" '
        f'data-values="{html.escape(json.dumps(list(values)))}" '
        f'aria-label="{html.escape(name)}" aria-valuetext="{html.escape(values[now])}"></label>'
        for axis, ((name, values), now) in enumerate(zip(axes, at, strict=True))
        if len(values) > 1
    )


# --------------------------------------------------------------------------- templates


def fill(name: str, parts: Mapping[str, str]) -> str:
    """The template of that name with a text for each of its placeholders: ``__ALT__`` becomes ``parts["ALT"]``."""
    # One pass, so that nothing that a label says is taken for a placeholder.
    return re.sub("__([A-Z]+)__", lambda placeholder: parts[placeholder[1]], template(name))


def keys_script() -> str:
    """The script that keeps a figure's keys from moving to another cell or page."""
    return template("keys.html").removesuffix("\n")


@cache
def template(name: str) -> str:
    """A file of the folder `html`, together with the files that it includes, and without its comments.

    A line ``/* include slider.css */`` stands for that file. A comment begins at the beginning of a line.
    """
    text = (files(__package__) / "html" / name).read_text(encoding="utf-8")
    text = re.sub(r"^/\* include (\S+) \*/\n", lambda included: template(included[1]), text, flags=re.MULTILINE)
    return re.sub(r"^(/\*.*?\*/|<!--.*?-->)\n", "", text, flags=re.MULTILINE | re.DOTALL)
