"""How much memory a run takes, and what is done when there is less."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

import styletut as st
from styletut import memory, objective, vgg
from styletut.errors import RecipeError

TINY = vgg.random_weights(width=0.1)
FAST = st.recipes.get("fast").replace(weights=TINY, size=None)
NETWORK = objective.network(FAST)
SIZE = (1500, 2000)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("4GB", 4e9), ("4 gb", 4e9), ("4G", 4e9), (".5 GiB", 2**29), ("800MB", 8e8), (5000, 5000), (1e9, 1e9), ("7", 7)],
)
def test_amounts_of_memory(text: int | float | str, amount: float) -> None:
    assert memory.parse(text) == amount


@pytest.mark.parametrize("text", ["", "much", "-4GB", "4 parsecs", "0", 0, -1, "GB", True, float("nan"), float("inf")])
def test_what_is_no_amount_of_memory(text: int | float | str) -> None:
    with pytest.raises(RecipeError, match="is no amount of memory: write it like 4GB"):
        memory.parse(text)


def test_the_memory_of_this_machine() -> None:
    found = memory.available(torch.device("cpu"))
    assert found is not None and 10**7 < found < 10**14


V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


def group(folder: Path, names: tuple[str, str, str], limit: int | str, used: int, reclaimable: int) -> None:
    """A control group as the kernel shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {reclaimable}\nfile 7\n")


@pytest.mark.parametrize(
    ("own", "folder", "names", "limits", "left"),
    [
        ("0::/", "", V2, {"": 1000}, [720]),  # within a container with a namespace of its own
        ("0::/docker/1f", "", V2, {"": 1000}, [720]),  # and without one: the path is the host's
        ("0::/pods/a/b", "", V2, {"pods/a/b": "max", "pods/a": 1000, "pods": 2000}, [720, 1720]),
        ("0::/a", "unified", V2, {"a": 1000}, [720]),
        ("4:memory:/docker/1f", "memory", V1, {"docker/1f": 1000, "": 2**63 - 4096}, [720, 2**63 - 4376]),
        ("3:cpuset,memory:/x", "cpuset,memory", V1, {"x": 1000}, [720]),
        ("4:memory:/docker/1f", "memory", V1, {"": 200}, [0]),
        ("0::/", "", V2, {"": "max"}, []),
        ("0::/", "", V2, {}, []),
        ("4:cpu:/a", "cpu", V1, {"a": 1000}, []),
        ("0::/../../other", "", V2, {"": 1000}, [720]),
        ("nonsense", "", V2, {"": 1000}, []),
    ],
)
def test_the_memory_that_a_container_leaves(
    own: str, folder: str, names: tuple[str, str, str], limits: dict[str, int | str], left: list[int], tmp_path: Path
) -> None:
    """Of 400 bytes in use 120 are of files, and make way."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"9:name=systemd:/\n{own}\n1:cpu:/\n")
    for path, limit in limits.items():
        group(tmp_path / "sys/fs/cgroup" / folder / path, names, limit, 400, 120)
    assert list(memory._container(tmp_path)) == left


def test_a_container_counts_where_it_leaves_less_than_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_container", lambda: iter([12345, 10**15]))
    assert memory.available(torch.device("cpu")) == 12345
    monkeypatch.setattr(memory, "_container", lambda: iter([]))
    assert 10**7 < (memory.available(torch.device("cpu")) or 0) < 10**14


def test_a_refusal_shows_by_how_much_it_does_not_fit() -> None:
    smallest = memory.needed(FAST, NETWORK, SIZE, "float32", tile=memory.TILES[-1], pairs=memory.PAIRS[-1])
    with pytest.raises(RecipeError) as caught:
        memory.plan(FAST, NETWORK, SIZE, "float32", budget=smallest - 1)
    found = re.search(r"takes ([0-9,]+) MB at least, and it may take ([0-9,]+) MB", str(caught.value))
    assert found is not None
    least, budget = (int(number.replace(",", "")) for number in found.groups())
    assert budget < least and budget * 10**6 < smallest <= least * 10**6


def test_what_is_not_limited_is_computed_whole() -> None:
    assert memory.plan(FAST, NETWORK, SIZE, "float32") == memory.Plan(
        None, FAST.memory, memory.needed(FAST, NETWORK, SIZE, "float32")
    )


@given(budget=some.integers(10**8, 4 * 10**9))
def test_a_plan_keeps_to_its_budget_and_is_the_first_that_does(budget: int) -> None:
    try:
        found = memory.plan(FAST, NETWORK, SIZE, "float32", budget=budget)
    except RecipeError:
        smallest = memory.needed(FAST, NETWORK, SIZE, "float32", tile=memory.TILES[-1], pairs=memory.PAIRS[-1])
        assert smallest > budget
        return
    assert found.bytes <= budget
    assert found.bytes == memory.needed(FAST, NETWORK, SIZE, "float32", tile=found.tile, pairs=found.pairs)
    if found.tile is not None:  # a larger one would not have done
        larger = [None, *(side for side in memory.TILES if found.tile < side < max(SIZE))]
        assert all(memory.needed(FAST, NETWORK, SIZE, "float32", tile=t, pairs=found.pairs) > budget for t in larger)
    if found.pairs < FAST.memory:  # nor would it with all that the recipe remembers
        assert memory.needed(FAST, NETWORK, SIZE, "float32", tile=memory.TILES[-1]) > budget


def test_the_larger_the_tiles_the_more_they_take() -> None:
    taken = [memory.needed(FAST, NETWORK, SIZE, "float32", tile=side) for side in memory.TILES]
    assert taken == sorted(taken, reverse=True)


@pytest.mark.parametrize(("optimizer", "remembers"), [("lbfgs", True), ("adam", False), ("sgd", False)])
def test_what_the_optimiser_keeps_counts(optimizer: str, remembers: bool) -> None:
    recipe = FAST.replace(optimizer=optimizer, learning_rate=1.0)
    one, ten = (memory.needed(recipe, NETWORK, SIZE, "float32", pairs=pairs) for pairs in (1, 10))
    assert ten - one == (9 * 2 * 3 * 4 * SIZE[0] * SIZE[1] if remembers else 0)


def test_a_tile_that_is_given_is_kept() -> None:
    assert memory.plan(FAST, NETWORK, SIZE, "float32", tile=300).tile == 300
    with pytest.raises(RecipeError, match=r"2000 x 1500 takes [0-9,]+ MB at least, and it may take 300 MB"):
        memory.plan(FAST, NETWORK, SIZE, "float32", tile=300, budget=3 * 10**8)


@pytest.mark.parametrize(
    ("error", "exhausted"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_that_mean_want_of_memory(error: Exception, exhausted: bool) -> None:
    assert memory.is_exhausted(error) is exhausted


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library: nothing to give back by hand")
def test_memory_that_was_freed_in_pieces_goes_back_to_the_system() -> None:
    pieces = [torch.ones(1000) for _ in range(50_000)]  # 200 MB
    some_stay = pieces[::1000]  # so that no long run of memory is free
    before = psutil.Process().memory_info().rss
    del pieces
    memory.give_back()
    assert before - psutil.Process().memory_info().rss > 100e6 and len(some_stay) == 50
