"""Devices, precisions and torch's modes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_helpers import OPTIMIZERS, SMALL, TINY, paint, totals
from torch import Tensor
from torch.nn import functional as F

import styletut as st
from styletut import objective, samples, vgg
from styletut.engine import devices
from styletut.errors import DeviceError, RecipeError
from styletut.losses import STYLE_LOSSES
from styletut.transfer import estimate, iterate, pick_device, pick_precision, resume


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


MODES: dict[str, Callable[[], Any]] = {
    "deterministic": deterministic,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference": torch.inference_mode,
    "no gradient": torch.no_grad,
    "float64 by default": doubles,
    "another device by default": lambda: torch.device("meta"),
}


@pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation")
@pytest.mark.parametrize("mode", MODES)
def test_the_modes_that_torch_is_in_change_nothing(mode: str, photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    recipe = SMALL.replace(scales=((0.5, 2), (1.0, 2)), start="mix", precision="float32")
    wanted = paint(photo, painting, recipe, device="cpu")
    with MODES[mode]():
        if mode == "inference":
            photo, painting = photo.clone(), painting.clone()
            assert photo.is_inference()
        run = iterate(photo, painting, recipe, device="cpu")
        for _ in range(3):
            next(run)
        found = paint(photo, painting, recipe, device="cpu")
        resumed = resume(run.save(tmp_path / "run"), weights=TINY, progress=False, device="cpu")
        assert estimate(photo, painting, recipe, device="cpu").evaluations == 4
    assert torch.equal(found.picture, wanted.picture) and torch.equal(resumed.picture, wanted.picture)
    assert not found.picture.is_inference()
    assert not torch.are_deterministic_algorithms_enabled() and torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float64"])
@pytest.mark.numerical
def test_every_precision_runs_and_says_so(precision: str, photo: Tensor, painting: Tensor) -> None:
    result = paint(photo, painting, precision=precision)
    assert result.precision == precision
    assert result.picture.dtype == torch.float32
    assert totals(result)[-1] < totals(result)[0]
    exact = paint(photo, painting, precision="float64")
    assert totals(result)[0] == pytest.approx(totals(exact)[0], rel=0.05 if precision == "bfloat16" else 1e-4)


def test_in_bfloat16_the_mean_is_subtracted_exactly(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL.replace(precision="bfloat16"))
    assert run.backend.vgg is not None and run.backend.vgg.layers[0] == "conv1_1"
    assert run.backend.vgg.convs["conv1_1"].weight.dtype == torch.bfloat16
    exact = vgg.VGG(["conv1_1"], weights=TINY)
    assert torch.equal(run.backend.vgg.preprocess(photo), exact.preprocess(photo))


@pytest.mark.numerical
def test_bfloat16_gradients_are_near_those_of_float32_on_the_real_network(oxford: vgg.Weights) -> None:
    content, style = samples.load("cat", size=48), samples.load("starry_night", size=48)
    recipe = st.recipes.get("fast").replace(weights=oxford, size=None)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        net = objective.network(recipe)
        assert net is not None
        goal = objective.build(content, style, recipe, network=net.to(dtype))
        noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(0))
        picture = (content + 0.05 * (noise - 0.5)).requires_grad_()
        goal(picture)["total"].backward()
        assert picture.grad is not None and picture.grad.dtype == torch.float32
        gradients.append(picture.grad.flatten())
    assert float(F.cosine_similarity(gradients[0], gradients[1], dim=0)) > 0.98


@pytest.mark.parametrize(
    ("native", "quicker", "expected"),
    [(True, True, "bfloat16"), (True, False, "float32"), (False, True, "float32")],
)
def test_auto_is_bfloat16_only_where_the_processor_computes_in_it_and_is_quicker(
    native: bool, quicker: bool, expected: str, monkeypatch: pytest.MonkeyPatch, photo: Tensor, painting: Tensor
) -> None:
    monkeypatch.setattr(devices, "_is_quicker", lambda half, device: quicker)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert pick_precision("auto", torch.device("cpu")) == expected
    assert paint(photo, painting, precision="auto", device="cpu").precision == expected
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert pick_precision("auto", torch.device("cpu")) == "float32"


@pytest.mark.parametrize(
    ("capability", "most", "expected"),
    [
        ("AVX512", "AVX2", "float32"),
        ("AVX512", "avx512_core_vnni", "float32"),
        ("AVX512", "AVX512_CORE_BF16", "bfloat16"),
        ("AVX512", "AVX512_CORE_AMX", "bfloat16"),
        ("AVX512", "ALL", "bfloat16"),
        ("AVX2", "AVX512_CORE_BF16", "float32"),
        ("DEFAULT", "DEFAULT", "float32"),
    ],
)
def test_auto_is_float32_where_bfloat16_is_there_but_not_allowed(
    capability: str, most: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_is_quicker", lambda half, device: True)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert pick_precision("auto", torch.device("cpu")) == expected


def test_auto_on_other_devices_asks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, capability, expected in (
        (True, (8, 0), "bfloat16"),
        (False, (7, 5), "float16"),  # Colab's T4
        (False, (6, 1), "float32"),
    ):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, n=native: n)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert pick_precision("auto", torch.device("cuda")) == expected
    for quicker, expected in ((True, "float16"), (False, "float32")):
        monkeypatch.setattr(devices, "_is_quicker", lambda half, device, q=quicker: q)
        assert pick_precision("auto", torch.device("mps")) == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("share", "quicker"), [(0.7, True), (0.8, False), (1.6, False)])
def test_half_precision_is_taken_where_it_is_measured_to_be_quicker(
    share: float, quicker: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock by which a convolution takes a second, or that share of it in half precision; the first of each, ten."""
    now = 0.0
    begun: set[torch.dtype] = set()

    def conv2d(x: Tensor, weight: Tensor, padding: int) -> Tensor:
        nonlocal now
        now += (share if x.dtype == dtype else 1.0) * (1 if x.dtype in begun else 10)
        begun.add(x.dtype)
        return x

    monkeypatch.setattr(devices.time, "perf_counter", lambda: now)
    monkeypatch.setattr(devices.F, "conv2d", conv2d)
    devices._is_quicker.cache_clear()
    assert devices._is_quicker(dtype, torch.device("cpu")) is quicker
    devices._is_quicker.cache_clear()
    assert begun == {torch.float32, dtype}


