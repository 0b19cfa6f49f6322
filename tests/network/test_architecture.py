"""The table of layers against torchvision's networks and against gradients, and which room may know of which."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

import styletut
from styletut import architecture
from styletut.architecture import NETWORKS, canonical, divided, layers
from styletut.errors import LayerError
from styletut.vgg import VGG, Weights, random_weights

# --- the table against torchvision -----------------------------------------------------------------------

KINDS = {nn.Conv2d: "conv", nn.ReLU: "relu", nn.MaxPool2d: "pool"}


def torchvision_features(network: str) -> nn.Sequential:
    """The `features` of torchvision's own model, with shapes and no values."""
    with torch.device("meta"):
        model = getattr(torchvision.models, network)(weights=None, init_weights=False)
    assert isinstance(model.features, nn.Sequential)
    return model.features


@pytest.mark.parametrize("network", NETWORKS)
def test_kinds_channels_strides_and_indices_are_those_of_torchvisions_own_network(network: str) -> None:
    features = torchvision_features(network)
    assert [layer.index for layer in layers(network)] == list(range(len(features)))
    side = 224
    maps = torch.empty(1, 3, side, side, device="meta")
    for layer, module in zip(layers(network), features, strict=True):
        maps = module(maps)
        assert KINDS[type(module)] == layer.kind, layer.name
        assert tuple(maps.shape) == (1, layer.channels, side // layer.stride, side // layer.stride), layer.name


@pytest.mark.parametrize("network", NETWORKS)
def test_names_and_keras_names_count_the_convolutions_of_each_block(network: str) -> None:
    """Counted here from the kinds alone: a row with another row's name would be a wrong layer for whoever asks."""
    block, conv = 1, 0
    for layer in layers(network):
        conv += layer.kind == "conv"
        place = f"{block}" if layer.kind == "pool" else f"{block}_{conv}"
        keras = {"conv": "", "relu": f"block{block}_conv{conv}", "pool": f"block{block}_pool"}
        assert (layer.name, layer.block, layer.keras) == (f"{layer.kind}{place}", block, keras[layer.kind])
        if layer.kind == "pool":
            block, conv = block + 1, 0
    assert block == 6


# --- receptive field and stride, measured ---------------------------------------------------------------


def positive_weights(network: str) -> Weights:
    """All filters positive: every unit is on, no two paths cancel, so a gradient is zero only where no path leads."""
    state = {k: v.double().abs() + 1e-3 for k, v in random_weights(network, width=0.01).state.items()}
    return Weights(state, "imagenet", network, "positive")


def reach(gradient: Tensor, axis: int) -> tuple[int, int]:
    """First pixel along rows (2) or columns (3) that the gradient touches, and how many; there must be no gap."""
    touched = (gradient != 0).any(5 - axis).any(1).flatten().nonzero().flatten()
    first, last = int(touched[0]), int(touched[-1])
    assert len(touched) == last - first + 1, "a gap in the receptive field"
    return first, len(touched)


@pytest.mark.parametrize("axis", [2, 3], ids=["rows", "columns"])
@pytest.mark.parametrize("network", NETWORKS)
def test_receptive_field_and_stride_of_every_layer_are_those_that_gradients_show(network: str, axis: int) -> None:
    """The pixels that one position's gradient reaches are its receptive field; the next position's are a stride on."""
    names = [layer.name for layer in layers(network)]
    weights = positive_weights(network)
    net = VGG(names, network=network, weights=weights, pooling="average", preprocessing="none")
    # 10 positions at pool5: the two in the middle see 268 pixels each and do not reach the border.
    strip = torch.rand(1, 3, 320, 32, dtype=torch.float64).transpose(2, axis).contiguous().requires_grad_()
    features = net(strip)
    for layer in layers(network):
        maps = features[layer.name].transpose(2, axis)
        assert maps.shape[2:] == (320 // layer.stride, 32 // layer.stride), layer.name
        middle = maps.shape[2] // 2
        one, next_one = (
            reach(torch.autograd.grad(maps[0, 0, p, 0], strip, retain_graph=True)[0], axis)
            for p in (middle - 1, middle)
        )
        assert one[1] == next_one[1] == layer.receptive_field, layer.name
        assert next_one[0] - one[0] == layer.stride, layer.name


# --- names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_a_layer_is_found_by_its_own_name_and_by_that_of_keras(network: str) -> None:
    for each in layers(network):
        for name in filter(None, (each.name, each.keras)):
            assert architecture.layer(name, network) is each
            assert canonical(name, network) == each.name


@pytest.mark.parametrize(
    ("name", "network", "near"),
    [
        ("relu4_9", "vgg19", "'relu4_"),
        ("relu3_4", "vgg16", "'relu3_3'"),
        ("block5_conv4", "vgg16", "'block5_conv3'"),
        ("rulu1_1", "vgg19", "'relu1_1'"),
        ("Pool4", "vgg19", "'pool4'"),
    ],
)
def test_a_wrong_name_gets_the_nearest_one_and_the_list(name: str, network: str, near: str) -> None:
    with pytest.raises(LayerError, match=f"did you mean {near}") as caught:
        canonical(name, network)
    listed = str(caught.value).split("Choose from ")[1].split(", ")
    assert len(listed) >= 18
    assert all(canonical(other, network) for other in listed)
    assert len({other.startswith("block") for other in listed}) == 1, "own names or Keras's, not a mixture"


def test_a_network_knows_its_layers_and_the_smallest_image_that_it_takes(tiny: Weights) -> None:
    net = VGG(["relu2_1", "block4_conv2"], weights=tiny)
    assert net.sequence == layers("vgg19")[: net.deepest.index + 1]
    assert net.deepest is architecture.layer("relu4_2") and net.minimum_side == 8
    assert net.layers == tuple(each.name for each in net.sequence)
    assert net(torch.rand(1, 3, 8, 8))["block4_conv2"].shape[2:] == (1, 1)


def test_positions_of_a_side_are_those_that_pooling_leaves() -> None:
    for pixels in range(1, 40):
        for stride in (1, 2, 4, 8):
            for up in (False, True):
                pooled = torch.zeros(1, 1, pixels)
                for _ in range(stride.bit_length() - 1):
                    if not pooled.shape[-1] or (pooled.shape[-1] == 1 and not up):
                        pooled = pooled[..., :0]
                    else:
                        pooled = nn.functional.avg_pool1d(pooled, 2, ceil_mode=up)
                assert divided(pixels, stride, up) == pooled.shape[-1]


# --- the rooms ------------------------------------------------------------------------------------------------

PACKAGE = Path(styletut.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

ROOMS: tuple[tuple[str, set[str]], ...] = (
    ("ground", {"archives", "errors", "files", "images", "samples", "validation"}),
    ("network", {"architecture", "padding", "vgg", "weights"}),
    ("losses", {"losses"}),
    ("meaning", {"control", "evaluate", "fields", "objective", "recipes"}),
    ("low memory", {"lowmem"}),
    ("engine", {"engine", "transfer"}),
    ("teaching and faces", {"cli", "page", "sheets", "studio", "teach"}),
)
"""From the ground up; a module is named by its first part. A room may use itself and what is below it."""

FLOOR = {name: floor for floor, (_, names) in enumerate(ROOMS) for name in names}
OUTSIDE = {"__init__", "__main__"}  # the package's front door
MINIMAL = {"weights"}  # all that the page in one file may import


def imports(module: str, path: Path) -> Iterator[tuple[str, str]]:
    """(module of styletut, name in it or "") for all imports of the package, also those inside functions."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "styletut":
                    yield alias.name.removeprefix("styletut").removeprefix("."), ""
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            above = package.split(".") if package else []
            base = above[: len(above) - (node.level - 1)]
        elif node.module and node.module.split(".")[0] == "styletut":
            base = []
        else:
            continue
        source = ".".join([*base, *(node.module or "").removeprefix("styletut").strip(".").split(".")]).strip(".")
        for alias in node.names:
            inner = f"{source}.{alias.name}".strip(".")
            yield (inner, "") if inner in MODULES else (source, alias.name)


def private(name: str) -> bool:
    """``_x``, but neither Python's ``__x__`` nor the ``_repr_x_`` that notebooks call."""
    return name.startswith("_") and not name.endswith("_")


def defined(tree: ast.AST) -> set[str]:
    """The private names that a module itself defines: functions, classes, variables, attributes and fields."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return {name for name in names if private(name)}


def own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def private_uses() -> dict[str, set[str]]:
    """For each module, the private names of other modules that it imports or reaches into."""
    trees = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}
    definitions = {module: defined(tree) for module, tree in trees.items()}
    anywhere = set().union(*definitions.values())
    uses: dict[str, set[str]] = {}
    for module, tree in trees.items():
        accessed = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and not own(node)}
        imported = {name for _, name in imports(module, MODULES[module])}
        foreign = (accessed & anywhere - definitions[module]) | imported
        uses[module] = {name for name in foreign if private(name)}
    return uses


def forbidden_imports() -> dict[str, set[str]]:
    """For each module, the modules of rooms above it that it imports."""
    above: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        room = module.split(".")[0]
        if module in OUTSIDE:
            continue
        targets = {target for target, _ in imports(module, path) if target}
        if room == "minimal":
            above[module] = targets - MINIMAL
        else:
            assert room in FLOOR, f"{module} is in no room: add it to ROOMS"
            above[module] = {target for target in targets if FLOOR[target.split(".")[0]] > FLOOR[room]}
    return above


def faults(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {module: uses for module, uses in found.items() if uses}


def test_no_module_uses_a_private_name_of_another() -> None:
    assert faults(private_uses()) == {}


def test_a_room_knows_nothing_of_the_rooms_above_it() -> None:
    assert faults(forbidden_imports()) == {}


def test_imports_are_seen_in_all_their_forms(tmp_path: Path) -> None:
    """Or the two tests above would pass by looking away."""
    source = """
import styletut.vgg
from . import tape
from .windows import Window
from .. import objective
from ..vgg import VGG
def later():
    from styletut.images import _check
    from styletut import samples
"""
    path = tmp_path / "module.py"
    path.write_text(source)
    assert set(imports("lowmem.module", path)) == {
        ("vgg", ""),
        ("lowmem.tape", ""),
        ("lowmem.windows", "Window"),
        ("objective", ""),
        ("vgg", "VGG"),
        ("images", "_check"),
        ("samples", ""),
    }


def test_nothing_reads_a_layers_kind_out_of_its_name() -> None:
    parsing = re.compile(r"""startswith\(["'](conv|relu|pool)|replace\(["'](conv|relu|pool)|\bname\[\d""")
    lines = {
        module: {match[0] for match in parsing.finditer(path.read_text(encoding="utf-8"))}
        for module, path in MODULES.items()
        if module != "minimal"  # which has no table, and names that say it all
    }
    assert faults(lines) == {}
