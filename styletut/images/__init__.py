"""Files to tensors and back: reading, checking, resizing and saving pictures.

A picture is a plain tensor: float32, shape (1, 3, H, W), sRGB in [0, 1]; (B, 3, H, W) for a batch of B.
Transparency ("alpha": 1 is opaque, 0 is clear) is a tensor of its own, (1, 1, H, W).

`tensors` knows no files. From a file to a tensor lead `reading`, `sources` (paths and open files), `decoding` (with
`tiff`, `integrity`, `colour`, and `decoders` to keep them quiet) and `raster`; back lead `writing` and `metadata`.
"""

from ..errors import AnimatedImageError as AnimatedImageError
from ..errors import EmptyImageError as EmptyImageError
from ..errors import ImageFileError as ImageFileError
from ..errors import NotAPictureError as NotAPictureError
from ..errors import TooManyPixelsError as TooManyPixelsError
from ..errors import TruncatedImageError as TruncatedImageError
from ..files import write_atomically as write_atomically
from .decoding import READABLE as READABLE
from .metadata import RESERVED_KEYS as RESERVED_KEYS
from .metadata import read_metadata as read_metadata
from .reading import from_pil as from_pil
from .reading import load_image as load_image
from .tensors import FITS as FITS
from .tensors import MAX_PIXELS as MAX_PIXELS
from .tensors import RESAMPLINGS as RESAMPLINGS
from .tensors import check_picture as check_picture
from .tensors import resize as resize
from .tensors import target_size as target_size
from .tensors import to_pil as to_pil
from .writing import LONGEST_SIDE as LONGEST_SIDE
from .writing import WRITABLE as WRITABLE
from .writing import check_savable as check_savable
from .writing import check_target as check_target
from .writing import save_image as save_image

__all__ = [
    "FITS",
    "LONGEST_SIDE",
    "MAX_PIXELS",
    "READABLE",
    "RESAMPLINGS",
    "RESERVED_KEYS",
    "WRITABLE",
    "AnimatedImageError",
    "EmptyImageError",
    "ImageFileError",
    "NotAPictureError",
    "TooManyPixelsError",
    "TruncatedImageError",
    "check_picture",
    "check_savable",
    "check_target",
    "from_pil",
    "load_image",
    "read_metadata",
    "resize",
    "save_image",
    "target_size",
    "to_pil",
    "write_atomically",
]
