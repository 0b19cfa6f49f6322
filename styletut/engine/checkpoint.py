"""Saved runs as files: written whole or not at all, and read only if every entry is what it must be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import archives
from ..errors import CheckpointError
from ..files import atomic_file

FORMAT = 2  # 1 held what torch's L-BFGS remembers


def write(path: Path, state: dict[str, Any]) -> None:
    """Save a run straight to the disk: its copy in memory would be as large as the file.

    Raises:
        CheckpointError: it cannot be written; what was there is as it was.
    """
    try:
        with atomic_file(path) as stream:
            torch.save(_portable(state), stream)
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


def read(path: Path) -> dict[str, Any]:
    """The entries of a saved run, each of its kind.

    Raises:
        CheckpointError: the file is missing, damaged, or not a saved run.
    """
    if not path.is_file():
        raise CheckpointError(f"no saved run at {path}")
    try:
        state = archives.load(path)
    except ValueError as error:
        raise CheckpointError(f"{path} is not a saved run: it {error}") from None
    except OSError as error:
        raise CheckpointError(f"cannot read the run in {path}: {error.strerror}") from None
    version = state.get("format") if isinstance(state, dict) else None
    if not isinstance(state, dict) or not _whole(0)(version):
        raise CheckpointError(f"{path} is not a saved run (styletut writes them with --checkpoint)")
    if version != FORMAT:
        raise CheckpointError(f"{path} was saved in format {version}, this styletut reads {FORMAT}")
    for name, (good, what) in _ENTRIES.items():
        if name not in state:
            raise CheckpointError(f"the run in {path} is incomplete: it has no {name!r}")
        if not good(state[name]):
            raise CheckpointError(f"the run in {path} is damaged: its {name!r} is not {what}")
    return state


def remembered(saved: dict[str, Any], kind: str, values: int) -> dict[str, Any] | None:
    """What an optimiser remembers of a picture of so many ``values``; None if that is not complete and sound.

    ``kind`` is a recipe's optimizer, or ``torch-lbfgs`` where it is torch's. Of its group only what matters is
    returned: all else follows from the recipe.
    """
    states, groups = saved.get("state"), saved.get("param_groups")
    if not isinstance(states, dict) or not isinstance(groups, list) or len(groups) != 1:
        return None
    if not isinstance(groups[0], dict) or not all(good(groups[0].get(name)) for name, good in _GROUP[kind].items()):
        return None
    group = {name: groups[0][name] for name in _GROUP[kind]}
    if not states and kind != "adam":  # nothing yet, or it was forgotten after a step went astray
        return {"state": {}, "param_groups": [group]}
    state = states.get(0)
    if list(states) != [0] or not isinstance(state, dict):
        return None
    if kind == "lbfgs" and "step" in state:  # its name until it was found that torch does not move it
        state = state | {"last_step": state["step"]}

    def vector(entry: Any) -> bool:
        return isinstance(entry, Tensor) and entry.numel() == values and _tensor(entry, None, entry.shape)

    kinds: dict[str, Callable[[Any], bool]] = {
        "vector": vector,
        "number": _single,
        "vectors": lambda entry: isinstance(entry, list) and all(map(vector, entry)),
        "numbers": lambda entry: isinstance(entry, list) and all(map(_single, entry)),
    }
    wanted = _STATE[kind]
    steps = state.get("n_iter")
    if kind == "torch-lbfgs" and isinstance(steps, int) and steps == 0:  # there was no slope to step along
        wanted = {name: wanted[name] for name in ("func_evals", "n_iter")}
    if not all(name in state and kinds[entry](state[name]) for name, entry in wanted.items()):
        return None
    if len({len(state[name]) for name in ("s", "y", "old_dirs", "old_stps", "ro") if name in wanted}) > 1:
        return None
    return {"state": {0: {name: state[name] for name in wanted}}, "param_groups": [group]}


_STATE: dict[str, dict[str, str]] = {
    "sgd": {},
    "lbfgs-b": {},
    "adam": {"step": "number", "exp_avg": "vector", "exp_avg_sq": "vector"},
    "lbfgs": {"gradient": "vector", "last_step": "vector", "s": "vectors", "y": "vectors"},
    "torch-lbfgs": {
        "d": "vector",
        "t": "number",
        "old_dirs": "vectors",
        "old_stps": "vectors",
        "ro": "numbers",
        "H_diag": "number",
        "prev_flat_grad": "vector",
        "prev_loss": "number",
        "func_evals": "number",
        "n_iter": "number",
    },
}


# --- what an entry must be ---------------------------------------------------------------------------


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    return _number(value) and math.isfinite(value)


def _positive(value: Any) -> bool:
    return _finite(value) and value > 0


def _single(value: Any) -> bool:
    """A finite number, plain or as a tensor."""
    return _finite(value) or (isinstance(value, Tensor) and _tensor(value, None, ()))


def _tensor(value: Any, dtypes: Sequence[torch.dtype] | None, shape: Sequence[int]) -> bool:
    """A plain tensor of that shape (-1: any number above 0), with finite values; of any float if no type is given."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
        and value.device.type == "cpu"
        and value.dtype in (dtypes or (torch.float32, torch.float64, torch.bfloat16, torch.float16))
        and len(value.shape) == len(shape)
        and all(side == wanted or (wanted == -1 and side > 0) for side, wanted in zip(value.shape, shape, strict=True))
        and bool(torch.isfinite(value).all())
    )


