"""What is seen of a run: in a terminal, in a notebook's kernel, and never at the price of the run."""

from __future__ import annotations

import base64
import io
import itertools
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

import styletut as st
from styletut.cli import main
from styletut.engine import progress
from styletut.errors import RecipeError
from styletut.vgg import Weights

GRADIENT = Image.fromarray(np.indices((40, 60)).sum(0).astype(np.uint8) * 2).convert("RGB")


class Terminal(io.StringIO):
    """A stdout that is a terminal, once it is `plugged` in by a test: before, pytest would put its own in place."""

    def plugged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", self)

    def isatty(self) -> bool:
        return True


def paint(photo: Tensor, painting: Tensor, tiny: Weights, **options: Any) -> st.Result:
    return st.stylize(photo, painting, weights=tiny, scales=((1.0, 6),), **options)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    for name in ("TMUX", "TERM", "TERM_PROGRAM", "KITTY_WINDOW_ID", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    return stream


# --------------------------------------------------------------------------- protocols


def test_kitty_gets_a_png_in_chunks_that_replaces_the_one_before() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8))
    commands = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", sent := progress.kitty(noise, 7))
    assert "".join(f"\x1b_G{keys};{chunk}\x1b\\" for keys, chunk in commands) == sent
    first = dict(pair.split("=") for pair in commands[0][0].split(","))
    assert {"a": "T", "f": "100", "q": "2", "p": "1", "r": "7", "C": "1", "m": "1"}.items() <= first.items()
    assert 0 < int(first["i"]) < 2**32
    assert [keys for keys, _ in commands[1:]] == ["m=1"] * (len(commands) - 2) + ["m=0"]
    assert all(len(chunk) == 4096 for _, chunk in commands[:-1])
    assert (
        Image.open(io.BytesIO(base64.b64decode("".join(chunk for _, chunk in commands)))).tobytes() == noise.tobytes()
    )


def test_a_small_picture_is_one_command_for_kitty() -> None:
    assert progress.kitty(Image.new("RGB", (4, 4)), 1).count("\x1b_G") == 1
    assert "m=0;" in progress.kitty(Image.new("RGB", (4, 4)), 1)


