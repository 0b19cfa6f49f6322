"""The pictures that come with the package: photographs, paintings, and styles that are drawn on demand.

``names`` lists them, ``show`` shows them, ``load`` gives one as a picture, ``table`` says where each comes from and
under which licence. To add a picture: put the file into ``data/`` and a row into ``SAMPLES``; nothing else knows of it.

The drawn styles (``waves``, ``mosaic``, ``strokes``, ``dots``) have a structure that is known exactly, which
makes them the ones to explain a Gram matrix with. All their lengths are fractions of the picture's longer
side, so that 256 and 1024 pixels show the same picture. Colours are mixed in linear light and edges are
antialiased by the exact distance to them. The same seed gives the same picture, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import styletut  # the drawing of sheets is above this room: `show` asks the package for it

from .errors import SampleError, did_you_mean
from .images import MAX_PIXELS, load_image, to_pil

KINDS = ("photograph", "style")
SHOWN = 240  # pixels of the longer side, in the contact sheet

Array = NDArray[np.floating]
Size = int | tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is known of one sample picture.

    ``size`` is (rows, columns) of the file, or what a drawn style is drawn at when no size is asked for;
    ``file`` is a name in the package's ``data`` folder, empty for a style that the function of its name draws.
    """

    name: str
    kind: str
    title: str
    author: str
    year: str
    source: str
    licence: str
    size: tuple[int, int]
    file: str = ""

    @property
    def drawn(self) -> bool:
        """Whether the picture is drawn by this module and not read from a file."""
        return not self.file


def _photograph(name: str, title: str, author: str, year: str, source: str, licence: str, *size: int) -> Sample:
    rows, cols = size
    return Sample(name=name, kind="photograph", title=title, author=author, year=year, source=source,
                  licence=licence, size=(rows, cols), file=f"{name}.jpg")  # fmt: skip


def _painting(name: str, title: str, year: str, source: str, *size: int) -> Sample:
    rows, cols = size
    return Sample(name=name, kind="style", title=title, author="Vincent van Gogh", year=year, source=source,
                  licence="public domain", size=(rows, cols), file=f"{name}.jpg")  # fmt: skip


def _drawing(name: str, title: str) -> Sample:
    return Sample(name=name, kind="style", title=title, author="the styletut authors", year="2026",
                  source=f"drawn by styletut.samples.{name}", licence="generated (MIT)", size=(512, 512))  # fmt: skip


# The one table of provenance. "by 2013" is the year in which an undated photograph was first published with
# scikit-image. The paintings' files: starry_night is the OpenCV sample of that name with its black frame cut
# off; the others are pictures of the GCompris activity "details" (harvest: its white margins cut off), whose
# README, file by file, says "License: Public domain" and "based on an original painting by Van Gogh, Public
# domain image". A flat copy of a painting of a man who died in 1890 is in the public domain in any case.
SAMPLES: tuple[Sample, ...] = (
    _photograph("cat", "Chelsea the cat", "Stefan van der Walt", "by 2013",
                "scikit-image, data.chelsea", "CC0", 300, 451),
    _photograph("astronaut", "Eileen Collins, commander of STS-93", "NASA", "about 1999",
                "NASA Great Images, through scikit-image, data.astronaut", "public domain", 512, 512),
    _photograph("coffee", "Espresso at the Pikolo Espresso Bar", "Rachel Michetti", "by 2013",
                "scikit-image, data.coffee", "CC0", 400, 600),
    _photograph("cameraman", "Cameraman (black and white)", "Lav Varshney", "by 2020",
                "scikit-image, data.camera", "CC0", 512, 512),
    _painting("starry_night", "The Starry Night", "1889",
              "The Museum of Modern Art, New York; file from OpenCV's samples", 572, 728),
    _painting("cafe_terrace", "Café Terrace at Night", "1888",
              "Kröller-Müller Museum, Otterlo; file from GCompris, details/Gogh4", 500, 401),
    _painting("harvest", "The Harvest", "1888",
              "Van Gogh Museum, Amsterdam; file from GCompris, details/VincentVanGogh0019", 485, 606),
    _painting("church_at_auvers", "The Church at Auvers-sur-Oise", "1890",
              "Musée d'Orsay, Paris; file from GCompris, details/Eglise_dAuvers-sur-Oise", 500, 397),
    _painting("night_cafe", "The Night Café", "1888",
              "Yale University Art Gallery, New Haven; file from GCompris, details/Van_Gogh_The_Night_Cafe",
              500, 634),
    _drawing("waves", "Seigaiha: overlapping fans of concentric arcs"),
    _drawing("mosaic", "Tesserae in a bed of grout"),
    _drawing("strokes", "Brush strokes in one direction"),
    _drawing("dots", "Three halftone screens, overprinted"),
)  # fmt: skip


