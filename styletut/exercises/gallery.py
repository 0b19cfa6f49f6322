"""The exercises of the failure gallery."""

from __future__ import annotations

from .kinds import Function, Value

EXERCISES: dict[str, Value | Function] = {}
