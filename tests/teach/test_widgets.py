"""Widgets by ipywidgets 8, and by what ipywidgets 7 has in its place; `make colab` has 7 itself."""

from __future__ import annotations

from typing import Any

import pytest
import traitlets
from PIL import Image

from styletut.studio import Studio
from styletut.teach import figures, widgets
from styletut.vgg import Weights

ipywidgets = pytest.importorskip("ipywidgets")


class Upload7(traitlets.HasTraits):
    """The value of an upload in ipywidgets 7."""

    value = traitlets.Dict(read_only=True)


def test_a_widget_is_shown_as_it_shows_itself() -> None:
    box = ipywidgets.VBox()
    own = getattr(box, "_repr_mimebundle_", None)
    assert widgets.view(box)[widgets.VIEW]["model_id"] == box.model_id
    if own is not None:  # by ipywidgets 8
        assert widgets.view(box)[widgets.VIEW] == own()[widgets.VIEW]


def test_an_upload_is_taken_once_and_is_empty_then() -> None:
    upload = Upload7()
    upload.set_trait("value", {"cat.png": {"metadata": {"name": "cat.png"}, "content": b"1"}})
    assert widgets.take_uploads(upload) == [("cat.png", b"1")]
    assert upload.value == {} and widgets.take_uploads(upload) == []

    installed = ipywidgets.FileUpload()
    assert widgets.take_uploads(installed) == [] and not installed.value


@pytest.mark.parametrize("trait", ["tooltip", "description_tooltip"])
def test_a_tooltip_is_set_by_the_name_that_there_is(trait: str) -> None:
    widget: Any = type("Control", (traitlets.HasTraits,), {trait: traitlets.Unicode()})()
    widgets.set_tooltip(widget, "How much")
    assert widget.trait_values() == {trait: "How much"}


def test_figures_and_studio_are_shown_by_widgets_that_cannot_show_themselves(
    monkeypatch: pytest.MonkeyPatch, tiny: Weights
) -> None:
    """As those of ipywidgets 7: it has its own display hook."""
    monkeypatch.delattr(ipywidgets.Widget, "_repr_mimebundle_", raising=False)
    for shows in ("styletut.teach.live", "styletut.studio.app"):
        monkeypatch.setattr(f"{shows}.kernel_runs", lambda: True)
    figure = figures.live(lambda k: Image.new("RGB", (8, 8), (k, k, k)), k=(0, 9), alt="A grey square")
    assert widgets.VIEW in figure._repr_mimebundle_()[0]
    studio = Studio(weights=tiny)
    assert widgets.VIEW in studio._repr_mimebundle_()
    studio.close()
