"""How the picture is moved: L-BFGS made for pictures, and the coordinates in which it moves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

RECENT = 10
"""Of so many last pairs `LBFGS` takes the flattest for the curvature of all directions that it knows nothing of."""
FIRST = 1 / 255
"""Root mean square of `LBFGS`'s first step, before its learning rate, where the picture has a range of 1."""
UNIT_FREQUENCY = 0.1
"""Cycles a pixel that `Spectrum` leaves at their scale."""
COLOUR = 0.7
"""How far `Spectrum` moves the two colour differences for one step in brightness."""


class LBFGS(torch.optim.Optimizer):
    """L-BFGS with one evaluation a step and no line search.

    The direction is the two-loop recursion's over the last ``history_size`` pairs of steps ``s`` and changes of the
    gradient ``y``, the step is ``lr`` times it. It differs from ``torch.optim.LBFGS`` in three things: the curvature of
    directions not yet seen is the flattest of the last ten pairs, ``max(s'y / y'y)``, in place of the last one's;
    whether a pair is kept does not depend on the unit of the loss; and the first step has a size in pixels.

    Args:
        params: the pictures.
        lr: share of each step that is taken.
        history_size: pairs that a step is made of; between steps one fewer is kept, and the step just taken.
        first_step: root mean square of the first step, in the parameters' own unit.

    Source: Nocedal and Wright, Numerical Optimization, 2nd edition, algorithm 7.4; the curvature condition of 7.2.

    >>> x = torch.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([x])
    >>> def loss():
    ...     optimizer.zero_grad()
    ...     value = (x * x * torch.tensor([1.0, 10.0])).sum()
    ...     value.backward()
    ...     return value
    >>> for _ in range(30): value = optimizer.step(loss)
    >>> bool(x.detach().norm() < 1e-4)
    True
    """

    def __init__(self, params: Any, lr: float = 1.0, history_size: int = 10, first_step: float = FIRST) -> None:
        super().__init__(params, {"lr": lr, "history_size": history_size, "first_step": first_step})
        self._params: list[Tensor] = [p for group in self.param_groups for p in group["params"]]

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One evaluation, and one step from it."""
        with torch.enable_grad():
            loss = closure()
        group, state = self.param_groups[0], self.state[self._params[0]]
        if not state:
            state |= {"gradient": None, "last_step": None, "s": [], "y": []}
        gradient = torch.cat([p.grad.reshape(-1) for p in self._params if p.grad is not None])
        s, y = state["s"], state["y"]
        if state["gradient"] is not None:
            change = torch.sub(gradient, state["gradient"], out=state["gradient"])
            if change @ state["last_step"] > 1e-8 * change.norm() * state["last_step"].norm():
                s.append(state["last_step"])
                y.append(change)
        if s:
            step = _two_loops(gradient, s, y).mul_(group["lr"])
            # Now, so that the next evaluation has the memory of the pair that makes room for the next one.
            spare = max(0, len(s) + 1 - group["history_size"])
            del s[:spare], y[:spare]
        else:
            size = group["first_step"] * len(gradient) ** 0.5
            step = gradient * (-group["lr"] * size / gradient.norm().clamp(min=1e-30))
        state["gradient"], state["last_step"] = gradient, step
        start = 0
        for p in self._params:
            p.add_(step[start : start + p.numel()].view_as(p))
            start += p.numel()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The state that `state_dict` gave, moved to the parameters' device and precision.

        torch takes an entry called ``step`` for a counter, and leaves it where it is; so the vector that was called so
        in older states gets another name.
        """
        renamed = {
            key: {"last_step" if name == "step" else name: value for name, value in entries.items()}
            for key, entries in state_dict["state"].items()
        }
        super().load_state_dict(state_dict | {"state": renamed})


