"""Roots and vector norms."""

from __future__ import annotations

from typing import Any

from torch2keras.lower.recorder import ops


def root(x: Any, order: float = 2) -> Any:
    """The root, with no gradient where it is zero: so PyTorch trains on, over silence, where the slope is infinite."""
    there = ops.not_equal(x, 0)
    inside = ops.where(there, x, 1.0)
    return ops.where(there, ops.sqrt(inside) if order == 2 else ops.power(inside, 1.0 / order), 0.0)
