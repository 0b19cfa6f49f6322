"""VGG-16 and VGG-19 as feature extractors: named layers of an image in [0, 1].

`architecture` says what the layers are, `weights` where their weights come from; the names that users need of both are
here as well.
"""

from __future__ import annotations

import copy
import os
import typing
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import architecture, samples
from .architecture import NETWORKS as NETWORKS
from .architecture import Layer as Layer
from .architecture import canonical as canonical
from .architecture import divided as divided
from .architecture import layers as layers
from .errors import ImageError, LayerError, shown
from .images import check_picture
from .padding import PADDINGS as PADDINGS
from .padding import pad
from .validation import check_choice
from .weights import Weights as Weights
from .weights import load_weights as load_weights
from .weights import random_weights as random_weights

__all__ = [
    "CAFFE_MEAN",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "NETWORKS",
    "PADDINGS",
    "POOLINGS",
    "PREPROCESSINGS",
    "VGG",
    "Layer",
    "Weights",
    "canonical",
    "divided",
    "layers",
    "load_weights",
    "random_weights",
]

POOLINGS = ("max", "average", "max-same", "average-same")
PREPROCESSINGS = ("auto", "caffe", "imagenet", "none")

# RGB. Caffe's means are in 0..255 units (Simonyan and Zisserman's training set); torchvision's in 0..1.
CAFFE_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG(nn.Module):
    """The part of a VGG that is needed for some layers, frozen, with preprocessing inside.

    Args:
        layers: names of the layers to return (`layers` lists them; Keras's names work too).
        network: ``vgg16`` or ``vgg19``.
        weights: see `load_weights`.
        pooling: ``max`` as trained, or ``average`` (Gatys et al. 2016, section 2); both drop an odd row or column.
            ``max-same`` and ``average-same`` pool there the values that there are, as TensorFlow's padding ``SAME``
            does.
        padding: what convolutions see beyond the edges: ``zeros`` as trained, ``replicate`` (the outermost value
            again), ``reflect`` (the map mirrored at it) or ``circular`` (the opposite edge: an image that tiles).
        preprocessing: ``auto`` (what the weights expect), ``caffe``, ``imagenet``, or ``none``: values stay in
            0..1 with no mean subtracted, though red still meets the weights trained on red.
        rescale: scale every filter so that its mean activation is 1, as Gatys et al. did (2016, section 2). The
            network computes the same function up to a factor per channel. Their images were ImageNet's validation
            set; here they are the photographs of `styletut.samples`.

    Calling it with an image (B, 3, H, W) in [0, 1] gives ``{name: features}``, features (B, N, H / stride,
    W / stride), rounded as the pooling rounds, with the names that were asked for as keys. After
    ``.to(torch.bfloat16)`` it computes in bfloat16.

    >>> vgg = VGG(["relu1_1", "block3_conv1"], weights=random_weights(width=0.1))
    >>> {name: tuple(f.shape) for name, f in vgg(torch.rand(1, 3, 32, 48)).items()}
    {'relu1_1': (1, 6, 32, 48), 'block3_conv1': (1, 26, 8, 12)}

    Raises:
        LayerError, WeightsError: see `canonical` and `load_weights`.
        ImageError: what it is called with is not an image, or is too small for the deepest layer; with ``circular``
            padding also if its sides are no multiples of the deepest layer's stride: pooling would not let opposite
            edges meet.
    """

    mean: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        layers: Iterable[str],
        *,
        network: str = "vgg19",
        weights: str | os.PathLike[str] | Weights = "oxford",
        pooling: str = "max",
        padding: str = "zeros",
        preprocessing: str = "auto",
        rescale: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(layers, str):
            layers = [layers]
        if not isinstance(layers, Iterable):
            raise LayerError(f"layers are a list of names, for example ['relu4_2'], not {shown(layers)}")
        self.names = {name: canonical(name, network) for name in layers}
        if not self.names:
            raise LayerError("ask for at least one layer, for example 'relu4_2'")
        check_choice("pooling", pooling, POOLINGS, LayerError)
        check_choice("padding", padding, PADDINGS, LayerError)
        check_choice("preprocessing", preprocessing, PREPROCESSINGS, LayerError)
        self.network, self.pooling, self.padding, self.activation_scale = network, pooling, padding, 1.0
        # Only for a file it must be said what it was trained with; the named weights know.
        self.weights = load_weights(weights, network, "caffe" if preprocessing == "caffe" else "imagenet")
        self.preprocessing = self.weights.preprocessing if preprocessing == "auto" else preprocessing
        deepest = max(architecture.layer(name, network).index for name in self.names.values())
        self.sequence: tuple[Layer, ...] = NETWORKS[network][: deepest + 1]
        self.convs = nn.ModuleDict()
        in_channels = 3
        for conv in self.sequence:
            if conv.kind == "conv":
                weight, bias = self.weights.filters(conv, in_channels)
                # The first filters of weights trained on BGR are reversed, so that images stay RGB throughout.
                if conv is self.sequence[0] and self.weights.preprocessing == "caffe":
                    weight = weight.flip(1)
                self.convs[conv.name] = _frozen(weight.clone(), bias.clone())
                in_channels = len(weight)
        mean = CAFFE_MEAN if self.weights.preprocessing == "caffe" else IMAGENET_MEAN
        shift, scale = {
            "caffe": (CAFFE_MEAN, (255.0, 255.0, 255.0)),
            "imagenet": (IMAGENET_MEAN, tuple(1 / s for s in IMAGENET_STD)),
            "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        }[self.preprocessing]
        for name, value in (("mean", mean), ("shift", shift), ("scale", scale)):
            self.register_buffer(name, torch.tensor(value).view(1, 3, 1, 1), persistent=False)
        self.eval()
        if rescale:
            self._rescale()

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of all layers that are computed, in order: up to the deepest that was asked for."""
        return tuple(layer.name for layer in self.sequence)

    @property
    def deepest(self) -> Layer:
        """The last layer that is computed."""
        return self.sequence[-1]

    @property
    def minimum_side(self) -> int:
        """The smallest side, in pixels, of an image for which the deepest layer has a position.

        Where convolutions see their map reflected, the deepest of them must have two.
        """
        convs = [layer.stride for layer in self.sequence if layer.kind == "conv"]
        return max(self.deepest.stride, 2 * convs[-1] if self.padding == "reflect" else 0)

    @property
    def wanted(self) -> frozenset[str]:
        """The layers that are returned, by their own names."""
        return frozenset(self.names.values())

    @property
    def asked(self) -> dict[str, list[str]]:
        """The names by which each returned layer was asked for."""
        return {layer: [name for name, own in self.names.items() if own == layer] for layer in self.wanted}

    @property
    def strides(self) -> dict[str, int]:
        """Pixels from one position to the next, for every returned layer by the name it was asked for."""
        return {asked: architecture.layer(name, self.network).stride for asked, name in self.names.items()}

    @property
    def rounds_up(self) -> bool:
        """Whether pooling keeps an odd row or column."""
        return self.pooling.endswith("-same")

    @property
    def takes_maxima(self) -> bool:
        """Whether pooling takes the largest value of each window, rather than the mean."""
        return self.pooling.startswith("max")

    @property
    def wraps(self) -> bool:
        """Whether an image goes on at its opposite edge."""
        return self.padding == "circular"

    @property
    def for_styles(self) -> VGG:
        """The network by which styles are measured: itself; or where it wraps, one that replicates edges.

        A painting does not tile: wrapped, it would have seams, and they would become part of the style. The weights are
        shared.
        """
        if not self.wraps:
            return self
        other = copy.copy(self)
        other.padding = "replicate"
        return other

    def map_size(self, name: str, size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of a layer, by the name it was asked for, where the image has ``size``."""
        stride = self.strides[name]
        rows, columns = (divided(side, stride, self.rounds_up) for side in size)
        return rows, columns

    def coverage(self, name: str, size: tuple[int, int]) -> Tensor | None:
        r"""Weights of a layer's positions in style statistics, (1, 1, rows, columns); None where all are 1.

        With ``max-same`` the last row and column may cover fewer pixels than the others. With the weight
        :math:`\sqrt{c}`, c that share of the pixels, each of these pixels is moved as much as any other (measured by
        ``benchmarks/edges.py``); with the weight 1 they would be moved up to half as much again.

        >>> vgg = VGG(["relu2_1"], weights=random_weights(width=0.1), pooling="max-same")
        >>> vgg.coverage("relu2_1", (4, 5))
        tensor([[[[1.0000, 1.0000, 0.7071],
                  [1.0000, 1.0000, 0.7071]]]], dtype=torch.float64)
        """
        stride = self.strides[name]
        if self.pooling != "max-same" or not any(side % stride for side in size):
            return None
        shares = []
        for side in size:
            share = torch.ones(divided(side, stride, up=True), dtype=torch.float64)
            share[-1] = (side % stride or stride) / stride
            shares.append(share.sqrt())
        return (shares[0][:, None] * shares[1])[None, None]

    def scale_activations(self, factor: float) -> None:
        """Compute with activations that are ``factor`` times the true ones, a power of two, where those would overflow.

        ReLU and pooling commute with a factor, so only the input and the biases are multiplied. Features are given as
        they are without it, in float32.
        """
        for conv in self.convs.values():
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            conv.bias.mul_(factor / self.activation_scale)
        self.activation_scale = factor

    def true_features(self, x: Tensor) -> Tensor:
        """Features without the factor of `scale_activations`."""
        return x if self.activation_scale == 1 else x.float() / self.activation_scale

    def preprocess(self, picture: Tensor) -> Tensor:
        """What the first convolution sees, in RGB order: ``(picture - shift) * scale``."""
        return (picture - self.shift) * self.scale

    def prepare(self, picture: Tensor) -> Tensor:
        """`preprocess`, after a check of the image, and in the precision of the convolutions.

        Raises:
            ImageError: it is not an image, or too small for the deepest layer.
        """
        if picture.dim() != 4 or picture.shape[1] != 3 or not picture.is_floating_point():
            check_picture(picture)  # says what is wrong; too slow to call on every image
        if min(picture.shape[-2:]) < self.minimum_side:
            size = " x ".join(map(str, picture.shape[-2:]))
            needs = f"{self.minimum_side} pixels a side at least"
            layer = self.deepest.name + (" with reflect padding" if self.padding == "reflect" else "")
            raise ImageError(f"a picture of {size} is too small for {layer}: {needs}")
        stride = self.deepest.stride
        if self.wraps and any(side % stride for side in picture.shape[-2:]):
            size = " x ".join(map(str, picture.shape[-2:]))
            raise ImageError(
                f"a picture of {size} cannot wrap down to {self.deepest.name} (padding='circular'): both sides must be "
                f"multiples of {stride}"
            )
        x = self.preprocess(picture)
        if self.activation_scale != 1:
            x = x * self.activation_scale
        return x.to(next(self.convs.parameters()).dtype)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """Features of ``picture`` at every layer that was asked for."""
        x = self.prepare(picture)
        wanted = self.wanted
        features: dict[str, Tensor] = {}
        kept = False
        for layer in self.sequence:
            if layer.kind == "conv":
                x = self.convolve(layer.name, x)
            elif layer.kind == "relu":
                # In place only where neither autograd nor the caller needs the values before it.
                x = F.relu(x, inplace=not x.requires_grad and not kept)
            elif self.takes_maxima:
                x = F.max_pool2d(x, 2, ceil_mode=self.rounds_up)
            else:
                x = F.avg_pool2d(x, 2, ceil_mode=self.rounds_up, count_include_pad=False)
            kept = layer.name in wanted
            if kept:  # all others are freed
                features[layer.name] = x
        return {asked: self.true_features(features[name]) for asked, name in self.names.items()}

    def convolve(self, name: str, x: Tensor) -> Tensor:
        """The convolution of that name, of a map and what is beyond its edges."""
        conv = self.conv(name)
        if self.padding == "zeros":
            return typing.cast(Tensor, conv(x))
        return F.conv2d(pad(x, self.padding), conv.weight, conv.bias)

    def conv(self, name: str) -> nn.Conv2d:
        """The convolution of that name."""
        conv = self.convs[name]
        assert isinstance(conv, nn.Conv2d)
        return conv

    @torch.no_grad()
    def _rescale(self) -> None:
        convs = [layer.name for layer in self.sequence if layer.kind == "conv"]
        photographs = samples.names("photograph")
        means = dict.fromkeys(convs, torch.zeros(()))
        names, self.names = self.names, {name: name for name in convs}
        for photograph in photographs:
            for name, features in self.for_styles(samples.load(photograph, size=256)).items():
                means[name] = means[name] + features.relu().mean((0, 2, 3)) / len(photographs)
        self.names = names
        before = torch.ones(3)
        for name in convs:
            conv = self.conv(name)
            # A filter that hardly responds to these photographs must not be blown up.
            after = means[name].clamp(min=float(means[name].mean()) / 100)
            conv.weight.mul_(before.view(1, -1, 1, 1) / after.view(-1, 1, 1, 1))
            assert conv.bias is not None
            conv.bias.div_(after)
            before = after

    def extra_repr(self) -> str:
        """The configuration in a line."""
        return (
            f"{self.network}, {', '.join(self.names)}; weights: {self.weights.source}; "
            f"pooling={self.pooling!r}, padding={self.padding!r}, preprocessing={self.preprocessing!r}"
        )


def _frozen(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """A convolution with these filters, which no optimiser will train."""
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, device="meta")
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = nn.Parameter(bias, requires_grad=False)
    return conv
