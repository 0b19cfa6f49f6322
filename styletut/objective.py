"""From pictures and a recipe to one differentiable objective with named parts.

An objective is a network and some terms. A term measures features (or the picture itself) by its ``statistic`` and
compares that with its target by its ``loss``; autograd does the rest. Where less memory shall do, `lowmem` computes the
same objective in pieces: for that the two are kept apart, because most statistics add up over the pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from .control.masks import Masks, Region, names, pooled, regions, resized
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
        """Its key in the losses: ``content/<layer>``, ``style/<layer>``, ``style/<layer>/<region>`` or ``tv``."""

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
    """`losses.content_loss` at a layer; ``weights`` (1, 1, H, W) multiply the squared error of each position."""

    layer: str
    target: Tensor
    weight: float
    form: str
    reduction: str = "sum"
    weights: Tensor | None = None

    @property
    def name(self) -> str:
        """``content/<layer>``."""
        return f"content/{self.layer}"

    def statistic(self, x: Tensor) -> Statistic:
        """Sum of (a - b)^2 over channels and positions, (B,)."""
        return (squared_error(x, self.target, self.weights),)

    def loss(self, statistic: Statistic, positions: int, pixels: int) -> Tensor:
        """The squared error times the form's factor."""
        return (self._factor * statistic[0]).sum()

    @cached_property
    def _factor(self) -> Tensor:
        return content_factor(self.form, self.target)  # once, not in every evaluation: the target never changes


@dataclass(frozen=True, eq=False)
class StyleTerm:
    """One of `losses.STYLE_LOSSES` at a layer; ``target`` is the style's statistic.

    ``weights`` (1, 1, H, W), with mean 1, restrict it to a region, of which ``region`` is the number.
    """

    layer: str
    target: Statistic
    weight: float
    form: str
    weights: Tensor | None = None
    region: int | None = None

    @property
    def name(self) -> str:
        """``style/<layer>``, or ``style/<layer>/<region>``."""
        return f"style/{self.layer}" if self.region is None else f"style/{self.layer}/{self.region}"

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
        return self._style_loss.measure(x, self.weights)

    def loss(self, statistic: Statistic, positions: int, pixels: int) -> Tensor:
        """The distance from the target."""
        return self._style_loss.scale(positions, pixels) * self._style_loss.loss(statistic, self._prepared)


@dataclass(frozen=True)
class TotalVariationTerm:
    """`losses.total_variation` of the picture on a scale of 0 to ``range``; across its edges, if it ``wraps``."""

    weight: float
    form: str
    range: float = 1.0
    normalization: str = "sum"
    wraps: bool = False
    name: str = "tv"
    layer: None = None
    reduction: str = "sum"

    def statistic(self, x: Tensor, inside: tuple[int, int] | None = None) -> Statistic:
        """The sum over all differences, or over those that begin in the first (rows, columns)."""
        wraps = self.wraps and inside is None
        return (total_variation(x * self.range, self.form, own=inside, wraps=wraps),)

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
        self,
        network: Extractor,
        picture: Tensor,
        layers: Iterable[str],
        loss: StyleLoss,
        weights: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Statistic]:
        """A style loss's statistic at some layers, of positions with weights if there are any."""
        features, weights = network(picture), weights or {}
        return {layer: loss.measure(features[layer], weights.get(layer)) for layer in layers}


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
        padding=recipe.padding,
        preprocessing=recipe.preprocessing,
        rescale=recipe.rescale,
    )


@torch.no_grad()
def build(
    content: Tensor,
    styles: Tensor | Sequence[Tensor | Sequence[Tensor]],
    recipe: Recipe | str = "fast",
    *,
    network: Extractor | None = None,
    style_weights: Sequence[float] | None = None,
    masks: Masks | None = None,
    reader: Reader | None = None,
) -> Objective:
    """The objective of ``recipe`` for pictures that already have their working size and device.

    Args:
        content: (B, 3, H, W).
        styles: one picture, or several. For one content picture several styles are blended: their statistics are
            averaged with ``style_weights`` (equal if not given). For B content pictures, B styles without weights are
            taken as pairs. A style at several sizes is a list of pictures, whose statistics are averaged.
        recipe: a recipe or the name of one.
        network: the network, if it is at hand already.
        style_weights: one non-negative number for each style.
        masks: where each style and the content count. Styles that have regions are not blended: each is a target of
            its own, whose loss is weighted by the region's area, so that a small region is painted as boldly as a
            large one, and by its style weight over the mean of them.
        reader: how targets are read from the pictures (default: from each as a whole).

    Raises:
        RecipeError: the weights do not fit the styles, or these cannot be blended.
    """
    recipe, reader, masks = get(recipe), reader or Reader(), masks or Masks()
    styles = list(styles.split(1)) if isinstance(styles, Tensor) else list(styles)
    masks.check(recipe, len(styles))
    network = extractor(recipe) if network is None else network
    size, terms = (content.shape[-2], content.shape[-1]), list[Term]()
    if network is not None and recipe.content_weight:
        features = reader.features(network, content, recipe.content_layers)
        factors: dict[str, Tensor] = {}
        if masks.content is not None:
            factors = pooled(resized(masks.content, size), network, recipe.content_layers, content)
        for layer, weight in recipe.content_layers.items():
            factor = factors[layer].to(content) if factors else None
            weight = recipe.content_weight * weight
            terms.append(ContentTerm(layer, features[layer], weight, recipe.content_loss, weights=factor))
    if network is not None and recipe.style_layers and recipe.style_weight:
        if not styles:
            raise RecipeError(f"recipe {recipe.name!r} has style layers: give a style picture")
        terms.extend(_Styles(recipe, network, reader).terms(content, styles, style_weights, masks))
    if recipe.tv_weight * recipe.strength:
        weight = recipe.tv_weight * recipe.strength
        wraps = recipe.padding == "circular"
        terms.append(TotalVariationTerm(weight, recipe.tv_loss, recipe.tv_range, recipe.tv_reduction, wraps))
    return Objective(network, terms)


