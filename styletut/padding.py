"""What a convolution sees beyond the edges of a map: one row or column on each side, and the adjoint of adding it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

PADDINGS = ("zeros", "replicate", "reflect", "circular")

# Of a padded map: the rows, and the columns, that the first and the last are copies of.
_SOURCES = {"replicate": (1, -2), "reflect": (2, -3), "circular": (-2, 1)}


def pad(x: Tensor, padding: str) -> Tensor:
    """``x`` (B, N, H, W) with one row and column more on each side: (B, N, H + 2, W + 2); differentiable.

    ``replicate`` repeats the outermost value; ``reflect`` mirrors at it, so that the value beside it is repeated, which
    takes a side of two at least; ``circular`` goes on at the opposite edge; ``zeros`` puts zeros. The same as
    `torch.nn.functional.pad`, in the memory format and every precision of ``x``.

    >>> import torch
    >>> row = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3).expand(1, 1, 2, 3)
    >>> [pad(row, padding)[0, 0, 1].tolist() for padding in ("replicate", "reflect", "circular")]
    [[1.0, 1.0, 2.0, 3.0, 3.0], [2.0, 1.0, 2.0, 3.0, 2.0], [3.0, 1.0, 2.0, 3.0, 1.0]]
    """
    padded = F.pad(x, (1, 1, 1, 1))
    for axis in (-2, -1) if padding in _SOURCES else ():
        first, last = _SOURCES[padding]
        padded.select(axis, 0).copy_(padded.select(axis, first))
        padded.select(axis, -1).copy_(padded.select(axis, last))
    return padded


def fold(g: Tensor, padding: str) -> Tensor:
    """The gradient with respect to ``x``, from ``g``, that of ``pad(x, padding)``; ``g`` is overwritten."""
    for axis in (-1, -2) if padding in _SOURCES else ():
        first, last = _SOURCES[padding]
        g.select(axis, first).add_(g.select(axis, 0))
        g.select(axis, last).add_(g.select(axis, -1))
    return g[..., 1:-1, 1:-1]
