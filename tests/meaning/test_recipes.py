"""The shipped recipes, value by value, and what a recipe promises: frozen, readable, to JSON and back, strict."""

from __future__ import annotations

import dataclasses
import html
import itertools
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Hashable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from styletut import recipes, vgg
from styletut.errors import LayerError, RecipeError, StyletutError
from styletut.recipes import Recipe

NAMES = ("fast", "draft", "fine", "gram", "gatys", "keras-sgd", "three-losses", "lbfgs", "five-layer", "avgpool")
FIRST_OF_EACH_BLOCK = {f"relu{block}_1": 0.2 for block in range(1, 6)}

# Typed from the published systems, not from the code.
PUBLISHED: dict[str, dict[str, Any]] = {
    "keras-sgd": {
        "network": "vgg19",
        "preprocessing": "caffe",
        "pooling": "max",
        "rescale": False,
        "size": 400,
        "fit": "rows",
        "content_layers": {"relu5_2": 1.0},
        "content_loss": "sum",
        "style_layers": FIRST_OF_EACH_BLOCK,
        "style_loss": "picture",
        "tv_loss": "power",
        "tv_range": 255.0,
        "tv_reduction": "sum",
        "content_weight": 2.5e-8,
        "style_weight": 1e-6,
        "tv_weight": 1e-6,
        "start": "content",
        "optimizer": "sgd",
        "learning_rate": 100.0,
        "decay": 0.96,
        "decay_steps": 100,
        "pixel_range": 255.0,
        "clamp": "none",
        "scales": ((1.0, 10_000),),
        "snapshot_every": 100,
    },
    "three-losses": {
        "network": "vgg19",
        "preprocessing": "none",
        "pooling": "max",
        "rescale": False,
        "size": (224, 224),
        "fit": "exact",
        "content_layers": {"relu5_2": 1.0},
        "content_loss": "mean",
        "style_loss": "mean",
        "tv_loss": "l1",
        "tv_range": 1.0,
        "tv_reduction": "sum",
        "start": "content",
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "decay": 1.0,
        "pixel_range": 1.0,
        "scales": ((1.0, 10),),
        "batch": 8,
    },
    "lbfgs": {
        "network": "vgg16",
        "preprocessing": "caffe",
        "pooling": "max",
        "rescale": False,
        "size": (300, 500),
        "fit": "exact",
        "content_layers": {"relu4_2": 1.0},
        "content_loss": "sum",
        "style_layers": FIRST_OF_EACH_BLOCK,
        "style_loss": "picture",
        "tv_loss": "power",
        "tv_range": 255.0,
        "tv_reduction": "sum",
        "content_weight": 0.025,
        "style_weight": 1.0,
        "tv_weight": 1.0,
        "start": "noise",
        "noise": "uniform",
        "noise_range": (-128.0, 127.0),
        "optimizer": "lbfgs-b",
        "evaluations": 20,
        "memory": 10,
        "pixel_range": 255.0,
        "clamp": "none",
        "scales": ((1.0, 30),),
        "snapshot_every": 1,
    },
    "five-layer": {
        "network": "vgg19",
        "preprocessing": "none",
        "pooling": "max",
        "rescale": False,
        "size": None,
        "content_layers": {"relu1_2": 0.05, "relu2_2": 0.05, "relu3_4": 0.15, "relu4_4": 0.3, "relu5_4": 0.45},
        "content_loss": "mean",
        "style_layers": {"relu1_2": 0.1, "relu2_2": 0.1, "relu3_4": 0.6, "relu4_4": 0.1, "relu5_4": 0.1},
        "style_loss": "mean",
        "content_weight": 0.5,
        "style_weight": 0.5,
        "tv_weight": 0.0,
        "start": "content",
        "optimizer": "adam",
        "learning_rate": 0.001,
        "decay": 1.0,
        "pixel_range": 1.0,
        "clamp": "forward",
        "scales": ((1.0, 1000),),
    },
    "avgpool": {
        "network": "vgg19",
        "preprocessing": "caffe",
        "pooling": "average-same",
        "rescale": False,
        "size": None,
        "content_layers": {"relu5_2": 1.0},
        "content_loss": "half_sum",
        "style_layers": {"relu1_1": 0.5, "relu2_1": 1.0, "relu3_1": 1.5, "relu4_1": 3.0, "relu5_1": 4.0},
        "style_loss": "gatys",
        "content_weight": 5.0,
        "style_weight": 100.0,
        "tv_weight": 0.0,
        "start": "mix",
        "start_mix": 0.25,
        "noise": "uniform",
        "noise_range": (-20.0, 20.0),
        "optimizer": "adam",
        "learning_rate": 2.0,
        "decay": 1.0,
        "pixel_range": 255.0,
        "clamp": "none",
        "scales": ((1.0, 3000),),
        "snapshot_every": 100,
    },
    "gatys": {
        "network": "vgg19",
        "pooling": "average",
        "rescale": False,
        "size": 512,
        "content_layers": {"relu4_2": 1.0},
        "style_layers": FIRST_OF_EACH_BLOCK,
        "style_loss": "gatys",
        "tv_weight": 0.0,
        "start": "noise",
        "optimizer": "lbfgs",
    },
    "gram": {  # what the chapters print
        "network": "vgg19",
        "pooling": "max",
        "padding": "zeros",
        "size": 512,
        "content_layers": {"relu4_2": 1.0},
        "content_loss": "relative",
        "style_layers": FIRST_OF_EACH_BLOCK,
        "style_loss": "relative",
        "tv_loss": "squared",
        "tv_range": 1.0,
        "tv_reduction": "mean",
        "content_weight": 0.1,
        "style_weight": 1.0,
        "tv_weight": 0.1,
        "start": "content",
        "optimizer": "lbfgs",
        "evaluations": 1,
        "memory": 10,
        "line_search": False,
        "decorrelation": 0.0,
        "scales": ((0.25, 150), (0.5, 100), (1.0, 60)),
    },
}


