"""How much memory a run takes, and what is done when there is less."""

from __future__ import annotations

import functools
import math
import platform
import re
import weakref
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import styletut as st
from styletut import distributed, memory, objective, tape, vgg
from styletut.control import colour
from styletut.engine.team import Alone, Team
from styletut.errors import RecipeError
from styletut.losses import STYLE_LOSSES, TV_FORMS
from styletut.lowmem import gradients
from styletut.lowmem.objective import TapeReader
from styletut.lowmem.tiles import TiledReader

TINY = vgg.random_weights(width=0.1)
GRAM = st.recipes.get("gram").replace(weights=TINY, size=None)
NETWORK = objective.network(GRAM)
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


@pytest.mark.parametrize(("power", "letter"), [(1, "k"), (2, "M"), (3, "G"), (4, "t")])
def test_units_are_powers_of_1000_or_with_an_i_of_1024(power: int, letter: str) -> None:
    assert memory.parse(f" 2.5{letter}B") == memory.parse(f"2.5 {letter} ") == 2.5 * 1000**power
    assert memory.parse(f"2.5 {letter}iB") == memory.parse(f"2.5{letter}i") == 2.5 * 1024**power


def test_an_amount_is_a_byte_at_least_and_finite() -> None:
    assert memory.parse("1") == 1 and memory.parse("1.9") == 1
    for amount in (".9", "9" * 400):  # as a number the latter is infinite
        with pytest.raises(RecipeError, match="is no amount of memory"):
            memory.parse(amount)


def test_the_memory_of_this_machine() -> None:
    found = memory.available(torch.device("cpu"))
    assert found is not None and 10**7 < found < 10**14


def test_what_torch_keeps_of_a_graphics_processor_is_free_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: {cuda: (1000, 9000)}[device])
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: {cuda: 500}[device])
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: {cuda: 30}[device])
    assert memory.available(cuda) == 1470
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 1000)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 30)
    assert memory.available(torch.device("mps")) == 970


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
    smallest = memory.needed(GRAM, NETWORK, SIZE, "float32", tile=memory.TILES[-1], pairs=memory.PAIRS[-1])
    with pytest.raises(RecipeError) as caught:
        memory.plan(GRAM, NETWORK, SIZE, "float32", budget=smallest - 1)
    found = re.search(r"takes ([0-9,]+) MB at least, and it may take ([0-9,]+) MB", str(caught.value))
    assert found is not None
    least, budget = (int(number.replace(",", "")) for number in found.groups())
    assert budget < least and budget * 10**6 < smallest <= least * 10**6


def test_what_is_not_limited_is_computed_whole() -> None:
    assert memory.plan(GRAM, NETWORK, SIZE, "float32") == memory.Plan(
        None, GRAM.memory, memory.needed(GRAM, NETWORK, SIZE, "float32")
    )


@given(budget=some.integers(10**8, 4 * 10**9))
def test_a_plan_keeps_to_its_budget_and_is_the_first_that_does(budget: int) -> None:
    try:
        found = memory.plan(GRAM, NETWORK, SIZE, "float32", budget=budget)
    except RecipeError:
        smallest = memory.needed(GRAM, NETWORK, SIZE, "float32", tile=memory.TILES[-1], pairs=memory.PAIRS[-1])
        assert smallest > budget
        return
    assert found.bytes <= budget
    assert found.bytes == memory.needed(GRAM, NETWORK, SIZE, "float32", tile=found.tile, pairs=found.pairs)
    if found.tile is not None:  # a larger one would not have done
        larger = [None, *(side for side in memory.TILES if found.tile < side < max(SIZE))]
        assert all(memory.needed(GRAM, NETWORK, SIZE, "float32", tile=t, pairs=found.pairs) > budget for t in larger)
    if found.pairs < GRAM.memory:  # nor would it with all that the recipe remembers
        assert memory.needed(GRAM, NETWORK, SIZE, "float32", tile=memory.TILES[-1]) > budget


