"""What is done one way with ipywidgets 7, which Colab comes with, and another with ipywidgets 8."""

from __future__ import annotations

from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"


def view(widget: Any) -> dict[str, Any]:
    """What a notebook shows a widget by, without the text beside it."""
    return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}


def set_tooltip(widget: Any, text: str) -> None:
    """Say what a control is for; of some controls the trait was called otherwise in ipywidgets 7."""
    setattr(widget, "tooltip" if widget.has_trait("tooltip") else "description_tooltip", text)


def take_uploads(upload: Any) -> list[tuple[str, Any]]:
    """Names and contents of the files that were uploaded; the upload is empty then, and takes the same files again."""
    files = upload.value
    upload.set_trait("value", type(files)())
    if isinstance(files, dict):  # ipywidgets 7
        return [(name, file["content"]) for name, file in files.items()]
    return [(file["name"], file["content"]) for file in files]
