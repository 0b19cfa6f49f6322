"""The objective by a `tape.Tape`: the losses and the gradient of autograd's, in less memory and time.

The statistics of all terms are one node of autograd's graph. Its forward pass measures them piece by piece, strips and
tiles; its backward pass hands the gradient with respect to them through the network in the same pieces.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..losses import Statistic, StyleLoss
from ..objective import Objective, Reader, Term, TotalVariationTerm
from ..vgg import VGG
from . import gradients
from .tape import OnFeatures, Tape
from .windows import Tile, Window, whole


@dataclass
class Kept:
    """What one forward pass keeps for the backward pass, and how many tensors each term's statistic has."""

    tapes: list[Tape] = field(default_factory=list)
    maps: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


class TapeObjective(Objective):
    """`Objective` whose gradient a `Tape` computes: the same losses and gradient, in less memory and time.

    Args:
        network, terms: as of the objective that it stands for.
    """

    network: VGG | None

    def __init__(self, network: VGG | None, terms: Sequence[Term]) -> None:
        super().__init__(network, terms)

    @property
    def wraps(self) -> bool:
        """Whether a picture goes on at its opposite edge, for the network or for total variation."""
        varies = any(isinstance(term, TotalVariationTerm) and term.wraps for term in self.terms)
        return varies or (self.network is not None and self.network.wraps)

    def tiling(self, picture: Tensor) -> list[Tile]:
        """The pieces that a picture is computed in: here it is one by itself."""
        return [whole(picture)]

    def __call__(self, picture: Tensor) -> dict[str, Tensor]:
        """Every weighted loss of ``picture`` (B, 3, H, W), and their ``total``; all scalars."""
        size = (picture.shape[-2], picture.shape[-1])
        statistics = self.statistics(picture)
        losses = {
            term.name: term.weight * term.loss(statistics[term.name], self._positions(term, size), math.prod(size))
            for term in self.terms
        }
        losses["total"] = torch.stack(list(losses.values())).sum()
        return losses

    def statistics(self, picture: Tensor) -> dict[str, Statistic]:
        """The statistic of every term of the whole picture; differentiable, once."""
        kept = Kept()
        if picture.requires_grad and torch.is_grad_enabled():
            tensors = iter(_Statistics.apply(picture, self, kept))
        else:
            tensors = iter(self._forward(picture, kept))
        return {name: tuple(itertools.islice(tensors, count)) for name, count in kept.counts.items()}

    @torch.no_grad()
    def _forward(self, picture: Tensor, kept: Kept) -> tuple[Tensor, ...]:
        """The statistics' tensors, one after the other."""
        size = (picture.shape[-2], picture.shape[-1])
        sums: dict[str, Statistic] = {}
        tiling = self.tiling(picture)
        for tile in tiling:
            padded = tile.padded.of(picture)

            def add(layer: str | None, x: Tensor, window: Window, tile: Tile = tile) -> None:
                for term, here, core in self._terms(layer, tile, window, picture):
                    if term.reduction is None:
                        _place(kept.maps, term.name, here.of(x), core, self._map_size(term, size))
                        continue
                    part = gradients.statistic(term, here.of(x), core)
                    share = self._share(term, core, size)
                    sums[term.name] = _added(sums.get(term.name), part, share)

            if self.network is not None:
                keep = picture.requires_grad and len(tiling) == 1
                tape = Tape(self.network, padded, add, keep=keep)
                if keep:
                    kept.tapes.append(tape)
            add(None, padded, tile.padded.within(tile.padded))
        for term in self.terms:
            if term.reduction is None:
                sums[term.name] = term.statistic(kept.maps[term.name])
            kept.counts[term.name] = len(sums[term.name])
        return tuple(itertools.chain.from_iterable(sums[name] for name in kept.counts))

    @torch.no_grad()
    def _backward(self, picture: Tensor, kept: Kept, tensors: Sequence[Tensor]) -> Tensor:
        """The gradient with respect to the picture, from that with respect to the statistics' tensors."""
        size, rest = (picture.shape[-2], picture.shape[-1]), iter(tensors)
        upstream = {name: tuple(itertools.islice(rest, count)) for name, count in kept.counts.items()}
        of_maps = {
            term.name: gradients.gradient(term, kept.maps[term.name], upstream[term.name])
            for term in self.terms
            if term.reduction is None
        }
        result = torch.zeros_like(picture)
        for tile in self.tiling(picture):
            padded = tile.padded.of(picture)

            def feature_gradient(layer: str | None, x: Tensor, window: Window, tile: Tile = tile) -> Tensor | None:
                total: Tensor | None = None
                for term, here, core in self._terms(layer, tile, window, picture):
                    if term.reduction is None:
                        own = core.of(of_maps[term.name]).clone()
                    else:
                        share = self._share(term, core, size)
                        scaled = tuple(share * each for each in upstream[term.name])
                        own = gradients.gradient(term, here.of(x), scaled, core)
                    if total is None and here.covers(x):
                        total = own
                    else:
                        total = torch.zeros_like(x) if total is None else total
                        here.add_to(total, own)
                return total

            if self.network is not None:
                tape = kept.tapes.pop() if kept.tapes else Tape(self.network, padded, lambda *_: None)
                tile.padded.add_to(result, tape.gradient(feature_gradient))
                del tape
            of_image = feature_gradient(None, padded, tile.padded.within(tile.padded))
            if of_image is not None:
                tile.padded.add_to(result, of_image)
        return result

    def _terms(
        self, layer: str | None, tile: Tile, window: Window, picture: Tensor
    ) -> Iterator[tuple[Term, Window, Window]]:
        """The terms on a layer, each with the part of a window that it reads, and its place in the whole map."""
        for term in self.terms:
            if term.layer == layer:
                stride = 1 if self.network is None or layer is None else self.network.strides[layer]
                here, core = tile.part(window, stride, self.network is not None and self.network.rounds_up)
                if core.pixels and layer is None:
                    wraps = isinstance(term, TotalVariationTerm) and term.wraps
                    yield term, core.with_next(picture, wraps=wraps).within(tile.padded), core
                elif core.pixels:
                    yield term, here, core

    def _map_size(self, term: Term, size: tuple[int, int]) -> tuple[int, int]:
        return size if self.network is None or term.layer is None else self.network.map_size(term.layer, size)

    def _positions(self, term: Term, size: tuple[int, int]) -> int:
        return math.prod(self._map_size(term, size))

    def _share(self, term: Term, core: Window, size: tuple[int, int]) -> float:
        """The share of a part's statistic in that of the whole."""
        return core.pixels / self._positions(term, size) if term.reduction == "mean" else 1.0