# What ships.


@pytest.mark.parametrize(("name", "field"), [(n, f) for n, fields in PUBLISHED.items() for f in fields])
def test_shipped_values_are_the_published_ones(name: str, field: str) -> None:
    assert getattr(recipes.get(name), field) == PUBLISHED[name][field]


def test_three_losses_weighs_its_style_layers_equally_and_says_that_weights_are_chosen() -> None:
    recipe = recipes.get("three-losses")
    assert set(recipe.style_layers) == {"relu1_1", "relu2_1", "relu3_1"}
    assert len(set(recipe.style_layers.values())) == 1
    assert min(recipe.content_weight, recipe.style_weight, recipe.tv_weight) > 0
    assert "weights" in recipe.note


def test_gatys_balance_is_a_thousandth_of_content_to_style() -> None:
    """alpha / beta = 1e-3 of 1/2 sum (F - P)^2 over 512 channels and 64 x 64 positions, as a mean."""
    recipe = recipes.get("gatys")
    assert recipe.content_loss == "mean"
    assert recipe.content_weight / recipe.style_weight == pytest.approx(1e-3 * 0.5 * 512 * 64 * 64, rel=1e-12)


def test_every_recipe_says_where_it_comes_from() -> None:
    for name in recipes.names():
        recipe = recipes.get(name)
        assert recipe.name == name
        assert recipe.source


def test_names_are_all_there_with_the_default_first() -> None:
    assert set(recipes.names()) == set(NAMES)
    assert len(recipes.names()) == len(NAMES)
    assert recipes.names()[0] == "fast"
    assert recipes.get() == recipes.get("fast")


def test_draft_and_fine_differ_from_fast_in_size_and_steps_only() -> None:
    differing = {row["field"] for row in recipes.table(["fast", "draft", "fine"])}
    assert differing == {"size", "scales"}
    fast, fine = recipes.get("fast"), recipes.get("fine")
    assert (fast.size, fine.size) == (512, 1536)
    assert 512 * fast.scales[0][0] == pytest.approx(1536 * fine.scales[0][0])  # the same composition, and finer detail


def test_layers_of_a_recipe_are_those_of_both_losses() -> None:
    assert set(recipes.get("lbfgs").layers) == {*FIRST_OF_EACH_BLOCK, "relu4_2"}


def test_steps_are_those_of_all_scales() -> None:
    assert recipes.get("keras-sgd").steps == 10_000
    assert Recipe(scales=((0.5, 7), (1.0, 5))).steps == 12


# Getting one.


def test_get_returns_a_recipe_as_it_is() -> None:
    recipe = Recipe(seed=5)
    assert recipes.get(recipe) is recipe


@pytest.mark.parametrize(
    ("wrong", "right"), [("gatis", "gatys"), ("kerassgd", "keras-sgd"), ("fivelayer", "five-layer")]
)
def test_get_of_a_misspelt_name_asks_what_was_meant(wrong: str, right: str) -> None:
    with pytest.raises(RecipeError, match=f"did you mean '{right}'") as caught:
        recipes.get(wrong)
    assert all(name in str(caught.value) for name in NAMES)


def test_get_of_something_else_is_a_recipe_error() -> None:
    for wrong in ("", "zzz", 3, None):
        with pytest.raises(RecipeError):
            recipes.get(wrong)  # type: ignore[arg-type]


