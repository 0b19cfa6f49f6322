"""The exercises of chapter 03, features."""

from __future__ import annotations

from .kinds import Function, Value

EXERCISES: dict[str, Value | Function] = {}
