from . import distributed as distributed
from . import gradients as gradients
from . import objective as objective
from . import tape as tape
from . import tiles as tiles
from . import windows as windows