def _picture(value: Any, dtypes: Sequence[torch.dtype] = (torch.float32,)) -> bool:
    return _tensor(value, dtypes, (-1, 3, -1, -1))


def _variable(value: Any) -> bool:
    return _picture(value, (torch.float32, torch.float64))


def _list_of(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(good, value))


def _or_none(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or good(value)


def _row(value: Any) -> bool:
    """One step of a history."""
    kinds: Mapping[str, Callable[[Any], bool]] = {
        "scale": _whole(0),
        "iteration": _whole(1),
        "evaluations": _whole(1),
        "seconds": _finite,
        "size": lambda size: isinstance(size, (tuple, list)) and len(size) == 2 and all(map(_whole(1), size)),
        "losses": lambda losses: (
            isinstance(losses, dict)
            and "total" in losses
            and all(isinstance(name, str) and _number(loss) for name, loss in losses.items())
        ),
    }
    return isinstance(value, dict) and set(value) == set(kinds) and all(good(value[k]) for k, good in kinds.items())


def _snapshot(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and _whole(0)(value[0]) and _picture(value[1], (torch.uint8,))


_GROUP: dict[str, dict[str, Callable[[Any], bool]]] = {
    "sgd": {},
    "adam": {},
    "lbfgs-b": {},
    "lbfgs": {"first_step": _positive, "history_size": _whole(1)},
    "torch-lbfgs": {"history_size": _whole(1)},
}
_ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "recipe": (lambda value: isinstance(value, str), "a recipe"),
    "content": (_picture, "a picture"),
    "styles": (_list_of(_picture), "a list of pictures"),
    "style_weights": (_or_none(_list_of(_finite)), "a list of numbers"),
    "start": (_or_none(_picture), "a picture"),
    "checkpoint_every": (_whole(1), "a whole number from 1 up"),
    "max_memory": (_or_none(_whole(1)), "an amount of memory"),
    "tile": (_or_none(_whole(1)), "a whole number from 1 up"),
    "scale": (_whole(0), "a whole number"),
    "iteration": (_whole(0), "a whole number"),
    "evaluations": (_whole(0), "a whole number"),
    "seconds": (_finite, "a number"),
    "variable": (_variable, "a picture"),
    "best_variable": (_variable, "a picture"),
    "best": (lambda value: _number(value) and not math.isnan(value), "a number"),
    "first": (_number, "a number"),
    "returned": (_number, "a number"),
    "optimizer": (_or_none(lambda value: isinstance(value, dict)), "what an optimiser remembers"),
    "generator": (lambda value: _tensor(value, (torch.uint8,), (-1,)), "a state of random numbers"),
    "history": (_list_of(_row), "a list of steps"),
    "snapshots": (_list_of(_snapshot), "a list of pictures"),
}
