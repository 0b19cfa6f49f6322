"""The studio's widgets, driven as a front end drives them: values are set, buttons are clicked, files are uploaded."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import styletut as st
from styletut import recipes, samples
from styletut.studio import Studio, controls, parts
from styletut.studio.controls import plain
from styletut.vgg import Weights

ipywidgets = pytest.importorskip("ipywidgets")


@pytest.fixture
def studio(tiny: Weights, tmp_path: Path) -> Iterator[Studio]:
    """A studio without pictures, with a tiny network, which saves into an empty folder."""
    made = Studio(recipe="gram", weights=tiny, size=48, scales=((1.0, 4),), folder=tmp_path)
    yield made
    made.close()


def png(picture: Tensor) -> bytes:
    stream = BytesIO()
    st.images.to_pil(picture).save(stream, "PNG")
    return stream.getvalue()


def upload(widget: Any, name: str, content: bytes) -> None:
    """What a front end sends."""
    given = {"name": name, "type": "image/png", "size": len(content), "content": memoryview(content)}
    if isinstance(widget.value, dict):  # ipywidgets 7, as on Colab
        widget.set_trait("value", {name: {"metadata": given, "content": content}})
    else:
        widget.value = ({**given, "last_modified": datetime(2026, 1, 1, tzinfo=UTC)},)


def done(studio: Studio) -> None:
    """Until nothing is computed any more, and that is shown."""
    for _ in range(2):  # a refresh may begin an estimate
        studio.model.wait()
        studio.view.refresh()


def status(studio: Studio) -> str:
    return re.sub("<[^>]+>", " ", studio.view._status.value)


def ready(studio: Studio, photo: Tensor, painting: Tensor) -> None:
    upload(studio.view.photograph.upload, "cat.png", png(photo))
    upload(studio.view.painting.upload, "art.png", png(painting))


# --- from upload to saved file ------------------------------------------------------------------------------


def test_from_upload_to_saved_file(studio: Studio, photo: Tensor, painting: Tensor, tmp_path: Path) -> None:
    view = studio.view
    assert view.start.disabled and view.pause.disabled and view.stop.disabled
    assert "Choose a photograph" in view._easel.value and "Choose a painting" in view._easel.value
    ready(studio, photo, painting)
    done(studio)
    assert not view.start.disabled and "Choose" not in view._easel.value
    assert "4 evaluations" in status(studio)
    view.start.click()
    done(studio)
    assert "done 1" in status(studio) and "step 4 of 4" in status(studio)
    assert 'class="content"' in view._curves.value and "polyline" in view._curves.value
    card = view.card(studio.model.paintings[0])
    assert "1 · gram" in card.html and "cat + art" in card.html
    card.save.click()
    saved = tmp_path / "cat-art.png"
    with Image.open(saved) as picture:
        assert json.loads(picture.text["styletut"])["iterations"] == 4  # type: ignore[attr-defined]
    assert f"saved {saved}" in status(studio)
    (address,) = re.findall(r'href="([^"]*)" download="cat-art.png"', card.html)
    with Image.open(saved) as picture, Image.open(BytesIO(_bytes(address))) as downloaded:
        assert picture.tobytes() == downloaded.tobytes()
    assert studio.result is not None and len(studio.results) == 1


def _bytes(address: str) -> bytes:
    return base64.b64decode(address.partition(",")[2])


def test_the_buttons_follow_the_run(studio: Studio, photo: Tensor, painting: Tensor, monkeypatch: Any) -> None:
    view, model = studio.view, studio.model
    ready(studio, photo, painting)
    done(studio)
    pressed: list[str] = []
    monkeypatch.setattr(type(model), "_begin_work", lambda self, prepare: pressed.append("work"))
    for state, words in (
        ("ready", ("Pause", True, True, "start")),
        ("painting", ("Pause", False, False, "")),
        ("paused", ("Go on", False, False, "pause")),
        ("done", ("Go on", False, True, "start")),
    ):
        view._show_transport(state)
        primary = [n for n in ("start", "pause") if "styletut-primary" in getattr(view, n)._dom_classes]
        assert (view.pause.description, view.pause.disabled, view.stop.disabled) == words[:3]
        assert primary == [words[3]] if words[3] else not primary
    view.start.click()
    assert pressed == ["work"]


def test_what_another_thread_changes_while_the_studio_is_refreshed_is_not_lost(
    studio: Studio, monkeypatch: Any
) -> None:
    """JupyterLab hands clicks to a thread of their own, while the kernel's loop shows what is painted."""
    view, clicks = studio.view, {}

    def meanwhile(field: str, value: float, shown: Any) -> Any:
        if field not in clicks:
            clicks[field] = threading.Thread(target=setattr, args=(view.controls[field].widget, "value", value))
            clicks[field].start()
            clicks[field].join(0.2)  # not longer: it waits for the lock, which is held here
        return shown

    status_ = parts.status
    monkeypatch.setattr(parts, "status", lambda *given: meanwhile("content_weight", 5.0, status_(*given)))
    # And while the control itself is shown another value.
    control = view.controls["style_weight"]
    monkeypatch.setattr(control, "_shown", lambda value: meanwhile("style_weight", 7.0, value))
    studio.model.set("style_weight", 6.0)
    view.refresh()
    for click in clicks.values():
        click.join()
    recipe = studio.model.settings.recipe
    assert (recipe.content_weight, recipe.style_weight) == (5.0, 7.0)


