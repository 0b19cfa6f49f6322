"""The directive `example`: lines of Python, and the figure that the last one gives, drawn while the book is built.

The API reference of the figures is made of them, so that what a reader sees is what the code beside it gives.
"""

from __future__ import annotations

import ast
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Example(SphinxDirective):
    """Python whose last line is a figure of `styletut.figures`. Examples of one page share their names, in order."""

    has_content = True
    option_spec = {"alt": directives.unchanged}  # noqa: RUF012  # as docutils has it

    def run(self) -> list[nodes.Node]:
        """The code, and the figure."""
        code = "\n".join(self.content)
        names = self.env.temp_data.setdefault("styletut example", {})
        try:
            figure = last_value(code, names)
            bundle, sizes = figure._repr_mimebundle_() if hasattr(figure, "_repr_mimebundle_") else ({}, {})
            page = bundle.get("text/html", "") if bundle else figure._repr_html_()
        except Exception as error:
            raise self.error(f"this example gives no figure: {type(error).__name__}: {error}") from None
        shown = nodes.literal_block(code, code, language="python")
        self.set_source_info(shown)
        if page:
            return [shown, nodes.raw("", page, format="html")]
        ((kind, data),) = bundle.items()
        size = {name: f"{pixels}px" for name, pixels in sizes[kind].items()}
        uri = f"data:{kind};base64,{data}"
        picture = nodes.image(uri=uri, candidates={"?": uri}, alt=self.options.get("alt", ""), **size)
        return [shown, nodes.figure("", picture)]


def last_value(code: str, names: dict[str, Any]) -> Any:
    """What the last line gives, an expression, after the lines before it.

    Raises:
        ValueError: it is none.
    """
    tree = ast.parse(code)
    last = tree.body.pop()
    if not isinstance(last, ast.Expr):
        raise ValueError("its last line is no expression")
    exec(compile(tree, "<example>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<example>", "eval"), names)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("example", Example)
    return {"version": "1", "parallel_read_safe": True}
