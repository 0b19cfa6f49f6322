"""The method on one page: it stays a page, and the engine computes what it computes."""

from __future__ import annotations

import ast
import inspect
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import styletut as st
from styletut import minimal, samples
from styletut.recipes import Recipe
from styletut.vgg import Weights

SOURCE = Path(inspect.getfile(minimal)).read_text(encoding="utf-8")
GRAM = st.recipes.get("gram").replace(precision="float64")
USAGE = "usage: python -m styletut.minimal PHOTO PAINTING OUT"


@pytest.fixture(scope="module")
def photo() -> Tensor:
    """A photograph of 32 x 48 pixels, in float64."""
    return samples.load("cat", size=48).double()


@pytest.fixture(scope="module")
def painting() -> Tensor:
    """A painting of another size, 38 x 48 pixels, in float64."""
    return samples.load("starry_night", size=48).double()


@pytest.fixture(scope="module")
def vgg() -> dict[str, Tensor]:
    """The weights as `minimal.paint` has them, in float64."""
    return {name: weight.double() for name, weight in st.vgg.load_weights().state.items()}


# ------------------------------------------------------------------------------------------------------------ the page


def test_it_fits_on_a_page() -> None:
    lines = SOURCE.splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 80


def test_of_the_package_it_imports_the_weights_alone() -> None:
    own, others = [], set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.ImportFrom) and (node.level or str(node.module).startswith("styletut")):
            own.append((node.level, node.module, [name.name for name in node.names]))
        elif isinstance(node, ast.ImportFrom):
            others.add(str(node.module).partition(".")[0])
        elif isinstance(node, ast.Import):
            others.update(name.name.partition(".")[0] for name in node.names)
    assert own == [(1, "weights", ["load_weights"])]
    assert others == {"sys", "numpy", "PIL", "torch"}


def test_its_constants_are_those_of_the_recipe() -> None:
    assert dict(GRAM.content_layers) == {minimal.CONTENT_LAYER: 1.0}
    assert dict(GRAM.style_layers) == dict.fromkeys(minimal.STYLE_LAYERS, 1 / len(minimal.STYLE_LAYERS))
    weights = (GRAM.content_weight, GRAM.style_weight, GRAM.tv_weight)
    assert weights == (minimal.CONTENT_WEIGHT, minimal.STYLE_WEIGHT, minimal.TV_WEIGHT)
    assert GRAM.size == minimal.SIZE


# ---------------------------------------------------------------------------------------------------- the same numbers


@pytest.mark.numerical
def test_its_features_are_the_networks(photo: Tensor, vgg: dict[str, Tensor]) -> None:
    names = minimal.VGG19.split()
    assert names == [layer.name for layer in st.vgg.layers()[: len(names)]]
    theirs = st.vgg.VGG(names).double()(photo)
    ours = minimal.features(photo, vgg)
    assert list(ours) == names
    for name, features in ours.items():
        torch.testing.assert_close(features, theirs[name], rtol=1e-10, atol=1e-9)


