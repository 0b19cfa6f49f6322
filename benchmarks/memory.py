"""Is the memory that `styletut.estimate` promises the memory that a run takes?

    python benchmarks/memory.py

runs three steps at each size, each in a process of its own, and prints the peak of resident memory above that of
the process before its first step, beside the estimate.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import Any

CASES = [(recipe, precision, size) for size in (512, 1024) for recipe, precision in
         (("fast", "bfloat16"), ("fast", "float32"), ("avgpool", "float32"))]  # fmt: skip


def peak() -> int:
    """Highest resident memory of this process so far, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(recipe: str, precision: str, size: int) -> None:
    """Run three steps and print one row."""
    import styletut as st

    content = st.images.resize(st.samples.load("astronaut"), size, upscale=True)
    style = st.samples.load("starry_night")
    changes: dict[str, Any] = {"scales": ((1.0, 3),), "size": None, "precision": precision}
    run = st.iterate(content, style, recipe, device="cpu", **changes)
    promised, before = run.plan.bytes, peak()
    for _ in run:
        pass
    taken = peak() - before
    print(f"| `{recipe}` | {precision} | {size} x {size} | {taken / 1e9:.2f} | {promised / 1e9:.2f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        print(
            "| recipe | precision | pixels | measured, GB | estimated, GB |\n| --- | --- | --- | --- | --- |",
            flush=True,
        )
        for case in CASES:
            subprocess.run([sys.executable, __file__, *map(str, case)], check=True)
