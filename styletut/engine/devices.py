"""Devices, the precision that they compute in, and torch's modes."""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.nn import functional as F

from ..errors import DeviceError, RecipeError, did_you_mean

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
"""What the network computes in."""


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """A device that exists: ``auto`` is CUDA if there is one, else MPS, else the CPU.

    Raises:
        DeviceError: no such device, or not on this machine.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, there in here.items() if there))
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise DeviceError(did_you_mean("device", device, ("auto", "cpu", "cuda", "cuda:1", "mps"))) from None
    if chosen.type not in here:
        raise DeviceError(did_you_mean("device", str(device), ("auto", "cpu", "cuda", "cuda:1", "mps")))
    there = here[chosen.type] and (chosen.type != "cuda" or (chosen.index or 0) < torch.cuda.device_count())
    if not there:
        raise DeviceError(f"there is no {chosen} on this machine: use 'auto' or 'cpu'")
    return chosen


def pick_precision(precision: str, device: torch.device, *, half: bool = True) -> str:
    """What ``auto`` means on a device: what its hardware multiplies in, and the quickest.

    That is bfloat16 on CUDA devices that have it, and float16 on others with tensor cores. On processors with bfloat16
    it is that, and on MPS float16, if a convolution is measured to be quicker in it than in float32: some virtual
    machines offer bfloat16 without the matrix units that make it quick. float32 elsewhere.

    Args:
        half: whether the network can be computed in half precision, as a VGG can.

    Raises:
        RecipeError: the precision is unknown, or the device or the network does not have it.
    """
    if precision not in ("auto", *PRECISIONS):
        raise RecipeError(did_you_mean("precision", precision, ("auto", *PRECISIONS)))
    if precision == "float64" and device.type == "mps":
        raise RecipeError("Apple's MPS has no float64: use precision='float32' or device='cpu'")
    if precision in ("bfloat16", "float16") and not half:
        raise RecipeError(f"{precision} is for a VGG: use precision='float32' with another network")
    if precision != "auto":
        return precision
    if not half:
        return "float32"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16"
        return "float16" if torch.cuda.get_device_capability(device) >= (7, 0) else "float32"
    if device.type == "mps":
        return "float16" if _is_quicker(torch.float16, device) else "float32"
    return "bfloat16" if _processor_has_bfloat16() and _is_quicker(torch.bfloat16, device) else "float32"


@functools.cache
def _is_quicker(half: torch.dtype, device: torch.device) -> bool:
    """Whether a convolution in half precision takes at most three quarters of the time that it takes in float32."""
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], half: []}
    for _, (dtype, taken) in itertools.product(range(5), seconds.items()):  # in turns: a busy machine slows both
        x = torch.zeros(1, 64, 128, 128, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
        weight = torch.zeros(64, 64, 3, 3, device=device, dtype=dtype)
        synchronize(device)
        started = time.perf_counter()
        F.conv2d(x, weight, padding=1)
        synchronize(device)
        taken.append(time.perf_counter() - started)
    return min(seconds[half]) <= 0.75 * min(seconds[torch.float32])


def _processor_has_bfloat16() -> bool:
    """Whether convolutions will use the processor's bfloat16; emulated, it is always slower than float32.

    torch knows what the processor has. The variables of ATen and oneDNN may allow less.
    """
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    return (
        bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and any(part in allowed for part in ("DEFAULT", "ALL", "BF16", "FP16", "AMX", "AVX10"))
    )


def working_dtype(precision: str) -> torch.dtype:
    """What pictures, losses and optimisers compute in: float32 at least, whatever the network does."""
    return torch.float64 if precision == "float64" else torch.float32


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given: before that a clock tells nothing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def device_name(device: torch.device) -> str:
    """The device, and which graphics processor it is."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


@contextmanager
def own_modes() -> Iterator[None]:
    """torch's modes as a run needs them, whatever those of the caller are."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() != torch.float32:
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float32)
        if torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled():
            # Operations that have no other form are deterministic as they are used here.
            stack.callback(torch.use_deterministic_algorithms, True)
            torch.use_deterministic_algorithms(True, warn_only=True)
        yield


@contextmanager
def without_compiler() -> Iterator[None]:
    """Keep torch from importing its compiler, which takes a second, only to tell it to leave an optimiser alone."""
    plain = getattr(torch.optim.Optimizer.add_param_group, "__wrapped__", None)
    if plain is None or hasattr(plain, "__dynamo_disable"):
        yield
        return
    plain.__dynamo_disable = plain
    try:
        yield
    finally:
        del plain.__dynamo_disable
