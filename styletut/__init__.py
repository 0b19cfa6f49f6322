"""styletut: neural style transfer, to learn and to use.

>>> import styletut as st
>>> sorted(st.recipes.names())[:3]
['avgpool', 'draft', 'fast']
"""

import lazy_loader as _lazy

__version__ = "0.1.0"

# Imported on first use, so that `styletut --version` need not wait for torch.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
