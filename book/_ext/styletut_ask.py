"""What this book asks of its reader: predictions and exercises, answered in the page itself.

- `predict` places a prediction: a question, options of which one is right, and what happens, folded. In place of the
  options there is a field for a sentence, or axes for a curve; the measured one comes from a stored experiment.
- `exercise` says how hard it is and how many minutes it takes; a number or a word is checked in the page, by the table
  of `styletut.check`.
- `exercise-list` makes a table of all exercises.

All of it can be read, and the predictions be answered, without the script, which is made from `book/_page/ask.js`.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode
from sphinx_exercise.directive import ExerciseDirective
from sphinx_exercise.nodes import exercise_subtitle

from styletut.errors import StyletutError
from styletut.page.bundle import bundle
from styletut.teach import experiments
from styletut.teach.exercises import EXERCISES
from styletut.teach.exercises.kinds import Value

PAGE = Path(__file__).parents[1] / "_page"
DIFFICULTIES = ("easy", "medium", "hard")

AXES = ("where", "x", "y", "range")  # what a sketch needs

OPTION = re.compile(r"\[([ x])\] ")

# ------------------------------------------------------------------------------------------------------- predictions


class prediction(nodes.General, nodes.Element):
    """A question that the reader answers before reading on; what follows are its parts."""


class prediction_options(nodes.General, nodes.Element):
    """The question and its options, a group for the keyboard and for screen readers."""


class prediction_question(nodes.General, nodes.TextElement):
    """The question."""


class prediction_option(nodes.General, nodes.TextElement):
    """One of the options."""


class prediction_sketch(nodes.General, nodes.Element):
    """The axes of a curve, and the measured one."""


class prediction_outcome(nodes.General, nodes.Element):
    """What happens, folded."""


class Predict(SphinxDirective):
    """A prediction: a question, options as a list of tasks, the right one ticked, and what happens.

    Without options, the first paragraph is the question, and the reader writes a sentence. With `sketch` the reader
    draws a curve: an experiment and, if its numbers are in parts, the one that holds the rows; `where` says which of
    them, `x` and `y` what an axis is called and which number of a row it shows, `range` from where to where `y` goes.
    """

    has_content = True
    option_spec = dict.fromkeys(("sketch", *AXES), directives.unchanged_required)

    def run(self) -> list[nodes.Node]:
        """The box, with its parts."""
        read = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, read)
        parts = list(read.children)
        at = next((i for i, part in enumerate(parts) if isinstance(part, nodes.bullet_list)), None)
        options = [] if at is None else [self.option(item) for item in parts[at].children]
        before, outcome = (parts[:1], parts[1:]) if at is None else (parts[:at], parts[at + 1 :])
        if not before or not isinstance(before[-1], nodes.paragraph) or not outcome:
            raise self.error("a prediction has a question, options or none, and what happens")
        right = [number for number, option in enumerate(options) if option["right"]]
        if options and len(right) != 1:
            raise self.error(f"{len(right)} of the options are ticked, one must be")

        if "sketch" in self.options and options:
            raise self.error("a sketch has no options")

        name = f"predict-{self.env.new_serialno('predict')}"
        group = prediction_options()
        group += prediction_question("", "", *before[-1].children)
        for number, option in enumerate(options):
            option.attributes.update(group=name, letter=chr(ord("a") + number))
            group += option
        if "sketch" in self.options:
            group += prediction_sketch(curve=self.curve())
        elif not options:
            group["field"] = name
        folded = prediction_outcome()
        if options:
            ticked = options[right[0]]
            folded["right"] = ticked["letter"]
            told = [nodes.Text(f"{ticked['letter']}) "), *(child.deepcopy() for child in ticked.children)]
            folded += nodes.paragraph("", "", *told, classes=["right"])
        folded += outcome
        box = prediction(ids=[name])
        box += [*before[:-1], group, folded]
        return [box]

    def curve(self) -> dict[str, Any]:
        """What `ask.js` draws: the axes and the stored values."""
        if missing := [name for name in AXES if name not in self.options]:
            raise self.error(f"a sketch needs {missing[0]}")
        name, _, part = self.options["sketch"].partition(" ")
        try:
            numbers = experiments.results(name).numbers
            rows: Any = numbers[part] if part else numbers
            wanted = dict(pair(each) for each in self.options["where"].split(","))
            rows = [row for row in rows if all(str(row[key]) == value for key, value in wanted.items())]
            (x, along), (y, up) = pair(self.options["x"]), pair(self.options["y"])
            low, high = (float(end) for end in self.options["range"].split(" to "))
            places, values = [str(row[along]) for row in rows], [row[up] for row in rows]
        except (StyletutError, KeyError, TypeError, ValueError) as error:
            raise self.error(f"this sketch has no curve: {type(error).__name__}: {error}") from None
        if not 5 <= len(values) <= 8 or not all(low <= value <= high for value in values):
            raise self.error(f"a sketch has 5 to 8 values from {low:g} to {high:g}, not {values}")
        self.env.note_dependency(str(experiments.home() / "results" / name / "results.json"))
        return {"x": x, "y": y, "places": places, "range": [low, high], "measured": values}

    def option(self, item: nodes.Element) -> prediction_option:
        """An item of the list as an option."""
        paragraph: Any = item.children[0] if len(item.children) == 1 else None
        first = paragraph.children[0] if isinstance(paragraph, nodes.paragraph) else None
        if not isinstance(first, nodes.Text) or not (box := OPTION.match(first.astext())):
            raise self.error("an option begins with [ ], or with [x] if it is the right one")
        rest = nodes.Text(first.astext()[box.end() :])
        return prediction_option("", "", rest, *paragraph.children[1:], right=box[1] == "x")


def pair(text: str) -> tuple[str, str]:
    """The two sides of an equals sign."""
    left, right = text.split("=")
    return left.strip(), right.strip()


def open_prediction(translator: Any, node: nodes.Element) -> None:
    """The start of its HTML, which `ask.js` looks for."""
    translator.body.append(translator.starttag(node, "div", CLASS="admonition tip styletut-predict"))
    translator.body.append('<p class="admonition-title">Predict</p>\n')


def close_prediction(translator: Any, node: nodes.Element) -> None:
    """The end of its HTML."""
    translator.body.append("</div>\n")


def open_options(translator: Any, node: nodes.Element) -> None:
    """A fieldset."""
    translator.body.append("<fieldset>\n")


def close_options(translator: Any, node: nodes.Element) -> None:
    """Its end; a field for a sentence where there are no options."""
    if "field" in node:
        name = node["field"]
        translator.body.append(
            f'<label class="sentence" for="{name}-sentence">Your prediction, in a sentence</label>\n'
            f'<textarea id="{name}-sentence" rows="2" autocomplete="off"></textarea>\n'
        )
    translator.body.append("</fieldset>\n")


def open_question(translator: Any, node: nodes.Element) -> None:
    """A legend."""
    translator.body.append("<legend>")


def close_question(translator: Any, node: nodes.Element) -> None:
    """Its end."""
    translator.body.append("</legend>\n")


def open_option(translator: Any, node: nodes.Element) -> None:
    """A radio button and its label."""
    letter = node["letter"]
    translator.body.append(
        f'<label class="option"><input type="radio" name="{node["group"]}" value="{letter}">'
        f'<span class="letter">{letter})</span> <span class="text">'
    )


def close_option(translator: Any, node: nodes.Element) -> None:
    """Its end."""
    translator.body.append("</span></label>\n")


def open_sketch(translator: Any, node: nodes.Element) -> None:
    """A place for the axes; a sentence for those without scripts."""
    text = json.dumps(node["curve"], separators=(",", ":"))
    place = translator.starttag(nodes.Element(), "div", CLASS="sketch", **{"data-sketch": text}).rstrip()
    translator.body.append(f"{place}<noscript><p>Sketch it on paper, then look at the figure.</p></noscript>")


def close_sketch(translator: Any, node: nodes.Element) -> None:
    """Its end."""
    translator.body.append("</div>\n")


def open_outcome(translator: Any, node: nodes.Element) -> None:
    """A fold, which opens without scripts too."""
    right = f' data-right="{node["right"]}"' if "right" in node else ""
    translator.body.append(f'<details class="outcome"{right}>\n')
    translator.body.append(
        '<summary><span class="closed">Show what happens</span><span class="opened">What happens</span></summary>\n'
    )


def close_outcome(translator: Any, node: nodes.Element) -> None:
    """Its end."""
    translator.body.append("</details>\n")


# --------------------------------------------------------------------------------------------------------- exercises


class exercise_foot(nodes.General, nodes.Element):
    """How hard an exercise is and how long it takes, and where an answer is checked."""


@functools.cache
def table(label: str) -> dict[str, Any] | None:
    """What the page needs to check an exercise: None where the answer is a function, or open."""
    exercise = EXERCISES.get(label)
    return exercise.table() if isinstance(exercise, Value) else None


def difficulty(argument: str) -> str:
    """An option's value: one of the three."""
    return str(directives.choice(argument, DIFFICULTIES))


