"""The exercises of chapter 05, style-layers."""

from __future__ import annotations

from .kinds import Function, Value

EXERCISES: dict[str, Value | Function] = {}
