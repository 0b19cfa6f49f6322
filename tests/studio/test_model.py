"""The studio without its widgets: what is set, what is painted, and that nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import styletut as st
from styletut import recipes
from styletut.engine.stepper import Stepper
from styletut.errors import ImageError, LayerError, RecipeError, SampleError
from styletut.studio import Model, Painting, Settings, Source
from styletut.studio.model import differences
from styletut.vgg import Weights

Make = Callable[..., Model]


@pytest.fixture
def make(photo: Tensor, painting: Tensor, tiny: Weights, tmp_path: Path) -> Make:
    """A model with two pictures and a tiny network, which saves into an empty folder."""

    def make(**options: Any) -> Model:
        settings = {"weights": tiny, "size": None, "scales": ((1.0, 5),), "folder": tmp_path}
        return Model(photo, painting, "gram", **settings | options)

    return make


class Gate:
    """Lets a run take its steps one by one, so that what a command meets does not depend on any clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.step, self.arrived, self.open = Stepper.step, threading.Semaphore(0), threading.Semaphore(0)
        gate = self

        def step(self: Stepper) -> None:
            gate.arrived.release()
            assert gate.open.acquire(timeout=60)
            gate.step(self)

        monkeypatch.setattr(Stepper, "step", step)

    def wait(self) -> None:
        """Until a step is about to be taken."""
        assert self.arrived.acquire(timeout=60)

    def let(self, steps: int = 1) -> None:
        """Let it be taken, and more."""
        for _ in range(steps):
            self.open.release()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def paused_after_one_step(model: Model, gate: Gate) -> Painting:
    model.start()
    gate.wait()
    model.pause()
    gate.let()
    model.wait()
    assert state(model) == "paused" and model.painting is not None
    return model.painting


def state(model: Model) -> str:
    """The state, which mypy takes to stay what it was."""
    return model.state


def png(picture: Tensor) -> bytes:
    stream = BytesIO()
    st.images.to_pil(picture).save(stream, "PNG")
    return stream.getvalue()


# --- painting --------------------------------------------------------------------------------------------


def test_a_painting_is_what_stylize_gives(make: Make, photo: Tensor, painting: Tensor) -> None:
    model = make()
    assert state(model) == "ready"
    model.start()
    model.wait()
    (made,) = model.paintings
    expected = st.stylize(photo, painting, model.settings.recipe, progress=False)
    assert state(model) == "done" and not model.message.error
    assert made.result is not None and torch.equal(made.result.picture, expected.picture)
    assert len(made.rows) == made.steps == 5 and made.preview is not None and made.preview.size == (40, 32)


def test_a_paused_run_goes_on_to_the_same_picture(make: Make, gate: Gate, photo: Tensor, painting: Tensor) -> None:
    model = make()
    made = paused_after_one_step(model, gate)
    assert len(made.rows) == 1 and made.result is None and not model.busy
    gate.let(4)
    model.go_on()
    model.wait()
    assert model.paintings == [made] and made.result is not None and made.result.stopped is None
    gate.let(5)
    expected = st.stylize(photo, painting, model.settings.recipe, progress=False)
    assert torch.equal(made.result.picture, expected.picture)


def test_stopping_keeps_the_best_picture_so_far(make: Make, gate: Gate) -> None:
    model = make()
    made = paused_after_one_step(model, gate)
    model.stop()
    assert state(model) == "done" and made.result is not None
    assert (made.result.stopped, len(made.result.history)) == ("interrupted", 1)
    model.start()
    gate.wait()
    model.stop()  # while a step is computed: it is taken
    gate.let()
    model.wait()
    second = model.paintings[1]
    assert second.result is not None and len(second.result.history) == 1


