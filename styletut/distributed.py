"""One picture painted by several processes: on the processors, graphics cards or machines that ``torchrun`` starts.

Statistics add up over tiles (`tiles`), so they add up over processes too. Every process computes its share of the
rows, the sums are added over all of them (two megabytes), each sends the slopes back through its own rows, and the
gradients are added in turn (12 bytes a pixel). Every process then takes the same step of the optimiser.

    torchrun --nproc-per-node 2 -m styletut photo.jpg painting.jpg -o out.png

does it from the command line, and shares out the pictures instead where there are several. In Python, in a script that
``torchrun`` starts::

    with st.distributed.processes():
        result = st.stylize(photo, painting, shared=True)
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from .errors import DeviceError
from .objective import Term
from .tape import Tape
from .tiles import TiledObjective, Tiling
from .vgg import VGG
from .windows import Tile


def launched() -> tuple[int, int]:
    """Number of this process and of all, as ``torchrun`` set them; (0, 1) where it did not.

    >>> launched()
    (0, 1)
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


@contextmanager
def processes(device: str = "auto") -> Iterator[tuple[int, int]]:
    """Within it the processes that ``torchrun`` started can talk; gives the number of this one and of all.

    On CUDA each takes the card of its place on its machine, and they talk by NCCL; elsewhere by gloo.

    Raises:
        DeviceError: this process was not started by ``torchrun``.
    """
    if launched() == (0, 1) and "RANK" not in os.environ:
        raise DeviceError("start it with torchrun, as in: torchrun --nproc-per-node 2 script.py")
    cuda = torch.cuda.is_available() and device.startswith(("auto", "cuda"))
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    begun = not dist.is_initialized()
    if begun:
        dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield dist.get_rank(), dist.get_world_size()
    finally:
        if begun:
            dist.destroy_process_group()


class SharedObjective(TiledObjective):
    """`Objective` whose statistics and gradient are computed by all processes, each a share of the picture.

    Every process must call it, with the same picture. Each gets the whole result, to the last bit the same in all.

    Args:
        vgg, terms: as of the objective that it stands for; the same in every process.
        tile: side of a tile in pixels, or (rows, columns), dealt out in turn; None gives each process one strip of
            rows, which is the quickest where the memory will do.
    """

    def __init__(self, vgg: VGG | None, terms: Sequence[Term], tile: int | tuple[int, int] | None = None) -> None:
        super().__init__(vgg, terms, 0 if tile is None else tile)

    def tiling(self, picture: Tensor) -> list[Tile]:
        """The tiles of this process: all, where there are not enough for everyone, as at the coarsest scales."""
        return self._deal(picture)[0]

    def _deal(self, picture: Tensor) -> tuple[list[Tile], bool]:
        """The tiles of this process, and whether others have others."""
        workers, size = dist.get_world_size(), (picture.shape[-2], picture.shape[-1])
        every = list(Tiling.of(self.vgg, size, self.tile or share(size, workers)))
        if len(every) < workers:
            return every, False
        return every[dist.get_rank() :: workers], workers > 1

    def _sums(self, picture: Tensor, tapes: list[Tape]) -> tuple[Tensor, ...]:
        parts = super()._sums(picture, tapes)
        if not self._deal(picture)[1]:
            return parts
        flat = torch.cat([part.flatten() for part in parts])  # one message
        dist.all_reduce(flat)
        pieces = flat.split([part.numel() for part in parts])
        return tuple(piece.view_as(part) for piece, part in zip(pieces, parts, strict=True))

    def _pull(self, picture: Tensor, tapes: list[Tape], slopes: Sequence[Tensor]) -> Tensor:
        gradient = super()._pull(picture, tapes, slopes).contiguous()
        if self._deal(picture)[1]:
            dist.all_reduce(gradient)
        return gradient


def wait() -> None:
    """Until every process has come here."""
    dist.barrier()


def share(size: tuple[int, int], workers: int) -> tuple[int, int]:
    """(rows, columns) of the strip of a picture that one of several processes computes."""
    return max(1, math.ceil(size[0] / workers)), size[1]


def least(amount: float, device: torch.device) -> float:
    """The least of what the processes have."""
    found = torch.tensor(amount, dtype=torch.float64, device=device)
    dist.all_reduce(found, dist.ReduceOp.MIN)
    return float(found)


def neighbours() -> int:
    """Processes on this machine, which share its memory, this one included."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def agree(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process."""
    found = torch.tensor(float(flag), device=device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return bool(found)
