"""The processes that share a picture, or the one that has it for itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..lowmem import distributed


class Alone:
    """One process, which agrees with itself."""

    count = 1
    keeps = True
    """Whether this process keeps the checkpoint."""

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process: what they decide must be the same in all."""
        return flag

    def unite(self, *tensors: Tensor) -> None:
        """Give all processes the first one's values: rounding may have led them apart."""

    def budget(self, budget: int | None, free: bool) -> int | None:
        """One budget for all processes: with different plans their tiles would not fit together.

        ``free``: it is what a machine has free, and is there once for all processes on it.
        """
        return budget


class Team(Alone):
    """Several processes.

    Raises:
        DeviceError: they cannot talk.
    """

    def __init__(self, device: torch.device) -> None:
        self.count = distributed.count_all()
        self.keeps = torch.distributed.get_rank() == 0
        self._device = device

    def any(self, flag: bool) -> bool:
        """As `Alone.any`."""
        return distributed.any_process(flag, self._device)

    @torch.no_grad()
    def unite(self, *tensors: Tensor) -> None:
        """As `Alone.unite`."""
        for tensor in tensors:
            tensor.copy_(distributed.broadcast(tensor))

    def budget(self, budget: int | None, free: bool) -> int | None:
        """As `Alone.budget`."""
        parts = distributed.count_local() if free and self._device.type == "cpu" else 1
        smallest = distributed.minimum(math.inf if budget is None else budget / parts, self._device)
        return None if math.isinf(smallest) else int(smallest)
