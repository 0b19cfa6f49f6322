"""What this book asks of Sphinx beyond Jupyter Book: pages that need no other host, and a dark mode true to colour.

- MathJax and the ipywidgets manager are copied into the built book; scripts of CDNs are dropped, and MathJax where a
  page has no formula.
- A page describes itself to search engines and to whoever shares its address.
- Folded code says what it holds, and assertions at the end of a cell are folded.
- Names of Python, torch, NumPy, Pillow and matplotlib in the API reference link to their documentation, by rule:
  an inventory would have to be downloaded at each build.
- The bibliography is labelled as it is cited, by author and year.
- The rocket and the download button hand out the chapter in plain Markdown, from notebooks/.
- The painter's scripts are written from `book/_page` and the module (`styletut.page`).
- `live` places a figure that paints in the reader's browser.
- `versions` makes a list of the packages that built the book, `prints` shows what a command prints.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import html
import importlib.metadata
import importlib.util
import io
import os
import platform
import re
import shlex
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from styletut.cli import main
from styletut.page import build
from styletut.page.figures import figures

HTML_MANAGER = Path(__file__).parents[1] / "_vendor" / "html-manager-1.0.15.zip"
PAINTER = Path(__file__).parents[1] / "_page"
HTML_MANAGER_SHA256 = "7b38958e1ea8d808c3781422089f08c9492dd0b49f4c17908b9ee9d560037b40"

SHARED = "_images/hero.jpg"  # as the landing page has it

# Of MathJax's 24 MB: TeX input, its extensions, fonts, and what a screen reader may switch on, in the book's language.
MATHJAX_PARTS = (
    *("tex-chtml.js", "output/chtml", "input/tex/extensions", "a11y", "ui"),
    *(f"sre/mathmaps/{rules}.json" for rules in ("base", "en", "nemeth")),
)

PYTHON = "https://docs.python.org/3/library/"
EXTERNAL = (
    (r"torch\.Tensor$", r"https://docs.pytorch.org/docs/stable/tensors.html#torch.Tensor"),
    (r"torch\.(device|dtype)$", r"https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.\1"),
    (r"(torch\.[\w.]+)$", r"https://docs.pytorch.org/docs/stable/generated/\1.html"),
    (r"(numpy\.[\w.]+)$", r"https://numpy.org/doc/stable/reference/generated/\1.html"),
    (r"(PIL\.Image\.\w+)$", r"https://pillow.readthedocs.io/en/stable/reference/Image.html#\1"),
    (r"Figure$", r"https://matplotlib.org/stable/api/_as_gen/matplotlib.figure.Figure.html"),  # a lazy import
    (r"(matplotlib\.[\w.]+)$", r"https://matplotlib.org/stable/api/_as_gen/\1.html"),
)


def external_url(name: str) -> str | None:
    """Where the documentation of a name outside this project stands, or None if the rules do not know it."""
    for pattern, url in EXTERNAL:
        if match := re.match(pattern, name):
            return match.expand(url)
    if name in ("None", "True", "False"):
        return f"{PYTHON}constants.html#{name}"
    if hasattr(builtins, name):
        value = getattr(builtins, name)
        if isinstance(value, type) and issubclass(value, BaseException):
            return f"{PYTHON}exceptions.html#{name}"
        return f"{PYTHON}{'stdtypes' if isinstance(value, type) else 'functions'}.html#{name}"
    module = name.rpartition(".")[0]
    if module.split(".")[0] in sys.stdlib_module_names:
        return f"{PYTHON}{module}.html#{name}"
    return None


def resolve_external(app: Sphinx, env: Any, node: Any, contnode: nodes.Node) -> nodes.Node | None:
    """Link a Python name that no page of this book defines."""
    if node.get("refdomain") != "py" or not (url := external_url(node["reftarget"])):
        return None
    return nodes.reference("", "", contnode, internal=False, refuri=url)


def shield_attributes(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep napoleon from reading "Its size: rows and columns." under a field as "type: description"."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # an empty comment: it looks at the first line only


def drop_thebe(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Take out sphinx-thebe, which loads from a CDN even where it is switched off."""

    def is_thebe(file: Any) -> bool:
        return "thebe" in f"{getattr(file, 'filename', file)} {getattr(file, 'attributes', '')}".lower()

    for key in ("script_files", "css_files"):
        context[key] = [file for file in context[key] if not is_thebe(file)]


