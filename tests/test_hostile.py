"""What a hostile user tries: each time one clear line, an exit code that is not 0, and no file lost or left behind."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from test_cli import NARROW, SHORT

from styletut import transfer, vgg
from styletut.cli import main
from styletut.errors import ImageError


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder with a photograph and a painting, and a narrow network for `--weights random`."""
    monkeypatch.setattr(vgg, "random_weights", NARROW)
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
        tifffile.imwrite(stream, stored, photometric="rgb", planarconfig=planes, compression="zlib")  # type: ignore[arg-type]
        yield stream.getvalue()


def _mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Bytes changed, mostly in the header; sometimes cut off, or a part of it doubled."""
    found = bytearray(content)
    for _ in range(generator.integers(1, 6)):
        end = len(found) if generator.random() < 0.5 else min(len(found), 200)
        found[generator.integers(end)] = generator.choice([0, 1, 127, 128, 255, generator.integers(256)])
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
        ("none/out.png", "there is no folder 'none'"),
        ("photo.png/out.png", "there is no folder 'photo.png'"),
        ("out", "must end in one of .png"),
        ("out.gif", "must end in one of .png"),
        ("/dev/null", "must end in one of .png"),
        ("folder.png/", "exists already"),
        ("pipe.png", "is not a file"),
        (f"{'x' * 300}.png", "too long"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(
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
def test_a_checkpoint_that_cannot_be_is_refused(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder.pt").mkdir()
    Path("weights.pt").write_bytes(b"precious")
    words = ["photo.png", "painting.png", "-o", "out.png", *SHORT]
    refused([*words, "--weights", "weights.pt", "--checkpoint", checkpoint], capsys)


@pytest.mark.parametrize("words", [["samples", "cat", "-o"], ["resume", "run.pt", "-o"]])
@pytest.mark.parametrize("output", ["out.gif", "none/out.png", "/proc/out.png", "run.pt"])
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
        (["--set", "scales=[[0.5, 0]]"], "each scale is a share"),
        (["--set", "scales=7"], "scales must be pairs"),
        (["--set", "noise_range=1"], "noise_range must be two numbers"),
        (["--set", "learning_rate=NaN"], "learning_rate must be a number"),
        (["--set", "optimizer=adma"], "did you mean 'adam'?"),
        (["--set", "seed=" + "[" * 100_000], "seed must be a number"),
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
        (["--size", "0"], "size must be whole pixels above 0, not 0"),
        (["--size", "-5"], "size must be whole pixels above 0, not -5"),
        (["--size", "big"], "size must be whole pixels above 0, not 'big'"),
        (["--size", "0x100"], "size must be whole pixels above 0"),
        (["--size", "1.5"], "size must be whole pixels above 0"),
        (["--size", "[1,2,3]"], "an exact size is (rows, columns)"),
        (["--size", "999999x999999", "--set", "upscale=true"], "over the limit"),
        (["--steps", "0"], "steps must be a whole number, 1 or more, not 0"),
        (["--steps", "-3"], "steps must be a whole number"),
        (["--steps", "many"], "steps must be a whole number"),
        (["--seed", "-1"], "seed must be a number, 0 or more"),
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
        (["--snapshot-every", "x", "--snapshots", "film"], "snapshot_every must be a number"),
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
        (["info"], "required: picture"),
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
def test_a_picture_with_a_broken_story_gives_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    from styletut import images

    images.save_image(images.load_image("photo.png"), "odd.png", metadata={transfer.METADATA_KEY: text})
    assert "damaged" in refused(["info", "odd.png"], capsys) or text == ""


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
