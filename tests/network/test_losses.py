"""The losses against NumPy float64 expressions written from the formulas, and the properties they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from styletut import losses
from styletut.errors import StyletutError
from styletut.losses import (
    STYLE_LOSSES,
    content_factor,
    content_loss,
    gram_matrix,
    style_factor,
    style_loss,
    total_variation,
)

pytestmark = pytest.mark.numerical

Array = NDArray[np.float64]

CONTENT_FORMS = ("sum", "half_sum", "mean", "relative")
STYLE_FORMS = ("gatys", "picture", "mean", "relative")
TV_FORMS = ("squared", "l1", "power")

quick = settings(max_examples=25, deadline=None)


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


@st.composite
def feature_maps(draw: st.DrawFn, batch: int = 1) -> Tensor:
    """Features of any small shape, at magnitudes from dim to blinding."""
    channels, rows, cols = (draw(st.integers(1, 5)) for _ in range(3))
    scale = draw(st.sampled_from([1e-3, 1.0, 1e3]))
    return scale * random(batch, channels, rows, cols, seed=draw(st.integers(0, 10_000)))


# The formulas, one picture at a time, in NumPy.


def np_gram(features: Array) -> Array:
    """G_ij = sum_k F_ik F_jk, written as loops over the channels."""
    channels = features.shape[0]
    gram = np.empty((channels, channels))
    for i in range(channels):
        for j in range(channels):
            gram[i, j] = np.sum(features[i] * features[j])
    return gram


def np_content(a: Array, b: Array, form: str) -> float:
    squared = float(np.sum((a - b) ** 2))
    return {
        "sum": squared,
        "half_sum": squared / 2,
        "mean": squared / a.size,
        "relative": squared / float(np.sum(b**2)),
    }[form]


def np_style(a: Array, b: Array, form: str, pixels: int) -> float:
    """From features of equal size, on raw Grams, as the sources print it."""
    n, m = a.shape[0], a.shape[1] * a.shape[2]
    g, t = np_gram(a), np_gram(b)
    squared = float(np.sum((g - t) ** 2))
    return {
        "gatys": squared / (4 * n**2 * m**2),
        "picture": squared / (4 * 3**2 * pixels**2),
        "mean": squared / n**2,
        "relative": squared / float(np.sum(t**2)),
    }[form]


def np_tv(x: Array, form: str) -> float:
    channels, rows, cols = x.shape
    total = 0.0
    for c in range(channels):
        for i in range(rows):
            for j in range(cols):
                down = x[c, i + 1, j] - x[c, i, j] if i + 1 < rows else None
                right = x[c, i, j + 1] - x[c, i, j] if j + 1 < cols else None
                if form == "power":
                    if down is not None and right is not None:
                        total += (down**2 + right**2) ** 1.25
                else:
                    for d in (down, right):
                        if d is not None:
                            total += d**2 if form == "squared" else abs(d)
    return total


def torch_style(a: Tensor, b: Tensor, form: str, pixels: int = 70) -> Tensor:
    """The function under test, fed as its docstring asks: per-position Grams."""
    return style_loss(
        gram_matrix(a, "positions"),
        gram_matrix(b, "positions"),
        form,
        positions=a.shape[2] * a.shape[3],
        pixels=pixels,
    )


# Values.


@quick
@given(feature_maps())
def test_gram_is_the_sum_of_products_over_positions(features: Tensor) -> None:
    x = features[0].numpy()
    n, m = x.shape[0], x.shape[1] * x.shape[2]
    expected = np_gram(x)
    for normalization, divisor in (("none", 1), ("positions", m), ("elements", n * m)):
        gram = gram_matrix(features, normalization)
        assert gram.shape == (1, n, n)
        expected_gram = expected / divisor
        scale = float(expected_gram.max())
        np.testing.assert_allclose(gram[0].numpy(), expected_gram, rtol=1e-10, atol=1e-12 * scale)


def test_defaults_fit_each_other() -> None:
    """`style_loss` takes Grams per position, so that is what `gram_matrix` gives unasked."""
    a, b = random(2, 3, 4, 5, seed=1), random(2, 3, 7, 6, seed=2)
    assert torch.equal(gram_matrix(a), gram_matrix(a, "positions"))
    assert torch.equal(style_loss(gram_matrix(a), gram_matrix(b)), torch_style(a, b, "gatys"))
    assert torch.equal(total_variation(a), total_variation(a, "squared", "sum"))


def test_gram_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # (1, 2, 1, 2)
    assert gram_matrix(features, "none").tolist() == [[[5.0, 1.0], [1.0, 10.0]]]


@pytest.mark.parametrize("form", CONTENT_FORMS)
def test_content_loss_equals_its_formula(form: str) -> None:
    a, b = random(1, 3, 4, 5, seed=1), random(1, 3, 4, 5, seed=2)
    expected = np_content(a[0].numpy(), b[0].numpy(), form)
    assert content_loss(a, b, form).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", STYLE_FORMS)
def test_style_loss_equals_its_formula_on_raw_grams_at_equal_sizes(form: str) -> None:
    a, b = random(1, 3, 4, 5, seed=1), random(1, 3, 4, 5, seed=2)
    expected = np_style(a[0].numpy(), b[0].numpy(), form, pixels=70)
    assert torch_style(a, b, form).item() == pytest.approx(expected, rel=1e-11)


def test_style_loss_compares_pictures_of_different_size_per_position() -> None:
    a, b = random(1, 3, 4, 5, seed=1), random(1, 3, 7, 9, seed=2)
    g, t = np_gram(a[0].numpy()) / 20, np_gram(b[0].numpy()) / 63
    squared = np.sum((g - t) ** 2)
    expected = {
        "gatys": squared / (4 * 3**2),
        "picture": 20**2 * squared / (4 * 3**2 * 70**2),
        "mean": 20**2 * squared / 3**2,
        "relative": squared / np.sum(t**2),
    }
    for form, value in expected.items():
        assert torch_style(a, b, form).item() == pytest.approx(value, rel=1e-11), form


@pytest.mark.parametrize("form", TV_FORMS)
@pytest.mark.parametrize("size", [(5, 7), (2, 2), (6, 3), (1, 4), (4, 1), (1, 1)])
def test_total_variation_equals_its_formula(form: str, size: tuple[int, int]) -> None:
    x = random(1, 3, *size, seed=3)
    expected = np_tv(x[0].numpy(), form)
    assert total_variation(x, form).item() == pytest.approx(expected, rel=1e-12)
    assert total_variation(x, form, "mean").item() == pytest.approx(expected / (size[0] * size[1]), rel=1e-12)


# Batches: pictures are independent, their losses add.


@pytest.mark.parametrize("form", CONTENT_FORMS)
def test_content_loss_of_a_batch_is_the_sum_of_the_singles(form: str) -> None:
    a, b = random(3, 2, 4, 5, seed=1), random(3, 2, 4, 5, seed=2)
    singles = sum(np_content(a[i].numpy(), b[i].numpy(), form) for i in range(3))
    assert content_loss(a, b, form).shape == ()
    assert content_loss(a, b, form).item() == pytest.approx(singles, rel=1e-12)


@pytest.mark.parametrize("form", STYLE_FORMS)
def test_style_loss_of_a_batch_is_the_sum_of_the_singles(form: str) -> None:
    a, b = random(3, 2, 4, 5, seed=1), random(3, 2, 4, 5, seed=2)
    singles = sum(np_style(a[i].numpy(), b[i].numpy(), form, pixels=70) for i in range(3))
    assert torch_style(a, b, form).shape == ()
    assert torch_style(a, b, form).item() == pytest.approx(singles, rel=1e-11)


@pytest.mark.parametrize("form", TV_FORMS)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_total_variation_of_a_batch_is_the_sum_of_the_singles(form: str, reduction: str) -> None:
    x = random(3, 3, 5, 6, seed=3)
    singles = sum(total_variation(x[i : i + 1], form, reduction).item() for i in range(3))
    assert total_variation(x, form, reduction).shape == ()
    assert total_variation(x, form, reduction).item() == pytest.approx(singles, rel=1e-12)


def test_gram_of_a_batch_keeps_the_pictures_apart() -> None:
    x = random(3, 2, 4, 5, seed=1)
    batch = gram_matrix(x, "none")
    for i in range(3):
        np.testing.assert_allclose(batch[i].numpy(), np_gram(x[i].numpy()), rtol=1e-12)


# Gradients.


def gradcheck(function: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    x = x.clone().requires_grad_()
    return bool(torch.autograd.gradcheck(function, (x,), eps=1e-6, atol=1e-6, rtol=1e-5))


@pytest.mark.parametrize("normalization", ["none", "positions", "elements"])
def test_gram_gradient(normalization: str) -> None:
    assert gradcheck(lambda x: gram_matrix(x, normalization), random(2, 2, 3, 2))


@pytest.mark.parametrize("form", CONTENT_FORMS)
def test_content_gradient(form: str) -> None:
    target = random(2, 2, 3, 2, seed=9)
    assert gradcheck(lambda x: content_loss(x, target, form), random(2, 2, 3, 2))


@pytest.mark.parametrize("form", STYLE_FORMS)
def test_style_gradient(form: str) -> None:
    target = random(2, 2, 3, 2, seed=9)
    assert gradcheck(lambda x: torch_style(x, target, form), random(2, 2, 3, 2))


@pytest.mark.parametrize("form", TV_FORMS)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_total_variation_gradient(form: str, reduction: str) -> None:
    assert gradcheck(lambda x: total_variation(x, form, reduction), random(2, 3, 4, 3))


def test_style_gradient_is_the_papers() -> None:
    """dE/dF = F^T (G - A) / (N^2 M^2), equation 6 of Gatys et al. for an active unit."""
    a, b = random(1, 3, 4, 5, seed=1).requires_grad_(), random(1, 3, 4, 5, seed=2)
    (gradient,) = torch.autograd.grad(torch_style(a, b, "gatys"), a)
    flat = a.detach()[0].reshape(3, 20).numpy()
    difference = np_gram(a.detach()[0].numpy()) - np_gram(b[0].numpy())
    expected = difference @ flat / (3**2 * 20**2)
    np.testing.assert_allclose(gradient[0].reshape(3, 20).numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("form", TV_FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_total_variation_gradient_is_zero_on_a_flat_picture(form: str, dtype: torch.dtype) -> None:
    x = torch.full((1, 3, 5, 4), 0.4, dtype=dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(total_variation(x, form), x)
    assert torch.equal(gradient, torch.zeros_like(x))


def test_power_gradient_is_finite_where_part_of_the_picture_is_flat() -> None:
    x = torch.zeros(1, 3, 6, 6)
    x[..., 3:, 3:] = 0.5
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(total_variation(x, "power"), x)
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0


# Invariances.


@quick
@given(feature_maps(), st.integers(0, 10_000))
def test_gram_is_invariant_to_shuffled_positions(features: Tensor, seed: int) -> None:
    b, n, h, w = features.shape
    order = torch.randperm(h * w, generator=torch.Generator().manual_seed(seed))
    shuffled = features.reshape(b, n, h * w)[:, :, order].reshape(b, n, h, w)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(features), rtol=1e-9, atol=1e-12)


@quick
@given(feature_maps(), st.integers(1, 3))
def test_gram_of_turned_features_is_the_same(features: Tensor, quarter_turns: int) -> None:
    turned = torch.rot90(features, quarter_turns, dims=(2, 3))
    torch.testing.assert_close(gram_matrix(turned), gram_matrix(features), rtol=1e-9, atol=1e-12)


@quick
@given(feature_maps(batch=2))
def test_gram_is_symmetric_and_positive_semidefinite(features: Tensor) -> None:
    gram = gram_matrix(features)
    torch.testing.assert_close(gram, gram.transpose(1, 2), rtol=1e-12, atol=0.0)
    smallest = torch.linalg.eigvalsh(gram).min()
    assert smallest >= -1e-10 * gram.abs().max()


@quick
@given(feature_maps(), st.floats(0.01, 100.0))
def test_gram_grows_with_the_square_of_the_features(features: Tensor, scale: float) -> None:
    expected = scale**2 * gram_matrix(features)
    torch.testing.assert_close(gram_matrix(scale * features), expected, rtol=1e-9, atol=1e-11)


@quick
@given(feature_maps(batch=2), st.sampled_from(CONTENT_FORMS))
def test_content_loss_is_zero_exactly_at_the_target(features: Tensor, form: str) -> None:
    assert content_loss(features, features, form).item() == 0.0
    assert content_loss(2 * features, features, form).item() > 0.0


@quick
@given(feature_maps(batch=2), st.sampled_from(STYLE_FORMS))
def test_style_loss_is_zero_exactly_at_the_target(features: Tensor, form: str) -> None:
    assert torch_style(features, features, form).item() == 0.0
    assert torch_style(2 * features, features, form).item() > 0.0


@quick
@given(feature_maps(), st.sampled_from(TV_FORMS), st.floats(-1.0, 1.0), st.floats(-100.0, 100.0))
def test_total_variation_ignores_an_added_constant(x: Tensor, form: str, value: float, shift: float) -> None:
    constant = torch.full_like(x, value)
    assert total_variation(constant, form).item() == 0.0
    before = total_variation(x, form).item()
    assert total_variation(x + shift, form).item() == pytest.approx(before, rel=1e-6, abs=1e-9)


@quick
@given(feature_maps(), st.sampled_from(["squared", "l1"]))
def test_total_variation_is_the_same_turned_and_mirrored(x: Tensor, form: str) -> None:
    before = total_variation(x, form).item()
    for y in (torch.rot90(x, 1, dims=(2, 3)), x.flip(3), x.transpose(2, 3)):
        assert total_variation(y, form).item() == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize(("form", "degree"), [("squared", 2.0), ("l1", 1.0), ("power", 2.5)])
def test_total_variation_grows_with_its_degree(form: str, degree: float) -> None:
    x = random(1, 3, 5, 4)
    ratio = total_variation(255 * x, form) / total_variation(x, form)
    assert ratio.item() == pytest.approx(255.0**degree, rel=1e-10)


# Weights that mean the same at every size: the larger picture is the smaller one, tiled.


@quick
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 1000))
def test_size_free_forms_do_not_change_when_features_are_tiled(down: int, across: int, seed: int) -> None:
    a, b, style = (random(1, 3, 4, 5, seed=3 * seed + i) for i in range(3))
    tiled, target = a.repeat(1, 1, down, across), b.repeat(1, 1, down, across)
    for form in ("mean", "relative"):
        expected = content_loss(a, b, form).item()
        assert content_loss(tiled, target, form).item() == pytest.approx(expected, rel=1e-10)
    for form in ("gatys", "relative"):
        expected = torch_style(a, style, form).item()
        assert torch_style(tiled, style, form).item() == pytest.approx(expected, rel=1e-9)


def test_size_bound_forms_grow_as_their_sources_do() -> None:
    a, b = random(1, 3, 4, 5, seed=1), random(1, 3, 4, 5, seed=2)
    tiled, target = a.repeat(1, 1, 2, 2), b.repeat(1, 1, 2, 2)
    ratio = content_loss(tiled, target, "sum") / content_loss(a, b, "sum")
    assert ratio.item() == pytest.approx(4, rel=1e-10)
    # Raw Grams grow by 4, their squared difference by 16: 'mean' keeps that, 'picture' divides by pixels^2.
    ratio = torch_style(tiled, target, "mean") / torch_style(a, b, "mean")
    assert ratio.item() == pytest.approx(16, rel=1e-10)
    ratio = torch_style(tiled, target, "picture", pixels=280) / torch_style(a, b, "picture", pixels=70)
    assert ratio.item() == pytest.approx(1, rel=1e-10)


# Precision: sums are taken in float32 or better, whatever the features are.


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("normalization", ["none", "positions", "elements"])
def test_gram_of_half_precision_features_neither_overflows_nor_loses_digits(
    dtype: torch.dtype, normalization: str
) -> None:
    features = (300 + 40 * random(1, 4, 64, 64)).to(dtype)
    gram = gram_matrix(features, normalization)
    assert gram.dtype == torch.float32
    flat = features.double().reshape(4, -1).numpy()
    expected = flat @ flat.T / {"none": 1, "positions": 4096, "elements": 4 * 4096}[normalization]
    assert expected.max() > 300**2 or normalization == "elements"
    # A sum kept in half precision would be off by 1e-3 or more.
    np.testing.assert_allclose(gram[0].double().numpy(), expected, rtol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("form", CONTENT_FORMS)
def test_content_loss_of_half_precision_features_is_accurate(dtype: torch.dtype, form: str) -> None:
    a, b = (500 * random(1, 4, 64, 64, seed=seed).to(dtype) for seed in (1, 2))
    loss = content_loss(a, b, form)
    assert loss.dtype == torch.float32
    expected = np_content(a[0].double().numpy(), b[0].double().numpy(), form)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("form", TV_FORMS)
def test_total_variation_of_a_half_precision_picture_is_accurate(dtype: torch.dtype, form: str) -> None:
    x = (255 * random(1, 3, 16, 20).abs()).to(dtype)
    loss = total_variation(x, form)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(np_tv(x[0].double().numpy(), form), rel=1e-5)


def test_autocast_does_not_lower_the_precision_of_a_gram() -> None:
    features = 300 + random(1, 4, 32, 32, dtype=torch.float32)
    flat = features.double().reshape(4, -1).numpy()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gram = gram_matrix(features, "none")
    assert gram.dtype == torch.float32
    np.testing.assert_allclose(gram[0].double().numpy(), flat @ flat.T, rtol=2e-5)


def test_gradient_under_autocast_is_that_of_float32() -> None:
    a, b = (random(1, 4, 8, 8, seed=seed, dtype=torch.float32) for seed in (1, 2))
    a.requires_grad_()
    (expected,) = torch.autograd.grad(torch_style(a, b, "gatys"), a)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = torch_style(a, b, "gatys")
    (gradient,) = torch.autograd.grad(loss, a)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-8)


def test_double_features_stay_double() -> None:
    a, b = random(1, 3, 4, 5, seed=1), random(1, 3, 4, 5, seed=2)
    assert gram_matrix(a).dtype == torch.float64
    for loss in (content_loss(a, b), torch_style(a, b, "gatys"), total_variation(a, "power")):
        assert loss.dtype == torch.float64


# Errors say what to do.


def test_misspelt_forms_are_answered_with_what_exists() -> None:
    x = random(1, 3, 4, 5)
    gram = gram_matrix(x, "positions")
    with pytest.raises(StyletutError, match="did you mean 'half_sum'"):
        content_loss(x, x, "half_sums")
    with pytest.raises(StyletutError, match="did you mean 'gatys'"):
        style_loss(gram, gram, "gatis")
    with pytest.raises(StyletutError, match="did you mean 'squared'"):
        total_variation(x, "sqared")
    with pytest.raises(StyletutError, match="did you mean 'positions'"):
        gram_matrix(x, "position")
    with pytest.raises(StyletutError, match=r"sum.*mean"):
        total_variation(x, "l1", "median")


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5), (1, 1, 3, 4, 5)])
def test_gram_and_total_variation_want_four_dimensions(shape: tuple[int, ...]) -> None:
    with pytest.raises(StyletutError):
        gram_matrix(random(*shape))
    with pytest.raises(StyletutError):
        total_variation(random(*shape))


@pytest.mark.parametrize("shape", [(1, 3, 4, 6), (1, 2, 4, 5), (1, 1, 4, 5), (1, 3, 1, 1), (3, 4, 5)])
def test_content_loss_refuses_a_target_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(StyletutError, match=r"4.*5|shape"):
        content_loss(random(1, 3, 4, 5), random(*shape))


def test_content_loss_refuses_another_number_of_pictures() -> None:
    with pytest.raises(StyletutError):
        content_loss(random(2, 3, 4, 5), random(3, 3, 4, 5))


@pytest.mark.parametrize("form", STYLE_FORMS)
@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 1, 1), (1, 3, 2), (3, 3)])
def test_style_loss_refuses_a_gram_of_other_channels(form: str, shape: tuple[int, ...]) -> None:
    gram = gram_matrix(random(1, 3, 4, 5), "positions")
    with pytest.raises(StyletutError):
        style_loss(gram, random(*shape), form, positions=20, pixels=70)


def test_style_loss_asks_for_the_sizes_that_its_form_needs() -> None:
    gram = gram_matrix(random(1, 3, 4, 5), "positions")
    with pytest.raises(StyletutError, match="positions"):
        style_loss(gram, gram, "mean")
    with pytest.raises(StyletutError, match="positions"):
        style_loss(gram, gram, "picture", pixels=70)
    with pytest.raises(StyletutError, match="pixels"):
        style_loss(gram, gram, "picture", positions=20)


def test_relative_forms_refuse_a_target_that_is_zero() -> None:
    x, zero = random(1, 3, 4, 5), torch.zeros(1, 3, 4, 5, dtype=torch.float64)
    with pytest.raises(StyletutError, match="zero"):
        content_loss(x, zero, "relative")
    with pytest.raises(StyletutError, match="zero"):
        style_loss(gram_matrix(x, "positions"), gram_matrix(zero, "positions"), "relative")


def test_relative_forms_refuse_a_zero_target_anywhere_in_a_batch() -> None:
    x = random(2, 3, 4, 5)
    target = x.clone()
    target[1] = 0
    with pytest.raises(StyletutError, match="zero"):
        content_loss(x, target, "relative")
    with pytest.raises(StyletutError, match="zero"):
        style_loss(gram_matrix(x, "positions"), gram_matrix(target, "positions"), "relative")


@pytest.mark.parametrize("channels", [3, 64, 65, 200])
def test_a_relative_loss_is_relative_to_every_channel_of_the_target(channels: int) -> None:
    """The power is summed in pieces of 64 channels."""
    target = torch.randn(2, channels, 4, 5, generator=torch.Generator().manual_seed(channels), dtype=torch.float64)
    torch.testing.assert_close(content_factor("relative", target), 1 / target.square().flatten(1).sum(1))
    gram = gram_matrix(target)
    torch.testing.assert_close(style_factor("relative", gram), 1 / gram.square().flatten(1).sum(1))


# One target serves a whole batch; small and faraway features are features.


@pytest.mark.parametrize("form", CONTENT_FORMS)
def test_one_content_target_serves_every_picture_of_a_batch(form: str) -> None:
    a, b = random(3, 2, 4, 5, seed=1), random(1, 2, 4, 5, seed=2)
    singles = sum(np_content(a[i].numpy(), b[0].numpy(), form) for i in range(3))
    assert content_loss(a, b, form).item() == pytest.approx(singles, rel=1e-12)
    with pytest.raises(StyletutError, match="do not match"):
        content_loss(a, b.expand(2, 2, 4, 5), form)


@pytest.mark.parametrize("form", STYLE_FORMS)
def test_one_style_serves_every_picture_of_a_batch(form: str) -> None:
    a, b = random(3, 2, 4, 5, seed=1), random(1, 2, 4, 5, seed=2)
    singles = sum(np_style(a[i].numpy(), b[0].numpy(), form, pixels=70) for i in range(3))
    assert torch_style(a, b, form).item() == pytest.approx(singles, rel=1e-11)
    with pytest.raises(StyletutError, match="do not match"):
        torch_style(a, b.expand(2, 2, 4, 5), form)


def test_the_mean_of_a_single_feature_is_its_square() -> None:
    a, b = (torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (5.0, 2.0))
    assert content_loss(a, b, "mean").item() == 9.0


@pytest.mark.parametrize("form", ["gatys", "picture", "mean"])
def test_factors_lie_on_the_device_of_their_target(form: str) -> None:
    """The device that every machine has beside the CPU computes nothing, but knows where things lie."""
    features, gram = torch.empty(1, 3, 4, 5, device="meta"), torch.empty(1, 3, 3, device="meta")
    assert content_factor("mean", features).device.type == "meta"
    assert style_factor(form, gram, positions=20, pixels=70).device.type == "meta"


# --- style losses of other statistics ------------------------------------------------------------------


def style_distance(form: str, features: Tensor, style: Tensor) -> Tensor:
    loss = STYLE_LOSSES[form]
    return loss.loss(loss.statistic(features), loss.prepare(loss.statistic(style)))


OTHERS = ("mean-std", "mean-covariance", "wasserstein", "sliced-wasserstein")
DENSE, STYLE = random(1, 4, 5, 7, seed=1) + 0.5, 2 * random(1, 4, 6, 3, seed=2)


def by_definition(form: str) -> float:
    """Each loss by NumPy and SciPy, of `DENSE` and `STYLE`."""
    x, y = (each[0].flatten(1).numpy() for each in (DENSE, STYLE))
    (mx, my), (cx, cy) = (x.mean(1), y.mean(1)), (np.cov(x, bias=True), np.cov(y, bias=True))
    of_means = ((mx - my) ** 2).sum()
    if form == "mean-std":
        dx, dy = x.std(1), y.std(1)
        return float(of_means / (my**2).sum() + ((dx - dy) ** 2).sum() / (dy**2).sum())
    if form == "mean-covariance":
        return float(of_means / (my**2).sum() + ((cx - cy) ** 2).sum() / (cy**2).sum())
    root = scipy.linalg.sqrtm(cx)
    middle = scipy.linalg.sqrtm(root @ cy @ root).real
    return float((of_means + np.trace(cx + cy - 2 * middle)) / ((my**2).sum() + np.trace(cy)))


@pytest.mark.parametrize("form", OTHERS[:3])
def test_a_distance_of_statistics_is_its_formula(form: str) -> None:
    # Rounding is smoothed: a millionth of the largest eigenvalue, under a root, is a thousandth.
    assert float(style_distance(form, DENSE, STYLE)) == pytest.approx(by_definition(form), rel=3e-3)


def test_sliced_wasserstein_is_the_distance_of_sorted_projections() -> None:
    other = random(1, 4, 5, 7, seed=3)
    x, y = (each[0].flatten(1) for each in (DENSE, other))
    basis = torch.from_numpy(losses.random_basis(4))
    torch.testing.assert_close(basis @ basis.T, torch.eye(4, dtype=torch.float64))
    total = sum(((np.sort((row @ x).numpy()) - np.sort((row @ y).numpy())) ** 2).mean() / 4 for row in basis)
    power = float(y.square().sum(0).mean()) / 4
    assert float(style_distance("sliced-wasserstein", DENSE, other)) == pytest.approx(total / power, rel=1e-12)


@pytest.mark.parametrize("form", OTHERS)
def test_the_distance_of_a_style_to_itself_is_zero(form: str) -> None:
    assert float(style_distance(form, STYLE, STYLE)) == pytest.approx(0, abs=1e-12)
    assert float(style_distance(form, DENSE, STYLE)) > 0.1


@pytest.mark.parametrize("form", STYLE_LOSSES)
def test_style_losses_are_invariant_to_shuffled_positions(form: str) -> None:
    """A permutation of the positions changes nothing."""
    order = torch.randperm(35, generator=torch.Generator().manual_seed(4))
    moved = DENSE.flatten(2)[..., order].view(DENSE.shape)
    torch.testing.assert_close(style_distance(form, moved, STYLE), style_distance(form, DENSE, STYLE))


@pytest.mark.parametrize("form", OTHERS)
def test_a_loss_means_the_same_at_every_size_and_scale_of_features(form: str) -> None:
    once = style_distance(form, DENSE, STYLE)
    tiled = style_distance(form, DENSE.repeat(1, 1, 2, 3), STYLE.repeat(1, 1, 3, 1))
    # Interpolated quantiles of a sample that is repeated are not quite those of the sample.
    torch.testing.assert_close(tiled, once, rtol=0.05 if form.startswith("sliced") else 1e-9, atol=0)
    torch.testing.assert_close(style_distance(form, 300 * DENSE, 300 * STYLE), once)


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_statistics_of_half_precision_are_float32(form: str, dtype: torch.dtype) -> None:
    found = style_distance(form, DENSE.to(dtype), STYLE.to(dtype))
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(style_distance(form, DENSE, STYLE)), rel=0.02)


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_covariances_are_singular(form: str, dtype: torch.dtype) -> None:
    """Fewer positions than channels, a channel that is constant, two that are the same."""
    x = torch.cat([random(1, 3, 2, 2, seed=5), torch.full((1, 1, 2, 2), 0.7), torch.zeros(1, 2, 2, 2)], 1).to(dtype)
    for features in (x, torch.cat([x[:, :3], x[:, :3]], 1), torch.zeros_like(x)):
        features = features.clone().requires_grad_(True)
        loss = style_distance(form, features, x)
        (gradient,) = torch.autograd.grad(loss, features)
        assert bool(torch.isfinite(loss)) and bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("form", OTHERS)
def test_each_loss_can_be_minimised(form: str) -> None:
    x = DENSE.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([x], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = style_distance(form, x, STYLE)
        loss.backward()
        return loss

    first = float(closure().detach())
    optimizer.step(closure)
    assert float(closure().detach()) < 1e-3 * first


@pytest.mark.parametrize("form", STYLE_LOSSES)
def test_the_losses_of_a_batch_add_up(form: str) -> None:
    features, styles = random(2, 4, 5, 7, seed=6), random(2, 4, 6, 3, seed=7)
    together = style_distance(form, features, styles)
    apart = [style_distance(form, x, s) for x, s in zip(features.split(1), styles.split(1), strict=True)]
    torch.testing.assert_close(together, apart[0] + apart[1])
    assert abs(float(apart[0] - apart[1])) > 1e-4


def test_quantiles_of_fewer_positions_are_interpolated() -> None:
    def row(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)

    assert float(style_distance("sliced-wasserstein", row(0.75, 0, 1, 0.25), row(1, 0))) == pytest.approx(0, abs=1e-15)
    assert float(style_distance("sliced-wasserstein", row(2, 2, 2, 2), row(1, 1))) == pytest.approx(1)


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_style_of_a_single_position_has_finite_losses_and_gradients(form: str, dtype: torch.dtype) -> None:
    """As the deepest layer has it of 16 pixels, at the coarsest scale of a small picture."""
    point = 100 * random(1, 6, 1, 1, seed=8).to(dtype)
    for shape in ((1, 6, 1, 1), (1, 6, 3, 2)):
        features = (100 * random(*shape, seed=9).to(dtype)).requires_grad_(True)
        loss = style_distance(form, features, point)
        (gradient,) = torch.autograd.grad(loss, features)
        assert bool(torch.isfinite(gradient).all()) and 0.01 < float(loss.detach()) < 1e5
    assert float(style_distance(form, point, point)) == pytest.approx(0, abs=1e-5)