@pytest.mark.numerical
@pytest.mark.parametrize("style_loss", ["relative", "gatys", "mean-covariance"])
def test_half_precision_gives_the_gradient_of_full_precision(
    style_loss: str, photo: Tensor, painting: Tensor, oxford: vgg.Weights
) -> None:
    """On the real network, whose activations would overflow float16 without their scale; in strips and in tiles too."""
    layers: dict[str, Any] = {"content_layers": {"relu3_1": 1.0}, "style_layers": {"relu1_1": 0.5, "relu3_1": 0.5}}
    gradients, losses = {}, {}
    for precision, tile in (("float32", None), ("float16", None), ("float16", 24)):
        run = iterate(
            photo, painting, "fast", weights=oxford, size=None, scales=((1.0, 1),), start="style",
            precision=precision, tile=tile, device="cpu", style_loss=style_loss, **layers,
        )  # fmt: skip
        losses[precision, tile] = next(run).losses["total"]
        assert run.state.variable.grad is not None
        gradients[precision, tile] = run.state.variable.grad.flatten()
    exact = gradients["float32", None]
    for key in (("float16", None), ("float16", 24)):
        assert losses[key] == pytest.approx(losses["float32", None], rel=0.01)
        assert float(torch.nn.functional.cosine_similarity(gradients[key], exact, dim=0)) > 0.999


@pytest.mark.numerical
@pytest.mark.parametrize("style_loss", STYLE_LOSSES)
def test_every_style_loss_is_itself_in_every_precision(style_loss: str, photo: Tensor, painting: Tensor) -> None:
    totals = {}
    for precision in ("float64", "float32", "bfloat16", "float16"):
        run = iterate(photo, painting, SMALL, style_loss=style_loss, precision=precision, start="style", device="cpu")
        losses = next(run).losses
        totals[precision] = sum(loss for name, loss in losses.items() if name.startswith("style/"))
    assert totals["float64"] > 0
    for precision, within in (("float32", 1e-3), ("float16", 0.05), ("bfloat16", 0.1)):
        assert totals[precision] == pytest.approx(totals["float64"], rel=within), precision


