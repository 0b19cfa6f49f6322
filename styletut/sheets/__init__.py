"""Contact sheets: one photograph in several styles, or over a grid of settings, small and labelled, to choose from."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
