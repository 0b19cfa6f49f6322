"""Memory and tiles: how a run is computed, and how it goes on when memory runs out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine_helpers import ADAM, OPTIMIZERS, SGD, SMALL, TINY, paint, totals
from torch import Tensor

import styletut as st
from styletut import memory, transfer, vgg
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
    recipe = st.recipes.get("fast").replace(weights=tiny, size=None, memory=50)
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
