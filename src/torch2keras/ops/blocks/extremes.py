"""The places of extremes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch2keras.lower.recorder import ops
from torch2keras.ops.blocks.operands import to_comparable


def find_extreme(op: Callable[..., Any], x: Any, dim: int | None, keepdim: bool) -> Any:
    """Return the first place of an extreme, or of NaN where there is one.

    `op` is `ops.argmax` or `ops.argmin`.

    Keras counts -0.0 below 0.0, where PyTorch finds them equal, so both become 0.0; and on
    TensorFlow it passes over NaN.
    """
    if not x.ndim:
        return ops.zeros_like(x, dtype="int64")
    if not x.is_float:
        return op(to_comparable(x), axis=dim, keepdims=keepdim)
    nan = ops.isnan(x)
    numbers = ops.where(ops.equal(x, 0.0), 0.0, x)
    return ops.where(
        ops.any(nan, axis=dim, keepdims=keepdim),
        ops.argmax(nan, axis=dim, keepdims=keepdim),
        op(numbers, axis=dim, keepdims=keepdim),
    )
