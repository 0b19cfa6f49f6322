from . import distributed as distributed
from . import gradients as gradients
from . import tape as tape
from . import tiles as tiles
from . import windows as windows