# Frozen.


def test_a_recipe_cannot_be_changed() -> None:
    recipe = recipes.get("fast")
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.seed = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        recipe.style_layers["relu1_1"] = 9.0  # type: ignore[index]


def test_a_recipe_does_not_change_with_the_dictionary_it_was_made_from() -> None:
    layers = {"relu1_1": 1.0}
    recipe = Recipe(style_layers=layers)
    layers["relu2_1"] = 5.0
    assert dict(recipe.style_layers) == {"relu1_1": 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_replace_changes_what_it_is_told_and_nothing_else(name: str) -> None:
    recipe = recipes.get(name)
    variant = recipe.replace(seed=41, size=77)
    assert (variant.seed, variant.size) == (41, 77)
    assert variant.replace(seed=recipe.seed, size=recipe.size) == recipe
    assert recipe == recipes.get(name)
    assert dataclasses.replace(recipe, seed=41, size=77) == variant


def test_replace_takes_the_shape_of_several_sizes() -> None:
    assert recipes.get("fast").replace(size=(30, 40)).size == (30, 40)
    assert recipes.get("fast").replace(size=[30, 40]).size == (30, 40)
    assert recipes.get("fast").replace(size=None).size is None


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(steps=st.integers(2, 500))
def test_steps_is_a_budget_spread_over_the_scales(name: str, steps: int) -> None:
    recipe = recipes.get(name)
    variant = recipe.replace(steps=steps)
    assert variant.steps == steps
    shares, every = [share for share, _ in variant.scales], [share for share, _ in recipe.scales]
    assert shares == [share for share in every if share in shares], "the order stays"
    assert shares[-1] == every[-1], "a small budget drops coarse scales, never the finest"
    assert steps < recipe.steps or shares == every


# Equality and hash.


@pytest.mark.parametrize("name", NAMES)
def test_equal_recipes_are_one_key(name: str) -> None:
    recipe = recipes.get(name)
    again = Recipe(**{field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)})
    assert again == recipe and hash(again) == hash(recipe)
    assert len({recipe, again}) == 1
    assert recipe.replace(seed=recipe.seed + 1) != recipe
    assert pickle.loads(pickle.dumps(recipe)) == recipe


def test_all_recipes_differ() -> None:
    assert len({recipes.get(name) for name in NAMES}) == len(NAMES)


# Layers.


def test_keras_layer_names_are_kept_by_their_own_names() -> None:
    recipe = Recipe(
        content_layers={"block5_conv2": 1.0}, style_layers={"block1_conv1": 0.3, "block2_pool": 0.7, "conv3_1": 0.1}
    )
    assert dict(recipe.content_layers) == {"relu5_2": 1.0}
    assert dict(recipe.style_layers) == {"relu1_1": 0.3, "pool2": 0.7, "conv3_1": 0.1}
    assert recipe == Recipe(
        content_layers={"relu5_2": 1.0}, style_layers={"relu1_1": 0.3, "pool2": 0.7, "conv3_1": 0.1}
    )


def test_a_layer_named_twice_is_refused() -> None:
    with pytest.raises(StyletutError, match="relu4_2"):
        Recipe(content_layers={"relu4_2": 1.0, "block4_conv2": 2.0})


def test_unknown_layers_are_answered_with_what_exists() -> None:
    with pytest.raises(LayerError, match="did you mean") as caught:
        recipes.get("fast").replace(content_layers={"relu4_9": 1.0})
    assert "relu4_4" in str(caught.value)
    with pytest.raises(LayerError):
        recipes.get("fast").replace(network="vgg16", style_layers={"relu3_4": 1.0})  # VGG-19 only
    with pytest.raises(LayerError):
        recipes.get("five-layer").replace(network="vgg16")


def test_one_of_the_losses_may_go_but_not_all() -> None:
    assert recipes.get("fast").replace(style_layers={}).layers == ("relu4_2",)
    assert set(recipes.get("fast").replace(content_layers={}).layers) == set(FIRST_OF_EACH_BLOCK)
    with pytest.raises(RecipeError):
        recipes.get("fast").replace(content_layers={}, style_layers={}, tv_weight=0.0)
    with pytest.raises(RecipeError):
        recipes.get("fast").replace(content_weight=0.0, style_weight=0.0, tv_weight=0.0)


# Wrong values.

