"""The command `styletut sheet`: what it reads, writes and says, and how it ends."""

from __future__ import annotations

import functools
import json
import os
import shlex
import signal
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from styletut import images, recipes, sheets, vgg
from styletut.cli import main
from styletut.cli.parser import painting_parser
from styletut.cli.recipe import recipe_from
from styletut.cli.sheet import split_values
from styletut.engine.stepper import Stepper

NARROW = functools.cache(functools.partial(vgg.random_weights, width=0.1))
LAYER, LAYERS = {"relu1_1": 1.0}, {"relu2_1": 0.5, "relu1_1": 0.5}
SHORT = ["--size", "32", "--steps", "2", "--weights", "random"]
DRAWN = ["-r", "draft", *SHORT]  # a sheet is painted by the draft, its commands by the default


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A narrow network for `--weights random`, and a folder of one's own."""
    monkeypatch.setattr("styletut.weights.random_weights", NARROW)
    monkeypatch.chdir(tmp_path)


def draw(path: str, seed: int = 0) -> str:
    """A file of coloured noise."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photo() -> str:
    return draw("photo.png", 1)


@pytest.fixture
def folder() -> str:
    """A folder with two styles, and a file that is no picture."""
    draw("styles/sea.png", 2)
    draw("styles/night sky.png", 3)
    Path("styles/notes.txt").write_text("no picture")
    return "styles"


def files(place: str = ".") -> list[str]:
    return sorted(str(p.relative_to(place)) for p in Path(place).rglob("*") if p.is_file())


def contains(sheet: str, picture: str) -> bool:
    """Whether a picture is in a sheet, pixel by pixel."""
    whole, part = (np.asarray(Image.open(name).convert("RGB")).astype(int) for name in (sheet, picture))
    rows, columns = part.shape[:2]
    corners = np.argwhere((whole == part[0, 0]).all(2))
    return any(np.array_equal(whole[r : r + rows, c : c + columns], part) for r, c in corners)


# --- what it paints ----------------------------------------------------------------------------------


def test_a_folder_of_styles_becomes_a_sheet_with_the_command_of_each_picture(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sheet", photo, folder, "-o", "new/sheet.png", *SHORT, "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    commands = [
        "styletut photo.png 'styles/night sky.png' --weights random --seed 3",
        "styletut photo.png styles/sea.png --weights random --seed 3",
    ]
    first, *rows = out.splitlines()
    assert first == "wrote new/sheet.png with 2 of 2 pictures, which at full quality are:"
    assert rows == [f"1  night sky  {commands[0]}", f"2  sea        {commands[1]}"]
    assert "2 pictures of 32 x 32 pixels on cpu: about " in err and "1/2 night sky" in err and "2/2 sea" in err
    assert files() == ["new/sheet.png", "photo.png", "styles/night sky.png", "styles/notes.txt", "styles/sea.png"]
    for command in commands:  # at the sheet's size they make the pictures that are in it
        assert main([*shlex.split(command)[1:], *DRAWN, "-q", "-o", "one.png"]) == 0
        assert contains("new/sheet.png", "one.png")
    assert contains("new/sheet.png", photo) is False  # it is shown at the sheet's size
    assert main(["info", "new/sheet.png"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{i} {c}" for i, c in enumerate(commands, start=1)]
    assert main(["info", "--json", "new/sheet.png"]) == 0
    assert json.loads(capsys.readouterr().out)[1] == f"2 {commands[1]}"


def test_one_pair_is_painted_over_a_grid_of_settings(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    vary = ["--vary", "content-weight=.03,3e-1", "--vary", "style_loss=relative,mean-std"]
    assert main(["sheet", photo, "styles/sea.png", *vary, *SHORT, "-o", "sheet.png"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    commands = [row[row.index("styletut ") :] for row in rows]
    assert [row.split("  ")[1] for row in rows] == [
        f"content-weight {weight}, style-loss {loss}" for weight in (0.03, 0.3) for loss in ("relative", "mean-std")
    ]
    assert commands[3] == (
        "styletut photo.png styles/sea.png --weights random --content-weight 0.3 --set style_loss=mean-std"
    )
    for command in commands:
        assert main([*shlex.split(command)[1:], *DRAWN, "-q", "-o", "one.png"]) == 0
        assert contains("sheet.png", "one.png")


@pytest.mark.parametrize(
    ("name", "texts", "values"),
    [
        ("size", "64,32x48", [64, (32, 48)]),
        ("steps", "3,5", [3, 5]),
        ("rescale", "true,false", [True, False]),
        ("noise-range", "[-1,1],[0, 5.5]", [(-1.0, 1.0), (0.0, 5.5)]),
        ("style_layers", '{"relu1_1": 1},{"relu2_1": 0.5, "relu1_1": 0.5}', [LAYER, LAYERS]),
        ("start", "noise,content", ["noise", "content"]),
        ("decorrelation", ".5,0.25", [0.5, 0.25]),
        ("scales", "[[1, 2]],[[0.5, 1], [1, 2]]", [((1.0, 2),), ((0.5, 1), (1.0, 2))]),
        ("recipe", "gatys,fast", ["gatys", "fast"]),
    ],
)
def test_every_kind_of_value_can_vary_and_its_command_gives_it_back(
    name: str, texts: str, values: list[Any], photo: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    vary = ["--vary", f"{name}={texts}", "--weights", "random"]
    vary += [] if name == "size" else ["--size", "32"]
    assert main(["sheet", photo, "styles/sea.png", *vary, "--dry-run"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    for value, row in zip(values, rows, strict=True):
        made = recipe_from(painting_parser().parse(shlex.split(row[row.index("styletut ") :])[1:]))
        field = {"recipe": "name"}.get(name, name.replace("-", "_"))
        assert getattr(made, field) == value
        assert made.weights == "random" and (name == "size" or made.size == recipes.get(made.name).size)


def test_a_sheet_may_begin_from_a_picture_and_its_command_says_so(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start = draw("begun.png", 7)
    assert main(["sheet", photo, "styles/sea.png", *SHORT, "--start", start, "-o", "sheet.png"]) == 0
    command = capsys.readouterr().out.splitlines()[1]
    assert command.endswith("--weights random --start begun.png")
    assert main([*shlex.split(command[command.index("styletut") :])[1:], *DRAWN, "-q", "-o", "one.png"]) == 0
    assert contains("sheet.png", "one.png")
    assert main(["sheet", photo, "styles/sea.png", *SHORT, "--start", start, "-o", start]) == 1


def test_a_sheet_keeps_what_is_protected_and_its_command_says_so(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (64, 64), 255).save("faces.png")
    assert main(["sheet", photo, "styles/sea.png", *SHORT, "--protect", "faces.png", "-o", "sheet.png"]) == 0
    command = capsys.readouterr().out.splitlines()[1]
    assert command.endswith("--weights random --protect faces.png")
    assert main([*shlex.split(command[command.index("styletut") :])[1:], *DRAWN, "-q", "-o", "one.png"]) == 0
    assert contains("sheet.png", "one.png")
    assert main([photo, "styles/sea.png", *DRAWN, "-q", "-o", "plain.png"]) == 0
    assert not contains("sheet.png", "plain.png")
    assert main(["sheet", photo, "styles/sea.png", *SHORT, "--protect", "faces.png", "-o", "faces.png"]) == 1
    assert main(["sheet", photo, "styles/sea.png", *SHORT, "--protect", "gone.png"]) == 1
    assert "there is no file 'gone.png'" in capsys.readouterr().err


def test_samples_and_a_recipe_of_one_s_own_are_in_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.json").write_text(recipes.get("gatys").replace(weights="random", size=32, steps=1).to_json())
    argv = ["sheet", "sample:cat", "sample:waves", "-r", "mine.json", "--vary", "seed=1,2", "--dry-run"]
    assert main(argv) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "1  seed 1  styletut sample:cat sample:waves -r mine.json --seed 1"
    )


# --- before it paints --------------------------------------------------------------------------------


def test_a_dry_run_says_how_many_and_how_long_and_writes_nothing(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sheet", photo, folder, *SHORT, "--vary", "seed=1,2,3", "-o", "sheet.png", "--dry-run"]) == 0
    first, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("6 pictures of 32 x 32 pixels on cpu: about ") and "in all" in first
    assert [row[0] for row in rows] == list("123456")
    assert not Path("sheet.png").exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--vary", "content-weigth=1"], 1, "did you mean 'content_weight'"),
        (["--vary", "content-weight=.1,-1"], 1, "content_weight must be a number, 0 or more, not -1"),
        (["--vary", "content-weight=.1,"], 1, "content_weight must be a number, 0 or more, not ''"),
        (["--vary", "content-weight"], 1, "--vary takes FIELD=VALUE,VALUE"),
        (["--vary", "content-weight="], 1, "--vary takes FIELD=VALUE,VALUE"),
        (["--vary", "seed=1", "--vary", "seed=2"], 1, "--vary seed comes twice"),
        (["--vary", "seed=1,2", "--vary", "tv-weight=1,2"], 1, "3 things vary: vary a style and one other setting"),
        (["--vary", "recipe=fest"], 1, "did you mean 'fast'"),
        (["--content-weight", "-1"], 1, "content_weight must be a number, 0 or more, not -1"),
        (["-o", "sheet.gif"], 1, "unknown suffix '.gif'"),
        (["-o", "styles/sheet.png"], 1, "the sheet would come among the styles in 'styles'"),
        (["-o", "photo.png"], 1, "is one of the files that are read"),
        (["missing.png"], 1, "there is no file 'missing.png'"),
        (["--snapshots", "films"], 2, "unknown option '--snapshots'"),
    ],
)
def test_what_makes_no_sense_is_one_line_before_anything_runs(
    options: list[str],
    code: int,
    said: str,
    photo: str,
    folder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Stepper, "step", lambda stepper: pytest.fail("it has run"))
    before = files()
    assert main(["sheet", photo, folder, *SHORT, *options]) == code
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert files() == before


def test_one_photograph_and_a_style_are_needed(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["sheet", photo]) == 2
    assert "name a photograph and one or more paintings" in capsys.readouterr().err
    assert main(["sheet", folder, photo]) == 1
    assert "a sheet shows one photograph, and 'styles' is a folder" in capsys.readouterr().err
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert main(["sheet", photo, folder, *SHORT]) == 1
    assert "a sheet is painted by one process: start it without torchrun" in capsys.readouterr().err


def test_an_older_sheet_is_replaced_only_where_it_was_named(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sheet", photo, folder, *SHORT, "-q"]) == 0
    assert Path("photo-sheet.png").is_file() and capsys.readouterr() == ("", "")
    before = Path("photo-sheet.png").read_bytes()
    again = ["sheet", photo, "styles/sea.png", *SHORT]
    assert main(again) == 1
    assert "'photo-sheet.png' exists already: add --existing replace" in capsys.readouterr().err
    assert main([*again, "--existing", "skip"]) == 0
    assert main([*again, "-o", "photo-sheet.png", "--existing", "refuse"]) == 1
    assert Path("photo-sheet.png").read_bytes() == before
    assert main([*again, "-o", "photo-sheet.png"]) == 0
    assert Path("photo-sheet.png").read_bytes() != before


# --- what goes wrong on the way ----------------------------------------------------------------------


def test_a_style_that_cannot_be_read_costs_its_own_cell_only(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("styles/broken.png").write_bytes(b"junk")
    assert main(["sheet", photo, folder, *SHORT, "-o", "sheet.png"]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("wrote sheet.png with 2 of 3 pictures")
    assert "styletut: error: picture 1, broken: 'styles/broken.png' is not a picture" in err
    assert main([photo, "styles/sea.png", *DRAWN, "-q", "-o", "one.png"]) == 0
    assert contains("sheet.png", "one.png")


def test_where_no_style_can_be_read_nothing_is_written(photo: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.png").write_bytes(b"junk")
    for quiet in ([], ["-q"]):
        assert main(["sheet", photo, "broken.png", *SHORT, "-o", "sheet.png", *quiet]) == 1
        assert capsys.readouterr().err.startswith("styletut: error: 'broken.png' is not a picture")
    assert not Path("sheet.png").exists()


@pytest.mark.parametrize("finished", [0, 1])
def test_ctrl_c_writes_the_sheet_with_the_pictures_that_are_finished(
    finished: int, photo: str, folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, step = 0, Stepper.step

    def interrupted(stepper: Stepper) -> None:
        nonlocal steps
        if steps == 2 * finished:
            os.kill(os.getpid(), signal.SIGINT)
        steps += 1
        step(stepper)

    monkeypatch.setattr(Stepper, "step", interrupted)
    argv = ["sheet", photo, folder, *SHORT, "-o", "sheet.png"]
    assert main(argv) == 130
    out, err = capsys.readouterr()
    assert steps == 2 * finished + 1
    if not finished:
        assert "interrupted before the first picture; nothing was written" in err
        assert not Path("sheet.png").exists()
        return
    assert out.startswith("wrote sheet.png with 1 of 2 pictures") and "interrupted; the pictures so far" in err
    monkeypatch.setattr(Stepper, "step", step)
    assert main([photo, "styles/night sky.png", *DRAWN, "-q", "-o", "one.png"]) == 0
    assert contains("sheet.png", "one.png")


def test_a_sheet_that_cannot_be_saved_where_it_should_go_is_saved_elsewhere(
    photo: str, folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = sheets.Sheet.save

    def refused(sheet: sheets.Sheet, path: Path, **options: Any) -> Path:
        if path == Path("sheet.png"):
            raise images.ImageFileError("the disk is full")
        return save(sheet, path, **options)

    monkeypatch.setattr(sheets.Sheet, "save", refused)
    Path("elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", "elsewhere")
    assert main(["sheet", photo, folder, *SHORT, "-o", "sheet.png"]) == 3
    out, err = capsys.readouterr()
    assert "the disk is full: the sheet was saved as 'elsewhere/sheet.png' instead" in err
    assert out.startswith("wrote elsewhere/sheet.png") and Path("elsewhere/sheet.png").is_file()


def test_help_names_the_sheet_and_shows_how_to_vary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "styletut sheet PHOTO STYLES" in capsys.readouterr().out
    assert main(["sheet", "--help"]) == 0
    assert "--vary content-weight=.03,.1,.3" in capsys.readouterr().out


def test_values_are_parted_at_commas_outside_of_brackets() -> None:
    assert split_values('[[0.5, 1], [1, 2]],{"a": 1, "b": 2},x') == ["[[0.5, 1], [1, 2]]", '{"a": 1, "b": 2}', "x"]
    assert split_values("a,,b") == ["a", "", "b"]
