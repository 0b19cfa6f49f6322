"""Parts of a picture, and the places that they have in its maps of features."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..vgg import divided


@dataclass(frozen=True)
class Window:
    """Rows and columns of a picture or of a map of features, counted in the whole of it."""

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
        """That part of ``x`` (..., H, W); a view."""
        return x[..., self.rows, self.columns]

    def within(self, outer: Window) -> Window:
        """The same place, counted in ``outer``."""
        top, left = outer.rows.start, outer.columns.start
        return Window(
            slice(self.rows.start - top, self.rows.stop - top),
            slice(self.columns.start - left, self.columns.stop - left),
        )

    def beyond(self, outer: Window) -> Window:
        """The place, counted in ``outer``, in what that is counted in: the inverse of `within`."""
        top, left = outer.rows.start, outer.columns.start
        return Window(
            slice(self.rows.start + top, self.rows.stop + top),
            slice(self.columns.start + left, self.columns.stop + left),
        )

    def common(self, other: Window) -> Window:
        """What two windows share; it may have no pixels."""
        top, left = max(self.rows.start, other.rows.start), max(self.columns.start, other.columns.start)
        return Window(
            slice(top, max(top, min(self.rows.stop, other.rows.stop))),
            slice(left, max(left, min(self.columns.stop, other.columns.stop))),
        )

    def divided(self, stride: int, up: bool = False) -> Window:
        """The positions that these pixels have in a map of that stride; a rest at the end has one if rounded ``up``."""
        return Window(
            slice(self.rows.start // stride, divided(self.rows.stop, stride, up)),
            slice(self.columns.start // stride, divided(self.columns.stop, stride, up)),
        )

    def with_next(self, picture: Tensor) -> Window:
        """This and the next row and column, where the picture has them."""
        rows, columns = picture.shape[-2:]
        return Window(
            slice(self.rows.start, min(self.rows.stop + 1, rows)),
            slice(self.columns.start, min(self.columns.stop + 1, columns)),
        )


@dataclass(frozen=True)
class Tile:
    """A piece of a picture: the pixels it answers for, and those it has to see for that."""

    own: Window
    seen: Window

    def part(self, window: Window, stride: int, up: bool = False) -> tuple[Window, Window]:
        """What the tile answers for in a window of the map, of that stride, of what it sees.

        Counted in the window, and in the map of the whole picture; without pixels if there is nothing.
        """
        place = window.beyond(self.seen.divided(stride, up))
        own = self.own.divided(stride, up).common(place)
        return own.within(place), own


def whole(picture: Tensor) -> Tile:
    """A picture as one tile."""
    window = Window(slice(0, picture.shape[-2]), slice(0, picture.shape[-1]))
    return Tile(window, window)
