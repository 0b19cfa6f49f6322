"""The scripts look at where they shall write before they measure for minutes, and keep each row as it comes."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import check_notebooks
import pytest
import run_notebooks
import styletut_book

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
WRITE = ("candidates", "compare", "convergence", "systems")


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module(name)


@pytest.mark.parametrize("name", WRITE)
def test_an_impossible_target_is_refused_before_anything_is_measured(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(sys, "argv", [name, "--out", str(tmp_path / "file" / "out")])
    with pytest.raises(SystemExit, match=r"^cannot write to .*out: .*; nothing was measured$"):
        script(name, monkeypatch).main()
    assert (tmp_path / "file").read_text() == "in the way"


def test_no_script_writes_without_asking_for_a_target() -> None:
    others = {path.stem for path in BENCHMARKS.glob("*.py")} - {*WRITE, "target"}
    assert others == {"activations", "memory"}  # print each row
    assert not any("write" in (BENCHMARKS / f"{name}.py").read_text() for name in others)


def test_a_target_that_is_missing_is_made_and_each_row_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = script("compare", monkeypatch)
    out, sizes = tmp_path / "new" / "out", []

    def child(*words: str) -> dict[str, int]:
        sizes.append(words[-1])
        if len(sizes) == 3:
            raise KeyboardInterrupt
        return {"seconds": len(sizes)}

    monkeypatch.setattr(compare, "child", child)
    monkeypatch.setattr(sys, "argv", ["compare", "--only", "speed", "--sizes", "1", "2", "3", "--out", str(out)])
    with pytest.raises(KeyboardInterrupt):
        compare.main()
    assert json.loads((out / "compare.json").read_text())["speed"] == {"1": {"seconds": 1}, "2": {"seconds": 2}}


@pytest.mark.parametrize("tool", [run_notebooks, check_notebooks], ids=lambda tool: tool.__name__)
def test_a_notebook_that_is_not_there_is_named_before_any_is_executed(tool: Any, tmp_path: Path) -> None:
    here = tmp_path / "here.ipynb"
    here.write_text("{}")  # no notebook: executing it would fail otherwise
    with pytest.raises(SystemExit, match=r"absent\.ipynb.*nothing was"):
        tool.main([str(here), str(tmp_path / "absent.ipynb")])


def test_a_vendored_file_that_was_changed_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "html-manager.zip"
    changed.write_bytes(styletut_book.HTML_MANAGER.read_bytes() + b"\0")
    monkeypatch.setattr(styletut_book, "HTML_MANAGER", changed)
    monkeypatch.setattr(styletut_book, "MATHJAX_PARTS", ())

    class Application:
        outdir = tmp_path
        builder = type("Builder", (), {"format": "html"})

    application: Any = Application()
    with pytest.raises(ValueError, match="is not the file that was vendored"):
        styletut_book.add_offline_scripts(application, None)
    assert not (tmp_path / "_static").exists()
    monkeypatch.undo()
    monkeypatch.setattr(styletut_book, "MATHJAX_PARTS", ())
    styletut_book.add_offline_scripts(application, None)
    assert (tmp_path / "_static" / "html-manager").is_dir()