WRONG: list[tuple[str, Any]] = [
    ("network", "vgg11"),
    ("preprocessing", "cafe"),
    ("pooling", "mean"),
    ("content_loss", "sums"),
    ("style_loss", "gram"),
    ("tv_loss", "l2"),
    ("tv_reduction", "total"),
    ("fit", "rowz"),
    ("start", "contents"),
    ("noise", "gaussian"),
    ("optimizer", "adamw"),
    ("clamp", "always"),
    ("precision", "float8"),
    ("content_weight", -1.0),
    ("style_weight", float("nan")),
    ("style_weight", float("inf")),
    ("tv_weight", -1e-6),
    ("tv_weight", "much"),
    ("content_layers", {"relu4_2": -1.0}),
    ("content_layers", {"relu4_2": float("nan")}),
    ("content_layers", {"relu4_2": "one"}),
    ("style_layers", "relu1_1"),
    ("style_layers", 3),
    ("size", 0),
    ("size", -512),
    ("seed", 2**63),
    ("size", 1_000_001),
    ("size", (10, 1_000_001)),
    ("size", (0, 10)),
    ("size", (10, -1)),
    ("size", (1, 2, 3)),
    ("size", "large"),
    ("size", 51.5),
    ("size", True),
    ("style_scale", 0.0),
    ("style_scale", -1.0),
    ("style_scale", 1e7),
    ("style_scale", "its own"),
    ("style_scale", ()),
    ("style_scale", (1.0, "0.5")),
    ("style_scale", (1.0, (0.5,))),
    ("style_scale", (1.0, 0.0)),
    ("colour_strength", 1.5),
    ("start_mix", 1.5),
    ("start_mix", -0.1),
    ("noise_range", (1.0,)),
    ("noise_range", (5.0, -5.0)),
    ("learning_rate", 0.0),
    ("learning_rate", -1.0),
    ("learning_rate", float("nan")),
    ("decay", 0.0),
    ("decay_steps", 0),
    ("memory", 0),
    ("evaluations", 0),
    ("evaluations", -3),
    ("pixel_range", 0.0),
    ("tv_range", 0.0),
    ("scales", ((1.5, 10),)),
    ("scales", ()),
    ("scales", ((1.0, 0),)),
    ("scales", ((1.0, -5),)),
    ("scales", ((0.0, 5),)),
    ("scales", ((-1.0, 5),)),
    ("scales", ((1.0,),)),
    ("scales", 5),
    ("snapshot_every", -1),
    ("batch", 0),
    ("seed", "one"),
    ("seed", 1.5),
    ("rescale", "yes"),
    ("upscale", "no"),
    ("line_search", 3),
    ("steps", 0),
    ("steps", -1),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=[f"{field}={value}" for field, value in WRONG])
def test_wrong_values_are_refused_in_one_line(field: str, value: Any) -> None:
    with pytest.raises((RecipeError, LayerError)) as caught:
        recipes.get("fast").replace(**{field: value})
    message = str(caught.value)
    assert "\n" not in message
    assert field.split("_")[0].rstrip("s") in message


