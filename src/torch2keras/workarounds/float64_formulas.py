"""Formulas in float64: TensorFlow keeps the constants of some functions in float32.

They are the factors in both forms of gelu, the slope of leaky_relu, and the scale of attention.
The relative errors are 5e-9, 6e-9 and 3e-9 (TensorFlow 2.21).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def exact_gelu(ops: Any, x: Any, approximate: str = "none") -> Any:
    """Return x times the normal distribution's cumulative function, or its approximation by tanh.

    `ops` is `keras.ops` or the recorder's `ops`. The formulas are those of
    https://docs.pytorch.org/docs/stable/generated/torch.nn.GELU.html.
    """
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return ops.multiply(0.5 * x, 1.0 + ops.tanh(inner))
    return ops.multiply(0.5 * x, 1.0 + ops.erf(x * math.sqrt(0.5)))


def exact_leaky_relu(ops: Any, x: Any, negative_slope: float) -> Any:
    """Return the numbers, times the slope where they are negative, by `ops` as in `exact_gelu`."""
    return ops.where(ops.greater(x, 0), x, x * negative_slope)


def widen_attention_scale(attention: Any) -> None:
    """Let a MultiHeadAttention multiply by its scale in float64: TensorFlow rounds a Python number.

    The attribute has no public name (Keras 3.15.1).
    """
    scale = attention._inverse_sqrt_key_dim  # noqa: SLF001 - see above
    attention._inverse_sqrt_key_dim = np.float64(scale)  # noqa: SLF001 - see above
