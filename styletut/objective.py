"""From pictures and a recipe to one differentiable objective with named parts.

An objective is a network and some terms. A term measures features (or the picture itself) by its ``statistic`` and
compares that with its target by its ``loss``; autograd does the rest. Where less memory shall do, `lowmem` computes the
same objective in pieces: for that the two are kept apart, because most statistics add up over the pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from .errors import LossError, RecipeError
from .losses import STYLE_LOSSES, Statistic, StyleLoss, content_factor, squared_error, total_variation
from .recipes import Recipe, get
from .vgg import VGG


class Extractor(Protocol):
    """A network that gives features: `vgg.VGG`, or a ``torch.nn.Module`` of yours."""

    @property
    def layers(self) -> Sequence[str]:
        """Names of the layers that a recipe can read."""

    def __call__(self, image: Tensor) -> Mapping[str, Tensor]:
        """Features (B, N, h, w) of ``image`` (B, 3, H, W) in [0, 1], by the names of the layers."""


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

    @property
    def reduction(self) -> str | None:
        """How the statistics of parts of a picture make up that of the whole: ``sum``, ``mean`` (over positions), or
        None where they do not."""

    def statistic(self, x: Tensor) -> Statistic:
        """What is measured of features or picture ``x``."""

    def loss(self, statistic: Statistic, positions: int, pixels: int) -> Tensor:
        """The unweighted loss, a scalar, of a picture with that many pixels, and positions at the layer."""


@dataclass(frozen=True, eq=False)
class ContentTerm:
    """`losses.content_loss` at a layer."""

    layer: str
    target: Tensor
    weight: float
    form: str
    reduction: str = "sum"

    @property
    def name(self) -> str:
        """``content/<layer>``."""
        return f"content/{self.layer}"

    def statistic(self, x: Tensor) -> Statistic:
        """Sum of (a - b)^2 over channels and positions, (B,)."""
        return (squared_error(x, self.target),)

    def loss(self, statistic: Statistic, positions: int, pixels: int) -> Tensor:
        """The squared error times the form's factor."""
        return (self._factor * statistic[0]).sum()

    @cached_property
    def _factor(self) -> Tensor:
        return content_factor(self.form, self.target)  # once, not in every evaluation: the target never changes


@dataclass(frozen=True, eq=False)
class StyleTerm:
    """One of `losses.STYLE_LOSSES` at a layer; ``target`` is the style's statistic."""

    layer: str
    target: Statistic
    weight: float
    form: str

    @property
    def name(self) -> str:
        """``style/<layer>``."""
        return f"style/{self.layer}"

    @property
    def reduction(self) -> str | None:
        """``mean`` where the loss's statistic is additive."""
        return "mean" if self._style_loss.additive else None

    @property
    def _style_loss(self) -> StyleLoss:
        return STYLE_LOSSES[self.form]

    @cached_property
    def _prepared(self) -> Statistic:
        return self._style_loss.prepare(self.target)

    def statistic(self, x: Tensor) -> Statistic:
        """What the loss measures."""
        return self._style_loss.statistic(x)

    def loss(self, statistic: Statistic, positions: int, pixels: int) -> Tensor:
        """The distance from the target."""
        return self._style_loss.scale(positions, pixels) * self._style_loss.loss(statistic, self._prepared)


@dataclass(frozen=True)
class TotalVariationTerm:
    """`losses.total_variation` of the picture on a scale of 0 to ``range``."""

    weight: float
    form: str
    range: float = 1.0
    normalization: str = "sum"
    name: str = "tv"
    layer: None = None
    reduction: str = "sum"

    def statistic(self, x: Tensor, inside: tuple[int, int] | None = None) -> Statistic:
        """The sum over all differences, or over those that begin in the first (rows, columns)."""
        return (total_variation(x * self.range, self.form, own=inside),)

    def loss(self, statistic: Statistic, positions: int, pixels: int) -> Tensor:
        """The sum, or the sum per pixel."""
        return statistic[0] / pixels if self.normalization == "mean" else statistic[0]


class Objective:
    """A network and the terms on it: ``objective(picture)`` gives every weighted loss and their ``total``.

    >>> from styletut import losses, vgg
    >>> net = vgg.VGG(["relu2_1"], weights=vgg.random_weights(width=0.1))
    >>> photo, painting = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 40, 24)
    >>> target = losses.gram(net(painting)["relu2_1"])
    >>> objective = Objective(net, [StyleTerm("relu2_1", target, 1.0, "gatys"), TotalVariationTerm(0.1, "l1")])
    >>> sorted(objective(photo))
    ['style/relu2_1', 'total', 'tv']

    Raises:
        LossError: there are no terms, or two of one name.
    """

    def __init__(self, network: Extractor | None, terms: Sequence[Term]) -> None:
        names = [term.name for term in terms]
        if not names or len(set(names)) < len(names):
            raise LossError("an objective needs at least one term, each with a name of its own")
        self.network, self.terms = network, tuple(terms)

    def __call__(self, picture: Tensor) -> dict[str, Tensor]:
        """Every weighted loss of ``picture`` (B, 3, H, W), and their ``total``; all scalars."""
        features = {} if self.network is None else self.network(picture)
        losses: dict[str, Tensor] = {}
        for term in self.terms:
            x = picture if term.layer is None else features[term.layer]
            losses[term.name] = term.weight * term.loss(term.statistic(x), _positions(x), _positions(picture))
        losses["total"] = torch.stack(list(losses.values())).sum()
        return losses