HOSTILE: dict[str, Any] = {
    "None": None,
    "nan": float("nan"),
    "inf": float("inf"),
    "minus inf": float("-inf"),
    "-1": -1,
    "0": 0,
    "-0.0": -0.0,
    "1e-320": 1e-320,
    "1e308": 1e308,
    "10**30": 10**30,
    "10**400": 10**400,
    "10**5000": 10**5000,  # Python refuses to write it out
    "complex": 1j,
    "True": True,
    "empty text": "",
    "a": "a",
    "12": "12",
    "control characters": "\x1b[31m\n\r\0",
    "surrogate": "\ud800",
    "long text": "x" * 10_000,
    "bytes": b"relu1_1",
    "[]": [],
    "{}": {},
    "set": {1, 2},
    "[None]": [None],
    "[['a']]": [["a"]],
    "[[1, 1]]": [[1, 1]],
    "[[1, inf]]": [[1, float("inf")]],
    "[[nan, 1]]": [[float("nan"), 1]],
    "[[1, 2], 3]": [[1, 2], 3],
    "[[1, 2**62]] * 3": [[1, 2**62]] * 3,
    "[1e308, -1e308]": [1e308, -1e308],
    "[10**30] * 2": [10**30, 10**30],
    "deep": [[[[[[[[1]]]]]]]],
    "endless": itertools.count(),
    "dictionary of junk": {None: None, (1, 2): [], "relu1_1": "x"},
    "layer": {"relu1_1": 10**400},
    "object": object(),
    "class": dict,
    "function": len,
    "array": np.zeros(3),
    "array of one": np.ones(1),
    "array without axes": np.array(1.0),
    "array of two": np.ones((2, 2)),
    "numpy's integer": np.int64(5),
    "numpy's float": np.float32(0.5),
    "numpy's bool": np.bool_(True),
    "tensor": torch.ones(2),
    "tensor without axes": torch.tensor(1.0),
    "meta tensor": torch.ones(2, device="meta"),
    "fraction": Fraction(1, 3),
    "decimal": Decimal("0.5"),
    "path": Path("weights.pth"),
    "recipe": Recipe(),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_any_value_of_any_field_is_accepted_or_refused_with_a_reason(kind: str) -> None:
    value = HOSTILE[kind]
    fields = [*(field.name for field in dataclasses.fields(Recipe)), "steps"]
    for field, name in itertools.product(fields, ["fast", "keras-sgd"]):
        try:
            made = recipes.get(name).replace(**{field: value})
        except (RecipeError, LayerError) as error:
            assert str(error).isprintable() and len(str(error)) < 1000, field
        else:
            back = Recipe.from_json(made.to_json())
            assert back == made and hash(back) == hash(made), field
            repr(made)
            recipes.table([made, "gatys"])


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind not in ("{}", "recipe")])
def test_what_is_no_recipe_is_refused_with_a_reason(kind: str) -> None:
    value = HOSTILE[kind]
    calls: list[Callable[[], Any]] = [
        lambda: Recipe.from_dict(value),
        lambda: Recipe.from_json(value),
        lambda: recipes.table([value]),
        lambda: recipes.get(value),
    ]
    if isinstance(value, Hashable):
        calls.append(lambda: Recipe.from_dict({value: 1}))  # type: ignore[dict-item]
    for call in calls:
        with pytest.raises(RecipeError) as caught:
            call()
        assert str(caught.value).isprintable() and len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{" + '"a":{' * 100_000, '{"seed": ' + "9" * 5000 + "}", '{"seed": NaN}']
)
def test_json_that_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"content_weight": 1}, {"content_weight": 1.0}),
        ({"content_weight": np.float64(0.5), "seed": np.int64(3)}, {"content_weight": 0.5, "seed": 3.0}),
        ({"style_layers": {"relu1_1": 1, "relu2_1": 2}}, {"style_layers": {"relu2_1": 2.0, "relu1_1": 1.0}}),
        ({"content_layers": ["relu1_1", "relu2_1"]}, {"content_layers": {"relu2_1": 1, "relu1_1": 1}}),
        ({"noise_range": [0, 1]}, {"noise_range": (-0.0, 1.0)}),
        ({"tv_weight": 0}, {"tv_weight": -0.0}),
        ({"start_mix": 1}, {"start_mix": 1.0}),
        ({"scales": [[1, 5.0]]}, {"scales": ((1.0, 5),)}),
        ({"size": [3, 4]}, {"size": (3, 4)}),
        ({"weights": Path("a.pth")}, {"weights": "a.pth"}),
    ],
)
def test_equal_recipes_have_equal_hashes_however_they_were_written(one: dict[str, Any], other: dict[str, Any]) -> None:
    a, b = (recipes.get("fast").replace(**changes) for changes in (one, other))
    assert a == b and hash(a) == hash(b) and {a: "one"}[b] == "one"


def test_the_order_of_layers_stays_as_it_was_given() -> None:
    """Sums are taken in it."""
    recipe = recipes.get("fast").replace(style_layers={"relu2_1": 2, "relu1_1": 1})
    assert list(recipe.style_layers) == list(Recipe.from_json(recipe.to_json()).style_layers) == ["relu2_1", "relu1_1"]


def test_only_recipes_of_our_own_keep_grey_pictures_grey_and_all_recipes_resample_bicubically() -> None:
    assert [name for name in NAMES if recipes.get(name).keep_grey] == ["fast", "draft", "fine", "gram"]
    assert {recipes.get(name).resample for name in NAMES} == {"bicubic"}


def test_steps_are_spread_over_the_scales_that_are_given_with_them() -> None:
    recipe = recipes.get("fast").replace(steps=10, scales=((0.5, 30), (1.0, 20)))
    assert recipe.scales == ((0.5, 6), (1.0, 4))
    assert Recipe.from_dict({"scales": [[0.5, 1], [1.0, 1]], "steps": 7}).scales == ((0.5, 3), (1.0, 4))
    with pytest.raises(RecipeError, match="scales"):
        recipes.get("fast").replace(steps=10, scales=())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_optimiser_that_takes_one_evaluation_a_step_is_asked_for_no_more(optimizer: str) -> None:
    with pytest.raises(RecipeError, match=f"{optimizer} takes one evaluation in a step, not 5: evaluations=1"):
        recipes.get("fast").replace(optimizer=optimizer, evaluations=5)
    assert recipes.get("gatys").replace(optimizer=optimizer, evaluations=1).evaluations == 1


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [("optimizer", "lbgfs", "lbfgs"), ("content_loss", "realtive", "relative"), ("pooling", "avrage", "average")],
)
def test_a_misspelt_choice_asks_what_was_meant(field: str, wrong: str, right: str) -> None:
    with pytest.raises(RecipeError, match=f"did you mean '{right}'"):
        recipes.get("fast").replace(**{field: wrong})


