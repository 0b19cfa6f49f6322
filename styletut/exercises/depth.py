"""The exercises of chapter 06, content-depth."""

from __future__ import annotations

from .kinds import Function, Value

EXERCISES: dict[str, Value | Function] = {}