class _Statistics(torch.autograd.Function):
    """An objective's statistics as one node of the graph."""

    @staticmethod
    def forward(ctx: Any, picture: Tensor, goal: TapeObjective, kept: Kept) -> tuple[Tensor, ...]:
        ctx.goal, ctx.kept = goal, kept
        ctx.save_for_backward(picture)
        return goal._forward(picture, kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        return ctx.goal._backward(*ctx.saved_tensors, ctx.kept, upstream), None, None


def _added(total: Statistic | None, part: Statistic, share: float) -> Statistic:
    """A statistic and the share of another."""
    part = tuple(share * each for each in part) if share != 1 else part
    return part if total is None else tuple(a + b for a, b in zip(total, part, strict=True))


def _place(maps: dict[str, Tensor], name: str, x: Tensor, core: Window, size: tuple[int, int]) -> None:
    """Put a part of a feature map where it belongs in the whole."""
    if core.size == size:
        maps[name] = x
        return
    if name not in maps:
        maps[name] = x.new_empty((*x.shape[:2], *size)).to(memory_format=torch.channels_last)
    core.of(maps[name]).copy_(x)


class TapeReader(Reader):
    """Reads targets from a VGG without ever holding the largest feature maps as a whole."""

    def tiling(self, network: VGG, picture: Tensor) -> list[Tile]:
        """The pieces that a picture is computed in: here it is one by itself."""
        return [whole(picture)]

    def features(self, network: VGG, picture: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:  # type: ignore[override]
        """Features at some layers."""
        size = (picture.shape[-2], picture.shape[-1])
        features: dict[str, Tensor] = {}

        def place(name: str, x: Tensor, core: Window) -> None:
            _place(features, name, x, core, network.map_size(name, size))

        self._read(network, picture, layers, place)
        return features

    def statistics(  # type: ignore[override]
        self,
        network: VGG,
        picture: Tensor,
        layers: Iterable[str],
        loss: StyleLoss,
        weights: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Statistic]:
        """A style loss's statistic at some layers, of positions with weights if there are any."""
        if not loss.additive:
            return {name: loss.statistic(x) for name, x in self.features(network, picture, layers).items()}
        size = (picture.shape[-2], picture.shape[-1])
        statistics: dict[str, Statistic] = {}

        def add(name: str, x: Tensor, core: Window) -> None:
            share = core.pixels / math.prod(network.map_size(name, size))
            own = None if weights is None else weights.get(name)
            part = loss.measure(x, None if own is None else core.of(own))
            statistics[name] = _added(statistics.get(name), part, share)

        self._read(network, picture, layers, add)
        return statistics

    def _read(self, network: VGG, picture: Tensor, layers: Iterable[str], use: OnFeatures) -> None:
        """Hand over the feature maps part by part, each with its place in the whole."""
        layers = set(layers)
        for tile in self.tiling(network, picture):

            def on_features(name: str, x: Tensor, window: Window, tile: Tile = tile) -> None:
                here, core = tile.part(window, network.strides[name], network.rounds_up)
                if name in layers and core.pixels:
                    use(name, here.of(x), core)

            Tape(network, tile.padded.of(picture), on_features, keep=False)
