"""Clamping keeps the picture in its range."""

from __future__ import annotations

import pytest
from engine_helpers import ADAM, SMALL, paint
from torch import Tensor

from styletut.lowmem.objective import TapeObjective
from styletut.transfer import iterate


@pytest.mark.filterwarnings("ignore:the loss ended at")
def test_clamping_after_each_step_keeps_the_variable_in_its_range(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, SMALL, **ADAM | {"learning_rate": 90.0}, pixel_range=255.0, clamp="step")
    for _ in run:
        assert float(run.state.variable.detach().min()) >= 0 and float(run.state.variable.detach().max()) <= 255
    free = iterate(photo, painting, SMALL, **ADAM | {"learning_rate": 90.0}, pixel_range=255.0, clamp="none")
    assert max(float(free.state.variable.detach().max()) for _ in free) > 255


@pytest.mark.filterwarnings("ignore:the loss ended at")
def test_clamping_in_the_forward_pass_shows_the_network_only_pictures(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    call = TapeObjective.__call__

    def look(self: TapeObjective, picture: Tensor) -> dict[str, Tensor]:
        seen.append(picture.detach().clone())
        return call(self, picture)

    monkeypatch.setattr(TapeObjective, "__call__", look)
    paint(photo, painting, **ADAM | {"learning_rate": 0.5}, clamp="forward")
    assert all(float(p.min()) >= 0 and float(p.max()) <= 1 for p in seen)
