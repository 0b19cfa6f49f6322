"""Several processes, one picture: the same as one process makes."""

from __future__ import annotations

import math
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import styletut as st
from styletut import distributed, objective, recipes, vgg
from styletut.control.masks import Masks
from styletut.errors import DeviceError
from styletut.losses import STYLE_LOSSES

SCRIPT = """
import sys, torch
import styletut as st
import test_distributed as here
torch.set_num_threads(1)
with st.distributed.processes() as (rank, workers):
    torch.save(here.everything(shared=True), f"{sys.argv[1]}/{rank}.pt")
"""

SIZES = [(64, 48), (101, 83), (24, 40)]  # the last cannot be cut
# Tile and style loss: each statistic that adds up must do so over processes too.
GOALS = [(None, "relative"), (32, "relative"), (None, "mean-std"), (None, "mean-covariance"), (32, "wasserstein")]
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "learning_rate": 1.0},
    "adam": {"optimizer": "adam", "learning_rate": 0.02},
    "lbfgs": {"optimizer": "lbfgs", "memory": 5},
    "decorrelated": {"optimizer": "lbfgs", "memory": 5, "decorrelation": 0.5},
    "recoloured": {"optimizer": "adam", "learning_rate": 0.02, "colour": "covariance", "colour_when": "both"},
}


def everything(shared: bool) -> dict[str, Any]:
    """Gradients of the objective and pictures of whole runs, by all processes together or by one."""
    weights = vgg.random_weights(width=0.1)
    recipe = recipes.get("gram").replace(weights=weights, size=None, precision="float64", tv_weight=0.3)
    found: dict[str, Any] = {}
    for size in SIZES:
        generator = torch.Generator().manual_seed(1)
        photo, painting, picture = (torch.rand(1, 3, *size, generator=generator, dtype=torch.float64) for _ in range(3))
        network = vgg.VGG(recipe.layers, weights=weights).double()
        for tile, style_loss in GOALS:
            whole = objective.build(photo, painting, recipe.replace(style_loss=style_loss), network=network)
            goal = distributed.SharedObjective(network, whole.terms, tile) if shared else whole
            picture.requires_grad_(True)
            losses = goal(picture)
            (gradient,) = torch.autograd.grad(losses["total"], picture)
            parts = {name: loss.detach() for name, loss in losses.items()} | {"gradient": gradient}
            found[f"{size} {tile} {style_loss}"] = parts
        for name, options in OPTIMIZERS.items():
            changes = options | {"scales": ((0.5, 3), (1.0, 3))}
            result = st.stylize(photo, painting, recipe, shared=shared, progress=False, device="cpu", **changes)
            found[f"{size} {name}"] = {"picture": result.picture, "loss": result.history[-1]["losses"]["total"]}
    return found