def test_a_misspelt_field_asks_what_was_meant() -> None:
    with pytest.raises(RecipeError, match="did you mean 'learning_rate'"):
        recipes.get("fast").replace(learning_rte=3.0)
    values = recipes.get("fast").to_dict() | {"sede": 4}
    with pytest.raises(RecipeError, match="did you mean 'seed'"):
        Recipe.from_dict(values)


# JSON.


@pytest.mark.parametrize("name", NAMES)
def test_json_brings_every_recipe_back(name: str) -> None:
    recipe = recipes.get(name)
    text = recipe.to_json()
    assert Recipe.from_json(text) == recipe
    assert Recipe.from_json(text).to_json() == text
    assert Recipe.from_json(recipe.to_json(indent=2)) == recipe
    plain = recipe.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == json.loads(text)
    assert set(plain) == {field.name for field in dataclasses.fields(recipe)}
    assert Recipe.from_dict(plain) == recipe


positive = st.floats(1e-9, 1e9)
layer_names = st.sampled_from([layer.name for layer in vgg.layers("vgg19")])
layer_weights = st.dictionaries(layer_names, positive, min_size=1, max_size=4)
variants = st.fixed_dictionaries(
    {
        "content_layers": layer_weights,
        "style_layers": layer_weights,
        "content_weight": positive,
        "style_weight": positive,
        "tv_weight": st.floats(0, 1e6),
        "content_loss": st.sampled_from(["sum", "half_sum", "mean", "relative"]),
        "style_loss": st.sampled_from(["gatys", "picture", "mean", "relative"]),
        "tv_loss": st.sampled_from(["squared", "l1", "power"]),
        "size": st.none() | st.integers(16, 4096) | st.tuples(st.integers(16, 4096), st.integers(16, 4096)),
        "optimizer": st.sampled_from(["sgd", "adam", "lbfgs", "lbfgs-b"]),
        "start": st.sampled_from(["content", "style", "noise", "mix", "matched"]),
        "colour": st.sampled_from(["style", "luminance", "covariance", "histogram"]),
        "colour_when": st.sampled_from(["auto", "before", "after", "both"]),
        "colour_strength": st.floats(0, 1),
        "noise_range": st.tuples(st.floats(-300, -1), st.floats(1, 300)),
        "clamp": st.sampled_from(["none", "forward", "step"]),
        "learning_rate": positive,
        "scales": st.lists(st.tuples(st.floats(0.1, 1.0), st.integers(1, 1000)), min_size=1, max_size=4).map(
            lambda scales: tuple(sorted(scales))
        ),
        "precision": st.sampled_from(["auto", "float32", "bfloat16", "float64"]),
        "seed": st.integers(0, 2**31 - 1),
        "note": st.text(max_size=20),
    }
)


@settings(max_examples=60, deadline=None)
@given(variants)
def test_json_brings_any_recipe_back(fields: dict[str, Any]) -> None:
    recipe = Recipe(**fields)
    back = Recipe.from_json(recipe.to_json())
    assert back == recipe and hash(back) == hash(recipe)
    for field in fields:
        assert getattr(back, field) == fields[field]


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3", '"fast"', "null", '{"seed": 1e999}', '{"sizes": 3}'])
def test_json_that_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_json(text)


def test_weights_given_as_an_object_become_a_description() -> None:
    recipe = recipes.get("fast").replace(weights=vgg.random_weights(width=0.1))
    assert isinstance(recipe.weights, vgg.Weights)
    described = recipe.to_dict()["weights"]
    assert described.startswith("<") and described.endswith(">")
    assert json.loads(recipe.to_json())["weights"] == described
    hash(recipe)


# Reading one.


@pytest.mark.parametrize("name", NAMES)
def test_repr_names_the_recipe_and_what_it_changes(name: str) -> None:
    recipe = recipes.get(name)
    lines = repr(recipe).splitlines()
    assert name in repr(recipe)
    assert lines[0] == "Recipe(" and lines[-1] == ")"
    shown = {line.strip().split("=")[0] for line in lines[1:-1]}
    default = Recipe()
    assert shown == {
        field.name
        for field in dataclasses.fields(recipe)
        if field.name == "name" or getattr(recipe, field.name) != getattr(default, field.name)
    }


