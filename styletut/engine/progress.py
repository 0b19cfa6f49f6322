"""What is shown of a run while it runs: a bar in a terminal, and in a notebook the picture, its loss and a stop button.

In a terminal that can show pictures the bar has the picture above it, if asked. Whatever is shown is updated in place,
and so seldom that it takes no more than `SHARE` of the time. Nothing that is shown can end a run.
"""

from __future__ import annotations

import base64
import html
import io
import json
import math
import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from PIL import Image
from torch.nn import functional as F

from ..errors import RecipeError, did_you_mean
from ..images import to_pil
from . import streams

if TYPE_CHECKING:
    from .result import Step
    from .run import Run

SHARE = 0.02
"""Of a run's time, at most so much goes into pictures of it."""
SELDOM = 0.4  # seconds between two pictures, at least
SIDE = 320  # pixels
POINTS = 200  # of the loss curve
PROTOCOLS = ("kitty", "iterm2", "sixel")
ROWS = 16  # of a terminal


@contextmanager
def bar(
    run: Run, progress: bool | str, file: TextIO | streams.Unbreakable | None = None
) -> Iterator[Callable[[Step], None]]:
    """Give a function that shows each step of ``run``; what it showed is tidied up at the end.

    ``progress`` is False for nothing; a text is a protocol for pictures in the terminal, or "auto". ``file`` is where a
    terminal's bar goes (default: stderr). Silent where TQDM_DISABLE is set, in notebooks too.

    Raises:
        RecipeError: no such protocol.
    """
    if isinstance(progress, str) and progress not in (*PROTOCOLS, "auto"):
        raise RecipeError(did_you_mean("progress", progress, ("auto", *PROTOCOLS)))
    if not progress or os.environ.get("TQDM_DISABLE", "") not in ("", "0"):
        yield lambda step: None
        return
    view: _View | None = _Panel(run) if streams.kernel_runs() else _Bar(run, progress, file)

    def show(step: Step) -> None:
        nonlocal view
        if view is not None:
            try:
                view.show(step)
            except Exception:  # a front end that is gone, a closed terminal: the picture goes on
                view = None

    try:
        yield show
    finally:
        if view is not None:
            with suppress(Exception):
                view.close()


def thumbnail(run: Run, side: int = SIDE) -> Image.Image:
    """The current picture, the first of a batch, averaged down to ``side`` pixels or less."""
    picture = run.picture()[:1]
    factor = math.ceil(max(picture.shape[-2:]) / side)
    if factor > 1 and min(picture.shape[-2:]) >= factor:
        picture = F.avg_pool2d(picture, factor)
    return to_pil(picture)


class Pace:
    """When the next picture of a run is due: so seldom that pictures take no more than `SHARE` of the time."""

    def __init__(self) -> None:
        self._next = self._took = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for a picture."""
        return time.monotonic() >= self._next

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """A picture is made in the block, and what that takes decides when the next one is due."""
        now = time.monotonic()
        yield
        after = time.monotonic()
        before, self._took = self._took, after - now
        # The quicker of two: one that a busy machine held up for seconds must not stop the display for minutes.
        self._next = after + max(SELDOM, min(before, self._took) / SHARE)


class _View:
    """Something shown now and then."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._pace = Pace()

    def show(self, step: Step) -> None:
        if self._pace.due:
            with self._pace.drawing():
                self._draw(step)

    def _draw(self, step: Step) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


# --------------------------------------------------------------------------- notebooks


