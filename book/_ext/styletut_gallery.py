"""The directive `every-pair`: the sample photographs, and below them a row for each sample style.

A row says who made the style, and begins with its own picture. Each picture links to itself, so that it opens large
with scripts and without; its caption, made of `book/gallery/gallery.json`, is shown there. Pictures have their size in
the page before they are loaded, and are loaded when they come near.
"""

from __future__ import annotations

import html
import json
import os
import posixpath
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from styletut import samples
from styletut.samples import Sample

GALLERY = Path(__file__).parents[1] / "gallery"
DATA = Path(samples.__file__).parent / "data"


class gallery(nodes.General, nodes.Element):
    """All rows."""


class gallery_row(nodes.General, nodes.Element):
    """The photographs, or a style and the pictures painted in it."""


class gallery_picture(nodes.image):
    """A picture and its caption; Sphinx copies its file as any image's."""


class EveryPair(SphinxDirective):
    """The whole gallery."""

    def run(self) -> list[nodes.Node]:
        """One row after the other."""
        table = GALLERY / "gallery.json"
        self.env.note_dependency(str(table))
        stored = json.loads(table.read_text(encoding="utf-8"))
        photographs = [samples.info(name) for name in samples.names("photograph")]
        made = {(row["photograph"], row["style"]): row for row in stored["pictures"]}
        shown = gallery()
        head = gallery_row(about="<b>The photographs</b>", ids=["gallery-photographs"])
        head += [self.sample(photograph) for photograph in photographs]
        shown += head
        painted = {style for _, style in made}
        for style in map(samples.info, filter(painted.__contains__, samples.names("style"))):
            row = gallery_row(about=about(style), ids=[f"gallery-{style.name}"])
            row += self.sample(style)
            for photograph in photographs:
                if (photograph.name, style.name) not in made:
                    raise self.error(f"{photograph.name} in the style of {style.name} is not painted")
                row += self.pair(photograph, style, made[photograph.name, style.name])
            shown += row
        left = ", ".join(samples.info(name).title for name in samples.names("style") if name not in painted)
        return [nodes.paragraph(text=f"Not painted yet: {left}."), shown] if left else [shown]

    def sample(self, sample: Sample) -> gallery_picture:
        """A photograph, or a style."""
        path = GALLERY / f"{sample.name}.webp" if sample.drawn else DATA / sample.file
        return self.picture(path, sample.size, sample.title, about(sample), sample.kind)

    def pair(self, photograph: Sample, style: Sample, row: dict[str, Any]) -> gallery_picture:
        """A painted picture."""
        alt = f"{photograph.title}, painted after {style.title}"
        rows, columns = row["size"]
        steps = f"{columns} × {rows} pixels, {row['evaluations']} evaluations, {row['seconds']:.0f} s."
        command, call = calls(photograph.name, style.name)
        words = (
            f"<b>{html.escape(alt, quote=False)}</b> Photograph: {credit(photograph)} Style: {credit(style)} {steps}"
            f" <code>{html.escape(command)}</code> <code>{html.escape(call)}</code>"
        )
        return self.picture(GALLERY / row["file"], (rows, columns), alt, words, "pair")

    def picture(self, path: Path, size: tuple[int, int], alt: str, words: str, kind: str) -> gallery_picture:
        """A picture of a file."""
        uri = "/" + Path(os.path.relpath(path, self.env.srcdir)).as_posix()
        return gallery_picture(uri=uri, alt=alt, rows=size[0], columns=size[1], words=words, classes=[kind])


def about(sample: Sample) -> str:
    """What a sample is and what it is called, in HTML."""
    return f"<b>{html.escape(sample.title, quote=False)}</b> <code>sample:{sample.name}</code> {credit(sample)}"


def credit(sample: Sample) -> str:
    """Who made a picture and when, where it comes from and its licence, in HTML."""
    return html.escape(f"{sample.author}, {sample.year}; {sample.source}; {sample.licence}.", quote=False)


def calls(photograph: str, style: str) -> tuple[str, str]:
    """The command and the call of Python that paint a pair."""
    return (
        f"styletut sample:{photograph} sample:{style} -o {photograph}-{style}.png",
        f'st.stylize(st.samples.load("{photograph}"), st.samples.load("{style}"))',
    )


def open_gallery(translator: Any, node: nodes.Element) -> None:
    """The start of its HTML, which `enlarge.js` looks for."""
    translator.body.append(translator.starttag(node, "div", CLASS="styletut-gallery"))


def open_row(translator: Any, node: nodes.Element) -> None:
    """A group, named by what stands above it."""
    name = f"{node['ids'][0]}-about"
    translator.body.append(translator.starttag(node, "div", CLASS="pairs", role="group", **{"aria-labelledby": name}))
    translator.body.append(f'<p class="about" id="{name}">{node["about"]}</p>\n')


def close(translator: Any, node: nodes.Element) -> None:
    """The end of either."""
    translator.body.append("</div>\n")


def visit_picture(translator: Any, node: nodes.Element) -> None:
    """A figure: a link to the picture, and its caption."""
    name = translator.builder.images[node["uri"]]
    address = html.escape(posixpath.join(translator.builder.imgpath, name))
    alt = html.escape(node["alt"])
    translator.body.append(
        f'<figure class="{node["classes"][0]}" style="--aspect: {node["columns"] / node["rows"]:.4f}">'
        f'<a href="{address}"><img src="{address}" alt="{alt}" width="{node["columns"]}"'
        f' height="{node["rows"]}" loading="lazy" decoding="async"></a>'
        f"<figcaption>{node['words']}</figcaption></figure>\n"
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("every-pair", EveryPair)
    app.add_node(gallery, html=(open_gallery, close))
    app.add_node(gallery_row, html=(open_row, close))
    app.add_node(gallery_picture, html=(visit_picture, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
