"""Styles of kinds of which no free picture was at hand: a colour woodcut, a watercolour, a geometric composition.

    python benchmarks/pictures/make.py

The first two are made of paintings of the package that are in the public domain. The same seed gives the same picture.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage import color, segmentation

import styletut as st

Array = NDArray[np.floating]
SIDE = 720


def painting(name: str) -> Array:
    """A sample as (H, W, 3) with the longer side SIDE."""
    picture = st.images.resize(st.samples.load(name), SIDE, upscale=True)
    return picture[0].permute(1, 2, 0).double().numpy()


def noise(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Array:
    """Smooth random values with mean 0 and deviation 1; ``scale`` in pixels."""
    found = ndimage.gaussian_filter(rng.standard_normal(shape), scale, mode="wrap")
    return (found - found.mean()) / found.std()


def woodcut(seed: int = 0) -> Array:
    """Flat inks with a graded sky, and a black block whose lines follow the shapes and grow with the darkness."""
    rng = np.random.default_rng(seed)
    source = painting("church_at_auvers")
    lightness = ndimage.gaussian_filter(color.rgb2lab(source)[..., 0] / 100, 2.5)
    shape = lightness.shape
    # The direction along edges, from the structure tensor; where there are none, that of the nearest ones.
    down, across = (ndimage.gaussian_filter(lightness, 2, order=order) for order in ((1, 0), (0, 1)))
    tensor = [ndimage.gaussian_filter(product, 12) for product in (across * across - down * down, 2 * across * down)]
    angle = 0.5 * np.arctan2(tensor[1], tensor[0]) + math.pi / 2
    # Noise drawn out along it gives the lines of the gouge.
    grid = np.indices(shape).astype(float)
    grain, lines = noise(rng, shape, 1.6), np.zeros(shape)
    for sign in (-1, 1):
        y, x = grid.copy()
        turned = np.zeros(shape)
        before = angle
        for _ in range(22):
            here = ndimage.map_coordinates(angle, [y, x], order=0, mode="nearest")
            turned = here + math.pi * np.round((before + turned * 0 - here) / math.pi)  # the nearer of both ways
            before = turned
            y, x = y + sign * np.sin(turned), x + sign * np.cos(turned)
            lines += ndimage.map_coordinates(grain, [y, x], order=1, mode="reflect")
    lines /= lines.std()
    tone = ndimage.gaussian_filter(lightness, 3)
    contour = ndimage.gaussian_filter(lightness, 1.5) - ndimage.gaussian_filter(lightness, 5)
    dark = 2.3 * (0.42 - tone) / 0.42
    ink = (lines < np.clip(dark, -3, 1.4) - 0.7) | (contour < -0.035)
    key = np.clip(ndimage.gaussian_filter(ink.astype(float), 0.8) * 2.2 - 0.6, 0, 1)
    # Inks: the nearest of a printer's few, over regions without detail.
    inks = np.array([(0.93, 0.87, 0.73), (0.16, 0.29, 0.48), (0.45, 0.62, 0.66), (0.80, 0.62, 0.28), (0.37, 0.47, 0.29),
                     (0.72, 0.33, 0.22)])  # fmt: skip
    smooth = np.stack([ndimage.median_filter(source[..., c], 15) for c in range(3)], -1)
    distance = np.linalg.norm(color.rgb2lab(smooth)[..., None, :] - color.rgb2lab(inks[None])[0], axis=-1)
    index = ndimage.median_filter(distance.argmin(-1), 11)
    printed = inks[index]
    rows = np.linspace(0, 1, shape[0])[:, None, None]
    printed = printed * np.where(index[..., None] == 1, 1 - 0.45 * (1 - rows) ** 2, 1)  # bokashi: a graded ink
    fibres = ndimage.gaussian_filter(rng.standard_normal(shape), (0.6, 5))
    printed = printed * (1 + 0.05 * fibres / fibres.std())[..., None]
    return np.clip(printed * (1 - key[..., None] * 0.9) + 0.08 * key[..., None], 0, 1)


def watercolour(seed: int = 1) -> Array:
    """Pale washes on rough paper: flat inside, darker where a wash dried at its edge, with blooms and bare paper."""
    rng = np.random.default_rng(seed)
    source = painting("cafe_terrace")
    shape = source.shape[:2]
    labels = segmentation.slic(ndimage.gaussian_filter(source, (3, 3, 0)), n_segments=260, compactness=4, start_label=0)
    # Edges of washes run a little, so places are looked up with a jitter.
    y, x = np.indices(shape) + 3.5 * np.stack([noise(rng, shape, 5), noise(rng, shape, 5)])
    labels = ndimage.map_coordinates(labels, [y, x], order=0, mode="nearest")
    means = np.stack([ndimage.mean(source[..., c], labels, np.arange(labels.max() + 1)) for c in range(3)], -1)
    means = means + 0.025 * rng.standard_normal(means.shape)
    washed = np.stack([ndimage.gaussian_filter(means[labels][..., c], 2.2) for c in range(3)], -1)
    density = -np.log(np.clip(washed, 0.05, 1)) * 0.62  # a wash absorbs: its density says how much paint there is
    border = segmentation.find_boundaries(labels, mode="thick")
    inside = ndimage.distance_transform_edt(~border)
    dried = 1 + 0.55 * np.exp(-inside / 2.0)
    bloom = np.exp(0.28 * noise(rng, shape, 28) + 0.12 * noise(rng, shape, 9))
    paper = noise(rng, shape, 1.1) + 0.7 * noise(rng, shape, 2.2)
    grainy = 1 + 0.16 * paper / paper.std()
    density = density * (dried * bloom * np.clip(grainy, 0.3, 2))[..., None]
    bare = (noise(rng, shape, 14) + 0.25 * paper > 1.75) | (rng.random(labels.max() + 1)[labels] > 0.965)
    density = density * (1 - 0.85 * ndimage.gaussian_filter(bare.astype(float), 1.5))[..., None]
    sheet = np.array([0.985, 0.975, 0.945]) * (1 + 0.012 * paper / paper.std())[..., None]
    return np.clip(sheet * np.exp(-density), 0, 1)


def geometric(seed: int = 11) -> Array:
    """Circles, triangles, bars, arcs and grids in flat colours on cream, as the painters of the 1920s composed them."""
    rng = np.random.default_rng(seed)
    zoom, height, width = 3, 560, SIDE
    inks = [(214, 40, 40), (29, 53, 87), (244, 180, 26), (20, 20, 22), (69, 123, 157), (231, 111, 81), (42, 157, 143)]
    picture = Image.new("RGB", (width * zoom, height * zoom), (241, 232, 213))

    def over(draw_on: ImageDraw.ImageDraw, kind: int, x: float, y: float, r: float, ink: tuple[int, ...]) -> None:
        turn = rng.uniform(0, 2 * math.pi)
        if kind == 0:
            draw_on.ellipse((x - r, y - r, x + r, y + r), fill=ink)
            s = r * rng.uniform(0.4, 0.7)
            draw_on.ellipse((x - s, y - s, x + s, y + s), fill=(*inks[rng.integers(len(inks))], ink[3]))
        elif kind == 1:
            corners = [(x + r * math.cos(turn + k * 2.1), y + r * math.sin(turn + k * 2.1)) for k in range(3)]
            draw_on.polygon(corners, fill=ink)
        elif kind == 2:
            a, b = math.cos(turn), math.sin(turn)
            w = r * rng.uniform(0.08, 0.3)
            corners = [(x + u * r * a - v * w * b, y + u * r * b + v * w * a)
                       for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
            draw_on.polygon(corners, fill=ink)
        elif kind == 3:
            start = math.degrees(turn)
            draw_on.arc(
                (x - r, y - r, x + r, y + r), start, start + rng.uniform(90, 220), fill=ink, width=int(r * 0.12) + 4
            )
        elif kind == 4:
            n, s = int(rng.integers(3, 6)), r / 3
            for i in range(n):
                for j in range(n):
                    if (i + j) % 2:
                        draw_on.rectangle((x + i * s, y + j * s, x + (i + 1) * s, y + (j + 1) * s), fill=ink)
        else:
            for k in range(int(rng.integers(4, 9))):
                shift = k * 16 * zoom
                draw_on.line(
                    (x + shift, y, x + shift + r * math.cos(turn), y + r * math.sin(turn)), fill=ink, width=3 * zoom
                )

    for step in range(120):
        layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
        r = zoom * (150 if step < 12 else 80 if step < 45 else 34) * rng.uniform(0.5, 1.1)
        x, y = rng.uniform(0, picture.width), rng.uniform(0, picture.height)
        ink = (*inks[rng.integers(len(inks))], 255 if rng.random() < 0.7 else 165)
        over(ImageDraw.Draw(layer), int(rng.integers(6)), x, y, r, ink)
        picture.paste(layer, mask=layer)
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS)) / 255


def main() -> None:
    """Write the three beside this file."""
    for draw in (woodcut, watercolour, geometric):
        path = Path(__file__).with_name(f"{draw.__name__}.jpg")
        Image.fromarray(np.rint(draw() * 255).astype(np.uint8)).save(path, quality=82, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
