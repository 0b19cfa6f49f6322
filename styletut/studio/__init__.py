"""The studio: photograph, painting, recipe and a picture that grows, in a notebook or as an app of its own."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
