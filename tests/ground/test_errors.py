"""The errors: one family, one line each, and the way out in the message."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch

import styletut as st
from styletut import errors, vgg
from styletut.errors import StyletutError, did_you_mean, printable

FAMILY = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, StyletutError)]


def test_every_error_is_a_styletut_error_and_a_builtin_one() -> None:
    """``except ValueError`` in a user's code works, and so does ``except StyletutError`` in the command line's."""
    assert len(FAMILY) == 16
    for error in FAMILY:
        if error is errors.DivergenceError:
            assert issubclass(error, ArithmeticError)
        elif error is not StyletutError:
            assert issubclass(error, ValueError)
    assert st.StyletutError is StyletutError
    assert issubclass(st.images.ImageFileError, errors.ImageError)


def test_every_error_has_a_docstring_that_says_when_it_is_raised() -> None:
    assert all(error.__doc__ and error.__doc__.endswith(".") for error in FAMILY)


def test_did_you_mean_names_the_nearest_and_lists_what_there_is() -> None:
    message = did_you_mean("layer", "relu4_9", ["pool1", "relu4_1", "relu1_1"])
    assert message == "unknown layer 'relu4_9': did you mean 'relu4_1'? Choose from pool1, relu4_1, relu1_1"


def test_did_you_mean_suggests_nothing_where_no_name_is_close() -> None:
    message = did_you_mean("recipe", "zzz", iter(["gatys", "fast"]))
    assert "did you mean" not in message
    assert message.endswith("Choose from gatys, fast")


def test_did_you_mean_takes_what_is_not_a_string() -> None:
    assert did_you_mean("device", None, ["cpu"]).startswith("unknown device None")
    assert "[1, 2]" in did_you_mean("fit", [1, 2], ["long"])


STEERING = "\x1b]0;title\x07 \x9b2J \r\n \x08\x7f \u202e\u2066 \u2028 \ufeff \udc1b \U000e0041"


@pytest.mark.parametrize("kind", FAMILY)
def test_no_error_passes_to_the_terminal_what_could_steer_it(kind: type[StyletutError]) -> None:
    message = str(kind(f"cannot read {STEERING}: choose another"))
    assert message.isprintable() and message.isascii()
    assert "\\x1b]0;title\\x07" in message and "\\u202e" in message and "\\udc1b" in message


def test_what_is_printable_stays_as_it_is() -> None:
    for text in ("", "naïve – 星月夜, 12 °C", "می\u200cخواهم", "👩\u200d🎨", "a\xa0b", "C:\\new\\x1b.png"):
        assert printable(text) == text
    assert printable("one\ntwo\x1b", keep="\n") == "one\ntwo\\x1b"


PHOTO = torch.full((1, 3, 16, 16), 0.5)
MISTAKES: dict[str, tuple[type[StyletutError], str, Callable[[], object]]] = {
    "layer": (errors.LayerError, "relu4_2", lambda: vgg.VGG(["relu4_22"])),
    "keras layer": (errors.LayerError, "block4_conv2", lambda: vgg.canonical("block4_conv9")),
    "network": (errors.LayerError, "vgg19", lambda: vgg.layers("vgg91")),
    "weights": (errors.WeightsError, "oxford", lambda: vgg.load_weights("oxfrod")),
    "weights file": (errors.WeightsError, "no weights file", lambda: vgg.load_weights("nowhere.pth")),
    "recipe": (errors.RecipeError, "did you mean 'gatys'", lambda: st.recipes.get("gatis")),
    "recipe field": (
        errors.RecipeError,
        "'style_weight'",
        lambda: st.iterate(PHOTO, PHOTO, "fast", style_wieght=2),
    ),
    "recipe value": (errors.RecipeError, "seed", lambda: st.iterate(PHOTO, PHOTO, "fast", seed=-1)),
    "device": (errors.DeviceError, "cpu", lambda: st.iterate(PHOTO, PHOTO, "fast", device="gpu")),
    "sample": (errors.SampleError, "cat", lambda: st.samples.load("catt")),
    "picture": (errors.ImageError, "(B, 3, H, W)", lambda: st.iterate(PHOTO[0], PHOTO, "fast")),
    "style": (errors.ImageError, "check the path", lambda: st.iterate(PHOTO, "style.jpg", "fast")),
    "no content": (errors.ImageError, "no content", lambda: st.iterate([], PHOTO, "fast")),
    "form": (errors.LossError, "squared", lambda: st.losses.total_variation(PHOTO, "square")),
    "saved run": (errors.CheckpointError, "no saved run", lambda: st.resume("nowhere.run")),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_that_names_the_way_out(mistake: str) -> None:
    kind, hint, make = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        make()
    message = str(caught.value)
    assert hint in message
    assert "\n" not in message
    assert 0 < len(message) < 800
