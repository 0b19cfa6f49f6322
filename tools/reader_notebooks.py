"""Write notebooks/: every chapter in plain Markdown, for Colab, JupyterLab, VS Code and GitHub, which know no MyST.

The chapters in book/ are the source. Here their numbers, references and citations are filled in, boxes become block
quotes, captions stand under the figures, what happens after a prediction is folded away, and so are solutions (as text:
Run All runs the reader's own answers) and the plumbing. Nothing is executed: outputs are those stored in the chapters.

    python tools/reader_notebooks.py
"""

from __future__ import annotations

import functools
import re
import sys
import tomllib
from ast import literal_eval
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import yaml
from docutils.nodes import make_id
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pybtex.database import parse_file
from pybtex.plugin import find_plugin
from run_notebooks import write
from sphinx.pycode import ModuleAnalyzer

from styletut import glue

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
PUBLISHED = CONFIG["html"]["baseurl"]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
FILES = f"{REPOSITORY}/raw/{CONFIG['repository']['branch']}/"

FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # Colab's word for it, and everyone else's
BOXES = ("admonition", "note", "tip", "hint", "important", "warning", "seealso")
KINDS = {"fig": "Fig. {}", "eq": "({})", "ex": "Exercise {}"}
GLUE = glue.PREFIX + "text/plain"

# A role or a span of code, or a link: where one begins in another, the outer one is meant.
INLINE = re.compile(r"(?:\{([\w:.+-]+)\})?(`+)(.+?)(?<!`)\2(?!`)|(!?)\[((?:[^\][]|\[[^\]]*\])*)\]\(([^)\s]*)\)", re.S)
OPTION = re.compile(r"^- \[([ x])\] (.*)$", re.M)
MARKDOWN = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(dollarmath_plugin)
    .use(anchors_plugin, max_level=3)
    .disable("lheading")  # a rule below a paragraph is a rule
)


# --------------------------------------------------------------------------------------------------- reading the book


@dataclass
class Directive:
    """A fenced block ```` ```{name} argument ```` with its options and what it holds."""

    name: str
    argument: str
    options: dict[str, str]
    body: str

    @classmethod
    def of(cls, token: Token) -> Directive | None:
        """The directive that a block of Markdown is, or None."""
        head = re.match(r"\{([\w:.+-]+)\} *(.*)", token.info) if token.type == "fence" else None
        if head is None:
            return None
        lines = token.content.splitlines()
        options = {}
        while lines and (option := re.match(r":([\w-]+): *(.*)", lines[0])):
            options[option[1]] = option[2]
            del lines[0]
        return cls(head[1], head[2].strip(), options, "\n".join(lines).strip("\n"))


def blocks(text: str) -> Iterator[Token]:
    """The blocks that are not prose, in order: code, directives, displayed mathematics."""
    for token in MARKDOWN.parse(text):
        if token.type in ("fence", "code_block", "math_block", "math_block_label"):
            yield token


def pages(contents: Any) -> Iterator[tuple[str, bool]]:
    """All pages of the table of contents in order, and whether each is a numbered chapter."""

    def below(node: Any, numbered: bool) -> Iterator[tuple[str, bool]]:
        if name := node.get("root") or node.get("file"):
            yield name, numbered
        for part in (*node.get("parts", []), *node.get("chapters", []), *node.get("sections", [])):
            yield from below(part, part.get("numbered", numbered))

    return below(contents, False)


def source(page: str) -> Path:
    """The file of a page."""
    return next(path for path in (ROOT / f"{page}.ipynb", ROOT / f"{page}.md") if path.exists())


def read(page: str) -> Any:
    """A page as a notebook; one in Markdown has a single cell."""
    path = source(page)
    if path.suffix == ".ipynb":
        return nbformat.read(path, as_version=4)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(path.read_text(encoding="utf-8"))])