def _two_loops(gradient: Tensor, s: list[Tensor], y: list[Tensor]) -> Tensor:
    """Minus the inverse Hessian, as the pairs have it, times the gradient."""
    products = [b @ a for a, b in zip(s, y, strict=True)]
    q, alphas = -gradient, []
    for a, b, product in zip(reversed(s), reversed(y), reversed(products), strict=True):
        alphas.append((a @ q) / product)
        q.addcmul_(b, alphas[-1], value=-1)
    q *= torch.stack([product / (b @ b) for b, product in zip(y[-RECENT:], products[-RECENT:], strict=True)]).max()
    for a, b, product, alpha in zip(s, y, products, reversed(alphas), strict=True):
        q.addcmul_(a, alpha - (b @ q) / product)
    return q


class Spectrum:
    """Coordinates in which coarse structure is moved further than fine, and brightness further than colour.

    The amplitude of every spatial frequency ``f`` (cycles a pixel) is scaled by ``(f / 0.1) ** -exponent``, and the two
    differences of colour by 0.7. A picture is the same in all coordinates, and so is what minimises a loss; the way
    there is not. Photographs have amplitudes of about ``1 / f``, but steps in pixels go for the finest detail first.

    Args:
        exponent: 0 for pixels, 1 for the amplitudes of photographs.
        size: (rows, columns).
        device, dtype: as the pictures.

    Source: the decorrelated coordinates of Olah, Mordvintsev and Schubert, Feature Visualization, Distill 2017, whose
    exponent is 1.

    >>> picture = torch.rand(1, 3, 5, 8)
    >>> spectrum = Spectrum(0.5, (5, 8))
    >>> torch.testing.assert_close(spectrum.picture(spectrum.coordinates(picture)), picture)
    """

    def __init__(
        self,
        exponent: float,
        size: tuple[int, int],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.size = size
        rows = torch.fft.fftfreq(size[0], device=device, dtype=dtype)
        columns = torch.fft.rfftfreq(size[1], device=device, dtype=dtype)
        frequency = torch.hypot(rows[:, None], columns).clamp(min=1 / max(size))
        self.scale = (frequency / UNIT_FREQUENCY) ** -exponent
        # Nine numbers, kept where reading them does not wait for the device.
        opponent = torch.tensor([[1, 1, 1], [1, -1, 0], [1, 1, -2]], dtype=dtype)
        opponent /= opponent.norm(dim=1, keepdim=True)
        shares = torch.tensor([1, COLOUR, COLOUR], dtype=dtype)
        # Symmetric, so that the gradient passes through the same mixture.
        self.mixture = opponent.T @ (shares[:, None] * opponent)

    def picture(self, coordinates: Tensor) -> Tensor:
        """The picture (B, 3, H, W) at some coordinates of the same shape; differentiable, once."""
        picture: Tensor = _Picture.apply(coordinates, self)
        return picture

    @torch.no_grad()
    def coordinates(self, picture: Tensor) -> Tensor:
        """Where a picture is."""
        return self._filter(picture, 1 / self.scale, torch.linalg.inv(self.mixture))

    def _filter(self, x: Tensor, scale: Tensor, mixture: Tensor) -> Tensor:
        result = torch.empty_like(x, memory_format=torch.contiguous_format)
        for picture, planes in zip(x, result, strict=True):
            for shares, plane in zip(mixture.tolist(), planes, strict=True):
                # One by one: the spectra of a large picture take memory.
                mixed = sum(share * channel for share, channel in zip(shares, picture, strict=True))
                plane.copy_(torch.fft.irfft2(torch.fft.rfft2(mixed) * scale, s=self.size))
        return result


class _Picture(torch.autograd.Function):
    """The filter is symmetric, so the gradient passes through the same one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, spectrum: Spectrum) -> Tensor:
        ctx.spectrum = spectrum
        return spectrum._filter(x, spectrum.scale, spectrum.mixture)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        spectrum: Spectrum = ctx.spectrum
        return spectrum._filter(upstream, spectrum.scale, spectrum.mixture), None
