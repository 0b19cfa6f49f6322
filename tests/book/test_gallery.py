"""The gallery: every pair, painted by today's `fast`; the page that shows them and the tool that paints them."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import gallery as tool
import pytest
import styletut_gallery
import torch
from PIL import Image

import styletut as st
from styletut.cli.manifest import read_manifest
from styletut.cli.parser import painting_parser
from styletut.cli.recipe import recipe_from

SHOWN = Path(__file__).parents[2] / "book" / "gallery"
STORED = json.loads((SHOWN / "gallery.json").read_text(encoding="utf-8"))
STYLES = tuple(dict.fromkeys(row["style"] for row in STORED["pictures"]))
PAIRS, SHOWN_PAIRS = (
    [(photograph, style) for style in styles for photograph in st.samples.names("photograph")]
    for styles in (st.samples.names("style"), STYLES)
)
DRAWN = [name for name in st.samples.names("style") if st.samples.info(name).drawn]


def test_every_photograph_is_there_in_every_style() -> None:
    assert st.samples.names("style") == STYLES


def test_a_style_is_there_with_every_photograph() -> None:
    assert [(row["photograph"], row["style"]) for row in STORED["pictures"]] == SHOWN_PAIRS


def test_the_pictures_were_painted_by_the_recipe_fast_as_it_is_today() -> None:
    assert tool.is_todays(STORED["recipe"]), "`fast` has changed: run tools/gallery.py"
    assert tool.is_todays(STORED["larger"], **tool.LARGER), "`fine` has changed: run tools/gallery.py"


def test_the_cover_has_its_photograph_in_every_style() -> None:
    assert [(row["photograph"], row["style"]) for row in STORED["cover"]] == [
        (tool.COVER, style) for style in STYLES if style != tool.WHOLE
    ]


@pytest.mark.parametrize("row", STORED["pictures"] + STORED["cover"], ids=lambda row: row["file"])
def test_a_picture_is_what_is_said_of_it(row: dict[str, Any]) -> None:
    """By its own manifest, and by its pixels."""
    path, recipe = SHOWN / row["file"], STORED["larger" if row in STORED["cover"] else "recipe"]
    with Image.open(path) as picture:
        side = recipe["size"] if recipe["upscale"] else max(st.samples.load(row["photograph"], recipe["size"]).shape)
        assert picture.size[::-1] == tuple(row["size"]) and max(picture.size) == side
    made = read_manifest(str(path))
    assert made["recipe"] == recipe and made["stopped"] is None
    assert {name: made[name] for name in tool.FACTS} == {name: row[name] for name in tool.FACTS}


def test_the_edges_are_as_colourful_as_what_is_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """On average over all pairs; without `fast`'s margin the top was 1.29."""
    monkeypatch.syspath_prepend(str(SHOWN.parents[1] / "benchmarks"))
    edges = importlib.import_module("margins").edges
    found = torch.tensor([edges(st.load_image(SHOWN / row["file"])) for row in STORED["pictures"]])
    assert found.mean(dim=0).min() > 0.95 and found.mean(dim=0).max() < 1.1


def test_the_folder_has_these_pictures_alone_and_is_light() -> None:
    files = {path.name: path.stat().st_size for path in SHOWN.iterdir()}
    cover = {row["file"]: files.pop(row["file"]) for row in STORED["cover"]}
    pictures = {f"{name}.webp" for name in DRAWN} | {row["file"] for row in STORED["pictures"]}
    assert files.keys() == pictures | {"gallery.json"}
    assert max(files.values()) < 150_000 and sum(files.values()) < 4_000_000
    assert max(cover.values()) < 500_000 and sum(cover.values()) < 4_000_000


