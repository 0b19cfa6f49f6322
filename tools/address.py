"""Say where the project is published: in every file that names it, or in none.

    python tools/address.py https://github.com/OWNER/NAME
    python tools/address.py https://github.com/OWNER/NAME https://OWNER.example/NAME/

The first address is the repository, the second the built book; without it, the book's is GitHub Pages of that
repository. The present ones are those of pyproject.toml and _config.yml, and the tests hold all other places to them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = ("*.md", "*.toml", "*.yml", "*.cff", "book/**/*.md", "book/*.ipynb", "notebooks/*.ipynb")
ON_GITHUB = re.compile(r"https://github\.com/([\w-]+)/([\w.-]+)")


def main(arguments: list[str], root: Path = ROOT) -> None:
    """Replace both addresses."""
    if not 1 <= len(arguments) <= 2:
        sys.exit(__doc__)
    repository, book = wanted(*arguments)
    found = replaced(root, dict(zip(present(root), (repository, book), strict=True)))
    for path, text in found.items():  # all texts are known before the first is written
        new = path.with_name(path.name + ".new")
        new.write_text(text, encoding="utf-8", newline="")
        new.replace(path)
    print(f"{repository} and {book}: {len(found)} files changed")


def wanted(repository: str, book: str | None = None) -> tuple[str, str]:
    """The repository's address without a slash at its end, the book's with one.

    Raises:
        SystemExit: they are none; one line says what is wanted.
    """
    repository = repository.rstrip("/").removesuffix(".git")
    github = ON_GITHUB.fullmatch(repository)
    if github is None:
        sys.exit(f"the chapters open on Colab from GitHub: give https://github.com/OWNER/NAME, not {repository!r}")
    book = book or f"https://{github[1].lower()}.github.io/{github[2]}/"
    if not re.fullmatch(r"https://[\w.-]+(/[\w./~-]*)?", book):
        sys.exit(f"the book's address must be like https://OWNER.github.io/NAME/, not {book!r}")
    return repository, book.rstrip("/") + "/"


def present(root: Path = ROOT) -> tuple[str, str]:
    """The addresses of the repository and of the book now."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return project["urls"]["Repository"], config["html"]["baseurl"]


def places(root: Path = ROOT) -> Iterator[Path]:
    """The files that may name an address."""
    for pattern in PATTERNS:
        yield from sorted(root.glob(pattern))


def replaced(root: Path, addresses: dict[str, str]) -> dict[Path, str]:
    """The new text of each file in which one of the addresses stands."""
    # Both at once: a new address may contain an old one.
    old = re.compile(
        "|".join(re.escape(address) + ("" if address.endswith("/") else r"(?![\w-])") for address in addresses)
    )
    found = {}
    for path in places(root):
        before = path.read_bytes().decode("utf-8")
        after = old.sub(lambda match: addresses[match[0]], before)
        if after != before:
            found[path] = after
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
