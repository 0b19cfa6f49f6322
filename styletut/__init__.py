"""styletut: neural style transfer, to learn and to use.

>>> import styletut as st
>>> sorted(st.recipes.names())[:3]
['avgpool', 'fast', 'five-layer']
"""

__version__ = "0.1.0"

from . import errors, figures, images, losses, objective, recipes, samples, transfer, vgg
from .errors import StyletutError
from .images import load_image, save_image
from .recipes import Recipe
from .transfer import Result, Run, Step, estimate, iterate, resume, stylize

__all__ = [
    "Recipe",
    "Result",
    "Run",
    "Step",
    "StyletutError",
    "errors",
    "estimate",
    "figures",
    "images",
    "iterate",
    "load_image",
    "losses",
    "objective",
    "recipes",
    "resume",
    "samples",
    "save_image",
    "stylize",
    "transfer",
    "vgg",
]