def run_together(*command: str, count: int = 2, cwd: Path | None = None) -> list[subprocess.CompletedProcess[str]]:
    """Start processes as torchrun does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
    running = [
        subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank), "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
        )
        for rank in range(count)
    ]
    done = []
    for process in running:
        out, errors = process.communicate(timeout=300)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, out, errors))
    return done


@pytest.mark.numerical
def test_two_processes_make_the_picture_of_one(tmp_path: Path) -> None:
    for process in run_together("-c", SCRIPT, str(tmp_path)):
        assert process.returncode == 0, process.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    alone = everything(shared=False)
    assert set(first) == set(second) == set(alone)
    for case, wanted in alone.items():
        for part, value in wanted.items():
            assert torch.equal(torch.as_tensor(first[case][part]), torch.as_tensor(second[case][part])), (case, part)
            # Runs add up the rounding of six steps, and end in float32.
            torch.testing.assert_close(
                torch.as_tensor(first[case][part]), torch.as_tensor(value), rtol=1e-6, atol=1e-6, msg=f"{case} {part}"
            )
    for size in SIZES:
        for tile, style_loss in GOALS:
            a, b = (results[f"{size} {tile} {style_loss}"]["gradient"] for results in (first, alone))
            assert float((a - b).norm() / b.norm()) < (1e-10 if style_loss == "relative" else 1e-8)


def with_padding(shared: bool) -> dict[str, Tensor]:
    """Gradients with every padding, and pictures of runs, by all processes together or by one."""
    weights, size = vgg.random_weights(width=0.1), (128, 64)
    generator = torch.Generator().manual_seed(1)
    photo, painting, picture = (torch.rand(1, 3, *size, generator=generator, dtype=torch.float64) for _ in range(3))
    found: dict[str, Tensor] = {}
    for padding in vgg.PADDINGS:
        recipe = recipes.get("gram").replace(
            weights=weights, size=None, precision="float64", padding=padding, pooling="max-same", tv_weight=0.3,
            style_layers={"relu1_1": 1.0, "relu3_1": 1.0}, content_layers={"relu3_2": 1.0}, scales=((0.5, 2), (1.0, 2)),
        )  # fmt: skip
        own = size if padding == "circular" else (127, 61)
        a, b, c = (each[..., : own[0], : own[1]].clone() for each in (photo, painting, picture))
        network = vgg.VGG(recipe.layers, weights=weights, padding=padding, pooling="max-same").double()
        whole = objective.build(a, b, recipe, network=network)
        for tile in (None, 33):
            goal = distributed.SharedObjective(network, whole.terms, tile) if shared else whole
            (gradient,) = torch.autograd.grad(goal(c.requires_grad_(True))["total"], c)
            found[f"gradient {padding} {tile}"] = gradient
        result = st.stylize(a, b, recipe, shared=shared, progress=False, device="cpu")
        found[f"picture {padding}"] = result.picture
    return found


@pytest.mark.numerical
def test_two_processes_see_beyond_the_edges_as_one_does(tmp_path: Path) -> None:
    script = SCRIPT.replace("here.everything(shared=True)", "here.with_padding(shared=True)")
    for process in run_together("-c", script, str(tmp_path)):
        assert process.returncode == 0, process.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    alone = with_padding(shared=False)
    assert set(first) == set(second) == set(alone)
    for name, wanted in alone.items():
        assert torch.equal(first[name], second[name]), name
        limit = 1e-10 if "gradient" in name else 1e-6
        assert float((first[name] - wanted).norm() / wanted.norm()) < limit, name


def with_masks(shared: bool) -> dict[str, Tensor]:
    """Gradients of every style loss with masks, and the picture of a run, by all processes together or by one."""
    weights, size = vgg.random_weights(width=0.1), (101, 83)
    recipe = recipes.get("gram").replace(weights=weights, size=None, precision="float64", scales=((0.5, 2), (1.0, 2)))
    generator = torch.Generator().manual_seed(1)
    photo, first, second, picture = (
        torch.rand(1, 3, *size, generator=generator, dtype=torch.float64) for _ in range(4)
    )
    soft, part, factors = (torch.rand(1, 1, *size, generator=generator) for _ in range(3))
    masks = Masks([soft, 1 - soft], [None, part], 4 * factors)
    network = vgg.VGG(recipe.layers, weights=weights).double()
    found = {}
    for style_loss in (name for name, loss in STYLE_LOSSES.items() if loss.weighs):
        chosen = recipe.replace(style_loss=style_loss)
        whole = objective.build(photo, [first, second], chosen, network=network, masks=masks)
        goal = distributed.SharedObjective(network, whole.terms) if shared else whole
        picture.requires_grad_(True)
        (found[style_loss],) = torch.autograd.grad(goal(picture)["total"], picture)
    given: dict[str, Any] = {"masks": masks.regions, "style_masks": masks.styles, "content_mask": masks.content}
    given |= {"strength": 0.6, "shared": shared, "progress": False, "device": "cpu"}
    result = st.stylize(photo, [first, second], recipe, **given)
    return found | {"picture": result.picture}


@pytest.mark.numerical
def test_two_processes_make_the_picture_of_one_with_masks(tmp_path: Path) -> None:
    for process in run_together("-c", SCRIPT.replace("here.everything", "here.with_masks"), str(tmp_path)):
        assert process.returncode == 0, process.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for case, wanted in with_masks(shared=False).items():
        assert torch.equal(first[case], second[case]), case
        if case == "picture":
            torch.testing.assert_close(first[case], wanted, rtol=0, atol=1e-6)
        else:
            assert float((first[case] - wanted).norm() / wanted.norm()) < 1e-8, case


def apart(case: str) -> dict[str, Any]:
    """A run in which the second process is led astray, and what comes of it."""
    second = torch.distributed.get_rank() == 1
    # Too small to be cut, so that each process computes all of it; or a strip by each.
    size = (48, 40) if "in strips" in case else (24, 40)
    generator = torch.Generator().manual_seed(2)
    photo, painting = (torch.rand(1, 3, *size, generator=generator) for _ in range(2))
    recipe = recipes.get("gram").replace(
        weights=vgg.random_weights(width=0.1), size=None, precision="float32", scales=((1.0, 3), (1.0, 3))
    )
    run = st.iterate(photo, painting, recipe, shared=True, device="cpu")
    call = distributed.SharedObjective.__call__
    count = iter(range(10**6))

    def spoilt(goal: Any, picture: Tensor) -> dict[str, Tensor]:
        losses, here = call(goal, picture), next(count) == 4
        factor = {"overshoot": 100.0, "not finite": math.nan, "not finite in strips": math.nan}.get(case, 1.0)
        losses["total"] = losses["total"] * (factor if second and here else 1.0)
        return losses

    distributed.SharedObjective.__call__ = spoilt  # type: ignore[assignment, method-assign]
    try:
        for i, _ in enumerate(run, 1):
            if second and i == 2:
                with torch.no_grad():
                    run.state.variable.add_(0.01)
                if case == "stopped":
                    run.stop()
    finally:
        distributed.SharedObjective.__call__ = call  # type: ignore[method-assign]
    losses = [row["losses"]["total"] for row in run.history]
    result = run.result()
    return {
        "picture": result.picture,
        "losses": losses,
        "stopped": result.stopped,
        "second": run.state.variable.detach(),
    }


CASES = ("drift", "in strips", "overshoot", "not finite", "not finite in strips", "stopped")


def test_processes_whose_losses_differ_take_the_same_decisions(tmp_path: Path) -> None:
    script = SCRIPT.replace("here.everything(shared=True)", "{case: here.apart(case) for case in here.CASES}")
    for process in run_together("-c", script, str(tmp_path)):
        assert process.returncode == 0, process.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for case in CASES:
        assert first[case]["losses"] == second[case]["losses"], case
        assert first[case]["stopped"] == second[case]["stopped"], case
        assert torch.equal(first[case]["picture"], second[case]["picture"]), case
        assert bool(torch.isfinite(first[case]["picture"]).all()), case
    assert len(first["drift"]["losses"]) == len(first["overshoot"]["losses"]) == 6
    assert first["stopped"]["stopped"] == "interrupted" and len(first["stopped"]["losses"]) == 2
    # What all compute whole is the first one's; a sum over strips is spoilt for all.
    assert first["not finite"]["stopped"] is None and len(first["not finite"]["losses"]) == 6
    assert str(first["not finite in strips"]["stopped"]).startswith("diverged: the gradient of")


def test_processes_with_different_free_memory_make_one_plan(tmp_path: Path) -> None:
    script = SCRIPT.replace(
        "here.everything(shared=True)",
        """here.planned(["600 MB", "320 MB"][rank])""",
    )
    for process in run_together("-c", script, str(tmp_path)):
        assert process.returncode == 0, process.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first == second
    assert first[1] < 10 == alone_planned("600 MB")[1]  # the poorer one's


def planned(room: str) -> tuple[int | None, int, int]:
    """The plan of a shared run with so much memory."""
    return plan_of(st.iterate(*large(), shared=True, max_memory=room, device="cpu"))


def alone_planned(room: str) -> tuple[int | None, int, int]:
    return plan_of(st.iterate(*large(), max_memory=room, device="cpu"))


def plan_of(run: st.Run) -> tuple[int | None, int, int]:
    return run.plan.tile, run.plan.pairs, run.plan.bytes


def large() -> tuple[Any, ...]:
    picture = torch.rand(1, 3, 640, 480)
    recipe = recipes.get("gram").replace(weights=vgg.random_weights(width=0.1), size=None, precision="float32")
    return picture, picture, recipe


def test_sharing_without_other_processes_says_how_to_start_them() -> None:
    picture = torch.rand(1, 3, 32, 32)
    with pytest.raises(DeviceError, match="start with torchrun"):
        st.iterate(picture, picture, shared=True)
    with pytest.raises(DeviceError, match="torchrun --nproc-per-node 2"), distributed.processes():
        pass


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"RANK": "first"}, "RANK='first' in the environment must be a number from 0 up"),
        ({"RANK": "-1"}, "RANK='-1'"),
        ({"RANK": "9" * 30}, "RANK='9"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE=''"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE='0' in the environment must be a number from 1 up"),
        ({"RANK": "2"}, "RANK is 2 of WORLD_SIZE 2, but counts from 0"),
        ({"MASTER_PORT": "http"}, "the processes cannot find each other"),
    ],
)
def test_an_environment_that_torchrun_did_not_make_is_refused_in_one_line(
    changes: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"} | changes
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DeviceError, match=re.escape(says)) as caught, distributed.processes("cpu"):
        pass
    assert "\n" not in str(caught.value)


def test_a_local_world_size_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "all")
    with pytest.raises(DeviceError, match="LOCAL_WORLD_SIZE='all'"):
        distributed.count_local()


@pytest.mark.parametrize("device", ["mps", "cpu", "cuda"])
def test_what_processes_tell_each_other_lies_where_it_can_be_sent(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MPS cannot send, and has no float64."""
    made: list[tuple[torch.device, torch.dtype]] = []

    def make(value: float, *, dtype: torch.dtype | None = None, device: torch.device) -> Tensor:
        made.append((device, dtype or torch.float32))
        return torch.full((), value)

    monkeypatch.setattr(distributed.torch, "tensor", make)
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda *_: None)
    assert distributed.minimum(7.5, torch.device(device)) == 7.5 and distributed.any_process(True, torch.device(device))
    assert {where.type for where, _ in made} == {"cpu" if device == "mps" else device}


