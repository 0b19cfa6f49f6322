"""The notebooks that readers are handed: the chapters as they are now, in Markdown that every front end can read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import check_notebooks
import nbformat
import pytest
import reader_notebooks
from nbformat import v4
from reader_notebooks import PUBLISHED, REPOSITORY, Book

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("*.ipynb"))
READERS = ROOT / "notebooks"


# ---------------------------------------------------------------------------------------------- what they may not hold

CODE = re.compile(r"^(`{3,})(?!\{).*?^\1\s*$|(?<![`}])(`{1,2})(?!`).+?(?<!`)\2(?!`)", re.S | re.M)


def remains(notebook: Any) -> list[str]:
    """What of MyST, and of the book's own metadata, is left in a notebook."""
    found = []
    for cell in notebook.cells:
        found += [f"metadata {key!r}" for key in cell.metadata if key not in ("cellView", "jupyter", "tags")]
        found += [f"tag {tag!r}" for tag in cell.metadata.get("tags", []) if not tag.startswith(("nbval-", "raises-"))]
        if cell.cell_type == "code":
            found += [
                f"output {kind!r}" for output in cell.outputs for kind in output.get("data", {}) if "papermill" in kind
            ]
            continue
        text = CODE.sub("code", cell.source)
        for name, pattern in {
            "role": r"\{[\w:.+-]+\}`",
            "directive": r"(?m)^[> ]*(?:`{3,}|:{3,}) *\{?[\w-]*\}?.*$",
            "option": r"(?m)^[> ]*:[\w-]+:",
            "label": r"\$\$ *\([\w-]+\)|(?m:^\([\w-]+\)=)",
            "substitution": r"\{\{ *\w+ *\}\}",
            "option of a prediction": r"(?m)^[> ]*- \[[ x]\].*$",
            "link": r"(?<!!)\[\s*\]\([^)]*\)|\[[^\]]*\]\(\s*\)|\]\((?!https?:|#)[^)]*\)",
        }.items():
            found += [f"{name} {match[0]!r}" for match in re.finditer(pattern, text)]
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            if not any(f'<a id="{anchor}"' in other.source for other in notebook.cells):
                found.append(f"link to nowhere {anchor!r}")
    return found


@cache
def made() -> dict[str, Any]:
    """What the chapters give now."""
    return dict(reader_notebooks.reader_notebooks())


def test_every_chapter_has_its_notebook_and_no_other_is_there() -> None:
    assert sorted(path.stem for path in READERS.glob("*.ipynb")) == CHAPTERS
    assert sorted(made()) == [f"{name}.ipynb" for name in CHAPTERS]


@pytest.mark.parametrize("name", CHAPTERS)
def test_notebook_is_what_its_chapter_gives_now(name: str) -> None:
    stored = nbformat.read(READERS / f"{name}.ipynb", as_version=4)
    expected = made()[f"{name}.ipynb"]
    changed = [old.id for old, new in zip(stored.cells, expected.cells, strict=False) if old != new]
    assert not changed, "the book has changed since: run `make readers`"
    assert stored == expected, "the book has changed since: run `make readers`"


@pytest.mark.parametrize("name", CHAPTERS)
def test_notebook_is_plain(name: str) -> None:
    assert remains(nbformat.read(READERS / f"{name}.ipynb", as_version=4)) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_notebook_is_no_larger_than_its_chapter(name: str) -> None:
    assert (READERS / f"{name}.ipynb").stat().st_size < 1.05 * (ROOT / "book" / f"{name}.ipynb").stat().st_size


@pytest.mark.parametrize(
    "text",
    [
        "a {term}`layer`",
        "see {numref}`fig-a`",
        "it took {glue:text}`seconds:.0f` s",
        "```{tip}\nDo.\n```",
        "> ```{math}\n> x\n> ```",
        ":::{note}\nDo.\n:::",
        "> **Tip**\n>\n> :class: tip",
        "$$\nx\n$$ (eq-a)",
        "(here)=\n# Title",
        "{{ version }}",
        "> - [x] This one",
        "[](02-pictures.ipynb)",
        "[next](02-pictures.ipynb)",
        "[next]()",
        "[below](#nowhere)",
    ],
)
def test_what_is_left_of_myst_is_found(text: str) -> None:
    assert remains(v4.new_notebook(cells=[v4.new_markdown_cell(text)])) != []


