"""Saved runs as files: written whole or not at all, and read only if every entry is what it must be."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import archives
from ..control.masks import Masks
from ..errors import CheckpointError, CheckpointWarning, RecipeError, StyletutError, did_you_mean, warn
from ..files import atomic_file
from ..objective import Extractor
from ..recipes import Recipe
from ..vgg import Weights
from . import optimizers
from .entries import Check, is_single, is_tensor, is_whole
from .execution import Execution
from .inputs import Inputs
from .state import RunState
from .team import Alone

if TYPE_CHECKING:
    from .run import Run

FORMAT = 2  # 1 held what torch's L-BFGS remembers


def write(path: Path, state: RunState, remembered: dict[str, Any] | None) -> None:
    """Save a run and what its optimiser remembers.

    It goes straight to the disk: a copy in memory would be as large as the file.

    Raises:
        CheckpointError: it cannot be written; what was there is as it was.
    """
    try:
        with atomic_file(path) as stream:
            entries = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
            torch.save(_portable({"format": FORMAT} | entries | {"optimizer": remembered}), stream)
    except (OSError, RuntimeError) as error:
        # torch says of a full disk that a file's position is unexpected.
        cause = error if isinstance(error, OSError) else error.__context__
        reason = cause.strerror if isinstance(cause, OSError) else str(error).split("\n")[0]
        raise CheckpointError(f"cannot save the run to {path}: {reason}") from None


def _portable(value: Any) -> Any:
    """The same with every tensor on the CPU, and none a part of a larger one, which would be saved whole."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()
    if isinstance(value, dict):
        return {key: _portable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_portable(entry) for entry in value)
    return value


def read(path: Path) -> RunState:
    """A saved run, each of its entries of its kind.

    Raises:
        CheckpointError: the file is missing, damaged, or not a saved run.
    """
    if not path.is_file():
        raise CheckpointError(f"no saved run at {path}")
    try:
        saved = archives.load(path)
    except ValueError as error:
        raise CheckpointError(f"{path} is not a saved run: it {error}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read the run in {path}: {error.strerror}") from None
    version = saved.get("format") if isinstance(saved, dict) else None
    if not isinstance(saved, dict) or not is_whole(0)(version):
        raise CheckpointError(f"{path} is not a saved run (styletut writes them with --checkpoint)")
    if version != FORMAT:
        raise CheckpointError(f"{path} was saved in format {version}, this styletut reads {FORMAT}")
    fields = dataclasses.fields(RunState)
    entries: dict[str, Any] = {field.name: None for field in fields if field.metadata["optional"]} | saved
    for field in fields:
        if field.name not in entries:
            raise CheckpointError(f"the run in {path} is incomplete: it has no {field.name!r}")
        if not field.metadata["check"](entries[field.name]):
            raise CheckpointError(f"the run in {path} is damaged: its {field.name!r} is not {field.metadata['what']}")
    return RunState(**{field.name: entries[field.name] for field in fields})


def recipe_of(state: RunState, path: Path, weights: str | Weights | None, network: Extractor | None) -> Recipe:
    """The recipe of a saved run, with the ``weights`` or the ``network`` that could not be saved.

    Raises:
        CheckpointError: it is damaged, or needs one of them.
    """
    objects = {"weights": weights, "network": network}
    given = {name: value for name, value in objects.items() if value is not None}
    try:
        values = json.loads(state.recipe)
        for name in objects:
            if name not in given and str(values[name]).startswith("<"):
                raise CheckpointError(f"the run in {path} has {name} that are no file, {values[name]}: give {name}=")
        return Recipe.from_dict(values | given)
    except CheckpointError:
        raise
    except (StyletutError, ValueError, TypeError, LookupError) as error:
        raise CheckpointError(f"the run in {path} is damaged: {str(error).splitlines()[0]}") from None


def check_fit(state: RunState, recipe: Recipe, fresh: RunState, sizes: list[tuple[int, int]], path: Path) -> None:
    """Whether the entries of a saved run fit each other; of the optimiser only what matters is left.

    Raises:
        CheckpointError: they do not.
    """

    def check(fits: object, problem: str) -> None:
        if not fits:
            raise CheckpointError(f"the run in {path} is damaged: {problem}")

    scale, iteration = state.scale, state.iteration
    steps = [steps for _, steps in recipe.scales] + [0]
    check(scale <= len(sizes) and iteration <= steps[scale], "its steps are not those of its recipe")
    # Before the first step of a scale the picture may still have the size of the one before.
    possible = [sizes[min(scale, len(sizes) - 1)]] + ([sizes[scale - 1]] if scale and not iteration else [])
    shapes = [(*fresh.variable.shape[:2], *size) for size in possible]
    check(
        {tuple(state.variable.shape), tuple(state.best_variable.shape)} <= set(shapes),
        "its picture does not have the size of the content",
    )
    check(
        (state.average is not None) == bool(recipe.averaging and iteration)
        and (state.average is None or state.average.shape == state.variable.shape),
        "its average of iterates is not that of its recipe",
    )
    if iteration:
        state.optimizer = remembered(state.optimizer or {}, optimizers.kind(recipe), state.variable.numel())
        check(state.optimizer is not None, "its 'optimizer' is not what one remembers")
    try:
        torch.Generator().set_state(state.generator)
    except RuntimeError as error:
        check(False, str(error).splitlines()[0])


