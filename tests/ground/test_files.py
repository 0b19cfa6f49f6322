"""Promises of ``styletut.files``: the old file or the whole new one, whatever happens meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from styletut import files
from styletut.files import atomic_file, write_atomically

WRITE_AND_WAIT = """
import sys
from styletut.files import atomic_file
with atomic_file(sys.argv[1]) as stream:
    stream.write(b"new")
    stream.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def writer(path: Path) -> subprocess.Popen[bytes]:
    """A process that is in the middle of writing."""
    root = str(Path(files.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root}
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None and process.stdout.readline().strip() == b"written"
    return process


def test_a_file_is_streamed_and_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with atomic_file(path) as stream:
        for _ in range(3):
            stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"newnewnew" and names(tmp_path) == ["x"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("no")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(type(failure)), atomic_file(path) as stream:
        stream.write(b"new")
        raise failure
    assert path.read_bytes() == b"old" and names(tmp_path) == ["x"]


def test_what_a_killed_process_leaves_is_removed_by_the_next_that_writes_the_same_file(tmp_path: Path) -> None:
    path, other = tmp_path / "x.png", tmp_path / "other.png"
    path.write_bytes(b"old")
    for target in (path, other):
        process = writer(target)
        process.kill()
        process.communicate()
    assert path.read_bytes() == b"old" and len(names(tmp_path)) == 3, "the two temporary files of the killed"
    write_atomically(path, b"new")
    assert len(names(tmp_path)) == 2, "that of the other target stays"
    write_atomically(other, b"new")
    assert names(tmp_path) == ["other.png", "x.png"]


def test_what_a_living_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    process = writer(path)
    write_atomically(path, b"quicker")
    assert path.read_bytes() == b"quicker"
    process.communicate()  # end of its input: it finishes
    assert process.returncode == 0 and path.read_bytes() == b"new" and names(tmp_path) == ["x.png"]


def test_two_writers_in_one_process_do_not_remove_each_others_files(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with atomic_file(path) as first:
        first.write(b"first")
        write_atomically(path, b"second")
    assert path.read_bytes() == b"first" and names(tmp_path) == ["x"]


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced_where_that_was_asked(
    tmp_path: Path, hard_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    if not hard_links:  # as on FAT and some network drives
        monkeypatch.setattr(os, "link", unsupported)
    path = tmp_path / "x"
    with pytest.raises(FileExistsError), atomic_file(path, overwrite=False) as stream:
        stream.write(b"new")
        path.write_bytes(b"appeared")
    assert path.read_bytes() == b"appeared"
    with pytest.raises(FileExistsError), atomic_file(path, overwrite=False) as stream:
        raise AssertionError("the block must not even begin")
    assert names(tmp_path) == ["x"]
    path.unlink()
    write_atomically(path, b"new", overwrite=False)
    assert path.read_bytes() == b"new" and names(tmp_path) == ["x"]


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
def test_a_link_never_leads_to_another_file_being_overwritten(tmp_path: Path) -> None:
    precious, link = tmp_path / "precious", tmp_path / "link"
    precious.write_bytes(b"mine")
    link.symlink_to(precious)
    write_atomically(link, b"new")
    assert precious.read_bytes() == b"mine" and link.read_bytes() == b"new" and not link.is_symlink()


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    name = "x" * 255
    write_atomically(tmp_path / name, b"new")
    assert names(tmp_path) == [name]