class _Styles:
    """From styles to the terms that aim at them."""

    def __init__(self, recipe: Recipe, network: Extractor, reader: Reader) -> None:
        self.recipe, self.network, self.reader = recipe, network, reader
        self.style_network = network.for_styles if isinstance(network, VGG) else network
        self.loss, self.layers = STYLE_LOSSES[recipe.style_loss], recipe.style_layers

    def terms(
        self,
        content: Tensor,
        styles: Sequence[Tensor | Sequence[Tensor]],
        style_weights: Sequence[float] | None,
        masks: Masks,
    ) -> Iterator[StyleTerm]:
        """A term for each layer; where there are regions, for each of them."""
        count = len(styles)
        shares = shares_of(count, style_weights)
        parts = zip(styles, masks.styles or [None] * count, names("style mask", count), strict=True)
        targets = [self._target(style, mask, name, count) for style, mask, name in parts]
        if masks.regions is None:
            in_pairs = count == len(content) > 1 and style_weights is None
            target = {
                layer: _blended([each[layer] for each in targets], None if in_pairs else shares)
                for layer in self.layers
            }
            target, places = self._between(content, target, None), self._weights(content, None)
            for layer, weight in self.layers.items():
                weight *= self.recipe.style_weight
                yield StyleTerm(layer, target[layer], weight, self.recipe.style_loss, places.get(layer))
            return
        for i, (name, mask) in enumerate(masks.named_regions()):
            regions_of = self._regions(content, mask, name)
            target, places = self._between(content, targets[i], regions_of), self._weights(content, regions_of)
            for layer, weight in self.layers.items():
                weight *= self.recipe.style_weight * regions_of[layer].area * float(shares[i] * count)
                yield StyleTerm(layer, target[layer], weight, self.recipe.style_loss, places[layer], i + 1)

    def _target(
        self, style: Tensor | Sequence[Tensor], mask: Tensor | None, name: str, count: int
    ) -> dict[str, Statistic]:
        """The statistics of one of ``count`` styles: the mean over the sizes in which it is given."""
        pictures = [style] if isinstance(style, Tensor) else list(style)
        if not self.loss.additive and count * len(pictures) > 1:
            raise RecipeError(f"styles cannot be blended by style_loss={self.recipe.style_loss!r}: give one at a time")
        places = [None if mask is None else self._regions(picture, mask, name) for picture in pictures]
        found = [self._measured(*each, self.style_network) for each in zip(pictures, places, strict=True)]
        equal = shares_of(len(found), None)
        return {layer: _blended([each[layer] for each in found], equal) for layer in self.layers}

    def _between(
        self, content: Tensor, target: dict[str, Statistic], places: Mapping[str, Region] | None
    ) -> dict[str, Statistic]:
        """Statistics between the content's own and the style's, as far along as the recipe's strength."""
        if self.recipe.strength == 1:
            return target
        own, share = self._measured(content, places, self.network), self.recipe.strength
        return {
            layer: tuple((1 - share) * a + share * b for a, b in zip(own[layer], target[layer], strict=True))
            for layer in self.layers
        }

    def _regions(self, picture: Tensor, mask: Tensor, name: str) -> dict[str, Region]:
        return regions(resized(mask, (picture.shape[-2], picture.shape[-1])), self.network, self.layers, picture, name)

    def _measured(
        self, picture: Tensor, places: Mapping[str, Region] | None, network: Extractor
    ) -> dict[str, Statistic]:
        return self.reader.statistics(network, picture, self.layers, self.loss, self._weights(picture, places))

    def _weights(self, picture: Tensor, places: Mapping[str, Region] | None) -> dict[str, Tensor]:
        """Weights of positions, with mean 1: those of a region, and of how much of the picture a position covers."""
        weights = {layer: region.weights for layer, region in (places or {}).items()}
        if isinstance(self.network, VGG) and self.loss.weighs:
            for layer in self.layers:
                covered = self.network.coverage(layer, (picture.shape[-2], picture.shape[-1]))
                if covered is not None:
                    found = covered.to(picture) * weights.get(layer, 1)
                    weights[layer] = found / found.mean()
        return weights


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