def load(
    kind: type[Run],
    path: Path,
    /,
    weights: str | Weights | None = None,
    network: Extractor | None = None,
    **options: Any,
) -> Run:
    """A saved run, ready to go on; see `run.Run.load`."""
    known = [*(field.name for field in dataclasses.fields(Execution)), "weights", "network"]
    for name in options:
        if name in (*(field.name for field in dataclasses.fields(Recipe)), "steps"):
            raise RecipeError(f"a saved run goes on with its own recipe: {name} cannot be changed; begin a new run")
        if name not in known:
            raise RecipeError(did_you_mean("option", name, known))
    state = read(path)
    recipe = recipe_of(state, path, weights, network)
    before = {name: getattr(state, name) for name in ("checkpoint_every", "max_memory", "tile")}
    given = {name: value for name, value in options.items() if value is not None}
    execution = Execution(**({"checkpoint": path} | before | given))
    masks = Masks(state.masks, state.style_masks, state.content_mask)
    inputs = Inputs.of(recipe, state.content, state.styles, state.style_weights, state.start, masks)
    run = kind(inputs, recipe, execution)
    check_fit(state, recipe, run.state, run.sizes, path)
    run.state = state.moved_to(run.state.variable)
    return run


class Keeper:
    """Saves a run to its checkpoint. Where that fails it warns, once, for the picture is worth more."""

    def __init__(self, execution: Execution, team: Alone) -> None:
        self.path = Path(execution.checkpoint) if execution.checkpoint is not None and team.keeps else None
        self._warned = False

    def keep(self, save: Callable[[Path], object]) -> None:
        """Save, if there is a checkpoint."""
        if self.path is None:
            return
        try:
            save(self.path)
        except Exception as error:
            if not self._warned:
                reason = str(error) or "no memory to save the run"
                warn(f"{reason}; it goes on all the same", CheckpointWarning)
            self._warned = True


def remembered(saved: dict[str, Any], kind: str, values: int) -> dict[str, Any] | None:
    """What an optimiser remembers of a picture of so many ``values``; None if that is not complete and sound.

    ``kind`` is a recipe's optimizer, or ``torch-lbfgs`` where it is torch's. Of its group only what matters is
    returned: all else follows from the recipe.
    """
    states, groups = saved.get("state"), saved.get("param_groups")
    if not isinstance(states, dict) or not isinstance(groups, list) or len(groups) != 1:
        return None
    options = optimizers.KINDS[kind].options
    if not isinstance(groups[0], dict) or not all(check(groups[0].get(name)) for name, check in options.items()):
        return None
    group = {name: groups[0][name] for name in options}
    if not states and kind != "adam":  # nothing yet, or it was forgotten after a step went astray
        return {"state": {}, "param_groups": [group]}
    state = states.get(0)
    if list(states) != [0] or not isinstance(state, dict):
        return None
    if kind == "lbfgs" and "step" in state:  # its former name, under which torch does not move it
        state = state | {"last_step": state["step"]}

    def vector(entry: Any) -> bool:
        return isinstance(entry, Tensor) and entry.numel() == values and is_tensor(entry, None, entry.shape)

    kinds: dict[str, Check] = {
        "vector": vector,
        "number": is_single,
        "vectors": lambda entry: isinstance(entry, list) and all(map(vector, entry)),
        "numbers": lambda entry: isinstance(entry, list) and all(map(is_single, entry)),
    }
    entries = optimizers.KINDS[kind].state
    steps = state.get("n_iter")
    if kind == "torch-lbfgs" and isinstance(steps, int) and steps == 0:  # the gradient was zero
        entries = {name: entries[name] for name in ("func_evals", "n_iter")}
    if not all(name in state and kinds[entry](state[name]) for name, entry in entries.items()):
        return None
    if len({len(state[name]) for name, entry in entries.items() if entry in ("vectors", "numbers")}) > 1:
        return None
    return {"state": {0: {name: state[name] for name in entries}}, "param_groups": [group]}