@dataclass
class Book:
    """Where everything that can be referred to is: by kind and name, a page, a place on it, and what it is called."""

    chapters: dict[str, str] = field(default_factory=dict)  # each notebook, and its number or ""
    places: dict[tuple[str, str], tuple[str, str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Book:
        """Number all chapters, figures, equations and exercises, as Sphinx does."""
        book, chapter = cls(), 0
        counts: Counter[tuple[str, str]] = Counter()
        for page, numbered in pages(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))):
            chapter += numbered
            number = str(chapter) if numbered else ""
            if source(page).suffix == ".ipynb":
                book.chapters[page] = number
            for kind, name, called in things(read(page)):
                if kind in KINDS:
                    counts[kind, number] += 1
                    called = KINDS[kind].format(f"{number}.{counts[kind, number]}".lstrip("."))
                anchor = {"eq": f"equation-{name}", "term": f"term-{re.sub('[^A-Za-z0-9._]+', '-', name)}"}.get(
                    kind, name
                )
                if kind == "page":
                    name, anchor = page, ""
                elif kind == "heading":
                    name, anchor = f"{page}#{name}", make_id(called)
                elif kind == "term":
                    name = name.lower()
                book.places[kind, name] = page, anchor, called
        return book

    def find(self, kind: str, name: str) -> tuple[str, str, str]:
        """Page, place and name of what is referred to."""
        if (kind, name) not in self.places:
            raise ValueError(f"the book has no {kind} {name!r}")
        return self.places[kind, name]


def things(notebook: Any) -> Iterator[tuple[str, str, str]]:
    """Kind, label and name of everything on a page that can be referred to, in order; what is numbered has no name."""
    titled = False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if figure := cell.metadata.get("mystnb", {}).get("figure"):
                yield "fig", figure["name"], ""
            continue
        tokens = MARKDOWN.parse(cell.source)
        for token, inline in pairwise(tokens):
            if token.type == "heading_open" and not titled:
                titled = True
                yield "page", "", inline.content
            elif token.type == "heading_open" and "id" in token.attrs:
                yield "heading", str(token.attrs["id"]), inline.content
        yield from labels(cell.source)


def labels(text: str) -> Iterator[tuple[str, str, str]]:
    """The same of a Markdown text, without its headings."""
    for token in blocks(text):
        directive = Directive.of(token)
        if token.type == "math_block_label":
            yield "eq", token.info, ""
        elif directive is None:
            continue
        elif directive.name == "figure":
            yield "fig", directive.options["name"], ""
        elif directive.name == "glossary":
            yield from (("term", term, term) for term in re.findall(r"(?m)^\S.*$", directive.body))
        elif directive.name == "eval-rst":
            for module in re.findall(r"automodule:: (\S+)", directive.body):
                yield "module", module, module
        else:
            if directive.name == "exercise":
                yield "ex", directive.options["label"], ""
            yield from labels(directive.body)


# ------------------------------------------------------------------------------------------------------------- papers


@functools.cache
def papers() -> dict[str, tuple[str, str, str]]:
    """Label, address and full reference of every paper, in the order in which a list of them stands."""
    from styletut_book import AuthorYearStyle

    data = parse_file(str(ROOT / "book" / "references.bib"))
    markdown = find_plugin("pybtex.backends", "markdown")()
    found = {}
    for entry in AuthorYearStyle().format_bibliography(data):
        about = data.entries[entry.key].fields
        address = f"https://doi.org/{about['doi']}" if "doi" in about else about.get("url", "")
        text = re.sub(r"\\([^*_`])", r"\1", entry.text.render(markdown))  # pybtex escapes every full stop
        found[entry.key] = entry.label, address, " ".join(text.split())
    return found


# ------------------------------------------------------------------------------------------------ writing one chapter