def test_a_pause_that_comes_too_late_begins_nothing(studio: Studio, photo: Tensor, painting: Tensor) -> None:
    ready(studio, photo, painting)
    studio.view.start.click()
    studio.model.wait()  # the button says "Pause" until the next look at the model
    assert studio.view.pause.description == "Pause" and studio.model.state == "done"
    studio.view.pause.click()
    done(studio)
    assert len(studio.model.paintings) == 1 and studio.view.pause.description == "Go on"


def test_a_bad_upload_is_one_line_and_nothing_is_lost(studio: Studio, photo: Tensor, painting: Tensor) -> None:
    ready(studio, photo, painting)
    done(studio)
    before = studio.model.settings
    for widget in (studio.view.photograph.upload, studio.view.painting.upload, *studio.view.regions.values()):
        upload(widget, "notes.png", b"these are words")
        (line,) = re.findall('<p class="error" role="alert">(.*?)</p>', studio.view._status.value)
        assert "notes.png" in line and "Traceback" not in line and not widget.value
        assert studio.model.settings is before
    studio.view.start.click()
    done(studio)
    assert "done 1" in status(studio) and "notes" not in status(studio)


def test_a_message_cannot_write_into_the_page(studio: Studio) -> None:
    upload(studio.view.photograph.upload, "<img src=x onerror=alert(1)>.png", b"words")
    assert "<img" not in studio.view._status.value and "&lt;img" in studio.view._status.value


# --- controls ------------------------------------------------------------------------------------------------


def test_every_field_of_a_recipe_has_a_control_that_gives_back_what_it_shows() -> None:
    changes: list[Any] = []
    made = controls.all_controls(recipes.get("fast"), lambda *change: changes.append(change))
    told = {f.name for f in recipes.fields() if f.kind == "text"}
    assert set(made) == {f.name for f in recipes.fields()} - told | {"steps"}
    assert list(made)[: len(controls.FIRST)] == list(controls.FIRST)
    for name in recipes.names():
        recipe = recipes.get(name)
        controls.show_all(made, recipe)
        for control in made.values():
            again = recipe.replace(**{control.field.name: control._read(control.widget.value)})
            assert again == recipe, control.field.name
    assert changes == []


def test_a_control_is_of_the_kind_of_its_field() -> None:
    made = controls.all_controls(recipes.get("fast"), lambda *change: None)
    kinds = {
        "colour": ipywidgets.Dropdown,
        "network": ipywidgets.Dropdown,
        "strength": ipywidgets.FloatSlider,
        "content_weight": ipywidgets.BoundedFloatText,
        "steps": ipywidgets.BoundedIntText,
        "keep_grey": ipywidgets.Checkbox,
        "style_layers": controls.Layers,
        "size": ipywidgets.Text,
    }
    for name, kind in kinds.items():
        assert type(made[name].widget) is kind, name
    assert tuple(made["colour"].widget.options) == recipes.field("colour").choices
    assert (made["strength"].widget.min, made["strength"].widget.max) == (0, 1)
    assert made["steps"].widget.min == 1
    strength = made["strength"].widget
    assert recipes.field("strength").help in (
        strength.tooltip if strength.has_trait("tooltip") else strength.description_tooltip
    )


def test_controls_set_the_recipe(studio: Studio) -> None:
    made = studio.view.controls
    for name, given, value in (
        ("content_weight", 0.25, 0.25),
        ("strength", 0.5, 0.5),
        ("colour", "luminance", "luminance"),
        ("keep_grey", False, False),
        ("size", "30x40", (30, 40)),
        ("style_scale", "0.5,own", (0.5, "own")),
        ("steps", 7, 7),
        ("content_layers", {"relu3_1": 0.5}, {"relu3_1": 0.5}),
        ("scales", "[[0.5, 2], [1, 3]]", ((0.5, 2), (1.0, 3))),
    ):
        made[name].widget.value = given
        assert getattr(studio.model.settings.recipe, name) == value, name
        assert "styletut-differs" in made[name].widget._dom_classes


