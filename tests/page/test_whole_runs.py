"""A whole run of the page's engine, in Node with a tiny network: where it goes, and what may change on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from page_helpers import VENDORED, as_page, as_tensor, in_node
from torch import Tensor

import styletut as st
from styletut import objective, vgg
from styletut.page import build, scripts
from styletut.recipes import Recipe

SCALES = ((0.5, 4), (1.0, 3))

BEGIN = f"""
const {{ createRequire }} = await import("node:module");
const warn = console.warn;
console.warn = () => undefined; // that a faster TensorFlow exists
const tf = createRequire(import.meta.url)({json.dumps(str(VENDORED / build.LIBRARY))});
await tf.setBackend("cpu");
console.warn = warn;
const arrays = (of) => ({{ ...of, data: floats(of.data) }});
const pictures = {{ content: arrays(given.content), style: arrays(given.style) }};
const weights = given.weights.map((e) => ({{ ...e, filters: floats(e.filters), biases: floats(e.biases) }}));
const said = [];
const heard = (message) => said.push({{ ...message, picture: null }});
const painter = new Painter(tf, given.settings, weights, heard, () => new Promise((resolve) => setTimeout(resolve)));
const settled = async () => {{ // all that was asked for is done
  let loop;
  do {{ loop = painter.loop; await loop; }} while (loop !== painter.loop);
}};
const say = (kind, more = {{}}) => painter.receive({{ kind, ...more }});
const first = {{ number: 1, backend: "cpu", pictures, recipe: given.recipe, from: null }};
const start = (more) => say("start", {{ ...first, ...more }});
const steps = () => said.filter((each) => each.kind === "step" && each.state);
"""


@pytest.fixture(scope="module")
def small() -> vgg.Weights:
    """A random VGG-19 with a tenth of the channels, which expects what the Oxford weights do."""
    return vgg.Weights(vgg.random_weights(width=0.1).state, "caffe", "vgg19", "random")


def entries(weights: vgg.Weights) -> list[dict[str, Any]]:
    """Weights as `decodeWeights` gives them."""
    net, made = vgg.VGG(["relu4_1"], weights=weights), []
    for name in net.convs:
        conv = net.conv(name)
        assert conv.bias is not None
        filters = conv.weight.permute(2, 3, 1, 0)
        shape = list(filters.shape)
        made.append({"name": name, "shape": shape, "filters": filters.flatten().tolist(), "biases": conv.bias.tolist()})
    return made


def run(small: vgg.Weights, content: Tensor, style: Tensor, recipe: Recipe, body: str) -> Any:
    given: dict[str, Any] = {
        "content": as_page(content),
        "style": as_page(style),
        "recipe": recipe.to_dict() | {"weights": "small"},
    }
    given |= {"weights": entries(small), "settings": scripts.settings()}
    return in_node({"Painter": "serve.js"}, BEGIN + body, given)


def recipe_for(small: vgg.Weights, name: str = "fast", **changes: Any) -> Recipe:
    fields = {"weights": small, "scales": SCALES, "size": 40, "precision": "float32"} | changes
    return scripts.recipe(name).replace(**fields)


WHOLE = """
await start({ going: true });
await settled();
return { said: said.map((each) => each.kind), losses: steps().map((each) => each.state.losses),
  sizes: steps().map((each) => each.state.size), picture: painter.run.picture };"""


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("fast", {}),
        ("fast", {"strength": 0.5, "tv_weight": 0.3}),
        ("gram", {"optimizer": "adam", "learning_rate": 0.002, "pooling": "average"}),
        ("gram", {"content_weight": 0.0, "tv_weight": 0.0, "style_layers": {"relu1_1": 0.5, "relu3_1": 0.5}}),
        ("gram", {"optimizer": "adam", "learning_rate": 0.002, "start": "style"}),
        ("gram", {"style_weight": 0.0, "tv_weight": 0.0, "start": "matched", "content_layers": {"relu2_1": 1.0}}),
    ],
)
def test_a_whole_run_goes_where_the_modules_goes(
    small: vgg.Weights, photo: Tensor, painting: Tensor, name: str, changes: dict[str, Any]
) -> None:
    recipe = recipe_for(small, name, **changes)
    found = run(small, photo, painting, recipe, WHOLE)
    own = st.stylize(photo, painting, recipe, progress=False)
    assert found["said"] == ["ready", "step", *["step"] * 7, "finished"]
    assert found["sizes"] == [[16, 20]] * 4 + [[32, 40]] * 3
    for here, there in zip(found["losses"], own.history, strict=True):
        assert here == pytest.approx(there["losses"], rel=2e-3)
    picture = as_tensor(found["picture"]["data"], 32, 40).clamp(0, 1)
    assert float((picture - own.picture).abs().mean()) < 5e-4


def test_a_setting_that_changes_goes_on_from_the_picture_and_another_size_keeps_it(
    small: vgg.Weights, photo: Tensor, painting: Tensor
) -> None:
    body = """
    await start();
    for (let i = 0; i < 3; i++) await painter.run.next();
    const before = painter.run.picture.data.slice();
    await say("change", { recipe: { ...given.recipe, content_weight: 3, style_layers: { relu2_1: 1 } } });
    const same = painter.run.picture.data.every((value, i) => value === before[i]);
    const { losses } = await painter.run.next();
    await say("change", { recipe: { ...given.recipe, size: 24 } });
    const { rows, columns, data } = painter.run.picture;
    const failed = said.filter((each) => each.reason);
    return { same, losses, before, rows, columns, data, scale: painter.run.scale, failed };"""
    found = run(small, photo, painting, recipe_for(small), body)
    assert found["failed"] == []
    assert found["same"] and set(found["losses"]) == {"content/relu4_1", "style/relu2_1", "total"}
    assert [found["rows"], found["columns"]] == [19, 24] and found["scale"] == 1
    before = st.images.resize(as_tensor(found["before"], 16, 20), (19, 24), fit="exact", upscale=True)
    assert float((as_tensor(found["data"], 19, 24) - before).abs().mean()) < 0.02


def test_a_pause_holds_the_run_and_going_on_ends_it_as_without_one(
    small: vgg.Weights, photo: Tensor, painting: Tensor
) -> None:
    body = """
    await start({ going: true });
    while (steps().length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    await say("pause");
    await settled();
    const held = steps().length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    const still = steps().length;
    await say("go on");
    await settled();
    const last = steps().at(-1).state.losses.total;
    return { held, still, total: steps().length, last, kinds: said.map((each) => each.kind) };"""
    found = run(small, photo, painting, recipe_for(small), body)
    assert 2 <= found["held"] == found["still"] < 7
    assert found["total"] == 7 and found["kinds"][-1] == "finished" and "paused" in found["kinds"]
    whole = run(small, photo, painting, recipe_for(small), WHOLE)
    assert found["last"] == whole["losses"][-1]["total"]


def test_a_run_can_go_on_from_a_picture_at_its_own_scale(small: vgg.Weights, photo: Tensor, painting: Tensor) -> None:
    body = """
    const from = { rows: 32, columns: 40, data: pictures.content.data.map((x) => 1 - x) };
    await start({ from });
    return [painter.run.scale, painter.run.picture.data, from.data];"""
    scale, picture, given = run(small, photo, painting, recipe_for(small), body)
    assert scale == 1 and picture == given


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content_layers": {"relu5_1": 1}}, "needs the larger download"),
        ({"content_weight": 0, "style_weight": 0}, "nothing to optimise"),
        ({"content_layers": {"conv4_1": 1}}, "conv4_1 is no layer that can be compared here"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_run_goes_on_as_it_was(
    small: vgg.Weights, photo: Tensor, painting: Tensor, changes: dict[str, Any], message: str
) -> None:
    body = f"""
    await start();
    await say("change", {{ recipe: {{ ...given.recipe, ...{json.dumps(changes)} }} }});
    const {{ losses }} = await painter.run.next();
    return {{ failed: said.find((each) => each.kind === "failed"), losses }};"""
    found = run(small, photo, painting, recipe_for(small), body)
    assert message in found["failed"]["message"] and found["failed"]["reason"] == "other"
    assert "content/relu4_1" in found["losses"]


def test_a_picture_that_is_too_small_is_refused(small: vgg.Weights, painting: Tensor) -> None:
    body = 'await start({ going: true }); await settled(); return said.find((each) => each.kind === "failed").message;'
    found = run(small, torch.rand(1, 3, 6, 40), painting, recipe_for(small), body)
    assert found == "the photograph is too small: 8 pixels a side are needed"


def test_losses_that_are_not_finite_end_the_run_at_its_best_picture(
    small: vgg.Weights, photo: Tensor, painting: Tensor
) -> None:
    body = """
    await start();
    await painter.run.next();
    const best = painter.run.best.slice();
    painter.run.picture.data[5] = NaN;
    painter.go();
    await settled();
    return [said.at(-1).message, painter.run.picture.data.every((value, i) => value === best[i])];"""
    message, kept = run(small, photo, painting, recipe_for(small), body)
    assert "the best picture so far is kept" in message and kept


ONE_SCALE = ((1.0, 3),)


@pytest.mark.parametrize("left_out", [(), ("content",), ("style", "tv")])
def test_the_gradient_of_each_question_is_the_modules_and_they_add_up_to_the_whole(
    small: vgg.Weights, photo: Tensor, painting: Tensor, left_out: tuple[str, ...]
) -> None:
    body = """
    await start({ apart: true });
    const { data } = painter.run.picture;
    const picture = data.slice();
    const before = tf.memory().numTensors;
    const found = await painter.run.objective.evaluateApart(painter.run.picture);
    const leaked = tf.memory().numTensors - before;
    const whole = await painter.run.objective.evaluate(painter.run.picture);
    await say("go on");
    await settled();
    return { ...found, leaked, whole, picture, told: steps()[0].state };"""
    recipe = recipe_for(small, "gram", scales=ONE_SCALE, tv_weight=1.0, start="matched")
    recipe = recipe.replace(**{f"{name}_weight": 0.0 for name in left_out})
    found = run(small, photo, painting, recipe, body)

    x = as_tensor(found["picture"], 32, 40).requires_grad_()
    losses = objective.build(photo, st.images.resize(painting, 40), recipe)(x)
    questions = [name for name in ("content", "style", "tv") if name not in left_out]
    assert found["leaked"] == 0 and list(found["asks"]) == questions
    assert found["losses"] == pytest.approx({name: loss.item() for name, loss in losses.items()}, rel=1e-4)
    for question in questions:
        part = sum((loss for name, loss in losses.items() if name.startswith(question)), torch.zeros(()))
        (gradient,) = torch.autograd.grad(part, x, retain_graph=True)
        for asks in (found["asks"], found["told"]["asks"]):
            assert float((as_tensor(asks[question], 32, 40) - gradient).norm() / gradient.norm()) < 1e-4
    added, whole = (as_tensor(each["gradient"], 32, 40) for each in (found, found["whole"]))
    assert float((added - whole).norm() / whole.norm()) < 1e-5
    weights = found["told"]["weights"]
    assert weights.get("style/relu1_1", 0.2) == 0.2 and set(weights) == set(losses) - {"total"}


def race(small: vgg.Weights, photo: Tensor, painting: Tensor, body: str) -> Any:
    """What that makes of a race between Adam and L-BFGS, ``rivals``."""
    recipe = recipe_for(small, "gram", scales=ONE_SCALE)
    rivals = """
    const rivals = [{ ...given.recipe, optimizer: "adam", learning_rate: 0.02 }, given.recipe];
    const race = (more) => say("start", { ...first, recipe: undefined, recipes: rivals, ...more });"""
    return run(small, photo, painting, recipe, rivals + body)


def test_the_runs_of_a_race_go_where_each_of_them_goes_by_itself(
    small: vgg.Weights, photo: Tensor, painting: Tensor
) -> None:
    body = """
    await race({ going: true });
    await settled();
    const together = steps().map(({ state }) => state.states.map(({ losses }) => losses.total));
    const pictures_of = said.at(-2).pictures.length;
    await say("change", { recipes: [{ ...rivals[0], learning_rate: 0.01 }, rivals[1]], going: true });
    await settled();
    const further = painter.run.runs.map(({ step }) => step);
    const alone = [];
    for (const recipe of rivals) {
      said.length = 0;
      await start({ recipe, going: true });
      await settled();
      alone.push(steps().map(({ state }) => state.losses.total));
    }
    return { together, alone, pictures_of, further };"""
    found = race(small, photo, painting, body)
    assert len(found["together"]) == 3 and found["pictures_of"] == 2
    assert found["further"] == [6, 6]  # after the end, another rate of one takes both further
    assert [list(each) for each in zip(*found["together"], strict=True)] == found["alone"]
    assert found["alone"][0][0] == found["alone"][1][0] and found["alone"][0][1] != found["alone"][1][1]


def test_who_diverges_leaves_the_race_and_returns_with_another_rate(
    small: vgg.Weights, photo: Tensor, painting: Tensor
) -> None:
    body = """
    await race();
    await painter.run.next();
    const [one, other] = painter.run.runs;
    one.picture.data[5] = NaN;
    const left = await painter.run.next();
    const kept = one.picture.data.every((value, i) => value === one.best[i]);
    const undisturbed = other.optimiser;
    await say("change", { recipes: [{ ...rivals[0], learning_rate: 0.01 }, rivals[1]] });
    const back = await painter.run.next();
    return { left, kept, same: other.optimiser === undisturbed, back, finished: painter.run.finished };"""
    found = race(small, photo, painting, body)
    assert found["left"]["states"][0] is None and found["left"]["states"][1]["step"] == 2 and found["kept"]
    assert "the best picture so far is kept" in found["left"]["reasons"][0] and found["left"]["reasons"][1] is None
    assert found["same"] and found["back"]["reasons"] == [None, None]
    assert found["back"]["states"][0]["step"] == 2 and found["back"]["states"][1]["step"] == 3
    assert not found["finished"]
