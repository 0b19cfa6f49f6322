"""Memory and tiles: how a run is computed, and how it goes on when memory runs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from engine_helpers import ADAM, OPTIMIZERS, SGD, SMALL, TINY, paint, totals
from torch import Tensor

import styletut as st
from styletut import memory, transfer, vgg
from styletut.engine import backend
from styletut.engine.backend import Backend, placed
from styletut.errors import RecipeError
from styletut.transfer import iterate


def test_targets_are_computed_once_for_each_scale(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    prepare = vgg.VGG.prepare
    monkeypatch.setattr(vgg.VGG, "prepare", lambda self, x: calls.append(1) or prepare(self, x))  # type: ignore[func-returns-value]
    result = paint(photo, painting, scales=((0.5, 3), (1.0, 5)), **SGD)
    assert len(calls) == result.evaluations + 2 * 2  # content and style, at two scales


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.numerical
def test_a_run_in_tiles_comes_to_the_same_picture(name: str, photo: Tensor, painting: Tensor) -> None:
    recipe = SMALL.replace(**OPTIMIZERS[name], precision="float64", scales=((0.5, 3), (1.0, 3)))
    whole, tiled = paint(photo, painting, recipe), paint(photo, painting, recipe, tile=16)
    assert torch.allclose(tiled.picture, whole.picture, atol=1e-6)
    assert totals(tiled) == pytest.approx(totals(whole), rel=1e-6)


def test_a_run_says_how_it_is_computed(photo: Tensor, painting: Tensor) -> None:
    assert st.iterate(photo, painting, SMALL).plan.tile is None
    assert st.iterate(photo, painting, SMALL, tile=16).plan.tile == 16
    assert st.estimate(photo, painting, SMALL, tile=16).tile == 16
    line = str(st.estimate(photo, painting, SMALL, tile=16))
    assert line.endswith("GB, in tiles of 16")


def test_processes_share_the_network_and_keep_to_the_tiles_of_the_plan(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = st.iterate(photo, painting, SMALL, tile=16, device="cpu").backend
    monkeypatch.setattr(found.team, "count", 2)
    shared: list[Any] = []
    monkeypatch.setattr(backend, "SharedObjective", lambda network, terms, tile: shared.extend([network, tile]))
    found.build((40, 32))
    assert shared == [found.network, 16]


def test_a_budget_makes_lbfgs_forget_before_the_run_is_refused(painting: Tensor) -> None:
    content = torch.rand(1, 3, 64, 64)
    whole = st.iterate(content, painting, SMALL).plan
    assert whole.pairs == SMALL.memory
    less = st.iterate(content, painting, SMALL, max_memory=whole.bytes - 1)
    assert less.plan.pairs < SMALL.memory and less.plan.bytes < whole.bytes
    next(less)
    assert less.stepper is not None
    assert less.stepper.optimizer.param_groups[0]["history_size"] == less.plan.pairs
    with pytest.raises(RecipeError, match=r"takes .* MB at least, and it may take"):
        st.iterate(content, painting, SMALL, max_memory="1 MB")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no"), RuntimeError("can't allocate memory"), MemoryError()])
@pytest.mark.parametrize("where", ["targets", "statistics"])
def test_out_of_memory_a_run_goes_on_in_tiles_and_loses_nothing(
    error: Exception, where: str, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that has room for half the photograph and its halo only."""
    recipe = SMALL.replace(**ADAM, precision="float64", scales=((1.0, 5),))
    whole = paint(photo, painting, recipe)
    prepare, calls = vgg.VGG.prepare, iter(range(10**6))

    def cramped(net: vgg.VGG, x: Tensor) -> Tensor:
        begun = where == "targets" or next(calls) > 3
        if begun and x.shape[-2:] == photo.shape[-2:]:
            raise error
        return prepare(net, x)

    monkeypatch.setattr(vgg.VGG, "prepare", cramped)
    monkeypatch.setattr(memory, "TILES", (20,))
    with pytest.warns(transfer.TilingWarning, match="out of memory at 40 x 32 pixels: going on in tiles of 20"):
        found = paint(photo, painting, recipe)
    assert torch.allclose(found.picture, whole.picture, atol=1e-6)
    assert found.evaluations == whole.evaluations == len(found.history)


