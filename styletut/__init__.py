"""styletut: neural style transfer, to learn and to use.

>>> import styletut as st
>>> sorted(st.recipes.names())[:3]
['avgpool', 'fast', 'five-layer']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import (
        check,
        distributed,
        errors,
        figures,
        glue,
        images,
        losses,
        memory,
        objective,
        recipes,
        samples,
        tape,
        tiles,
        transfer,
        vgg,
    )
    from .errors import StyletutError
    from .images import load_image, save_image
    from .recipes import Recipe
    from .transfer import Result, Run, Step, estimate, iterate, resume, stylize

# What is imported on first use, and from where: `styletut --version` need not wait for torch.
_MODULES = (
    "check",
    "distributed",
    "errors",
    "figures",
    "glue",
    "images",
    "losses",
    "memory",
    "objective",
    "optim",
    "recipes",
    "samples",
    "tape",
    "tiles",
    "transfer",
    "vgg",
)
_NAMES = {
    "StyletutError": "errors",
    "load_image": "images",
    "save_image": "images",
    "Recipe": "recipes",
    "Result": "transfer",
    "Run": "transfer",
    "Step": "transfer",
    "estimate": "transfer",
    "iterate": "transfer",
    "resume": "transfer",
    "stylize": "transfer",
}

__all__ = [
    "Recipe",
    "Result",
    "Run",
    "Step",
    "StyletutError",
    "check",
    "distributed",
    "errors",
    "estimate",
    "figures",
    "glue",
    "images",
    "iterate",
    "load_image",
    "losses",
    "memory",
    "objective",
    "optim",
    "recipes",
    "resume",
    "samples",
    "save_image",
    "stylize",
    "tape",
    "tiles",
    "transfer",
    "vgg",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _NAMES:
        value = getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES, *_NAMES])
