"""Is the memory that `styletut.estimate` promises the memory that a run takes?

    python benchmarks/memory.py

runs five steps at each size, each in a process of its own, and prints the peak of resident memory above that of
the process before its first step, beside the estimate.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

RECIPES = (("gram", "bfloat16"), ("gram", "float32"), ("avgpool", "float32"))
CASES: list[tuple[str, str, int, int | None]] = [
    *((recipe, precision, size, None) for size in (512, 1024) for recipe, precision in RECIPES),
    *((recipe, precision, 1024, 384) for recipe, precision in RECIPES),
    ("gram", "bfloat16", 2048, 512),
]


def peak() -> int:
    """Highest resident memory of this process so far, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(recipe: str, precision: str, size: int, tile: int | None) -> None:
    """Run five steps and print one row."""
    import styletut as st

    content = st.images.resize(st.samples.load("astronaut"), size, upscale=True)
    style = st.samples.load("starry_night")
    changes: dict[str, Any] = {"scales": ((1.0, 5),), "size": None, "precision": precision}
    changes["memory"] = 2  # so that the memory of L-BFGS is full before the last of five steps
    run = st.iterate(content, style, recipe, device="cpu", tile=tile, **changes)
    promised, before = run.plan.bytes, peak()
    for _ in run:
        pass
    taken = peak() - before
    row = (f"`{recipe}`", precision, f"{size} x {size}", tile or "whole", f"{taken / 1e9:.2f}", f"{promised / 1e9:.2f}")
    print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if sys.argv[4] != "None" else None)
    else:
        print(
            "| recipe | precision | pixels | tiles | measured, GB | estimated, GB |\n" + "| --- " * 6 + "|",
            flush=True,
        )
        for case in CASES:
            subprocess.run([sys.executable, __file__, *map(str, case)], check=True)
