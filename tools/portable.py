"""Run the tests that compare numbers (`-m numerical`) on another instruction set than the processor's best.

A tolerance that holds on one kind of processor only shows here. With AVX-512, and with it perhaps bfloat16, the other
set is AVX2; without, it is the plain one that every processor has. Further arguments go to pytest.

    python tools/portable.py -n 2
    python tools/portable.py -n 2 -m numerical    # the combined ones too
"""

from __future__ import annotations

import os
import subprocess
import sys

import torch


def other_instructions(best: str) -> dict[str, str]:
    """The environment that keeps ATen and oneDNN below ``best``, the capability that ATen reports."""
    if best == "AVX512":
        return {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    return {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}


def main(arguments: list[str]) -> int:
    """The exit status of pytest."""
    best = torch.backends.cpu.get_cpu_capability()
    other = other_instructions(best)
    print(f"this processor: {best}; the numerical tests now with", *(f"{k}={v}" for k, v in other.items()), flush=True)
    command = [sys.executable, "-m", "pytest", "-m", "numerical and not combined", *arguments]
    return subprocess.run(command, env=os.environ | other, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
