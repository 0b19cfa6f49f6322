"""VGG-16 and VGG-19 as a table: kind, width, stride and receptive field of all layers.

A layer's name says what it holds. ``conv4_2`` is the convolution before its ReLU, ``relu4_2`` after it, ``pool4`` after
pooling. Keras names are accepted with Keras's meaning: ``block4_conv2`` includes the activation, so it is ``relu4_2``.

Other modules read these properties here: none of them parses a layer's name or counts layers.

Source: K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
configurations D (VGG-16) and E (VGG-19).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import LayerError, did_you_mean, nearest


@dataclass(frozen=True)
class Layer:
    """One named layer of a network.

    Args:
        name: ``conv4_2``, ``relu4_2``, ``pool4``.
        kind: ``conv`` (3 x 3, with one position beyond each edge of its input: see `padding`), ``relu``, or ``pool``
            (2 x 2, with stride 2).
        block: 1 to 5; a block ends with its pooling.
        channels: N, the number of its filters.
        stride: pixels of the image from one position to the next.
        receptive_field: side, in pixels, of the square of the image that one position depends on.
        index: its place in torchvision's ``features``, which counts convolutions, ReLUs and pools alike.
        keras: its name in Keras, empty for the convolutions, which Keras does not name.

    >>> layer("block1_pool")
    Layer(name='pool1', kind='pool', block=1, channels=64, stride=2, receptive_field=6, index=4, keras='block1_pool')
    """

    name: str
    kind: Literal["conv", "relu", "pool"]
    block: int
    channels: int
    stride: int
    receptive_field: int
    index: int
    keras: str


VGG16: tuple[Layer, ...] = (
    #     name       kind    block channels stride  receptive index  keras
    #                                                 field
    Layer("conv1_1", "conv",    1,      64,     1,        3,    0,  ""),
    Layer("relu1_1", "relu",    1,      64,     1,        3,    1,  "block1_conv1"),
    Layer("conv1_2", "conv",    1,      64,     1,        5,    2,  ""),
    Layer("relu1_2", "relu",    1,      64,     1,        5,    3,  "block1_conv2"),
    Layer("pool1",   "pool",    1,      64,     2,        6,    4,  "block1_pool"),
    Layer("conv2_1", "conv",    2,     128,     2,       10,    5,  ""),
    Layer("relu2_1", "relu",    2,     128,     2,       10,    6,  "block2_conv1"),
    Layer("conv2_2", "conv",    2,     128,     2,       14,    7,  ""),
    Layer("relu2_2", "relu",    2,     128,     2,       14,    8,  "block2_conv2"),
    Layer("pool2",   "pool",    2,     128,     4,       16,    9,  "block2_pool"),
    Layer("conv3_1", "conv",    3,     256,     4,       24,   10,  ""),
    Layer("relu3_1", "relu",    3,     256,     4,       24,   11,  "block3_conv1"),
    Layer("conv3_2", "conv",    3,     256,     4,       32,   12,  ""),
    Layer("relu3_2", "relu",    3,     256,     4,       32,   13,  "block3_conv2"),
    Layer("conv3_3", "conv",    3,     256,     4,       40,   14,  ""),
    Layer("relu3_3", "relu",    3,     256,     4,       40,   15,  "block3_conv3"),
    Layer("pool3",   "pool",    3,     256,     8,       44,   16,  "block3_pool"),
    Layer("conv4_1", "conv",    4,     512,     8,       60,   17,  ""),
    Layer("relu4_1", "relu",    4,     512,     8,       60,   18,  "block4_conv1"),
    Layer("conv4_2", "conv",    4,     512,     8,       76,   19,  ""),
    Layer("relu4_2", "relu",    4,     512,     8,       76,   20,  "block4_conv2"),
    Layer("conv4_3", "conv",    4,     512,     8,       92,   21,  ""),
    Layer("relu4_3", "relu",    4,     512,     8,       92,   22,  "block4_conv3"),
    Layer("pool4",   "pool",    4,     512,    16,      100,   23,  "block4_pool"),
    Layer("conv5_1", "conv",    5,     512,    16,      132,   24,  ""),
    Layer("relu5_1", "relu",    5,     512,    16,      132,   25,  "block5_conv1"),
    Layer("conv5_2", "conv",    5,     512,    16,      164,   26,  ""),
    Layer("relu5_2", "relu",    5,     512,    16,      164,   27,  "block5_conv2"),
    Layer("conv5_3", "conv",    5,     512,    16,      196,   28,  ""),
    Layer("relu5_3", "relu",    5,     512,    16,      196,   29,  "block5_conv3"),
    Layer("pool5",   "pool",    5,     512,    32,      212,   30,  "block5_pool"),
)  # fmt: skip

VGG19: tuple[Layer, ...] = (
    #     name       kind    block channels stride  receptive index  keras
    #                                                 field
    Layer("conv1_1", "conv",    1,      64,     1,        3,    0,  ""),
    Layer("relu1_1", "relu",    1,      64,     1,        3,    1,  "block1_conv1"),
    Layer("conv1_2", "conv",    1,      64,     1,        5,    2,  ""),
    Layer("relu1_2", "relu",    1,      64,     1,        5,    3,  "block1_conv2"),
    Layer("pool1",   "pool",    1,      64,     2,        6,    4,  "block1_pool"),
    Layer("conv2_1", "conv",    2,     128,     2,       10,    5,  ""),
    Layer("relu2_1", "relu",    2,     128,     2,       10,    6,  "block2_conv1"),
    Layer("conv2_2", "conv",    2,     128,     2,       14,    7,  ""),
    Layer("relu2_2", "relu",    2,     128,     2,       14,    8,  "block2_conv2"),
    Layer("pool2",   "pool",    2,     128,     4,       16,    9,  "block2_pool"),
    Layer("conv3_1", "conv",    3,     256,     4,       24,   10,  ""),
    Layer("relu3_1", "relu",    3,     256,     4,       24,   11,  "block3_conv1"),
    Layer("conv3_2", "conv",    3,     256,     4,       32,   12,  ""),
    Layer("relu3_2", "relu",    3,     256,     4,       32,   13,  "block3_conv2"),
    Layer("conv3_3", "conv",    3,     256,     4,       40,   14,  ""),
    Layer("relu3_3", "relu",    3,     256,     4,       40,   15,  "block3_conv3"),
    Layer("conv3_4", "conv",    3,     256,     4,       48,   16,  ""),
    Layer("relu3_4", "relu",    3,     256,     4,       48,   17,  "block3_conv4"),
    Layer("pool3",   "pool",    3,     256,     8,       52,   18,  "block3_pool"),
    Layer("conv4_1", "conv",    4,     512,     8,       68,   19,  ""),
    Layer("relu4_1", "relu",    4,     512,     8,       68,   20,  "block4_conv1"),
    Layer("conv4_2", "conv",    4,     512,     8,       84,   21,  ""),
    Layer("relu4_2", "relu",    4,     512,     8,       84,   22,  "block4_conv2"),
    Layer("conv4_3", "conv",    4,     512,     8,      100,   23,  ""),
    Layer("relu4_3", "relu",    4,     512,     8,      100,   24,  "block4_conv3"),
    Layer("conv4_4", "conv",    4,     512,     8,      116,   25,  ""),
    Layer("relu4_4", "relu",    4,     512,     8,      116,   26,  "block4_conv4"),
    Layer("pool4",   "pool",    4,     512,    16,      124,   27,  "block4_pool"),
    Layer("conv5_1", "conv",    5,     512,    16,      156,   28,  ""),
    Layer("relu5_1", "relu",    5,     512,    16,      156,   29,  "block5_conv1"),
    Layer("conv5_2", "conv",    5,     512,    16,      188,   30,  ""),
    Layer("relu5_2", "relu",    5,     512,    16,      188,   31,  "block5_conv2"),
    Layer("conv5_3", "conv",    5,     512,    16,      220,   32,  ""),
    Layer("relu5_3", "relu",    5,     512,    16,      220,   33,  "block5_conv3"),
    Layer("conv5_4", "conv",    5,     512,    16,      252,   34,  ""),
    Layer("relu5_4", "relu",    5,     512,    16,      252,   35,  "block5_conv4"),
    Layer("pool5",   "pool",    5,     512,    32,      268,   36,  "block5_pool"),
)  # fmt: skip

NETWORKS: dict[str, tuple[Layer, ...]] = {"vgg16": VGG16, "vgg19": VGG19}
"""The layers of each network, in the order of the forward pass."""


def layers(network: str = "vgg19") -> tuple[Layer, ...]:
    """All layers of ``network`` in the order of the forward pass.

    >>> [(l.name, l.channels, l.stride, l.receptive_field) for l in layers("vgg19")[:5]]
    [('conv1_1', 64, 1, 3), ('relu1_1', 64, 1, 3), ('conv1_2', 64, 1, 5), ('relu1_2', 64, 1, 5), ('pool1', 64, 2, 6)]

    Raises:
        LayerError: the network is not ``vgg16`` or ``vgg19``.
    """
    if not isinstance(network, str) or network not in NETWORKS:
        raise LayerError(did_you_mean("network", network, NETWORKS))
    return NETWORKS[network]


def layer(name: str, network: str = "vgg19") -> Layer:
    """The layer of that name, its own or Keras's.

    >>> layer("pool3").receptive_field
    52

    Raises:
        LayerError: there is no such layer; the message lists those there are.
    """
    own = {layer.name: layer for layer in layers(network)}
    keras = {layer.keras: layer for layer in layers(network) if layer.keras}
    known = own | keras
    if not isinstance(name, str) or name not in known:
        choices = keras if nearest(name, known) in keras else own  # whichever naming the caller seems to use
        raise LayerError(did_you_mean(f"layer of {network}", name, choices))
    return known[name]


def canonical(name: str, network: str = "vgg19") -> str:
    """The one name of a layer, from that name or from Keras's.

    >>> canonical("block4_conv2")
    'relu4_2'

    Raises:
        LayerError: there is no such layer; the message lists those there are.
    """
    return layer(name, network).name


def divided(pixels: int, stride: int, up: bool) -> int:
    """Positions that a side of so many pixels has in a feature map of that stride.

    The pixels beyond the last full stride get no position, or one if the pooling rounds ``up``. Repeated pooling rounds
    in the same direction: ``ceil(ceil(n / 2) / 2) = ceil(n / 4)``.

    >>> divided(13, 4, up=False), divided(13, 4, up=True)
    (3, 4)
    """
    return -(-pixels // stride) if up else pixels // stride
