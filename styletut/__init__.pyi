# The public names, each from its own module: what `lazy_loader` imports on first use, and what type checkers see.
from . import (
    architecture,
    archives,
    errors,
    evaluate,
    fields,
    files,
    images,
    losses,
    minimal,
    objective,
    recipes,
    samples,
    sheets,
    studio,
    transfer,
    validation,
    vgg,
    weights,
)
from .control import colour
from .engine import lbfgsb, memory, optim
from .errors import StyletutError
from .images import load_image, save_image
from .lowmem import distributed, tape, tiles, windows
from .recipes import Recipe
from .sheets import Sheet, sheet
from .studio import Studio
from .teach import check, experiments, figures, glue
from .transfer import Result, Run, Step, estimate, iterate, resume, stylize, texture

__version__: str

__all__ = [
    "Recipe",
    "Result",
    "Run",
    "Sheet",
    "Step",
    "Studio",
    "StyletutError",
    "architecture",
    "archives",
    "check",
    "colour",
    "distributed",
    "errors",
    "estimate",
    "evaluate",
    "experiments",
    "fields",
    "figures",
    "files",
    "glue",
    "images",
    "iterate",
    "lbfgsb",
    "load_image",
    "losses",
    "memory",
    "minimal",
    "objective",
    "optim",
    "recipes",
    "resume",
    "samples",
    "save_image",
    "sheet",
    "sheets",
    "studio",
    "stylize",
    "tape",
    "texture",
    "tiles",
    "transfer",
    "validation",
    "vgg",
    "weights",
    "windows",
]
