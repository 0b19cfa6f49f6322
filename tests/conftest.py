"""What the tests share: tiny pictures, a tiny network, the real weights, and one thread."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor
from torch.nn import functional as F

from styletut import vgg

# Some tests look at progress bars, also where whoever calls them has switched bars off.
os.environ.pop("TQDM_DISABLE", None)

# Tiny pictures gain nothing from threads, and those of several test processes only wait for each other.
torch.set_num_threads(1)

# By default an example that takes over 200 ms is a failure: a busy machine must not fail a test.
settings.register_profile("styletut", deadline=None)
settings.load_profile("styletut")


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """A test's pictures do not depend on which tests ran before it in the same process."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """What a test leaves in the environment, the kernels and programs of later tests would inherit."""
    before = environment()
    yield
    assert environment() == before


def environment() -> dict[str, str]:
    """The environment, without what pytest and torch note in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TORCHINDUCTOR_"))}


@pytest.fixture(autouse=True)
def heard_ctrl_c() -> Iterator[None]:
    """Python's own handling of Ctrl-C: a shell's background ignores it, and so would whatever is tested."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def smooth_noise(rows: int, columns: int, seed: int) -> Tensor:
    """A picture with structure at more than one scale, as photographs have."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 5, generator=generator)
    fine = torch.rand(1, 3, rows, columns, generator=generator)
    return 0.7 * F.interpolate(coarse, size=(rows, columns), mode="bilinear", align_corners=True) + 0.3 * fine


@pytest.fixture
def photo() -> Tensor:
    """A content picture of 32 rows and 40 columns."""
    return smooth_noise(32, 40, seed=1)


@pytest.fixture
def painting() -> Tensor:
    """A style picture of another size and aspect: 44 rows, 28 columns."""
    return smooth_noise(44, 28, seed=2)


@pytest.fixture(scope="session")
def tiny() -> vgg.Weights:
    """Random weights of a VGG-19 with a tenth of its channels."""
    return vgg.random_weights(width=0.1)


@pytest.fixture(scope="session")
def oxford() -> vgg.Weights:
    """The real VGG-19."""
    return vgg.load_weights("oxford")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium. One for all files: Playwright runs once in a process, and not beside itself."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium on the path")
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-unsafe-webgpu",  # by software, where there is no graphics chip
    ]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield running
        running.close()
