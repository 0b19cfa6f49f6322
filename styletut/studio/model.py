"""What the studio knows and does, without any widget: pictures, a recipe, a run that can be steered, and its history.

A run is painted by a thread of its own: torch lets go of Python's lock while it computes, so that whoever calls the
commands, in a notebook the kernel, stays free. The thread takes a step, looks what is wished, and takes the next one.
It exists only while something is painted; a run that is paused is an object like any other.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from .. import images, recipes, samples
from ..control import masks
from ..engine import memory, progress
from ..errors import ImageError, RecipeError, StyletutError, printable
from ..recipes import Recipe
from ..transfer import Estimate, Execution, Result, Run, estimate, iterate
from .threads import Thread, is_ending

State = Literal["ready", "painting", "paused", "done"]
PREVIEW, SMALL = 560, 400  # pixels of the longer side, at most
ONLY_AT_THE_START = ("start", "start_mix", "noise", "noise_range", "seed", "snapshot_every", "name", "source", "note")
"""Fields of a recipe that a picture which is being painted has behind it: they count from the next start."""


# --- what is painted, and how --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Source:
    """A picture and what it is called; a mask is one too, (1, 1, H, W)."""

    name: str
    picture: Tensor

    @functools.cached_property
    def small(self) -> Image.Image:
        """The picture, or the mask, of at most `SMALL` pixels."""
        return _small(self.picture.expand(1, 3, -1, -1), SMALL)

    @classmethod
    def of(cls, picture: Any, name: str = "") -> Source:
        """A picture as `images.load_image` takes it, ``sample:NAME``, or a file's bytes.

        Raises:
            ImageError, SampleError: it is none.
        """
        if isinstance(picture, Source):
            return picture
        if isinstance(picture, str) and picture.startswith("sample:"):
            sample = picture.removeprefix("sample:")
            return cls(sample, samples.load(sample))
        name = name or _name_of(picture)
        read = images.load_image(_stream(picture, name))
        if len(read) != 1:
            raise ImageError(f"{name} must be one picture, not {len(read)}: give them one by one")
        return cls(Path(name).stem, read)

    @classmethod
    def mask(cls, picture: Any, name: str = "") -> Source:
        """A mask as `control.masks.read` takes it, or a file's bytes: white, or opaque, is where something is so.

        Raises:
            ImageError: it is none.
        """
        if isinstance(picture, Source):
            return picture
        name = name or _name_of(picture) or "mask"
        return cls(name, masks.read(_stream(picture, name), f"the mask {name!r}"))


def _name_of(picture: Any) -> str:
    return Path(picture).stem if isinstance(picture, (str, Path)) else ""


def _stream(picture: Any, name: str) -> Any:
    """What is read: bytes, as uploads come, as a file that has a name for messages."""
    if not isinstance(picture, (bytes, bytearray, memoryview)):
        return picture
    stream = BytesIO(bytes(picture))
    stream.name = name
    return stream


@dataclass(frozen=True, eq=False)
class Style:
    """A style, and the mask of the region that it is for; without one, all that no other style's mask covers."""

    source: Source
    mask: Source | None = None


@dataclass(frozen=True, eq=False)
class Settings:
    """All that decides a painting, and what can be taken back from the history.

    Attributes:
        recipe: how it is painted.
        content: the photograph.
        styles: what it takes the manner from; several are blended, or painted each in its region.
        protect: where the photograph is kept: a mask.
    """

    recipe: Recipe
    content: Source | None = None
    styles: tuple[Style, ...] = ()
    protect: Source | None = None

    def replace(self, **changes: Any) -> Settings:
        """A copy with some of them changed."""
        return dataclasses.replace(self, **changes)

    def inputs(self) -> tuple[Tensor, list[Tensor] | None, dict[str, Any]]:
        """What `iterate` takes of them: the photograph, the styles, and the masks by the names of its arguments.

        Raises:
            RecipeError: the photograph is missing, or a style that the recipe needs.
        """
        if self.content is None:
            raise RecipeError("choose a photograph first: a sample, or a file of your own")
        if not self.styles and self.recipe.style_layers and self.recipe.style_weight:
            raise RecipeError("choose a painting first: a sample, or a file of your own")
        given: dict[str, Any] = {}
        if any(style.mask for style in self.styles):
            given["masks"] = _regions(self.styles, self.content.picture)
        if self.protect is not None:
            given["content_mask"] = masks.protection(self.protect.picture)
        return self.content.picture, [style.source.picture for style in self.styles] or None, given

    @property
    def lasting(self) -> tuple[Any, ...]:
        """What counts for a picture that is being painted: where it differs, the run goes on as another one."""
        plain = self.recipe.replace(**{f.name: f.default for f in recipes.fields() if f.name in ONLY_AT_THE_START})
        return plain, tuple((style.source, style.mask) for style in self.styles), self.protect


