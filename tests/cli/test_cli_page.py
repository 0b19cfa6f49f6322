"""The command line's page and README: their examples run, and print and make what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import styletut_book
import torch
from cli_helpers import draw

from styletut import transfer
from styletut.cli import main
from styletut.cli.entry import COMMANDS
from styletut.cli.exits import EXIT_CODES
from styletut.cli.parser import painting_parser

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "api" / "cli.md").read_text()
README = (ROOT / "README.md").read_text()
SMALL = ["--size", "32", "--weights", "random", "--existing", "replace"]
OUTPUTS = ("-o", "--checkpoint", "--snapshots", ">")
FOLDERS = {"holiday/": ("beach.jpg", "harbour.jpg"), "paintings/": ("sea.jpg",)}


def joined(text: str) -> str:
    """Lines that go on in the next one as the shell reads them."""
    return re.sub(r"\\\n\s+", "", text)


def examples(text: str) -> list[tuple[str, str]]:
    """The commands in the shell's blocks of a page, each with what the block of text below it says that it prints."""
    found = []
    for block, output in re.findall(r"```bash\n(.*?)```(?:\n\n```text\n(.*?)```)?", text, re.DOTALL):
        lines = [line.partition("   ")[0] for line in joined(block).splitlines() if line.startswith("styletut")]
        found += [(line, output if line == lines[-1] else "") for line in lines]
    return found


def make_inputs(words: list[str]) -> None:
    """The pictures, folders and saved runs that a command reads, where no command before it has made them."""
    for before, word in zip(["", *words], words, strict=False):
        if before in OUTPUTS or Path(word).exists():
            continue
        if word.endswith(".pt"):
            run = transfer.iterate(*torch.rand(2, 1, 3, 16, 16), weights="random", scales=((1.0, 2),))
            next(run)
            run.save(word)
        for name in FOLDERS.get(word, [word] if word.endswith((".jpg", ".png")) else []):
            draw(f"{word}{name}" if word in FOLDERS else name, seed=len(word))


def as_pattern(text: str) -> str:
    """What is printed, whatever its numbers are; `…` stands for anything."""
    return re.sub(r"\d+(\\\.\d+)?", r"[\\d.]+", re.escape(text)).replace("…", ".+")


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command quickly, on small pictures in few steps; what it prints."""
    words = shlex.split(command)[1:]
    words, into = (words[:-2], words[-1]) if ">" in words else (words, None)
    make_inputs(words)
    if words[0] == "studio":  # which serves until it is stopped
        words.append("--help")
    elif words[0] not in COMMANDS or words[0] in ("sheet", "texture"):
        words += [*SMALL, "--steps", "20" if "--snapshots" in words else "4"]
    assert main(words) == 0, command
    printed = re.sub(r" --weights random|  changed +(weights|size) = .*\n", "", capsys.readouterr().out)
    if into is not None:
        Path(into).write_text(printed)
    return printed


def test_every_example_of_the_page_runs_and_prints_and_makes_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    shown = examples(PAGE)
    assert len(shown) > 20 and sum(bool(output) for _, output in shown) >= 6
    for command, output in shown:
        printed = run(command, capsys)
        assert not output or re.fullmatch(as_pattern(output), printed, re.DOTALL), printed
    named = re.findall(r"`([\w/-]+\.(?:png|jpg|tif|pt|json))`", PAGE)
    assert {"film/0002.png", "photo-sheet.png"} <= set(named)
    assert [name for name in named if not Path(name).is_file()] == []


def test_every_example_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    shown = examples(README)
    assert len(shown) > 10
    for command, _ in shown:
        run(command, capsys)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_is_on_the_page_fits_it_and_has_examples_that_run(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = " ".join(["styletut", *command.split(), "--help"])
    assert f"```{{prints}} {asked}\n```\n" in PAGE
    text = styletut_book.printed(asked)
    assert text.startswith(f"usage: styletut {command}".strip()) and max(map(len, text.splitlines())) <= 80
    shown = joined(text).partition("examples:\n")[2].partition("\n\n")[0]
    for line in map(str.strip, shown.splitlines()):
        if line.startswith("styletut"):
            run(line, capsys)


def test_help_is_the_same_wherever_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = styletut_book.printed("styletut resume --help")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert styletut_book.printed("styletut resume --help") == before
    assert "\n  -o, --output OUT      the file to write" in before  # as of Python 3.13


@pytest.mark.parametrize("command", ["styletut layers vgg99", "styletut --nonsense", "echo layers"])
def test_what_does_not_work_is_not_shown(command: str) -> None:
    with pytest.raises(ValueError, match="cannot show what"):
        styletut_book.printed(command)


def test_the_exit_codes_are_those_of_the_help() -> None:
    codes = re.findall(r"^  (\d+) +(.+?)(?=^  \d|\Z)", EXIT_CODES, re.DOTALL | re.MULTILINE)
    assert len(codes) == 6
    assert re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE) == [(c, " ".join(t.split())) for c, t in codes]


def test_no_option_is_named_that_there_is_not() -> None:
    named = set(re.findall(r"`(--?[a-z-]+)\b[^`]*`", PAGE.partition("## Exit codes")[0]))
    assert {"--dry-run", "--set", "--protect"} <= named
    assert named - set(painting_parser()._option_string_actions) == {"--seamless"}