@pytest.mark.parametrize(
    "text",
    [
        "```python\nd = {name}\n```",
        "Write `[](x.ipynb)` or `{{ x }}`.",
        '[here](https://example.org) and [there](#a)\n\n<a id="a"></a>',
        "$$\nx_{ij} \\tag{1.1}\n$$",
    ],
)
def test_what_front_ends_can_read_is_not_refused(text: str) -> None:
    assert remains(v4.new_notebook(cells=[v4.new_markdown_cell(text)])) == []


# ------------------------------------------------------------------------------------------------------- a small book

TOC = """\
root: book/intro
parts:
  - numbered: true
    chapters:
      - file: book/one
  - numbered: true
    chapters:
      - file: book/two
  - chapters:
      - file: book/back
      - file: book/glossary
      - file: book/api
"""
PAGES = {
    "book/intro.md": "# Intro\n\n$$\nx\n$$ (eq-intro)\n",
    "book/glossary.md": "# Glossary\n\n```{glossary}\nGram matrix\n  A table.\n\nloss\n  A {term}`Gram matrix`.\n```\n",
    "book/api.md": "# API\n\n```{eval-rst}\n.. automodule:: styletut.losses\n```\n",
    "book/references.bib": "@misc{a2016, author={Doe, J and Poe, A and Roe, A}, title={T}, year=2016, doi={10.1/x}}\n"
    "@misc{b2017, author={Poe, Ann}, title={U}, year=2017}\n",
    "book/quoted.md": "| a |\n| --- |\n| {term}`loss` |\n",
    "book/code.py": "class A:\n    def f(self):\n        return 1\n",
}


def picture(name: str, **tags: Any) -> Any:
    about = {"image": {"alt": f"alt of {name}"}, "figure": {"caption": f"Caption of {name}.", "name": name}}
    shown = v4.new_output(
        "display_data",
        {"image/png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="},
    )
    return v4.new_code_cell("plot()", metadata={"mystnb": about, **tags}, outputs=[shown], id=name)


