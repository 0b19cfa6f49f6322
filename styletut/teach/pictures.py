"""What all figures take: pictures, snapshots of a run, a title for each picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PIL import Image

from ..errors import ImageError, StyletutError


class FigureError(StyletutError, ValueError):
    """A figure that cannot be drawn from what was given."""

    __module__ = "styletut.teach.figures"  # where readers find it


def as_pictures(source: Any, name: str) -> list[Image.Image]:
    """All pictures in `source` (a PIL image, a tensor or batch, a Result, or any iterable of these) as RGB."""
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
        return [picture for item in source for picture in as_pictures(item, name)]
    kind = type(source).__name__
    raise ImageError(f"{name} must be a picture tensor or a PIL image, not {kind}; load files with load_image")


def as_picture(source: Any, name: str) -> Image.Image:
    """The only picture in `source`."""
    images = as_pictures(source, name)
    if len(images) != 1:
        raise ImageError(f"{name} must be one picture, not {len(images)}; use gallery() for several")
    return images[0]


def on_white(image: Image.Image) -> Image.Image:
    """`image` as RGB, its transparent parts white."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def snapshots(source: Any) -> list[tuple[int, Any]]:
    """(evaluations, picture) pairs of a Result, which ends with its final picture, or of a plain sequence."""
    try:
        pairs = [(int(count), picture) for count, picture in getattr(source, "snapshots", source)]
    except (TypeError, ValueError) as error:
        raise FigureError("snapshots are (evaluations, picture) pairs, as in result.snapshots") from error
    if not pairs:
        raise FigureError("there are no snapshots to show: run again with snapshot_every=25, say")
    if hasattr(source, "snapshots") and pairs[-1][0] < source.evaluations:
        pairs.append((source.evaluations, source.picture))
    return pairs


def evenly_spaced(total: int, count: int | None) -> list[int]:
    """`count` evenly spaced indices of `total`, with the first and the last."""
    if count is None or count >= total:
        return list(range(total))
    if count < 2:
        raise FigureError(f"count must be at least 2, the first and the last frame, not {count}")
    return [round(i * (total - 1) / (count - 1)) for i in range(count)]


def evaluations_label(count: int) -> str:
    return "start" if count == 0 else f"{count:,} evaluation{'s' if count > 1 else ''}"


def one_each(titles: Sequence[str] | None, count: int, what: str = "titles") -> list[str]:
    if titles is None:
        return [""] * count
    if isinstance(titles, str) or len(titles) != count:
        given = "one string" if isinstance(titles, str) else str(len(titles))
        raise FigureError(f"there are {count} pictures but {given} for {what}: give one each")
    return [str(title) for title in titles]
