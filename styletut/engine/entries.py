"""What may stand in a saved run: one check for each kind of entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Check = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    """A text."""
    return isinstance(value, str)


def is_mapping(value: Any) -> bool:
    """A dictionary."""
    return isinstance(value, dict)


def is_whole(minimum: int) -> Check:
    """A whole number from ``minimum`` up."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and minimum <= value < 2**63


def is_number(value: Any) -> bool:
    """A number, finite or not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """A finite number."""
    return is_number(value) and math.isfinite(value)


def is_loss(value: Any) -> bool:
    """A number, or infinity."""
    return is_number(value) and not math.isnan(value)


def is_positive(value: Any) -> bool:
    """A finite number above 0."""
    return is_finite(value) and value > 0


def is_single(value: Any) -> bool:
    """A finite number, plain or as a tensor."""
    return is_finite(value) or (isinstance(value, Tensor) and is_tensor(value, None, ()))


def is_tensor(value: Any, dtypes: Sequence[torch.dtype] | None, shape: Sequence[int]) -> bool:
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


def is_generator(value: Any) -> bool:
    """The state of a generator of random numbers."""
    return is_tensor(value, (torch.uint8,), (-1,))


def is_picture(value: Any, dtypes: Sequence[torch.dtype] = (torch.float32,)) -> bool:
    """A tensor (B, 3, H, W)."""
    return is_tensor(value, dtypes, (-1, 3, -1, -1))


def is_mask(value: Any) -> bool:
    """A tensor (1, 1, H, W), nowhere negative."""
    return is_tensor(value, (torch.float32,), (1, 1, -1, -1)) and bool((value >= 0).all())


def is_variable(value: Any) -> bool:
    """What an optimiser moves."""
    return is_picture(value, (torch.float32, torch.float64))


def list_of(good: Check) -> Check:
    """A list of such entries."""
    return lambda value: isinstance(value, list) and all(map(good, value))


def or_none(good: Check) -> Check:
    """Such an entry, or None."""
    return lambda value: value is None or good(value)


def is_row(value: Any) -> bool:
    """One step of a history."""
    kinds: Mapping[str, Check] = {
        "scale": is_whole(0),
        "iteration": is_whole(1),
        "evaluations": is_whole(1),
        "seconds": is_finite,
        "size": lambda size: isinstance(size, (tuple, list)) and len(size) == 2 and all(map(is_whole(1), size)),
        "losses": lambda losses: (
            isinstance(losses, dict)
            and "total" in losses
            and all(isinstance(name, str) and is_number(loss) for name, loss in losses.items())
        ),
    }
    return isinstance(value, dict) and set(value) == set(kinds) and all(good(value[k]) for k, good in kinds.items())


def is_snapshot(value: Any) -> bool:
    """A pair (evaluations, picture in 8 bits)."""
    return (
        isinstance(value, tuple) and len(value) == 2 and is_whole(0)(value[0]) and is_picture(value[1], (torch.uint8,))
    )