def test_a_gradient_too_small_for_float16_is_not_lost(photo: Tensor, painting: Tensor) -> None:
    """Nor one that is too large for it."""
    for weight in (1e-12, 1e9):
        recipe = SMALL.replace(content_weight=0.1 * weight, style_weight=weight, tv_weight=0, start="noise")
        runs = [iterate(photo, painting, recipe, precision=p, device="cpu") for p in ("float32", "float16")]
        gradients = []
        for run in runs:
            next(run)
            assert run.state.variable.grad is not None
            gradients.append(run.state.variable.grad.flatten().double())
        a, b = gradients
        assert float(a @ b / (a.norm() * b.norm())) > 0.99


def test_precisions_that_do_not_exist_are_refused() -> None:
    with pytest.raises(RecipeError, match="did you mean 'float32'"):
        pick_precision("float23", torch.device("cpu"))
    with pytest.raises(RecipeError, match="MPS has no float64"):
        pick_precision("float64", torch.device("mps"))
    assert pick_precision("float64", torch.device("cpu")) == "float64"


def test_auto_takes_the_best_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, best in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda c=cuda: c)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda m=mps: m)
        assert pick_device().type == best


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "there is no cuda on this machine: use 'auto' or 'cpu'"),
        ("cuda:3", "there is no cuda:3"),
        ("mps", "there is no mps"),
        ("cud", "did you mean 'cuda'"),
        ("meta", "unknown device 'meta'"),
        ("", "unknown device ''"),
        (None, "unknown device None"),
    ],
)
def test_devices_that_are_not_there_are_refused(
    device: str, message: str, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=message):
        iterate(photo, painting, SMALL, device=device)


def test_a_cuda_device_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="no cuda:2 on this machine"):
        pick_device("cuda:2")


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
needs_mps = pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no MPS device")


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=needs_cuda), pytest.param("mps", marks=needs_mps)])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_devices_agree_with_the_cpu(optimizer: str, device: str, photo: Tensor, painting: Tensor) -> None:
    exact = device != "mps"  # which has no float64; in float32 rounding may turn a ReLU or a pool the other way
    recipe = SMALL.replace(**OPTIMIZERS[optimizer], start="noise", scales=((0.5, 2), (1.0, 2)))
    recipe = recipe.replace(precision="float64" if exact else "float32")
    here, there = (paint(photo, painting, recipe, device=d) for d in ("cpu", device))
    assert there.device.startswith(device) and there.picture.device.type == "cpu"
    assert totals(there) == pytest.approx(totals(here), rel=1e-6 if exact else 1e-2)
    assert float((here.picture - there.picture).abs().mean()) < (1e-6 if exact else 1e-2)


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=needs_cuda), pytest.param("mps", marks=needs_mps)])
def test_a_run_saved_on_a_device_goes_on_there_to_the_same_picture(
    device: str, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    exact = device != "mps"
    recipe = SMALL.replace(precision="float64" if exact else "float32")
    whole = paint(photo, painting, recipe, device=device)
    run = iterate(photo, painting, recipe, device=device)
    for _ in range(3):
        next(run)
    on = resume(run.save(tmp_path / "half.run"), device=device, weights=TINY, progress=False)
    assert float((on.picture - whole.picture).abs().mean()) < (1e-6 if exact else 1e-2)


def test_a_first_step_does_not_wait_for_torchs_compiler() -> None:
    script = """
import sys, torch
import styletut as st
picture, tiny = torch.rand(1, 3, 32, 32), st.vgg.random_weights(width=0.1)
next(st.iterate(picture, picture, weights=tiny, device="cpu"))
assert "torch._dynamo" not in sys.modules
assert not hasattr(torch.optim.Optimizer.add_param_group.__wrapped__, "__dynamo_disable")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
