"""The files that the command reads and writes: which are taken, which are refused, and what is said."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import pytest
import torch
from cli_helpers import draw
from PIL import Image

from styletut import images, recipes, samples
from styletut.cli.files import (
    Inputs,
    Output,
    Picture,
    check_checkpoint,
    check_exists,
    check_folder,
    check_output,
    check_snapshots,
    is_folder,
    nearest_folder,
    output_for,
    pictures_in,
    snapshot_folder,
)
from styletut.errors import CheckpointError, ImageError, SampleError

NONE = Inputs([])


def exactly(text: str) -> str:
    """A pattern of a whole message."""
    return f"^{re.escape(text)}$"


def test_a_picture_is_named_after_its_file_or_its_sample() -> None:
    file, sample = Picture("in/a.b.png"), Picture("sample:cat")
    assert (file.sample, file.file_name, file.stem) == (None, "a.b.png", "a.b")
    assert (sample.sample, sample.file_name, sample.stem) == ("cat", "cat", "cat")
    assert Picture("my-sample:cat.png").sample is None


def test_a_sample_is_a_mask_and_a_content_as_a_file_is() -> None:
    cat, recipe = Picture("sample:cat"), recipes.get().replace(size=32, fit="short")
    images.save_image(samples.load("cat"), "cat.png")
    for picture in (cat, Picture("cat.png")):
        assert torch.allclose(picture.mask(), samples.load("cat").mean(1, keepdim=True), atol=0.01)
        content, alpha = picture.load_for(recipe, flatten=True, max_memory=None)
        assert content.shape == (1, 3, 32, 48) and alpha is None
        assert torch.equal(content, picture.load_for(recipe, flatten=False, max_memory=None)[0])
    small = draw("small.png", size=(20, 20))
    for upscale, side in ((True, 32), (False, 20)):
        changed = recipe.replace(upscale=upscale)
        for flatten in (True, False):
            assert Picture(small).load_for(changed, flatten=flatten, max_memory=None)[0].shape[-2:] == (side, side)
    with pytest.raises(ImageError, match="none"):
        Picture("none.png").mask()


def test_memory_is_kept_to_however_a_picture_is_read() -> None:
    Image.new("RGB", (6000, 6000)).save("large.png")
    for read in (
        lambda: Picture("large.png").load(200_000_000),
        lambda: Picture("large.png").load_for(recipes.get(), flatten=True, max_memory=200_000_000),
        lambda: Picture("large.png").load_for(recipes.get(), flatten=False, max_memory=200_000_000),
    ):
        with pytest.raises(ImageError, match="over the 200 MB allowed"):
            read()


def test_only_a_single_word_may_be_a_sample_s_name() -> None:
    for name, hint in (("cat", " (`styletut samples` lists those that come along)"), ("cat.png", ""), ("in/cat", "")):
        with pytest.raises(ImageError) as raised:
            check_exists(name)
        assert str(raised.value) == f"there is no file {name!r}: check the path{hint}"
    check_exists("sample:cat")
    check_exists(".")


def test_a_folder_s_pictures_come_in_the_order_of_their_names() -> None:
    for name in ("c.png", "a.PNG", "b.jpg", "d.bmp", ".hidden.png"):
        os.rename(draw(f"in/x{Path(name).suffix.lower()}"), f"in/{name}")
    Path("in/e.txt").write_text("no picture")
    Path("in/f.pdf").write_text("Pillow only writes these")
    Path("in/g.png").mkdir()
    assert pictures_in("in") == [Picture(f"in/{name}") for name in ("a.PNG", "b.jpg", "c.png", "d.bmp")]
    assert pictures_in("in/e.txt") == [Picture("in/e.txt")] and pictures_in("sample:cat") == [Picture("sample:cat")]
    with pytest.raises(ImageError, match=exactly("there is no picture in the folder 'in/g.png'")):
        pictures_in("in/g.png")
    with pytest.raises(SampleError, match="unknown sample 'dog'"):
        pictures_in("sample:dog")


def test_an_output_is_replaced_where_it_was_there_or_was_to_be() -> None:
    Path("old.png").write_bytes(b"old")
    os.symlink("nowhere", "link.png")
    for name in ("old.png", "link.png"):
        assert output_for(Path(name), "refuse") == Output(Path(name), True)
    assert output_for(Path("new.png"), "refuse") == Output(Path("new.png"), False)
    assert output_for(Path("new.png"), "replace") == Output(Path("new.png"), True)


def test_which_outputs_are_folders_and_where_they_would_be_made() -> None:
    Path("there").mkdir()
    assert [is_folder(name) for name in (None, "new/", "there", "new")] == [True, True, True, False]
    assert nearest_folder(Path("there/new/deep")) == Path("there") == nearest_folder(Path("there"))
    assert nearest_folder(Path("new/deep")) == Path()
    film, output = "film", Path("out/a.png")
    assert snapshot_folder(None, output, True) is None
    assert snapshot_folder(film, output, True) == Path("film/a") and snapshot_folder(film, output, False) == Path(film)


def test_what_cannot_be_an_output_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("folder.png").mkdir()
    os.mkfifo("pipe.png")
    read = draw("read.png")
    for name, says in (
        ("folder.png", "'folder.png' is a folder: give a file's name"),
        ("pipe.png", "'pipe.png' is not a file: choose another name"),
        (read, "'read.png' is one of the files that are read, and they are never replaced: use another name"),
        ("/proc/out.png", "cannot write into the folder '/proc': No such file or directory"),
    ):
        with pytest.raises(ImageError, match=exactly(says)):
            check_output(Path(name), Inputs([None, "none.png", read]))
    with pytest.raises(ImageError, match=exactly("there is no folder 'read.png': create it, or name another")):
        check_folder(Path(read))
    check_output(Path("out.jpg"), NONE)  # in 8 bits
    with pytest.raises(ImageError, match="16"):
        check_output(Path("out.jpg"), NONE, 16)


def test_snapshots_replace_nothing_but_pictures_that_are_called_like_them() -> None:
    Path("film").mkdir()
    for name in ("001.png", "0001.jpg", "a0001.png"):
        draw(f"film/{name}")
    check_snapshots(None, Path("film/0.png"), NONE, None)
    for output in ("film/out.png", "0.png", "film/0a.png"):
        check_snapshots(Path("film"), Path(output), NONE, None)
    for folder, output in (("film", "film/0.png"), (str(Path("film").absolute()), "film/12.png")):
        with pytest.raises(
            ImageError, match=exactly(f"the snapshots would replace '{output}': put them into another folder")
        ):
            check_snapshots(Path(folder), Path(output), NONE, "replace")
    for name in ("12345.png", "0003.png", "0002.png"):
        draw(f"film/{name}")
    says = "the snapshot 'film/0002.png' exists already: add --existing replace, or name another folder"
    for existing in (None, "refuse", "skip"):
        with pytest.raises(ImageError, match=exactly(says)):
            check_snapshots(Path("film"), Path("out.png"), NONE, existing)
    check_snapshots(Path("film"), Path("out.png"), NONE, "replace")
    with pytest.raises(ImageError, match="is one of the files that are read"):
        check_snapshots(Path("film"), Path("out.png"), Inputs(["film/12345.png"]), "replace")
    with pytest.raises(ImageError, match="there is no folder"):
        check_snapshots(Path("film/001.png/new"), Path("out.png"), NONE, None)


def save_run(path: str, *names: str, words: bytes = b"checkpoint_every best_variable", kind: int = 0) -> None:
    """What a saved run looks like from outside."""
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name in names or ("run/data.pkl", "run/version"):
            archive.writestr(name, words * 20)


def test_a_checkpoint_is_a_new_file_or_a_saved_run() -> None:
    save_run("run.pt")
    for name in ("run.pt", "new.pt"):
        for existing in (None, "replace", "skip"):
            check_checkpoint(Path(name), NONE, existing)
    Path("folder.pt").mkdir()
    os.symlink("nowhere", "link.pt")
    save_run("kept.pt")
    os.chmod("kept.pt", 0o555)
    not_a_run = "is not a saved run, and it is not replaced: choose another name"
    for name, existing, says in (
        ("run.png", None, "a run is saved to a file in .pt, not to 'run.png'"),
        ("folder.pt", None, "'folder.pt' is not a file: choose another name"),
        ("run.pt", "refuse", "'run.pt' exists already: choose another name, or go on with it: styletut resume"),
        ("link.pt", "refuse", "'link.pt' exists already: choose another name, or go on with it: styletut resume"),
        ("link.pt", None, f"'link.pt' {not_a_run}"),
        ("kept.pt", None, "'kept.pt' is write-protected: choose another name"),
    ):
        with pytest.raises(CheckpointError, match=exactly(says)):
            check_checkpoint(Path(name), NONE, existing)
    for inputs, name, says in (
        (NONE, "none/run.pt", "there is no folder 'none'"),
        (Inputs(["run.pt"]), "run.pt", "is one"),
    ):
        with pytest.raises(ImageError, match=says):
            check_checkpoint(Path(name), inputs, None)


def changed(path: str, local: int, central: int, value: bytes) -> None:
    """Change what both headers of the first file in an archive say."""
    content = bytearray(Path(path).read_bytes())
    for head, place in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = content.index(head) + place
        content[at : at + len(value)] = value
    Path(path).write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        "no pickle",
        "two pickles",
        "one word",
        "other words",
        "not an archive",
        "encrypted",
        "method",
        "deflated",
        "cut",
        "name",
    ],
)
def test_a_checkpoint_never_replaces_an_archive_that_is_not_a_saved_run(damage: str) -> None:
    """Nor one that is damaged, however: what is in it may be worth a rescue."""
    deflated = zipfile.ZIP_DEFLATED if damage == "deflated" else 0
    names = {"no pickle": ["run/version"], "two pickles": ["a/data.pkl", "b/data.pkl"]}.get(damage, ["run/data.pkl"])
    words = {"one word": b"checkpoint_every", "other words": b"weights"}.get(damage, b"checkpoint_every best_variable")
    save_run("model.pt", *names, words=words, kind=deflated)
    if damage == "not an archive":
        Path("model.pt").write_bytes(b"checkpoint_every best_variable")
    elif damage == "encrypted":
        changed("model.pt", 6, 8, b"\x01")
    elif damage == "method":
        changed("model.pt", 8, 10, b"\x63")
    elif damage == "deflated":
        changed("model.pt", 30 + len(names[0]), 46, b"\xff" * 3)
    elif damage == "cut":
        changed("model.pt", 18, 20, (10**6).to_bytes(4, "little") * 2)
    elif damage == "name":
        changed("model.pt", 6, 8, b"\x00\x08")
        changed("model.pt", 30, 46, b"\xff")
    with pytest.raises(CheckpointError, match="is not a saved run"):
        check_checkpoint(Path("model.pt"), NONE, None)
