"""What the tests of figures share: pictures, a history of losses, a result, and one HTML figure of each kind."""

from __future__ import annotations

import base64
import io
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from styletut import figures


def picture(rows: int = 24, cols: int = 36, colour: tuple[float, float, float] = (0.9, 0.1, 0.1)) -> torch.Tensor:
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, rows, cols).clone()


def noise(rows: int, cols: int, seed: int = 0) -> Image.Image:
    """The worst case for JPEG, and not unlike a picture that has just begun."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (rows, cols, 3), dtype=np.uint8))


def history(scales: int = 1, steps: int = 5) -> list[dict[str, Any]]:
    entries = []
    for scale in range(scales):
        for iteration in range(1, steps + 1):
            losses = {
                "content/relu4_2": 2.0 * iteration,
                "style/relu1_1": 30.0 / iteration,
                "style/relu2_1": 70.0 / iteration,
                "tv": 0.0,
            }
            count = scale * steps + iteration
            entries.append(
                {
                    "scale": scale,
                    "iteration": iteration,
                    "evaluations": 2 * count,
                    "seconds": count / 4,
                    "size": (16 * 2**scale, 24 * 2**scale),
                    "losses": losses | {"total": sum(losses.values())},
                }
            )
    return entries


def result(snapshots: int = 9) -> SimpleNamespace:
    taken = [(25 * i, picture(colour=(i / 10, 0.2, 0.4))) for i in range(snapshots)]
    return SimpleNamespace(picture=picture(), history=history(), snapshots=taken, evaluations=25 * snapshots)


def shown(figure: Any) -> Image.Image:
    bundle, _ = figure._repr_mimebundle_()
    return Image.open(io.BytesIO(base64.b64decode(next(iter(bundle.values())))))


def stripped(figure: figures.HTMLFigure) -> str:
    """What is left where a host lets no style, no script and, as JupyterLab, no attribute without a value through."""
    left = re.sub(r"<(style|script|svg)\b.*?</\1>|</?noscript>", "", figure.html, flags=re.S)
    return re.sub(r" hidden(?!=)", "", left)