def _regions(styles: tuple[Style, ...], content: Tensor) -> list[Tensor]:
    """A mask for each style, at the content's size."""
    size = (content.shape[-2], content.shape[-1])
    own = [None if style.mask is None else masks.resized(style.mask.picture, size) for style in styles]
    covered = torch.stack([mask for mask in own if mask is not None]).amax(0)
    return [1 - covered if mask is None else mask for mask in own]


def differences(recipe: Recipe) -> dict[str, Any]:
    """What a recipe has otherwise than the named one that it was made from (or than `Recipe`'s own defaults).

    >>> differences(recipes.get("fast").replace(style_weight=2, steps=20))
    {'style_weight': 2.0, 'scales': ((0.5, 9), (1.0, 11))}
    """
    base = recipes.get(recipe.name) if recipe.name in recipes.names() else Recipe()
    before, after = base.to_dict(), recipe.to_dict()
    hidden = ("name", "source", "note")
    return {name: value for name, value in after.items() if name not in hidden and value != before[name]}


# --- the history -----------------------------------------------------------------------------------------


@dataclass(eq=False)
class Painting:
    """A run of the history: finished, or in progress while ``result`` is None.

    Attributes:
        number: its place in the history, from 1.
        settings: what it is painted with.
        parent: the painting that it went on from.
        steps: how many optimiser steps it takes.
        rows: its steps so far, as in `Result.history`.
        preview: the picture on its way, small.
        result: what it gave.
        saved: where it was saved.
    """

    number: int
    settings: Settings
    parent: Painting | None = None
    steps: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    preview: Image.Image | None = None
    result: Result | None = None
    saved: Path | None = None

    @property
    def title(self) -> str:
        """What it is called: its number and its recipe."""
        return f"{self.number} · {self.settings.recipe.name}"


@dataclass(frozen=True)
class Message:
    """A line for the user."""

    text: str = ""
    error: bool = False


# --- the model -------------------------------------------------------------------------------------------


