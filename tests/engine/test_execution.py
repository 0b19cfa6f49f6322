"""Where and how a run is executed: what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from engine_helpers import SMALL
from torch import Tensor

from styletut.errors import RecipeError
from styletut.transfer import estimate, iterate


@pytest.mark.parametrize("tile", [0, -1, 1.5, True, "64", (64, 64), 10**30, math.nan])
def test_a_tile_that_means_nothing_is_refused_before_anything_runs(tile: Any, photo: Tensor, painting: Tensor) -> None:
    for begin in (iterate, estimate):
        with pytest.raises(RecipeError, match="tile must be whole pixels, 1 or more, not"):
            begin(photo, painting, SMALL, tile=tile)
