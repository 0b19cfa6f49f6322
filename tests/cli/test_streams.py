"""A standard stream that is closed, full or read by nobody: the picture is painted all the same."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import ENVIRONMENT, draw
from PIL import Image

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="streams of Linux")

# One process that has imported everything, and for each case a child of it: the standard streams are what they would
# have been from its start, and Python's own end is gone through as well.
CASES = r"""
import functools, io, json, os, sys
import tqdm.auto
from styletut.cli import entry
from styletut import distributed, images, samples, transfer, weights
weights.random_weights = functools.partial(weights.random_weights, width=0.1)
photo, painting = images.load_image("photo.png"), images.load_image("painting.png")
run = transfer.iterate(photo, painting, size=16, weights="random", scales=((1.0, 2),))
next(run)
run.save("run.pt")
transfer.stylize(photo, painting, size=16, weights="random", scales=((1.0, 1),), progress=False).save("whole.png")


def broken(number, kind):
    os.close(number)
    if kind == "closed":
        return None
    if kind == "pipe":
        read, write = os.pipe()
        os.close(read)
    else:
        write = os.open("/dev/full" if kind == "full" else os.devnull, os.O_WRONLY)
    if write != number:
        os.dup2(write, number)
        os.close(write)
    return io.open(number, "w")


for number, (out, err, words) in enumerate(json.load(open("cases.json"))):
    child = os.fork()
    if not child:
        folder = os.path.join("cases", str(number))
        os.mkdir(folder)
        os.chdir(folder)
        sys.stdin.close()
        sys.stdout, sys.stderr = broken(1, out), broken(2, err)
        code = entry.main(words)
        try:  # what Python does at its end, without freeing all of torch first
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
        except (OSError, ValueError):
            code = 120
        os._exit(code)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
KINDS = ["closed", "pipe", "full"]
TINY = ["--size", "16", "--steps", "1", "--weights", "random", "--set", "scales=[[1, 1]]"]
PAIR = ["../../photo.png", "../../painting.png"]
COMMANDS: dict[str, list[str]] = {
    "one": [*PAIR, "-o", "out.png", *TINY],
    "several": ["../../in", PAIR[1], "-o", "out", *TINY],
    "resume": ["resume", "../../run.pt", "-o", "out.png"],
    "sample": ["samples", "waves", "--size", "16x16", "-o", "out.png"],
    "dry": [*PAIR, "--dry-run", *TINY],
    "info": ["info", "../../whole.png"],
    "recipes": ["recipes"],
    "layers": ["layers"],
    "samples": ["samples"],
    "help": ["--help"],
    "version": ["--version"],
    "mistake": [*PAIR, "--nonsense"],
}
PAINTING = {"one": ["out.png"], "resume": ["out.png"], "sample": ["out.png"]} | {
    "several": [f"out/{name}-painting.png" for name in "ab"]
}


def test_painting_survives_every_broken_stream_and_printing_says_that_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("photo.png", "painting.png", "in/a.png", "in/b.png")):
        draw(name, seed)
    Path("cases").mkdir()
    pairs = [pair for pair in itertools.product(["sound", *KINDS], repeat=2) if pair != ("sound", "sound")]
    cases = [(*pair, name) for pair in pairs for name in COMMANDS]
    Path("cases.json").write_text(json.dumps([(out, err, COMMANDS[name]) for out, err, name in cases]))
    done = subprocess.run(
        [sys.executable, "-c", CASES], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, timeout=280
    )
    codes = [int(line) for line in done.stdout.split()]
    assert done.returncode == 0 and len(codes) == len(cases)
    wrong = []
    for number, ((out, err, name), code) in enumerate(zip(cases, codes, strict=True)):
        folder = Path("cases", str(number))
        written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        # What a reader has left or nobody asked for is no error; where it was to be printed and cannot be, it is.
        expected = 2 if name == "mistake" else 1 if name not in PAINTING and out in ("closed", "full") else 0
        if code != expected or written != PAINTING.get(name, []):
            wrong.append((out, err, name, code, written))
        for path in written:
            Image.open(folder / path).load()
    assert not wrong


@pytest.mark.parametrize("ending", ["2>&1 | head -c1", "2>/dev/full", "2>&-", ">&- 2>&- <&-"])
def test_the_real_command_paints_into_broken_streams(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = f"{sys.executable} -m styletut {draw('photo.png', 1)} {draw('painting.png', 2)} -o out.png"
    done = subprocess.run(
        ["sh", "-c", f"{{ {words} --size 32 --weights random --steps 3; echo $? >code; }} {ending}"], env=ENVIRONMENT
    )
    assert done.returncode == 0 and Path("code").read_text() == "0\n"
    assert Image.open("out.png").size == (32, 32)
