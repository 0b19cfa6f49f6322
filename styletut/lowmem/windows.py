"""Parts of an image, and the places that they have in its feature maps.

Where an image wraps, a part may go beyond its edges: it goes on at the opposite ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..vgg import divided


@dataclass(frozen=True)
class Window:
    """Rows and columns of an image or of a feature map, counted in the whole of it."""

    rows: slice
    columns: slice

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def pixels(self) -> int:
        """Rows times columns."""
        return self.size[0] * self.size[1]

    def of(self, x: Tensor) -> Tensor:
        """That part of ``x`` (..., H, W): a view, or a copy where it goes beyond the edges."""
        for axis, part in ((-2, self.rows), (-1, self.columns)):
            pieces = [x.narrow(axis, s.start, s.stop - s.start) for s, _ in _wrapped(part, x.shape[axis])]
            x = pieces[0] if len(pieces) == 1 else torch.cat(pieces, axis)
        return x

    def add_to(self, x: Tensor, values: Tensor) -> None:
        """Add ``values`` to that part of ``x``: the adjoint of `of`."""
        for rows, own_rows in _wrapped(self.rows, x.shape[-2]):
            for columns, own_columns in _wrapped(self.columns, x.shape[-1]):
                x[..., rows, columns].add_(values[..., own_rows, own_columns])

    def covers(self, x: Tensor) -> bool:
        """Whether it is all of ``x``."""
        return (self.rows, self.columns) == (slice(0, x.shape[-2]), slice(0, x.shape[-1]))

    def within(self, outer: Window) -> Window:
        """The same place, counted from the corner of ``outer``."""
        return self._shifted(-outer.rows.start, -outer.columns.start)

    def beyond(self, outer: Window) -> Window:
        """A place that is counted from the corner of ``outer``, counted in the whole: the inverse of `within`."""
        return self._shifted(outer.rows.start, outer.columns.start)

    def _shifted(self, down: int, right: int) -> Window:
        return Window(
            slice(self.rows.start + down, self.rows.stop + down),
            slice(self.columns.start + right, self.columns.stop + right),
        )

    def intersection(self, other: Window) -> Window:
        """What two windows share; it may have no pixels."""
        top, left = max(self.rows.start, other.rows.start), max(self.columns.start, other.columns.start)
        return Window(
            slice(top, max(top, min(self.rows.stop, other.rows.stop))),
            slice(left, max(left, min(self.columns.stop, other.columns.stop))),
        )

    def divided(self, stride: int, up: bool = False) -> Window:
        """The positions that these pixels have in a map of that stride; see `vgg.divided`."""
        return Window(
            slice(self.rows.start // stride, divided(self.rows.stop, stride, up)),
            slice(self.columns.start // stride, divided(self.columns.stop, stride, up)),
        )

    def with_next(self, image: Tensor, *, wraps: bool = False) -> Window:
        """This and the next row and column, where the image has them or wraps."""
        rows, columns = (side + wraps for side in image.shape[-2:])
        return Window(
            slice(self.rows.start, min(self.rows.stop + 1, rows)),
            slice(self.columns.start, min(self.columns.stop + 1, columns)),
        )


@dataclass(frozen=True)
class Tile:
    """A piece of an image: its core, and the core padded by the halo that its features depend on."""

    core: Window
    padded: Window

    def part(self, window: Window, stride: int, up: bool = False) -> tuple[Window, Window]:
        """The core's share of a window of the padded tile's feature map of that stride.

        Counted in the window, and in the map of the whole image; without pixels if there is none.
        """
        place = window.beyond(self.padded.divided(stride, up))
        core = self.core.divided(stride, up).intersection(place)
        return core.within(place), core


def with_halo(core: slice, halo: int, length: int, *, wraps: bool) -> slice:
    """Rows (or columns) with so many more on each side, as far as there are, of a side of that length.

    >>> with_halo(slice(0, 32), 16, 96, wraps=False), with_halo(slice(0, 32), 16, 96, wraps=True)
    (slice(0, 48, None), slice(-16, 48, None))
    >>> with_halo(slice(0, 64), 16, 96, wraps=True)
    slice(0, 96, None)
    """
    if not wraps:
        return slice(max(0, core.start - halo), min(length, core.stop + halo))
    if core.stop - core.start + 2 * halo >= length:
        return slice(0, length)  # with both edges, which see each other
    return slice(core.start - halo, core.stop + halo)


def _wrapped(part: slice, length: int) -> Iterator[tuple[slice, slice]]:
    """The pieces of rows (or columns) that may go beyond a side of that length, each with its place among them."""
    if 0 <= part.start <= part.stop <= length:
        yield part, slice(0, part.stop - part.start)
        return
    start = part.start
    while start < part.stop:
        there = start % length
        stop = min(part.stop, start + length - there)
        yield slice(there, there + stop - start), slice(start - part.start, stop - part.start)
        start = stop


def whole(image: Tensor) -> Tile:
    """An image as one tile."""
    window = Window(slice(0, image.shape[-2]), slice(0, image.shape[-1]))
    return Tile(window, window)
