"""The command that opens the studio in a browser: a local server with a notebook that holds nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ..errors import StyletutError
from .files import Picture, check_exists
from .parser import Parser
from .printing import notice, report

FRONTS = {"voila": "voila/render/{}", "jupyterlab": "doc/tree/{}", "notebook": "notebooks/{}"}
"""The packages that can show a notebook, the best first, and the address of a notebook in each."""

PATIENCE = 10  # seconds that the server has to end

_EXAMPLES = """\
PHOTO and PAINTING are picture files or sample:NAME; what is not given is chosen
in the studio. Pictures are saved where the command was started. With voila the
studio opens as an app; in JupyterLab or Notebook, run its cell: Shift+Enter.
The server listens on this machine only and asks for the token that is in its
address. Ctrl-C ends it, and the studio.

examples:
  styletut studio
  styletut studio photo.jpg painting.jpg --recipe draft
  print the address, for a browser of your choice:
    styletut studio --no-browser
"""


def studio_command(argv: list[str]) -> int:
    """The command ``styletut studio``."""
    parser = Parser(
        "styletut studio",
        "Open the studio in a browser: choose, paint, steer and compare.",
        _EXAMPLES,
        usage="styletut studio [options] [PHOTO] [PAINTING]",
    )
    parser.add_argument("photo", nargs="?", metavar="PHOTO", help="the photograph")
    parser.add_argument("painting", nargs="?", metavar="PAINTING", help="the painting")
    parser.add_argument("-r", "--recipe", default="fast", help="the name of the recipe to begin with (default: fast)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: the best there is)")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    parser.add_argument("--port", type=int, default=0, help="of the server (default: one that is free)")
    args = parser.parse(argv)
    given = [name for name in (args.photo, args.painting) if name is not None]
    for name in given:
        check_exists(name)
        _check_picture(name)
    from .. import recipes, transfer

    recipes.get(args.recipe)
    transfer.pick_device(args.device)
    front = _front()
    with tempfile.TemporaryDirectory(prefix="styletut-studio-") as folder:  # for this user's eyes only
        code = studio_code(args.photo, args.painting, args.recipe, args.device)
        home = Path(folder) / "studio"  # all that the browser can see
        home.mkdir()
        write_notebook(home / "studio.ipynb", code, hint=front != "voila")
        return _serve(front, Path(folder), args)


def _check_picture(name: str) -> None:
    """Refuse what cannot be read now, not in the browser.

    Raises:
        ImageError: it is no picture.
    """
    if Path(name).is_dir():
        raise StyletutError(f"{name!r} is a folder: name a picture in it")
    Picture(name).load()


def _front() -> str:
    """The best of `FRONTS` that is installed.

    Raises:
        StyletutError: there is none, or what the studio itself needs is missing.
    """
    install = 'pip install "styletut[notebook]" voila'
    if importlib.util.find_spec("ipywidgets") is None or importlib.util.find_spec("ipykernel") is None:
        raise StyletutError(f"the studio needs ipywidgets and ipykernel: {install}")
    found = [name for name in FRONTS if importlib.util.find_spec(name) is not None]
    if not found or importlib.util.find_spec("jupyter_server") is None:
        raise StyletutError(f"the studio needs voila, JupyterLab or Notebook to be shown in: {install}")
    return found[0]


def studio_code(photo: str | None, painting: str | None, recipe: str, device: str) -> str:
    """What shows a studio of these pictures, which saves into the current folder."""
    words = [_source(photo), _source(painting), repr(recipe), f"folder={str(Path.cwd())!r}", f"device={device!r}"]
    return f"import styletut as st\n\nst.Studio({', '.join(words)})"


def write_notebook(path: Path, code: str, *, hint: bool) -> None:
    """A notebook with one cell of code, and a hint at how it is run where it does not run by itself."""
    text = "# Studio\n\nRun the cell below: click on it, then press Shift+Enter."
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": "about", "metadata": {}, "source": text if hint else ""},
        {"cell_type": "code", "id": "studio", "metadata": {}, "source": code, "outputs": [], "execution_count": None},
    ]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": about, "cells": cells}
    path.write_text(json.dumps(notebook), encoding="utf-8")


def _source(name: str | None) -> str:
    """A picture as the notebook calls it, which runs in another folder."""
    if name is None or Picture(name).sample is not None:
        return repr(name)
    return repr(str(Path(name).resolve()))


def _serve(front: str, folder: Path, args: Any) -> int:
    """Run the server until it ends, or Ctrl-C ends it."""
    token, port = secrets.token_urlsafe(24), args.port or _free_port()
    place = FRONTS[front].format("studio.ipynb")
    settings = {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "root_dir": str(folder / "studio"),
            "default_url": f"/{place}",
            "open_browser": not args.no_browser,
            "allow_remote_access": False,
            "log_level": "ERROR",
            "jpserver_extensions": {"voila.server_extension": True} if front == "voila" else {},
            "tornado_settings": {"websocket_max_message_size": 500_000_000},  # photographs are uploaded by it
        },
        "IdentityProvider": {"token": token},
        "PasswordIdentityProvider": {"hashed_password": "", "password_required": False},
    }
    # In a file, because everybody on the machine may see a command's arguments.
    (folder / "server.json").write_text(json.dumps(settings), encoding="utf-8")
    module = {"voila": "jupyter_server"}.get(front, front)
    command = [sys.executable, "-m", module, f"--config={folder / 'server.json'}"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        command.append("--allow-root")
    report(f"the studio is at http://127.0.0.1:{port}/{place}?token={token}")
    # A session of its own: Ctrl-C is for this command alone, Jupyter would ask back.
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            code = server.wait()
        except KeyboardInterrupt:
            notice("the studio is closed")
            return 0
        finally:
            _end(server)
    if code:
        raise StyletutError(f"the server ended by itself (exit code {code}): is port {port} taken?")
    return 0


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server, also one that hangs while it shuts down its kernel."""
    server.terminate()
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