def names(kind: str | None = None) -> tuple[str, ...]:
    """Names of all samples, or of one kind: ``"photograph"`` or ``"style"``.

    Raises:
        SampleError: unknown kind.

    >>> names("photograph")
    ('cat', 'astronaut', 'coffee', 'cameraman')
    """
    if kind is not None and kind not in KINDS:
        raise SampleError(did_you_mean("kind of sample", kind, KINDS))
    return tuple(s.name for s in SAMPLES if kind in (None, s.kind))


def info(name: str) -> Sample:
    """Title, author, year, source, licence and size of a sample.

    Raises:
        SampleError: unknown name; the message has the nearest one and lists all.

    >>> info("starry_night").title
    'The Starry Night'
    """
    for sample in SAMPLES:
        if sample.name == name:
            return sample
    raise SampleError(did_you_mean("sample", name, names()))


def load(name: str, size: Size | None = None) -> Tensor:
    """The sample picture of that name: float32 (1, 3, H, W), sRGB in [0, 1].

    Args:
        name: one of ``names()``.
        size: longer side in pixels, or (rows, columns). A file is resized as ``images.load_image`` does, and
            so is never enlarged; a style that is drawn is drawn at that size, square if it is one number.
            None is the file's own size, or 512 for a drawn style.

    Raises:
        SampleError: unknown name, or a size that is not one.

    >>> load("cat", size=64).shape
    torch.Size([1, 3, 43, 64])
    """
    sample = info(name)
    if size is not None:
        _rows_cols(size)
    if sample.drawn:
        return _drawn(name, _rows_cols(sample.size if size is None else size)).clone()
    with as_file(files(__package__) / "data" / sample.file) as path:  # a real file, even out of a zip
        return load_image(path, size)


def table() -> str:
    """Print who made every sample, when, where it comes from and under which licence; return that text."""
    rows = [("name", "kind", "width x height", "year", "licence", "title, then author and source")]
    for s in SAMPLES:
        size = "any" if s.drawn else f"{s.size[1]} x {s.size[0]}"
        rows.append((s.name, s.kind, size, s.year, s.licence, s.title))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
    for i, s in enumerate(SAMPLES):
        lines[i + 1] += f"\n    {s.author}; {s.source}"
    text = "\n".join(lines)
    print(text)
    return text


def show(kind: str | None = None) -> Image.Image:
    """A contact sheet of all samples, or of one kind: each with its name, its title and who made it.

    A notebook shows it as the last line of a cell; elsewhere its ``show`` method opens a viewer.

    Raises:
        SampleError: unknown kind.

    >>> show("photograph").mode
    'RGB'
    """
    drawing = styletut.sheets.drawing
    tiles = []
    for sample in map(info, names(kind)):
        picture = to_pil(load(sample.name, SHOWN))
        tiles.append(drawing.Tile(picture, [sample.name], f"{sample.title}; {sample.author}, {sample.year}"))
    columns = math.ceil(math.sqrt(len(tiles)))
    return drawing.draw([tiles[i : i + columns] for i in range(0, len(tiles), columns)])


@lru_cache(maxsize=16)
def _drawn(name: str, size: tuple[int, int]) -> Tensor:
    draw: dict[str, Callable[[Size], Tensor]] = {
        "waves": waves, "mosaic": mosaic, "strokes": strokes, "dots": dots,
    }  # fmt: skip
    return draw[name](size)


