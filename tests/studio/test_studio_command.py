"""The command that opens the studio: what it writes, whom it lets in, and how it ends. No browser is opened."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import pytest

import styletut as st
from styletut.cli import main, studio


class Server:
    """Stands for the server's process, and looks at what it would be started with."""

    code = 0
    hangs = False
    ended: ClassVar[list[str]] = []

    def __init__(self, command: list[str], cwd: Path, **options: Any) -> None:
        type(self).command, type(self).folder, type(self).options = command, cwd, options
        type(self).settings = json.loads((cwd / "server.json").read_text())
        type(self).notebook = nbformat.read(cwd / "studio" / "studio.ipynb", as_version=4)
        type(self).mode = stat.S_IMODE(cwd.stat().st_mode)

    command: list[str]
    folder: Path
    options: dict[str, Any]
    settings: dict[str, Any]
    notebook: Any
    mode: int

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None: ...

    def wait(self, timeout: float | None = None) -> int:
        if timeout is not None and self.hangs:
            raise subprocess.TimeoutExpired("", timeout)
        if timeout is None and self.code == 130:
            raise KeyboardInterrupt
        return self.code

    def terminate(self) -> None:
        self.ended.append("terminate")

    def kill(self) -> None:
        self.ended.append("kill")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Server]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(studio.subprocess, "Popen", Server)
    monkeypatch.setattr(Server, "code", 130)
    return Server


def with_packages(monkeypatch: pytest.MonkeyPatch, *installed: str) -> None:
    found = {"ipywidgets", "ipykernel", "jupyter_server", *installed}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in found else None)


@pytest.mark.parametrize(
    ("installed", "module", "address"),
    [
        (("voila", "jupyterlab"), "jupyter_server", "voila/render/studio.ipynb"),
        (("jupyterlab", "notebook"), "jupyterlab", "doc/tree/studio.ipynb"),
        (("notebook",), "notebook", "notebooks/studio.ipynb"),
    ],
)
def test_the_studio_is_served_on_loopback_with_a_token(
    installed: tuple[str, ...],
    module: str,
    address: str,
    server: type[Server],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_packages(monkeypatch, *installed)
    assert main(["studio"]) == 0
    found = re.fullmatch(r"the studio is at (http://127\.0\.0\.1:(\d+)/(\S+)\?token=(\S+))\n", capsys.readouterr().out)
    assert found and found[3] == address and len(found[4]) >= 32
    own, token = server.settings["ServerApp"], server.settings["IdentityProvider"]["token"]
    assert (own["ip"], own["port"], own["allow_remote_access"]) == ("127.0.0.1", int(found[2]), False)
    assert own["root_dir"] == str(server.folder / "studio")  # the browser does not see the token's file
    assert own["default_url"] == f"/{address}" and own["open_browser"] is True and token == found[4]
    assert server.command[:3] == [sys.executable, "-m", module]
    assert not any(token in word for word in server.command)
    assert own["tornado_settings"]["websocket_max_message_size"] >= 100_000_000  # a photograph is one message
    assert bool(own["jpserver_extensions"]) == (module == "jupyter_server")
    assert server.options["stdin"] == subprocess.DEVNULL and not server.folder.exists()
    if sys.platform != "win32":
        assert server.mode == 0o700


def test_the_notebook_shows_a_studio_of_what_was_given(
    server: type[Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_packages(monkeypatch, "jupyterlab")
    st.save_image(st.samples.load("cat", 32), tmp_path / "it's me.png")
    assert main(["studio", "it's me.png", "sample:waves", "--recipe", "draft", "--no-browser"]) == 0
    nbformat.validate(server.notebook)
    code = server.notebook.cells[-1].source
    made: list[Any] = []
    monkeypatch.setattr(st, "Studio", lambda *args, **options: made.append((args, options)), raising=False)
    exec(code, {})
    assert made == [
        ((str(tmp_path / "it's me.png"), "sample:waves", "draft"), {"folder": str(tmp_path), "device": "auto"})
    ]
    assert server.settings["ServerApp"]["open_browser"] is False


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["missing.png"], "there is no file 'missing.png'"),
        (["sample:cta"], "did you mean 'cat'"),
        (["."], "is a folder"),
        (["words.png"], "words.png"),
        (["--recipe", "fats"], "did you mean 'fast'"),
        (["--device", "gpu9"], "unknown device"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_opened(
    words: list[str], line: str, server: type[Server], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "words.png").write_text("words")
    server.command = []
    assert main(["studio", *words]) == 1
    said = capsys.readouterr()
    assert line in said.err and said.err.count("\n") == 1 and said.out == "" and server.command == []


@pytest.mark.parametrize("missing", ["all", "ipywidgets"])
def test_without_a_front_end_one_line_says_what_to_install(
    missing: str, server: type[Server], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"ipywidgets", "ipykernel", "jupyter_server"} if missing == "all" else {"jupyterlab", "jupyter_server"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in found else None)
    assert main(["studio"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and 'pip install "styletut[notebook]" voila' in said


def test_a_server_that_ends_by_itself_is_said(
    server: type[Server], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_packages(monkeypatch, "jupyterlab")
    monkeypatch.setattr(server, "code", 1)
    assert main(["studio", "--port", "9"]) == 1
    assert "is port 9 taken?" in capsys.readouterr().err


@pytest.mark.parametrize("hangs", [False, True])
def test_ctrl_c_ends_the_server_also_one_that_hangs(
    hangs: bool, server: type[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_packages(monkeypatch, "jupyterlab")
    monkeypatch.setattr(server, "hangs", hangs)
    monkeypatch.setattr(server, "ended", [])
    assert main(["studio"]) == 0
    assert server.ended == (["terminate", "kill"] if hangs else ["terminate"])


def test_its_help_says_what_it_opens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", "--help"]) == 0
    text = capsys.readouterr().out
    assert "voila" in text and "Shift+Enter" in text and "--recipe" in text
    assert main(["--help"]) == 0
    assert "styletut studio [PHOTO] [PAINTING]" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jupyterlab") is None, reason="no JupyterLab: pip install notebook")
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_a_real_server_lets_in_only_who_has_the_token_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "styletut", "studio", "sample:cat", "--no-browser"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            assert running.stdout is not None and running.stderr is not None
            address = running.stdout.readline().removeprefix("the studio is at ").strip()
            base, _, token = re.match(r"(http://[^/]+/)(.*)\?token=(.*)", address).groups()  # type: ignore[union-attr]
            _wait_for(f"{base}api/status?token={token}", running)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{base}api/contents", timeout=60)
            assert refused.value.code == 403
            with urllib.request.urlopen(f"{base}api/contents/studio.ipynb?token={token}", timeout=60) as answer:
                notebook = json.load(answer)
            with urllib.request.urlopen(f"{base}api/contents?token={token}", timeout=60) as answer:
                assert [each["name"] for each in json.load(answer)["content"]] == ["studio.ipynb"]
            assert "st.Studio('sample:cat'" in notebook["content"]["cells"][-1]["source"]
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=120) == 0
            assert "the studio is closed" in running.stderr.read()
        finally:
            running.terminate()  # and with it the server


def _wait_for(address: str, running: subprocess.Popen[str]) -> None:
    import time

    end = time.monotonic() + 200
    while True:
        assert running.poll() is None and time.monotonic() < end
        try:
            urllib.request.urlopen(address, timeout=60).close()
            return
        except urllib.error.URLError:
            time.sleep(0.5)
