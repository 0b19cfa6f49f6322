"""The contact sheet: planned, estimated, painted cell by cell, and drawn."""

from __future__ import annotations

import io
import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from .. import __version__, images, recipes, transfer
from ..control import masks
from ..engine import memory, signals
from ..errors import DivergenceWarning, ImageError, RecipeError, StyletutError, printable
from ..recipes import Recipe
from .cells import Cell, Source, cells_of, quick
from .drawing import THUMBNAIL, Tile, draw

METADATA_KEY = "styletut sheet"
"""Under this name a sheet's file says how each of its pictures is made."""
Picture = Tensor | Any
"""A picture as `transfer.iterate` takes it: a tensor, a path, a PIL image or an array."""


class Sheet:
    """A contact sheet: one photograph in several styles, or over a grid of settings.

    Made by `sheet`, or by `plan`, which paints nothing yet.

    Attributes:
        content: the photograph.
        cells: the pictures, in the order in which they are read.
        columns: how many make a row; None if they have one order only.
        given: what else `transfer.stylize` is given for each: a picture as ``start``, a ``content_mask``.
    """

    def __init__(
        self,
        content: Source,
        cells: Sequence[Cell],
        columns: int | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.content, self.cells, self.columns, self.given = content, list(cells), columns, dict(given or {})
        self._tiles: list[Tile] | None = None

    @property
    def complete(self) -> bool:
        """Whether every cell was painted, or tried."""
        return all(cell.picture is not None or cell.note is not None for cell in self.cells)

    @property
    def painted(self) -> int:
        """How many cells have a picture."""
        return sum(cell.picture is not None for cell in self.cells)

    def estimate(self, **options: Any) -> list[transfer.Estimate]:
        """What the cells will cost, one after the other; those that cannot be painted are left out.

        Args:
            **options: fields of `engine.execution.Execution`.

        Raises:
            StyletutError: not one can be painted.
        """
        costs: dict[Recipe, transfer.Estimate] = {}
        first: StyletutError | None = None
        for cell in self.cells:
            if cell.recipe not in costs:  # styles cost the same
                try:
                    content, style = self.content.load(cell.recipe), cell.style.load(cell.recipe)
                    costs[cell.recipe] = transfer.estimate(content, style, cell.recipe, **self.given, **options)
                except StyletutError as error:
                    first = first or error
        if not costs and first is not None:
            raise first
        return [costs[cell.recipe] for cell in self.cells if cell.recipe in costs]

    def paint(
        self,
        *,
        progress: bool | str = True,
        tell: Callable[[str], object] = lambda text: None,
        **options: Any,
    ) -> Sheet:
        """Paint the cells. One that cannot be painted says why in its place; Ctrl-C keeps those that are finished.

        Args:
            progress: as of `transfer.stylize`.
            tell: is told which cell comes next.
            **options: fields of `engine.execution.Execution`.

        Raises:
            StyletutError: not one could be painted: the first one's error.
        """
        first: Exception | None = None
        with signals.handled() as interrupts:
            try:
                self._given()  # now: the files may be gone later
                for number, cell in enumerate(self.cells, start=1):
                    tell(f"{number}/{len(self.cells)} {', '.join(cell.label)}")
                    error = self._paint(cell, progress, options)
                    first = first or error
                    if interrupts.asked:
                        break
                    interrupts.release()  # after a run signals wait
            except KeyboardInterrupt:
                pass
            interrupts.save()  # until the sheet is written
        if first is not None and self.complete and not self.painted:
            raise first
        return self

    def _paint(self, cell: Cell, progress: bool | str, options: Mapping[str, Any]) -> Exception | None:
        """Paint a cell, or note why it cannot be painted, and give the error."""
        try:
            content, style = self.content.load(cell.recipe), cell.style.load(cell.recipe)
            cell.thumbnail = images.to_pil(_within(style, THUMBNAIL, THUMBNAIL))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "diverged", DivergenceWarning)  # the cell's note says it
                result = transfer.stylize(content, style, cell.recipe, progress=progress, **self.given, **options)
        except Exception as error:
            if not (isinstance(error, StyletutError) or memory.is_exhausted(error)):
                raise
            cell.note = "out of memory" if memory.is_exhausted(error) else " ".join(str(error).split())
            return error.with_traceback(None)  # or it would keep the pictures in memory
        if result.stopped != "interrupted":  # half a painting says nothing about a style
            cell.picture, cell.note = result.picture, result.stopped
        return None

    @property
    def image(self) -> Image.Image:
        """The sheet as a picture, each cell at its own size, with labels and calls."""
        tiles = [self._tile(number, cell) for number, cell in enumerate(self.cells, start=1)]
        if self.columns is None:
            flow = [*self._given(), *tiles]
            columns = math.ceil(math.sqrt(len(flow)))
        else:
            flow, columns = tiles, self.columns
        rows = [flow[i : i + columns] for i in range(0, len(flow), columns)]
        return draw(rows if self.columns is None else [self._given(), *rows])

    def _given(self) -> list[Tile]:
        """The photograph, and the style if there is one only; read once."""
        if self._tiles is not None:
            return self._tiles
        recipe = self.cells[0].recipe
        content = self.content.load(recipe)
        if recipe.size is not None:
            content = images.resize(content, recipe.size, fit=recipe.fit, upscale=recipe.upscale)
        tiles = [Tile(images.to_pil(content), [self.content.name])]
        if len({cell.style for cell in self.cells}) == 1:
            style = _within(self.cells[0].style.load(recipe), content.shape[-2], content.shape[-1])
            tiles.append(Tile(images.to_pil(style), [self.cells[0].style.name]))
        self._tiles = tiles
        return tiles

    def _tile(self, number: int, cell: Cell) -> Tile:
        several = len({cell.style for cell in self.cells}) > 1
        first, *rest = cell.label
        return Tile(
            None if cell.picture is None else images.to_pil(cell.picture),
            [f"{number}  {first}", *rest],
            cell.call,
            cell.note or ("" if cell.picture is not None else "not painted"),
            cell.thumbnail if several else None,
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
        """Write the sheet; the file's texts say how each picture is made at full quality.

        Raises:
            ImageError: it cannot be written there; an existing file stays as it was.
        """
        calls = "\n".join(f"{number} {cell.call}" for number, cell in enumerate(self.cells, start=1))
        texts = {"Software": f"styletut {__version__}", METADATA_KEY: printable(calls, keep="\n")}
        return images.save_image(images.from_pil(self.image), path, metadata=texts, overwrite=overwrite)

    def show(self) -> None:
        """Show the sheet in the system's viewer; in a notebook it shows itself as the last line of a cell."""
        self.image.show()

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.image.save(buffer, "PNG")
        return buffer.getvalue()

    def __repr__(self) -> str:
        return f"Sheet({self.content.name}, {self.painted} of {len(self.cells)} pictures)"


def _within(picture: Tensor, rows: int, columns: int) -> Tensor:
    """A picture made so small that it fits into a box."""
    share = min(1.0, rows / picture.shape[-2], columns / picture.shape[-1])
    size = max(1, round(picture.shape[-2] * share)), max(1, round(picture.shape[-1] * share))
    return images.resize(picture, size, fit="exact")


def plan(
    content: Picture,
    styles: Picture | Sequence[Picture] | Mapping[str, Picture],
    recipe: str | Recipe | None = None,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    start: Picture | None = None,
    content_mask: Picture | None = None,
    **changes: Any,
) -> Sheet:
    """A contact sheet that is not painted yet: `Sheet.estimate` says what it will cost, `Sheet.paint` paints it.

    Takes what `sheet` takes, without what says where it is painted.

    Raises:
        ImageError, RecipeError, LayerError: something does not fit; every value is checked.
    """
    if isinstance(start, str) and start in recipes.field("start").choices:
        changes["start"], start = start, None
    photograph = _source("content", "content", content)
    sources = _styles(styles)
    base = quick() if recipe is None else recipes.get(recipe)
    plain = base.replace(**changes).to_dict()  # checked, also where `recipe` varies
    settings = {} if recipe is None else {"recipe": recipe if isinstance(recipe, str) else "<recipe>"}
    settings |= {name: plain[name] for name in changes if name not in ("size", "steps")}  # these are the sheet's
    given = {} if start is None else {"start": start}
    if content_mask is not None:
        given["content_mask"] = masks.read(content_mask, "content_mask", largest=math.inf)
    settings |= {name: f"<{name}>" for name in given}

    def make(named: Any, fields: Mapping[str, Any]) -> Recipe:
        return (base if named is None else recipes.get(named)).replace(**{**changes, **fields})

    return Sheet(photograph, *cells_of(photograph, sources, vary or {}, settings, make, _python), given)


def sheet(
    content: Picture,
    styles: Picture | Sequence[Picture] | Mapping[str, Picture],
    recipe: str | Recipe | None = None,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    start: Picture | None = None,
    content_mask: Picture | None = None,
    progress: bool | str = True,
    **options: Any,
) -> Sheet:
    """Paint a contact sheet: one photograph in several styles, or over a grid of settings, to choose from.

    It is small and quick unless a recipe or a size says otherwise; the label of each cell has the call that makes the
    picture at full quality. A style that cannot be read costs its own cell only, and Ctrl-C keeps the finished cells.

    Args:
        content: a photograph, as `stylize` takes it.
        styles: a style, several, or a dictionary of styles by name.
        recipe: a name or a `Recipe` (default: ``draft``).
        vary: fields of a recipe (or ``recipe`` itself), each with the values that it takes: one field, or two for rows
            and columns; with several styles these are the rows.
        start: begin from this picture instead of the recipe's start; or another of the recipe's starts, by name.
        content_mask: how much the content counts where, as of `stylize`: a face is kept in every style.
        progress: show how it goes on, as of `stylize`.
        **options: where to run (``device``, ``max_memory``, ``tile``), and fields of the recipe to change.

    Raises:
        ImageError, RecipeError, LayerError: something does not fit; nothing has run yet.
        StyletutError: not one of the pictures could be painted: the first one's error.

    >>> import torch
    >>> from styletut import vgg
    >>> photo, painting = torch.rand(1, 3, 32, 40), torch.rand(1, 3, 40, 32)
    >>> weights = vgg.random_weights(width=0.1)
    >>> vary = {"content_weight": [0.03, 0.3]}
    >>> made = sheet(photo, painting, vary=vary, steps=1, weights=weights, progress=False)
    >>> made
    Sheet(content, 2 of 2 pictures)
    >>> made.cells[1].label, made.cells[1].call
    (('content-weight 0.3',), 'st.stylize(content, style, weights=weights, content_weight=0.3)')
    """
    execution, changes = transfer.Execution.split(options)
    if execution.checkpoint is not None:
        raise RecipeError("a sheet has several runs, and keeps no checkpoint: leave it out")
    where = {name: value for name, value in options.items() if name not in changes}
    made = plan(content, styles, recipe, vary=vary, start=start, content_mask=content_mask, **changes)
    return made.paint(progress=progress, tell=_tell if progress else lambda text: None, **where)


def _tell(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


def _styles(styles: Picture | Sequence[Picture] | Mapping[str, Picture]) -> list[Source]:
    """The styles by their names.

    Raises:
        ImageError: there is none.
    """
    if isinstance(styles, Mapping):
        found = [_source(str(name), f"styles[{name!r}]", one) for name, one in styles.items()]
    elif isinstance(styles, (list, tuple)):
        found = [_source(f"style {i}", f"styles[{i - 1}]", one) for i, one in enumerate(styles, start=1)]
    else:
        found = [_source("style", "style", styles)]
    if not found:
        raise ImageError("a sheet needs a style: give one or more")
    return found


def _source(name: str, word: str, picture: Picture) -> Source:
    """A picture of the caller's: a file is read when it is needed, anything else is checked now.

    Raises:
        ImageError: it is none.
    """
    if isinstance(picture, (str, os.PathLike)):
        path = Path(picture)
        return Source(path.stem if word != "content" else path.name, repr(str(path)), lambda _: images.load_image(path))
    if isinstance(picture, Tensor):
        given = images.check_picture(picture, name, in_range=True)
        if len(given) != 1:
            raise ImageError(f"{name} must be one picture, not {len(given)}: give them one by one")
    else:
        given = images.load_image(picture)
    return Source(name, word, lambda _: given)


def _python(content: str, style: str, settings: Mapping[str, Any]) -> str:
    """The call of `stylize`; an object is called by the name of what it is."""

    def written(name: str, value: Any) -> str:
        return name if isinstance(value, str) and value.startswith("<") else repr(value)

    words = [content, style, *(f"{name}={written(name, value)}" for name, value in settings.items())]
    return f"st.stylize({', '.join(words)})"
