"""The largest activations of VGG-19, which decide how far they must be scaled down for float16.

    python benchmarks/activations.py [--size 160]

One line an image: samples, noise, and a checkerboard, which few photographs come near to.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

import styletut as st


def images(size: int) -> dict[str, Tensor]:
    """Images by name, (1, 3, H, W)."""
    seeded = torch.Generator().manual_seed(0)
    rows, columns = torch.arange(size)[:, None] // 4, torch.arange(size) // 4
    made = {
        "noise": torch.rand(1, 3, size, size, generator=seeded),
        "checkerboard": ((rows + columns) % 2).float().expand(1, 3, size, size),
    }
    return {name: st.samples.load(name, size=size) for name in st.samples.names()} | made


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=160, help="longer side in pixels")
    names = [layer.name for layer in st.vgg.layers() if layer.kind == "conv"]
    network = st.vgg.VGG(names)
    for name, image in images(parser.parse_args().size).items():
        largest = {layer: float(x.abs().max()) for layer, x in network(image).items()}
        layer = max(largest, key=lambda each: largest[each])
        print(f"{name:>14}: {largest[layer]:8,.0f} at {layer}")


if __name__ == "__main__":
    main()
