"""From pictures and a recipe to one differentiable objective with named parts.

Every term is a loss of an *additive statistic*: a sum over positions (a Gram matrix, a squared distance, a total
variation). What is a sum can be blended over styles, weighted by masks, and added up over tiles or processes,
exactly; so a term keeps the two apart: ``statistic`` sums, ``loss`` judges the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from .errors import LossError, RecipeError
from .losses import content_factor, gram_matrix, squared_error, style_loss, total_variation
from .recipes import Recipe, get
from .vgg import VGG, layers


@dataclass(frozen=True)
class Window:
    """Rows and columns of a picture or of a map of features, counted in the whole of it."""

    rows: slice
    columns: slice

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def pixels(self) -> int:
        """Rows times columns."""
        return self.size[0] * self.size[1]

    def of(self, x: Tensor) -> Tensor:
        """That part of ``x`` (..., H, W); a view."""
        return x[..., self.rows, self.columns]

    def within(self, outer: Window) -> Window:
        """The same place, counted in ``outer``."""
        top, left = outer.rows.start, outer.columns.start
        return Window(
            slice(self.rows.start - top, self.rows.stop - top),
            slice(self.columns.start - left, self.columns.stop - left),
        )

    def divided(self, stride: int) -> Window:
        """The positions that these pixels have in a map of that stride; a rest at the end has none."""
        return Window(
            slice(self.rows.start // stride, self.rows.stop // stride),
            slice(self.columns.start // stride, self.columns.stop // stride),
        )


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
        return squared_error(x, self.target if window is None else window.of(self.target))

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

    @property
    def name(self) -> str:
        """``style/<layer>``."""
        return f"style/{self.layer}"

    def statistic(self, x: Tensor, window: Window | None = None) -> Tensor:
        """F F^T, for each picture."""
        return gram_matrix(x, "none")

    def loss(self, statistic: Tensor, positions: int, pixels: int) -> Tensor:
        """Distance of the Gram matrix per position from the target's."""
        return style_loss(statistic / positions, self.target, self.form, positions=positions, pixels=pixels)


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
        return total_variation(x * self.range, self.form, own=None if window is None else window.size)

    def loss(self, statistic: Tensor, positions: int, pixels: int) -> Tensor:
        """The sum, or the sum per pixel."""
        return statistic / pixels if self.reduction == "mean" else statistic


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

    def statistics(self, picture: Tensor) -> dict[str, Tensor]:
        """The additive statistic of every term, before any loss is taken."""
        features = self.vgg(picture) if self.vgg is not None else {}
        return {t.name: t.statistic(picture if t.layer is None else features[t.layer]) for t in self.terms}

    def losses(self, statistics: dict[str, Tensor], size: tuple[int, int]) -> dict[str, Tensor]:
        """Weighted losses from the statistics of a whole picture of ``size`` (rows, columns)."""
        rows, columns = size
        strides = {layer.name: layer.stride for layer in layers(self.vgg.network)} if self.vgg else {}
        parts: dict[str, Tensor] = {}
        for term in self.terms:
            stride = strides[term.layer] if term.layer else 1
            positions = (rows // stride) * (columns // stride)
            parts[term.name] = term.weight * term.loss(statistics[term.name], positions, rows * columns)
        parts["total"] = torch.stack(list(parts.values())).sum()
        return parts

    def __call__(self, picture: Tensor) -> dict[str, Tensor]:
        """Every weighted loss of ``picture`` (B, 3, H, W), and their ``total``; all scalars."""
        return self.losses(self.statistics(picture), (picture.shape[-2], picture.shape[-1]))


class Reader:
    """Reads from whole pictures what the terms of an objective aim at."""

    def features(self, vgg: VGG, picture: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Features at the layers named."""
        found = vgg(picture)
        return {name: found[name] for name in names}

    def grams(self, vgg: VGG, picture: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Gram matrices per position at the layers named."""
        found = vgg(picture)
        return {name: gram_matrix(found[name]) for name in names}


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
