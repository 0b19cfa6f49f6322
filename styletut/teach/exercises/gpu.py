"""The exercises of chapter 11, gpu."""

from __future__ import annotations

from ... import recipes
from ...vgg import layers
from .kinds import Function, Value


def _operations(name: str, inputs: int, size: int, *, filters: int = 9, each: int = 2, strided: bool = True) -> int:
    """Multiplications and additions of one convolution, in the forward pass."""
    layer = next(layer for layer in layers("vgg19") if layer.name == name)
    side = size // layer.stride if strided else size
    return each * filters * inputs * layer.channels * side**2


def _steps(power: int = 2) -> float:
    return sum(share**power * steps for share, steps in recipes.get("gram").scales)


EXERCISES: dict[str, Value | Function] = {
    "ex-gpu-operations": Value(
        expected=lambda: _operations("conv3_2", 256, 512),
        slips={
            "A multiplication and an addition: two operations each.": lambda: _operations("conv3_2", 256, 512, each=1),
            "Stride 4: 128 x 128 positions, not 512 x 512.": lambda: _operations("conv3_2", 256, 512, strided=False),
            "A 3 x 3 filter has 9 weights for each input channel.": lambda: _operations("conv3_2", 256, 512, filters=1),
            "The forward pass only: the backward pass is not asked for.": lambda: 2 * _operations("conv3_2", 256, 512),
        },
        tolerance=1e-6,
    ),
    "ex-gpu-steps": Value(
        expected=_steps,
        slips={
            "Half the side is a quarter of the pixels.": lambda: _steps(power=1),
            "A step at a smaller scale is cheaper than one at full size.": lambda: _steps(power=0),
        },
        tolerance=1e-3,
    ),
    "ex-gpu-kept": Value(
        expected=lambda: 64 * 1024 * 1024 * 4,
        slips={
            "A float32 number takes four bytes.": lambda: 64 * 1024 * 1024,
            "relu1_1 has 64 channels, not 3.": lambda: 3 * 1024 * 1024 * 4,
            "A float32 number takes four bytes; two are what bfloat16 takes.": lambda: 64 * 1024 * 1024 * 2,
        },
        tolerance=1e-6,
    ),
}