@pytest.mark.parametrize("decorrelation", [0.0, 0.5])
@pytest.mark.parametrize("tile", [None, 512])
@pytest.mark.parametrize(("precision", "bytes_each"), [("bfloat16", 2), ("float32", 4), ("float64", 8)])
@pytest.mark.parametrize(("optimizer", "evaluations"), [("lbfgs", 1), ("lbfgs", 4), ("adam", 1), ("sgd", 1)])
def test_every_picture_of_a_batch_takes_the_same_and_the_rest_is_there_once(
    optimizer: str, evaluations: int, precision: str, bytes_each: int, tile: int | None, decorrelation: float
) -> None:
    recipe = GRAM.replace(optimizer=optimizer, learning_rate=0.1, evaluations=evaluations, decorrelation=decorrelation)
    one, two, three = (memory.needed(recipe, NETWORK, SIZE, precision, batch=b, tile=tile) for b in (1, 2, 3))
    assert three - two == pytest.approx(two - one, rel=1e-9)
    once = (memory.SCRATCH + (memory.PIECES if tile else 0)) * bytes_each
    once += 0 if (optimizer, evaluations) == ("lbfgs", 1) else memory.COMPILER
    assert 2 * one - two == pytest.approx(once, rel=1e-6)


def test_what_content_and_coordinates_take() -> None:
    taken = memory.needed(GRAM, NETWORK, SIZE, "float32", batch=2)
    assert GRAM.content_layers == {"relu4_2": 1.0}, "512 channels, one position for 8 x 8 pixels"
    without = memory.needed(GRAM.replace(content_weight=0), NETWORK, SIZE, "float32", batch=2)
    assert taken - without == 2 * (1500 * 2000) // 64 * 512 * 4
    for precision, bytes_each in (("bfloat16", 4), ("float32", 4), ("float64", 8)):  # pictures are never in bfloat16
        plain, filtered = (
            memory.needed(GRAM.replace(decorrelation=d), NETWORK, SIZE, precision, batch=2) for d in (0.0, 0.5)
        )
        assert filtered - plain == 2 * 3 * 1500 * 2000 * bytes_each


def test_a_plan_is_made_for_the_batch_and_the_processes_that_there_are() -> None:
    every: list[dict[str, Any]] = [{"batch": 3}, {"workers": 3}]
    for options in every:
        found = memory.plan(GRAM, NETWORK, SIZE, "float32", **options)
        assert found.bytes == memory.needed(GRAM, NETWORK, SIZE, "float32", **options)
        assert found.bytes != memory.needed(GRAM, NETWORK, SIZE, "float32")


def test_of_a_picture_that_processes_share_each_takes_its_strip() -> None:
    alone, two, four = (memory.needed(GRAM, NETWORK, SIZE, "float32", workers=n) for n in (1, 2, 4))
    assert alone > two > four
    assert memory.needed(GRAM, NETWORK, SIZE, "float32", tile=512, workers=2) == memory.needed(
        GRAM, NETWORK, SIZE, "float32", tile=512
    )


def test_the_larger_the_tiles_the_more_they_take() -> None:
    taken = [memory.needed(GRAM, NETWORK, SIZE, "float32", tile=side) for side in memory.TILES]
    assert taken == sorted(taken, reverse=True)


@pytest.mark.parametrize(("optimizer", "remembers"), [("lbfgs", True), ("adam", False), ("sgd", False)])
def test_what_the_optimiser_keeps_counts(optimizer: str, remembers: bool) -> None:
    recipe = GRAM.replace(optimizer=optimizer, learning_rate=1.0)
    one, ten = (memory.needed(recipe, NETWORK, SIZE, "float32", pairs=pairs) for pairs in (1, 10))
    assert ten - one == (9 * 2 * 3 * 4 * SIZE[0] * SIZE[1] if remembers else 0)


def test_a_tile_that_is_given_is_kept() -> None:
    assert memory.plan(GRAM, NETWORK, SIZE, "float32", tile=300).tile == 300
    with pytest.raises(RecipeError, match=r"2000 x 1500 takes [0-9,]+ MB at least, and it may take 300 MB"):
        memory.plan(GRAM, NETWORK, SIZE, "float32", tile=300, budget=3 * 10**8)


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
def test_errors_that_mean_lack_of_memory(error: Exception, exhausted: bool) -> None:
    assert memory.is_exhausted(error) is exhausted


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library: nothing to give back by hand")
def test_memory_that_was_freed_in_pieces_goes_back_to_the_system() -> None:
    pieces = [torch.ones(1000) for _ in range(50_000)]  # 200 MB
    some_stay = pieces[::1000]  # so that no long run of memory is free
    before = psutil.Process().memory_info().rss
    del pieces
    memory.give_back()
    assert before - psutil.Process().memory_info().rss > 100e6 and len(some_stay) == 50


