"""Execute notebooks from top to bottom and write them back, normalised: a diff then shows only what changed.

Each runs in an empty folder of its own, as a reader's might. A notebook that fails is left as it was.

    python tools/run_notebooks.py book/01-first-transfer.ipynb book/02-pictures.ipynb
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

CELL_SECONDS = 600  # without a limit, a kernel that never answers would hang the run
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_METADATA = ("tags", "mystnb", "jupyter", "cellView")
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
FOR_THE_PAGE = ("image/", "text/html")  # what `live` has beside its widgets
PNG = "image/png"
UNSEEN = 1.0  # of 255: root mean square of what a palette of 256 colours may change in a plot


def execute(notebook: Any) -> None:
    """Run all cells in a fresh kernel; the outputs and the state of the widgets end up in the notebook."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        ).execute(env=os.environ | {"TQDM_DISABLE": "1"})  # a progress bar would be kept as an output


def normalise(notebook: Any) -> Any:
    """The notebook without what differs from run to run or from machine to machine."""
    widgets = remaining_widgets(notebook)
    notebook.metadata = nbformat.from_dict(
        {
            "accelerator": "GPU",  # Colab opens the chapter with one
            "kernelspec": KERNELSPEC,
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    if widgets:
        notebook.metadata["widgets"] = widgets
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata}
        if cell.cell_type == "markdown":
            cell.pop("attachments", None)
        for output in cell.get("outputs", []):
            if PNG in output.get("data", {}):
                output.data[PNG] = smaller_png(output.data[PNG])
    return rename_widgets(notebook)


def smaller_png(data: str) -> str:
    """A plot as a PNG with a palette, a third of the bytes; as it is if that would be seen, or is not smaller."""
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        if picture.mode == "P" or picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
            return data
        whole = picture.convert("RGB")
    few = whole.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    change = np.asarray(few.convert("RGB"), dtype=np.float64) - np.asarray(whole)
    stream = io.BytesIO()
    few.save(stream, "PNG", optimize=True)
    small = base64.b64encode(stream.getvalue()).decode("ascii") + "\n" * data.endswith("\n")
    return small if np.sqrt(np.mean(change**2)) < UNSEEN and len(small) < len(data) else data


def remaining_widgets(notebook: Any) -> Any:
    """Keep what an output has for the page beside controls, and the state of the widgets still shown.

    Without a kernel such controls would be dead; the picture is their last state, or the HTML has sliders of its own.
    None when no widget is left.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET_VIEW in data and any(kind.startswith(FOR_THE_PAGE) for kind in data):
                output.data = nbformat.from_dict({kind: data[kind] for kind in data if kind != WIDGET_VIEW})
    widgets = notebook.metadata.get("widgets")
    state = (widgets or {}).get(WIDGET_STATE, {}).get("state", {})
    names = reachable(state, shown_widgets(notebook))
    for name, model in state.items():  # links between widgets: nothing refers to them
        if "source" in model.get("state", {}) and set(referred(model)) <= set(names):
            names.append(name)
    if widgets is None or not state.keys() & set(names):
        return None
    widgets[WIDGET_STATE]["state"] = nbformat.from_dict({name: state[name] for name in state if name in names})
    return widgets


def shown_widgets(notebook: Any) -> list[str]:
    """The names of the widgets in the outputs, in order."""
    return [
        output.data[WIDGET_VIEW]["model_id"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if WIDGET_VIEW in output.get("data", {})
    ]


def referred(model: Any) -> list[str]:
    """The names of the widgets that a widget refers to."""
    return re.findall(r"IPY_MODEL_(\w+)", json.dumps(model, sort_keys=True))


def reachable(state: Any, names: list[str]) -> list[str]:
    """The widgets of that name, followed by all that they refer to."""
    names = list(dict.fromkeys(names))
    for name in names:  # grows while it is walked
        names += dict.fromkeys(other for other in referred(state.get(name)) if other not in names)
    return names


def rename_widgets(notebook: Any) -> Any:
    """Number the widgets in order of appearance, in place of the random names they have in each run."""
    if "widgets" not in notebook.metadata:
        return notebook
    state = notebook.metadata["widgets"][WIDGET_STATE]["state"]
    names = reachable(state, shown_widgets(notebook))
    names += [name for name in state if name not in names]  # links
    text = nbformat.writes(notebook)
    for number, name in enumerate(names):
        text = text.replace(name, f"{number:032x}")
    return nbformat.reads(text, as_version=4)


def write(notebook: Any, path: Path) -> None:
    """Replace the file at once, so that an interrupted write leaves the old one."""
    nbformat.validate(notebook)
    new = path.with_suffix(".ipynb.new")
    new.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")
    new.replace(path)


def main(paths: list[str]) -> int:
    """Execute every notebook that is named; the exit status is the number of those that failed."""
    failed = 0
    for path in map(Path, paths):  # before any is executed: that takes minutes
        if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
            sys.exit(f"cannot write {path}: it is missing or protected; nothing was executed")
    for path in map(Path, paths):
        notebook = nbformat.read(path, as_version=4)
        start = time.monotonic()
        try:
            execute(notebook)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"{path}: FAILED, left as it was\n{error}", file=sys.stderr)
            failed += 1
            continue
        write(normalise(notebook), path)
        seconds, size = time.monotonic() - start, path.stat().st_size / 1e6
        print(f"{path}: {len(notebook.cells)} cells, {seconds:.0f} s, {size:.2f} MB")
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
