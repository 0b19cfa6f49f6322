"""From pictures and a recipe to one differentiable objective with named parts.

Every term is a loss of an *additive statistic*: a sum over positions (a Gram matrix, a squared distance, a total
variation). What is a sum can be blended over styles, weighted by masks, and added up over tiles or processes,
exactly; so a term keeps the two apart: ``statistic`` sums, ``loss`` judges the sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .errors import LossError, RecipeError
from .losses import content_factor, gram_error, gram_matrix, squared_error, style_factor, total_variation
from .lowmem.tape import Tape
from .lowmem.windows import Tile, Window, whole
from .recipes import Recipe, get
from .vgg import VGG

STRIP = 1 << 19
"""Pixels of a strip in which total variation is computed."""


class Term(Protocol):
    """One part of an objective."""

    @property
    def name(self) -> str:
        """Its key in the losses: ``content/<layer>``, ``style/<layer>`` or ``tv``."""

    @property
    def layer(self) -> str | None:
        """The layer it reads, or None for the picture itself."""

    @property
    def weight(self) -> float:
        """What its loss is multiplied by."""

    def statistic(self, x: Tensor, window: Window | None = None) -> Tensor:
        """A sum over the positions of ``x`` (features or picture).

        With a ``window``, ``x`` is that part of the whole. A picture has one more row and column where there is one,
        for the differences across the edge, which belong to the window where they begin.
        """

    def gradient(self, x: Tensor, slope: Tensor, window: Window | None = None) -> Tensor:
        """The gradient with respect to ``x`` of (statistic * slope).sum(), a new tensor."""

    def loss(self, statistic: Tensor, positions: int, pixels: int) -> Tensor:
        """The unweighted loss, a scalar, of the statistic of a picture with that many positions and pixels."""


@dataclass(frozen=True, eq=False)
class ContentTerm:
    """`losses.content_loss` at a layer; the statistic is the squared error, (B,)."""

    layer: str
    target: Tensor
    weight: float
    form: str

    @property
    def name(self) -> str:
        """``content/<layer>``."""
        return f"content/{self.layer}"

    def statistic(self, x: Tensor, window: Window | None = None) -> Tensor:
        """Sum of (a - b)^2 over channels and positions, for each picture."""
        return squared_error(x, self._within(window))

    def gradient(self, x: Tensor, slope: Tensor, window: Window | None = None) -> Tensor:
        """2 (a - b) times the slope of each picture."""
        difference = x.to(slope.dtype) - self._within(window).to(slope.dtype)
        return difference.mul_(2 * slope.view(-1, 1, 1, 1)).to(x.dtype)

    def _within(self, window: Window | None) -> Tensor:
        return self.target if window is None else window.of(self.target)

    def loss(self, statistic: Tensor, positions: int, pixels: int) -> Tensor:
        """The squared error times the form's factor."""
        return (self._factor * statistic).sum()

    @cached_property
    def _factor(self) -> Tensor:
        return content_factor(self.form, self.target)  # once, not in every evaluation: the target never changes


@dataclass(frozen=True, eq=False)
class StyleTerm:
    """`losses.style_loss` at a layer; the statistic is the raw Gram matrix, (B, N, N)."""

    layer: str
    target: Tensor  # per position
    weight: float
    form: str
    _factors: dict[tuple[int, int], Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def name(self) -> str:
        """``style/<layer>``."""
        return f"style/{self.layer}"

    def statistic(self, x: Tensor, window: Window | None = None) -> Tensor:
        """F F^T, for each picture."""
        return gram_matrix(x, "none")

    def gradient(self, x: Tensor, slope: Tensor, window: Window | None = None) -> Tensor:
        """(S + S^T) F with S the slope."""
        both = (slope + slope.transpose(1, 2)).to(x.dtype)
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, M, N): no copy where the channels lie innermost
        return (rows @ both).unflatten(1, x.shape[-2:]).permute(0, 3, 1, 2)

    def loss(self, statistic: Tensor, positions: int, pixels: int) -> Tensor:
        """Distance of the Gram matrix per position from the target's."""
        return (self._factor(positions, pixels) * gram_error(statistic / positions, self.target)).sum()

    def _factor(self, positions: int, pixels: int) -> Tensor:
        """Once for a size, not in every evaluation: whether the target has any power is a question to the device."""
        if (positions, pixels) not in self._factors:
            self._factors[positions, pixels] = style_factor(self.form, self.target, positions, pixels)
        return self._factors[positions, pixels]


