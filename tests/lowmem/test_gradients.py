"""The gradients of statistics on parts of an image: those of autograd on the whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from styletut.losses import STYLE_LOSSES, TV_FORMS
from styletut.lowmem import gradients
from styletut.lowmem.windows import Window
from styletut.objective import ContentTerm, StyleTerm, Term, TotalVariationTerm

pytestmark = pytest.mark.numerical


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


TERMS: dict[str, Term] = {
    form: StyleTerm("relu1_1", loss.statistic(random(1, 4, 6, 5, seed=9)), 1.0, form)
    for form, loss in STYLE_LOSSES.items()
}
TERMS["content"] = ContentTerm("relu1_1", random(1, 4, 6, 5, seed=9), 1.0, "mean")
TERMS["tv"] = TotalVariationTerm(1.0, "squared")


@pytest.mark.parametrize("name", TERMS)
def test_a_gradient_is_that_of_autograd(name: str) -> None:
    term, x = TERMS[name], random(2, 4, 6, 5).requires_grad_(True)
    statistic = term.statistic(x)
    upstream = tuple(random(*each.shape, seed=3 + i) for i, each in enumerate(statistic))  # not symmetric
    (expected,) = torch.autograd.grad(statistic, x, upstream)
    for layout in (torch.contiguous_format, torch.channels_last):
        part = x.detach().contiguous(memory_format=layout)
        result = gradients.gradient(term, part, upstream)
        torch.testing.assert_close(result, expected)
        assert result.data_ptr() != part.data_ptr()


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_gradient_has_the_precision_of_its_features(name: str, dtype: torch.dtype) -> None:
    term, x = TERMS[name], random(1, 4, 6, 5).to(dtype)
    upstream = tuple(torch.ones_like(each).float() for each in term.statistic(x))
    assert gradients.gradient(term, x, upstream).dtype == dtype


def test_a_content_target_is_cropped_to_the_part() -> None:
    term, x = TERMS["content"], random(1, 4, 6, 5)
    window, upstream = Window(slice(2, 5), slice(1, 3)), (torch.tensor([1.3], dtype=torch.float64),)
    whole = gradients.gradient(term, x, upstream)
    torch.testing.assert_close(gradients.gradient(term, window.of(x), upstream, window), window.of(whole))
    parts = [gradients.statistic(term, w.of(x), w)[0] for w in (Window(slice(0, 2), slice(0, 5)),)]
    rest = Window(slice(2, 6), slice(0, 5))
    torch.testing.assert_close(parts[0] + gradients.statistic(term, rest.of(x), rest)[0], term.statistic(x)[0])


@pytest.mark.parametrize("form", TV_FORMS)
@pytest.mark.parametrize("window", [None, Window(slice(3, 13), slice(2, 9)), Window(slice(3, 17), slice(2, 11))])
def test_total_variation_in_strips_is_that_of_the_whole(
    form: str, window: Window | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = random(2, 3, 17, 11)
    x = picture if window is None else window.with_next(picture).of(picture)
    term, upstream = TotalVariationTerm(1.0, form, range=3.0), (torch.tensor(1.7, dtype=torch.float64),)
    whole, gradient = gradients.statistic(term, x, window), gradients.gradient(term, x, upstream, window)
    for strip in (1, 30, 60):
        monkeypatch.setattr(gradients, "STRIP", strip)
        torch.testing.assert_close(gradients.statistic(term, x, window), whole)
        torch.testing.assert_close(gradients.gradient(term, x, upstream, window), gradient)