# --- the plan against what is there ------------------------------------------------------------------


class Live(TorchDispatchMode):
    """Counts the bytes of all tensors that live while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.seen: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, Tensor):
                self._note(one.untyped_storage())
        return found

    def _note(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.seen:

            def gone(_: Any) -> None:
                del self.seen[key]
                self.now -= size

            self.seen[key] = weakref.ref(storage, gone)
            self.now += size
            self.peak = max(self.peak, self.now)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_an_optimiser_has_no_more_copies_of_the_picture_than_the_plan_counts(
    optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its leaf, its gradient and the best picture to what a step of it needs."""
    recipe = GRAM.replace(optimizer=optimizer, learning_rate=0.01, memory=3, scales=((1.0, 6),), decorrelation=0.0)
    size = (64, 64)
    picture = torch.rand(1, 3, *size)
    run = st.iterate(picture, picture, recipe, device="cpu")
    each = picture.nbytes

    class Goal:
        """A loss whose gradient takes nothing beside itself."""

        def __call__(self, x: Tensor) -> dict[str, Tensor]:
            return {"total": Sum.apply(x)}

    monkeypatch.setattr(run.backend, "build", lambda size: Goal())
    with Live() as live:
        live._note(run.state.variable.untyped_storage())
        for _ in run:
            pass
    planned = memory.needed(recipe, None, size, "float32", pairs=3) - memory.needed(recipe, None, (1, 1), "float32")
    # The loss has no copies of its own but the picture that it is given.
    copies, taken = planned / each - memory.EVALUATION, live.peak / each - 1
    assert taken - 0.1 < copies < taken + 2.1


