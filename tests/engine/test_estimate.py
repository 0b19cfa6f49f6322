"""Estimates of evaluations, memory and time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engine_helpers import LBFGS, LONG, OPTIMIZERS, SGD, SMALL, SMOOTH, paint
from torch import Tensor

from styletut import objective, tiles, transfer
from styletut.engine import devices
from styletut.engine import estimate as estimating
from styletut.errors import RecipeError
from styletut.transfer import estimate


@pytest.mark.parametrize("name", ["sgd", "adam", "lbfgs"])
def test_an_estimate_knows_the_evaluations_exactly(name: str, photo: Tensor, painting: Tensor) -> None:
    recipe = LONG.replace(**OPTIMIZERS[name])
    assert estimate(photo, painting, recipe).evaluations == paint(photo, painting, recipe).evaluations == 7
    rounds = LONG.replace(**LBFGS, evaluations=4)
    assert estimate(photo, painting, rounds).evaluations == paint(photo, painting, rounds).evaluations == 28


def test_an_estimate_grows_with_size_steps_and_precision(painting: Tensor) -> None:
    content = torch.rand(1, 3, 64, 64)

    def cost(**changes: Any) -> transfer.Estimate:
        return estimate(content, painting, SMALL, device="cpu", **changes)

    small, large = cost(size=32), cost(size=64)
    assert 0 < small.memory_bytes < large.memory_bytes
    assert small.seconds > 0 and large.seconds > 0
    assert cost(steps=12).evaluations == 2 * large.evaluations
    assert cost(precision="float64").memory_bytes > large.memory_bytes > cost(precision="bfloat16").memory_bytes
    assert cost(content_layers=dict(SMALL.content_layers) | {"relu4_1": 1.0}).memory_bytes > large.memory_bytes
    batch = estimate(torch.rand(4, 3, 64, 64), painting, SMALL.replace(**SGD, batch=4)).memory_bytes
    assert batch > estimate(content, painting, SMALL.replace(**SGD)).memory_bytes


def test_the_seconds_of_an_estimate_grow_with_the_pixels(painting: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that ticks once a look, so that every evaluation of the probe takes one second."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: float(next(ticks)))
    found = estimate(torch.rand(1, 3, 320, 320), painting, SMALL, scales=((0.5, 10), (1.0, 5)), device="cpu")
    # 160 x 160 pixels take 1 s; half the size is just that, the full size four times as much.
    assert found.seconds == pytest.approx(10 * 1 + 5 * 4)


@pytest.mark.parametrize("device", ["cuda:0", "mps", "cpu"])
def test_a_clock_waits_for_the_device(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda where: waited.append(str(where)))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    devices.synchronize(torch.device(device))
    assert waited == ([device] if device != "cpu" else [])


def test_the_seconds_of_an_estimate_know_what_tiles_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pixel is seen once in every tile whose halo it lies in, and a tile passes forward twice."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: float(next(ticks)))
    picture = torch.rand(1, 3, 320, 320)
    found = estimate(picture, picture, SMALL, scales=((1.0, 5),), tile=80, device="cpu")
    network = objective.network(SMALL)
    seen = sum(tile.padded.pixels for tile in tiles.Tiling.of(network, (320, 320), 80))
    assert seen > 1.3 * 320**2
    # 160 x 160 pixels take 1 s whole: forward is a third, back two thirds.
    assert found.seconds == pytest.approx(5 * 1.5 * seen / 160**2)


def test_an_estimate_reads_as_one_line(photo: Tensor, painting: Tensor) -> None:
    line = str(estimate(photo, painting, SMALL, device="cpu"))
    assert "\n" not in line
    for word in ("40 x 32 pixels", "6 evaluations", "float32 on cpu", " s and ", " GB"):
        assert word in line
    assert "about 5 min" in str(transfer.Estimate(1, 300.0, 10**9, (1, 1), "cpu", "float32"))


def test_an_estimate_needs_no_network_for_total_variation(photo: Tensor) -> None:
    found = estimate(photo, None, SMOOTH)
    assert found.memory_bytes > 0 and found.precision == "float64"


def test_an_estimate_raises_what_the_run_would(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match="did you mean 'size'"):
        estimate(photo, painting, SMALL, sise=3)
    with pytest.raises(RecipeError, match="content pictures at once"):
        estimate([photo, photo], painting, SMALL)
