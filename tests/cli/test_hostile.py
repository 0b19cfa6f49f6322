"""What a hostile user tries: each time one clear line, an exit code that is not 0, and no file lost or left behind."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from cli_helpers import NARROW, SHORT
from PIL import Image

import styletut
from styletut import images, recipes, transfer, vgg
from styletut.cli import main
from styletut.cli.manifest import damaged, read_manifest
from styletut.cli.parser import painting_parser
from styletut.errors import ImageError, LayerError


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder with a photograph and a painting, and a narrow network for `--weights random`."""
    monkeypatch.setattr("styletut.weights.random_weights", NARROW)
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save("photo.png")
    Image.fromarray(noise[::-1]).save("painting.png")


def everything() -> dict[str, str]:
    """Every file below this folder and what is in it."""
    found = {}
    for path in sorted(Path().rglob("*")):
        content = path.read_bytes() if path.is_file() else str(path.is_symlink()).encode()
        found[str(path)] = hashlib.sha256(content).hexdigest()
    return found


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run it, and hold it to its promises; the one line that it says."""
    before = everything()
    code = main(words)
    out, err = capsys.readouterr()
    assert everything() == before
    assert code in (1, 2) and out == ""
    assert err.startswith("styletut: error: ") and err.count("\n") == 1 and "Traceback" not in err
    assert len(err) > 40 and "bug" not in err
    return err


# --- pictures ----------------------------------------------------------------------------------------


def _truncated(path: str) -> None:
    Image.open("photo.png").resize((200, 200)).save(path)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])


def _bomb(path: str) -> None:
    """20000 x 20000 pixels that are never there."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def _animated(path: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


