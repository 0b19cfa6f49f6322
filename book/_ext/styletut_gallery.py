"""Directives for the sample photographs painted in the sample styles.

- `every-pair` places all of them: the photographs, and below them a row for each style.
- `cover` places one photograph under a divider, and a choice of the style in which the other side is painted.

A row says who made the style, and begins with its own picture. Each picture links to itself, so that it opens large
with scripts and without; its caption, made of `book/gallery/gallery.json`, is shown there. Pictures have their size in
the page before they are loaded, and are loaded when they come near; those of the cover, when their style is chosen.
"""

from __future__ import annotations

import base64
import functools
import html
import io
import json
import os
import posixpath
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from PIL import Image, ImageOps
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from styletut import samples
from styletut.images import to_pil
from styletut.samples import Sample
from styletut.teach.markup import linked_divider

GALLERY = Path(__file__).parents[1] / "gallery"
DATA = Path(samples.__file__).parent / "data"
THUMB = (150, 100)  # columns and rows of a style to choose, twice what is shown
# Without scripts: the painting alone. The id is for weight, against the divider's own style.
STILL = ".styletut-cover fieldset,.styletut-cover #styletut-cover .before{display:none!important}"


class gallery(nodes.General, nodes.Element):
    """All rows."""


class gallery_row(nodes.General, nodes.Element):
    """The photographs, or a style and the pictures painted in it."""


class gallery_picture(nodes.image):
    """A picture and its caption; Sphinx copies its file as any image's."""


class cover(nodes.General, nodes.Element):
    """A photograph, and the pictures painted after it, the one to begin with first."""


class Gallery(SphinxDirective):
    """What the two directives share."""

    def painted(self, table: str) -> dict[tuple[str, str], dict[str, Any]]:
        """What is known of each picture of a table, by photograph and style."""
        path = GALLERY / "gallery.json"
        self.env.note_dependency(str(path))
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {(row["photograph"], row["style"]): row for row in stored[table]}

    def sample(self, sample: Sample) -> gallery_picture:
        """A photograph, or a style."""
        path = GALLERY / f"{sample.name}.webp" if sample.drawn else DATA / sample.file
        return self.picture(path, sample.size, sample.title, about(sample), sample.kind)

    def pair(
        self, photograph: Sample, style: Sample, painted: dict[tuple[str, str], dict[str, Any]]
    ) -> gallery_picture:
        """A painted picture."""
        if (photograph.name, style.name) not in painted:
            raise self.error(f"{photograph.name} in the style of {style.name} is not painted")
        row = painted[photograph.name, style.name]
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


class EveryPair(Gallery):
    """The whole gallery."""

    def run(self) -> list[nodes.Node]:
        """One row after the other."""
        made = self.painted("pictures")
        photographs = [samples.info(name) for name in samples.names("photograph")]
        shown = gallery()
        head = gallery_row(about="<b>The photographs</b>", ids=["gallery-photographs"])
        head += [self.sample(photograph) for photograph in photographs]
        shown += head
        painted = {style for _, style in made}
        for style in map(samples.info, filter(painted.__contains__, samples.names("style"))):
            row = gallery_row(about=about(style), ids=[f"gallery-{style.name}"])
            row += self.sample(style)
            row += [self.pair(photograph, style, made) for photograph in photographs]
            shown += row
        left = ", ".join(samples.info(name).title for name in samples.names("style") if name not in painted)
        return [nodes.paragraph(text=f"Not painted yet: {left}."), shown] if left else [shown]


class Cover(Gallery):
    """A photograph by its name; the options are the style to begin with, and its picture."""

    required_arguments = 1
    option_spec = dict.fromkeys(("style", "picture", "alt"), directives.unchanged_required)

    def run(self) -> list[nodes.Node]:
        """The photograph, and what is painted after it."""
        photograph, first = (samples.info(name) for name in (self.arguments[0], self.options["style"]))
        made = self.painted("cover")
        path = Path(self.env.relfn2path(self.options["picture"])[1])
        with Image.open(path) as opened:
            size = opened.height, opened.width
        begins = self.picture(path, size, self.options["alt"], "", first.name)
        shown = cover(styles=[first.name])
        shown += [self.sample(photograph), begins]
        for style in map(samples.info, samples.names("style")):
            if style != first:
                shown["styles"].append(style.name)
                shown += self.pair(photograph, style, made)
        return [shown]


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


def address(translator: Any, picture: nodes.Element) -> str:
    """Where a picture's file is, seen from the page."""
    return posixpath.join(translator.builder.imgpath, translator.builder.images[picture["uri"]])


def visit_picture(translator: Any, node: nodes.Element) -> None:
    """A figure: a link to the picture, and its caption."""
    source = html.escape(address(translator, node))
    alt = html.escape(node["alt"])
    translator.body.append(
        f'<figure class="{node["classes"][0]}" style="--aspect: {node["columns"] / node["rows"]:.4f}">'
        f'<a href="{source}"><img src="{source}" alt="{alt}" width="{node["columns"]}"'
        f' height="{node["rows"]}" loading="lazy" decoding="async"></a>'
        f"<figcaption>{node['words']}</figcaption></figure>\n"
    )
    raise nodes.SkipNode


def visit_cover(translator: Any, node: nodes.Element) -> None:
    """A divider as `styletut.figures` draws it, and a radio button for each style, which `cover.js` looks at."""
    photograph, *painted = node.children
    styles = [samples.info(name) for name in node["styles"]]
    divider = linked_divider(
        "styletut-cover",
        [address(translator, photograph), address(translator, painted[0])],
        [photograph["alt"], painted[0]["alt"]],
        ["photograph", short(styles[0])],
        f"{photograph['alt']}: the photograph on the left, painted on the right, under one movable divider.",
        (painted[0]["columns"], painted[0]["rows"]),
    )
    options = "".join(
        f'<label><input type="radio" name="cover-style" value="{style.name}"{" checked" if number == 0 else ""}'
        f' autocomplete="off" data-picture="{html.escape(address(translator, picture))}"'
        f' data-alt="{html.escape(picture["alt"])}">'
        f'<img src="{thumb(style)}" alt="{html.escape(f"{style.author}, {style.year}")}" width="{THUMB[0]}"'
        f' height="{THUMB[1]}"><span>{html.escape(short(style))}</span></label>'
        for number, (style, picture) in enumerate(zip(styles, painted, strict=True))
    )
    translator.body.append(
        f'<div class="styletut-cover">\n{divider}\n<noscript><style>{STILL}</style></noscript>\n'
        f"<fieldset><legend>Choose a style</legend>{options}</fieldset></div>\n"
    )
    raise nodes.SkipNode


def short(style: Sample) -> str:
    """What a style is called where there is little room."""
    return style.name.capitalize() if style.drawn else style.title


@functools.cache
def thumb(style: Sample) -> str:
    """The middle of a style's picture, small, as an address that holds it."""
    picture = ImageOps.fit(to_pil(samples.load(style.name)), THUMB, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=70)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def offer_script(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the script to a page with a cover."""
    if doctree is not None and next(doctree.findall(cover), None) is not None:
        app.add_js_file("cover.js", defer="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("every-pair", EveryPair)
    app.add_directive("cover", Cover)
    app.add_node(gallery, html=(open_gallery, close))
    app.add_node(gallery_row, html=(open_row, close))
    app.add_node(gallery_picture, html=(visit_picture, None))
    app.add_node(cover, html=(visit_cover, None))
    app.connect("html-page-context", offer_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
