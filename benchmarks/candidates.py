"""Which settings should `gram` have? Paint the same pairs with several candidates and look.

    python benchmarks/candidates.py --size 512

paints into candidates/ and writes candidates.jpg (one row a pair, one column a candidate) and candidates.json (seconds,
evaluations, losses) beside this file. The reasons for the choice are in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import target
import torch

import styletut as st

PAIRS = (
    ("cat", "starry_night"),
    ("astronaut", "cafe_terrace"),
    ("coffee", "waves"),
    ("cameraman", "mosaic"),
)
ONE_SCALE = ((1.0, 95),)  # as many pixels passed through the network as by the three scales of `gram`
CANDIDATES: dict[str, dict[str, Any]] = {
    "gram": {},
    "average pooling": {"pooling": "average"},
    "one scale": {"scales": ONE_SCALE},
}


def main() -> None:
    """Paint each pair with each candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="longer side in pixels (default: 512)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    options = parser.parse_args()
    target.folder(options.out)
    folder = target.folder(options.out / "candidates")
    for name, changes in CANDIDATES.items():
        for content, style in PAIRS:
            path = folder / f"{content}-{style}-{name.replace(' ', '-')}.png"
            if not path.exists():  # so that the script continues after an interruption
                pair = st.samples.load(content), st.samples.load(style)
                result = st.stylize(*pair, recipe="gram", size=options.size, progress=False, **changes)
                result.save(path)
                print(f"{content} + {style}, {name}: {result}", flush=True)
    rows, pictures, titles = [], [], []
    for content, style in PAIRS:
        for name, changes in CANDIDATES.items():
            path = folder / f"{content}-{style}-{name.replace(' ', '-')}.png"
            made = json.loads(st.images.read_metadata(path)[st.transfer.METADATA_KEY])
            pictures.append(st.load_image(path))
            titles.append(f"{content} + {style}, {name}")
            kept = {key: made[key] for key in ("size", "seconds", "evaluations", "precision", "losses", "torch")}
            rows.append({"content": content, "style": style, "candidate": name, "changes": changes} | kept)
    machine = {"threads": torch.get_num_threads(), "machine": platform.machine()}
    (options.out / "candidates.json").write_text(json.dumps({"machine": machine, "runs": rows}, indent=1) + "\n")
    sheet = st.figures.gallery(pictures, titles, columns=len(CANDIDATES))
    sheet.savefig(options.out / "candidates.jpg", dpi=220, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
