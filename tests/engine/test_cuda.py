"""CUDA's code path without a graphics processor: devices, precisions, and what would wait for the device.

`FakeTensorMode` runs shapes, types and devices through the real code, and raises where a value is asked for.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from styletut import objective, recipes, tiles, vgg
from styletut.engine import backend
from styletut.engine.devices import PRECISIONS
from styletut.losses import STYLE_LOSSES
from styletut.lowmem.objective import Kept

pytestmark = pytest.mark.skipif(not torch.backends.cuda.is_built(), reason="a torch without CUDA knows no such devices")


def on_cuda(*shape: int) -> Tensor:
    return torch.empty(shape, device="cuda").contiguous(memory_format=torch.channels_last)


def placed(network: vgg.VGG | None, precision: str) -> vgg.VGG:
    """As `backend.placed`; a fake tensor cannot take the place of a real one within a module."""
    assert network is not None
    if precision == "float16":
        network.scale_activations(backend.HALF_SCALE)
    for name in network.convs:
        conv = network.conv(name)
        assert conv.bias is not None
        for part in ("weight", "bias"):
            values = getattr(conv, part).data.to("cuda", PRECISIONS[precision])
            setattr(conv, part, nn.Parameter(values, requires_grad=False))
    network.shift, network.scale = network.shift.to("cuda"), network.scale.to("cuda")
    return network


@pytest.mark.parametrize(
    ("style_loss", "tile", "precision"),
    [(name, None, "float32") for name in STYLE_LOSSES if name != "relative"]
    + [("gatys", 48, "float32"), ("gatys", None, "bfloat16"), ("gatys", None, "float16"), ("gatys", 48, "float16")],
)
def test_an_evaluation_stays_on_the_device_and_never_waits(style_loss: str, tile: int | None, precision: str) -> None:
    recipe = recipes.get("fast").replace(weights=vgg.random_weights(width=0.1), style_loss=style_loss)
    recipe = recipe.replace(content_loss="mean", tv_weight=0)  # a relative one looks at its target once
    network = objective.network(recipe)
    with FakeTensorMode(allow_non_fake_inputs=True):
        network = placed(network, precision)
        goal = tiles.build(on_cuda(1, 3, 64, 96), on_cuda(1, 3, 80, 48), recipe, network=network, tile=tile)
        picture = on_cuda(1, 3, 64, 96)
        picture.requires_grad_(True)
        kept = Kept()
        tensors = goal._forward(picture, kept)
        assert {tensor.device.type for tensor in tensors} == {"cuda"}
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
        with torch.no_grad():
            losses = goal(picture)
        assert {loss.device.type for loss in losses.values()} == {"cuda"}
        if "gatys" not in style_loss:
            return  # autograd's backward pass wants a real device, which those that are written out do not
        gradient = goal._backward(picture, kept, tensors)
    assert gradient.device.type == "cuda" and gradient.dtype == torch.float32 and gradient.shape == picture.shape


def test_a_synchronisation_with_the_device_is_detected() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(DataDependentOutputException):
        bool(on_cuda(1, 3, 4, 4).sum() > 0)
