"""Widgets by ipywidgets 8, and by what ipywidgets 7 has in its place; `make colab` has 7 itself."""

from __future__ import annotations

from typing import Any

import pytest
import traitlets

from styletut.teach import widgets

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