@pytest.mark.numerical
def test_each_loss_and_its_gradient_are_the_engines(photo: Tensor, painting: Tensor, vgg: dict[str, Tensor]) -> None:
    network = st.objective.network(GRAM)
    assert network is not None
    objective = st.objective.build(photo, painting, GRAM, network=network.double())
    content = minimal.features(photo, vgg)[minimal.CONTENT_LAYER]
    style = {k: minimal.gram(x) for k, x in minimal.features(painting, vgg).items()}
    noise = torch.rand(photo.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for start in (0.8 * photo + 0.2 * noise, noise):  # at the photograph itself the content loss is 0
        picture = start.clone().requires_grad_()
        parts = objective(picture)
        styles = [value for name, value in parts.items() if name.startswith("style/")]
        theirs = [parts["content/relu4_2"], torch.stack(styles).sum(), parts["tv"]]
        ours = minimal.losses(picture, content, style, vgg)
        torch.testing.assert_close(ours, torch.stack(theirs), rtol=1e-10, atol=0)
        torch.testing.assert_close(ours.sum(), parts["total"], rtol=1e-10, atol=0)
        for mine, other in zip(ours, theirs, strict=True):
            (gradient,) = torch.autograd.grad(mine, picture, retain_graph=True)
            (wanted,) = torch.autograd.grad(other, picture, retain_graph=True)
            torch.testing.assert_close(gradient, wanted, rtol=1e-8, atol=1e-10 * float(wanted.abs().max()))


def engines_picture(photo: Tensor, painting: Tensor, recipe: Recipe) -> Tensor:
    """The picture of the engine after ten steps, as it hands it out: float32."""
    *_, last = st.iterate(photo.float(), painting.float(), recipe.replace(scales=((1.0, 10),)), device="cpu")
    assert last.iteration == 10
    return last.picture()


@pytest.mark.numerical
@pytest.mark.parametrize(
    ("adam", "changes"),
    [
        (True, {"optimizer": "adam", "learning_rate": 0.05}),
        # With two evaluations at most, the engine takes torch's L-BFGS, and one step of it.
        (False, {"optimizer": "lbfgs", "evaluations": 2}),
    ],
    ids=["Adam", "L-BFGS"],
)
def test_ten_steps_give_the_engines_picture(
    photo: Tensor, painting: Tensor, adam: bool, changes: dict[str, object]
) -> None:
    ours = minimal.paint(photo, painting, 10, adam)
    theirs = engines_picture(photo, painting, GRAM.replace(**changes))
    assert (ours - photo).abs().max() > 0.1  # it has been moved
    torch.testing.assert_close(ours.float(), theirs, rtol=0, atol=1e-7)  # float32's last digit


# ------------------------------------------------------------------------------------------------------ files, and runs


def test_it_computes_in_the_dtype_of_its_picture_and_says_how_far_it_is(
    photo: Tensor,
    painting: Tensor,
    tiny: Weights,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(minimal, "load_weights", lambda: tiny)
    small = [picture[..., :16, :16].float() for picture in (photo, painting)]
    picture = minimal.paint(small[0], small[1], 100)
    assert picture.dtype == torch.float32 and not picture.requires_grad
    assert picture.min() >= 0 and picture.max() <= 1
    said = re.fullmatch(r"step 50: loss (\d\.\d{4})\nstep 100: loss (\d\.\d{4})\n", capsys.readouterr().out)
    assert said and float(said[2]) < float(said[1]) < 1


def test_what_is_saved_is_loaded_again(photo: Tensor, tmp_path: Path) -> None:
    path = str(tmp_path / "photo.png")
    minimal.save(photo, path)
    torch.testing.assert_close(minimal.load(path), photo.float(), rtol=0, atol=0.5 / 255 + 1e-6)
    assert minimal.load(path, 32).shape == (1, 3, 21, 32)


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the orientation of a camera held upright
    Image.new("RGB", (30, 20)).save(tmp_path / "sideways.jpg", exif=exif)
    assert minimal.load(str(tmp_path / "sideways.jpg")).shape == (1, 3, 30, 20)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tiny: Weights) -> Callable[..., None]:
    """``python -m styletut.minimal`` with these words, in this process, on the CPU and with a tiny network."""

    def run(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["minimal", *words])
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
        monkeypatch.setattr("styletut.weights.load_weights", lambda: tiny)
        monkeypatch.delitem(sys.modules, "styletut.minimal", raising=False)
        runpy.run_module("styletut.minimal", run_name="__main__")

    return run


def test_the_command_makes_a_picture_of_files(
    command: Callable[..., None], tmp_path: Path, photo: Tensor, painting: Tensor
) -> None:
    files = [str(tmp_path / name) for name in ("photo.jpg", "painting.png", "out.png")]
    minimal.save(photo[..., :20, :24], files[0])
    minimal.save(painting[..., :24, :20], files[1])
    command(*files)
    painted = minimal.load(files[2])
    assert painted.shape == (1, 3, 20, 24)
    assert (painted - minimal.load(files[0])).abs().mean() > 0.05


@pytest.mark.parametrize("words", [(), ("a.jpg",), ("a.jpg", "b.jpg"), ("a.jpg", "b.jpg", "c.png", "d")])
def test_a_wrong_number_of_arguments_ends_with_the_usage(command: Callable[..., None], words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match=f"^{USAGE}$"):
        command(*words)


def test_a_file_that_is_no_picture_is_named(command: Callable[..., None], tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    for bad in (text, tmp_path / "missing.jpg"):
        with pytest.raises(SystemExit, match=rf"^styletut\.minimal: .*{bad.name}'$"):
            command(str(bad), str(bad), str(tmp_path / "out.png"))
    assert not (tmp_path / "out.png").exists()


def test_the_shell_sees_one_line_and_a_status() -> None:
    done = subprocess.run([sys.executable, "-m", "styletut.minimal", "a.jpg"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{USAGE}\n")
