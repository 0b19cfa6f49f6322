"""Colours: ICC profiles converted to sRGB, transparency taken apart from colour, and sRGB to CIELab."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import cast

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")


def to_srgb(image: Image.Image) -> Image.Image:
    """8-bit RGB in sRGB of an image without transparency: by its ICC profile if it has a usable one."""
    if image.mode == "1":
        image = image.convert("L")
    profile: ImageCms.ImageCmsProfile | None = None
    embedded = image.info.get("icc_profile")
    if image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    elif isinstance(embedded, bytes):
        with suppress(OSError, ImageCms.PyCMSError):
            profile = ImageCms.ImageCmsProfile(BytesIO(embedded))
    if profile is not None:
        if profile.profile.xcolor_space.strip() == "RGB" and image.mode != "CMYK":
            image = image.convert("RGB")
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        with suppress(ImageCms.PyCMSError):  # a profile for another kind of picture, or a broken one
            transform = ImageCms.buildTransform(profile, srgb, image.mode, "RGB")
            return cast(Image.Image, ImageCms.applyTransform(image, transform))  # None only where done in place
    return image.convert("RGB")


def split_alpha(image: Image.Image) -> tuple[Image.Image, Tensor | None]:
    """Colour without transparency, and alpha (1, 1, H, W) if there is any (a band, or a transparent palette entry)."""
    marked = isinstance(image.info.get("transparency"), (int, bytes, tuple))
    if image.mode not in _ALPHA_MODES and not marked:
        return image, None
    grey = image.mode in ("1", "L", "LA", "La")  # stays grey: its ICC profile is one for greys
    if image.mode == "La":
        image = image.convert("LA")
    full = image.convert("RGBA")
    mask = torch.from_numpy(np.array(full.getchannel("A"))).float().div(255)[None, None]
    colour = full.convert("RGB")
    if grey:
        colour = colour.getchannel("G")
        colour.info["icc_profile"] = image.info.get("icc_profile")
    return colour, mask


def to_tensor(image: Image.Image) -> Tensor:
    """An 8-bit RGB image as a picture (1, 3, H, W)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].contiguous().float().div_(255)


def to_lab(picture: Tensor) -> Tensor:
    r"""CIELab of a picture: lightness L* from 0 to 100, a* from green to red, b* from blue to yellow.

    With :math:`X/X_n` and so on relative to the white of D65, and f the cube root (linear below :math:`(6/29)^3`):

    .. math:: L^* = 116 f(Y) - 16, \quad a^* = 500 (f(X) - f(Y)), \quad b^* = 200 (f(Y) - f(Z))

    A Euclidean distance of about 2 (Delta E) can just be seen.

    Args:
        picture: (B, 3, H, W), sRGB in [0, 1], any floating dtype, which is kept.

    Source: ISO/CIE 11664-4; the primaries and the curve of sRGB are those of IEC 61966-2-1.

    >>> to_lab(torch.ones(1, 3, 1, 1)).flatten().round().abs()
    tensor([100.,   0.,   0.])
    """
    linear = torch.where(picture <= 0.04045, picture / 12.92, ((picture.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    rows = (0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227)
    matrix = linear.new_tensor(rows) / linear.new_tensor((0.95047, 1.0, 1.08883))[:, None]
    relative = torch.einsum("ij,bjhw->bihw", matrix, linear)
    cube_root = relative.clamp(min=0) ** (1 / 3)
    x, y, z = torch.where(relative > (6 / 29) ** 3, cube_root, relative * (29 / 6) ** 2 / 3 + 4 / 29).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)