class Reader:
    """One chapter, on its way to plain Markdown."""

    def __init__(self, book: Book, page: str) -> None:
        self.book, self.page = book, page
        self.chapter = read(page)
        self.cited: set[str] = set()
        self.linked = {  # headings that the chapter itself links to
            where for cell in self.chapter.cells for where in re.findall(r"\]\(#([^)\s]+)\)", cell.source)
        }
        self.quoted: dict[str, str] = {
            output.metadata.scrapbook.name: "".join(output.data[GLUE])
            for cell in self.chapter.cells
            for output in cell.get("outputs", [])
            if GLUE in output.get("data", {})
        }
        self.roles: dict[str, Callable[[str], str]] = {
            "glue:text": self.number,
            "numref": lambda name: self.labelled("fig", name),
            "eq": lambda name: self.labelled("eq", name),
            "term": lambda text: self.link("term", target(text).lower(), title(text)),
            "func": lambda name: self.name(name, "()"),
            "class": self.name,
            "mod": self.name,
            "cite:t": lambda keys: self.cite(keys, in_text=True),
            "cite:p": lambda keys: f"({self.cite(keys, in_text=False)})",
        }
        self.directives: dict[str, Callable[[Directive], str]] = {
            "exercise": self.exercise,
            "predict": self.prediction,
            "solution": self.solution,
            "solution-start": self.open_solution,
            "solution-end": lambda directive: "</details>",
            "figure": self.figure,
            "bibliography": self.references,
            "include": self.include,
            "literalinclude": self.listing,
            "live": self.live,
        }

    # Inline.

    def number(self, text: str) -> str:
        """A number that was measured, as myst_nb formats it."""
        key, _, form = text.partition(":")
        if key not in self.quoted:
            raise ValueError(f"no cell glues {key!r}")
        try:
            value = literal_eval(self.quoted[key])
        except (SyntaxError, ValueError):
            value = self.quoted[key]
        return format(value, form) if form else str(value)

    def address(self, page: str, anchor: str) -> str:
        """Where a place of the book is published."""
        return f"{PUBLISHED}{page}.html" + (f"#{anchor}" if anchor else "")

    def link(self, kind: str, name: str, text: str) -> str:
        """A link to a place of the published book."""
        page, anchor, called = self.book.find(kind, name)
        return f"[{text or called}]({self.address(page, anchor)})"

    def labelled(self, kind: str, name: str) -> str:
        """What a figure, equation or exercise is called; a link where it is in another chapter."""
        page, _, called = self.book.find(kind, name)
        return called if page == self.page else self.link(kind, name, called)

    def name(self, name: str, after: str = "") -> str:
        """A name of the module, linked to its documentation."""
        module = name
        while ("module", module) not in self.book.places and "." in module:
            module = module.rpartition(".")[0]
        page, _, _ = self.book.find("module", module)
        return f"[`{name}{after}`]({self.address(page, f'module-{name}' if name == module else name)})"

    def cite(self, keys: str, in_text: bool) -> str:
        """Author and year, linked to the paper."""
        shown = []
        for key in keys.split(","):
            if key not in papers():
                raise ValueError(f"no paper {key!r} in the bibliography")
            self.cited.add(key)
            label, address, _ = papers()[key]
            authors, _, year = label.rpartition(", ")
            year = f"[{year if in_text else label}]({address})" if address else (year if in_text else label)
            shown.append(f"{authors} ({year})" if in_text else year)
        return ("; " if not in_text else ", ").join(shown)

    def hyperlink(self, picture: str, text: str, where: str) -> str:
        """A link or picture of the author's, with an address that holds outside the book."""
        if re.match(r"[a-z]+:", where):
            return f"{picture}[{text}]({where})"
        path, _, anchor = where.partition("#")
        page = (Path(self.page).parent / path).with_suffix("").as_posix() if path else self.page
        if picture:
            return f"![{text}]({FILES}{(Path(self.page).parent / path).as_posix()})"
        if not path:
            self.book.find("heading", f"{page}#{anchor}")
            return f"[{text}](#{anchor})"
        return self.link("heading", f"{page}#{anchor}", text) if anchor else self.link("page", page, text)

    def inline(self, text: str) -> str:
        """Prose with its roles and links resolved; code stays as it is."""

        def resolve(match: re.Match[str]) -> str:
            role, _, inside, picture, shown, where = match.groups()
            if where is not None:
                return self.hyperlink(picture, self.inline(shown), where)
            if role is None:
                return match[0]
            if role not in self.roles:
                raise ValueError(f"no plain form for the role {role!r}")
            return self.roles[role](" ".join(inside.split()))

        return INLINE.sub(resolve, text)

    # Blocks.

    def anchored(self, text: str) -> str:
        """The text with an anchor above each heading that the chapter links to: front ends name them as they like."""
        lines = text.splitlines()
        for token in reversed(MARKDOWN.parse(text)):
            if token.type == "heading_open" and token.map and (name := token.attrs.get("id")) in self.linked:
                lines[token.map[0] : token.map[0]] = [f'<a id="{name}" name="{name}"></a>', ""]
        return "\n".join(lines)

    def text(self, text: str, boxed: bool = False) -> str:
        """Markdown without MyST; in a box, mathematics is on one line, for Jupyter takes `>` in it for "greater"."""
        lines, done, parts = text.splitlines(), 0, []
        for token in blocks(text):
            start, end = token.map or (0, 0)
            parts.append(self.inline("\n".join(lines[done:start])))
            parts.append(indented(self.block(token, lines[start:end], boxed), lines[start]))
            done = end
        parts.append(self.inline("\n".join(lines[done:])))
        return "\n".join(parts).strip("\n")

    def block(self, token: Token, lines: list[str], boxed: bool) -> str:
        """A block of code, of mathematics or of MyST."""
        if token.type.startswith("math_block"):
            tag = rf" \tag{{{self.book.find('eq', token.info)[2].strip('()')}}}" if token.info else ""
            formula = re.sub(r"(?m)^\s+|\s+$", "", token.content)
            return f"$$ {' '.join(formula.split())}{tag} $$" if boxed else f"$$\n{formula}{tag}\n$$"
        directive = Directive.of(token)
        if directive is None:
            return "\n".join(lines)
        if directive.name in BOXES:
            return self.box(directive.argument or directive.name.capitalize(), directive.body)
        if directive.name not in self.directives:
            raise ValueError(f"no plain form for the directive {directive.name!r}")
        return self.directives[directive.name](directive)

    def box(self, head: str, body: str) -> str:
        """A block quote with a bold head."""
        text = f"**{self.inline(head)}**\n\n{self.text(body, boxed=True)}"
        return "\n".join(f"> {line}".rstrip() for line in text.splitlines())

    def exercise(self, directive: Directive) -> str:
        """What is asked."""
        number = self.labelled("ex", directive.options["label"])
        effort = ""
        if minutes := directive.options.get("minutes"):
            effort = f" ({directive.options['difficulty']}, {minutes} minutes)"
        return self.box(f"{number}. {directive.argument}{effort}", directive.body)

    def prediction(self, directive: Directive) -> str:
        """A question with its options, and what happens, folded away."""
        question, options, outcome = prediction_parts(directive.body)
        told = "".join(f"**{letter})** {text}\n\n" for letter, right, text in options if right)
        asked = "".join(f"\n- **{letter})** {text}" for letter, _, text in options)
        if "sketch" in directive.options:
            asked = "\nSketch it on paper, then look at the figure."
        box = self.box("Predict", f"{question}\n{asked}")
        fold = "<details>\n<summary><b>What happens</b></summary>"
        return f"{box}\n\n{fold}\n\n{self.text(told + outcome)}\n\n</details>"

    def solution(self, directive: Directive) -> str:
        """An answer, folded away."""
        return f"{self.open_solution(directive)}\n\n{self.text(directive.body)}\n\n</details>"

    def open_solution(self, directive: Directive) -> str:
        """The fold of an answer, open at its end."""
        return f"<details>\n<summary><b>Solution to {self.labelled('ex', directive.argument)}</b></summary>"

    def figure(self, directive: Directive) -> str:
        """A picture from a file."""
        picture = self.hyperlink("!", directive.options["alt"], directive.argument)
        return f"{picture}\n\n{self.caption(directive.options['name'], directive.body)}"

    def caption(self, name: str, text: str) -> str:
        """The words under a figure."""
        return f"**{self.labelled('fig', name)}.** {self.inline(text)}"

    def references(self, directive: Directive) -> str:
        """The papers that this chapter cites."""
        return "\n".join(f"- **{label}.** {text}" for key, (label, _, text) in papers().items() if key in self.cited)

    def include(self, directive: Directive) -> str:
        """Another file, as if it stood here."""
        return self.text((source(self.page).parent / directive.argument).read_text(encoding="utf-8"))

    def listing(self, directive: Directive) -> str:
        """A file of the module, or a piece of one."""
        path = source(self.page).parent / directive.argument
        lines = path.read_text(encoding="utf-8").splitlines()
        if name := directive.options.get("pyobject"):
            _, start, end = ModuleAnalyzer.for_file(str(path), path.stem).find_tags()[name]
            lines = lines[start - 1 : end]
        return "\n".join(["```python", *undented(lines), "```"])

    def live(self, directive: Directive) -> str:
        """A figure that paints in the book's page, as a notebook cannot: what it asks, and where it is."""
        question = self.inline(" ".join(directive.body.partition("\n\n")[0].split()))
        where = self.address(self.page, f"live-{directive.argument}")
        return f"**Live in the book.** {question} [The page]({where}) paints it while you change its settings."

    # Cells.

    def notebook(self) -> Any:
        """The whole chapter."""
        cells: list[Any] = []
        solving = False
        for cell in self.chapter.cells:
            if cell.cell_type == "code" and solving:
                cells[-1].source += f"\n\n{solution_code(cell)}"
            elif cell.cell_type == "code":
                cells += self.code(cell)
            else:
                text = self.text(self.anchored(cell.source))
                if solving:
                    cells[-1].source += f"\n\n{text}"
                else:
                    cells.append(nbformat.v4.new_markdown_cell(text, id=cell.id))
                for token in blocks(cell.source):
                    directive = Directive.of(token)
                    if directive and directive.name.startswith("solution-"):
                        solving = directive.name == "solution-start"
        cells[0].source = self.headed(cells[0].source)
        for number, cell in enumerate((cell for cell in cells if cell.cell_type == "code"), 1):
            cell.execution_count = number
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=self.chapter.metadata)
        notebook.nbformat, notebook.nbformat_minor = 4, 5
        return notebook

    def headed(self, text: str) -> str:
        """The first cell with the chapter's number, and with the way to the book."""
        number = self.book.chapters[self.page]
        where = f"[{CONFIG['title']}]({self.address(self.page, '')})"
        heading, _, rest = text.partition("\n")
        heading = f"# {number}. {heading[2:]}" if number else heading
        return f"{heading}\n\n*{f'Chapter {number} of' if number else 'From'} {where}*\n{rest}"

    def code(self, cell: Any) -> list[Any]:
        """A cell of code and, if it has one, its caption."""
        tags = cell.metadata.get("tags", [])
        figure = cell.metadata.get("mystnb", {}).get("figure")
        source, metadata = cell.source, {key: cell.metadata[key] for key in FOLDED if key in cell.metadata}
        if "remove-cell" in tags:
            source, metadata = f"# @title Numbers that the text quotes, as this run has them\n{source}", FOLDED
        elif "hide-input" in tags:
            what = f"The code of {self.labelled('fig', figure['name'])}" if figure else "Code for the figures"
            source, metadata = f"# @title {what}\n{source}", FOLDED
        source = source.replace("from styletut.teach.glue import glue", "from styletut.teach.glue import show as glue")
        if kept := [tag for tag in tags if tag.startswith("nbval-") or tag == "raises-exception"]:
            metadata = {**metadata, "tags": kept}
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        outputs = plain_outputs(cell.outputs, alt)
        cells = [nbformat.v4.new_code_cell(source, id=cell.id, metadata=metadata, outputs=outputs)]
        if figure:
            caption = self.caption(figure["name"], figure["caption"])
            cells.append(nbformat.v4.new_markdown_cell(caption, id=f"{cell.id}-caption"))
        return cells


