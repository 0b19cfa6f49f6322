"""The book's exercises with a numeric or functional answer, one file a chapter.

To add one, add a row to a chapter's ``EXERCISES``: a `kinds.Value` (a number, a tensor or a word) or a
`kinds.Function`. Its ``slips`` map a hint to what the usual mistake gives: a wrong answer that equals one of those
gets that hint. Tests then check the right answer and each slip of the row.
"""

from __future__ import annotations

from . import (
    beyond,
    depth,
    features,
    first,
    gallery,
    gpu,
    gram,
    large,
    layers,
    losses,
    matching,
    optimisers,
    pictures,
    recipes,
    starts,
    steering,
)
from .kinds import Function, Value

EXERCISES: dict[str, Value | Function] = {
    label: exercise
    for chapter in (
        first,
        pictures,
        features,
        gram,
        matching,
        layers,
        depth,
        losses,
        starts,
        optimisers,
        gpu,
        recipes,
        large,
        steering,
        beyond,
        gallery,
    )
    for label, exercise in chapter.EXERCISES.items()
}
