"""A real JupyterLab and Notebook on loopback, for the tests that drive them in Chromium."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 120  # seconds: JupyterLab is large, and a machine may be busy
IN_LAB = [
    pytest.mark.browser,
    pytest.mark.timeout(6 * PATIENCE),
    pytest.mark.skipif(importlib.util.find_spec("notebook") is None, reason="no JupyterLab: pip install notebook"),
]
"""What marks the tests that need it."""


@contextmanager
def serving(folder: Path, home: Path) -> Iterator[str]:
    """The address of a server for JupyterLab (/lab) and Notebook (/notebooks), whose settings are in ``home``."""
    settings = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page
    }
    for name, values in settings.items():
        path = home / "config" / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    environment = dict(os.environ)
    environment |= {f"JUPYTER_{kind.upper()}_DIR": str(home / kind) for kind in ("config", "data", "runtime")}
    environment |= {"IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",  # reachable from this machine only, for the time of the test
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
    ]
    with (
        (home / "log.txt").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "notebook", *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            address, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None and time.monotonic() < end, (home / "log.txt").read_text()
                try:
                    urllib.request.urlopen(f"{address}/api/status", timeout=10).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield address
        finally:
            process.terminate()
