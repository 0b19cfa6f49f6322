"""What every figure takes for a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image

from ..errors import ImageError, StyletutError


class FigureError(StyletutError, ValueError):
    """A figure that cannot be drawn from what was given."""

    __module__ = "styletut.teach.figures"  # where readers find it


def pictures(source: Any, name: str) -> list[Image.Image]:
    """Every picture in `source` (a PIL image, a tensor or batch, a Result, or any iterable of these) as RGB."""
    source = getattr(source, "picture", source)
    if isinstance(source, Image.Image):
        return [on_white(source)]
    if hasattr(source, "ndim"):
        from ..images import to_pil

        if source.ndim != 4:
            shape = tuple(source.shape)
            raise ImageError(f"{name} must be a picture of shape (1, 3, H, W) or a batch, not {shape}")
        return [to_pil(source[i : i + 1]) for i in range(len(source))]
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | Mapping):
        return [picture for item in source for picture in pictures(item, name)]
    kind = type(source).__name__
    raise ImageError(f"{name} must be a picture tensor or a PIL image, not {kind}; load files with load_image")


def picture(source: Any, name: str) -> Image.Image:
    """The only picture in `source`."""
    found = pictures(source, name)
    if len(found) != 1:
        raise ImageError(f"{name} must be one picture, not {len(found)}; use gallery() for several")
    return found[0]


def on_white(image: Image.Image) -> Image.Image:
    """`image` as RGB, its transparent parts white."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
