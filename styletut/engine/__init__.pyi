from . import checkpoint as checkpoint
from . import lbfgsb as lbfgsb
from . import memory as memory
from . import optim as optim
from . import progress as progress
from . import signals as signals
from . import streams as streams