def has_formula(doctree: Any) -> bool:
    """Whether a page has a formula itself: Sphinx looks at those below it in the contents too."""
    return doctree is not None and any(doctree.findall(lambda node: isinstance(node, (nodes.math, nodes.math_block))))


def reach_formulas(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the keyboard reach formulas that scroll."""
    if has_formula(doctree):
        app.add_js_file("formulas.js", defer="defer")


def drop_mathjax(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Take MathJax out of a page without a formula."""
    if not has_formula(doctree):
        context["script_files"] = [
            file for file in context["script_files"] if "mathjax" not in str(getattr(file, "filename", "")).lower()
        ]


def describe(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Say what a page is about, with the book's picture, to search engines and where its address is shared."""
    address = app.config.html_baseurl.rstrip("/")
    about = {
        "og:site_name": app.config.html_title or app.config.project,
        "og:type": "article",
        "og:title": re.sub("<[^>]*>", "", str(context.get("title", ""))),
        "og:url": f"{address}/{pagename}.html",
        "og:image": f"{address}/{SHARED}",
        "og:image:alt": "A tabby cat painted in the brushwork of Van Gogh's Starry Night",
    }
    tags = [f'<meta property="{name}" content="{html.escape(value)}">' for name, value in about.items()]
    tags.append('<meta name="twitter:card" content="summary_large_image">')
    if text := description(doctree):
        tags.append(f'<meta name="description" content="{html.escape(text)}">')
        tags.append(f'<meta property="og:description" content="{html.escape(text)}">')
    context["metatags"] = context.get("metatags", "") + "\n".join(["", *tags])


def description(doctree: Any) -> str:
    """The first paragraph of a page that is prose, at most 200 characters of it, whole words."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree is not None else ():
        if isinstance(paragraph.parent, (nodes.section, nodes.document)):
            text = " ".join(paragraph.astext().split())
            return text if len(text) <= 200 else text[:200].rpartition(" ")[0] + " …"
    return ""


class FoldCells(SphinxPostTransform):
    """Code that is folded says what it holds; assertions at the end of a cell are folded, their code stays.

    An exercise's last line is no check of the text but the reader's, and stays too.
    """

    default_priority = 198  # before myst_nb folds what is to be folded
    formats = ("html",)

    def run(self, **options: Any) -> None:
        """In all cells of a page."""
        for cell in list(self.document.findall(nodes.container)):
            if cell.get("nb_element") != "cell_code" or not cell.children:
                continue
            source = cell.children[0]
            if cell.get("hide_mode"):
                cell["prompt_show"] = cell["prompt_hide"] = self.holds(cell)
            elif source.get("nb_element") == "cell_code_source":
                fold_check(source)

    def holds(self, cell: nodes.container) -> str:
        """What a folded cell holds, in two or three words."""
        if cell["hide_mode"] == "all":
            return "Install on Colab"
        figure = cell["cell_metadata"].get("mystnb", {}).get("figure")
        return "Code of this figure" if figure else "Code for the figures"


def fold_check(source: nodes.container) -> None:
    """Fold the assertions at the end of a cell's code."""
    (code,) = source.children
    text = code.astext()
    if not (at := check_begins(text)):
        return
    lines = text.splitlines()
    shown, check = ("\n".join(part).strip("\n") for part in (lines[: at - 1], lines[at - 1 :]))
    fold = HideCodeCellNode(prompt_show="Check", prompt_hide="Check", classes=["above-input", "check"])
    fold += block_like(code, check)
    source.children = []
    source.extend([block_like(code, shown), fold] if shown else [fold])


def check_begins(code: str) -> int:
    """The line on which the assertions begin that end a cell; 0 where it ends in something else."""
    try:
        body = ast.parse(code).body
    except SyntaxError:  # a magic
        return 0
    line = 0
    for statement in reversed(body):
        if not isinstance(statement, ast.Assert) or "st.check." in ast.unparse(statement):
            break
        line = statement.lineno
    return line


def block_like(block: nodes.Element, text: str) -> nodes.Element:
    """A block of code like another."""
    made = block.copy()
    made.rawsource = text
    made += nodes.Text(text)
    return made


def hand_out_readers(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the rocket and the download button lead to a chapter's notebook in plain Markdown: Colab knows no MyST."""
    reader = f"notebooks/{Path(pagename).name}.ipynb"
    if (Path(app.srcdir) / reader).exists():
        for group in context.get("header_buttons", []):
            for button in group.get("buttons", []):
                if "url" in button:
                    button["url"] = button["url"].replace(f"{pagename}.ipynb", reader)


def copy_readers(app: Sphinx, exception: Exception | None) -> None:
    """Put the reader notebooks into the built book in place of the chapters' sources, which nothing links to."""
    if not exception and app.builder.format == "html":
        sources = Path(app.outdir) / "_sources"
        (sources / "notebooks").mkdir(parents=True, exist_ok=True)
        for reader in (Path(app.srcdir) / "notebooks").glob("*.ipynb"):
            shutil.copyfile(reader, sources / "notebooks" / reader.name)
            (sources / "book" / reader.name).unlink(missing_ok=True)


def mend_body(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Make lists of references lists of items: docutils gives the items a role that is no longer allowed.

    And keep the Tab key from stopping at the link beside each heading: the contents have the same links.
    """
    body = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    context["body"] = body.replace('<a class="headerlink"', '<a class="headerlink" tabindex="-1"')


def add_offline_scripts(app: Sphinx, exception: Exception | None) -> None:
    """Put MathJax and the widget manager into the built book, once it is built."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    spec = importlib.util.find_spec("sphinx-mathjax-offline")  # a name that `import` cannot say
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the book needs MathJax: pip install sphinx-mathjax-offline")
    mathjax = Path(spec.origin).parent / "static" / "mathjax"
    for part in MATHJAX_PARTS:
        source, target = mathjax / part, static / "mathjax" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
    if hashlib.sha256(HTML_MANAGER.read_bytes()).hexdigest() != HTML_MANAGER_SHA256:
        raise ValueError(f"{HTML_MANAGER.name} is not the file that was vendored: see book/_vendor/README.md")
    with zipfile.ZipFile(HTML_MANAGER) as archive:
        archive.extractall(static / "html-manager")


def drop_unloaded(app: Sphinx, exception: Exception | None) -> None:
    """Leave out what the theme brings and no page loads: Font Awesome (see webpack-macros.html), translations, maps."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for folder in ("vendor", "locales"):
        shutil.rmtree(static / folder, ignore_errors=True)
    for part in static.rglob("*.map"):
        part.unlink()


def add_painter(app: Sphinx, exception: Exception | None) -> None:
    """Put what the page "Paint your own" and the live figures load into the built book."""
    if not exception and app.builder.format == "html":
        build.write(PAINTER, HTML_MANAGER.parent, Path(app.outdir) / "_static" / "painter")


class AuthorYearLabels(BaseLabelStyle):
    """Labels such as "Gatys et al., 2016", the way the text cites."""

    def format_labels(self, sorted_entries: list[Any]) -> Iterator[str]:
        """One label for each entry; the same in every list and in the text, so the .bib file says "2015a" itself."""
        for entry in sorted_entries:
            names = [" ".join(person.last_names).strip("{}") for person in entry.persons["author"]]
            who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
            yield f"{who}, {entry.fields['year']}"


class AuthorYearStyle(PlainStyle):
    """pybtex's plain style under author-year labels."""

    default_label_style = AuthorYearLabels


class live_figure(nodes.General, nodes.Element):
    """A place where the reader may start a figure that paints."""


class LiveFigure(SphinxDirective):
    """A figure that paints in the reader's browser: its question, what to do, and its still picture and what it shows.

    Three paragraphs; the second is for those who have scripts. What the figure paints is in `styletut.page.figures`.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The place, with the three paragraphs in it."""
        (name,) = self.arguments
        if name not in figures():
            raise self.error(f"no live figure {name!r}; there are {', '.join(figures())}")
        place = live_figure(figure=name, ids=[f"live-{name}"])
        self.state.nested_parse(self.content, self.content_offset, place)
        parts = list(place.children)
        if [type(part) for part in parts] != [nodes.paragraph] * 3:
            raise self.error("a live figure has three paragraphs: its question, what to do, and its still picture")
        for part, role in zip(parts, ("question", "doing", "still"), strict=True):
            part["classes"].append(role)
        parts[0]["ids"].append(f"live-{name}-question")
        return [place]


def open_live_figure(translator: Any, node: nodes.Element) -> None:
    """The start of its HTML, which `live.js` looks for."""
    name = node["figure"]
    about = {"data-figure": name, "role": "group", "aria-labelledby": f"live-{name}-question"}
    translator.body.append(translator.starttag(node, "div", CLASS="styletut-live", **about))


def close_live_figure(translator: Any, node: nodes.Element) -> None:
    """The end of its HTML."""
    translator.body.append("</div>\n")


def offer_live_figures(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a page with live figures the small script that offers them."""
    if doctree is not None and next(doctree.findall(live_figure), None) is not None:
        app.add_css_file("painter/live.css")
        app.add_js_file("painter/live.js", defer="defer")


def search_better(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the search page what Sphinx's search lacks."""
    if pagename == "search":
        app.add_js_file("search.js", defer="defer")


class Versions(SphinxDirective):
    """The versions of Python and of the packages that are named, as they are where the book is built."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """One sentence."""
        found = [f"Python {platform.python_version()}"]
        found += [f"{name} {importlib.metadata.version(name)}" for name in self.arguments[0].split()]
        return [nodes.paragraph(text=", ".join(found) + ".")]


class Prints(SphinxDirective):
    """What a command prints, from the command itself: run where the book is built."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """A block of text."""
        try:
            text = printed(self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from None
        return [nodes.literal_block(text, text, language="text")]


def printed(command: str) -> str:
    """What a command of styletut prints into a terminal of 80 columns without colours.

    Raises:
        ValueError: it is no such command, or does not end well.
    """
    program, *words = shlex.split(command)
    terminal = mock.patch.dict(os.environ, COLUMNS="80", NO_COLOR="1", PYTHON_COLORS="0")
    with terminal, redirect_stdout(io.StringIO()) as out:
        if program != "styletut" or main(words):
            raise ValueError(f"cannot show what {command!r} prints")
    return out.getvalue().rstrip()


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("versions", Versions)
    app.add_directive("prints", Prints)
    app.add_directive("live", LiveFigure)
    app.add_node(live_figure, html=(open_live_figure, close_live_figure))
    register_plugin("pybtex.style.formatting", "author_year", AuthorYearStyle)
    app.add_post_transform(FoldCells)
    app.add_js_file("enlarge.js", loading_method="defer")
    app.add_css_file("icons.css", priority=900)
    app.add_css_file("styletut.css", priority=900)
    app.connect("missing-reference", resolve_external)
    app.connect("autodoc-process-docstring", shield_attributes, priority=400)  # before napoleon's 500
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", drop_mathjax, priority=900)
    app.connect("html-page-context", describe)
    app.connect("html-page-context", search_better)
    app.connect("html-page-context", hand_out_readers, priority=900)  # after the theme has made its buttons
    app.connect("html-page-context", mend_body)
    app.connect("html-page-context", reach_formulas)
    app.connect("html-page-context", offer_live_figures)
    app.connect("build-finished", copy_readers)
    app.connect("build-finished", drop_unloaded)
    app.connect("build-finished", add_offline_scripts)
    app.connect("build-finished", add_painter)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