def test_the_command_shares_one_picture(tmp_path: Path) -> None:
    words = ("sample:cat", "sample:waves", "--size", "32", "--steps", "3", "--precision", "float64")
    together = run_together("-m", "styletut", *words, "-o", "out.png", cwd=tmp_path)
    assert [process.returncode for process in together] == [0, 0], together[0].stderr + together[1].stderr
    assert "wrote out.png" in together[0].stdout and together[1].stdout == ""
    alone = subprocess.run(
        [sys.executable, "-m", "styletut", *words, "-o", "one.png", "-q"], cwd=tmp_path, check=False, env=os.environ
    )
    assert alone.returncode == 0
    a, b = st.load_image(tmp_path / "out.png"), st.load_image(tmp_path / "one.png")
    assert float((a - b).abs().max()) < 1.5 / 255


def test_the_command_shares_out_several_pictures(tmp_path: Path) -> None:
    words = ("sample:cat", "sample:coffee", "sample:astronaut", "-s", "sample:waves", "--size", "48", "--steps", "3")
    together = run_together("-m", "styletut", *words, "-o", "painted/", cwd=tmp_path)
    assert [process.returncode for process in together] == [0, 0], together[0].stderr + together[1].stderr
    assert len(list((tmp_path / "painted").iterdir())) == 3


def test_the_command_goes_on_together_with_a_run_that_one_began(tmp_path: Path) -> None:
    photo, painting = st.samples.load("cat", size=32), st.samples.load("waves", size=32)
    recipe = recipes.get("gram").replace(scales=((0.5, 3), (1.0, 4)), precision="float64")
    whole = st.stylize(photo, painting, recipe, progress=False, device="cpu").picture
    run = st.iterate(photo, painting, recipe, device="cpu")
    for _ in range(5):
        next(run)
    run.save(tmp_path / "run.pt")
    together = run_together("-m", "styletut", "resume", "run.pt", "-o", "out.png", cwd=tmp_path)
    assert [process.returncode for process in together] == [0, 0], together[0].stderr + together[1].stderr
    assert "wrote out.png" in together[0].stdout and together[1].stdout == ""
    assert float((st.load_image(tmp_path / "out.png") - whole).abs().max()) < 1 / 255
