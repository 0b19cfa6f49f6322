"""How far do the five published systems, `gatys` and `gram` come in the same few minutes?

    python benchmarks/systems.py --minutes 3

runs each from its recipe, at the recipe's own size, on the real weights, for as many of its steps as the minutes allow,
and writes beside this file

    systems.json         what was run, how long it took, the losses at the points where the system logs
    systems.jpg          the pictures, side by side
    systems-losses.png   the loss of each, relative to its first logged value
    systems/             the single pictures, from which the sheet is drawn again

A system that is in systems.json already is not run again: after an interruption, the same command continues.
`--only lbfgs gram` runs those two again.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import target
import torch
from matplotlib.figure import Figure
from torch import Tensor

import styletut as st
from styletut.files import write_atomically

SYSTEMS = ("keras-sgd", "three-losses", "lbfgs", "five-layer", "avgpool", "gatys", "gram")
CHANGES: dict[str, dict[str, Any]] = {"lbfgs": {"network": "vgg19", "weights": "oxford"}}
WHY = {
    "lbfgs": "VGG-19 in place of VGG-16, whose weights need a download",
    "three-losses": "a batch of 8 pairs; the losses are their sum, the first is shown",
}
POINTS = 100  # rows of the log, beside the system's own: enough for a smooth curve

# Okabe and Ito's colours (2008), which people with any kind of colour vision can tell apart.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#000000")


def pairs(name: str, content: str, style: str) -> list[tuple[str, str]]:
    """The pairs a system paints in one go: eight for the one that is about batches, the first as for the others."""
    if name != "three-losses":
        return [(content, style)]
    photographs = [content, *(n for n in st.samples.names("photograph") if n != content)]
    styles = [style, *(n for n in st.samples.names("style") if n != style)]
    return [(photographs[i % len(photographs)], styles[i % len(styles)]) for i in range(8)]


def resized(recipe: st.Recipe, longer: int) -> st.Recipe:
    """The recipe with another longer side; a shape that it fixes stays."""
    if isinstance(recipe.size, tuple):
        rows, columns = (max(1, round(side * longer / max(recipe.size))) for side in recipe.size)
        return recipe.replace(size=(rows, columns))
    return recipe.replace(size=longer, fit="long")


def run(name: str, options: argparse.Namespace) -> tuple[dict[str, Any], Tensor] | None:
    """Run one system; its row for systems.json and its picture, or None if it was interrupted."""
    recipe = st.recipes.get(name).replace(**CHANGES.get(name, {}))
    if options.size is not None:
        recipe = resized(recipe, options.size)
    names = pairs(name, options.content, options.style)
    contents = [st.samples.load(content) for content, _ in names]
    styles = [st.samples.load(style) for _, style in names]
    estimate = st.estimate(contents, styles, recipe, device=options.device)
    share = min(1.0, 60 * options.minutes / estimate.seconds)
    steps = max(1, int(recipe.steps * share))
    rows, columns = estimate.size
    print(f"{name}: {steps} of {recipe.steps} steps at {rows} x {columns}", *filter(None, [WHY.get(name)]), sep=", ")
    result = st.stylize(contents, styles, recipe.replace(steps=steps), device=options.device)
    if result.stopped == "interrupted":
        return None
    log = logged(result, recipe.snapshot_every)
    row = {
        "recipe": name,
        "changes": CHANGES.get(name, {}),
        "note": WHY.get(name, ""),
        "pairs": names,
        "size": [rows, columns],
        "steps": len(result.history),
        "steps_of_recipe": recipe.steps,
        "scales": result.recipe.scales,
        "minutes": options.minutes,
        "evaluations": result.evaluations,
        "seconds": round(result.seconds, 2),
        "seconds_per_evaluation": round(result.seconds / result.evaluations, 4),
        "stopped": result.stopped,
        "losses_first": log[0]["losses"],
        "losses_last": log[-1]["losses"],
        "machine": {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "device": result.device,
            "precision": result.precision,
        },
        "log": log,
    }
    print(f"{name}: {row['seconds']} s, {row['seconds_per_evaluation']} s an evaluation", flush=True)
    return row, result.picture[:1]


def logged(result: st.Result, interval: int) -> list[dict[str, Any]]:
    """Rows of the history where the system itself logs (every ``interval`` steps), and evenly spaced ones between."""
    last = len(result.history) - 1
    kept = {round(i * last / (POINTS - 1)) for i in range(POINTS)}
    kept |= set(range(interval - 1, last + 1, interval)) if interval else set()
    rows = []
    for i in sorted(kept):
        entry = result.history[i]
        losses: dict[str, float] = {}
        for part, value in entry["losses"].items():  # "style/relu1_1" and "style/relu2_1" are both style
            term = part.split("/")[0]
            losses[term] = losses.get(term, 0.0) + value
        rows.append(
            {
                "step": i + 1,
                "scale": entry["scale"],
                "evaluations": entry["evaluations"],
                "seconds": round(entry["seconds"], 2),
                "losses": {term: float(f"{value:.6g}") for term, value in losses.items()},
            }
        )
    return rows


def sheet(rows: list[dict[str, Any]], out: Path) -> None:
    """Draw the pictures of all systems that have been run, after the two that went in."""
    content, style = rows[0]["pairs"][0]
    pictures = [st.samples.load(content), st.samples.load(style)]
    titles = [f"content: {content}", f"style: {style}"]
    for row in rows:
        pictures.append(st.load_image(out / "systems" / f"{row['recipe']}.jpg"))
        steps = f"{row['steps']:,} of {row['steps_of_recipe']:,} steps{', then diverged' if row['stopped'] else ''}"
        titles.append(f"{row['recipe']}, {' x '.join(map(str, row['size']))}\n{steps}, {row['seconds']:.0f} s")
    figure = st.figures.gallery(pictures, titles, columns=3)
    figure.savefig(out / "systems.jpg", dpi=220, pil_kwargs={"quality": 88})


def curves(rows: list[dict[str, Any]], out: Path) -> None:
    """Draw the losses. Each has its own unit and weights, so only the share that is left can be drawn together."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for row in rows:
        log = row["log"]
        share = [entry["losses"]["total"] / log[0]["losses"]["total"] for entry in log]
        look: dict[str, Any] = {"color": COLOURS[SYSTEMS.index(row["recipe"])], "label": row["recipe"]}
        look |= {"marker": "o" if len(log) < 12 else "", "markersize": 3.5, "linewidth": 1.6}
        axes[0].plot([entry["seconds"] for entry in log], share, **look)
        axes[1].plot([entry["evaluations"] for entry in log], share, **look)
    axes[0].set(xlabel="seconds", ylabel="total loss / first logged", yscale="log")
    axes[1].set(xlabel="evaluations of the loss and its gradient", xscale="log")
    for ax in axes:
        ax.grid(color="#dddddd", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.savefig(out / "systems-losses.png", dpi=150)


def main() -> None:
    """Run what is missing, then draw all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0, help="about so long a system (default: 3)")
    parser.add_argument("--only", nargs="+", choices=SYSTEMS, default=[], help="run these, anew")
    sample: dict[str, Any] = {"choices": st.samples.names(), "metavar": "SAMPLE"}
    parser.add_argument("--content", default="cat", help="sample picture (default: cat)", **sample)
    parser.add_argument("--style", default="starry_night", help="sample picture (default: starry_night)", **sample)
    parser.add_argument("--size", type=int, help="longer side, to try the script (keras-sgd diverges if small)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    options = parser.parse_args()
    target.folder(options.out)
    target.folder(options.out / "systems")
    file = options.out / "systems.json"
    done = {row["recipe"]: row for row in json.loads(file.read_text())["runs"]} if file.exists() else {}
    for name in options.only or [name for name in SYSTEMS if name not in done]:
        finished = run(name, options)
        if finished is None:
            print(f"{name} was interrupted: the same command continues from here")
            break
        done[name], picture = finished
        st.save_image(picture, options.out / "systems" / f"{name}.jpg")
        rows = [done[system] for system in SYSTEMS if system in done]
        write_atomically(file, (json.dumps({"runs": rows}, indent=1) + "\n").encode())
    rows = [done[system] for system in SYSTEMS if system in done]
    if rows:
        sheet(rows, options.out)
        curves(rows, options.out)


if __name__ == "__main__":
    main()
