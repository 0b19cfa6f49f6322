"""From pictures and a recipe to a painting, step by step.

`iterate` gives a `Run`, an iterator of `Step`; `stylize` drives one with a progress bar and returns a `Result`.
An *evaluation* is one loss and its gradient, an *iteration* one step of the optimiser. What is behind it is in
`styletut.engine`.
"""

from .engine.devices import pick_device as pick_device
from .engine.devices import pick_precision as pick_precision
from .engine.drive import iterate as iterate
from .engine.drive import resume as resume
from .engine.drive import stylize as stylize
from .engine.estimate import Estimate as Estimate
from .engine.estimate import estimate as estimate
from .engine.execution import Execution as Execution
from .engine.result import METADATA_KEY as METADATA_KEY
from .engine.result import Result as Result
from .engine.result import Step as Step
from .engine.run import Run as Run
from .engine.texture import texture as texture
from .errors import CheckpointWarning as CheckpointWarning
from .errors import DivergenceWarning as DivergenceWarning
from .errors import SizeWarning as SizeWarning
from .errors import TilingWarning as TilingWarning

__all__ = [
    "METADATA_KEY",
    "CheckpointWarning",
    "DivergenceWarning",
    "Estimate",
    "Execution",
    "Result",
    "Run",
    "SizeWarning",
    "Step",
    "TilingWarning",
    "estimate",
    "iterate",
    "pick_device",
    "pick_precision",
    "resume",
    "stylize",
    "texture",
]