def test_falling_back_to_tiles_never_asks_for_more_than_before(tiny: vgg.Weights) -> None:
    """A budget has made L-BFGS remember less already."""
    picture = torch.rand(1, 3, 1200, 1200)
    recipe = st.recipes.get("fast").replace(weights=tiny, size=None, memory=50, margin=0)
    least = iterate(picture, picture, recipe, tile=memory.TILES[-1]).plan.bytes
    run = iterate(picture, picture, recipe, max_memory=least - 1)
    size = (1200, 1200)
    before = run.backend.plan(size)
    assert before.pairs < 50
    with pytest.warns(transfer.TilingWarning):
        run.backend._shrink(size)
    after = run.backend.plan(size)
    assert after.pairs == before.pairs and after.bytes < before.bytes
    assert after.tile is not None and after.tile < (before.tile or 1200)


def test_after_running_out_of_memory_the_plan_counts_what_a_plan_of_such_tiles_counts(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The regions, the batch, and a style larger than the picture among it."""
    monkeypatch.setattr(memory, "TILES", (16,))
    half, style = torch.ones(1, 1, 40, 32) / 2, torch.rand(1, 3, 200, 160)
    photos = torch.cat([photo, photo.flip(3)])
    recipe = SMALL.replace(style_scale="own", batch=2, **ADAM)

    def begun(**options: Any) -> Backend:
        return st.iterate(photos, [style, painting], recipe, device="cpu", **options).backend

    cramped = begun(masks=[half, half])
    with pytest.warns(transfer.TilingWarning):
        cramped._shrink((40, 32))
    plan = cramped.plan((40, 32))
    assert plan == begun(masks=[half, half], tile=16).plan((40, 32))
    assert plan.bytes > begun(tile=16).plan((40, 32)).bytes, "without regions"


def test_the_style_that_is_planned_for_is_the_one_of_most_pixels(photo: Tensor) -> None:
    long, square = torch.rand(1, 3, 300, 20), torch.rand(1, 3, 100, 100)
    run = st.iterate(photo, [long, square], SMALL.replace(style_scale="own"), device="cpu")
    assert run.backend._largest_style((40, 32)) == (100, 100)


@pytest.mark.parametrize(
    ("precision", "network", "rest"),
    [
        ("float32", torch.float32, torch.float32),
        ("float64", torch.float64, torch.float64),
        ("bfloat16", torch.bfloat16, torch.float32),
        ("float16", torch.float16, torch.float32),
    ],
)
def test_a_network_is_placed_whole_and_what_is_subtracted_stays_exact(
    precision: str, network: torch.dtype, rest: torch.dtype
) -> None:
    net = placed(vgg.VGG(["relu2_1"], weights=TINY), torch.device("meta"), precision)
    assert isinstance(net, vgg.VGG)
    assert {x.device.type for x in [*net.parameters(), *net.buffers()]} == {"meta"}
    assert {x.dtype for x in net.parameters()} == {network} and {x.dtype for x in net.buffers()} == {rest}


def test_out_of_memory_in_the_smallest_tiles_is_an_error(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(net: vgg.VGG, x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(vgg.VGG, "prepare", full)
    monkeypatch.setattr(memory, "TILES", (20, 16))
    with pytest.warns(transfer.TilingWarning), pytest.raises(MemoryError, match="even in the smallest tiles"):
        paint(photo, painting)


def test_another_error_is_not_taken_for_lack_of_memory(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = st.iterate(photo, painting, SMALL)
    next(run)

    def broken(picture: Tensor) -> dict[str, Tensor]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(run.stepper, "objective", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        next(run)


def test_a_resumed_run_keeps_its_tiles_and_takes_others(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    run = st.iterate(photo, painting, SMALL, tile=16, max_memory="2GB")
    next(run)
    path = run.save(tmp_path / "run.pt")
    again = transfer.Run.load(path, weights=TINY)
    assert again.plan == run.plan and again.execution.max_memory == 2 * 10**9
    assert transfer.Run.load(path, weights=TINY, tile=24).plan.tile == 24
