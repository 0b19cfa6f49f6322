"""SciPy's L-BFGS-B as an optimiser of torch, for systems that were published with it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import RecipeError


def require() -> None:
    """Look for SciPy, an extra.

    Raises:
        RecipeError: it is missing.
    """
    if importlib.util.find_spec("scipy") is None:
        raise RecipeError("optimizer='lbfgs-b' is SciPy's: pip install scipy, or take optimizer='lbfgs'")


class LBFGSB(torch.optim.Optimizer):
    """Each step is one call of ``scipy.optimize.fmin_l_bfgs_b``, without bounds, from where the last one ended.

    Nothing is remembered from step to step, so there is no state to save. SciPy computes in float64 on the CPU.

    Args:
        params: the picture.
        history_size: pairs of vectors that it keeps, ``m``.
        evaluations: after so many it ends the iteration that it is in, ``maxfun``; a line search may take it beyond.

    Source: Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization", SIAM Journal on
    Scientific Computing 16, 1995.

    >>> x = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
    >>> optimizer = LBFGSB([x])
    >>> def loss():
    ...     optimizer.zero_grad()
    ...     value = (x * x * torch.tensor([1.0, 10.0])).sum()
    ...     value.backward()
    ...     return value
    >>> value = optimizer.step(loss)
    >>> bool(x.detach().norm() < 1e-4)
    True
    """

    def __init__(self, params: Any, history_size: int = 10, evaluations: int = 20) -> None:
        super().__init__(params, {"history_size": history_size, "evaluations": evaluations})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One call."""
        from scipy.optimize import fmin_l_bfgs_b

        group = self.param_groups[0]
        (picture,) = group["params"]

        def put(values: np.ndarray) -> None:
            picture.copy_(torch.from_numpy(values).to(picture.dtype).view(picture.shape))

        def evaluate(values: np.ndarray) -> tuple[float, np.ndarray]:
            put(values)
            with torch.enable_grad():
                loss = closure()
            return float(loss), _flat(picture.grad)

        minimum, loss, _ = fmin_l_bfgs_b(evaluate, _flat(picture), m=group["history_size"], maxfun=group["evaluations"])
        put(minimum)
        return torch.tensor(float(loss))


def _flat(x: Tensor) -> np.ndarray:
    flat: np.ndarray = x.detach().flatten().cpu().double().numpy().copy()
    return flat