# ---------------------------------------------------------------------------------------------------------
# What the drawn styles share.


def _rows_cols(size: Size) -> tuple[int, int]:
    sides = size if isinstance(size, tuple) else (size, size)
    if len(sides) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sides):
        raise SampleError(f"size is a number of pixels or (rows, columns), whole and above 0, got {size!r}")
    if sides[0] * sides[1] > MAX_PIXELS:
        raise SampleError(f"size {size!r} is more than {MAX_PIXELS:,} pixels: ask for fewer")
    return sides


def _pixels(size: Size) -> tuple[Array, Array, float]:
    """x (1, cols) and y (rows, 1) of the pixel centres, and a pixel's side, in units of the longer side."""
    rows, cols = _rows_cols(size)
    pixel = 1 / max(rows, cols)
    x: Array = (np.arange(cols) + 0.5)[None] * pixel
    y: Array = (np.arange(rows) + 0.5)[:, None] * pixel
    return x, y, pixel


def _fraction(**lengths: float) -> None:
    for name, value in lengths.items():
        if not 0.005 <= value <= 1:
            raise SampleError(
                f"{name} is a fraction of the longer side, from 0.005 to 1, got {value!r}"
                " (for pixels, divide by the longer side)"
            )


def _linear(*colours: str) -> Array:
    """Colours written as '#rrggbb', in linear light: (n, 3)."""
    srgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _finish(linear: Array) -> Tensor:
    """(H, W, 3) in linear light to a picture in sRGB."""
    linear = np.clip(linear, 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return torch.from_numpy(np.ascontiguousarray(srgb.transpose(2, 0, 1)[None], dtype=np.float32))


def _cover(inside: Array, pixel: float) -> Array:
    """Share of a pixel that is covered by a shape, from the distance of its centre inside the edge."""
    return np.clip(inside / pixel + 0.5, 0, 1)


class _Field:
    """A smooth random function of the plane with values in (0, 1), spread evenly; detail in waves per side."""

    def __init__(self, rng: np.random.Generator, detail: float, terms: int = 6) -> None:
        turn = rng.uniform(0, 2 * np.pi, terms)
        frequency = 2 * np.pi * detail * rng.uniform(0.6, 1.4, terms)
        self.fx, self.fy = frequency * np.cos(turn), frequency * np.sin(turn)
        self.phase = rng.uniform(0, 2 * np.pi, terms)

    def __call__(self, x: Array, y: Array) -> Array:
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
        for fx, fy, phase in zip(self.fx, self.fy, self.phase, strict=True):
            total += np.cos(fx * x + fy * y + phase)
        standard = total / math.sqrt(len(self.phase) / 2)
        return 1 / (1 + np.exp(-1.7 * standard))  # the logistic function is near the normal distribution's


def _pick(rng: np.random.Generator, where: Array, colours: int) -> NDArray[np.int_]:
    """Index of the colour at ``where`` in (0, 1) along a palette, give or take 1.5, within the palette."""
    index = np.floor(where * colours + rng.uniform(-1.5, 1.5, where.shape))
    return np.clip(index, 0, colours - 1).astype(int)


# ---------------------------------------------------------------------------------------------------------
# The drawn styles.

WAVES_LINE = "#f4ead2"
WAVES_PALETTE = ("#12305c", "#1d4f8c", "#2b6f9e", "#3b97a6", "#8fc4bd", "#d9532c", "#e8a33d")
WAVES_SHARES = (0.26, 0.26, 0.18, 0.12, 0.08, 0.05, 0.05)


def waves(size: Size = 512, *, seed: int = 0, period: float = 1 / 8) -> Tensor:
    """Seigaiha, the wave pattern of Japanese textiles and prints: fans of concentric arcs, tiled.

    Exact structure: discs of radius R = period / 2 stand on rows that are R / 2 apart, every other row moved
    by R; a lower row covers those above it. So the pattern of arcs repeats after ``period`` to the right and
    after ``period / 2`` down. In a disc, cream lines of width 0.08 R (``WAVES_LINE``) end at 1, 0.72 and 0.44 R,
    bands lie between. All bands of a disc have one colour of ``WAVES_PALETTE``, drawn with ``WAVES_SHARES``;
    as in a graded woodblock print (bokashi) it falls to 0.35 of its light from the crest to R / 2 below it.

    Args:
        size: side of a square in pixels, or (rows, columns).
        seed: draws which disc has which colour; the arcs do not depend on it.
        period: distance from fan to fan, as a fraction of the longer side.

    Raises:
        SampleError: size or period out of range.

    >>> waves((32, 48)).shape
    torch.Size([1, 3, 32, 48])
    """
    _fraction(period=period)
    x, y, pixel = _pixels(size)
    radius = period / 2
    line, palette = _linear(WAVES_LINE)[0], _linear(*WAVES_PALETTE)
    dye = np.random.default_rng(seed).choice(len(palette), size=(211, 223), p=WAVES_SHARES)
    picture = np.zeros((y.size, x.size, 3))
    for back_to_front in range(-1, 3):
        row = np.floor(y / (radius / 2)).astype(int) + back_to_front
        shift = (row % 2) * radius
        column = np.round((x - shift) / period).astype(int)
        below_centre = y - row * (radius / 2)
        distance = np.hypot(x - shift - column * period, below_centre)
        # Rings: a line's share of a pixel is that of the disc that it ends minus that of the disc inside it.
        ring = np.zeros(distance.shape)
        for end in (1, 0.72, 0.44):
            ring += _cover(end * radius - distance, pixel) - _cover((end - 0.08) * radius - distance, pixel)
        grade = 1 - 0.65 * np.clip((below_centre + radius) / (1.5 * radius), 0, 1)
        colour = palette[dye[row % 211, column % 223]] * grade[..., None]
        colour = colour + ring[..., None] * (line - colour)
        picture += _cover(radius - distance, pixel)[..., None] * (colour - picture)
    return _finish(picture)


MOSAIC_GROUT = "#d8cdb8"
MOSAIC_PALETTE = (
    "#14213d", "#1d3f77", "#2b62a8", "#3a8fb7", "#4fb3a9", "#8cc084",
    "#f2e3b3", "#f2c14e", "#e8963a", "#d9642c", "#b23a2e", "#6f1d2b",
)  # fmt: skip


def mosaic(
    size: Size = 512, *, seed: int = 0, cell: float = 1 / 26, grout: float = 0.12, relief: float = 0.3
) -> Tensor:
    """Tesserae in a bed of grout: the Voronoi cells of a jittered triangular grid.

    Exact structure: the grid has rows ``0.866 cell`` apart, every other one moved by ``cell / 2``, and each
    point is moved by up to 0.22 cell in x and in y. A tessera is a point's Voronoi cell less a margin, so that
    joints are ``grout * cell`` wide and hold MOSAIC_GROUT alone: about a share ``2 * grout`` of the picture.
    A tessera has one colour of MOSAIC_PALETTE, within 1.5 steps of where a smooth field points to.

    Args:
        size: side of a square in pixels, or (rows, columns).
        seed: draws the jitter and the colours.
        cell: distance from tessera to tessera, as a fraction of the longer side.
        grout: width of a joint, as a fraction of ``cell``, from 0 to 0.5.
        relief: how much a tessera's edge, lit from the top left, differs in light; 0 gives flat colours.

    Raises:
        SampleError: size, cell, grout or relief out of range.

    >>> mosaic(32).shape
    torch.Size([1, 3, 32, 32])
    """
    _fraction(cell=cell)
    if not (0 <= grout <= 0.5 and 0 <= relief <= 1):
        raise SampleError(f"grout is from 0 to 0.5 and relief from 0 to 1, got {grout!r} and {relief!r}")
    x, y, pixel = _pixels(size)
    step = cell * math.sqrt(3) / 2
    pad = 3  # cells beyond the picture's edge, so that every pixel has all the points around it
    down, across = int(y[-1, 0] / step) + 2 * pad + 1, int(x[0, -1] / cell) + 2 * pad + 1
    rng = np.random.default_rng(seed)
    field = _Field(rng, detail=1.5)
    i, j = np.meshgrid(np.arange(down) - pad, np.arange(across) - pad, indexing="ij")
    px = (j + 0.5 * (i % 2) + rng.uniform(-0.22, 0.22, i.shape)) * cell
    py = i * step + rng.uniform(-0.22, 0.22, i.shape) * cell
    ramp = _pick(rng, field(px, py), len(MOSAIC_PALETTE))

    row = np.round(y / step).astype(int) + pad
    column = np.round(x / cell - 0.5 * ((row - pad) % 2)).astype(int) + pad
    around = [(row + a, column + b) for a in range(-2, 3) for b in range(-2, 3)]
    nearest = np.full(column.shape, np.inf)
    ax, ay, paint = np.zeros(column.shape), np.zeros(column.shape), np.zeros(column.shape, int)
    for at in around:
        squared = (x - px[at]) ** 2 + (y - py[at]) ** 2
        closer = squared < nearest
        nearest = np.where(closer, squared, nearest)
        ax, ay = np.where(closer, px[at], ax), np.where(closer, py[at], ay)
        paint = np.where(closer, ramp[at], paint)
    inside, light = np.full(column.shape, np.inf), np.zeros(column.shape)
    for at in around:
        qx, qy = px[at] - ax, py[at] - ay  # to the next point: the edge between them is the perpendicular bisector
        apart = np.hypot(qx, qy)
        apart = np.where(apart == 0, np.nan, apart)  # the pixel's own point has no edge with itself
        edge = ((x - px[at]) ** 2 + (y - py[at]) ** 2 - nearest) / (2 * apart)
        light = np.where(edge < inside, -(qx + qy) / (apart * math.sqrt(2)), light)
        inside = np.fmin(edge, inside)
    inside -= grout * cell / 2
    bevel = np.clip(1 - inside / (0.16 * cell), 0, 1)
    colour = _linear(*MOSAIC_PALETTE)[paint] * (1 + relief * 2 * bevel * light)[..., None]
    bed = _linear(MOSAIC_GROUT)[0]
    return _finish(bed + _cover(inside, pixel)[..., None] * (colour - bed))


BRISTLES = 9
STROKES_GROUND = "#1b2a41"
STROKES_PALETTE = (
    "#1d2f6f", "#2450a4", "#2f86c5", "#63b7c9", "#bfe0cf", "#fbf3c8", "#f9d65c", "#f2a541", "#e0702f",
)  # fmt: skip


def strokes(
    size: Size = 512,
    *,
    seed: int = 0,
    angle: float = 30.0,
    spread: float = 7.0,
    length: float = 1 / 8,
    width: float = 1 / 50,
) -> Tensor:
    """Brush strokes, laid over each other in one direction, with bristles and a ridge of paint.

    Exact structure: straight strokes of ``length`` x ``width`` with round ends, their angles normally
    distributed about ``angle`` with standard deviation ``spread``, uniformly placed until they would cover the
    picture 8 times over. A stroke has one colour of STROKES_PALETTE, within 1.5 steps of where a smooth field
    points to. Nine bristles (between them, interpolated) each vary its light by up to 30 % and end up to 1.6
    widths short of either end; light rises by 25 % towards the upper edge and falls by 25 % towards the lower.
    Colour therefore changes least along ``angle`` and most across it.

    Args:
        size: side of a square in pixels, or (rows, columns).
        seed: draws places, angles and colours.
        angle: direction of the strokes in degrees, counterclockwise from the horizontal.
        spread: standard deviation of the directions in degrees.
        length: of a stroke, as a fraction of the longer side.
        width: of a stroke, as a fraction of the longer side.

    Raises:
        SampleError: size, length or width out of range, or a spread below 0.

    >>> strokes(32).shape
    torch.Size([1, 3, 32, 32])
    """
    _fraction(length=length, width=width)
    if spread < 0:
        raise SampleError(f"spread is in degrees, 0 or above, got {spread!r}")
    x, y, pixel = _pixels(size)
    rows, cols = y.size, x.size
    rng = np.random.default_rng(seed)
    field = _Field(rng, detail=1.3)
    right, bottom = cols * pixel + length, rows * pixel + length  # some strokes start outside the picture
    count = math.ceil(8 * right * bottom / (length * width))
    cx = rng.uniform(-length / 2, right - length / 2, count)
    cy = rng.uniform(-length / 2, bottom - length / 2, count)
    turn = np.radians(rng.normal(angle, spread, count))
    palette = _linear(*STROKES_PALETTE)
    paint = _pick(rng, field(cx, cy), len(palette))
    shade = rng.uniform(-0.3, 0.3, (count, BRISTLES))
    lift = rng.uniform(0, 1.6 * width, (count, 2, BRISTLES))  # how far short of either end a bristle stays
    comb = np.linspace(-1, 1, BRISTLES)
    picture = np.broadcast_to(_linear(STROKES_GROUND)[0], (rows, cols, 3)).copy()
    half, radius = (length - width) / 2, width / 2
    for k in range(count):
        cos, sin = math.cos(turn[k]), math.sin(turn[k])
        reach_x, reach_y = half * abs(cos) + radius + pixel, half * abs(sin) + radius + pixel
        top, end = max(0, int((cy[k] - reach_y) / pixel)), max(0, math.ceil((cy[k] + reach_y) / pixel))
        left, stop = max(0, int((cx[k] - reach_x) / pixel)), max(0, math.ceil((cx[k] + reach_x) / pixel))
        if top >= min(end, rows) or left >= min(stop, cols):
            continue
        dx, dy = x[:, left:stop] - cx[k], cy[k] - y[top:end]  # dy upwards, as angles are counterclockwise
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        v = across / radius
        ends = np.where(along > 0, np.interp(v, comb, lift[k, 0]), np.interp(v, comb, lift[k, 1]))
        distance = np.hypot(np.maximum(np.abs(along) - half + ends, 0), across)
        light = 1 + np.interp(v, comb, shade[k]) + 0.25 * v
        patch = picture[top:end, left:stop]
        patch += _cover(radius - distance, pixel)[..., None] * (palette[paint[k]] * light[..., None] - patch)
    return _finish(picture)


DOTS_PAPER = "#f8f1e3"
DOTS_INKS = ("#ffd23a", "#f2506e", "#2b8fd6")
DOTS_ANGLES = (0.0, 75.0, 15.0)


def dots(size: Size = 512, *, seed: int = 0, period: float = 1 / 40) -> Tensor:
    """A halftone print: three inks, each a square screen of round dots, overprinted on cream paper.

    Exact structure: the yellow, red and blue of DOTS_INKS have screens of one ``period``, turned by
    DOTS_ANGLES degrees counterclockwise. A dot's area is the tone there, 4 to 62 % of a screen cell, as a smooth
    field of its own has it for each ink. Inks multiply, as transparent inks do.

    Args:
        size: side of a square in pixels, or (rows, columns).
        seed: draws the three fields of tone; the screens do not depend on it.
        period: distance from dot to dot, as a fraction of the longer side.

    Raises:
        SampleError: size or period out of range.

    >>> dots(32).shape
    torch.Size([1, 3, 32, 32])
    """
    _fraction(period=period)
    x, y, pixel = _pixels(size)
    rng = np.random.default_rng(seed)
    picture = np.broadcast_to(_linear(DOTS_PAPER)[0], (y.size, x.size, 3)).copy()
    for ink, angle in zip(_linear(*DOTS_INKS), np.radians(DOTS_ANGLES), strict=True):
        field = _Field(rng, detail=1.2)
        cos, sin = math.cos(angle), math.sin(angle)
        u, v = (x * cos - y * sin) / period, (x * sin + y * cos) / period
        i, j = np.round(u), np.round(v)
        tone = 0.04 + 0.58 * field((i * cos + j * sin) * period, (j * cos - i * sin) * period)
        inside = period * (np.sqrt(tone / np.pi) - np.hypot(u - i, v - j))
        picture *= 1 - _cover(inside, pixel)[..., None] * (1 - ink)
    return _finish(picture)
