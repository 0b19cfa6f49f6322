from . import distributed as distributed
from . import tape as tape
from . import tiles as tiles
from . import windows as windows
