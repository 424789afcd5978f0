"""Formulas in float64 for Keras ops that compute in float32 whatever their input."""

from __future__ import annotations

import math
from typing import Any


def gelu(ops: Any, x: Any, approximate: str = "none") -> Any:
    """The product with the normal distribution's cumulative function, or its approximation by tanh.

    By `keras.ops`, or by the recorder's `ops`.
    """
    if approximate == "tanh":
        return ops.multiply(
            0.5 * x, 1.0 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
        )
    return ops.multiply(0.5 * x, 1.0 + ops.erf(x * math.sqrt(0.5)))


def leaky_relu(ops: Any, x: Any, negative_slope: float) -> Any:
    """The numbers, times the slope where they are negative; by `keras.ops` or the recorder's `ops`."""
    return ops.where(ops.greater(x, 0), x, x * negative_slope)
