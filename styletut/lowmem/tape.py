"""A frozen VGG's forward and backward pass in little memory.

Autograd keeps the input and the output of every layer. The backward pass of a frozen network needs far less: for a ReLU
where it was positive (a byte a value), for max pooling which value was the maximum (two bytes a window), for a
convolution and average pooling nothing. The features themselves are kept only where a loss reads them, and the first
layer's, a hundredth of the work and a large part of the memory, are computed again.

The blocks with the largest feature maps are computed in strips of rows: a strip stays in the processor's cache from
layer to layer, and no map but a block's output ever exists as a whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn import grad

from ..architecture import Layer
from ..padding import fold
from ..vgg import VGG, divided
from .windows import Window, with_halo

STRIP = {"cpu": 16 << 20}
"""Bytes of the largest feature map of a strip, by device."""
STRIP_ELSEWHERE = 256 << 20
"""The same on a graphics processor, which needs more to do at once."""
MAX_HALO = 1 / 16
"""The share of a strip that may be halo: rows that belong to the strips beside it, and are computed twice."""

OnFeatures = Callable[[str, Tensor, Window], None]
FeatureGradient = Callable[[str, Tensor, Window], Tensor | None]


class Tape:
    """One forward pass of ``vgg`` over an image (B, 3, H, W), and one backward pass.

    Args:
        vgg: the network.
        image: what it sees.
        on_features: called with the name of every layer asked for, features, and the window of its map that they fill:
            as often as a block has strips. The features must not be changed.
        keep: whether `gradient` will be called.

    >>> from styletut.vgg import random_weights
    >>> vgg = VGG(["relu2_1"], weights=random_weights(width=0.1))
    >>> image = torch.rand(1, 3, 16, 16, requires_grad=True)
    >>> (gradient,) = torch.autograd.grad(vgg(image)["relu2_1"].sum(), image)
    >>> tape = Tape(vgg, image.detach(), lambda name, features, window: None)
    >>> torch.testing.assert_close(tape.gradient(lambda name, features, window: torch.ones_like(features)), gradient)
    """

    @torch.no_grad()
    def __init__(self, vgg: VGG, image: Tensor, on_features: OnFeatures, *, keep: bool = True) -> None:
        self._vgg = vgg
        self._blocks: list[tuple[torch.Size, list[_Strip]]] = []
        self._image = x = vgg.prepare(image)
        for block in blocks(vgg.sequence):
            size, out = x.shape, None
            strips_done = []
            for core, padded in _cut(vgg, block, x):
                strip = _Strip(vgg, block, core, padded, keep)
                part = strip.forward(x, on_features)
                strips_done.append(strip)
                rows = strip.divided(size[-2])
                if part.shape[-2] == rows:
                    out = part
                else:
                    if out is None:
                        shape = (*part.shape[:2], rows, part.shape[-1])
                        out = part.new_empty(shape).to(memory_format=torch.channels_last)
                    out[:, :, strip.divided(core.start) : strip.divided(core.stop)].copy_(part)
                del part
            assert out is not None
            x = out
            if keep:
                self._blocks.append((size, strips_done))

    @property
    def bytes(self) -> int:
        """What is kept for the backward pass now, beside the image."""
        sizes = {}
        for _, strips_done in self._blocks:
            for tensor in itertools.chain.from_iterable(strip.saved for strip in strips_done):
                storage = tensor.untyped_storage()
                sizes[storage.data_ptr()] = storage.nbytes()
        return sum(sizes.values())

    @torch.no_grad()
    def gradient(self, feature_gradient: FeatureGradient) -> Tensor:
        """The gradient with respect to the image.

        ``feature_gradient(name, features, window)`` is the gradient with respect to these features, a new tensor, or
        None. It is asked for from the deepest layer up, and what is no longer needed is freed.
        """
        g: Tensor | None = None
        while self._blocks:
            size, strips_left = self._blocks.pop()
            image = self._image if not self._blocks else None
            if len(strips_left) == 1:
                g = strips_left.pop().backward(g, image, feature_gradient)
                continue
            like = self._image
            dtype = torch.float32 if like.dtype == torch.float16 else like.dtype
            total = torch.zeros(size, dtype=dtype, device=like.device).to(memory_format=torch.channels_last)
            while strips_left:
                strip = strips_left.pop()
                rows = slice(strip.divided(strip.core.start), strip.divided(strip.core.stop))
                part = strip.backward(None if g is None else g[:, :, rows], image, feature_gradient)
                if part is not None:
                    strip.window(total).add_to(total, part)
                del strip, part
            g = total
        scale = self._vgg.scale
        return torch.zeros_like(self._image, dtype=scale.dtype) if g is None else g.to(scale.dtype) * scale


class _Strip:
    """The layers of a block over some rows: what is kept of their forward pass, and their backward pass.

    ``core`` are the rows of the block's input that it is responsible for, ``padded`` those with the halo.
    """

    def __init__(self, vgg: VGG, block: Sequence[Layer], core: slice, padded: slice, keep: bool) -> None:
        self.vgg, self.block, self.core, self.padded, self.keep = vgg, block, core, padded, keep
        self.stride = _stride(block[-1])
        self._sizes: list[torch.Size] = []
        self._kept: list[tuple[Tensor, ...]] = []
        self._features: dict[str, Tensor] = {}

    def divided(self, rows: int, stride: int | None = None) -> int:
        """Rows of a map of that stride (default: the last layer's) that so many rows of the input have."""
        return divided(rows, self.stride if stride is None else stride, self.vgg.rounds_up)

    @property
    def saved(self) -> list[Tensor]:
        """The tensors that are kept."""
        return [*itertools.chain.from_iterable(self._kept), *self._features.values()]

    def window(self, x: Tensor) -> Window:
        """The padded rows of the block's input ``x``."""
        return Window(self.padded, slice(0, x.shape[-1]))

    def forward(self, x: Tensor, on_features: OnFeatures) -> Tensor:
        """The core rows of the last layer."""
        vgg = self.vgg
        x = self.window(x).of(x)
        stored = False
        for layer, after in itertools.pairwise((*self.block, None)):
            assert layer is not None
            before = x
            kept: tuple[Tensor, ...] = ()
            if layer.kind == "conv":
                x = vgg.convolve(layer.name, x)
            elif layer.kind == "relu":
                x = F.relu(x, inplace=not stored)
                # In max pooling the maximum tells the sign, and the other values get no gradient anyway.
                pooled = after is not None and after.kind == "pool" and vgg.takes_maxima
                if self.keep and layer.name not in vgg.wanted and not pooled:
                    kept = (x.bool(),)
            elif not vgg.takes_maxima:
                x = F.avg_pool2d(x, 2, ceil_mode=vgg.rounds_up, count_include_pad=False)
            elif self.keep:
                x, places = F.max_pool2d(x, 2, ceil_mode=vgg.rounds_up, return_indices=True)
                columns = before.shape[-1]
                short = torch.int16 if columns < 2**15 - 1 else torch.int32  # the largest offset is columns + 1
                kept = (x.bool(), places.sub_(_corners(places, columns)).to(short))
                del places
            else:
                x = F.max_pool2d(x, 2, ceil_mode=vgg.rounds_up)
            if self.keep:
                self._sizes.append(before.shape)
                self._kept.append(kept)
            del before, kept
            stored = False
            if layer.name in vgg.wanted:
                part, window = self._core_of(layer, x)
                for asked in vgg.asked[layer.name]:
                    on_features(asked, part, window)
                stored = (self.keep and layer.index != 1) or layer.kind == "conv"
                if stored:
                    self._features[layer.name] = x
        return x[:, :, self._core_rows(self.stride)]

    def backward(self, g: Tensor | None, image: Tensor | None, feature_gradient: FeatureGradient) -> Tensor | None:
        """The gradient with respect to the padded rows, from that with respect to the core rows of the last layer.

        ``image`` is the input of the first block, whose features are computed again.
        """
        vgg = self.vgg
        if g is not None:
            g = self._padded(g, self.stride)
        for layer in reversed(self.block):
            size, kept = self._sizes.pop(), self._kept.pop()
            features = self._features.pop(layer.name, None)
            if layer.name in vgg.wanted and features is None:  # the first ReLU's
                assert image is not None
                features = vgg.convolve(vgg.sequence[0].name, self.window(image).of(image)).relu_()
            if features is not None:
                g = self._add(layer, features, g, feature_gradient)
            if g is None:
                continue
            if layer.kind == "conv":
                g = _input_gradient(size, vgg.conv(layer.name).weight, g, vgg.padding)
            elif layer.kind == "relu":
                if features is not None:
                    g.mul_(features.bool())
                elif kept:
                    g.mul_(kept[0])
            elif not vgg.takes_maxima:
                g = _unpool_average(g, size)
            else:
                places = kept[1] + _corners(kept[1], size[-1])
                g = _unpool_max(g.mul_(kept[0]), places, size)
                del places
            del features, kept
        return g

    def _add(
        self, layer: Layer, features: Tensor, g: Tensor | None, feature_gradient: FeatureGradient
    ) -> Tensor | None:
        """The gradient, with that of the losses which read a layer."""
        part, window = self._core_of(layer, features)
        for asked in self.vgg.asked[layer.name]:
            own = feature_gradient(asked, part, window)
            if own is None:
                continue
            if g is None:
                g = self._padded(own, _stride(layer))
            else:
                g[:, :, self._core_rows(_stride(layer))].add_(own)
        return g

    def _core_of(self, layer: Layer, x: Tensor) -> tuple[Tensor, Window]:
        """The core rows of a map, and where they lie in the whole."""
        stride = _stride(layer)
        rows = slice(self.divided(self.core.start, stride), self.divided(self.core.stop, stride))
        return self.vgg.true_features(x[:, :, self._core_rows(stride)]), Window(rows, slice(0, x.shape[-1]))

    def _core_rows(self, stride: int) -> slice:
        """The core rows, counted among the padded ones."""
        start = self.padded.start
        return slice(self.divided(self.core.start - start, stride), self.divided(self.core.stop - start, stride))

    def _padded(self, g: Tensor, stride: int) -> Tensor:
        """With zeros for the rows of the halo; a new tensor, or ``g`` if there are none."""
        rows, count = self._core_rows(stride), self.divided(self.padded.stop - self.padded.start, stride)
        above, below = rows.start, count - rows.stop
        return F.pad(g, (0, 0, above, below)) if above or below else g


def _stride(layer: Layer) -> int:
    """Stride of a layer within its block."""
    return 2 if layer.kind == "pool" else 1


def blocks(sequence: Sequence[Layer]) -> Iterator[tuple[Layer, ...]]:
    """The layers, block by block; a block ends with its pooling."""
    for _, block in itertools.groupby(sequence, key=lambda layer: layer.block):
        yield tuple(block)


def count_convs(block: Sequence[Layer]) -> int:
    """Convolutions in a block."""
    return sum(layer.kind == "conv" for layer in block)


def _cut(vgg: VGG, block: Sequence[Layer], x: Tensor) -> Iterator[tuple[slice, slice]]:
    """Core and padded rows of the strips of a block whose input is ``x``."""
    row = x.shape[0] * x.shape[-1] * vgg.conv(block[0].name).out_channels * x.element_size()
    return strips(x.shape[-2], row, count_convs(block), x.device.type, wraps=vgg.wraps)


def strips(rows: int, row: int, convs: int, device: str, *, wraps: bool = False) -> Iterator[tuple[slice, slice]]:
    """Core and padded rows of the strips of a block of so many convolutions, with ``row`` bytes in a row of a map.

    Where the image ``wraps``, the first strip has a halo of the last rows, which have negative numbers then, and the
    last strip one of the first rows.
    """
    halo = 2 * math.ceil(convs / 2)  # even, so that every window of the pooling lies within one strip
    fewest = math.ceil(2 * halo / MAX_HALO)
    count = max(1, min(math.ceil(rows * row / STRIP.get(device, STRIP_ELSEWHERE)), rows // fewest))
    cuts = [2 * (rows * i // (2 * count)) for i in range(count)] + [rows]
    for start, stop in itertools.pairwise(cuts):
        yield slice(start, stop), with_halo(slice(start, stop), halo, rows, wraps=wraps)


def _input_gradient(size: torch.Size, weight: Tensor, g: Tensor, padding: str) -> Tensor:
    """The gradient with respect to a convolution's input, of that size, with its padding."""
    if padding == "zeros":
        return _convolution_gradient(size, weight, g, zeros=1)
    padded = torch.Size((*size[:2], size[2] + 2, size[3] + 2))
    return fold(_convolution_gradient(padded, weight, g, zeros=0), padding)


def _convolution_gradient(size: torch.Size, weight: Tensor, g: Tensor, zeros: int) -> Tensor:
    """The gradient with respect to the input of a convolution that has so many zeros around it.

    Gradients in float16 would be lost below 6e-8. So they are kept in float32, and multiplied by a power of two that
    brings the largest to 256 while a convolution has them in float16.
    """
    if weight.dtype != torch.float16:
        return grad.conv2d_input(size, weight, g, padding=zeros)
    largest = g.abs().amax().clamp(min=torch.finfo(torch.float32).tiny)
    factor = torch.exp2((8 - torch.log2(largest)).floor().clamp(max=126))
    return grad.conv2d_input(size, weight, (g * factor).half(), padding=zeros).float() / factor


def _corners(places: Tensor, columns: int) -> Tensor:
    """Where the window of every position of a pooled map begins, in a map of so many columns, row by row."""
    rows = torch.arange(places.shape[-2], device=places.device)
    return 2 * (columns * rows[:, None] + torch.arange(places.shape[-1], device=places.device))


def _unpool_max(g: Tensor, places: Tensor, size: torch.Size) -> Tensor:
    """The gradient of each window at its maximum, 0 elsewhere; ``places`` count row by row.

    As `torch.nn.functional.max_unpool2d`, of which not every device has a kernel, nor CUDA a deterministic one.
    """
    batch, channels, rows, columns = size
    out = g.new_zeros(batch, rows * columns, channels)
    out.scatter_(1, *(x.permute(0, 2, 3, 1).flatten(1, 2) for x in (places, g)))
    return out.unflatten(1, (rows, columns)).permute(0, 3, 1, 2)


def _unpool_average(g: Tensor, size: torch.Size) -> Tensor:
    """The gradient of each average shared by the values that it was taken of: 4, or fewer in an odd last row."""
    rows, columns = g.shape[-2:]
    g.div_(4)
    if 2 * rows > size[-2]:
        g[..., -1, :].mul_(2)
    if 2 * columns > size[-1]:
        g[..., -1].mul_(2)
    g = F.interpolate(g, scale_factor=2)[..., : size[-2], : size[-1]]
    beyond = size[-1] - g.shape[-1], size[-2] - g.shape[-2]
    return F.pad(g, (0, beyond[0], 0, beyond[1])) if any(beyond) else g  # an odd row or column is in no window
