"""A frozen VGG forward, and back to the picture, in little memory.

torch's autograd keeps the input and the output of every layer. A frozen network needs far less on the way back: for a
ReLU where it was positive (a byte a value), for maximum pooling which value won (two bytes a window), for a convolution
and average pooling nothing. The features themselves stay only where a loss looks at them, and the first layer's, a
hundredth of the work and a large part of the memory, are computed again.

The blocks with the largest maps are computed in strips of rows: a strip stays in the processor's cache from layer to
layer, and no map but what a block hands on ever exists as a whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn import grad

from ..vgg import VGG, divided
from .windows import Window

STRIP = {"cpu": 16 << 20}
"""Bytes of the largest map of a strip, by device."""
STRIP_ELSEWHERE = 256 << 20
"""The same on a graphics processor, which wants more to do at once."""
RIM = 1 / 16
"""How much of a strip may be rows that belong to its neighbours, and are computed twice."""

Visit = Callable[[str, Tensor, Window], None]
Slope = Callable[[str, Tensor, Window], Tensor | None]


class Tape:
    """One forward pass of ``vgg`` over a picture (B, 3, H, W), and the way back, once.

    Args:
        vgg: the network.
        picture: what it sees.
        visit: called with the name of every layer asked for, features, and the window of its map that they fill: as
            often as a block has strips. The features must not be changed.
        keep: whether `gradient` will be called.

    >>> from .vgg import random_weights
    >>> vgg = VGG(["relu2_1"], weights=random_weights(width=0.1))
    >>> picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    >>> (gradient,) = torch.autograd.grad(vgg(picture)["relu2_1"].sum(), picture)
    >>> tape = Tape(vgg, picture.detach(), lambda name, features, window: None)
    >>> torch.testing.assert_close(tape.gradient(lambda name, features, window: torch.ones_like(features)), gradient)
    """

    @torch.no_grad()
    def __init__(self, vgg: VGG, picture: Tensor, visit: Visit, *, keep: bool = True) -> None:
        self._vgg = vgg
        self._stages: list[tuple[torch.Size, list[_Strip]]] = []
        self._picture = x = vgg.prepare(picture)
        for names in blocks(vgg.layers):
            size, out = x.shape, None
            strips = []
            for own, seen in _cut(vgg, names, x):
                strip = _Strip(vgg, names, own, seen, keep)
                part = strip.forward(x, visit)
                strips.append(strip)
                count = strip.divided(size[-2])
                if part.shape[-2] == count:
                    out = part
                else:
                    if out is None:
                        shape = (*part.shape[:2], count, part.shape[-1])
                        out = part.new_empty(shape).to(memory_format=torch.channels_last)
                    out[:, :, strip.divided(own.start) : strip.divided(own.stop)].copy_(part)
                del part
            assert out is not None
            x = out
            if keep:
                self._stages.append((size, strips))

    @property
    def bytes(self) -> int:
        """What is kept for the way back now, beside the picture."""
        every = {}
        for _, strips in self._stages:
            for tensor in itertools.chain.from_iterable(strip.held for strip in strips):
                storage = tensor.untyped_storage()
                every[storage.data_ptr()] = storage.nbytes()
        return sum(every.values())

    @torch.no_grad()
    def gradient(self, slope: Slope) -> Tensor:
        """The gradient with respect to the picture.

        ``slope(name, features, window)`` is the gradient with respect to these features, a new tensor, or None. It is
        asked for from the deepest layer up, and what lies behind is let go.
        """
        g: Tensor | None = None
        while self._stages:
            size, strips = self._stages.pop()
            source = self._picture if not self._stages else None
            if len(strips) == 1:
                g = strips.pop().backward(g, source, slope)
                continue
            like = self._picture
            total = torch.zeros(size, dtype=like.dtype, device=like.device).to(memory_format=torch.channels_last)
            while strips:
                strip = strips.pop()
                rows = slice(strip.divided(strip.own.start), strip.divided(strip.own.stop))
                part = strip.backward(None if g is None else g[:, :, rows], source, slope)
                if part is not None:
                    total[:, :, strip.seen].add_(part)
                del strip, part
            g = total
        scale = self._vgg.scale
        return torch.zeros_like(self._picture, dtype=scale.dtype) if g is None else g.to(scale.dtype) * scale


class _Strip:
    """Some consecutive layers over some rows: what it keeps of them on the way forward, and the way back.

    ``own`` are the rows of the input that it answers for, ``seen`` those that it needs for that.
    """

    def __init__(self, vgg: VGG, names: Sequence[str], own: slice, seen: slice, keep: bool) -> None:
        self.vgg, self.names, self.own, self.seen, self.keep = vgg, names, own, seen, keep
        self.stride = 2 if names[-1].startswith("pool") else 1
        self._sizes: list[torch.Size] = []
        self._kept: list[tuple[Tensor, ...]] = []
        self._found: dict[str, Tensor] = {}

    def divided(self, rows: int, stride: int | None = None) -> int:
        """Rows of a map of that stride (default: the last layer's) that belong to so many of the input."""
        return divided(rows, self.stride if stride is None else stride, self.vgg.rounds_up)

    @property
    def held(self) -> list[Tensor]:
        """The tensors that it keeps."""
        return [*itertools.chain.from_iterable(self._kept), *self._found.values()]

    def forward(self, x: Tensor, visit: Visit) -> Tensor:
        """The own rows of the last layer."""
        vgg = self.vgg
        x = x[:, :, self.seen]
        for name, after in itertools.pairwise((*self.names, "")):
            before = x
            kept: tuple[Tensor, ...] = ()
            before_relu = self._found.get(name.replace("relu", "conv"))
            if name.startswith("conv"):
                x = vgg.conv(name)(x)
            elif name.startswith("relu"):
                x = F.relu(x, inplace=before_relu is None)
                # Of a maximum's window the winner tells the sign, and the others get no gradient anyhow.
                if self.keep and name not in vgg.wanted and not (after.startswith("pool") and vgg.pooling == "max"):
                    kept = (x.bool(),)
            elif vgg.pooling != "max":
                x = F.avg_pool2d(x, 2, ceil_mode=vgg.rounds_up, count_include_pad=False)
            elif self.keep:
                x, places = F.max_pool2d(x, 2, return_indices=True)
                columns = before.shape[-1]
                short = torch.int16 if columns < 2**15 - 1 else torch.int32  # the offset of the last is columns + 1
                kept = (x.bool(), places.sub_(_corners(places, columns)).to(short))
                del places
            else:
                x = F.max_pool2d(x, 2)
            if self.keep:
                self._sizes.append(before.shape)
                self._kept.append(kept)
            del before, before_relu, kept
            if name in vgg.wanted:
                self._visit(name, x, visit)
                if (self.keep and name != "relu1_1") or name.startswith("conv"):
                    self._found[name] = x
        return x[:, :, self._rows(self.stride)]

    def backward(self, g: Tensor | None, source: Tensor | None, slope: Slope) -> Tensor | None:
        """The gradient with respect to the rows seen, from that with respect to the own rows of the last layer.

        ``source`` is the input of the first block, whose features are computed again.
        """
        vgg = self.vgg
        if g is not None:
            g = self._among_seen(g, self.stride)
        for name in reversed(self.names):
            size, kept = self._sizes.pop(), self._kept.pop()
            features = self._found.pop(name, None)
            if name in vgg.wanted and features is None:
                assert source is not None
                features = vgg.conv("conv1_1")(source[:, :, self.seen]).relu_()
            if features is not None:
                g = self._add(name, features, g, slope)
            if g is None:
                continue
            if name.startswith("conv"):
                g = grad.conv2d_input(size, vgg.conv(name).weight, g, padding=1)
            elif name.startswith("relu"):
                if features is not None:
                    g.mul_(features.bool())
                elif kept:
                    g.mul_(kept[0])
            elif vgg.pooling != "max":
                g = _share_out(g, size)
            else:
                places = kept[1] + _corners(kept[1], size[-1])
                g = _put_back(g.mul_(kept[0]), places, size)
                del places
            del features, kept
        return g

    def _visit(self, name: str, x: Tensor, visit: Visit) -> None:
        own, window = self._own(name, x)
        for asked in self.vgg.asked[name]:
            visit(asked, own, window)

    def _add(self, name: str, features: Tensor, g: Tensor | None, slope: Slope) -> Tensor | None:
        """The gradient with the slope of the losses that look at a layer."""
        own, window = self._own(name, features)
        for asked in self.vgg.asked[name]:
            part = slope(asked, own, window)
            if part is None:
                continue
            if g is None:
                g = self._among_seen(part, 2 if name.startswith("pool") else 1)
            else:
                g[:, :, self._rows(2 if name.startswith("pool") else 1)].add_(part)
        return g

    def _own(self, name: str, x: Tensor) -> tuple[Tensor, Window]:
        """The own rows of a map, and where they lie in the whole."""
        stride = 2 if name.startswith("pool") else 1
        rows = slice(self.divided(self.own.start, stride), self.divided(self.own.stop, stride))
        return x[:, :, self._rows(stride)], Window(rows, slice(0, x.shape[-1]))

    def _rows(self, stride: int) -> slice:
        """The own rows among those seen."""
        start = self.seen.start
        return slice(self.divided(self.own.start - start, stride), self.divided(self.own.stop - start, stride))

    def _among_seen(self, g: Tensor, stride: int) -> Tensor:
        """With zeros for the rows that are only seen; a new tensor, or ``g`` if there are none."""
        rows, count = self._rows(stride), self.divided(self.seen.stop - self.seen.start, stride)
        above, below = rows.start, count - rows.stop
        return F.pad(g, (0, 0, above, below)) if above or below else g


def blocks(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The layers, block by block; a block ends with its pooling."""
    for _, block in itertools.groupby(names, key=lambda name: name[4]):
        yield tuple(block)


def _cut(vgg: VGG, names: Sequence[str], x: Tensor) -> Iterator[tuple[slice, slice]]:
    """Own rows and rows seen of the strips of a block whose input is ``x``."""
    row = x.shape[0] * x.shape[-1] * vgg.conv(names[0]).out_channels * x.element_size()
    return strips(x.shape[-2], row, sum(name.startswith("conv") for name in names), x.device.type)


def strips(rows: int, row: int, convs: int, device: str) -> Iterator[tuple[slice, slice]]:
    """Own rows and rows seen of the strips of a block of so many convolutions, with ``row`` bytes in a row of a map."""
    rim = 2 * math.ceil(convs / 2)  # even, so that every window of the pooling lies within one strip
    least = math.ceil(2 * rim / RIM)
    count = max(1, min(math.ceil(rows * row / STRIP.get(device, STRIP_ELSEWHERE)), rows // least))
    cuts = [2 * (rows * i // (2 * count)) for i in range(count)] + [rows]
    for start, stop in itertools.pairwise(cuts):
        yield slice(start, stop), slice(max(0, start - rim), min(rows, stop + rim))


def _corners(places: Tensor, columns: int) -> Tensor:
    """Where the window of every position of a pooled map begins, in a map of so many columns, row by row."""
    rows = torch.arange(places.shape[-2], device=places.device)
    return 2 * (columns * rows[:, None] + torch.arange(places.shape[-1], device=places.device))


def _put_back(g: Tensor, places: Tensor, size: torch.Size) -> Tensor:
    """The gradient of each window at its winner, 0 elsewhere; ``places`` count row by row.

    As `torch.nn.functional.max_unpool2d`, of which not every device has a kernel, nor CUDA a deterministic one.
    """
    batch, channels, rows, columns = size
    out = g.new_zeros(batch, rows * columns, channels)
    out.scatter_(1, *(x.permute(0, 2, 3, 1).flatten(1, 2) for x in (places, g)))
    return out.unflatten(1, (rows, columns)).permute(0, 3, 1, 2)


def _share_out(g: Tensor, size: torch.Size) -> Tensor:
    """The gradient of each average to the pixels that it was taken of: 4, or fewer in an odd last row or column."""
    rows, columns = g.shape[-2:]
    g.div_(4)
    if 2 * rows > size[-2]:
        g[..., -1, :].mul_(2)
    if 2 * columns > size[-1]:
        g[..., -1].mul_(2)
    g = F.interpolate(g, scale_factor=2)[..., : size[-2], : size[-1]]
    beyond = size[-1] - g.shape[-1], size[-2] - g.shape[-2]
    return F.pad(g, (0, beyond[0], 0, beyond[1])) if any(beyond) else g  # an odd row or column is in no window
