"""ES modules as one classic script: joined in order, and refused where they are not understood."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from page_helpers import SOURCES

from styletut.page import build
from styletut.page.bundle import BundleError, bundle, wrapped


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    return folder


def run_node(program: str) -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on the path")
    return subprocess.run([node, "--eval", program], capture_output=True, text=True, check=True).stdout.strip()


def test_modules_run_once_each_after_those_that_they_import(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="export const order = [];\norder.push('base');\n",
        left='import { order } from "./base.js";\norder.push("left");\nexport function leftSide() { return "l"; }\n',
        right='import {\n  order,\n} from "./base.js";\norder.push("right");\nexport class Right {}\n',
        main='import { order } from "./base.js";\nimport { leftSide } from "./left.js";\n'
        'import { Right } from "./right.js";\n'
        "order.push(leftSide() + new Right().constructor.name);\nexport async function go() {}\n",
    )
    script = bundle(tmp_path, "main.js", "made")
    assert "import" not in script and "export" not in script
    shown = "const it = self.made(); console.log(it.order.join(), Object.keys(it).join())"
    assert run_node(f"globalThis.self = globalThis;{script}{shown}") == "base,left,right,lRight order,leftSide,Right,go"


def test_a_bundle_leaves_one_name_and_does_nothing_before_it_is_called(tmp_path: Path) -> None:
    write(tmp_path, main="export const answer = 42;\nself.ran = true;\n")
    script = bundle(tmp_path, "main.js", "made")
    program = f"globalThis.self = globalThis; const before = Object.keys(self); {script}"
    shown = (
        "console.log(Object.keys(self).filter((name) => !before.includes(name)).join(), self.made().answer, self.ran)"
    )
    assert run_node(program + shown) == "made 42 true"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("export default 3;\n", "cannot join 'export default 3;'"),
        ('import * as all from "./other.js";\n', "cannot join 'import \\* as all"),
        ('import { a as b } from "./other.js";\n', "imports 'a as b'"),
        ('import { gone } from "./other.js";\n', "imports 'gone' from other.js, which does not export it"),
        ('import { a } from "./absent.js";\n', "cannot read absent.js, which main.js imports"),
        ('import { a } from "elsewhere";\n', "cannot join 'import"),
        ('import { a } from "./other.js";\nconst hidden = 1;\n', "main.js and other.js both declare 'hidden'"),
        ('import { main } from "./main.js";\n', "main.js imports itself"),
        ("const x = 1;\nexport { x };\n", "cannot join 'export { x };'"),
    ],
)
def test_what_cannot_be_joined_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, other="export const a = 1;\nconst hidden = 2;\n", main=text)
    with pytest.raises(BundleError, match=message):
        bundle(tmp_path, "main.js", "made")


def test_the_painters_own_modules_can_be_joined_and_are_classic_scripts() -> None:
    made = (build.engine(SOURCES), build.painter(SOURCES), build.live(SOURCES), build.figures_script(SOURCES))
    for script in made:
        assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)
        run_node(f"new (require('node:vm').Script)({script!r})")  # parsed, not run
    names = run_node(
        f"globalThis.self = globalThis;{build.engine(SOURCES)};console.log(Object.keys(self.styletutEngine()))"
    )
    assert all(name in names for name in ("Network", "Objective", "Adam", "LBFGS", "Run", "Painter", "serve"))


def test_a_library_is_wrapped_so_that_no_loader_of_the_page_catches_it() -> None:
    umd = "(function (f) { typeof exports === 'object' ? f(exports) : define(f); })(function (e) { e.one = 1; });"
    program = f"globalThis.self = globalThis; globalThis.define = () => self.caught = true; {wrapped(umd, 'lib')}"
    assert run_node(f"{program} console.log(self.lib().one, self.caught)") == "1 undefined"


def test_a_library_that_is_not_the_vendored_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / build.LIBRARY).write_text("exports.other = 1;", encoding="utf-8")
    with pytest.raises(BundleError, match=r"tf-.*\.min\.js is not the file that was vendored"):
        build.library(tmp_path)
    for name in ("webgpu", "wasm"):
        (tmp_path / build.BACKENDS[name]["script"]).write_text("exports.other = 1;", encoding="utf-8")
        with pytest.raises(BundleError, match=rf"tf-backend-{name}.* is not the file that was vendored"):
            build.backend(tmp_path, name)
