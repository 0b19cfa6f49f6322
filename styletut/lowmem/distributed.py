"""One picture painted by several processes: on the processors, graphics cards or machines that ``torchrun`` starts.

Statistics add up over tiles (`tiles`), so they add up over processes too. Every process computes its share of the
rows, and the sums are added over all of them (two megabytes); each runs the backward pass of its own rows, and the
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

from ..errors import DeviceError
from ..objective import Term
from ..vgg import VGG
from .objective import Kept
from .tiles import TiledObjective, Tiling
from .windows import Tile


def launched() -> tuple[int, int]:
    """Number of this process and of all, as ``torchrun`` set them; (0, 1) where it did not.

    Raises:
        DeviceError: they are no numbers.

    >>> launched()
    (0, 1)
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
        return 0, 1
    rank, count = _number("RANK", 0), _number("WORLD_SIZE", 1)
    if rank >= count:
        raise DeviceError(f"RANK is {rank} of WORLD_SIZE {count}, but counts from 0: start with torchrun")
    return rank, count


def _number(name: str, minimum: int) -> int:
    """What torchrun sets in the environment; ``minimum`` where it is not set."""
    text = os.environ.get(name, str(minimum))
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) < minimum:
        raise DeviceError(f"{name}={text!r} in the environment must be a number from {minimum} up: start with torchrun")
    return int(text)


@contextmanager
def processes(device: str = "auto") -> Iterator[tuple[int, int]]:
    """Within it the processes that ``torchrun`` started can talk; gives the number of this one and of all.

    On CUDA each takes the card of its place on its machine, and they talk by NCCL; elsewhere by gloo.

    Raises:
        DeviceError: this process was not started by ``torchrun``, or the processes cannot find each other.
    """
    if launched() == (0, 1) and "RANK" not in os.environ:
        raise DeviceError("start it with torchrun, as in: torchrun --nproc-per-node 2 script.py")
    cuda = torch.cuda.is_available() and device.startswith(("auto", "cuda"))
    if cuda:
        torch.cuda.set_device(_number("LOCAL_RANK", 0) % torch.cuda.device_count())
    begun = not dist.is_initialized()
    if begun:
        try:
            dist.init_process_group("nccl" if cuda else "gloo")
        except (ValueError, RuntimeError, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DeviceError(
                f"the processes cannot find each other ({reason[:200]}): start them with torchrun"
            ) from None
    try:
        yield dist.get_rank(), dist.get_world_size()
    finally:
        if begun:
            dist.destroy_process_group()


class SharedObjective(TiledObjective):
    """`Objective` whose statistics and gradient are computed by all processes, each a share of the picture.

    Every process must call it, with the same picture. Each gets the whole result, to the last bit the same in all.

    Args:
        network, terms: as of the objective that it stands for; the same in every process.
        tile: side of a tile in pixels, or (rows, columns), dealt out in turn; None gives each process one strip of
            rows, which is the quickest where the memory allows it.

    Raises:
        RecipeError: as `tiles.TiledObjective`.
    """

    def __init__(self, network: VGG | None, terms: Sequence[Term], tile: int | tuple[int, int] | None = None) -> None:
        super().__init__(network, terms, 0 if tile is None else tile)

    def tiling(self, picture: Tensor) -> list[Tile]:
        """The tiles of this process: all, where there are fewer than processes, as at the coarsest scales."""
        return self._deal(picture)[0]

    def _deal(self, picture: Tensor) -> tuple[list[Tile], bool]:
        """The tiles of this process, and whether the other processes have others."""
        workers, size = dist.get_world_size(), (picture.shape[-2], picture.shape[-1])
        tiles = list(Tiling.of(self.network, size, self.tile or share(size, workers), wraps=self.wraps))
        if len(tiles) < workers:
            return tiles, False
        return tiles[dist.get_rank() :: workers], workers > 1

    def _forward(self, picture: Tensor, kept: Kept) -> tuple[Tensor, ...]:
        parts = super()._forward(picture, kept)
        flat = self._combined(picture, torch.cat([part.flatten() for part in parts]))  # one message
        pieces = flat.split([part.numel() for part in parts])
        return tuple(piece.view_as(part) for piece, part in zip(pieces, parts, strict=True))

    def _backward(self, picture: Tensor, kept: Kept, tensors: Sequence[Tensor]) -> Tensor:
        return self._combined(picture, super()._backward(picture, kept, tensors))

    def _combined(self, picture: Tensor, values: Tensor) -> Tensor:
        """The sum of what the processes have; where each has the whole, the first one's, as rounding may differ."""
        return all_sum(values) if self._deal(picture)[1] else broadcast(values)


def barrier() -> None:
    """Wait until every process has come here."""
    dist.barrier()


def share(size: tuple[int, int], workers: int) -> tuple[int, int]:
    """(rows, columns) of the strip of a picture that one of several processes computes."""
    return max(1, math.ceil(size[0] / workers)), size[1]


def all_sum(values: Tensor) -> Tensor:
    """The sum over all processes, to the last bit the same in all; ``values`` may be overwritten."""
    sent = _to_send(values)
    dist.all_reduce(sent)
    return sent.to(values.device)


def broadcast(values: Tensor) -> Tensor:
    """The values of the first process; ``values`` may be overwritten."""
    sent = _to_send(values)
    dist.broadcast(sent, 0)
    return sent.to(values.device)


def minimum(value: float, device: torch.device) -> float:
    """The smallest of the processes' values."""
    sent = torch.tensor(value, dtype=torch.float64, device=_sending_device(device))
    dist.all_reduce(sent, dist.ReduceOp.MIN)
    return float(sent)


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process."""
    sent = torch.tensor(float(flag), device=_sending_device(device))
    dist.all_reduce(sent, dist.ReduceOp.MAX)
    return bool(sent)


def count_local() -> int:
    """Processes on this machine, which share its memory, this one included."""
    return _number("LOCAL_WORLD_SIZE", 1)


def count_all() -> int:
    """Processes that can talk to each other.

    Raises:
        DeviceError: this one cannot.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise DeviceError("to share a picture, start with torchrun and call within st.distributed.processes()")
    return dist.get_world_size()


def _to_send(values: Tensor) -> Tensor:
    """In one block of memory, on a device that can send."""
    return values.detach().to(_sending_device(values.device)).contiguous()


def _sending_device(device: torch.device) -> torch.device:
    """MPS cannot send, and has no float64."""
    return torch.device("cpu") if device.type == "mps" else device
