"""The colours of a PIL image: ICC profiles converted to sRGB, transparency taken apart from colour."""

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