def test_a_refused_value_is_put_back_and_said(studio: Studio) -> None:
    studio.view.controls["size"].widget.value = "huge"
    assert studio.view.controls["size"].widget.value == "48"
    assert "size must be a number of pixels" in status(studio)
    studio.view.controls["style_loss"].widget.value = "sliced-wasserstein"
    studio.view.controls["strength"].widget.value = 0.5
    assert "has no strength" in status(studio) and studio.view.controls["strength"].widget.value == 1.0


def test_layers_are_chosen_by_buttons_and_weighed(studio: Studio) -> None:
    layers = studio.view.controls["style_layers"].widget
    assert set(layers.buttons) == {each.name for each in st.architecture.layers("vgg19") if each.kind == "relu"}
    for name in ("relu4_1", "relu5_1", "relu2_1"):
        layers.buttons[name].value = False
    assert dict(studio.model.settings.recipe.style_layers) == {"relu1_1": 0.2, "relu3_1": 0.2}
    layers.buttons["relu2_2"].value = True
    assert list(studio.model.settings.recipe.style_layers) == ["relu1_1", "relu2_2", "relu3_1"]
    layers.weights["relu2_2"].value = 2.0
    assert studio.model.settings.recipe.style_layers["relu2_2"] == 2.0
    studio.view.controls["network"].widget.value = "vgg16"
    assert "relu3_4" not in layers.buttons


def test_a_recipe_sets_all_controls(studio: Studio) -> None:
    studio.view.recipe.value = "avgpool"
    recipe = recipes.get("avgpool")
    assert studio.model.settings.recipe == recipe
    for name in ("optimizer", "content_weight", "start", "pooling", "steps"):
        assert studio.view.controls[name].widget.value == plain(recipe)[name]
        assert "styletut-differs" not in studio.view.controls[name].widget._dom_classes
    assert recipe.note.split(":")[0] in studio.view._note.value


def test_objects_of_ones_own_are_shown_and_stay(studio: Studio) -> None:
    weights = studio.view.controls["weights"].widget
    assert weights.value.startswith("<random") and weights.disabled
    studio.view.recipe.value = "draft"
    assert weights.value == "oxford" and not weights.disabled


# --- pictures ------------------------------------------------------------------------------------------------


def test_samples_are_chosen_by_a_click(studio: Studio) -> None:
    view = studio.view
    assert set(view.photograph.buttons) | set(view.painting.buttons) == set(samples.names())
    view.photograph.buttons["coffee"].click()
    view.painting.buttons["waves"].click()
    settings = studio.model.settings
    assert settings.content is not None and settings.content.name == "coffee"
    assert torch.equal(settings.content.picture, samples.load("coffee"))
    chosen = [n for n, b in view.painting.buttons.items() if "styletut-chosen" in b._dom_classes]
    assert chosen == ["waves"] and "coffee" in view._easel.value


def test_paintings_are_added_and_each_has_its_region(studio: Studio) -> None:
    view = studio.view
    view.photograph.buttons["cat"].click()
    view.painting.buttons["waves"].click()
    view.another.value = True
    view.painting.buttons["dots"].click()
    assert not view.another.value
    view.painting.buttons["mosaic"].click()  # takes the place of the last
    assert [style.source.name for style in studio.model.settings.styles] == ["waves", "mosaic"]
    assert list(view.regions) == ["waves", "mosaic", "keep the photograph"]
    left = np.zeros((20, 30, 3), np.uint8)
    left[:, :15] = 255
    mask = png(torch.from_numpy(left).permute(2, 0, 1)[None] / 255)
    upload(view.regions["waves"], "left.png", mask)
    upload(view.regions["keep the photograph"], "right.png", mask)
    settings = studio.model.settings
    assert settings.styles[0].mask is not None and settings.styles[1].mask is None and settings.protect is not None
    view.start.click()
    done(studio)
    assert studio.result is not None and len(studio.result.inputs["masks"]) == 2
    assert "content_mask" in studio.result.inputs
    remove = view._styles.children[0]
    assert remove.description == "waves"
    remove.click()
    assert [style.source.name for style in studio.model.settings.styles] == ["mosaic"]


# --- history -------------------------------------------------------------------------------------------------


