"""The gradient of a term's statistic with respect to what it is measured of, on a part of an image.

By autograd, which computes it for any term. Three are written out because they are quicker and take less memory; the
tests compare them with autograd.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from .. import losses
from ..losses import Statistic
from ..objective import ContentTerm, StyleTerm, Term, TotalVariationTerm
from .windows import Window

STRIP = 1 << 19
"""Pixels of a strip in which total variation is computed."""


def statistic(term: Term, x: Tensor, window: Window | None = None) -> Statistic:
    """A term's statistic of the part ``x`` of an image or a feature map, which lies at ``window`` in the whole.

    An image has one more row and column than the window where there is one, for the differences across its edge.
    """
    if isinstance(term, TotalVariationTerm):
        parts = [term.statistic(x[..., rows, :], inside)[0] for rows, inside in _strips(x, window)]
        return (torch.stack(parts).sum() if len(parts) > 1 else parts[0],)
    return _cropped(term, window).statistic(x)


def gradient(term: Term, x: Tensor, upstream: Statistic, window: Window | None = None) -> Tensor:
    """The gradient with respect to ``x``, a new tensor, from that with respect to ``statistic(term, x, window)``."""
    if isinstance(term, TotalVariationTerm):
        return _of_total_variation(term, x, upstream[0], window)
    term = _cropped(term, window)
    if isinstance(term, ContentTerm):
        return _of_squared_error(x, term.target, upstream[0], term.weights)
    if isinstance(term, StyleTerm) and losses.STYLE_LOSSES[term.form].statistic is losses.gram:
        return _of_gram_matrix(x, upstream[0], term.weights)
    part = x.detach().requires_grad_(True)
    with torch.enable_grad():
        measured = term.statistic(part)
        (result,) = torch.autograd.grad(measured, part, tuple(upstream))
    return result


def _cropped(term: Term, window: Window | None) -> Term:
    """The term for a part of the map: the target of a content term has a value for every position, as weights have."""
    if window is None or not isinstance(term, (ContentTerm, StyleTerm)):
        return term
    weights = None if term.weights is None else window.of(term.weights)
    if isinstance(term, ContentTerm):
        return dataclasses.replace(term, target=window.of(term.target), weights=weights)
    return term if weights is None else dataclasses.replace(term, weights=weights)


def _of_squared_error(x: Tensor, target: Tensor, upstream: Tensor, weights: Tensor | None) -> Tensor:
    """2 (a - b) w, times the upstream gradient of each image."""
    difference = x.to(upstream.dtype) - target.to(upstream.dtype)
    difference = difference.mul_(2 * upstream.view(-1, 1, 1, 1))
    return (difference if weights is None else difference.mul_(weights)).to(x.dtype)


def _of_gram_matrix(x: Tensor, upstream: Tensor, weights: Tensor | None) -> Tensor:
    """(S + S^T) F w / M with S the upstream gradient."""
    positions = x.shape[-2] * x.shape[-1]
    both = ((upstream + upstream.transpose(1, 2)) / positions).to(x.dtype)
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, M, N): no copy where the channels are innermost
    result = (rows @ both).unflatten(1, x.shape[-2:]).permute(0, 3, 1, 2)
    return result if weights is None else result * weights.to(x.dtype)


def _of_total_variation(term: TotalVariationTerm, x: Tensor, upstream: Tensor, window: Window | None) -> Tensor:
    """By autograd, strip by strip."""
    total = torch.zeros_like(x)
    for rows, inside in _strips(x, window):
        part = x[..., rows, :].detach().requires_grad_(True)
        with torch.enable_grad():
            total[..., rows, :].add_(torch.autograd.grad(term.statistic(part, inside), part, (upstream,))[0])
    return total


def _strips(x: Tensor, window: Window | None) -> Iterator[tuple[slice, tuple[int, int]]]:
    """Strips of an image, of whose differences autograd would keep ten copies of the whole.

    Each is its rows, and the next where there is one, with the (rows, columns) in which its differences begin.
    """
    rows, columns = (x.shape[-2], x.shape[-1]) if window is None else window.size
    count = max(1, STRIP // columns)
    for top in range(0, rows, count):
        bottom = min(top + count, rows)
        yield slice(top, min(bottom + 1, x.shape[-2])), (bottom - top, columns)
