from . import colour as colour