BAD: dict[str, tuple[Callable[[str], object], str]] = {
    "empty.png": (lambda path: Path(path).write_bytes(b""), "is empty"),
    "text.jpg": (lambda path: Path(path).write_text("Dear diary, " * 20), "is not a picture"),
    "cut.jpg": (_truncated, "cut off or damaged"),
    "cut.png": (_truncated, "cut off or damaged"),
    "one.png": (lambda path: Image.new("RGB", (1, 1)).save(path), "too small"),
    "thin.png": (lambda path: Image.new("RGB", (5000, 1)).save(path), "too small"),
    "bomb.png": (_bomb, "over the limit"),
    "moving.gif": (_animated, "is animated"),
    "missing.jpg": (lambda path: None, "there is no file 'missing.jpg'"),
    "dangling.png": (lambda path: os.symlink("nowhere", path), "there is no file 'dangling.png'"),
    "svg.svg": (lambda path: Path(path).write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"), "is not a picture"),
    "sample:dog": (lambda path: None, "unknown sample 'dog'"),
    "cat": (lambda path: None, "`styletut samples` lists"),
    "https://example.org/a.jpg": (lambda path: None, "there is no file"),
    "": (lambda path: None, "there is no file"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("role", ["content", "style"])
def test_a_bad_picture_gives_one_line(name: str, role: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, says = BAD[name]
    make(name)
    pair = [name, "painting.png"] if role == "content" else ["photo.png", name]
    assert says in refused([*pair, "-o", "out.png", "-q", *SHORT], capsys)


@pytest.mark.parametrize("name", BAD)
def test_info_on_a_bad_picture_gives_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    BAD[name][0](name)
    refused(["info", name], capsys)


def _encoded_in_every_way() -> Iterator[bytes]:
    noise = np.random.default_rng(1).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    ways: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("PNG", image, {}), ("PNG", image.quantize(9), {"transparency": 0}), ("PNG", image.convert("RGBA"), {}),
        ("JPEG", image, {}), ("JPEG", image, {"progressive": True}), ("WEBP", image, {}),
        ("WEBP", image, {"lossless": True}), ("GIF", image, {}), ("BMP", image, {}), ("PPM", image, {}),
        ("TIFF", image, {}), ("TIFF", image, {"compression": "tiff_deflate"}), ("TIFF", image, {"compression": "jpeg"}),
        ("TIFF", image.convert("1"), {"compression": "group4"}), ("TIFF", image, {"compression": "tiff_lzw"}),
        ("JPEG2000", image, {}), ("JPEG2000", image, {"tile_size": (16, 16)}), ("AVIF", image, {}),
    ]  # fmt: skip
    for kind, picture, options in ways:
        if kind in Image.SAVE:
            stream = io.BytesIO()
            picture.save(stream, kind, **options)
            yield stream.getvalue()
    for stored, planes in (
        (noise.astype(np.uint16) << 8, "contig"),
        (noise.transpose(2, 0, 1).astype("f4"), "separate"),
    ):
        stream = io.BytesIO()
        tifffile.imwrite(stream, stored, photometric="rgb", planarconfig=planes, compression="zlib")
        yield stream.getvalue()


def _mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Bytes changed, mostly in the header; sometimes cut off, or a part of it doubled."""
    found = bytearray(content)
    for _ in range(generator.integers(1, 6)):
        end = len(found) if generator.random() < 0.5 else min(len(found), 200)
        found[generator.integers(end)] = (0, 1, 127, 128, 255, int(generator.integers(256)))[int(generator.integers(6))]
    place = int(generator.integers(len(found)))
    return bytes([found, found, found, found[:place], found[:place] + found[place // 2 :]][int(generator.integers(5))])


def test_mutated_pictures_are_read_or_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    from styletut import images

    generator, refusals = np.random.default_rng(0), 0
    for content in _encoded_in_every_way():
        for _ in range(int(os.environ.get("STYLETUT_MUTATIONS", "15"))):
            try:
                picture = images.load_image(io.BytesIO(_mutated(content, generator)), 16, max_memory=300_000_000)
            except ImageError as error:
                refusals += 1
                assert str(error).isprintable() and len(str(error)) < 500
            else:
                assert bool(((picture >= 0) & (picture <= 1)).all())
    assert refusals > 100 and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("tag", [256, 257, 259])  # width, height, kind of compression
def test_what_a_decoder_quotes_of_a_damaged_picture_is_cut_short(tag: int, capsys: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite("odd.tif", np.ones((20, 20, 3), np.uint16), photometric="rgb")
    content = bytearray(Path("odd.tif").read_bytes())

    def change(tag: int, count: int, value: int) -> None:
        place = content.index(struct.pack("<HHI", tag, 3 if tag == 259 else 4, 1))
        content[place : place + 12] = struct.pack("<HHII", tag, 3, count, value)

    change(tag, 200, 16)  # 200 of them, in place of one
    if tag != 259:
        change({256: 257, 257: 256}[tag], 1, 0)  # and no pixels the other way
    Path("odd.tif").write_bytes(content)
    assert len(refused(["odd.tif", "painting.png", "-o", "out.png", "-q"], capsys)) < 400


@pytest.mark.parametrize("mode", ["P", "CMYK", "I;16", "L", "LA", "1"])
def test_unusual_but_sound_pictures_are_painted(mode: str) -> None:
    image = Image.open("photo.png")
    name = "odd.tif" if mode == "CMYK" else "odd.png"
    if mode == "P":
        image.quantize(16).save(name, transparency=0)
    elif mode == "I;16":
        Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40).save(name)
    else:
        image.convert(mode).save(name)
    before = everything()
    assert main([name, "painting.png", "-o", "out.png", "-q", *SHORT]) == 0
    assert main(["photo.png", name, "-o", "other.png", "-q", *SHORT]) == 0
    assert Image.open("out.png").mode == ("RGBA" if mode == "P" else "RGB")
    assert everything() == before | {n: everything()[n] for n in ("out.png", "other.png")}


# --- outputs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("photo.png", "one of the files that are read"),
        ("./photo.png", "one of the files that are read"),
        ("folder/../painting.png", "one of the files that are read"),
        ("link.png", "one of the files that are read"),
        ("hard.png", "one of the files that are read"),
        ("linked/photo.png", "one of the files that are read"),
        ("/proc/out.png", "cannot write into the folder '/proc'"),
        ("photo.png/out.png", "there is no folder 'photo.png'"),
        ("out", "use one of .png"),
        ("out.gif", "use one of .png"),
        ("/dev/null", "use one of .png"),
        ("folder.png/", "exists already"),
        ("pipe.png", "is not a file"),
        (f"{'x' * 300}.png", "too long"),
    ],
)
def test_an_impossible_output_is_refused_before_any_work(
    output: str, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink("photo.png", "link.png")
    os.link("photo.png", "hard.png")
    os.symlink(".", "linked", target_is_directory=True)
    Path("folder").mkdir()
    Path("folder.png").mkdir()
    Path("folder.png/photo-painting.png").write_bytes(b"mine")
    os.mkfifo("pipe.png")
    monkeypatch.setattr(transfer, "stylize", None)  # no work is done, or this would not be one line
    assert says in refused(["photo.png", "painting.png", "-o", output, "-q", *SHORT], capsys)


def test_a_write_protected_output_stays(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("kept.png").write_bytes(b"mine")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # permissions do not bind root
    assert "write-protected" in refused(["photo.png", "painting.png", "-o", "kept.png", *SHORT], capsys)


@pytest.mark.parametrize("checkpoint", ["run.png", "none/run.pt", "folder.pt", "weights.pt", "photo.png"])
def test_an_impossible_checkpoint_path_is_refused(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder.pt").mkdir()
    Path("weights.pt").write_bytes(b"precious")
    words = ["photo.png", "painting.png", "-o", "out.png", *SHORT]
    refused([*words, "--weights", "weights.pt", "--checkpoint", checkpoint], capsys)


@pytest.mark.parametrize("mode", [0o644, 0o444])
@pytest.mark.parametrize("more", [[], ["--existing", "refuse"], ["--existing", "replace"]])
@pytest.mark.parametrize("kind", ["bytes", "empty", "weights", "list", "zip"])
def test_a_checkpoint_never_replaces_what_is_no_saved_run(
    kind: str, more: list[str], mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "zip":
        with zipfile.ZipFile("model.pt", "w") as archive:
            archive.writestr("model/data.pkl", b"checkpoint_every")
    elif kind in ("weights", "list"):
        torch.save({"weight": torch.zeros(3)} if kind == "weights" else [1, 2], "model.pt")
    else:
        Path("model.pt").write_bytes(b"precious" if kind == "bytes" else b"")
    os.chmod("model.pt", mode)
    refused(["photo.png", "painting.png", "-o", "out.png", "-q", *SHORT, "--checkpoint", "model.pt", *more], capsys)


def test_a_saved_run_is_replaced_unless_it_is_protected_or_to_be_kept(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["photo.png", "painting.png", "-o", "out.png", "-q", *SHORT, "--checkpoint", "run.pt"]
    run = transfer.iterate(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), weights="random", scales=((1.0, 2),))
    next(run)
    run.save("run.pt")
    assert "exists already" in refused([*words, "--existing", "refuse"], capsys)
    os.chmod("run.pt", 0o444)
    assert "write-protected" in refused(words, capsys)
    os.chmod("run.pt", 0o644)
    assert main(words) == 0


@pytest.mark.parametrize("words", [["samples", "cat", "-o"], ["resume", "run.pt", "-o"]])
@pytest.mark.parametrize("output", ["out.gif", "photo.png/out.png", "/proc/out.png", "run.pt"])
def test_the_other_commands_refuse_such_outputs_too(
    words: list[str], output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run.pt").write_bytes(b"not a run")
    refused([*words, output], capsys)


# --- options -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", 'content_layers={"relu4_9": 1}'], "unknown layer of vgg19 'relu4_9': did you mean 'relu4_"),
        (["--set", 'style_layers={"block9_conv1": 1}'], "unknown layer of vgg19"),
        (["--set", "content_layers=relu4_2"], "content_layers must map layers to weights"),
        (["--set", "content_layers={}", "--set", "style_layers={}", "--tv-weight", "0"], "nothing to optimise"),
        (["--set", "contnet_weight=2"], "unknown recipe field 'contnet_weight': did you mean 'content_weight'?"),
        (["--set", "seed"], "--set takes FIELD=VALUE"),
        (["--set", "=1"], "unknown recipe field ''"),
        (["--set", "upscale=no"], "upscale must be true or false"),
        (["--set", "scales=[[0.5, 0]]"], "the steps in scales must be a whole number"),
        (["--set", "scales=7"], "scales must be pairs"),
        (["--set", "noise_range=1"], "noise_range must be two numbers"),
        (["--set", "learning_rate=NaN"], "learning_rate must be a number"),
        (["--set", "optimizer=adma"], "did you mean 'adam'?"),
        (["--set", "seed=" + "[" * 100_000], "seed must be a whole number"),
        (["-r", "fats"], "unknown recipe 'fats': did you mean 'fast'?"),
        (["-r", "none.json"], "cannot read the recipe 'none.json'"),
        (["-r", "photo.png"], "does not say how it was made"),
        (["-r", "."], "unknown recipe '.'"),
        (["--weights", "oxfrod"], "unknown weights 'oxfrod'"),
        (["--weights", "5"], "unknown weights '5'"),
        (["--weights", "none.pth"], "no weights file at none.pth"),
        (["--weights", "."], "unknown weights '.'"),
        (["--weights", "oxford", "--network", "vgg16"], "weights='torchvision'"),
        (["--network", "vgg91"], "did you mean 'vgg19'?"),
        (["--device", "cdua"], "unknown device 'cdua': did you mean 'cuda'?"),
        (["--device", "cuda:99"], "there is no cuda:99 on this machine"),
        (["--device", "xpu"], "unknown device 'xpu'"),
        (["--precision", "float23"], "did you mean 'float32'?"),
        (["--start", "nosie"], "did you mean 'noise'?"),
        (["--size", "0"], "size must be a whole number, 1 or more and 1,000,000 at most, not 0"),
        (["--size", "-5"], "size must be a whole number, 1 or more and 1,000,000 at most, not -5"),
        (["--size", "big"], "size must be a number of pixels, or (rows, columns), not 'big'"),
        (["--size", "0x100"], "each side of size must be a whole number, 1 or more"),
        (["--size", "1.5"], "size must be a number of pixels, or (rows, columns), not 1.5"),
        (["--size", "[1,2,3]"], "size must be a number of pixels, or (rows, columns), not [1, 2, 3]"),
        (["--size", "999999x999999", "--set", "upscale=true"], "over the limit"),
        (["--steps", "0"], "steps must be a whole number, 1 or more and below 2**63, not 0"),
        (["--steps", "-3"], "steps must be a whole number"),
        (["--steps", "many"], "steps must be a whole number"),
        (["--seed", "-1"], "seed must be a whole number, 0 or more"),
        (["--content-weight", "heavy"], "content_weight must be a number"),
        (["--style-weight", "-1"], "style_weight must be a number, 0 or more"),
        (["--tv-weight", "Infinity"], "tv_weight must be a number"),
        (["--style-weights", "1,2"], "2 style weights for 1 styles"),
        (["--style-weights", "0"], "style weights must not be negative, and not all zero"),
        (["--style-weights", "nan"], "style weights must not be negative"),
        (["--style-weights", "1;2"], "must be numbers with commas between"),
        (["--style-weights", "-1"], "style weights must not be negative"),
        (["--sise", "64"], "unknown option '--sise': did you mean '--size'?"),
        (["--weight=oxford"], "did you mean '--weights'?"),
        (["-x"], "unknown option '-x'"),
        (["--existing", "maybe"], "invalid choice: 'maybe'"),
        (["--steps"], "expected one argument"),
        (["--snapshot-every", "x", "--snapshots", "film"], "snapshot_every must be a whole number"),
    ],
)
def test_an_option_that_means_nothing_gives_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refused(["photo.png", "painting.png", "-o", "out.png", "-q", *SHORT, *words], capsys)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name a photograph and a painting"),
        (["photo.png"], "name a photograph and a painting"),
        (["-s", "photo.png"], "name a photograph and a painting"),
        (["-r"], "expected one argument"),
        (["recipes", "fats"], "did you mean 'fast'?"),
        (["recipes", "fast", "gatys"], "one word too many: 'gatys'"),
        (["layers", "vgg18"], "unknown network 'vgg18'"),
        (["samples", "dog"], "unknown sample 'dog'"),
        (["samples", "cat", "-o", "cat.png", "--size", "0"], "above 0"),
        (["samples", "cat", "-o", "cat.png", "--size", "wide"], "above 0"),
        (["samples", "waves", "-o", "waves.png", "--size", "999999"], "pixels"),
        (["info"], "required: PICTURE"),
        (["info", "photo.png"], "'photo.png' does not say how it was made"),
        (["info", "."], "is a folder"),
        (["resume"], "required: RUN.pt"),
        (["resume", "photo.png"], "'photo.png' is one of the files that are read"),
        (["resume", "photo.png", "-o", "out.png"], "is not a saved run"),
        (["resume", "."], "there is no saved run '.'"),
        (["resume", "photo.png", "--jsno"], "unknown option '--jsno'"),
    ],
)
def test_a_command_that_means_nothing_gives_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refused(words, capsys)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '"fast"',
        "[" * 100_000,
        '{"sede": 1}',
        '{"seed": "one"}',
        '{"size": {}}',
        '{"recipe": 5}',
        '{"recipe": {"scales": []}}',
        '{"network": ["vgg19"]}',
        '{"content_layers": {"relu4_2": "much"}}',
        "\xff",
    ],
)
def test_a_broken_recipe_gives_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.json").write_bytes(text.encode("latin-1"))
    refused(["photo.png", "painting.png", "-o", "out.png", "-r", "bad.json"], capsys)
    refused(["recipes", "bad.json"], capsys)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"recipe": {}}', '{"recipe": {"name": 5}, "losses": 3}'])
def test_a_picture_with_a_broken_manifest_gives_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    images.save_image(images.load_image("photo.png"), "odd.png", metadata={transfer.METADATA_KEY: text})
    assert "damaged" in refused(["info", "odd.png"], capsys) or text == ""


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a picture says of how it was made."""
    assert main(["photo.png", "painting.png", "-o", "out.png", "-q", *SHORT]) == 0
    return read_manifest("out.png")


def _info(manifest: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    images.save_image(torch.zeros(1, 3, 2, 2), "odd.png", metadata={transfer.METADATA_KEY: json.dumps(manifest)})
    return main(["info", "odd.png"]), *capsys.readouterr()


def test_every_malformed_manifest_gives_one_line(painted: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    junk: list[Any] = [None, [], {}, "", "x", 5, -1.5, True, [[]], [1], [1, 2, 3], {"a": []}, 10**400, math.nan]
    for key in painted:
        for value in junk:
            code, out, err = _info(painted | {key: value}, capsys)
            assert (code, err) == (0, "") or (code == 1 and not out and err.count("\n") == 1), (key, value)
        code, out, err = _info({k: v for k, v in painted.items() if k != key}, capsys)
        assert code in (0, 1) and "bug" not in err and err.count("\n") == code
    assert _info(painted | {"size": []}, capsys)[::2] == (1, f"styletut: error: {damaged('odd.png')}\n")


ESCAPES = "\x1b[31m\x1b]0;title\x07\r\n\x9b2J\u202e"


def _is_plain(text: str) -> bool:
    return all(letter == "\n" or letter.isprintable() for letter in text)


def test_no_escape_sequence_in_a_picture_or_recipe_reaches_the_terminal(
    painted: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {key: f"{value}{ESCAPES}" for key, value in painted.items() if isinstance(value, str)}
    texts["stopped"] = ESCAPES
    recipe = painted["recipe"] | dict.fromkeys(("name", "source", "note"), ESCAPES)
    code, out, err = _info(painted | texts | {"recipe": recipe, "losses": {ESCAPES: 1.0}}, capsys)
    assert code == 0 and out.count("title") >= 4 and _is_plain(out), err
    assert _info(painted | texts | {"recipe": recipe | {"name": "fast", ESCAPES: ESCAPES}}, capsys)[0] == 0
    Path("odd.json").write_text(json.dumps(recipe))
    for words in (["recipes", "odd.json"], ["recipes", "odd.json", "--json"], ["info", "odd.png", "--json"]):
        assert main(words) == 0
        assert _is_plain(capsys.readouterr().out)


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_no_escape_sequence_in_a_name_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    odd = ESCAPES.replace("/", "") + ".png"
    os.link("photo.png", odd)
    for code, words in (
        (0, [odd, "painting.png", "-o", f"out{odd}", *SHORT]),
        (1, [f"no{odd}", "painting.png", *SHORT]),
        (1, [odd, "painting.png", "-r", ESCAPES, *SHORT]),
        (1, [odd, "painting.png", "--weights", ESCAPES]),
        (1, [odd, "painting.png", "--checkpoint", ESCAPES]),
        (1, [odd, "painting.png", "--set", f"{ESCAPES}=1"]),
        (1, ["info", odd]),
        (1, ["resume", odd, "-o", "new.png"]),
        (1, ["resume", f"no{odd}"]),
        (1, ["samples", ESCAPES]),
        (1, ["layers", ESCAPES]),
        (2, [odd, "painting.png", f"--{ESCAPES}"]),
        (2, [odd, "painting.png", "--tile", ESCAPES]),
        (2, ["layers", "vgg19", ESCAPES]),
    ):
        assert main(words) == code, words
        out, err = capsys.readouterr()
        assert _is_plain(out + err.replace("\r", "")) and "title" in out + err, words


HOSTILE = [
    "", " ", "-", "--", "0", "-1", "1.5", "1e308", "-1e-308", "NaN", "-Infinity", "9" * 30, "9" * 5000, "true", "null",
    "[]", "{}", "[[1, 1]]", "[[1, Infinity]]", '{"relu1_1": 1e308}', ESCAPES, "\udcff", "../..", "x" * 300, "0x10",
    "9" * 5000 + "x1",
]  # fmt: skip


def test_no_value_of_any_option_is_reported_as_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every option with every hostile value, up to where the work would begin."""

    def plan(content: object, style: object, recipe: recipes.Recipe, **options: Any) -> None:
        options.pop("progress")
        transfer.iterate(content, style, recipe, **options)  # type: ignore[arg-type]
        raise LayerError("it would begin")

    monkeypatch.setattr(transfer, "stylize", plan)
    monkeypatch.setattr(transfer, "resume", lambda path, **options: transfer.Run.load(path, weights=options["weights"]))
    options = [
        action.option_strings[-1]
        for action in painting_parser()._actions
        if action.option_strings and action.nargs != 0
    ]
    assert len(options) > 20 and {"--set", "--start", "--max-memory", "--bits"} <= set(options)
    fields = [field.name for field in dataclasses.fields(recipes.Recipe)]
    tried = [f"{option}={value}" for option in options for value in HOSTILE]
    words = [["photo.png", "painting.png", "-q", "--size=16", "--weights=random", word] for word in tried]
    words += [
        ["photo.png", "painting.png", "-q", "--size=16", "--weights=random", "--set", f"{field}={value}"]
        for i, field in enumerate(fields)
        for value in HOSTILE[i % 3 :: 3]  # enough in turn: test_recipes.py tries each field
    ]
    for command in ("samples", "samples --size=16x16 -o", "resume", "info", "layers", "recipes"):
        words += [[*command.split(), value] for value in HOSTILE]
        words += [[*command.split(), "--", value] for value in HOSTILE]
    before, wrong = everything(), []
    for line in words:
        code = main(line)
        out, err = capsys.readouterr()
        fine = code in (0, 1, 2) and "bug" not in err and _is_plain(out + err) and err.count("\n") <= 1
        if not fine or not before.items() <= everything().items():
            wrong.append((line[-1][:60], code, err[:200]))
    assert not wrong, (len(wrong), len(words), wrong)


# --- without torch -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "raise ImportError('libtorch_cpu.so: cannot open shared object file')",
        "raise OSError(8, 'cannot load libc10.so')",
        "raise ModuleNotFoundError('No module named torch', name='torch')",
        "raise RuntimeError('broken\\nin two lines')",
    ],
)
@pytest.mark.parametrize("words", [["photo.png", "painting.png"], ["recipes"], ["info", "photo.png"]])
def test_without_torch_one_line_says_how_to_install_it(fault: str, words: list[str]) -> None:
    Path("stub/torch").mkdir(parents=True)
    Path("stub/torch/__init__.py").write_text(fault)
    path = os.pathsep.join(["stub", str(Path(styletut.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "styletut", *words],
        capture_output=True, text=True, timeout=120, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("styletut: error: torch cannot be imported (")
    assert done.stderr.endswith(": install it as https://pytorch.org/get-started/locally says\n")


def test_without_torch_there_is_help() -> None:
    Path("stub/torch").mkdir(parents=True)
    Path("stub/torch/__init__.py").write_text("raise ImportError")
    path = os.pathsep.join(["stub", str(Path(styletut.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "styletut", "--help"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0 and "usage: styletut" in done.stdout and not done.stderr


# --- weights -----------------------------------------------------------------------------------------


def _state(value: float) -> dict[str, torch.Tensor]:
    """A state dict of a whole VGG-19 that takes no room: every tensor is one number, shown many times."""
    state, before = {}, 3
    for i, layer in enumerate(vgg.layers("vgg19")):
        if layer.kind == "conv":
            state[f"features.{i}.weight"] = torch.tensor(0.01).expand(layer.channels, before, 3, 3)
            state[f"features.{i}.bias"] = torch.tensor(0.0).expand(layer.channels)
            before = layer.channels
    state["features.0.weight"] = torch.tensor(value).expand(64, 3, 3, 3)
    return state


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("nan.pth", lambda path: torch.save(_state(float("nan")), path), "not finite"),
        ("junk.pth", lambda path: Path(path).write_bytes(b"PK\x03\x04" + bytes(range(256))), "not a readable"),
        ("empty.pt", lambda path: Path(path).write_bytes(b""), "not a readable"),
        ("text.safetensors", lambda path: Path(path).write_text("hello"), "not a readable"),
        ("list.pth", lambda path: torch.save([1, 2], path), "not a state dict"),
        (
            "other.pth",
            lambda path: torch.save({"fc.weight": torch.zeros(1)}, path),
            "has no tensor 'features.0.weight'",
        ),
        ("code.pth", lambda path: torch.save(Path, path), "not a readable"),
        (
            "shape.pth",
            lambda path: torch.save(_state(0.0) | {"features.0.bias": torch.zeros(3)}, path),
            "has shape (3,)",
        ),
    ],
)
def test_bad_weights_give_one_line(
    name: str, make: Callable[[str], object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(name)
    words = ["photo.png", "painting.png", "-o", "out.png", "-q", "--size", "32", "--steps", "2"]
    assert says in refused([*words, "--weights", name], capsys)


# --- as a process ------------------------------------------------------------------------------------


def test_the_real_command_says_one_line_and_no_more(tmp_path: Path) -> None:
    """What a user sees: nothing of Python's, of torch's or of a warning's beside the one line."""
    Path("text.jpg").write_text("no picture")
    before = everything()
    done = subprocess.run(
        [sys.executable, "-m", "styletut", "text.jpg", "painting.png", "-o", "out.png"],
        capture_output=True, text=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("styletut: error: 'text.jpg' is not a picture") and done.stderr.count("\n") == 1
    assert everything() == before
