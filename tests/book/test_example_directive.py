"""The directive `example`: code, and the figure that it gives, in the API reference of the figures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from styletut_example import last_value

from styletut.teach import figures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book/api/figures.md").read_text(encoding="utf-8")


def test_an_example_shows_its_code_and_what_it_gives(built: Any) -> None:
    page, _, warnings = built("""```{example}
:alt: A grey square

import torch
from styletut import figures

grey = torch.full((1, 3, 8, 8), 0.5)
figures.gallery([grey])
```

```{example}
figures.divider(grey, 1 - grey)
```""")
    assert warnings == ""
    (picture,) = re.findall(r"<img[^>]*>", page.split("styletut-figure")[0])
    assert 'alt="A grey square"' in picture and 'src="data:image/jpeg;base64,' in picture
    assert page.count("divider") > 1 and page.index("torch") < page.index(picture) < page.index("styletut-figure")


@pytest.mark.parametrize("code", ["1 + 1", "x = 1", "nobody", "1 /"])
def test_an_example_without_a_figure_is_an_error(code: str, built: Any) -> None:
    _, _, warnings = built(f"```{{example}}\n{code}\n```")
    assert "this example gives no figure" in warnings and "index.md:3" in warnings


def test_examples_share_their_names() -> None:
    names: dict[str, Any] = {}
    assert last_value("x = 2\nx + 1", names) == 3 and last_value("x + 2", names) == 4


def test_the_reference_has_every_name_of_the_figures_and_an_example_of_each() -> None:
    described = set(re.findall(r"auto\w+:: styletut\.teach\.figures\.(\w+)", PAGE))
    assert described == {name for name in figures.__all__ if name != "TERMS"}
    drawn = set(re.findall(r"^st\.figures\.(\w+)\(", PAGE, re.MULTILINE))
    assert drawn == {name for name in described if name.islower()}
