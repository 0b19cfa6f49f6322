"""Going on from a picture, or from a result, with changed settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine_helpers import SMALL, TINY, paint
from torch import Tensor

import styletut as st
from styletut.errors import RecipeError
from styletut.transfer import iterate

COARSE_TO_FINE = SMALL.replace(scales=((0.25, 2), (0.5, 3), (1.0, 4)))


def test_refining_keeps_the_detail_of_a_result_and_takes_changed_settings(photo: Tensor, painting: Tensor) -> None:
    before = paint(photo, painting, COARSE_TO_FINE)
    run = iterate(photo, painting, COARSE_TO_FINE, refine=before, content_weight=0.3)
    assert torch.equal(run.picture(), before.picture)
    assert run.recipe == COARSE_TO_FINE.replace(scales=((1.0, 4),), content_weight=0.3)
    assert [step.size for step in run] == [(32, 40)] * 4
    assert not torch.equal(run.result().picture, before.picture)
    by_picture = paint(photo, painting, COARSE_TO_FINE, refine=before.picture, content_weight=0.3)
    assert torch.equal(by_picture.picture, run.result().picture)
    assert by_picture.manifest()["inputs"]["start"][0]["size"] == [32, 40]


@pytest.mark.parametrize(
    ("start", "kept"),
    [((32, 40), 1), ((17, 21), 2), ((16, 20), 2), ((8, 10), 3), ((4, 5), 3), ((64, 80), 1), ((22, 22), 1)],
)
def test_refining_leaves_out_the_scales_that_are_coarser_than_the_picture(
    start: tuple[int, int], kept: int, photo: Tensor, painting: Tensor
) -> None:
    given = torch.rand(1, 3, *start)
    assert iterate(photo, painting, COARSE_TO_FINE, refine=given).recipe.scales == COARSE_TO_FINE.scales[-kept:]
    assert iterate(photo, painting, COARSE_TO_FINE, start=given).recipe == COARSE_TO_FINE


def test_the_steps_of_refining_are_those_of_the_scales_that_remain(photo: Tensor, painting: Tensor) -> None:
    run = iterate(photo, painting, COARSE_TO_FINE, refine=photo, steps=5)
    assert run.recipe.scales == ((1.0, 5),)
    cost = st.estimate(photo, painting, COARSE_TO_FINE, refine=photo, steps=5)
    assert cost.evaluations == 5


def test_a_refined_run_resumes_exactly(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    whole = paint(photo, painting, COARSE_TO_FINE, refine=painting, content_weight=0.3)
    run = iterate(photo, painting, COARSE_TO_FINE, refine=painting, content_weight=0.3)
    next(run)
    resumed = st.resume(run.save(tmp_path / "run.pt"), weights=TINY, progress=False)
    assert torch.equal(resumed.picture, whole.picture)


def test_a_result_may_be_the_start(photo: Tensor, painting: Tensor) -> None:
    before = paint(photo, painting)
    run = iterate(photo, painting, COARSE_TO_FINE, start=before)
    assert run.state.start is not None and run.recipe == COARSE_TO_FINE
    assert torch.equal(run.state.start, before.picture)
    with pytest.raises(RecipeError, match="start= or refine=, not both"):
        iterate(photo, painting, COARSE_TO_FINE, start=before, refine=before)
