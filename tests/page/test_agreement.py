"""The engine in the page against the module: losses, gradient and ten steps, in Chromium, from ``file://``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from page_helpers import SOURCES, VENDORED, as_page, as_tensor
from torch import Tensor

from styletut import objective, samples
from styletut.images import resize
from styletut.page import build, figures, scripts
from styletut.page.bundle import bundle
from styletut.recipes import Recipe

SIDE = 32
TOLERANCE = 1e-4
RATE = 0.002
"""Adam's first steps divide each gradient by its own size, so rounding moves a pixel whose gradient is next to nothing
as far as any other: with a higher rate two float32 runs of the module itself part."""

pytestmark = pytest.mark.browser

EVALUATE = """async ({ content, style, picture, recipe, steps }) => {
  for (const each of [content, style, picture]) each.data = Float32Array.from(each.data);
  const { tf, engine, settings, weights } = window;
  const layers = [...Object.keys(recipe.content_layers), ...Object.keys(recipe.style_layers)];
  const network = new engine.Network(tf, settings.network, weights, layers, recipe.pooling, recipe.padding);
  const objective = new engine.Objective(tf, network, content, style, recipe);
  const optimiser = engine.optimiserFor(recipe, picture.data.length, settings.optimisers);
  const before = tf.memory().numTensors;
  const { losses, gradient } = await objective.evaluate(picture);
  const leaked = tf.memory().numTensors - before;
  const totals = [];
  for (let i = 0; i < steps; i++) {
    const found = await objective.evaluate(picture);
    totals.push(found.losses.total);
    optimiser.step(picture.data, found.gradient);
  }
  objective.dispose();
  network.dispose();
  return { losses, gradient: Array.from(gradient), totals, end: Array.from(picture.data), leaked };
}"""


@pytest.fixture(scope="module")
def painter(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page from ``file://`` that has loaded the engine and the weights; CPU back end, no network."""
    folder: Path = tmp_path_factory.mktemp("painter")
    files = {
        "tf.js": build.library(VENDORED),
        "wasm.js": build.backend(VENDORED, "wasm"),
        "webgpu.js": build.backend(VENDORED, "webgpu"),
        "port.js": bundle(SOURCES, "port.js", "styletutPort"),
        "engine.js": build.engine(SOURCES),
        "weights.js": scripts.script("styletutWeights", scripts.weights()),
        "settings.js": scripts.script("styletutSettings", scripts.settings()),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    tags = "".join(f'<script src="{name}"></script>' for name in files)
    (folder / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{tags}", encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.set_default_timeout(240_000)
    page.goto((folder / "page.html").as_uri())
    page.evaluate(
        """async () => {
          window.tf = styletutTensorFlow();
          window.engine = styletutEngine();
          window.settings = styletutSettings;
          window.weights = engine.decodeWeights(styletutWeights);
          const painter = new engine.Painter(tf, settings, weights, () => {}, null);
          window.use = async (backend, apart) => {
            const extra = apart ? await styletutPort().fetchExtra(document, "./", backend) : null;
            await painter.use(backend, extra);
          };
          await use("cpu", false);
        }"""
    )
    yield page
    context.close()


def square(name: str, rows: int = SIDE, columns: int = SIDE) -> Tensor:
    return resize(samples.load(name), (rows, columns), fit="exact")


def expected(content: Tensor, style: Tensor, picture: Tensor, recipe: Recipe, steps: int) -> dict[str, Any]:
    """What the module makes of it."""
    aim = objective.build(content, style, recipe)
    x = picture.clone().requires_grad_()
    losses = aim(x)
    losses["total"].backward()
    assert x.grad is not None
    moved, totals = picture.clone().requires_grad_(), []
    optimizer = torch.optim.Adam([moved], lr=recipe.learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        total = aim(moved)["total"]
        total.backward()
        optimizer.step()
        totals.append(total.item())
    values = {name: loss.item() for name, loss in losses.items()}
    return {"losses": values, "gradient": x.grad, "totals": totals, "end": moved.detach()}


def compare(painter: Any, content: Tensor, style: Tensor, recipe: Recipe, steps: int = 0) -> None:
    picture = 0.7 * content + 0.3 * resize(style, tuple(content.shape[-2:]), fit="exact", upscale=True)
    own = expected(content, style, picture, recipe, steps)
    given = {"content": content, "style": style, "picture": picture}
    found = painter.evaluate(
        EVALUATE,
        {name: as_page(each) for name, each in given.items()} | {"recipe": recipe.to_dict(), "steps": steps},
    )
    assert found["leaked"] == 0
    assert found["losses"] == pytest.approx(own["losses"], rel=TOLERANCE)
    size = content.shape[-2], content.shape[-1]
    gradient = as_tensor(found["gradient"], *size)
    assert float((gradient - own["gradient"]).norm() / own["gradient"].norm()) < TOLERANCE
    assert found["totals"] == pytest.approx(own["totals"], rel=TOLERANCE)
    if steps:
        moved = own["end"] - picture
        assert found["totals"][-1] < 0.97 * found["totals"][0]
        assert float((as_tensor(found["end"], *size) - own["end"]).norm() / moved.norm()) < 0.05


def recipe_for(style_loss: str, **changes: Any) -> Recipe:
    name = next(name for name in scripts.RECIPES if scripts.recipe(name).style_loss == style_loss)
    adam = {"optimizer": "adam", "learning_rate": RATE}
    return scripts.recipe(name).replace(**({"precision": "float32", "tv_weight": 0.1} | adam | changes))


@pytest.mark.numerical  # alone: on another instruction set the module's numbers change for all these tests alike
@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("style_loss", scripts.STYLE_LOSSES)
def test_losses_gradient_and_ten_steps_are_the_modules(painter: Any, style_loss: str, pooling: str) -> None:
    recipe = recipe_for(style_loss, pooling=pooling)
    compare(painter, square("cat"), square("starry_night", 40, 24), recipe, steps=10)


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
@pytest.mark.parametrize("pooling", scripts.POOLINGS)
def test_odd_sides_are_padded_pooled_and_weighted_as_in_the_module(painter: Any, pooling: str, padding: str) -> None:
    recipe = recipe_for("mean-covariance", pooling=pooling, padding=padding)
    compare(painter, square("astronaut", 19, 29), square("waves", 23, 18), recipe)


@pytest.mark.parametrize("style_loss", scripts.STYLE_LOSSES)
def test_a_style_between_the_photographs_and_the_paintings_is_the_modules(painter: Any, style_loss: str) -> None:
    recipe = recipe_for(style_loss, strength=0.6, content_layers={"relu3_1": 0.5, "relu4_1": 1.0})
    compare(painter, square("coffee", 24, 24), square("mosaic", 24, 24), recipe)


@pytest.mark.parametrize("left_out", [{"style_weight": 0.0, "tv_weight": 0.0}, {"content_weight": 0.0}])
def test_one_question_alone_is_the_modules(painter: Any, left_out: dict[str, float]) -> None:
    layers = {"style_layers": {"relu1_1": 0.5, "relu3_1": 0.5}, "content_layers": {"relu2_1": 1.0}}
    compare(painter, square("cat", 24, 24), square("waves", 24, 24), recipe_for("relative", **layers, **left_out))


@pytest.mark.parametrize("name", figures.figures())
def test_every_live_figure_gives_the_modules_losses_and_gradient(painter: Any, name: str) -> None:
    figure = figures.figures()[name]
    content = "cat" if figure.content == figure.style else figure.content  # a texture's own losses would be 0
    for recipe in figure.variants():
        compare(painter, square(content, 24, 24), square(figure.style, 24, 24), recipe.replace(precision="float32"))


@pytest.mark.slow
@pytest.mark.parametrize("name", samples.names())
def test_every_sample_gives_the_modules_losses_and_gradient(painter: Any, name: str) -> None:
    photograph = name in samples.names("photograph")
    content = square(name if photograph else "cat")
    style = square("starry_night" if photograph else name)
    compare(painter, content, style, recipe_for("mean-covariance", pooling="max-same"))


def by(painter: Any, backend: str, apart: bool, style_loss: str, **changes: Any) -> None:
    """Losses and gradient on another back end, if there is one."""
    if backend not in painter.evaluate("engine.availableBackends(tf)"):
        pytest.skip(f"this Chromium has no {backend}")
    try:
        painter.evaluate(f"use({backend!r}, {str(apart).lower()})")
        assert painter.evaluate("tf.getBackend()") == backend
        if backend != "webgl":  # which says 16 wherever it does render in 32 bits
            assert painter.evaluate("tf.backend().floatPrecision()") == 32
        compare(painter, square("cat", 16, 24), square("starry_night", 20, 16), recipe_for(style_loss, **changes))
    finally:
        painter.evaluate("use('cpu', false)")


@pytest.mark.parametrize("style_loss", scripts.STYLE_LOSSES)
@pytest.mark.parametrize(
    ("pooling", "padding"), [("max-same", "replicate"), ("max", "zeros"), ("average", "replicate")]
)
def test_webassembly_gives_the_modules_losses_and_gradient(
    painter: Any, style_loss: str, pooling: str, padding: str
) -> None:
    by(painter, "wasm", True, style_loss, pooling=pooling, padding=padding, strength=0.6)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["max-same", "average"])
def test_webgpu_gives_the_modules_losses_and_gradient(painter: Any, pooling: str) -> None:
    by(painter, "webgpu", True, "mean-covariance", pooling=pooling, padding="replicate")


@pytest.mark.slow
def test_webgl_gives_the_modules_losses_and_gradient(painter: Any) -> None:
    """By software, where there is no graphics chip: one evaluation takes long, most of it to compile."""
    by(painter, "webgl", False, "mean-covariance", pooling="max-same", padding="replicate")