@pytest.mark.parametrize("name", NAMES)
def test_repr_is_python(name: str) -> None:
    recipe = recipes.get(name)
    assert eval(repr(recipe), {"Recipe": Recipe}) == recipe


def test_repr_of_a_recipe_with_a_weights_object_stays_short() -> None:
    recipe = recipes.get("fast").replace(weights=vgg.random_weights(width=0.1))
    assert len(repr(recipe)) < 2000
    assert "tensor(" not in repr(recipe)


def test_table_shows_the_fields_that_differ() -> None:
    rows = recipes.table(["keras-sgd", "avgpool"])
    fields = {row["field"]: row for row in rows}
    assert {"pooling", "optimizer", "learning_rate", "content_weight"} <= set(fields)
    assert "rescale" not in fields  # the same in both
    assert fields["pooling"] == {"field": "pooling", "keras-sgd": "max", "avgpool": "average-same"}
    assert all(isinstance(cell, str) for row in rows for cell in row.values())
    every = recipes.table()
    assert all(set(row) == {"field", *NAMES} for row in every)
    with pytest.raises(RecipeError, match="did you mean"):
        recipes.table(["gatis"])


def test_making_a_recipe_draws_no_random_numbers() -> None:
    before = torch.random.get_rng_state()
    recipes.get("gatys").replace(seed=9).to_json()
    assert torch.equal(before, torch.random.get_rng_state())


# A network of one's own.


class Blur(torch.nn.Module):
    """Two layers that no VGG has."""

    layers = ("soft", "softer")

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        soft = torch.nn.functional.avg_pool2d(picture, 2)
        return {"soft": soft, "softer": torch.nn.functional.avg_pool2d(soft, 2)}


def test_a_network_of_ones_own_brings_its_own_layers() -> None:
    network = Blur()
    recipe = Recipe(network=network, content_layers={"softer": 2}, style_layers={"soft": 1})
    assert recipe.network is network
    assert (dict(recipe.content_layers), dict(recipe.style_layers)) == ({"softer": 2.0}, {"soft": 1.0})
    with pytest.raises(
        LayerError, match=r"unknown layer of Blur 'sotf': did you mean 'soft'\? Choose from soft, softer"
    ):
        recipe.replace(style_layers=["sotf"])
    with pytest.raises(LayerError, match="unknown layer of Blur 'relu4_2'"):
        recipes.get("fast").replace(network=network)
    with pytest.raises(LayerError, match="unknown layer of vgg19 'softer'"):
        recipe.replace(network="vgg19")


def test_a_network_of_ones_own_takes_the_place_of_a_vgg_in_the_default() -> None:
    changes: dict[str, Any] = {"content_layers": {"softer": 1}, "style_layers": {"soft": 1}}
    assert recipes.get("fast").padding != "zeros"  # which is for a VGG
    assert recipes.get("fast").replace(network=Blur(), **changes).padding == "zeros"
    with pytest.raises(RecipeError, match="padding is for a VGG"):
        recipes.get("fast").replace(network=Blur(), padding="reflect", **changes)


def test_a_recipe_with_a_network_of_ones_own_is_a_recipe_like_another() -> None:
    network = Blur()
    recipe, again = (
        Recipe(network=network, content_layers={"softer": 1}, style_layers={"soft": 1}, seed=seed) for seed in (3, 3)
    )
    assert recipe == again and hash(recipe) == hash(again)
    assert recipe != recipe.replace(network=Blur()) and recipe.replace(network=network) == recipe
    assert recipe.to_dict()["network"] == json.loads(recipe.to_json())["network"] == "<Blur>"
    assert "network='<Blur>'" in repr(recipe)
    assert recipes.table([recipe, "gatys"])[0] == {"field": "network", "custom": "<Blur>", "gatys": "vgg19"}
    assert isinstance(pickle.loads(pickle.dumps(recipe)).network, Blur)


def test_a_network_that_was_an_object_is_asked_for_again() -> None:
    network = Blur()
    recipe = Recipe(network=network, content_layers={"softer": 1}, style_layers={"soft": 1})
    with pytest.raises(RecipeError, match="the network '<Blur>' was an object, which is not kept: give it again"):
        Recipe.from_json(recipe.to_json())
    assert Recipe.from_dict(recipe.to_dict() | {"network": network}) == recipe


