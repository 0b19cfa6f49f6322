"""The painter's files, as the built book serves them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from pathlib import Path

from . import figures, scripts
from .bundle import BundleError, bundle, wrapped

LIBRARY = f"tf-{scripts.LIBRARY_VERSION}.es2017.min.js"
"""TensorFlow.js: see ``book/_vendor/README.md``."""

BACKENDS = {
    "webgpu": {"script": f"tf-backend-webgpu-{scripts.LIBRARY_VERSION}.es2017.min.js"},
    "wasm": {
        "script": f"tf-backend-wasm-{scripts.LIBRARY_VERSION}.es2017.min.js",
        "program": f"tfjs-backend-wasm-simd-{scripts.LIBRARY_VERSION}.wasm",
    },
}
"""Back ends that the library leaves out."""

SHA256 = {
    LIBRARY: "22b8e70b5c52f551d3f2ec616ab702d9d25eddc5b3ea2195fa9185f0b324c6ec",
    BACKENDS["webgpu"]["script"]: "65485e782161becc7dc8a79a66722a82cfd2faae45de9f0630a2cd267ab7b2ec",
    BACKENDS["wasm"]["script"]: "9698d28f8e7f61f7d7f444e6a05edd012c303f22c5f5c7b2fd31dbdc49bfc389",
    BACKENDS["wasm"]["program"]: "77ebb28a6d34f371dbbf2086b7f2de8994acd8ea5a3cf1fa24d2c26c840cac7b",
}


def write(sources: Path, vendored: Path, target: Path) -> None:
    """Write all that the painter and the live figures load into the folder ``target``.

    ``painter`` and ``live``, scripts and style sheets, are what a page itself has; the rest is loaded when the reader
    asks.

    Args:
        sources: the folder of the ES modules, ``book/_page``.
        vendored: the folder of the library, ``book/_vendor``.

    Raises:
        BundleError: the modules cannot be joined, or the library is not the file that was vendored.
        WeightsError: the weights are not there.
    """
    made = {
        "painter.js": painter(sources),
        "painter.css": style(sources, "painter.css"),
        "live.js": live(sources),
        "live.css": style(sources, "live.css"),
        "figures.js": figures_script(sources),
        "engine.js": engine(sources),
        "tf.js": library(vendored),
        **{f"{name}.js": backend(vendored, name) for name in BACKENDS},
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


def live(sources: Path) -> str:
    """The script of a chapter with live figures, which offers them; it begins by itself."""
    return bundle(sources, "live.js", "styletutLive") + "self.styletutLive().begin(document);\n"


def figures_script(sources: Path) -> str:
    """The script of the live figures themselves, and the settings: ``self.styletutFigures()`` gives its exports."""
    known = scripts.script("styletutSettings", scripts.settings())
    own = scripts.script("styletutFigureSettings", figures.settings())
    return known + own + bundle(sources, "figures.js", "styletutFigures")


def style(sources: Path, name: str) -> str:
    """A style sheet, after the one that the painter and the figures share."""
    return "".join((sources / file).read_text(encoding="utf-8") for file in ("controls.css", name))


def engine(sources: Path) -> str:
    """The script of the engine, which knows nothing of the page: ``self.styletutEngine()`` gives its exports."""
    return bundle(sources, "serve.js", "styletutEngine")


def library(vendored: Path) -> str:
    """The script of TensorFlow.js: ``self.styletutTensorFlow()`` gives it.

    Raises:
        BundleError: it is not the file that was vendored.
    """
    return wrapped(_vendored(vendored, LIBRARY).decode(), "styletutTensorFlow")


def backend(vendored: Path, name: str) -> str:
    """The script of a back end, by itself because few need it: its files, zipped, in ``self.styletutBackends``.

    Raises:
        BundleError: one of its files is not the one that was vendored.
    """
    files = {part: _zipped(_vendored(vendored, file)) for part, file in BACKENDS[name].items()}
    return f"(self.styletutBackends ??= {{}}).{name} = {json.dumps(files)};\n"


def _zipped(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def _vendored(folder: Path, name: str) -> bytes:
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise BundleError(f"{name} is not the file that was vendored: see the README.md beside it")
    return data
