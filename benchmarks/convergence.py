"""How many steps does the optimisation take, and what shortens it?

    python benchmarks/convergence.py

runs compare.py's objective at 256 pixels from the photograph, L-BFGS, with one thing changed at a time, and writes
convergence.md beside itself: steps until the loss is a given share of the first, and the share after the last step.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import compare
import target
import torch

import styletut as st

HERE = Path(__file__).parent
SHARES = (0.01, 0.003, 0.002)
DEFAULTS = {"COLOUR": st.optim.COLOUR, "RECENT": st.optim.RECENT}
VARIANTS: dict[str, dict[str, Any]] = {
    "pixels, memory 10": {},
    "pixels, memory 20": {"memory": 20},
    "pixels, memory 100": {"memory": 100},
    "decorrelation 0.3": {"decorrelation": 0.3, "memory": 20},
    "decorrelation 0.5": {"decorrelation": 0.5, "memory": 20},
    "decorrelation 0.7": {"decorrelation": 0.7, "memory": 20},
    "decorrelation 1": {"decorrelation": 1.0, "memory": 20},
    "0.5, memory 10": {"decorrelation": 0.5, "memory": 10},
    "0.5, memory 100": {"decorrelation": 0.5, "memory": 100},
    "0.5, colour as brightness": {"decorrelation": 0.5, "memory": 20, "COLOUR": 1.0},
    "0.5, colour half as far": {"decorrelation": 0.5, "memory": 20, "COLOUR": 0.5},
    "0.5, curvature of the last pair": {"decorrelation": 0.5, "memory": 20, "RECENT": 1},
    "0.5, float32": {"decorrelation": 0.5, "memory": 20, "precision": "float32"},
    "0.5, after 60 steps at half the size": {
        "decorrelation": 0.5,
        "memory": 20,
        "scales": ((0.5, 60), (1.0, compare.STEPS)),
    },
    "0.5, Adam, rate 0.02": {"decorrelation": 0.5, "optimizer": "adam", "learning_rate": 0.02},
    "pixels, Adam, rate 0.02": {"optimizer": "adam", "learning_rate": 0.02},
}


def curve_of(files: tuple[Path, Path], steps: int, **changes: Any) -> list[float]:
    """Losses at full size as shares of the photograph's."""
    for name in ("COLOUR", "RECENT"):
        setattr(st.optim, name, changes.pop(name, DEFAULTS[name]))
    precision = changes.pop("precision", "auto")
    run = compare.ours(*files, precision, **changes)
    with torch.no_grad():
        first = float(run.backend.build(run.sizes[-1])(run.inputs.content)["total"])
    losses = []
    for step in run:
        if step.scale == step.scales - 1:
            losses.append(step.losses["total"] / first)
        if len(losses) == steps:
            break
    return losses


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=compare.STEPS)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    args = parser.parse_args()
    path = target.folder(args.out) / "convergence.md"
    heads = ["", *(f"to {share:g}" for share in SHARES), f"after {args.steps}"]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    print(*lines, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        files = compare.pictures(args.size, Path(name))
        for label in args.only:
            losses = curve_of(files, args.steps, **VARIANTS[label])
            reached = [next((str(i) for i, v in enumerate(losses) if v <= share), "-") for share in SHARES]
            lines.append(f"| {label} | {' | '.join(reached)} | {min(losses):.5f} |")
            print(lines[-1], flush=True)
            path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
