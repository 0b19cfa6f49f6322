from .app import Studio as Studio
from .app import StudioError as StudioError
from .model import Model as Model
from .model import Painting as Painting
from .model import Settings as Settings
from .model import Source as Source
from .model import Style as Style