def _positions(x: Tensor) -> int:
    return x.shape[-2] * x.shape[-1]


class Reader:
    """Reads from pictures what the terms of an objective aim at."""

    def features(self, network: Extractor, picture: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Features at some layers."""
        features = network(picture)
        return {layer: features[layer] for layer in layers}

    def statistics(
        self, network: Extractor, picture: Tensor, layers: Iterable[str], loss: StyleLoss
    ) -> dict[str, Statistic]:
        """A style loss's statistic at some layers."""
        features = network(picture)
        return {layer: loss.statistic(features[layer]) for layer in layers}


def extractor(recipe: Recipe) -> Extractor | None:
    """The network of a recipe: `network`, or the object that the recipe has; None if it reads no layer."""
    return network(recipe) if isinstance(recipe.network, str) or not recipe.layers else recipe.network


def network(recipe: Recipe) -> VGG | None:
    """The VGG that a recipe asks for, cut after its deepest layer; None if it reads no layer."""
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
    network: Extractor | None = None,
    style_weights: Sequence[float] | None = None,
    reader: Reader | None = None,
) -> Objective:
    """The objective of ``recipe`` for pictures that already have their working size and device.

    Args:
        content: (B, 3, H, W).
        styles: one picture, or several. For one content picture several styles are blended: their statistics are
            averaged with ``style_weights`` (equal if not given). For B content pictures, B styles without weights are
            taken as pairs.
        recipe: a recipe or the name of one.
        network: the network, if it is at hand already.
        style_weights: one non-negative number for each style.
        reader: how targets are read from the pictures (default: from each as a whole).

    Raises:
        RecipeError: the weights do not fit the styles, or these cannot be blended.
    """
    recipe, reader = get(recipe), reader or Reader()
    styles = list(styles.split(1)) if isinstance(styles, Tensor) else list(styles)
    network = extractor(recipe) if network is None else network
    terms: list[Term] = []
    if network is not None and recipe.content_weight:
        features = reader.features(network, content, recipe.content_layers)
        for layer, weight in recipe.content_layers.items():
            terms.append(ContentTerm(layer, features[layer], recipe.content_weight * weight, recipe.content_loss))
    if network is not None and recipe.style_layers and recipe.style_weight:
        if not styles:
            raise RecipeError(f"recipe {recipe.name!r} has style layers: give a style picture")
        loss = STYLE_LOSSES[recipe.style_loss]
        shares = shares_of(len(styles), style_weights)
        in_pairs = len(styles) == len(content) > 1 and style_weights is None
        if not loss.additive and len(styles) > 1:
            raise RecipeError(f"styles cannot be blended by style_loss={recipe.style_loss!r}: give one at a time")
        measured = [reader.statistics(network, style, recipe.style_layers, loss) for style in styles]
        for layer, weight in recipe.style_layers.items():
            target = _blended([statistics[layer] for statistics in measured], None if in_pairs else shares)
            terms.append(StyleTerm(layer, target, recipe.style_weight * weight, recipe.style_loss))
    if recipe.tv_weight:
        terms.append(TotalVariationTerm(recipe.tv_weight, recipe.tv_loss, recipe.tv_range, recipe.tv_reduction))
    return Objective(network, terms)


def _blended(statistics: Sequence[Statistic], shares: Tensor | None) -> Statistic:
    """Statistics of several styles: their weighted mean, or as a batch where there are no weights."""
    stacked = [torch.cat(tensors) for tensors in zip(*statistics, strict=True)]  # each (styles, ...)
    if shares is None or len(statistics) == 1:
        return tuple(stacked)
    return tuple((shares.to(each) @ each.flatten(1)).view(1, *each.shape[1:]) for each in stacked)


def shares_of(count: int, weights: Sequence[float] | None) -> Tensor:
    """Weights of ``count`` styles, adding up to 1; equal if none are given.

    Raises:
        RecipeError: they are not as many, negative, or all zero.
    """
    values = torch.tensor([1.0] * count if weights is None else [float(w) for w in weights])
    if len(values) != count:
        raise RecipeError(f"{len(values)} style weights for {count} styles: give one for each")
    if not bool(torch.isfinite(values).all()) or bool((values < 0).any()) or float(values.sum()) <= 0:
        raise RecipeError("style weights must not be negative, and not all zero")
    return values / values.sum()
