"""`Studio`, which a notebook shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..engine.streams import kernel_runs
from ..errors import StyletutError
from ..recipes import Recipe
from ..teach import widgets
from ..transfer import Result
from .model import Model


class StudioError(StyletutError, ImportError):
    """What the studio needs is not installed."""


class Studio:
    """A studio in a notebook: choose pictures, set the recipe, watch it paint, and steer it meanwhile.

    Show it as the last line of a cell. The photograph and the painting are chosen among the samples or uploaded. Every
    field of the recipe has a control. *Start*, *Pause*, *Go on* and *Stop* do what they say while the kernel stays
    free; a setting that is changed meanwhile counts from the next step, and the run goes on from its present picture.
    Each run stays in the history, to be compared, saved, or taken up again with its settings.

    A Jupyter server takes no upload above 10 MB unless it was told to: give larger files by their path here, or open
    the studio with ``styletut studio``, whose server takes them.

    Args:
        content: the photograph: a path, ``sample:NAME``, a tensor, a PIL image or an array; None to choose it there.
        style: a painting, or a list of them.
        recipe: a name or a `Recipe` to begin with.
        folder: where *Save* writes (default: where the kernel runs).
        **options: where to run (``device``, ``max_memory``, ``tile``), and fields of the recipe to change.

    Raises:
        ImageError, RecipeError, LayerError, SampleError: something does not fit.
        StudioError: ipywidgets is not installed.

    >>> studio = Studio("sample:cat", "sample:starry_night", size=256)
    >>> studio
    Studio(cat in starry_night by 'fast', ready)
    >>> studio.close()
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
        try:
            from .view import View
        except ImportError as error:
            raise StudioError(f'the studio needs ipywidgets ({error}): pip install "styletut[notebook]"') from None
        self.model = Model(content, style, recipe, folder=folder, **options)
        self.view = View(self.model)

    @property
    def results(self) -> list[Result]:
        """What has been painted so far, the oldest first."""
        return [painting.result for painting in self.model.paintings if painting.result is not None]

    @property
    def result(self) -> Result | None:
        """What was painted last."""
        return self.results[-1] if self.results else None

    def close(self) -> None:
        """Stop what is painted and close the widgets."""
        self.model.stop()
        self.view.close()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        plain = {"text/plain": repr(self)}
        return {**widgets.view(self.view.box), **plain} if kernel_runs() else plain

    def __repr__(self) -> str:
        settings = self.model.settings
        content = settings.content.name if settings.content else "no photograph yet"
        styles = " and ".join(style.source.name for style in settings.styles) or "no painting yet"
        return f"Studio({content} in {styles} by {settings.recipe.name!r}, {self.model.state})"
