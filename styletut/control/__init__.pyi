from . import masks as masks
