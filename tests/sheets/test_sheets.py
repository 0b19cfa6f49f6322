"""Contact sheets: which pictures they show, how they are labelled, and what becomes of one that fails."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont
from torch import Tensor

import styletut as st
from styletut import images, recipes, sheets, vgg
from styletut.engine.stepper import Diverged, Stepper
from styletut.errors import ImageError, RecipeError, WeightsError
from styletut.sheets import drawing

TINY = vgg.random_weights(width=0.1)
QUICK: dict[str, Any] = {"steps": 2, "size": 32, "weights": TINY}


def made(content: Any, styles: Any, **options: Any) -> st.Sheet:
    return st.sheet(content, styles, **{"progress": False, **QUICK, **options})


def found_in(sheet: Image.Image, picture: Tensor) -> list[tuple[int, int]]:
    """Where a picture is in a sheet, pixel by pixel."""
    whole, part = np.asarray(sheet).astype(int), np.asarray(images.to_pil(picture)).astype(int)
    rows, columns = part.shape[:2]
    corners = np.argwhere((whole == part[0, 0]).all(2))
    windows = [(r, c) for r, c in corners if r + rows <= whole.shape[0] and c + columns <= whole.shape[1]]
    return [(c, r) for r, c in windows if np.array_equal(whole[r : r + rows, c : c + columns], part)]


# --- which pictures ----------------------------------------------------------------------------------


def test_each_cell_is_the_picture_that_stylize_paints(photo: Tensor, painting: Tensor) -> None:
    vary = {"content_weight": [0.03, 0.3], "style-loss": ["relative", "mean-std"]}
    sheet = made(photo, painting, vary=vary)
    wanted = [(0.03, "relative"), (0.03, "mean-std"), (0.3, "relative"), (0.3, "mean-std")]
    assert [(c.recipe.content_weight, c.recipe.style_loss) for c in sheet.cells] == wanted
    for cell, (weight, loss) in zip(sheet.cells, wanted, strict=True):
        recipe = recipes.get(sheets.QUICK).replace(**{**QUICK, "content_weight": weight, "style_loss": loss})
        assert cell.picture is not None
        assert torch.equal(cell.picture, st.stylize(photo, painting, recipe, progress=False).picture)


def test_the_pictures_are_in_the_sheet_in_rows_and_columns_with_the_originals(photo: Tensor, painting: Tensor) -> None:
    sheet = made(photo, painting, vary={"content_weight": [0.03, 0.1, 0.3], "seed": [1, 2]}, start="noise")
    places = []
    for cell in sheet.cells:
        assert cell.picture is not None
        (place,) = found_in(sheet.image, cell.picture)
        places.append(place)
    rows, columns = sorted({y for _, y in places}), sorted({x for x, _ in places})
    assert places == [(x, y) for y in rows for x in columns] and (len(rows), len(columns)) == (3, 2)
    (original,) = found_in(sheet.image, images.resize(photo, 32))
    assert original[1] < rows[0]
    style = images.resize(painting, (26, 17), fit="exact")  # within the photograph's 26 x 32
    assert len(found_in(sheet.image, style)) == 1


def test_several_styles_are_rows_where_a_setting_varies_and_fill_a_square_where_none_does(
    photo: Tensor, painting: Tensor
) -> None:
    styles = {"waves": painting, "flipped": painting.flip(3)}
    grid = sheets.plan(photo, styles, vary={"seed": [1, 2, 3]}, **QUICK)
    assert [cell.style.name for cell in grid.cells] == ["waves"] * 3 + ["flipped"] * 3 and grid.columns == 3
    assert grid.cells[1].label == ("waves", "seed 2")
    flow = sheets.plan(photo, styles, **QUICK)
    assert flow.columns is None and [cell.label for cell in flow.cells] == [("waves",), ("flipped",)]
    assert sheets.plan(photo, [painting], **QUICK).cells[0].label == ("style 1",)


def test_the_recipe_may_vary_too(photo: Tensor, painting: Tensor) -> None:
    plan = sheets.plan(photo, painting, vary={"recipe": ["gatys", recipes.get("fast").replace(seed=5)]}, tv_weight=0.2)
    assert [cell.recipe.name for cell in plan.cells] == ["gatys", "fast"]
    assert [(cell.recipe.seed, cell.recipe.tv_weight) for cell in plan.cells] == [(0, 0.2), (5, 0.2)]
    assert plan.cells[0].call == "st.stylize(content, style, tv_weight=0.2, recipe='gatys')"
    assert plan.cells[1].call == "st.stylize(content, style, tv_weight=0.2, recipe=recipe)"


def test_a_sheet_may_begin_from_a_picture(photo: Tensor, painting: Tensor) -> None:
    start = torch.rand(1, 3, 26, 32)
    (cell,) = made(photo, painting, start=start).cells
    alone = st.stylize(photo, painting, sheets.QUICK, **QUICK, start=start, progress=False)
    assert cell.picture is not None and torch.equal(cell.picture, alone.picture)
    assert cell.call == "st.stylize(content, style, weights=weights, start=start)"


def test_the_content_may_count_more_in_some_places(photo: Tensor, painting: Tensor) -> None:
    mask = torch.ones(1, 1, *photo.shape[-2:])
    mask[..., :16] = 10
    plan = sheets.plan(photo, painting, content_mask=mask, **QUICK)
    costs = plan.estimate()
    (cell,) = plan.paint(progress=False).cells
    alone = st.stylize(photo, painting, sheets.QUICK, **QUICK, content_mask=mask, progress=False)
    plain = st.stylize(photo, painting, sheets.QUICK, **QUICK, progress=False)
    assert cell.picture is not None and torch.equal(cell.picture, alone.picture)
    assert not torch.equal(alone.picture, plain.picture)
    assert cell.call == "st.stylize(content, style, weights=weights, content_mask=content_mask)" and len(costs) == 1
    with pytest.raises(ImageError, match="content_mask"):
        sheets.plan(photo, painting, content_mask=-mask)


# --- what is refused before anything runs ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vary": {"content_weigth": [1]}}, "did you mean 'content_weight'"),
        ({"vary": {"content_weight": [0.1, -1]}}, "content_weight must be a number, 0 or more, not -1"),
        ({"vary": {"style_loss": ["relative", "meen"]}}, "unknown style loss 'meen'"),
        ({"vary": {"content_weight": []}}, "a list of one or more"),
        ({"vary": {"style_loss": "relative"}}, "a list of one or more"),
        ({"vary": {"seed": [1, 2], "content_weight": [1], "tv_weight": [1]}}, "3 things vary: vary two settings"),
        ({"vary": {"optimizer": ["lbfgs", "sgd"]}, "evaluations": 5}, "sgd takes one evaluation in a step"),
        ({"vary": {"recipe": ["fast", "fest"]}}, "did you mean 'fast'"),
        ({"checkpoint": "run.pt"}, "a sheet has several runs, and keeps no checkpoint"),
        ({"content_weight": -1}, "content_weight must be"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_before_anything_runs(
    options: dict[str, Any], said: str, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stepper, "step", lambda stepper: pytest.fail("it has run"))
    with pytest.raises(RecipeError, match=said) as caught:
        made(photo, painting, **options)
    assert "\n" not in str(caught.value)


def test_several_styles_leave_room_for_one_setting(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(RecipeError, match="3 things vary: vary a style and one other setting"):
        sheets.plan(photo, [painting, painting], vary={"seed": [1], "tv_weight": [1]})


def test_pictures_are_checked_before_anything_runs(photo: Tensor, painting: Tensor) -> None:
    with pytest.raises(ImageError, match="content must be one picture, not 2"):
        sheets.plan(torch.cat([photo, photo]), painting)
    with pytest.raises(ImageError, match="style 2"):
        sheets.plan(photo, [painting, 255 * painting])
    with pytest.raises(ImageError, match="a sheet needs a style"):
        sheets.plan(photo, [])


# --- what goes wrong on the way ----------------------------------------------------------------------


def test_a_style_that_cannot_be_read_costs_its_own_cell_only(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"junk")
    sheet = made(photo, [broken, painting, tmp_path / "missing.png"])
    assert [cell.picture is None for cell in sheet.cells] == [True, False, True]
    assert "is not a picture" in str(sheet.cells[0].note) and "missing.png" in str(sheet.cells[2].note)
    assert sheet.complete and sheet.painted == 1
    assert len(found_in(sheet.image, sheet.cells[1].picture)) == 1  # type: ignore[arg-type]
    assert len(sheet.estimate()) == 3  # one recipe: as far as is known, all can be painted
    with pytest.raises(ImageError, match="is not a picture"):  # the first of two errors
        made(photo, [broken, tmp_path / "missing.png"])


def test_weights_that_are_missing_cost_their_own_cell_only(photo: Tensor, painting: Tensor) -> None:
    sheet = made(photo, painting, vary={"weights": [TINY, "nowhere.pth"]})
    assert [cell.picture is None for cell in sheet.cells] == [False, True]
    assert len(sheet.estimate()) == 1
    with pytest.raises(WeightsError):
        sheets.plan(photo, painting, weights="nowhere.pth").estimate()


def test_a_run_that_diverges_keeps_its_best_picture_and_says_so(
    photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Stepper.step

    def diverge(stepper: Stepper) -> None:
        if stepper.state.iteration == 1:
            raise Diverged("the total is nan")
        step(stepper)

    monkeypatch.setattr(Stepper, "step", diverge)
    (cell,) = made(photo, painting, scales=[(1, 2)]).cells
    assert cell.picture is not None and str(cell.note).startswith("diverged: the total is nan at step 2")


@pytest.mark.parametrize("moment", ["within a run", "between two runs"])
def test_ctrl_c_keeps_the_cells_that_are_finished(
    moment: str, photo: Tensor, painting: Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan = sheets.plan(photo, painting, vary={"seed": [1, 2, 3]}, **QUICK)
    if moment == "within a run":
        step = Stepper.step

        def interrupted(stepper: Stepper) -> None:
            if plan.painted == 1:
                os.kill(os.getpid(), signal.SIGINT)
            step(stepper)

        monkeypatch.setattr(Stepper, "step", interrupted)
        plan.paint(progress=False)
    else:
        plan.paint(progress=False, tell=lambda text: os.kill(os.getpid(), signal.SIGINT) if text[0] == "2" else None)
    assert [cell.picture is None for cell in plan.cells] == [False, True, True]
    assert plan.painted == 1 and not plan.complete
    saved = images.load_image(plan.save(tmp_path / "sheet.png"))
    assert tuple(saved.shape[-2:]) == plan.image.size[::-1]


# --- what is written ---------------------------------------------------------------------------------


def test_a_saved_sheet_says_how_each_picture_is_made(photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    path = images.save_image(photo, tmp_path / "photo.png")
    plan = sheets.plan(path, painting, "gatys", vary={"content_weight": [1, 2]}, size=32, steps=1, seed=4)
    texts = images.read_metadata(plan.save(tmp_path / "sheet.png"))
    calls = [f"st.stylize({str(path)!r}, style, recipe='gatys', seed=4, content_weight={x})" for x in ("1.0", "2.0")]
    assert texts[sheets.METADATA_KEY].splitlines() == [f"{i} {call}" for i, call in enumerate(calls, start=1)]
    with pytest.raises(ImageError, match="exists already"):
        plan.save(tmp_path / "sheet.png", overwrite=False)
    assert Image.open(tmp_path / "sheet.png").size == plan.image.size
    assert plan._repr_png_().startswith(b"\x89PNG")


def test_the_caption_of_a_cell_changes_with_its_label_and_its_call(photo: Tensor, painting: Tensor) -> None:
    plan = sheets.plan(photo, painting, vary={"seed": [1]}, **QUICK)
    before = np.asarray(plan.image)
    plan.cells[0].label = ("seed 7",)
    labelled = np.asarray(plan.image)
    plan.cells[0].call = "styletut photo.jpg"
    assert not np.array_equal(before, labelled)
    assert labelled.shape != np.asarray(plan.image).shape or not np.array_equal(labelled, np.asarray(plan.image))


def test_text_is_broken_into_lines_that_fit_and_nothing_of_it_is_lost() -> None:
    font = ImageFont.load_default(11)
    text = "styletut photo.jpg 'paintings/" + 30 * "very_long_" + ".jpg' --content-weight 0.3"
    lines = drawing.wrapped(text, font, 120)
    assert max(font.getlength(line) for line in lines) <= 120
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert drawing.wrapped("", font, 120) == []
    assert drawing.wrapped("ab", font, 1) == ["a", "b"]


def test_letters_that_the_font_lacks_and_what_could_reorder_text_are_escapes() -> None:
    assert drawing.legible("café Жук λ 星\u202e.jpg") == "café Жук λ \\u661f\\u202e.jpg"
    assert drawing.legible("a\udc80") == "a\\udc80"