class _Panel(_View):
    """The picture beside its loss in the output of a cell; at the end one plain line, which a saved notebook keeps."""

    def __init__(self, run: Run) -> None:
        from IPython.display import display

        super().__init__(run)
        self._text: Any = None
        self._inbox: _Inbox | None = None
        self._handle: Any = None
        shown: Any = {"text/html": self._html(None), "text/plain": ""}
        try:
            import ipywidgets
        except ImportError:
            self._handle = display(shown, raw=True, display_id=True)
            return
        self._button = ipywidgets.Button(
            description="Stop", icon="stop", tooltip="Stop after this step and keep the best picture so far"
        )
        self._button.on_click(self._stop)
        self._text = ipywidgets.HTML(shown["text/html"])
        self._box = ipywidgets.VBox([self._text, self._button])
        self._inbox = _Inbox.of_kernel(self._button.model_id, self._stop)
        self._handle = display(self._box, display_id=True)

    def _stop(self, _: Any = None) -> None:
        self.run.stop()
        self._button.disabled = True
        self._button.description = "Stopping ..."

    def show(self, step: Step) -> None:
        if self._inbox is not None:
            self._inbox.poll()
        super().show(step)

    def _draw(self, step: Step) -> None:
        shown = self._html(step)
        if self._text is not None:
            self._text.value = shown
        else:
            self._handle.update({"text/html": shown, "text/plain": ""}, raw=True)

    def close(self) -> None:
        try:
            if self._inbox is not None:
                self._inbox.close()
            self._handle.update({"text/plain": self._last_line()}, raw=True)
        finally:
            if self._text is not None:
                for widget in (self._box, self._button, self._text):
                    for part in (widget, widget.layout, getattr(widget, "style", None)):
                        if part is not None:
                            part.close()

    def _last_line(self) -> str:
        history = self.run.history
        done = f"{len(history)} of {self.run.recipe.steps} steps in {self.run.state.seconds:.1f} s"
        return done + (f", loss {history[-1]['losses']['total']:.4g}" if history else "")

    def _html(self, step: Step | None) -> str:
        picture, buffer = thumbnail(self.run), io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        source = base64.b64encode(buffer.getvalue()).decode("ascii")
        done, steps = len(self.run.history), self.run.recipe.steps
        # A small picture as large as the others: coarse scales are the same picture.
        shown = SIDE / max(picture.size)
        lines = ["starting"]
        if step is not None:
            rows, columns = step.size
            left = self.run.state.seconds / done * (steps - done)
            lines = [
                f"step {done} of {steps}, {columns} × {rows} pixels",
                f"loss {step.losses['total']:.4g}",
                f"{self.run.state.seconds:.0f} s" + (f", about {left:.0f} s at this pace" if done < steps else ""),
            ]
        return (
            '<div style="display:flex;flex-wrap:wrap;gap:20px;line-height:1.5">'
            f'<img src="data:image/jpeg;base64,{source}" alt="The picture so far" decoding="sync" '
            f'width="{round(picture.width * shown)}" height="{round(picture.height * shown)}" '
            'style="max-width:100%;border-radius:3px">'
            '<div style="width:300px;max-width:100%;font-variant-numeric:tabular-nums">'
            + "<br>".join(map(html.escape, lines))
            + f'<progress max="{steps}" value="{done}" aria-label="Steps" '
            'style="display:block;width:100%;height:10px;margin:8px 0"></progress>'
            + curve(self.run.history)
            + "<small>Stopping, here or by interrupting the kernel, keeps the best picture so far.</small></div></div>"
        )


