"""What the live figures of the chapters paint, and with which controls."""

from __future__ import annotations

import pytest
from page_helpers import in_node

from styletut import architecture, recipes, samples
from styletut.page import figures, scripts

NAMES = list(figures.figures())


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_asks_for_nothing_that_the_page_does_not_offer(name: str) -> None:
    figure = figures.figures()[name]
    assert {figure.content, figure.style} <= set(samples.names())
    for recipe in figure.variants():
        deepest = architecture.layer(scripts.DEEPEST).index
        layers = [*recipe.content_layers, *recipe.style_layers]
        assert all(architecture.layer(layer).index <= deepest for layer in layers)
        for field, offered in scripts.settings()["choices"].items():
            assert getattr(recipe, field) in offered
        assert recipe.size == figures.SIZE and len(recipe.scales) == 1
    told = figures.settings()["figures"][name]
    assert [recipes.Recipe.from_dict(each) for each in told["recipes"]] == list(figure.recipes)


def test_every_figure_has_its_controls_and_only_a_race_has_more_than_one_run() -> None:
    body = "return Object.entries(KINDS).map(([name, { race, panes }]) => [name, Boolean(race), panes.length]);"
    kinds = {name: (race, panes) for name, race, panes in in_node({"KINDS": "kinds.js"}, body)}
    assert sorted(kinds) == sorted(NAMES)
    for name, figure in figures.figures().items():
        race, panes = kinds[name]
        assert race == (len(figure.recipes) > 1) and panes >= len(figure.recipes)