def prediction_parts(text: str) -> tuple[str, list[tuple[str, bool, str]], str]:
    """The question, the options (letter, whether it is the right one, text), and what happens."""
    found = list(OPTION.finditer(text))
    if not found:
        question, _, outcome = text.partition("\n\n")
        return question, [], outcome
    options = [(chr(ord("a") + number), each[1] == "x", each[2]) for number, each in enumerate(found)]
    return text[: found[0].start()].strip(), options, text[found[-1].end() :].strip()


def title(text: str) -> str:
    """What a role shows: "features" in "features <activation>"."""
    return text.partition(" <")[0]


def target(text: str) -> str:
    """What a role refers to: "activation" in "features <activation>"."""
    return text.partition(" <")[2].rstrip(">") or text


def indented(text: str, like: str) -> str:
    """Text moved to the right as far as this line is."""
    space = like[: len(like) - len(like.lstrip())]
    return "\n".join(f"{space}{line}".rstrip() for line in text.splitlines()) if space else text


def undented(lines: list[str]) -> list[str]:
    """Code moved to the left margin."""
    space = len(lines[0]) - len(lines[0].lstrip())
    return [line[space:] for line in lines]


def solution_code(cell: Any) -> str:
    """Code of a solution as text, and what it prints but for "right"."""
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    printed = re.sub(r"(?m)^ex-[\w-]+: right\n?", "", printed).rstrip("\n")
    return f"```python\n{cell.source}\n```" + (f"\n\nIt prints\n\n```text\n{printed}\n```" if printed else "")


