"""How much faster do two processes paint one picture than one process?

    python benchmarks/processes.py

paints the same picture by one and by two processes of one thread each, and by one process of two threads, by turns,
and prints the seconds of a step in each: by two runs of different length, the quickest of some.
Two processes need two free cores; on a busy machine the numbers say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

WAYS = {"one process, one thread": (1, 1), "two processes, one thread each": (2, 1), "one process, two threads": (1, 2)}
FEW, MANY = 2, 8
"""Steps of two runs, whose difference in seconds has no set-up in it."""


def seconds(size: int, steps: int, processes: int, threads: int, folder: Path) -> float:
    """What a run of so many steps took, by the picture that it saved."""
    out = folder / "out.png"
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    command = [sys.executable, *launch, "-m", "styletut", "sample:astronaut", "sample:starry_night", "-o", str(out)]
    command += ["-r", "gram", "--size", str(size), "--precision", "float32", "--device", "cpu", "--quiet"]
    command += ["--set", "upscale=true", "--set", f"scales=[[1.0,{steps}]]"]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": str(threads)}, capture_output=True)
    how = [sys.executable, "-m", "styletut", "info", "--json", str(out)]
    info = subprocess.run(how, check=True, capture_output=True)
    return float(json.loads(info.stdout)["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    print(
        "| pixels | " + " | ".join(WAYS) + " | two processes over one |\n" + "| --- " * (len(WAYS) + 2) + "|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name:
        for size in options.sizes:
            took: dict[str, dict[int, list[float]]] = {way: {FEW: [], MANY: []} for way in WAYS}
            for _ in range(options.rounds):
                for way, (processes, threads) in WAYS.items():
                    for steps, found in took[way].items():
                        found.append(seconds(size, steps, processes, threads, Path(name)))
            least = {way: (min(found[MANY]) - min(found[FEW])) / (MANY - FEW) for way, found in took.items()}
            one, two, _ = least.values()
            cells = [f"{size} x {size}", *(f"{each:.2f} s" for each in least.values()), f"{two / one:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