def glued(name: str, value: str) -> Any:
    about = {"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}}
    return v4.new_output("display_data", {"application/papermill.record/text/plain": value}, metadata=about)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Write a small book, and return one of its chapters as readers get it."""
    monkeypatch.setattr(reader_notebooks, "ROOT", tmp_path)
    reader_notebooks.papers.cache_clear()
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC)
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)

    def write(name: str = "one", **chapters: Any) -> Any:
        for chapter in ("one", "two", "back"):
            cells = chapters.get(chapter, [f"# {chapter.capitalize()}\n"])
            cells = [v4.new_markdown_cell(c, id=f"c{i}") if isinstance(c, str) else c for i, c in enumerate(cells)]
            nbformat.write(v4.new_notebook(cells=cells), tmp_path / "book" / f"{chapter}.ipynb")
        return dict(reader_notebooks.reader_notebooks())[f"{name}.ipynb"]

    yield write
    reader_notebooks.papers.cache_clear()


def test_a_chapter_is_headed_by_its_number_and_the_way_to_its_page(book: Callable[..., Any]) -> None:
    chapters = {"one": ["# One\n\nText."], "back": ["# Back"]}
    assert book("one", **chapters).cells[0].source == (
        f"# 1. One\n\n*Chapter 1 of [Neural style transfer, by running it]({PUBLISHED}book/one.html)*\n\nText."
    )
    assert book("back", **chapters).cells[0].source.startswith("# Back\n\n*From [Neural")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("{term}`losses <loss>`", f"[losses]({PUBLISHED}book/glossary.html#term-loss)"),
        ("{term}`Gram matrix`", f"[Gram matrix]({PUBLISHED}book/glossary.html#term-Gram-matrix)"),
        (
            "{func}`styletut.losses.gram_matrix`",
            f"[`styletut.losses.gram_matrix()`]({PUBLISHED}book/api.html#styletut.losses.gram_matrix)",
        ),
        ("{mod}`styletut.losses`", f"[`styletut.losses`]({PUBLISHED}book/api.html#module-styletut.losses)"),
        ("{cite:t}`a2016` say", "Doe et al. ([2016](https://doi.org/10.1/x)) say"),
        ("so {cite:p}`a2016,b2017`", "so ([Doe et al., 2016](https://doi.org/10.1/x); Poe, 2017)"),
        ("[](two.ipynb)", f"[Two]({PUBLISHED}book/two.html)"),
        ("[the next](two.ipynb#more)", f"[the next]({PUBLISHED}book/two.html#more)"),
        ("[a site](https://example.org/x)", "[a site](https://example.org/x)"),
        ("{eq}`eq-intro`", f"[(1)]({PUBLISHED}book/intro.html#equation-eq-intro)"),
        ("`{term}` and ``{eq}`x` ``", "`{term}` and ``{eq}`x` ``"),
        ("```python\nx = '{eq}`y`'\n```", "```python\nx = '{eq}`y`'\n```"),
        ("$$\nx\n$$ (eq-here)\n\nin {eq}`eq-here`", "$$\nx \\tag{1.1}\n$$\n\nin (1.1)"),
        ("- a\n\n  $$\n  x\n  $$ (eq-here)\n\n- b", "- a\n\n  $$\n  x \\tag{1.1}\n  $$\n\n- b"),
        ("```{tip}\nSee {term}`loss`.\n```", f"> **Tip**\n>\n> See [loss]({PUBLISHED}book/glossary.html#term-loss)."),
        (
            "```{admonition} Predict\n:class: tip\n\n$$\nx\n= y\n$$\n\n- a\n```",
            "> **Predict**\n>\n> $$ x = y $$\n>\n> - a",
        ),
        ("```{exercise} Do\n:label: ex-here\n\nIt.\n```", "> **Exercise 1.1. Do**\n>\n> It."),
        (
            "```{exercise} Do\n:label: ex-here\n:difficulty: hard\n:minutes: 9\n\nIt.\n```",
            "> **Exercise 1.1. Do (hard, 9 minutes)**\n>\n> It.",
        ),
        (
            "```{predict}\nWhich\n{term}`loss`?\n\n- [ ] One\n- [x] *Two*\n- [ ] Three\n\nIt is {eq}`eq-intro`.\n```",
            f"> **Predict**\n>\n> Which\n> [loss]({PUBLISHED}book/glossary.html#term-loss)?\n>\n"
            "> - **a)** One\n> - **b)** *Two*\n> - **c)** Three\n\n"
            "<details>\n<summary><b>What happens</b></summary>\n\n**b)** *Two*\n\n"
            f"It is [(1)]({PUBLISHED}book/intro.html#equation-eq-intro).\n\n</details>",
        ),
        (
            "```{predict}\nWhat?\n\nThis.\n\nAnd that.\n```",
            "> **Predict**\n>\n> What?\n\n<details>\n<summary><b>What happens</b></summary>\n\n"
            "This.\n\nAnd that.\n\n</details>",
        ),
        (
            "```{predict}\n:sketch: 08/front\n:x: a = b\n\nWhat?\n\nThis.\n```",
            "> **Predict**\n>\n> What?\n>\n> Sketch it on paper, then look at the figure.\n\n"
            "<details>\n<summary><b>What happens</b></summary>\n\nThis.\n\n</details>",
        ),
        ("```{include} quoted.md\n```", f"| a |\n| --- |\n| [loss]({PUBLISHED}book/glossary.html#term-loss) |"),
        ("```{literalinclude} code.py\n:pyobject: A.f\n```", "```python\ndef f(self):\n    return 1\n```"),
        (
            "```{literalinclude} code.py\n```",
            "```python\nclass A:\n    def f(self):\n        return 1\n```",
        ),
        (
            "```{figure} images/a.jpg\n:name: fig-file\n:alt: A dot\n\nOf *one* dot.\n```",
            f"![A dot]({REPOSITORY}/raw/main/book/images/a.jpg)\n\n**Fig. 1.1.** Of *one* dot.",
        ),
        (
            "```{live} texture\nWhich {term}`loss`\nis it?\n\nTick *one*.\n\nStill: {numref}`fig-a`.\n```",
            f"**Live in the book.** Which [loss]({PUBLISHED}book/glossary.html#term-loss) is it? "
            f"[The page]({PUBLISHED}book/one.html#live-texture) paints it while you change its settings.",
        ),
        (
            "{cite:t}`b2017`\n\n```{bibliography}\n:filter: docname in docnames\n```",
            "Poe (2017)\n\n- **Poe, 2017.** Ann Poe. U. 2017.",
        ),
    ],
)
def test_myst_becomes_plain_markdown(book: Callable[..., Any], text: str, plain: str) -> None:
    notebook = book("one", one=["# One", text], two=["# Two\n\n## More"])
    assert notebook.cells[1].source == plain
    assert remains(notebook) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ref}`x`", "no plain form for the role 'ref'"),
        ("```{margin}\nx\n```", "no plain form for the directive 'margin'"),
        ("{glue:text}`seconds`", "no cell glues 'seconds'"),
        ("{term}`nothing`", "the book has no term 'nothing'"),
        ("{numref}`fig-none`", "the book has no fig 'fig-none'"),
        ("{cite:t}`nobody`", "no paper 'nobody'"),
        ("[](three.ipynb)", "the book has no page 'book/three'"),
        ("[x](#nowhere)", "the book has no heading 'book/one#nowhere'"),
    ],
)
def test_what_cannot_be_resolved_is_refused_with_its_chapter(book: Callable[..., Any], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"book/one: {re.escape(message)}"):
        book("one", one=["# One", text])


def test_a_link_within_a_chapter_leads_to_an_anchor_in_the_notebook(book: Callable[..., Any]) -> None:
    notebook = book("one", one=["# One\n\n[down](#2-two-things)", "Text.\n\n### 2. Two things\n\nMore."])
    assert "[down](#2-two-things)" in notebook.cells[0].source
    assert (
        notebook.cells[1].source
        == 'Text.\n\n<a id="2-two-things" name="2-two-things"></a>\n\n### 2. Two things\n\nMore.'
    )


def test_a_figure_has_its_caption_below_and_its_number_in_the_text(book: Callable[..., Any]) -> None:
    notebook = book("two", two=["# Two", picture("fig-a"), "See {numref}`fig-b`.", picture("fig-b")])
    assert [cell.source for cell in notebook.cells[1:]] == [
        "plot()", "**Fig. 2.1.** Caption of fig-a.", "See Fig. 2.2.", "plot()", "**Fig. 2.2.** Caption of fig-b."
    ]  # fmt: skip
    assert [cell.id for cell in notebook.cells[1:3]] == ["fig-a", "fig-a-caption"]
    assert notebook.cells[1].metadata == {}
    assert notebook.cells[1].outputs[0].metadata == {"image/png": {"alt": "alt of fig-a"}}


def test_a_figure_that_is_added_changes_the_notebook_of_another_chapter(book: Callable[..., Any]) -> None:
    two = ["# Two", "See {numref}`fig-a`."]
    before = book("two", one=["# One", picture("fig-a")], two=two)
    after = book("two", one=["# One", picture("fig-new"), picture("fig-a")], two=two)
    assert before.cells[1].source == f"See [Fig. 1.1]({PUBLISHED}book/one.html#fig-a)."
    assert after.cells[1].source == f"See [Fig. 1.2]({PUBLISHED}book/one.html#fig-a)."


def test_a_number_is_in_the_text_and_the_cell_that_measures_it_prints_it(book: Callable[..., Any]) -> None:
    glues = v4.new_code_cell("glue('n', n)", metadata={"tags": ["remove-cell"]}, id="glues")
    glues.outputs = [glued("n", "1234.5678"), glued("device", "'CPU'")]
    imports = v4.new_code_cell("import styletut as st\nfrom styletut.teach.glue import glue", id="imports")
    notebook = book("one", one=["# One", "{glue:text}`n:,.1f` on {glue:text}`device`", imports, glues])
    assert notebook.cells[1].source == "1,234.6 on CPU"
    assert notebook.cells[2].source == "import styletut as st\nfrom styletut.teach.glue import show as glue"
    assert notebook.cells[3].outputs == [v4.new_output("stream", text="n = 1235\ndevice = CPU\n")]
    assert notebook.cells[3].source == "# @title Numbers that the text quotes, as this run has them\nglue('n', n)"
    assert notebook.cells[3].metadata == {"cellView": "form", "jupyter": {"source_hidden": True}}


def test_setup_cells_are_folded_and_what_the_check_needs_is_kept(book: Callable[..., Any]) -> None:
    tags = {"tags": ["hide-input", "nbval-ignore-output", "raises-exception"]}
    helper = v4.new_code_cell("def f(): ...", metadata={"tags": ["hide-input"]}, id="helper")
    notebook = book("one", one=["# One", picture("fig-a", **tags), helper])
    folded = {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert notebook.cells[1].metadata == {**folded, "tags": ["nbval-ignore-output", "raises-exception"]}
    assert notebook.cells[1].source == "# @title The code of Fig. 1.1\nplot()"
    assert notebook.cells[3].metadata == folded


def test_solutions_are_folded_text_and_run_after_everything_else_in_the_check(
    book: Callable[..., Any], tmp_path: Path
) -> None:
    printed = [v4.new_output("stream", text="ex-one: right\n4\n")]
    notebook = book(
        "one",
        one=[
            "# One\n\n```{exercise} Do\n:label: ex-one\n\nWhat?\n```",
            v4.new_code_cell("x = None", id="asked", execution_count=1),
            "```{solution-start} ex-one\n:class: dropdown\n```\n\nFour.",
            v4.new_code_cell("x = 4\nprint(x)", id="solved", outputs=printed, execution_count=2),
            "```{solution-end}\n```\n\n```{solution} ex-one\n:class: dropdown\n\nOr 4.0.\n```",
            v4.new_code_cell("last()", id="last", execution_count=3),
        ],
    )
    assert [cell.id for cell in notebook.cells] == ["c0", "asked", "c2", "last"]
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2]
    opening = "<details>\n<summary><b>Solution to Exercise 1.1</b></summary>\n\n"
    assert notebook.cells[2].source == (
        f"{opening}Four.\n\n```python\nx = 4\nprint(x)\n```\n\nIt prints\n\n```text\n4\n```\n\n</details>\n\n"
        f"{opening}Or 4.0.\n\n</details>"
    )
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "one.ipynb"
    nbformat.write(notebook, copy)
    reader_notebooks.append_solutions(copy)
    assert [cell.id for cell in nbformat.read(copy, as_version=4).cells] == ["c0", "asked", "c2", "last", "solved"]


def test_the_check_runs_the_solutions_of_the_chapter(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Any] = []

    def run(command: list[str], **options: Any) -> Any:
        checked.extend(nbformat.read(path, as_version=4) for path in command if path.endswith(".ipynb"))
        return check_notebooks.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(check_notebooks.subprocess, "run", run)
    monkeypatch.setattr(check_notebooks, "build_wheel", lambda folder: folder / "a.whl")
    name = "01-first-transfer.ipynb"
    assert check_notebooks.main([str(READERS / name)]) == 0
    solved = reader_notebooks.solutions(ROOT / "book" / name)
    assert len(solved) == 4
    assert [cell.source for cell in checked[0].cells[-4:]] == [cell.source for cell in solved]


def test_notebooks_are_written_and_those_without_a_chapter_are_removed(
    book: Callable[..., Any], tmp_path: Path
) -> None:
    book("one")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "old.ipynb").touch()
    reader_notebooks.main()
    first = {path.name: path.read_bytes() for path in (tmp_path / "notebooks").iterdir()}
    assert sorted(first) == ["back.ipynb", "one.ipynb", "two.ipynb"]
    reader_notebooks.main()
    assert {path.name: path.read_bytes() for path in (tmp_path / "notebooks").iterdir()} == first


# ------------------------------------------------------------------------------------------------------ the built book


def built() -> float:
    """When the book was built, or 0."""
    index = HTML / "index.html"
    return index.stat().st_mtime if index.exists() else 0


def newest(root: Path) -> float:
    """When a file that it is built from was last changed; caches, of ruff for one, are none."""
    files = (path for folder in ("book", "notebooks") for path in (root / folder).rglob("*") if path.is_file())
    cache = re.compile(r"/(\.|__pycache__/)")
    return max(path.stat().st_mtime for path in files if not cache.search(path.relative_to(root).as_posix()))


def test_a_cache_does_not_make_the_book_look_old(tmp_path: Path) -> None:
    ages = {"book/one.ipynb": 100, "notebooks/one.ipynb": 200, "book/_ext/two.py": 150}
    caches = {"book/experiments/.ruff_cache/0.1/x": 300, "book/_ext/__pycache__/two.pyc": 300}
    root = tmp_path / ".hidden"  # where the checkout lies does not matter
    for name, age in (ages | caches).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (age, age))
    assert newest(root) == 200
    os.utime(root / "book/_ext/two.py", (400, 400))
    assert newest(root) == 400


up_to_date = pytest.mark.skipif(built() < newest(ROOT), reason="no built book, or an older one: `make book` first")


@cache
def page(name: str) -> str:
    return (HTML / f"{name}.html").read_text(encoding="utf-8")


@up_to_date
def test_places_and_numbers_are_those_of_the_built_book() -> None:
    places = Book.read().places
    assert {kind for kind, _ in places} == {"page", "heading", "fig", "eq", "ex", "term", "module"}
    for (kind, name), (where, anchor, called) in places.items():
        if kind in ("page", "heading"):
            continue  # not all headings can be told apart; those that are linked to are looked for below
        anchor = f"module-{name}" if kind == "module" else anchor
        _, _, after = page(where).partition(f'id="{anchor}"')
        assert after, f"no {anchor} in {where}"
        if kind in ("fig", "ex"):
            number = re.search(r'<span class="caption-number">(.*?) </span>', after)
            assert number and number[1] == called, f"{name} is {number and number[1]}, not {called}"
        if kind == "eq":
            assert re.search(r'<span class="eqno">(\(.*?\))', after)[1] == called  # type: ignore[index]


@up_to_date
@pytest.mark.parametrize("name", CHAPTERS)
def test_links_lead_to_the_published_pages(name: str) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(READERS / f"{name}.ipynb", as_version=4).cells)
    links = re.findall(rf"\]\({re.escape(PUBLISHED)}([^)#]+)\.html(?:#([^)]+))?\)", text)
    assert links
    for where, anchor in links:
        assert (HTML / f"{where}.html").exists(), where
        assert not anchor or f'id="{anchor}"' in page(where), f"{where}#{anchor}"
    for path in re.findall(rf"\]\({re.escape(reader_notebooks.FILES)}([^)]+)\)", text):
        assert (ROOT / path).exists(), path


@up_to_date
@pytest.mark.parametrize("name", CHAPTERS)
def test_references_are_those_of_the_built_book(name: str) -> None:
    cell = nbformat.read(READERS / f"{name}.ipynb", as_version=4).cells[-1].source
    cell = cell.partition("## References")[2]
    ours = re.findall(r"(?m)^- \*\*(.*?)\.\*\* (.*)$", cell)
    listed = page(f"book/{name}").partition('class="citation-list"')[2]
    theirs = re.findall(
        r'<span class="label">(.*?)</span>\s*(?:<span class="backrefs">.*?</span>\s*)?<p>(.*?)</p>', listed, re.S
    )

    def words(text: str) -> list[str]:
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<[^>]+>", "", unescape(text)))
        text = re.split(r"URL:|doi:", text)[0]  # the theme shortens addresses
        return re.findall(r"\w+", text.replace("\\", "").replace("*", ""))

    assert [list(map(words, pair)) for pair in ours] == [list(map(words, pair)) for pair in theirs]


@up_to_date
@pytest.mark.parametrize("name", CHAPTERS)
def test_rocket_and_download_hand_out_the_notebook(name: str) -> None:
    html = page(f"book/{name}")
    of_project = reader_notebooks.REPOSITORY.removeprefix("https://")
    colab = f"https://colab.research.google.com/{of_project.replace('github.com', 'github', 1)}"
    assert f'href="{colab}/blob/main/notebooks/{name}.ipynb"' in html
    assert f'href="../_sources/notebooks/{name}.ipynb"' in html
    assert f"book/{name}.ipynb" not in html
    handed = (HTML / "_sources" / "notebooks" / f"{name}.ipynb").read_bytes()
    assert handed == (READERS / f"{name}.ipynb").read_bytes()