class Exercise(ExerciseDirective):
    """sphinx-exercise's, with a difficulty and minutes."""

    option_spec = {  # noqa: RUF012
        **ExerciseDirective.option_spec,
        "difficulty": difficulty,
        "minutes": directives.nonnegative_int,
    }

    def run(self) -> list[nodes.Node]:
        """The box, with its foot."""
        missing = [name for name in ("label", "difficulty", "minutes") if name not in self.options]
        if missing:
            raise self.error(f"an exercise needs a {missing[0]}")
        label = self.options["label"]
        asked = {name: self.options[name] for name in ("difficulty", "minutes")}
        made = super().run()
        if made:
            self.env.sphinx_exercise_registry[label].update(asked)
            made[0] += exercise_foot(label=label, **asked)
        return list(made)


def open_foot(translator: Any, node: nodes.Element) -> None:
    """Its HTML: the script puts a form into the second part."""
    translator.body.append(f'<p class="effort">{node["difficulty"]}, {minutes(node["minutes"])}</p>\n')
    if row := table(node["label"]):
        text = json.dumps(row, separators=(",", ":"))
        place = translator.starttag(nodes.Element(), "div", CLASS="styletut-check", **{"data-exercise": text})
        translator.body.append(f"{place}</div>\n")


def close_foot(translator: Any, node: nodes.Element) -> None:
    """Nothing more."""