def test_the_history_compares_takes_back_and_removes(studio: Studio, photo: Tensor, painting: Tensor) -> None:
    view, model = studio.view, studio.model
    ready(studio, photo, painting)
    view.start.click()
    done(studio)
    view.controls["content_weight"].widget.value = 3.0
    view.pause.click()  # "Go on", from the finished picture
    done(studio)
    first, second = model.paintings
    assert "content weight" in view.card(second).html and "after 1" in view.card(second).html
    assert "content weight" not in view.card(first).html
    assert tuple(view.right.options) == ("photograph", "1 · gram", "2 · gram")
    assert (view.left.value, view.right.value) == ("photograph", "2 · gram")
    (shown,) = view._divider.outputs
    view.left.value = "1 · gram"
    assert view._divider.outputs[0] != shown and "1 · gram" in view._divider.outputs[0]["data"]["text/html"]
    view.card(first).take.click()
    assert model.settings.recipe.content_weight == first.settings.recipe.content_weight
    assert view.controls["content_weight"].widget.value == first.settings.recipe.content_weight
    view.card(first).remove.click()
    assert model.paintings == [second] and tuple(view.left.options) == ("photograph", "2 · gram")
    assert len(view.history.children) == 1


def test_pictures_of_two_shapes_are_not_compared(studio: Studio, photo: Tensor, painting: Tensor) -> None:
    view = studio.view
    ready(studio, photo, painting)
    view.start.click()
    done(studio)
    upload(view.photograph.upload, "tall.png", png(photo.transpose(2, 3).contiguous()))
    view.start.click()
    done(studio)
    view.left.value = "1 · gram"
    assert "two pictures of one shape" in view._divider.outputs[0]["data"]["text/html"]


# --- the kernel ------------------------------------------------------------------------------------------------


def test_the_event_loop_shows_what_is_painted_until_it_is_done(
    tiny: Weights, photo: Tensor, painting: Tensor, tmp_path: Path
) -> None:
    async def use() -> list[str]:
        studio = Studio(photo, painting, "gram", weights=tiny, size=48, scales=((1.0, 60),), folder=tmp_path)
        seen = []
        studio.view.start.click()
        while "done 1" not in studio.view._status.value or "evaluations" not in studio.view._status.value:
            seen.append(studio.view._status.value)
            await asyncio.sleep(0.02)
        assert not studio.model.busy
        studio.close()
        return seen

    seen = asyncio.run(asyncio.wait_for(use(), 120))
    assert any("painting 1" in text for text in seen)


def test_the_package_and_its_studio_are_imported_without_ipywidgets() -> None:
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "import styletut as st\n"
        "st.studio.Model()\n"
        "try: st.Studio()\n"
        "except st.StyletutError as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("the studio needs ipywidgets") and 'pip install "styletut[notebook]"' in ran.stdout


def test_outside_a_kernel_a_studio_is_a_line(studio: Studio) -> None:
    assert studio._repr_mimebundle_() == {"text/plain": repr(studio)}
    assert repr(studio) == "Studio(no photograph yet in no painting yet by 'gram', ready)"


def test_closing_leaves_no_widget_behind(tiny: Weights) -> None:
    there = getattr(ipywidgets.widgets.widget, "_instances", None)  # by ipywidgets 8
    there = ipywidgets.Widget.widgets if there is None else there
    before = set(there)
    studio = Studio("sample:cat", "sample:waves", weights=tiny, size=32)
    assert set(there) > before
    studio.close()
    assert [there[key] for key in set(there) - before] == []


# --- pieces of HTML ----------------------------------------------------------------------------------------------


def rows(*losses: dict[str, float], scale: int = 0) -> list[dict[str, Any]]:
    return [{"scale": scale, "losses": loss} for loss in losses]


def test_curves_have_a_line_for_each_term_and_scale_and_add_up_its_layers() -> None:
    history = rows(*[{"style/relu1_1": 2.0 / n, "style/relu2_1": 1.0 / n, "total": 3.0 / n} for n in range(1, 500)])
    history += rows(*[{"style/a": 0.4 / n, "style/b": 0.6 / n, "total": 1.0 / n} for n in range(1, 61)], scale=1)
    drawn = parts.curves(history)
    assert re.findall('polyline class="(\\w+)"', drawn) == ["total", "total", "style", "style"]
    longest = max(len(points.split()) for points in re.findall('points="([^"]*)"', drawn))
    assert longest <= parts.POINTS + 1 and "now total 0.0167, style 0.0167" in drawn
    assert parts.curves(history[:1]) == parts.curves(rows({"total": 0.0}, {"total": float("nan")})) == ""


def test_the_style_sheet_reaches_nothing_outside_the_studio() -> None:
    css = re.sub(r"/\*.*?\*/|<[^>]*>", "", parts.style_sheet(), flags=re.DOTALL)
    css = re.sub(r"@container \([^)]*\)\{(.*?\})\}", r"\1", css, flags=re.DOTALL)
    selectors = [each.strip() for group in re.findall(r"([^{}]+)\{[^}]*\}", css) for each in group.split(",")]
    assert len(selectors) > 60 and all(each.startswith(".styletut-") for each in selectors)