def test_the_page_shows_all_of_it_with_sizes_and_words(built: Any) -> None:
    page, _, warnings = built("```{every-pair}\n```")
    assert warnings == ""
    pictures = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall("<img[^>]*>", page)]
    assert len(pictures) == len(SHOWN_PAIRS) + len(STYLES) + len(st.samples.names("photograph"))
    assert len({picture["alt"] for picture in pictures}) == len(pictures)
    assert "Chelsea the cat, painted after The Starry Night" in {picture["alt"] for picture in pictures}
    assert {picture["loading"] for picture in pictures} == {"lazy"}
    assert page.index("sample:waves") < page.index("cat-waves.webp") < page.index("cameraman-waves.webp")
    for picture in pictures:
        assert f'href="{picture["src"]}"' in page
        assert int(picture["width"]) > 200 and int(picture["height"]) > 200
    photographs = st.samples.names("photograph")
    told = dict.fromkeys(photographs, 1 + len(STYLES)) | dict.fromkeys(STYLES, 2 + len(photographs))
    for name, times in told.items():
        assert page.count(styletut_gallery.credit(st.samples.info(name))) == times
    for sample in map(st.samples.info, set(st.samples.names("style")).difference(STYLES)):
        assert sample.title in page.partition("Not painted yet: ")[2].partition("</p>")[0]


def test_a_pair_that_is_not_painted_is_an_error(built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gallery.json").write_text(json.dumps(STORED | {"pictures": STORED["pictures"][:-1]}))
    monkeypatch.setattr(styletut_gallery, "GALLERY", tmp_path)
    _, _, warnings = built("```{every-pair}\n```")
    assert f"cameraman in the style of {STYLES[-1]} is not painted" in warnings and "index.md:3" in warnings


COVER = """```{cover} cat
:style: starry_night
:picture: hero.png
:alt: A cat in a starry night
```"""


def test_a_cover_is_a_divider_with_a_choice_of_styles_and_loads_the_first_alone(built: Any, tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "hero.png")
    page, other, warnings = built(COVER)
    assert warnings == ""
    assert "cover.js" in page and "cover.js" not in other
    first, *others = re.findall(r'<label><input type="radio" name="cover-style" value="(\w+)"([^>]*)>', page)
    assert (first[0], *(name for name, _ in others)) == (
        "starry_night",
        *(name for name in STYLES if name != "starry_night"),
    )
    assert " checked" in first[1] and not any(" checked" in rest for _, rest in others)
    for name, rest in (first, *others):
        about = dict(re.findall(r'([\w-]+)="([^"]*)"', rest))
        assert about["data-picture"] == (
            "_images/hero.png" if name == "starry_night" else f"_images/cat-{name}-large.webp"
        )
        assert (tmp_path / "html" / about["data-picture"]).is_file()
        after = f"Chelsea the cat, painted after {st.samples.info(name).title}"
        assert about["data-alt"] == ("A cat in a starry night" if name == "starry_night" else after)
    pictures = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall("<img[^>]*>", page)]
    assert [(each["src"], each["alt"]) for each in pictures if not each["src"].startswith("data:")] == [
        ("_images/cat.jpg", "Chelsea the cat"),
        ("_images/hero.png", "A cat in a starry night"),
    ]
    thumbs = [each for each in pictures if each["src"].startswith("data:")]
    assert len(thumbs) == len(STYLES) and max(len(each["src"]) for each in thumbs) < 15_000
    assert all(each["alt"] for each in thumbs)


def test_a_cover_in_a_style_that_is_not_painted_is_an_error(
    built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "hero.png")
    without = [row for row in STORED["cover"] if row["style"] != "dots"]
    (tmp_path / "gallery.json").write_text(json.dumps(STORED | {"cover": without}))
    monkeypatch.setattr(styletut_gallery, "GALLERY", tmp_path)
    assert "cat in the style of dots is not painted" in built(COVER)[2]