def curve(history: Sequence[dict[str, Any]]) -> str:
    """The whole loss by step on a log scale as SVG, each scale a line of its own; empty where there is no line yet."""
    every = math.ceil(len(history) / POINTS) or 1
    points = [
        (i, row["scale"], math.log(row["losses"]["total"]))
        for i, row in enumerate(history)
        if (i % every == 0 or i == len(history) - 1) and 0 < row["losses"]["total"] < math.inf
    ]
    if len(points) < 2:
        return ""
    heights = [y for *_, y in points]
    low, high, last = min(heights), max(heights), points[-1][0]
    lines = []
    for scale in sorted({scale for _, scale, _ in points}):
        spots = [(4 + 292 * i / last, 96 - 92 * (y - low) / ((high - low) or 1)) for i, s, y in points if s == scale]
        lines.append('<polyline points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in spots) + '"/>')
    return (
        f'<svg viewBox="0 0 300 100" role="img" aria-label="The loss, from {math.exp(high):.3g} to '
        f'{math.exp(low):.3g} on a log scale" fill="none" stroke="currentColor" stroke-width="2" '
        'stroke-linejoin="round" style="display:block;width:100%;max-width:none;height:auto">'
        + "".join(lines)
        + "</svg>"
    )


class _Inbox:
    """Looks for a button's click among the messages that wait while the kernel runs a cell.

    Some front ends (JupyterLab and Notebook with ipykernel 7) send clicks to a thread of their own, where the button's
    callback runs at once. Others queue them behind the running cell: those are looked at on arrival, and left to the
    kernel in their order.
    """

    def __init__(self, stream: Any, model_id: str, found: Callable[[], None]) -> None:
        self._stream, self._model_id, self._found = stream, model_id, found
        self._receive = stream._recv_callback
        stream.on_recv(self._look, copy=False)

    @classmethod
    def of_kernel(cls, model_id: str, found: Callable[[], None]) -> _Inbox | None:
        """None where the kernel is none that we know: then its interrupt button stops a run, as anywhere."""
        from IPython import get_ipython

        if threading.current_thread() is not threading.main_thread():
            return None
        try:
            kernel = get_ipython().kernel
            shell = getattr(kernel, "shell_channel_thread", None)  # ipykernel 7
            pair = shell and shell.manager.get_shell_channel_to_subshell_pair(None)
            return cls(pair.to_stream if pair else kernel.shell_stream, model_id, found)
        except AttributeError:
            return None

    def _look(self, frames: Sequence[Any]) -> Any:
        with suppress(Exception):
            parts = [bytes(frame) for frame in frames]
            content = json.loads(parts[parts.index(b"<IDS|MSG>") + 5])
            clicked = content.get("data", {}).get("content") == {"event": "click"}
            if clicked and content.get("comm_id") == self._model_id:
                self._found()
        return self._receive(frames)

    def poll(self) -> None:
        """Receive what has come."""
        import zmq

        self._stream.flush(zmq.POLLIN)

    def close(self) -> None:
        self._stream.on_recv(self._receive, copy=False)


# --------------------------------------------------------------------------- terminals


class _Bar(_View):
    """tqdm's bar, and above it the picture if the terminal shows any and was asked to."""

    def __init__(self, run: Run, progress: bool | str, file: TextIO | streams.Unbreakable | None) -> None:
        from tqdm import tqdm

        super().__init__(run)
        self._screen: _Screen | None = None
        if isinstance(progress, str) and sys.stdout is not None and sys.stdout.isatty():
            protocol = terminal_protocol() if progress == "auto" else progress
            if protocol is None:
                warnings.warn(
                    "this terminal does not say that it shows pictures: name its protocol, kitty, iterm2 or sixel",
                    stacklevel=5,
                )
            else:
                self._screen = _Screen(protocol, sys.stdout)
        self._bar = tqdm(total=run.recipe.steps, initial=len(run.history), unit="step", file=file)

    def show(self, step: Step) -> None:
        rows, columns = step.size
        self._bar.set_postfix_str(f"{columns}x{rows}, loss {step.losses['total']:.3g}", refresh=False)
        self._bar.update()
        if self._screen is not None:
            super().show(step)

    def _draw(self, step: Step | None = None) -> None:
        if self._screen is not None:
            if not self._screen.rows:
                self._bar.clear()
            self._screen.draw(thumbnail(self.run))
            self._bar.refresh()

    def close(self) -> None:
        try:
            if self.run.history:
                self._draw()
        finally:
            self._bar.close()


def terminal_protocol() -> str | None:
    """The protocol for pictures of this terminal, as far as its environment tells.

    Asking the terminal itself would read its answer from the keyboard's stream, and wait where none comes.
    """
    term, program = os.environ.get("TERM", ""), os.environ.get("TERM_PROGRAM", "")
    if "TMUX" in os.environ or term.startswith(("screen", "tmux")):
        return None  # they swallow what they do not know
    if "KITTY_WINDOW_ID" in os.environ or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or os.environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if "sixel" in term or term.split("-")[0] in ("foot", "mlterm", "contour"):
        return "sixel"
    return None


class _Screen:
    """A picture above the cursor's line, drawn over the one before."""

    def __init__(self, protocol: str, stream: TextIO) -> None:
        self.protocol, self.stream = protocol, stream
        self.rows = 0  # as long as nothing is drawn

    def draw(self, picture: Image.Image) -> None:
        out = ""
        if not self.rows:
            self.rows = _rows(picture)
            out += "\n" * self.rows
        out += f"\r\x1b[{self.rows}A\x1b7"  # up, and remember where
        out += {"kitty": kitty, "iterm2": iterm2, "sixel": sixel}[self.protocol](picture, self.rows)
        out += f"\x1b8\x1b[{self.rows}B\r"
        self.stream.write(out)
        self.stream.flush()


def _rows(picture: Image.Image) -> int:
    """Rows of the terminal for a picture; a character is about half as wide as high."""
    columns, rows = shutil.get_terminal_size()
    return max(1, min(ROWS, rows - 3, math.floor((columns - 1) / 2 * picture.height / picture.width)))


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def kitty(picture: Image.Image, rows: int) -> str:
    """kitty's graphics protocol: a PNG in chunks of 4096 characters; the same number replaces the picture before."""
    data = base64.b64encode(_encoded(picture, "PNG")).decode("ascii")
    chunks = [data[i : i + 4096] for i in range(0, len(data), 4096)]
    # q=2: no answer, which would arrive as typed text; C=1: the cursor stays.
    keys = [f"a=T,f=100,q=2,i={os.getpid()},p=1,r={rows},C=1,"] + [""] * (len(chunks) - 1)
    more = ["m=1"] * (len(chunks) - 1) + ["m=0"]
    return "".join(f"\x1b_G{key}{m};{chunk}\x1b\\" for key, m, chunk in zip(keys, more, chunks, strict=True))


def iterm2(picture: Image.Image, rows: int) -> str:
    """iTerm2's inline images."""
    data = _encoded(picture, "JPEG")
    text = base64.b64encode(data).decode("ascii")
    return f"\x1b]1337;File=inline=1;size={len(data)};height={rows};preserveAspectRatio=1:{text}\x07"


def sixel(picture: Image.Image, rows: int) -> str:
    """DEC's sixels: 128 colours, in bands of six rows of pixels, runs shortened."""
    height = max(6, rows * _cell_height() // 6 * 6)
    width = max(1, round(picture.width * height / picture.height))
    small = picture.resize((width, height), Image.Resampling.BICUBIC).quantize(128)
    indices = np.asarray(small)
    palette = np.asarray(small.getpalette(), dtype=int).reshape(-1, 3)[: indices.max() + 1]
    out = [f'\x1bPq"1;1;{width};{height}']
    out += [
        f"#{i};2;{r * 100 // 255};{g * 100 // 255};{b * 100 // 255}" for i, (r, g, b) in enumerate(palette.tolist())
    ]
    bits = (1 << np.arange(6))[:, None]
    for band in indices.reshape(-1, 6, width):
        layers = []
        for colour in np.unique(band).tolist():
            values = ((band == colour) * bits).sum(0) + 63
            starts = np.flatnonzero(np.diff(values, prepend=-1))
            counts = np.diff(starts, append=width).tolist()
            runs = zip(counts, map(chr, values[starts].tolist()), strict=True)
            layers.append(f"#{colour}" + "".join(f"!{n}{c}" if n > 3 else c * n for n, c in runs))
        out.append("$".join(layers) + "-")
    return "".join(out) + "\x1b\\"


def _cell_height() -> int:
    """Pixels from one line of the terminal to the next; 16 where it does not say."""
    try:
        import fcntl
        import struct
        import termios

        rows, _, _, high = struct.unpack("HHHH", fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8)))
        return high // rows or 16
    except (ImportError, OSError, ValueError, ZeroDivisionError):
        return 16
