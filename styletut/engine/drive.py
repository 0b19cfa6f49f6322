"""Start a run, drive it to its end, and go on with one that was saved."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import DivergenceWarning, RecipeError, warn
from ..objective import Extractor
from ..recipes import Recipe, get
from ..vgg import Weights
from . import progress as progress_of
from . import scales, signals, streams
from .devices import own_modes
from .execution import Execution
from .inputs import Inputs, Picture, Pictures
from .result import Result, Step
from .run import Run


@own_modes()
def iterate(
    content: Pictures,
    style: Pictures | None,
    recipe: str | Recipe = "fast",
    *,
    start: Picture | Result | None = None,
    refine: Picture | Result | None = None,
    style_weights: Sequence[float] | None = None,
    masks: Any = None,
    style_masks: Any = None,
    content_mask: Any = None,
    **options: Any,
) -> Run:
    """Set up a transfer and give it back as an iterator of `Step`.

    Args:
        content: a picture: a tensor (1, 3, H, W) in [0, 1], a path, a PIL image or an array, as `images.load_image`
            takes them; several (a batch or a list) where the recipe's ``batch`` allows it.
        style: a picture of any size and aspect; a list is blended with ``style_weights`` for one content picture,
            and taken as pairs for as many content pictures; None if the recipe has no style layers.
        recipe: a name or a `Recipe`.
        start: begin from this picture or `Result` instead of the recipe's start, through all scales from coarse to
            fine; or another of the recipe's starts, by name.
        refine: go on from this picture or `Result`, with whatever settings have changed: it is the start, and scales
            coarser than it, which would lose its detail, are left out. ``steps`` are those of the scales that remain.
        style_weights: the share of each style in a blend (equal if not given); with ``masks`` how much each counts in
            its region, over the mean of them.
        masks: a mask for each style, in their order: where in the picture it is painted, 1 (white) for here and 0 for
            not here. A tensor or array (H, W) or (1, 1, H, W), or a picture, whose transparency or else brightness
            counts (`control.masks.read`); brought to the content's size.
        style_masks: a mask for each style, or None for all of it: which part of the painting counts.
        content_mask: factors, 0 or more, of the content loss at each pixel (`control.masks.protection`).
        **options: where and how to run: ``device``, ``max_memory``, ``tile``, ``shared``, ``checkpoint``,
            ``checkpoint_every`` (see `engine.execution.Execution`); and fields of the recipe to change, for example
            ``size=512, seed=3``; ``steps=100`` sets the budget.

    Raises:
        ImageError, RecipeError, LayerError, WeightsError, DeviceError: something does not fit; nothing has run yet.
        DivergenceError: while iterating, if the very first evaluation is not finite.

    >>> import torch
    >>> from styletut import vgg
    >>> photo, painting = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    >>> run = iterate(photo, painting, steps=2, weights=vgg.random_weights(width=0.1), scales=((1.0, 2),))
    >>> [step.iteration for step in run]
    [1, 2]
    """
    execution, changes = Execution.split(options)
    if refine is not None and start is not None:
        raise RecipeError("a picture to refine is the start: give start= or refine=, not both")
    if isinstance(start, str):  # the recipe's field of that name
        changes["start"], start = start, None
    begin = start if refine is None else refine
    begin = begin.picture if isinstance(begin, Result) else begin
    chosen = get(recipe).replace(**changes)
    inputs = Inputs.read(content, style, chosen, begin, style_weights, masks, style_masks, content_mask)
    if refine is not None and inputs.start is not None:
        chosen = scales.refining(chosen, inputs.size, (inputs.start.shape[-2], inputs.start.shape[-1]))
        if "steps" in changes:
            chosen = chosen.replace(steps=changes["steps"])
    return Run(inputs, chosen, execution)


def stylize(
    content: Pictures,
    style: Pictures | None,
    recipe: str | Recipe = "fast",
    *,
    progress: bool | str = True,
    callback: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """Paint ``content`` in the manner of ``style``.

    Takes what `iterate` takes. Ctrl-C (or a notebook's stop button, SIGTERM, SIGHUP) ends it after the current step, a
    second Ctrl-C at once; both give the best picture so far, and none that comes later loses it. If the losses diverge,
    the best picture is restored and a warning says at which step and which term.

    Args:
        progress: show a progress bar, or in a notebook the picture and its loss so far, with a stop button. A text
            asks for the picture in a terminal too: ``"auto"``, or its protocol, ``"kitty"``, ``"iterm2"``, ``"sixel"``.
        callback: called with each `Step`; if it returns ``False`` the run stops.

    Raises:
        As `iterate`.

    >>> import torch
    >>> from styletut import vgg
    >>> photo, painting = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    >>> tiny = vgg.random_weights(width=0.1)
    >>> stylize(photo, painting, scales=((1.0, 2),), weights=tiny, progress=False).picture.shape
    torch.Size([1, 3, 32, 32])
    """
    return drive(iterate(content, style, recipe, **options), progress, callback)


def resume(
    path: str | os.PathLike[str],
    *,
    weights: str | Weights | None = None,
    network: Extractor | None = None,
    progress: bool | str = True,
    callback: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """Go on with a run that was saved, to the same picture as if it had never been stopped (on the same machine).

    Args:
        path: what ``checkpoint=`` or `Run.save` wrote.
        weights, network: only for runs that had an object in their place rather than a name.
        progress, callback: as of `stylize`.
        **options: fields of `engine.execution.Execution`, where they shall not be what they were; a run may go on in
            one process or in any number, whatever began it.

    Raises:
        CheckpointError: the file is missing or not a saved run.
        RecipeError: there is no such option, or a recipe's field is given: a saved run keeps its recipe.
    """
    return drive(Run.load(path, weights=weights, network=network, **options), progress, callback)


def drive(run: Run, progress: bool | str = True, callback: Callable[[Step], object] | None = None) -> Result:
    """Take a run to its end, showing it; signals stop it and lose nothing."""
    with signals.handled() as interrupts:
        interrupts.run(run.stop)
        try:
            with progress_of.bar(run, progress, streams.Unbreakable(sys.stderr)) as show:
                for step in run:
                    show(step)
                    if callback is not None and callback(step) is False:
                        run.stop()
            interrupts.save()  # within `try`: until here a second Ctrl-C may come
        except KeyboardInterrupt:
            interrupts.save()
            run.interrupt()
        if run.stopped == "interrupted" and run.between_steps:
            run.keep()
        result = run.result()
    if result.stopped and result.stopped.startswith("diverged"):
        warn(f"{run.stopped}; the best picture before it was kept", DivergenceWarning)
    return result