@pytest.mark.parametrize(("photograph", "style"), PAIRS[::7])
def test_what_a_caption_says_paints_that_pair_by_fast(
    photograph: str, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, call = styletut_gallery.calls(photograph, style)
    program, *words = shlex.split(command)
    asked = painting_parser(describe=False).parse(words)
    assert program == "styletut" and asked.pictures == [f"sample:{photograph}", f"sample:{style}"]
    assert recipe_from(asked) == st.recipes.get("fast") == st.recipes.get()
    given: list[Any] = []
    monkeypatch.setattr(st, "stylize", lambda *pictures, **options: given.append((pictures, options)))
    eval(call, {"st": st})
    (((content, painting), options),) = given
    assert options == {} and content.equal(st.samples.load(photograph)) and painting.equal(st.samples.load(style))


# --- the tool ----------------------------------------------------------------------------------------------


@pytest.fixture
def painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tool with folders of its own, that keeps grey pictures; which it has painted."""
    names: list[str] = []

    def paint(photograph: str, style: str, **changes: Any) -> None:
        names.append(name := tool.name_of(photograph, style, changes))
        grey = st.samples.load(photograph, 16) * 0 + 0.5
        made = dict.fromkeys(tool.FACTS, 1) | {
            "recipe": tool.recipe(**changes),
            "losses": {"total": 0.5},
            "stopped": None,
        }
        metadata = {st.transfer.METADATA_KEY: json.dumps(made)}
        tool.KEPT.mkdir(exist_ok=True)
        st.save_image(grey, tool.KEPT / f"{name}.png", metadata=metadata)

    monkeypatch.setattr(tool, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(tool, "SHOWN", tmp_path / "shown")
    monkeypatch.setattr(tool, "paint", paint)
    return names


def test_the_tool_paints_what_is_missing_and_writes_the_styles_that_are_whole(painted: list[str]) -> None:
    every = [f"{photograph}-{style}" for photograph, style in PAIRS]
    cover = [f"cat-{style}-large" for style in st.samples.names("style") if style != "starry_night"]
    tool.paint("cat", "dots")
    assert tool.main(["waves"]) == 0
    assert painted[1:] == in_tables() == [*(name for name in every if "waves" in name), "cat-waves-large"]
    assert tool.main([]) == 0
    assert sorted(painted) == sorted(every + cover) and in_tables() == every + cover
    assert len(list(tool.SHOWN.glob("*.webp"))) == len(every + cover) + len(DRAWN)


def in_tables() -> list[str]:
    """The pictures that the tool has written."""
    stored = json.loads((tool.SHOWN / "gallery.json").read_text())
    return [row["file"].removesuffix(".webp") for row in stored["pictures"] + stored["cover"]]


def test_the_tool_paints_again_what_another_fast_has_painted(
    painted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.main(["waves"])
    monkeypatch.setattr(tool, "recipe", lambda **changes: {"name": "fast", "content_weight": 0.5})
    tool.main(["waves"])
    assert len(painted) == 10


def test_a_picture_that_is_shown_need_not_be_painted_again(painted: list[str]) -> None:
    """In a fresh clone nothing is kept; a field that is younger than the picture has its default."""
    tool.main(["waves"])
    for path in tool.KEPT.iterdir():
        path.unlink()
    before = json.loads((tool.SHOWN / "gallery.json").read_text())
    assert tool.main(["waves"]) == 0
    assert len(painted) == 5 and json.loads((tool.SHOWN / "gallery.json").read_text()) == before
    older = {name: value for name, value in tool.recipe().items() if name != "averaging"}
    assert tool.is_todays(older) and not tool.is_todays(older | {"averaging": 0.5})
    assert not tool.is_todays(older | {"no such field": 1}) and not tool.is_todays(older, seed=3)


def test_a_picture_that_is_interrupted_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped:
        stopped = "interrupted"

    monkeypatch.setattr(tool, "KEPT", tmp_path)
    monkeypatch.setattr(st, "stylize", lambda *pictures, **options: Stopped())
    with pytest.raises(KeyboardInterrupt):
        tool.paint("cat", "waves")
    assert list(tmp_path.iterdir()) == []
