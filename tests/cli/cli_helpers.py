"""What the tests of the command line share: pictures to paint, and how to start and stop the command."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from styletut import vgg
from styletut.engine.stepper import Stepper

NARROW = functools.cache(functools.partial(vgg.random_weights, width=0.1))
SHORT = ["--size", "32", "--steps", "2", "--weights", "random"]


def draw(path: str, seed: int = 0, size: tuple[int, int] = (40, 40), channels: int = 3) -> str:
    """A file of coloured noise."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def sha(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def files(folder: str = ".") -> list[str]:
    """Everything in a folder, hidden files included."""
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


def interrupt_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Press Ctrl-C in the count-th step."""
    step = Stepper.step
    calls = iter(range(1, 1000))

    def pressed(self: Stepper) -> None:
        if next(calls) == count:
            signal.raise_signal(signal.SIGINT)
        step(self)

    monkeypatch.setattr(Stepper, "step", pressed)


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def start(*words: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "styletut", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, **options,
    )  # fmt: skip