class Sum(torch.autograd.Function):
    """A loss whose gradient points from grey to the picture."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sum() + 1

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x - 0.5


@pytest.mark.parametrize("form", TV_FORMS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
def test_without_a_network_a_run_takes_what_its_plan_says(
    optimizer: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradients, "STRIP", 64 * 4)
    recipe = GRAM.replace(
        optimizer=optimizer, learning_rate=0.01, memory=3, scales=((1.0, 6),), decorrelation=0.5,
        content_weight=0, style_weight=0, tv_weight=0.01, tv_loss=form, precision="float32",
    )  # fmt: skip
    picture = torch.rand(1, 3, 64, 64)
    run = st.iterate(picture, None, recipe, device="cpu")
    with Live() as live:
        live._note(run.state.variable.untyped_storage())
        for _ in run:
            pass
    fixed = memory.needed(recipe, None, (1, 1), "float32")
    assert live.peak <= run.plan.bytes - fixed


@pytest.mark.parametrize("pooling", ["max", "average", "max-same"])
def test_what_a_plan_says_of_the_tape_is_what_the_tape_keeps(pooling: str) -> None:
    size = (64, 48)
    network = objective.network(GRAM.replace(pooling=pooling, weights=vgg.random_weights()))
    assert network is not None
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    made = tape.Tape(network, torch.rand(1, 3, *size), lambda *_: None)
    kept, peak = memory._tape(network, size, 4, "cpu")
    assert kept == pytest.approx(made.bytes, rel=0.05)
    assert peak > kept


def test_padding_that_copies_a_map_and_halos_that_wrap_are_planned_for() -> None:
    weights = vgg.random_weights(width=0.1)

    def planned(padding: str, tile: int | None = None) -> int:
        recipe = GRAM.replace(padding=padding, weights=weights)
        return memory.needed(recipe, objective.network(recipe), (1024, 1024), "float32", tile=tile)

    assert planned("zeros") < planned("replicate") == planned("reflect")
    # Each of four tiles has a halo on both sides where the picture wraps, and elsewhere on one.
    assert planned("reflect", 512) < planned("circular", 512)


def test_tiles_take_something_beside_their_own_share() -> None:
    """Memory that is given back in pieces is not all used again."""
    size = (512, 512)
    whole, tiled = (memory.needed(GRAM, NETWORK, size, "float32", tile=tile) for tile in (None, 512))
    assert tiled - whole == memory.PIECES * 4 > 10**8


def test_processes_on_one_machine_share_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    def minimum(amount: float, device: torch.device) -> float:
        told.append(amount)
        return amount

    monkeypatch.setattr(distributed, "minimum", minimum)
    monkeypatch.setattr(distributed, "count_all", lambda: 4)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    cpu, cuda = Team(torch.device("cpu")), Team(torch.device("cuda"))
    assert cpu.budget(1000, free=True) == 250  # what is free is there once for all four
    assert cpu.budget(1000, free=False) == 1000  # what was allowed, was allowed to each
    assert cuda.budget(1000, free=True) == 1000  # each has a card of its own
    assert cpu.budget(None, free=True) is None
    assert told == [250, 1000, 1000, math.inf]
    assert Alone().budget(1000, free=True) == 1000


@pytest.mark.parametrize("tile", [None, 64])
def test_reading_a_style_takes_what_the_plan_counts(tile: int | None) -> None:
    size = (320, 256)
    network = objective.network(GRAM.replace(weights=vgg.random_weights()))
    assert network is not None
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    style = torch.rand(1, 3, *size).contiguous(memory_format=torch.channels_last)
    reader = TapeReader() if tile is None else TiledReader(tile)
    with Live() as live:
        reader.statistics(network, style, GRAM.style_layers, STYLE_LOSSES["mean-covariance"])
    counted = memory._forward(network, memory._largest(network, size, tile or size), 4, "cpu")
    assert 0.75 * live.peak < counted < 1.5 * live.peak


def test_a_plan_counts_a_style_that_is_larger_than_the_picture() -> None:
    small, large = (256, 256), (3000, 4000)
    without, same, much = (memory.plan(GRAM, NETWORK, small, "float32", style=style) for style in (None, small, large))
    assert without == same and much.bytes > 4 * same.bytes and much.tile is None
    tiled = memory.plan(GRAM, NETWORK, small, "float32", style=large, budget=10**9)
    assert tiled.tile is not None and tiled.tile > max(small) and tiled.bytes <= 10**9
    with pytest.raises(RecipeError, match="a picture of 256 x 256 with a style of 4000 x 3000 takes"):
        memory.plan(GRAM, NETWORK, small, "float32", style=large, budget=10**8)


@pytest.mark.parametrize("method", [choice for choice in st.recipes.field("colour").choices if choice != "style"])
def test_keeping_colours_takes_what_the_plan_counts(method: str) -> None:
    size, (photo, painting) = (320, 256), torch.rand(2, 1, 3, 320, 256)
    with Live() as live:
        if method == "luminance":
            colour.replace_chroma(painting, photo, keep=1.0)
        else:
            colour.match_colours(painting, photo, method)
    counted = memory.COLOURS[method] * photo.nbytes
    assert live.peak < counted < 1.6 * live.peak  # resident memory is more than what lives
    kept = GRAM.replace(colour=method)
    least = functools.partial(memory.needed, precision="float32", tile=384, pairs=2)
    tiled = [least(recipe, NETWORK, (4096, 4096)) for recipe in (GRAM, kept)]
    assert tiled[1] > max(tiled[0], memory.COLOURS[method] * 4096 * 4096 * 12)
    assert least(kept, NETWORK, size, style=(4096, 4096)) > least(kept, NETWORK, size)
    assert least(kept.replace(colour_strength=0.0), NETWORK, (4096, 4096)) == tiled[0]


def test_a_run_plans_for_the_style_at_the_largest_of_its_scales() -> None:
    content, style = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 600, 400)
    plans = [
        st.iterate(content, style, GRAM, style_scale=scales, device="cpu").plan.bytes
        for scales in (1.0, "own", (1.0, "own"))
    ]
    assert plans[0] < plans[1] == plans[2]
