"""ES modules joined into one classic script: Chromium refuses modules from ``file://``.

Only what the painter's modules use is understood, and anything else is refused: imports of names from a file beside,
``export`` before a declaration, and a declaration that no other module has.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import StyletutError


class BundleError(StyletutError, ValueError):
    """A module is written in a way that cannot be joined with others."""


_IMPORT = re.compile(r'import \{([\w\s,$]+)\} from "\./([\w-]+\.js)";\n')
_EXPORT = re.compile(r"export ((?:async )?function\*?|class|const|let) ([\w$]+)")
_DECLARED = re.compile(r"^(?:export )?(?:(?:async )?function\*?|class|const|let|var) ([\w$]+)", re.MULTILINE)
_MODULE_WORD = re.compile(r"^\s*(import|export)\b.*", re.MULTILINE)


def bundle(folder: Path, entry: str, name: str) -> str:
    """A classic script that sets ``self[name]`` to a function, which runs the modules and returns their exports.

    A function, so that its own source can be given to a worker, and nothing runs before it is called.

    Args:
        folder: where the modules are.
        entry: the file name of the module that imports, directly or not, all the others.
        name: what the function is called.

    Raises:
        BundleError: a module is missing, or written in a way that is not understood.
    """
    parts: dict[str, str] = {}
    owners: dict[str, str] = {}
    exports: dict[str, list[str]] = {}
    _collect(folder, entry, (), parts, owners, exports)
    public = ", ".join(name for names in exports.values() for name in names)
    body = "\n".join(f"// --- {file}\n{text.strip()}\n" for file, text in parts.items())
    return f'self.{name} = function () {{\n"use strict";\n{body}\nreturn {{ {public} }};\n}};\n'


def _collect(
    folder: Path,
    file: str,
    importers: tuple[str, ...],
    parts: dict[str, str],
    owners: dict[str, str],
    exports: dict[str, list[str]],
) -> None:
    """Add a module after those that it imports."""
    if file in importers:
        raise BundleError(f"{file} imports itself by way of {importers[-1]}: move what both need to a third module")
    if file in parts:
        return
    try:
        text = (folder / file).read_text(encoding="utf-8")
    except OSError as error:
        by = f", which {importers[-1]} imports" if importers else ""
        raise BundleError(f"cannot read {file}{by}: {error.strerror}") from None
    for wanted, source in _IMPORT.findall(text):
        _collect(folder, source, (*importers, file), parts, owners, exports)
        for name in filter(None, map(str.strip, wanted.split(","))):
            if name not in exports[source]:
                raise BundleError(f"{file} imports {name!r} from {source}, which does not export it")
    text = _IMPORT.sub("", text)
    for name in _DECLARED.findall(text):
        if name in owners:
            raise BundleError(f"{file} and {owners[name]} both declare {name!r}: give one another name")
        owners[name] = file
    exports[file] = [name for _, name in _EXPORT.findall(text)]
    text = _EXPORT.sub(r"\1 \2", text)
    if left := _MODULE_WORD.search(text):
        raise BundleError(
            f"{file}: cannot join {left[0].strip()!r}; only import {{ a, b }} from './x.js' and export of"
        )
    parts[file] = text


def wrapped(library: str, name: str) -> str:
    """A classic script that sets ``self[name]`` to a function, which runs a CommonJS ``library`` and returns it.

    >>> print(wrapped("exports.one = 1;", "one"), end="")
    self.one = function () {
    const exports = {}, module = { exports };
    exports.one = 1;
    return module.exports;
    };
    """
    start = "const exports = {}, module = { exports };"
    return f"self.{name} = function () {{\n{start}\n{library}\nreturn module.exports;\n}};\n"
