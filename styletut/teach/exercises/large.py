"""The exercises of chapter 13, pictures larger than memory."""

from __future__ import annotations

from ...vgg import layers
from .kinds import Function, Value


def _field(name: str) -> tuple[int, int]:
    """Receptive field and stride."""
    layer = next(layer for layer in layers("vgg19") if layer.name == name)
    return layer.receptive_field, layer.stride


def _halo() -> float:
    field, stride = _field("relu4_1")
    return (field - stride) / 2


EXERCISES: dict[str, Value | Function] = {
    "ex-large-halo": Value(
        expected=_halo,
        slips={
            "That is both sides together.": lambda: 2 * _halo(),
            "The pixels of its own stride belong to the position, not to the halo.": lambda: _field("relu4_1")[0] / 2,
        },
        tolerance=1e-3,
    ),
    "ex-large-price": Value(
        expected=lambda: ((320 + 2 * 80) / 320) ** 2,
        slips={
            "The halo is on all four sides.": lambda: ((320 + 80) / 320) ** 2,
            "Rows and columns both grow: square it.": lambda: (320 + 2 * 80) / 320,
            "The question is how many times as many, not how many more.": lambda: (480 / 320) ** 2 - 1,
        },
        tolerance=1e-3,
    ),
}