def test_iterm2_gets_one_inline_file_of_the_size_that_it_says() -> None:
    found = re.fullmatch(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", progress.iterm2(GRADIENT, 9))
    assert found
    keys, data = dict(pair.split("=") for pair in found[1].split(";")), base64.b64decode(found[2])
    assert keys == {"inline": "1", "size": str(len(data)), "height": "9", "preserveAspectRatio": "1"}
    assert Image.open(io.BytesIO(data)).size == GRADIENT.size


def decode_sixel(sent: str) -> np.ndarray[Any, Any]:
    """DEC's rules (VT340 manual, chapter 14), in the part that is used."""
    begin = re.match(r'\x1bPq"1;1;(\d+);(\d+)', sent)
    assert begin and sent.endswith("\x1b\\")
    picture = np.zeros((int(begin[2]), int(begin[1]), 3))
    palette: dict[int, list[int]] = {}
    x = y = colour = 0
    for token in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([$-])|([?-~])", sent[begin.end() : -2]):
        number, *rgb, count, repeated, move, single = token.groups()
        if number:
            colour = int(number)
            if rgb[0]:
                palette[colour] = [int(each) for each in rgb]
        elif move:
            x, y = 0, y + 6 * (move == "-")
        else:
            run = int(count or 1)
            for bit in range(6):
                if ord(repeated or single) - 63 >> bit & 1:
                    picture[y + bit, x : x + run] = palette[colour]
            x += run
    return picture / 100


def test_sixels_are_the_picture_within_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_cell_height", lambda: 20)
    shown = decode_sixel(progress.sixel(GRADIENT, 5))
    assert shown.shape == (96, 144, 3)  # 5 rows of 20 pixels, in whole bands of six
    expected = GRADIENT.resize((144, 96), Image.Resampling.BICUBIC).quantize(128).convert("RGB")
    assert np.abs(shown - np.asarray(expected) / 255).max() < 0.0101  # a sixel's colours are whole percents


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-sixel"}, "sixel"),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "tmux-1/default"}, None),
        ({"TERM": "xterm-256color"}, None),
        ({}, None),
    ],
)
def test_a_terminal_is_known_by_its_environment(
    environment: dict[str, str], protocol: str | None, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.plugged(monkeypatch)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert progress.terminal_protocol() == protocol


# --------------------------------------------------------------------------- a run in a terminal


@pytest.mark.parametrize("protocol", progress.PROTOCOLS)
def test_pictures_are_drawn_over_each_other_above_the_bar(
    protocol: str,
    photo: Tensor,
    painting: Tensor,
    tiny: Weights,
    capsys: pytest.CaptureFixture[str],  # before the terminal, which takes its stdout's place
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal.plugged(monkeypatch)
    monkeypatch.setattr(progress, "SELDOM", 0.0)
    monkeypatch.setattr(progress, "SHARE", 1e9)
    paint(photo, painting, tiny, progress=protocol)
    sent = terminal.getvalue()
    begin = {"kitty": "\x1b_G", "iterm2": "\x1b]1337;File=", "sixel": "\x1bPq"}[protocol]
    drawn = re.split(r"\r\x1b\[\d+A\x1b7", sent)
    rows = drawn[0].count("\n")
    assert drawn[0] == "\n" * rows and 0 < rows <= progress.ROWS  # room for one picture, once
    assert len(drawn) == 1 + 6 + 1  # a picture for each step, and the last one
    for picture in drawn[1:]:
        assert picture.startswith(begin) and picture.endswith(f"\x1b8\x1b[{rows}B\r") and "\n" not in picture
    assert "6/6" in capsys.readouterr().err


def test_the_command_line_asks_for_the_picture_with_show(
    tiny: Weights, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.plugged(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("styletut.weights.random_weights", lambda *_, **__: tiny)
    GRADIENT.resize((40, 40)).save("photo.png")
    words = ["photo.png", "photo.png", "-o", "out.png", "--weights", "random", "--size", "32", "--steps", "2"]
    assert main([*words, "--show", "iterm2"]) == 0
    shown, rest = terminal.getvalue().rsplit("\x1b8", 1)
    assert shown.count("\x1b]1337;File=") >= 1 and "wrote out.png" in rest
    terminal.truncate(0)
    assert main([*words, "--show", "iterm2", "-q"]) == 0
    assert "\x1b" not in terminal.getvalue()


def test_no_picture_is_sent_to_what_is_no_terminal(
    photo: Tensor, painting: Tensor, tiny: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    for protocol in ("auto", "kitty", "iterm2", "sixel"):
        paint(photo, painting, tiny, progress=protocol)
        shown = capsys.readouterr()
        assert shown.out == "" and "\x1b" not in shown.err.replace("\x1b[A", "")


def test_an_unknown_terminal_is_told_what_to_do(
    photo: Tensor, painting: Tensor, tiny: Weights, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.plugged(monkeypatch)
    with pytest.warns(UserWarning, match="name its protocol, kitty, iterm2 or sixel"):
        paint(photo, painting, tiny, progress="auto")
    assert terminal.getvalue() == ""


def test_an_unknown_protocol_is_refused_before_anything_runs(photo: Tensor, painting: Tensor, tiny: Weights) -> None:
    steps: list[Any] = []
    with pytest.raises(RecipeError, match="did you mean 'sixel'"):
        paint(photo, painting, tiny, progress="sixels", callback=steps.append)
    assert steps == []


def test_a_terminal_that_is_gone_does_not_end_the_run(
    photo: Tensor, painting: Tensor, tiny: Weights, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.plugged(monkeypatch)

    def gone(text: str) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(terminal, "write", gone)
    result = paint(photo, painting, tiny, progress="kitty")
    assert len(result.history) == 6 and result.stopped is None


def test_pictures_take_no_more_than_their_share_of_the_time(
    photo: Tensor, painting: Tensor, tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    drawn = []

    class Slow(progress._View):
        def _draw(self, step: Any) -> None:
            clock[0] += 3.0  # a very large picture
            drawn.append(clock[0])

    run = st.iterate(photo, painting, weights=tiny, scales=((1.0, 1),))
    view, step = Slow(run), next(run)
    while clock[0] < 1000:
        clock[0] += 0.1
        view.show(step)
    assert len(drawn) > 3
    assert 3.0 * len(drawn) <= progress.SHARE * clock[0] + 2 * 3.0  # of the first two it is not known yet


def test_a_picture_that_was_held_up_does_not_stop_the_display(
    photo: Tensor, painting: Tensor, tiny: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    drawn: list[float] = []
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])

    class HeldUp(progress._View):
        def _draw(self, step: Any) -> None:
            clock[0] += 10.0 if len(drawn) in (0, 5) else 0.001
            drawn.append(clock[0])

    run = st.iterate(photo, painting, weights=tiny, scales=((1.0, 1),))
    view, step = HeldUp(run), next(run)
    while len(drawn) < 10:
        clock[0] += 0.1
        view.show(step)
    assert max(b - a for a, b in itertools.pairwise(drawn)) < 10.0 + 3 * progress.SELDOM


def test_the_thumbnail_is_the_picture_averaged(photo: Tensor, painting: Tensor, tiny: Weights) -> None:
    run = st.iterate(photo, painting, "gram", weights=tiny, scales=((1.0, 1),))
    assert progress.thumbnail(run).size == (40, 32)
    small = progress.thumbnail(run, 20)
    assert small.size == (20, 16)
    expected = photo.reshape(3, 16, 2, 20, 2).mean((2, 4)).permute(1, 2, 0).numpy() * 255
    assert np.abs(np.asarray(small) - expected).max() <= 0.51


# --------------------------------------------------------------------------- the loss curve


def rows(*losses: float, scale: int = 0) -> list[dict[str, Any]]:
    return [{"scale": scale, "losses": {"total": loss}} for loss in losses]


def test_the_curve_falls_from_the_upper_left_to_the_lower_right_on_a_log_scale() -> None:
    (line,) = re.findall(r'points="([^"]*)"', progress.curve(rows(100, 10, 1)))
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    assert points == [(4, 4), (150, 50), (296, 96)]


def test_every_scale_has_a_line_of_its_own_and_a_long_run_few_points() -> None:
    history = rows(*np.linspace(9, 5, 5000)) + rows(*np.linspace(7, 1, 5000), scale=1)
    lines = re.findall(r'points="([^"]*)"', progress.curve(history))
    assert len(lines) == 2
    assert sum(len(line.split()) for line in lines) <= progress.POINTS + 1


def test_losses_that_have_no_logarithm_are_left_out() -> None:
    assert progress.curve([]) == progress.curve(rows(1.0)) == progress.curve(rows(0.0, float("nan"))) == ""
    assert "polyline" in progress.curve(rows(2.0, 0.0, float("inf"), 1.0))


# --------------------------------------------------------------------------- a notebook's kernel


CELL = """\
import ipywidgets, torch, styletut as st
from styletut import vgg
photo, painting = torch.rand(2, 1, 3, 24, 32)
def paint(steps):
    return st.stylize(photo, painting, weights=vgg.random_weights(width=0.1), scales=((1.0, steps),))
"""


@pytest.fixture(scope="module")
def kernel() -> Any:
    """A client of a real kernel that sends widgets' messages where all others go, as VS Code and Colab do."""
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    pytest.importorskip("ipywidgets")
    running, client = manager.start_new_kernel(startup_timeout=200)
    yield client
    client.stop_channels()
    running.shutdown_kernel(now=True)


def execute(client: Any, code: str, react: Any = lambda message: None) -> list[dict[str, Any]]:
    """The messages of a cell."""
    sent, messages = client.execute(code), []
    while True:
        message = client.get_iopub_msg(timeout=200)
        if message["parent_header"].get("msg_id") != sent:
            continue
        messages.append(message)
        react(message)
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return messages


def contents(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message["content"] for message in messages if message["msg_type"] == kind]


def test_the_stop_button_works_while_the_kernel_is_busy(kernel: Any) -> None:
    execute(kernel, CELL)
    button: list[str] = []

    def click(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "comm_open" and content["data"]["state"].get("description") == "Stop":
            button.append(content["comm_id"])
        update = content.get("data", {}).get("state", {}).get("value", "")
        if message["msg_type"] == "comm_msg" and "polyline" in str(update) and len(button) == 1:
            data = {"method": "custom", "content": {"event": "click"}}
            kernel.shell_channel.send(kernel.session.msg("comm_msg", {"comm_id": button[0], "data": data}))
            button.append("clicked")

    messages = execute(kernel, "result = paint(100_000); print(result.stopped, len(result.history) < 100_000)", click)
    assert button[1:] == ["clicked"]
    assert "".join(each["text"] for each in contents(messages, "stream")) == "interrupted True\n"
    assert contents(execute(kernel, "print('the next cell')"), "stream")[0]["text"] == "the next cell\n"


def test_a_run_has_one_display_that_ends_as_a_line_and_closes_its_widgets(kernel: Any) -> None:
    execute(kernel, CELL)
    messages = execute(kernel, "result = paint(4)")
    (display,) = contents(messages, "display_data")
    assert "application/vnd.jupyter.widget-view+json" in display["data"]
    (update,) = contents(messages, "update_display_data")
    assert update["transient"] == display["transient"]
    assert list(update["data"]) == ["text/plain"] and update["data"]["text/plain"].startswith("4 of 4 steps in")
    opened = {each["comm_id"] for each in contents(messages, "comm_open")}
    assert opened and {each["comm_id"] for each in contents(messages, "comm_close")} >= {display_id(display), *opened}
    assert contents(messages, "stream") == []


def display_id(display: dict[str, Any]) -> str:
    return str(display["data"]["application/vnd.jupyter.widget-view+json"]["model_id"])


def test_without_ipywidgets_the_display_is_the_picture_itself(kernel: Any) -> None:
    execute(kernel, CELL + "import sys; kept = sys.modules['ipywidgets']; sys.modules['ipywidgets'] = None")
    messages = execute(kernel, "result = paint(4)")
    execute(kernel, "sys.modules['ipywidgets'] = kept")
    (display,) = contents(messages, "display_data")
    assert 'alt="The picture so far"' in display["data"]["text/html"]
    assert list(contents(messages, "update_display_data")[-1]["data"]) == ["text/plain"]
    assert contents(messages, "comm_open") == []


def test_a_notebook_that_is_executed_silently_shows_nothing(kernel: Any) -> None:
    execute(kernel, CELL + "import os; os.environ['TQDM_DISABLE'] = '1'")
    messages = execute(kernel, "result = paint(4)")
    execute(kernel, "del os.environ['TQDM_DISABLE']")
    assert {message["msg_type"] for message in messages} == {"status", "execute_input"}
