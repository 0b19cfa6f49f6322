"""The optimiser made for pictures, and the coordinates it moves them in."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

import styletut as st
from styletut import optim, vgg
from styletut.engine.optim import LBFGS, Spectrum

pytestmark = pytest.mark.numerical

TINY = vgg.random_weights(width=0.1)
SMALL = st.recipes.get("gram").replace(weights=TINY, size=None, scales=((1.0, 12),), precision="float32")


def bowl(curvatures: Tensor) -> Callable[[Tensor], Tensor]:
    """A quadratic that is no quadratic: with a quartic part, so that curvatures change on the way."""
    return lambda x: (curvatures * x**2).sum() / 2 + (x**4).sum() / 20


def path(loss: Callable[[Tensor], Tensor], start: Tensor, steps: int, **options: float) -> list[tuple[Tensor, Tensor]]:
    """Points and gradients on the way."""
    x = start.clone().requires_grad_(True)
    optimizer = LBFGS([x], **options)  # type: ignore[arg-type]
    found: list[tuple[Tensor, Tensor]] = []

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = loss(x)
        value.backward()
        assert x.grad is not None
        found.append((x.detach().clone(), x.grad.clone()))
        return value

    for _ in range(steps):
        optimizer.step(evaluate)
    return found


def dense(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The inverse Hessian by the BFGS formula, matrix by matrix (Nocedal and Wright 2006, equation 6.17)."""
    one = torch.eye(len(pairs[0][0]), dtype=torch.float64)
    inverse = one * max(float(s @ y / (y @ y)) for s, y in pairs[-optim.RECENT :])
    for s, y in pairs:
        rho = 1 / (s @ y)
        left = one - rho * torch.outer(s, y)
        inverse = left @ inverse @ left.T + rho * torch.outer(s, s)
    return inverse


@pytest.mark.parametrize("memory", [1, 3, 20])
def test_every_step_is_that_of_the_matrix_formula(memory: int) -> None:
    curvatures = torch.logspace(0, 1, 12, dtype=torch.float64)
    found = path(bowl(curvatures), torch.linspace(-2, 1, 12, dtype=torch.float64), 16, lr=0.9, history_size=memory)
    (x, g), (after, _) = found[:2]
    first = 12**0.5 / 255
    torch.testing.assert_close(after - x, -0.9 * first * g / g.norm(), msg="the first step has its size in pixels")
    pairs: list[tuple[Tensor, Tensor]] = []
    for (before, g0), (x, g), (after, _) in zip(found, found[1:], found[2:], strict=False):
        pairs = [*pairs, (x - before, g - g0)][-memory:]
        torch.testing.assert_close(after - x, -0.9 * dense(pairs) @ g, rtol=1e-6, atol=1e-12)


def test_a_pair_that_is_about_to_be_forgotten_takes_no_memory_during_an_evaluation() -> None:
    x = torch.linspace(-2, 1, 12).requires_grad_(True)
    optimizer, remembered = LBFGS([x], history_size=3), []

    def evaluate() -> Tensor:
        remembered.append(len(optimizer.state[x].get("s", ())))
        optimizer.zero_grad()
        value = bowl(torch.logspace(0, 1, 12))(x)
        value.backward()
        return value

    for _ in range(8):
        optimizer.step(evaluate)
    assert remembered == [0, 0, 1, 2, 2, 2, 2, 2]  # the third pair ends with this evaluation


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_unit_of_the_loss_does_not_matter(unit: float) -> None:
    """torch's own skips a pair where s'y is below 1e-10, and stalls where losses are small."""
    loss = bowl(torch.logspace(0, 2, 30, dtype=torch.float64))
    start = torch.linspace(-1, 1, 30, dtype=torch.float64)
    plain = path(loss, start, 25)
    scaled = path(lambda x: unit * loss(x), start, 25)
    torch.testing.assert_close(scaled[-1][0], plain[-1][0], rtol=1e-5, atol=1e-9)


def test_it_comes_to_the_minimum_of_an_elongated_valley() -> None:
    found = path(bowl(torch.logspace(0, 2, 50, dtype=torch.float64)), torch.ones(50, dtype=torch.float64), 150)
    assert float(found[-1][0].abs().max()) < 1e-6


def test_where_the_gradient_is_zero_there_is_no_step() -> None:
    found = path(lambda x: (x**2).sum(), torch.zeros(10**6), 3)
    assert all(float(x.abs().max()) == 0 for x, _ in found)


def test_negative_curvature_does_not_make_it_ascend() -> None:
    """Where the curvature is negative a pair tells nothing of a minimum, and is left out."""
    found = path(lambda x: torch.cos(x).sum(), torch.full((4,), 0.3, dtype=torch.float64), 40, first_step=0.5)
    assert float(torch.cos(found[-1][0]).sum()) == pytest.approx(-4)


