from . import colour as colour
from . import masks as masks
