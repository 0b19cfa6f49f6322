"""The numerical tests run on an instruction set that the processor would not choose by itself."""

from __future__ import annotations

import os
import subprocess
import sys

import portable
import pytest
import torch


@pytest.mark.parametrize("best", ["AVX512", "AVX2", "DEFAULT", "NO AVX"])
def test_what_torch_computes_with_changes_unless_it_was_the_plainest(best: str) -> None:
    other = portable.other_instructions(best)
    assert other["ATEN_CPU_CAPABILITY"].upper() != best or best == "DEFAULT"
    assert {"ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"} == set(other)


def test_torch_follows_the_environment_variables() -> None:
    best = torch.backends.cpu.get_cpu_capability()
    other = portable.other_instructions(best)
    code = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | other, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().lower() == other["ATEN_CPU_CAPABILITY"]
