"""The checks of a saved run's entries, one by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from styletut.engine import entries
from styletut.engine.entries import Check

PICTURE = torch.rand(1, 3, 4, 5)
LOSSES = {"tv": 1.0, "total": math.nan}
ROW = {"scale": 0, "iteration": 1, "evaluations": 1, "seconds": 0.5, "size": (4, 5), "losses": LOSSES}

CASES: dict[str, tuple[Check, list[Any], list[Any]]] = {
    "text": (entries.is_text, ["", "x"], [None, b"x", 1]),
    "mapping": (entries.is_mapping, [{}, {1: 2}], [None, [], "x"]),
    "whole": (entries.is_whole(1), [1, 2**63 - 1], [0, -1, 2**63, 1.0, True, "1", None]),
    "whole from 0": (entries.is_whole(0), [0, 1], [-1, False]),
    "number": (entries.is_number, [0, 1.5, math.nan, math.inf], [True, "1", None, 1j]),
    "finite": (entries.is_finite, [0, -1.5], [math.nan, math.inf, True, "1"]),
    "loss": (entries.is_loss, [0, math.inf], [math.nan, None, True]),
    "positive": (entries.is_positive, [1, 0.1], [0, -1, math.inf, math.nan, True]),
    "single": (
        entries.is_single,
        [1, 0.5, torch.tensor(0.5)],
        [math.nan, torch.tensor(math.nan), torch.zeros(1), torch.tensor(1), "1", None],
    ),
    "generator": (
        entries.is_generator,
        [torch.Generator().get_state()],
        [torch.zeros(0, dtype=torch.uint8), torch.zeros(3), torch.zeros(2, 2, dtype=torch.uint8), b"x"],
    ),
    "picture": (
        entries.is_picture,
        [PICTURE, PICTURE.repeat(2, 1, 1, 1)],
        [
            PICTURE.double(),
            PICTURE[0],
            PICTURE[:, :2],
            PICTURE[:0],
            PICTURE[..., :0],
            PICTURE.to("meta"),
            PICTURE.to_sparse(),
            PICTURE / 0,
            PICTURE.tolist(),
            torch.quantize_per_tensor(PICTURE, 0.1, 0, torch.quint8),
        ],
    ),
    "variable": (entries.is_variable, [PICTURE, PICTURE.double()], [PICTURE.half(), PICTURE[0], None]),
    "list": (entries.list_of(entries.is_text), [[], ["a", "b"]], [None, ("a",), ["a", 1], "ab", {"a": 1}]),
    "or none": (entries.or_none(entries.is_text), [None, "a"], [1, []]),
    "snapshot": (
        entries.is_snapshot,
        [(0, PICTURE.byte()), (7, PICTURE.byte())],
        [(-1, PICTURE.byte()), (1, PICTURE), [1, PICTURE.byte()], (1,), (1, PICTURE.byte(), 2), (1, PICTURE.byte()[0])],
    ),
    "row": (
        entries.is_row,
        [ROW, ROW | {"size": [4, 5]}, ROW | {"losses": {"total": math.inf}}],
        [
            None,
            [],
            {},
            ROW | {"more": 1},
            {name: value for name, value in ROW.items() if name != "seconds"},
            ROW | {"scale": -1},
            ROW | {"iteration": 0},
            ROW | {"evaluations": 0},
            ROW | {"seconds": math.nan},
            ROW | {"size": (4,)},
            ROW | {"size": (4, 0)},
            ROW | {"size": 45},
            ROW | {"losses": {}},
            ROW | {"losses": {"tv": 1.0}},
            ROW | {"losses": {"total": "1"}},
            ROW | {"losses": {"total": 1.0, 2: 1.0}},
            ROW | {"losses": [("total", 1.0)]},
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_entry_is_what_it_says(name: str) -> None:
    check, good, bad = CASES[name]
    assert [value for value in good if check(value) is not True] == []
    assert [value for value in bad if check(value) is not False] == []