def plain_outputs(outputs: list[Any], alt: str | None) -> list[Any]:
    """Outputs as a front end without the book's extensions shows them: quoted numbers as text, pictures described."""
    shown: list[Any] = []
    for output in outputs:
        data = output.get("data", {})
        if GLUE in data:
            line = glue.line(output.metadata.scrapbook.name, "".join(data[GLUE]))
            if shown and shown[-1].output_type == "stream":
                shown[-1].text += line
                continue
            output = nbformat.v4.new_output("stream", text=line)
        for kind in data:
            if alt and kind.startswith("image/"):
                output.metadata.setdefault(kind, {})["alt"] = alt
        shown.append(output)
    return shown


def solutions(chapter: Path) -> list[Any]:
    """The code cells of a chapter's solutions, which its reader notebook holds as text."""
    cells, solving = [], False
    for cell in nbformat.read(chapter, as_version=4).cells:
        if cell.cell_type == "markdown":
            for edge in re.findall(r"\{solution-(start|end)\}", cell.source):
                solving = edge == "start"
        elif solving:
            cells.append(cell)
    return cells


def append_solutions(path: Path) -> None:
    """Put the solutions at the end of a copy of a reader notebook, as cells: they are to work after Run All."""
    if (chapter := ROOT / "book" / path.name).exists():
        notebook = nbformat.read(path, as_version=4)
        notebook.cells += solutions(chapter)
        write(notebook, path)


def reader_notebooks() -> Iterator[tuple[str, Any]]:
    """The file name and the content of every reader notebook."""
    book = Book.read()
    for page in book.chapters:
        try:
            yield f"{Path(page).name}.ipynb", Reader(book, page).notebook()
        except ValueError as error:
            raise ValueError(f"{page}: {error}") from error


def main() -> None:
    """Write all of them, and remove those whose chapter is gone."""
    folder = ROOT / "notebooks"
    folder.mkdir(exist_ok=True)
    made = dict(reader_notebooks())
    for name, notebook in made.items():
        write(notebook, folder / name)
    for path in folder.glob("*.ipynb"):
        if path.name not in made:
            path.unlink()


if __name__ == "__main__":
    main()
