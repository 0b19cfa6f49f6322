"""The painter's files, as the built book serves them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import scripts
from .bundle import BundleError, bundle, wrapped

LIBRARY = f"tf-{scripts.LIBRARY_VERSION}.es2017.min.js"
LIBRARY_SHA256 = "22b8e70b5c52f551d3f2ec616ab702d9d25eddc5b3ea2195fa9185f0b324c6ec"
"""TensorFlow.js: see ``book/_vendor/README.md``."""


def write(sources: Path, vendored: Path, target: Path) -> None:
    """Write all that the painter loads into the folder ``target``.

    ``painter.js`` and ``painter.css`` are what the page itself has; the rest is loaded when the reader asks.

    Args:
        sources: the folder of the ES modules, ``book/_page``.
        vendored: the folder of the library, ``book/_vendor``.

    Raises:
        BundleError: the modules cannot be joined, or the library is not the file that was vendored.
        WeightsError: the weights are not there.
    """
    made = {
        "painter.js": painter(sources),
        "painter.css": (sources / "painter.css").read_text(encoding="utf-8"),
        "engine.js": engine(sources),
        "tf.js": library(vendored),
        "weights.js": scripts.script("styletutWeights", scripts.weights()),
        "weights-finer.js": scripts.script(
            "styletutWeightsFiner", scripts.weights(scripts.FINER, after=scripts.DEEPEST)
        ),
        "samples.js": scripts.script("styletutSamples", scripts.sample_pictures()),
    }
    target.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (target / name).write_text(text, encoding="utf-8", newline="\n")


def painter(sources: Path) -> str:
    """The script of the page itself: its controls, and the settings; it begins by itself."""
    settings = scripts.script("styletutSettings", scripts.settings())
    return settings + bundle(sources, "painter.js", "styletutPainter") + "self.styletutPainter().begin(document);\n"


def engine(sources: Path) -> str:
    """The script of the engine, which knows nothing of the page: ``self.styletutEngine()`` gives its exports."""
    return bundle(sources, "serve.js", "styletutEngine")


def library(vendored: Path) -> str:
    """The script of TensorFlow.js: ``self.styletutTensorFlow()`` gives it.

    Raises:
        BundleError: it is not the file that was vendored.
    """
    text = (vendored / LIBRARY).read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != LIBRARY_SHA256:
        raise BundleError(f"{LIBRARY} is not the file that was vendored: see the README.md beside it")
    return wrapped(text, "styletutTensorFlow")