def test_stopping_before_the_first_step_leaves_nothing_behind(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    monkeypatch.setattr(Model, "_paint", lambda self: None)  # prepared, and not one step
    model.start()
    model.wait()
    model.stop()
    assert model.paintings == [] and state(model) == "ready"


def test_a_changed_weight_goes_on_from_the_present_picture(make: Make, gate: Gate, painting: Tensor) -> None:
    model = make()
    first = paused_after_one_step(model, gate)
    present = model._run.picture() if model._run else None
    model.set("content_weight", 3.0)
    gate.let(5)
    model.go_on()
    model.wait()
    first_, second = model.paintings
    assert first_ is first and second.parent is first
    assert first.result is not None and first.result.stopped == "interrupted" and len(first.rows) == 1
    assert second.result is not None and second.result.recipe.content_weight == 3.0
    gate.let(5)
    content = model.settings.content
    assert content is not None and present is not None
    expected = st.stylize(content.picture, painting, model.settings.recipe, refine=present, progress=False)
    assert torch.equal(second.result.picture, expected.picture)


def test_a_weight_changed_while_it_paints_counts_from_the_next_step(make: Make, gate: Gate) -> None:
    model = make()
    model.start()
    gate.wait()
    model.set("style_weight", 2.0)
    gate.let(6)
    model.wait()
    first, second = model.paintings
    assert (len(first.rows), len(second.rows)) == (1, 5)
    assert (first.settings.recipe.style_weight, second.settings.recipe.style_weight) == (1.0, 2.0)


def test_layers_colours_styles_and_regions_go_on_from_the_present_picture(
    make: Make, gate: Gate, photo: Tensor
) -> None:
    left = torch.zeros(32, 40)
    left[:, :20] = 1
    changes: list[Callable[[Model], None]] = [
        lambda model: model.set("style_layers", {"relu1_1": 1.0}),
        lambda model: model.set("colour", "luminance"),
        lambda model: model.style(photo.flip(1), "other"),
        lambda model: model.protect(left),
        lambda model: model.region(0, left),
    ]
    model = make()
    paused_after_one_step(model, gate)
    for number, change in enumerate(changes, start=2):
        change(model)
        model.go_on()
        gate.wait()
        model.pause()
        gate.let()
        model.wait()
        assert len(model.paintings) == number and not model.message.error
        last = model.paintings[-1]
        assert last.parent is model.paintings[-2] and len(last.rows) == 1
    assert model._run is not None and model._run.inputs.masks.regions is not None


def test_what_counts_at_the_start_only_does_not_begin_another_run(make: Make, gate: Gate) -> None:
    model = make()
    paused_after_one_step(model, gate)
    model.set("start", "noise")
    assert model.message.text == "start counts from the next start"
    gate.let(4)
    model.go_on()
    model.wait()
    assert len(model.paintings) == 1 and len(model.paintings[0].rows) == 5


def test_a_finished_picture_can_be_gone_on_from(make: Make) -> None:
    model = make()
    model.start()
    model.wait()
    model.set("tv_weight", 0.5)
    model.go_on()
    model.wait()
    first, second = model.paintings
    assert second.parent is first and second.result is not None and first.result is not None
    assert not torch.equal(second.result.picture, first.result.picture)


def test_starting_while_it_paints_keeps_what_there_is_and_begins_anew(make: Make, gate: Gate) -> None:
    model = make()
    model.start()
    gate.wait()
    model.start()
    gate.let(6)
    model.wait()
    first, second = model.paintings
    assert first.result is not None and first.result.stopped == "interrupted" and len(first.rows) == 1
    assert second.parent is None and len(second.rows) == 5


def test_another_photograph_counts_from_the_next_start(make: Make, gate: Gate, photo: Tensor) -> None:
    model = make()
    made = paused_after_one_step(model, gate)
    model.photograph(photo.flip(3), "mirrored")
    assert "counts from the next start" in model.message.text
    model.set("content_weight", 2.0)
    gate.let(5)
    model.go_on()
    model.wait()
    assert model.paintings[-1].settings.content is made.settings.content
    with pytest.raises(RecipeError, match="another photograph was chosen: start"):
        model.go_on()
    gate.let(5)
    model.start()
    model.wait()
    third = model.paintings[-1].settings.content
    assert third is not None and third.name == "mirrored"


# --- what goes wrong -------------------------------------------------------------------------------------


def test_a_missing_picture_is_asked_for(painting: Tensor) -> None:
    with pytest.raises(RecipeError, match="choose a photograph first"):
        Model(None, painting).start()
    with pytest.raises(RecipeError, match="choose a painting first"):
        Model(painting).start()
    with pytest.raises(RecipeError, match="no picture to go on from"):
        Model(painting, painting).go_on()


@pytest.mark.parametrize("broken", [b"", b"no picture", "cut"], ids=["empty", "text", "cut short"])
def test_a_bad_upload_is_refused_in_a_line_and_nothing_is_lost(make: Make, photo: Tensor, broken: Any) -> None:
    model = make()
    before = model.settings
    data = png(photo)[:300] if broken == "cut" else broken
    for command in (
        lambda: model.photograph(data, "bad.png"),
        lambda: model.style(data, "bad.png"),
        lambda: model.region(0, data, "bad.png"),
        lambda: model.protect(memoryview(data), "bad.png"),
    ):
        with pytest.raises(ImageError, match=r"bad\.png") as caught:
            command()
        assert "\n" not in str(caught.value) and model.settings is before


def test_an_upload_is_read_as_a_file_is(make: Make, photo: Tensor) -> None:
    model = make()
    model.photograph(memoryview(png(photo)), "mine.png")
    assert model.settings.content is not None and model.settings.content.name == "mine"
    assert torch.equal(model.settings.content.picture, (photo * 255).round() / 255)


def test_a_wrong_value_is_refused_and_changes_nothing(make: Make) -> None:
    model = make()
    before = model.settings
    for field, value, error in (
        ("content_weight", -1, RecipeError),
        ("style_layers", {"relu9_9": 1}, LayerError),
        ("optimizer", "adm", RecipeError),
        ("steps", 0, RecipeError),
    ):
        with pytest.raises(error):
            model.set(field, value)
        assert model.settings is before
    with pytest.raises(RecipeError, match="did you mean 'fast'"):
        model.use("fst")
    with pytest.raises(SampleError):
        model.photograph("sample:cta")


def test_a_change_that_does_not_fit_pauses_and_loses_nothing(make: Make, gate: Gate) -> None:
    model = make()
    made = paused_after_one_step(model, gate)
    model.protect(torch.ones(8, 8))
    model.region(0, torch.zeros(8, 8))  # black everywhere
    model.go_on()
    model.wait()
    assert state(model) == "paused" and model.message.error and "has no area" in model.message.text
    model.go_on()  # it is not forgotten that it does not fit
    model.wait()
    assert state(model) == "paused" and model.message.error and len(made.rows) == 1
    model.region(0, None)
    gate.let(5)
    model.go_on()
    model.wait()
    assert state(model) == "done" and not model.message.error and len(model.paintings[-1].rows) == 5


def test_an_error_while_it_paints_is_a_line_and_the_picture_before_is_kept(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, count = Stepper.step, iter(range(100))

    def broken(self: Stepper) -> None:
        if next(count) == 2:
            raise RuntimeError("CUDA out of memory.\nTried to allocate")
        step(self)

    model = make()
    monkeypatch.setattr(Stepper, "step", broken)
    model.start()
    model.wait()
    assert model.message.error and model.message.text.startswith("out of memory: choose a smaller size")
    assert state(model) == "done" and len(model.paintings[0].rows) == 2
    assert model.paintings[0].result is not None


def test_a_run_that_diverges_says_so_and_keeps_its_best_picture(make: Make) -> None:
    model = make(optimizer="sgd", learning_rate=1e30, scales=((1.0, 50),))
    model.start()
    model.wait()
    assert model.message.error and model.message.text.startswith("diverged: ")
    assert model.paintings[0].result is not None and torch.isfinite(model.paintings[0].result.picture).all()


def test_checkpoints_and_processes_are_refused(tmp_path: Path) -> None:
    for option in ({"checkpoint": tmp_path / "run.pt"}, {"shared": True}):
        with pytest.raises(RecipeError, match="leave out checkpoint and shared"):
            Model(**option)
    with pytest.raises(RecipeError, match="did you mean 'tile'"):
        Model(tyle=3)


# --- regions ---------------------------------------------------------------------------------------------


def test_a_style_without_a_mask_is_painted_where_the_others_are_not(photo: Tensor, painting: Tensor) -> None:
    left = torch.zeros(32, 40)
    left[:, :20] = 1
    model = Model(photo, [painting, painting.flip(1)])
    assert model.settings.inputs()[2] == {}
    model.region(0, left)
    first, second = model.settings.inputs()[2]["masks"]
    assert torch.equal(first[0, 0], left) and torch.equal(second[0, 0], 1 - left)


def test_what_is_protected_counts_ten_times(photo: Tensor, painting: Tensor) -> None:
    model = Model(photo, painting)
    model.protect(np.eye(8, dtype=bool))
    factors = model.settings.inputs()[2]["content_mask"]
    assert torch.equal(factors[0, 0], 1 + 9 * torch.eye(8))
    model.protect(None)
    assert model.settings.inputs()[2] == {}


def test_styles_are_added_exchanged_and_removed(photo: Tensor, painting: Tensor) -> None:
    model = Model(photo)
    model.style(painting, "one")
    model.style(painting, "two", place=1)
    model.style("sample:waves", place=0)
    assert [style.source.name for style in model.settings.styles] == ["waves", "two"]
    model.remove_style(0)
    assert [style.source.name for style in model.settings.styles] == ["two"]


# --- history, cost and saving ------------------------------------------------------------------------------


def test_settings_are_taken_back_from_the_history(make: Make) -> None:
    model = make()
    model.start()
    model.wait()
    before = model.paintings[0].settings
    model.set("style_weight", 9.0)
    model.style("sample:waves")
    model.take_back(model.paintings[0])
    assert model.settings.recipe == before.recipe and model.settings.styles == before.styles


def test_only_what_differs_from_the_named_recipe_is_said() -> None:
    fast = recipes.get("fast")
    assert differences(fast) == {}
    assert differences(fast.replace(style_weight=2, colour="luminance")) == {
        "style_weight": 2.0,
        "colour": "luminance",
    }
    assert differences(recipes.Recipe(seed=4)) == {"seed": 4}


def test_a_painting_is_saved_with_its_manifest_and_replaces_nothing(make: Make, tmp_path: Path) -> None:
    model = make()
    model.start()
    model.wait()
    made = model.paintings[0]
    first, second = model.save(made), model.save(made)
    assert (first.name, second.name) == ("photograph-painting.png", "photograph-painting-2.png")
    assert model.save(made, "mine").name == "mine.png" and made.saved == tmp_path / "mine.png"
    with Image.open(first) as saved:
        manifest = json.loads(saved.text["styletut"])  # type: ignore[attr-defined]
        assert recipes.Recipe.from_dict(manifest["recipe"] | {"weights": "oxford"}) == made.settings.recipe.replace(
            weights="oxford"
        )
    with pytest.raises(ImageError):
        model.save(made, "no/such/folder.png")
    with pytest.raises(ImageError):
        model.save(made, "mine.xyz")


def test_what_is_being_painted_is_neither_saved_nor_forgotten(make: Make, gate: Gate) -> None:
    model = make()
    made = paused_after_one_step(model, gate)
    with pytest.raises(RecipeError, match="still being painted"):
        model.save(made)
    with pytest.raises(RecipeError, match="stop it first"):
        model.forget(made)
    model.stop()
    model.forget(made)
    assert model.paintings == []


def test_the_cost_is_estimated_for_the_settings_as_they_are(make: Make) -> None:
    model = make()
    model.reckon()
    model.wait()
    assert model.estimate is not None and model.estimate.evaluations == 5
    model.set("steps", 8)
    assert model.estimate is None
    model.reckon()
    model.wait()
    assert model.estimate is not None and model.estimate.evaluations == 8


def test_what_an_estimate_finds_wrong_is_said_before_the_start(make: Make) -> None:
    model = make()
    model.region(0, torch.zeros(8, 8))
    model.reckon()
    model.wait()
    assert model.estimate is None and model.message.error and "has no area" in model.message.text


def test_settings_are_frozen_and_sources_can_be_shared(photo: Tensor) -> None:
    source = Source.of(photo, "mine")
    assert Source.of(source) is source
    settings = Settings(recipes.get("draft"), source)
    assert settings.replace(styles=()).content is source


def test_a_program_that_ends_while_it_paints_ends_well() -> None:
    # What torch keeps for a thread is let go of after Python took the thread for ended: here that lasts a while.
    code = """
import threading, time, torch
from styletut import vgg
from styletut.studio import Model

class Slow:
    def __del__(self): time.sleep(0.3)

class Painter(Model):
    def _end(self, **given):
        super()._end(**given)
        torch._C._stash_obj_in_tls("slow", Slow())

model = Painter('sample:cat', 'sample:waves', weights=vgg.random_weights(width=0.1), size=64, steps=100_000)
model.reckon()
threads = [thread for thread in threading.enumerate() if thread.name.startswith('styletut')]
model.start()
while not (model.paintings and model.paintings[0].rows): pass
threads += [thread for thread in threading.enumerate() if thread.name.startswith('styletut')]
assert len(threads) > 1 and not any(thread.daemon for thread in threads)  # Python waits for no daemon
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert (ran.returncode, ran.stderr) == (0, "")
