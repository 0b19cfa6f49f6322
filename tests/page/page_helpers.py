"""What the tests of the painter share: the built scripts, Node, and pictures as the scripts take them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

SOURCES = Path(__file__).parents[2] / "book" / "_page"
VENDORED = SOURCES.parent / "_vendor"


def as_page(picture: Tensor) -> dict[str, Any]:
    """A picture (1, 3, H, W) as the scripts have it."""
    rows, columns = picture.shape[-2:]
    return {"rows": rows, "columns": columns, "data": picture[0].permute(1, 2, 0).flatten().tolist()}


def as_tensor(values: list[float], rows: int, columns: int) -> Tensor:
    """Values in the scripts' order as a picture (1, 3, H, W)."""
    return torch.tensor(values).view(rows, columns, 3).permute(2, 0, 1)[None]


def in_node(modules: dict[str, str], body: str, given: Any = None) -> Any:
    """What a function with that ``body`` returns of ``given``, with names from modules: ``{"a, b": "file.js"}``."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on the path")
    imports = "".join(f"import {{ {names} }} from {(SOURCES / file).as_uri()!r};\n" for names, file in modules.items())
    program = f"""{imports}
import {{ readFileSync }} from "node:fs";
const given = JSON.parse(readFileSync(0, "utf8"));
const floats = (values) => Float32Array.from(values);
const plain = (key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value;
const result = await (async () => {{ {body} }})();
console.log(JSON.stringify(result, plain));
"""
    command = [node, "--input-type=module", "--eval", program]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