@dataclass(frozen=True)
class TotalVariationTerm:
    """`losses.total_variation` of the picture on a scale of 0 to ``range``; the statistic is the sum."""

    weight: float
    form: str
    range: float = 1.0
    reduction: str = "sum"
    name: str = "tv"
    layer: None = None

    def statistic(self, x: Tensor, window: Window | None = None) -> Tensor:
        """Sum over the differences of neighbours."""
        parts = [total_variation(x[..., rows, :] * self.range, self.form, own=own) for rows, own in _rows(x, window)]
        return torch.stack(parts).sum() if len(parts) > 1 else parts[0]

    def gradient(self, x: Tensor, slope: Tensor, window: Window | None = None) -> Tensor:
        """By autograd."""
        total = torch.zeros_like(x)
        for rows, own in _rows(x, window):
            part = x[..., rows, :].detach().requires_grad_(True)
            with torch.enable_grad():
                value = total_variation(part * self.range, self.form, own=own)
                total[..., rows, :].add_(torch.autograd.grad(value, part, slope)[0])
        return total

    def loss(self, statistic: Tensor, positions: int, pixels: int) -> Tensor:
        """The sum, or the sum per pixel."""
        return statistic / pixels if self.reduction == "mean" else statistic


def _rows(x: Tensor, window: Window | None) -> Iterator[tuple[slice, tuple[int, int]]]:
    """Strips of a picture, for whose differences autograd would keep ten copies of the whole.

    Each is the rows that it sees, one more than it answers for where there is one, and the size that it answers for.
    """
    rows, columns = (x.shape[-2], x.shape[-1]) if window is None else window.size
    count = max(1, STRIP // columns)
    for top in range(0, rows, count):
        bottom = min(top + count, rows)
        yield slice(top, min(bottom + 1, x.shape[-2])), (bottom - top, columns)


class Objective:
    """A network and the terms on it: ``objective(picture)`` gives every weighted loss and their ``total``.

    >>> from styletut import vgg
    >>> net = vgg.VGG(["relu2_1"], weights=vgg.random_weights(width=0.1))
    >>> photo, painting = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 40, 24)
    >>> target = gram_matrix(net(painting)["relu2_1"])
    >>> objective = Objective(net, [StyleTerm("relu2_1", target, 1.0, "gatys"), TotalVariationTerm(0.1, "l1")])
    >>> sorted(objective(photo))
    ['style/relu2_1', 'total', 'tv']

    Raises:
        LossError: there are no terms, or two of one name.
    """

    def __init__(self, vgg: VGG | None, terms: Sequence[Term]) -> None:
        names = [term.name for term in terms]
        if not names or len(set(names)) < len(names):
            raise LossError("an objective needs at least one term, each with a name of its own")
        self.vgg, self.terms = vgg, tuple(terms)

    def tiling(self, picture: Tensor) -> list[Tile]:
        """The pieces that a picture is computed in: here it is one by itself."""
        return [whole(picture)]

    def statistics(self, picture: Tensor) -> dict[str, Tensor]:
        """The additive statistic of every term, before any loss is taken; differentiable, once."""
        if picture.requires_grad and torch.is_grad_enabled():
            found = _Statistics.apply(picture, self)
        else:
            found = self._sums(picture, [])
        return {term.name: value for term, value in zip(self.terms, found, strict=True)}

    def losses(self, statistics: dict[str, Tensor], size: tuple[int, int]) -> dict[str, Tensor]:
        """Weighted losses from the statistics of a whole picture of ``size`` (rows, columns)."""
        rows, columns = size
        parts: dict[str, Tensor] = {}
        for term in self.terms:
            positions = rows * columns
            if self.vgg is not None and term.layer is not None:
                positions = math.prod(self.vgg.map_size(term.layer, size))
            parts[term.name] = term.weight * term.loss(statistics[term.name], positions, rows * columns)
        parts["total"] = torch.stack(list(parts.values())).sum()
        return parts

    def __call__(self, picture: Tensor) -> dict[str, Tensor]:
        """Every weighted loss of ``picture`` (B, 3, H, W), and their ``total``; all scalars."""
        return self.losses(self.statistics(picture), (picture.shape[-2], picture.shape[-1]))

    def _stride(self, term: Term) -> int:
        return self.vgg.strides[term.layer] if self.vgg is not None and term.layer is not None else 1

    @torch.no_grad()
    def _sums(self, picture: Tensor, tapes: list[Tape]) -> tuple[Tensor, ...]:
        """The statistics; the tape of a picture that is computed in one piece is added to ``tapes``."""
        sums: dict[str, Tensor] = {}
        tiling = self.tiling(picture)
        for tile in tiling:
            seen = tile.seen.of(picture)

            def visit(layer: str | None, x: Tensor, window: Window, tile: Tile = tile) -> None:
                for term, here, own in self._terms(layer, tile, window, picture):
                    part = term.statistic(here.of(x), own)
                    sums[term.name] = sums[term.name] + part if term.name in sums else part

            if self.vgg is not None:
                keep = picture.requires_grad and len(tiling) == 1
                tape = Tape(self.vgg, seen, visit, keep=keep)
                if keep:
                    tapes.append(tape)
            visit(None, seen, tile.seen.within(tile.seen))
        return tuple(sums[term.name] for term in self.terms)

    @torch.no_grad()
    def _pull(self, picture: Tensor, tapes: list[Tape], slopes: Sequence[Tensor]) -> Tensor:
        """The gradient with respect to the picture, from that with respect to the statistics."""
        gradient = torch.zeros_like(picture)
        slope_of = dict(zip((term.name for term in self.terms), slopes, strict=True))
        for tile in self.tiling(picture):
            seen, part = tile.seen.of(picture), tile.seen.of(gradient)

            def slope(layer: str | None, x: Tensor, window: Window, tile: Tile = tile) -> Tensor | None:
                total: Tensor | None = None
                for term, here, own in self._terms(layer, tile, window, picture):
                    found = term.gradient(here.of(x), slope_of[term.name], own)
                    if total is None and found.shape == x.shape:
                        total = found
                    else:
                        total = torch.zeros_like(x) if total is None else total
                        here.of(total).add_(found)
                return total

            if self.vgg is not None:
                tape = tapes.pop() if tapes else Tape(self.vgg, seen, lambda *_: None)
                part.add_(tape.gradient(slope))
                del tape
            found = slope(None, seen, tile.seen.within(tile.seen))
            if found is not None:
                part.add_(found)
        return gradient

    def _terms(
        self, layer: str | None, tile: Tile, window: Window, picture: Tensor
    ) -> Iterator[tuple[Term, Window, Window]]:
        """The terms on a layer, each with the part of a window that it reads, and its place in the whole map."""
        for term in self.terms:
            if term.layer == layer:
                here, own = tile.part(window, self._stride(term), self.vgg is not None and self.vgg.rounds_up)
                if own.pixels:
                    yield term, here if layer is not None else own.with_next(picture).within(tile.seen), own


class _Statistics(torch.autograd.Function):
    """An objective's statistics as one node of the graph."""

    @staticmethod
    def forward(ctx: Any, picture: Tensor, goal: Objective) -> tuple[Tensor, ...]:
        ctx.goal, ctx.tapes = goal, []
        ctx.save_for_backward(picture)
        return goal._sums(picture, ctx.tapes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        return ctx.goal._pull(*ctx.saved_tensors, ctx.tapes, slopes), None


class Reader:
    """Reads from pictures what the terms of an objective aim at."""

    def tiling(self, vgg: VGG, picture: Tensor) -> list[Tile]:
        """The pieces that a picture is computed in: here it is one by itself."""
        return [whole(picture)]

    def features(self, vgg: VGG, picture: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Features at the layers named."""
        found: dict[str, Tensor] = {}

        def copy(name: str, x: Tensor, own: Window) -> None:
            size = vgg.map_size(name, (picture.shape[-2], picture.shape[-1]))
            if own.size == size:
                found[name] = x
            else:
                if name not in found:
                    found[name] = x.new_empty((*x.shape[:2], *size)).to(memory_format=torch.channels_last)
                own.of(found[name]).copy_(x)

        self._read(vgg, picture, names, copy)
        return found

    def grams(self, vgg: VGG, picture: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Gram matrices per position at the layers named."""
        found: dict[str, Tensor] = {}

        def add(name: str, x: Tensor, own: Window) -> None:
            positions = math.prod(vgg.map_size(name, (picture.shape[-2], picture.shape[-1])))
            gram = gram_matrix(x, "none") / positions
            found[name] = found[name] + gram if name in found else gram

        self._read(vgg, picture, names, add)
        return found

    def _read(
        self, vgg: VGG, picture: Tensor, names: Iterable[str], use: Callable[[str, Tensor, Window], None]
    ) -> None:
        """Hand over the maps part by part, each with its place in the whole."""
        names = set(names)
        for tile in self.tiling(vgg, picture):

            def visit(name: str, x: Tensor, window: Window, tile: Tile = tile) -> None:
                here, own = tile.part(window, vgg.strides[name], vgg.rounds_up)
                if name in names and own.pixels:
                    use(name, here.of(x), own)

            Tape(vgg, tile.seen.of(picture), visit, keep=False)


def network(recipe: Recipe) -> VGG | None:
    """The network that a recipe asks for, cut after its deepest layer; None if it looks at no layer."""
    if not recipe.layers:
        return None
    return VGG(
        recipe.layers,
        network=recipe.network,
        weights=recipe.weights,
        pooling=recipe.pooling,
        preprocessing=recipe.preprocessing,
        rescale=recipe.rescale,
    )


@torch.no_grad()
def build(
    content: Tensor,
    styles: Tensor | Sequence[Tensor],
    recipe: Recipe | str = "fast",
    *,
    vgg: VGG | None = None,
    style_weights: Sequence[float] | None = None,
    reader: Reader | None = None,
) -> Objective:
    """The objective of ``recipe`` for pictures that already have their working size and device.

    Args:
        content: (B, 3, H, W).
        styles: one picture, or several. For one content picture several styles are blended: their Gram
            matrices are averaged with ``style_weights`` (equal if not given). For B content pictures, B styles
            without weights are taken as pairs.
        recipe: a recipe or the name of one.
        vgg: the network, if it is at hand already.
        style_weights: one non-negative number for each style.
        reader: how targets are read from the pictures (default: from each as a whole).

    Raises:
        RecipeError: the weights do not fit the styles.
    """
    recipe, reader = get(recipe), reader or Reader()
    styles = list(styles.split(1)) if isinstance(styles, Tensor) else list(styles)
    vgg = network(recipe) if vgg is None else vgg
    terms: list[Term] = []
    if vgg is not None and recipe.content_weight:
        features = reader.features(vgg, content, recipe.content_layers)
        for layer, weight in recipe.content_layers.items():
            terms.append(ContentTerm(layer, features[layer], recipe.content_weight * weight, recipe.content_loss))
    if vgg is not None and recipe.style_layers and recipe.style_weight:
        if not styles:
            raise RecipeError(f"recipe {recipe.name!r} has style layers: give a style picture")
        grams = [reader.grams(vgg, style, recipe.style_layers) for style in styles]
        pairs = len(styles) == len(content) > 1 and style_weights is None
        shares = _shares(len(styles), style_weights)
        for layer, weight in recipe.style_layers.items():
            every = torch.cat([g[layer] for g in grams])  # (styles, N, N)
            target = every if pairs else (every * shares.to(every).view(-1, 1, 1)).sum(0, keepdim=True)
            terms.append(StyleTerm(layer, target, recipe.style_weight * weight, recipe.style_loss))
    if recipe.tv_weight:
        terms.append(TotalVariationTerm(recipe.tv_weight, recipe.tv_loss, recipe.tv_range, recipe.tv_reduction))
    return Objective(vgg, terms)


def _shares(count: int, weights: Sequence[float] | None) -> Tensor:
    """Weights of the styles, adding up to 1."""
    values = torch.tensor([1.0] * count if weights is None else [float(w) for w in weights])
    if len(values) != count:
        raise RecipeError(f"{len(values)} style weights for {count} styles: give one for each")
    if not bool(torch.isfinite(values).all()) or bool((values < 0).any()) or float(values.sum()) <= 0:
        raise RecipeError("style weights must not be negative, and not all zero")
    return values / values.sum()