@pytest.mark.parametrize("names", [(), 5, None, [1, 2], {"soft": 1}, "soft"])
def test_a_network_without_names_of_layers_is_refused(names: object) -> None:
    network = Blur()
    network.layers = names  # type: ignore[assignment]
    with pytest.raises(RecipeError, match="the layers of network <Blur> must be a list of names"):
        Recipe(network=network)


@pytest.mark.parametrize("network", [Blur, len, torch.nn.Identity(), vgg.random_weights(width=0.1)])
def test_what_is_no_network_is_refused(network: object) -> None:
    with pytest.raises(RecipeError, match="unknown network"):
        Recipe(network=network)


# Fields: what is said of one where it is declared holds everywhere.

FIELDS = recipes.fields()
BY_NAME = {field.name: field for field in FIELDS}


def test_every_field_says_what_it_means_and_what_it_may_hold() -> None:
    assert [field.name for field in FIELDS] == [field.name for field in dataclasses.fields(Recipe)]
    for field in FIELDS:
        assert field.help and field.help.isprintable() and not field.help.endswith("."), field.name
        assert field.allowed(), field.name
        assert getattr(Recipe(), field.name) == field.default, field.name
        assert recipes.field(field.name) is field
    with pytest.raises(RecipeError, match="did you mean 'seed'"):
        recipes.field("sede")


def changed(name: str, value: object) -> Any:
    """What a recipe keeps of a value."""
    size = 8 if name == "fit" else None  # of rows and columns nothing but "exact" fits
    recipe = Recipe().replace(size=size, **{name: value})
    return getattr(recipe, name)


@pytest.mark.parametrize("name", BY_NAME)
def test_validation_takes_the_range_and_the_choices_of_each_field(name: str) -> None:
    field = BY_NAME[name]
    for choice in field.choices:
        assert changed(name, choice) == ("long" if choice == "exact" else choice)
    if field.kind in ("choice", "network"):
        with pytest.raises(RecipeError, match=f"unknown {name.replace('_', ' ')} 'no such'"):
            changed(name, "no such")
    assert field.kind not in ("number", "whole") or field.minimum is not None
    for bound, beyond in ((field.minimum, -1), (field.maximum, 1)):
        if bound is not None:
            with pytest.raises(RecipeError, match=f"{name} must be a"):
                changed(name, bound + beyond)
            if field.exclusive and bound == field.minimum:
                with pytest.raises(RecipeError, match=f"{name} must be a number, above {bound}"):
                    changed(name, bound)
            else:
                assert changed(name, bound) == bound


@pytest.mark.parametrize("name", BY_NAME)
def test_the_documentation_of_a_recipe_knows_each_field(name: str) -> None:
    text = Recipe.__doc__
    assert text is not None
    (line,) = (line for line in text.splitlines() if line.startswith(f"    {name}: "))
    assert BY_NAME[name].help[1:] in line and all(f"``{choice}``" in line for choice in BY_NAME[name].choices)
    assert BY_NAME[name].values[1:] in line and repr(BY_NAME[name].default).strip("'") in line


def test_recipes_are_read_without_torch() -> None:
    code = "import sys; from styletut import recipes; recipes.fields(), recipes.names(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_style_scales_are_one_or_several_numbers_or_own() -> None:
    cases: list[tuple[Any, Any]] = [(2, 2.0), ("own", "own"), ([0.5], 0.5), ([1, "own"], (1.0, "own"))]
    for value, kept in cases:
        recipe = Recipe(style_scale=value)
        assert recipe.style_scale == kept and Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe().style_scales == (1.0,) and Recipe(style_scale=("own", 1)).style_scales == ("own", 1.0)
    with pytest.raises(RecipeError, match="at most, or own, not 'its own'"):
        Recipe(style_scale="its own")
    with pytest.raises(RecipeError, match="style_loss='sliced-wasserstein' cannot be averaged over sizes"):
        Recipe(style_scale=(1, 0.5), style_loss="sliced-wasserstein")


def test_a_notebook_shows_what_differs_and_folds_the_rest() -> None:
    recipe = recipes.get("fast").replace(seed=7)
    shown = recipe._repr_html_()
    open_, folded = shown.split("<details>")
    differing = {f.name for f in recipes.fields() if f.kind != "text" and recipe.to_dict()[f.name] != f.default}
    assert set(re.findall(r"<th[^>]*>(\w+)</th>", open_)) == differing and "seed" in differing
    rest = {f.name for f in recipes.fields() if f.kind != "text"} - differing
    assert set(re.findall(r"<th[^>]*>(\w+)</th>", folded)) == rest
    assert ">7</td>" in open_ and html.escape(recipes.field("seed").help) in open_
    assert "Recipe fast" in open_ and "<img" not in Recipe(name="<img>")._repr_html_()