def minutes(count: int) -> str:
    """A time in words."""
    return f"{count} minute{'' if count == 1 else 's'}"


class exercise_list(nodes.General, nodes.Element):
    """Where the table of all exercises will stand."""


class ExerciseList(SphinxDirective):
    """All exercises of the book, chapter by chapter, each a link to where it is set and solved."""

    def run(self) -> list[nodes.Node]:
        """A place for the table, which only the whole book can fill."""
        return [exercise_list()]


def fill_exercise_lists(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put a table of the exercises, in the order of the chapters, where a page asks for it."""
    for place in list(doctree.findall(exercise_list)):
        registry = getattr(app.env, "sphinx_exercise_registry", {})
        group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in (60, 20, 20)), cols=3)
        heads = (nodes.entry("", nodes.paragraph(text=text)) for text in ("Exercise", "Difficulty", "Minutes"))
        group += nodes.thead("", nodes.row("", *heads))
        body = nodes.tbody()
        for chapter in sorted({entry["docname"] for entry in registry.values()}):
            asked = [
                (label, entry)
                for label, entry in registry.items()
                if entry["docname"] == chapter and entry["type"].startswith("exercise")
            ]
            number = ".".join(map(str, app.env.toc_secnumbers.get(chapter, {}).get("", ())))
            name = f"{number}. {app.env.titles[chapter].astext()}".removeprefix(". ")
            whole = link(app, docname, chapter, "", name)
            total = nodes.Text(f": {minutes(sum(entry['minutes'] for _, entry in asked))} in all")
            body += nodes.row("", nodes.entry("", nodes.paragraph("", "", whole, total), morecols=2), classes=["part"])
            for label, entry in asked:
                (title,) = entry["node"].findall(exercise_subtitle)
                where = link(app, docname, chapter, label, title.astext())
                cells = (where, nodes.Text(entry["difficulty"]), nodes.Text(str(entry["minutes"])))
                body += nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))
        group += body
        place.replace_self(nodes.table("", group, classes=["exercises"]))


def link(app: Sphinx, here: str, docname: str, anchor: str, text: str) -> nodes.reference:
    """A reference from one page of the book to a place on another."""
    return make_refnode(app.builder, here, docname, anchor, nodes.Text(text))


# ------------------------------------------------------------------------------------------------------------ script


def script() -> str:
    """The script of a page that asks; it begins by itself."""
    return bundle(PAGE, "ask.js", "styletutAsk") + "self.styletutAsk().begin(document);\n"


def offer_script(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the script to a page with a prediction or an exercise."""
    asks = (prediction, exercise_foot)
    if doctree is not None and any(next(doctree.findall(kind), None) is not None for kind in asks):
        app.add_js_file("ask.js", defer="defer")


def add_script(app: Sphinx, exception: Exception | None) -> None:
    """Put the script into the built book."""
    if not exception and app.builder.format == "html":
        path = Path(app.outdir) / "_static" / "ask.js"
        path.write_text(script(), encoding="utf-8", newline="\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.setup_extension("sphinx_exercise")
    app.add_directive("predict", Predict)
    app.add_node(prediction, html=(open_prediction, close_prediction))
    app.add_node(prediction_options, html=(open_options, close_options))
    app.add_node(prediction_question, html=(open_question, close_question))
    app.add_node(prediction_option, html=(open_option, close_option))
    app.add_node(prediction_sketch, html=(open_sketch, close_sketch))
    app.add_node(prediction_outcome, html=(open_outcome, close_outcome))
    app.add_directive("exercise", Exercise, override=True)
    app.add_node(exercise_foot, html=(open_foot, close_foot))
    app.add_node(exercise_list)
    app.add_directive("exercise-list", ExerciseList)
    app.connect("doctree-resolved", fill_exercise_lists)
    app.connect("html-page-context", offer_script)
    app.connect("build-finished", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