class Model:
    """The studio without its widgets: what is set, what is painted, and the commands.

    Every command can be called from any thread. It raises a `StyletutError` where it cannot be obeyed, and then nothing
    has changed; what goes wrong in a run is in ``message``.

    Args:
        content, style: pictures as `Source.of` takes them; style may be a list.
        recipe: a name or a `Recipe`.
        folder: where pictures are saved.
        **options: ``device``, ``max_memory``, ``tile``, and fields of the recipe to change.

    Raises:
        ImageError, RecipeError, LayerError, SampleError: something does not fit.

    >>> from styletut import vgg
    >>> weights = vgg.random_weights(width=0.1)
    >>> model = Model("sample:cat", "sample:waves", weights=weights, size=32, steps=2)
    >>> model.start()
    >>> model.wait()
    >>> model.state, model.paintings[0].result.picture.shape
    ('done', torch.Size([1, 3, 21, 32]))
    """

    def __init__(
        self,
        content: Any = None,
        style: Any = None,
        recipe: str | Recipe = "fast",
        *,
        folder: str | Path = ".",
        **options: Any,
    ) -> None:
        execution, changes = Execution.split(options)
        if execution.checkpoint is not None or execution.shared:
            raise RecipeError("a studio has several runs in one process: leave out checkpoint and shared")
        self._where = {name: value for name, value in options.items() if name not in changes}
        given = style if isinstance(style, (list, tuple)) else [] if style is None else [style]
        self.settings = Settings(
            recipes.get(recipe).replace(**changes),
            None if content is None else Source.of(content, _name_of(content) or "photograph"),
            tuple(Style(Source.of(one, _name_of(one) or "painting")) for one in given),
        )
        self.folder = Path(folder)
        self.paintings: list[Painting] = []
        self.message = Message()
        self.estimate: Estimate | None = None
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._wish: Literal["paint", "pause", "stop"] = "stop"
        self._worker: Thread | None = None
        self._run: Run | None = None
        self._painting: Painting | None = None  # what `_run` paints
        self._queued: Callable[[], None] | None = None  # what the thread shall prepare when it has stopped
        self._seen: Settings | None = None  # the settings that the run was last compared to
        self._reckoner: Thread | None = None
        self._reckoned: Settings | None = None

    # --- what it is like ---------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """``ready`` before the first start, ``painting``, ``paused``, or ``done`` until the next start."""
        if self._worker is not None and self._wish == "paint":
            return "painting"
        if self._run is not None or self._worker is not None:
            return "paused" if self._wish == "pause" else "painting"
        return "done" if self.paintings else "ready"

    @property
    def busy(self) -> bool:
        """Whether a step is being computed."""
        return self._worker is not None

    @property
    def painting(self) -> Painting | None:
        """What is painted, or was painted last."""
        return self._painting or (self.paintings[-1] if self.paintings else None)

    @property
    def reckoning(self) -> bool:
        """Whether an estimate is on its way."""
        return self._reckoner is not None

    def wait(self, timeout: float | None = None) -> None:
        """Until nothing is computed any more: the run has ended or is paused, and the estimate is there."""
        for thread in (self._worker, self._reckoner):
            if thread is not None:
                thread.join(timeout)

    # --- what is set -------------------------------------------------------------------------------------

    def set(self, field: str, value: Any) -> None:
        """Change a field of the recipe, or ``steps``; a run goes on with it from its present picture.

        Raises:
            RecipeError, LayerError: the value means nothing.
        """
        self._change(recipe=self.settings.recipe.replace(**{field: value}))
        if self._run is not None and field in ONLY_AT_THE_START:
            self.message = Message(f"{field.replace('_', ' ')} counts from the next start")

    def use(self, recipe: str | Recipe) -> None:
        """Take all fields from a recipe.

        Raises:
            RecipeError: there is none of that name.
        """
        self._change(recipe=recipes.get(recipe))

    def photograph(self, picture: Any, name: str = "") -> None:
        """Choose the photograph; a run that has begun stays with its own.

        Raises:
            ImageError, SampleError: it is no picture.
        """
        self._change(content=Source.of(picture, name))
        if self._run is not None:
            self.message = Message("the new photograph counts from the next start")

    def style(self, picture: Any, name: str = "", place: int = 0) -> None:
        """Choose a style: one more, or the one at a place.

        Raises:
            ImageError, SampleError: it is no picture.
        """
        source, styles = Source.of(picture, name), list(self.settings.styles)
        if place < len(styles):
            styles[place] = dataclasses.replace(styles[place], source=source)
        else:
            styles.append(Style(source))
        self._change(styles=tuple(styles))

    def remove_style(self, place: int) -> None:
        """Leave out the style at a place."""
        styles = self.settings.styles
        self._change(styles=styles[:place] + styles[place + 1 :])

    def region(self, place: int, mask: Any, name: str = "") -> None:
        """Choose the region of the style at a place: a mask, or None for no region.

        Raises:
            ImageError: it is no mask.
        """
        styles = list(self.settings.styles)
        styles[place] = dataclasses.replace(styles[place], mask=None if mask is None else Source.mask(mask, name))
        self._change(styles=tuple(styles))

    def protect(self, mask: Any, name: str = "") -> None:
        """Choose where the photograph is kept: a mask, or None for nowhere.

        Raises:
            ImageError: it is no mask.
        """
        self._change(protect=None if mask is None else Source.mask(mask, name))

    def take_back(self, painting: Painting) -> None:
        """Set everything as it was for a painting of the history."""
        self._change(**{f.name: getattr(painting.settings, f.name) for f in dataclasses.fields(Settings)})

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self.settings = self.settings.replace(**changes)
            self.estimate = None
            self.message = Message()

    # --- the run -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a painting; one that is in progress is stopped and kept.

        Raises:
            RecipeError: a picture is missing.
        """
        self.settings.inputs()
        with self._lock:
            self.message = Message()
            if self._worker is not None:
                self._wish, self._queued = "stop", self._begin
                return
            self._end(said=False)
            self._begin_work(self._begin)

    def pause(self) -> None:
        """Halt after the current step."""
        with self._lock:
            if self.state == "painting" and self._wish == "paint":
                self._wish = "pause"

    def go_on(self) -> None:
        """Go on with what is paused, or from a finished picture; with what was changed meanwhile, if anything was.

        Raises:
            RecipeError: there is nothing to go on from, or another photograph was chosen.
        """
        with self._lock:
            if self.state == "paused":
                self.message = Message()
                self._wish = "paint"
                if self._worker is None:
                    self._begin_work(lambda: None)
                return
            last = self.painting
            if self.state != "done" or last is None or last.result is None:
                raise RecipeError("there is no picture to go on from: start one")
            if self.settings.content is not last.settings.content:
                raise RecipeError("another photograph was chosen: start a painting of it")
            self.message = Message()
            self._begin_work(lambda: self._begin(last))

    def stop(self) -> None:
        """End the run after the current step and keep its best picture."""
        with self._lock:
            self._wish, self._queued = "stop", None
            if self._worker is None:
                self._end()

    def _begin_work(self, prepare: Callable[[], None]) -> None:
        self._wish = "paint"
        self._worker = Thread(target=self._work, args=(prepare,), name="styletut studio")
        self._worker.start()

    def _work(self, prepare: Callable[[], None]) -> None:
        """What the thread does."""
        next_one: Callable[[], None] | None = prepare
        while next_one is not None:
            try:
                next_one()
                self._paint()
            except BaseException as error:  # also what a user's own network raises
                with self._lock:
                    self.message = Message(explained(error), error=True)
                    self._salvage()
            with self._lock:
                if self._worker is not threading.current_thread():  # paused, and by now there may be another one
                    return
                next_one, self._queued = None if is_ending() else self._queued, None
                self._wish = "paint" if next_one else self._wish
                self._worker = self._worker if next_one else None

    def _begin(self, parent: Painting | None = None) -> None:
        """A new run of the settings as they are: from its start, or from a painting's picture."""
        settings = self.settings
        start: Any = None
        if parent is not None:
            start = self._run.picture() if self._run is not None else parent.result
            settings = settings.replace(content=parent.settings.content)
            parent = parent if parent.rows else parent.parent  # without a step it will not be kept
        content, styles, given = settings.inputs()
        run = iterate(content, styles, settings.recipe, refine=start, **given, **self._where)
        with self._lock:  # now that it can be painted
            if self._run is not None:
                self._end(said=False)
            made = Painting(next(self._numbers), settings, parent, run.recipe.steps, run.history)
            made.preview = progress.thumbnail(run, PREVIEW)
            self._run, self._painting = run, made
            self.paintings.append(made)

    def _paint(self) -> None:
        """Take steps until the run ends, or something else is wished."""
        pace = progress.Pace()
        while True:
            with self._lock:
                run, painting, wish = self._run, self._painting, self._wish
                if run is None or painting is None or wish == "stop" or is_ending():
                    return self._end()
                if wish == "pause":
                    self._worker = None
                    painting.preview = progress.thumbnail(run, PREVIEW)
                    return None
                compare, self._seen = self.settings is not self._seen, self.settings
            if compare and self.settings.lasting != painting.settings.lasting:
                try:
                    self._begin(painting)
                except Exception as error:  # what was changed does not fit; the run itself is as it was
                    with self._lock:
                        self.message, self._wish = Message(explained(error), error=True), "pause"
                        self._seen = None  # to be tried again
                continue
            if next(run, None) is None:
                with self._lock:
                    return self._end()
            if pace.due:
                with pace.drawing():
                    painting.preview = progress.thumbnail(run, PREVIEW)

    def _end(self, *, said: bool = True) -> None:
        """The run is over: keep what it gave."""
        run, painting = self._run, self._painting
        self._run = self._painting = None
        if run is None or painting is None:
            return
        if not run.history:  # not one step was taken: there is nothing to keep
            self.paintings.remove(painting)
            return
        run.interrupt()
        painting.result = run.result()
        painting.preview = _small(painting.result.picture, PREVIEW)
        painting.rows = painting.result.history
        if said and run.stopped is not None and run.stopped.startswith("diverged"):
            self.message = Message(f"{run.stopped}; the best picture before it was kept", error=True)

    def _salvage(self) -> None:
        """Keep what there is of a run that failed."""
        try:
            self._end(said=False)
        except Exception:
            self._run = self._painting = None

    # --- afterwards --------------------------------------------------------------------------------------

    def save(self, painting: Painting, name: str = "") -> Path:
        """Write the picture of a painting, with its manifest, into the folder; no file is replaced.

        Args:
            name: of the file; ``.png`` if it has no suffix (default: after the pictures).

        Raises:
            ImageError: it cannot be written there.
            RecipeError: it is not finished, or the name is none.
        """
        if painting.result is None:
            raise RecipeError("it is still being painted: stop it, or wait for its end, then save it")
        content, styles = painting.settings.content, painting.settings.styles
        names = [content.name if content else "", *(style.source.name for style in styles)]
        stem = re.sub(r"[^\w.-]+", "-", "-".join(filter(None, names))).strip("-.") or "painting"
        path = self.folder / (name.strip() or f"{stem}.png")
        path = path if path.suffix else path.with_suffix(".png")
        free = (path if n == 1 else path.with_stem(f"{path.stem}-{n}") for n in itertools.count(1))
        painting.saved = painting.result.save(next(p for p in free if not p.exists()), overwrite=False)
        with self._lock:
            self.message = Message(f"saved {printable(str(painting.saved))}")
        return painting.saved

    def forget(self, painting: Painting) -> None:
        """Take a painting out of the history.

        Raises:
            RecipeError: it is being painted.
        """
        with self._lock:
            if painting is self._painting:
                raise RecipeError("it is being painted: stop it first")
            self.paintings.remove(painting)

    def reckon(self) -> None:
        """Work out what a painting will cost, in a thread; ``estimate`` has it then. Not while something is painted:
        either would make the other seem slow."""
        with self._lock:
            idle = self._reckoner is None and self._worker is None
            if idle and self._reckoned is not self.settings and self.settings.content is not None:
                self._reckoner = Thread(target=self._reckon, name="styletut estimate")
                self._reckoner.start()

    def _reckon(self) -> None:
        try:
            while self._reckoned is not self.settings and self._worker is None:
                settings = self._reckoned = self.settings
                try:
                    content, styles, given = settings.inputs()
                    found = estimate(content, styles, settings.recipe, **given, **self._where)
                except BaseException as error:
                    with self._lock:
                        if settings is self.settings and settings.styles:  # else it is only not complete yet
                            self.message = Message(explained(error), error=True)
                    continue
                with self._lock:
                    if settings is self.settings:
                        self.estimate = found
        finally:
            self._reckoner = None


def _small(picture: Tensor, side: int) -> Image.Image:
    image = images.to_pil(picture[:1])
    image.thumbnail((side, side))
    return image


def explained(error: BaseException) -> str:
    """An error as one line that says what to do."""
    if isinstance(error, StyletutError):
        text = str(error)
    elif memory.is_exhausted(error):
        text = "out of memory: choose a smaller size, or the precision bfloat16"
    elif isinstance(error, ImportError):
        text = f"{error}: install it"
    else:
        text = f"{type(error).__name__}: {error}"
    return printable(" ".join(text.split()))[:400]