def test_several_parameters_are_one_vector() -> None:
    curvatures, start = torch.tensor([1.0, 3.0, 9.0, 27.0]), torch.tensor([1.0, -1.0, 1.0, 2.0])
    found = path(bowl(curvatures), start, 8)
    parts = [start[:1].clone().requires_grad_(True), start[1:].clone().view(3, 1).requires_grad_(True)]
    optimizer = LBFGS(parts)

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = bowl(curvatures)(torch.cat([part.flatten() for part in parts]))
        value.backward()
        return value

    for _ in range(7):
        optimizer.step(evaluate)
    torch.testing.assert_close(torch.cat([part.detach().flatten() for part in parts]), found[7][0])


def state_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Every tensor of a state with more than one number, in lists too."""
    entries = itertools.chain.from_iterable(state.values() for state in optimizer.state.values())
    every = itertools.chain.from_iterable(entry if isinstance(entry, list) else [entry] for entry in entries)
    return [one for one in every if isinstance(one, Tensor) and one.numel() > 1]


def remembering(make: Callable[[list[Tensor]], torch.optim.Optimizer]) -> torch.optim.Optimizer:
    """An optimiser after five steps, with all that it comes to remember."""
    x = torch.linspace(-2, 1, 12).requires_grad_(True)
    optimizer = make([x])

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = bowl(torch.logspace(0, 1, 12))(x)
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(evaluate)  # type: ignore[arg-type]
    return optimizer


@pytest.mark.parametrize("kind", [LBFGS, torch.optim.LBFGS, torch.optim.Adam])
@pytest.mark.parametrize("there", [torch.empty(12, device="meta"), torch.empty(12, dtype=torch.float64)])
def test_the_state_of_an_optimiser_moves_with_its_parameters(kind: Any, there: Tensor) -> None:
    """As when a run that was saved goes on, on another device or in another precision."""
    kept = remembering(kind)
    optimizer = kind([there.clone().requires_grad_(True)])
    optimizer.load_state_dict(kept.state_dict())
    found = state_of(optimizer)
    assert len(found) == len(state_of(kept)) > 1
    assert {(one.device, one.dtype) for one in found} == {(there.device, there.dtype)}


def test_a_state_whose_last_step_was_called_step_is_understood() -> None:
    kept = remembering(LBFGS).state_dict()
    old = kept | {"state": {0: {name.replace("last_step", "step"): v for name, v in kept["state"][0].items()}}}
    assert "step" in old["state"][0]
    optimizer = LBFGS([torch.empty(12, dtype=torch.float64, requires_grad=True)])
    optimizer.load_state_dict(old)
    (state,) = optimizer.state.values()
    torch.testing.assert_close(state["last_step"], kept["state"][0]["last_step"].double())


# --- coordinates ----------------------------------------------------------------------------------------


def wave(frequency: float, colours: tuple[float, float, float], size: int = 40) -> Tensor:
    row = torch.cos(2 * torch.pi * frequency * torch.arange(size, dtype=torch.float64))
    return row.expand(size, size) * torch.tensor(colours, dtype=torch.float64).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("frequency", "colours", "factor"),
    [
        (0.1, (1, 1, 1), 1.0),
        (0.025, (1, 1, 1), 2.0),
        (0.4, (1, 1, 1), 0.5),
        (0.1, (1, -1, 0), optim.COLOUR),
        (0.1, (1, 1, -2), optim.COLOUR),
        (0.025, (1, -1, 0), 2 * optim.COLOUR),
        (0.0, (1, 1, 1), 2.0),  # the mean as the lowest frequency
    ],
)
def test_each_frequency_is_scaled_by_its_power(
    frequency: float, colours: tuple[float, float, float], factor: float
) -> None:
    x = wave(frequency, colours)
    torch.testing.assert_close(Spectrum(0.5, (40, 40), dtype=torch.float64).picture(x), factor * x)


@pytest.mark.parametrize("size", [(16, 16), (8, 40), (40, 8)])
def test_the_mean_is_scaled_as_the_lowest_frequency_that_the_picture_has(size: tuple[int, int]) -> None:
    """Without that bound the mean would be scaled by a power of zero; with another one it would move too far."""
    spectrum = Spectrum(0.5, size, dtype=torch.float64)
    lowest = 1 / max(size)
    assert float(spectrum.scale[0, 0]) == pytest.approx((lowest / optim.UNIT_FREQUENCY) ** -0.5)
    flat = torch.ones(1, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(spectrum.picture(flat), (lowest / 0.1) ** -0.5 * flat)
    assert float(spectrum.scale.max()) == float(spectrum.scale[0, 0])


def test_the_scale_of_coordinates_has_the_device_and_dtype_that_are_asked_for() -> None:
    assert Spectrum(0.5, (6, 7), device="meta").scale.device.type == "meta"
    scale = Spectrum(0.5, (6, 7), dtype=torch.float64).scale
    assert scale.shape == (6, 4) and scale.dtype == torch.float64
    assert float(scale[0, 1]) == pytest.approx((1 / 7 / 0.1) ** -0.5, rel=1e-14)
    assert float(scale[1, 0]) == pytest.approx((1 / 6 / 0.1) ** -0.5, rel=1e-14)


@given(rows=some.integers(1, 40), columns=some.integers(1, 40), exponent=some.floats(0, 2), seed=some.integers(0, 99))
def test_scaling_and_unscaling_are_inverse(rows: int, columns: int, exponent: float, seed: int) -> None:
    picture = torch.rand(2, 3, rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    spectrum = Spectrum(exponent, (rows, columns), dtype=torch.float64)
    torch.testing.assert_close(spectrum.picture(spectrum.coordinates(picture)), picture)


def test_the_gradient_passes_through_the_same_filter() -> None:
    spectrum = Spectrum(0.7, (6, 9), dtype=torch.float64)
    x = torch.rand(1, 3, 6, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(spectrum.picture, x)
    a, b = torch.rand(2, 1, 3, 6, 9, dtype=torch.float64)
    assert float((spectrum.picture(a) * b).sum()) == pytest.approx(float((a * spectrum.picture(b)).sum()))


# --- in a run -------------------------------------------------------------------------------------------


@pytest.fixture
def photo() -> Tensor:
    return st.samples.load("cat", size=48)


@pytest.fixture
def painting() -> Tensor:
    return st.samples.load("starry_night", size=64)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("pixel_range", [1.0, 255.0])
def test_a_run_begins_at_its_picture_in_any_coordinates(
    optimizer: str, pixel_range: float, photo: Tensor, painting: Tensor
) -> None:
    run = st.iterate(photo, painting, SMALL, decorrelation=0.5, optimizer=optimizer, pixel_range=pixel_range)
    torch.testing.assert_close(run.picture(), photo, atol=1e-5, rtol=0)


def test_a_decorrelation_of_zero_optimises_pixels(photo: Tensor, painting: Tensor) -> None:
    run = st.iterate(photo, painting, SMALL, decorrelation=0.0)
    assert torch.equal(run.state.variable.detach(), photo)


def test_coordinates_change_the_steps_and_not_the_loss(photo: Tensor, painting: Tensor) -> None:
    first, last = {}, {}
    for exponent in (0.0, 0.5):
        history = st.stylize(photo, painting, SMALL, decorrelation=exponent, progress=False).history
        first[exponent], last[exponent] = history[0]["losses"]["total"], history[-1]["losses"]["total"]
    assert first[0.5] == pytest.approx(first[0.0], rel=1e-4)
    assert last[0.5] != pytest.approx(last[0.0], rel=1e-4) and last[0.5] < first[0.5]


def test_clamping_after_each_step_is_of_the_picture(photo: Tensor, painting: Tensor) -> None:
    changes: dict[str, Any] = {"optimizer": "adam", "learning_rate": 0.3, "decorrelation": 0.5}
    seen = {}
    for clamp in ("none", "step"):
        run = st.iterate(photo, painting, SMALL, clamp=clamp, **changes)
        seen[clamp] = [run.parametrization.picture(run.state.variable.detach()) for _ in run]
    assert all(float(x.min()) > -1e-4 and float(x.max()) < 1 + 1e-4 for x in seen["step"])
    assert any(float(x.min()) < -0.1 for x in seen["none"])


@pytest.mark.parametrize("scales", [((1.0, 8),), ((0.5, 4), (1.0, 4))])
def test_a_run_in_coordinates_goes_on_from_its_checkpoint(
    scales: tuple[tuple[float, int], ...], photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    recipe = SMALL.replace(decorrelation=0.5, scales=scales)
    whole = st.stylize(photo, painting, recipe, progress=False).picture
    run = st.iterate(photo, painting, recipe)
    for _ in itertools.islice(run, 6):
        pass
    run.save(tmp_path / "run.pt")
    assert torch.equal(st.resume(tmp_path / "run.pt", weights=TINY, progress=False).picture, whole)


def test_a_recipe_refuses_a_decorrelation_that_is_negative_or_no_number() -> None:
    for bad in (-0.1, float("nan"), "much"):
        with pytest.raises(st.StyletutError, match="decorrelation must be a number, 0 or more"):
            SMALL.replace(decorrelation=bad)


def test_the_optimiser_of_a_scale_is_freed_before_the_next_begins(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it remembers, pictures of half the size, must not be there while the next objective is built."""
    run = st.iterate(photo, painting, SMALL, scales=((0.5, 2), (1.0, 1)))
    next(run)
    assert run.stepper is not None
    alive: list[object] = []
    before, build = (weakref.ref(run.stepper.optimizer), weakref.ref(run.stepper.objective)), run.backend.build

    def look(size: tuple[int, int]) -> st.objective.Objective:
        alive.extend(one() for one in before)
        return build(size)

    monkeypatch.setattr(run.backend, "build", look)
    assert [step.scale for step in run] == [0, 1] and alive == [None, None]
