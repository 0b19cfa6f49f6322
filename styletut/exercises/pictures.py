"""The exercises of chapter 02, pictures."""

from __future__ import annotations

from .kinds import Function, Value

EXERCISES: dict[str, Value | Function] = {}
