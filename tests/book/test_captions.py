"""Every figure of a chapter has a number and a caption, the interactive ones too, as MyST-NB gives them to pictures."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import torch
from nbformat import v4
from sphinx.application import Sphinx

from styletut import figures

PICTURE = {"image/png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="}


def test_an_interactive_figure_has_its_number_caption_and_target_and_is_counted_among_the_others(
    tmp_path: Path,
) -> None:
    square = torch.full((1, 3, 8, 8), 0.5)
    sliders = figures.grid([[square, square]] * 2, [1, 2], [3, 4], alt="Four squares.")
    cells = [
        v4.new_markdown_cell("# One\n\nSee {numref}`fig-sliders` and {numref}`fig-still`."),
        *(
            v4.new_code_cell(
                "plot()",
                metadata={"mystnb": {"figure": {"caption": f"A caption of *{name}*.", "name": name}}},
                outputs=[v4.new_output("execute_result", {**data, "text/plain": "Four squares."}, execution_count=1)],
                execution_count=1,
            )
            for name, data in {"fig-sliders": {"text/html": sliders.html}, "fig-still": PICTURE}.items()
        ),
    ]
    (tmp_path / "book").mkdir()
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "book" / "index.ipynb")
    app = Sphinx(
        tmp_path / "book",
        None,
        tmp_path / "html",
        tmp_path / "trees",
        "html",
        confoverrides={"extensions": ["myst_nb"], "numfig": True, "nb_execution_mode": "off", "html_theme": "basic"},
        status=None,
        warning=None,
    )
    app.build()
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="#(fig-\w+)"><span class="std std-numref">(.*?)</span>', page) == [
        ("fig-sliders", "Fig. 1"),
        ("fig-still", "Fig. 2"),
    ]
    shown = page.partition('id="fig-sliders"')[2]
    inside, _, caption = shown.partition("<figcaption>\n<p><span")  # the pictures of a grid have captions of their own
    assert sliders.html.strip() in inside and inside.count("</figure>") == 4
    assert re.match(r' class="caption-number">Fig. 1 </span><span class="caption-text">A caption of <em>', caption)
