"""Parts of an image, and the places that they have in its feature maps."""

from __future__ import annotations

from dataclasses import dataclass

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
        """That part of ``x`` (..., H, W); a view."""
        return x[..., self.rows, self.columns]

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

    def with_next(self, image: Tensor) -> Window:
        """This and the next row and column, where the image has them."""
        rows, columns = image.shape[-2:]
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


def whole(image: Tensor) -> Tile:
    """An image as one tile."""
    window = Window(slice(0, image.shape[-2]), slice(0, image.shape[-1]))
    return Tile(window, window)
