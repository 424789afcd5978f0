"""The places of extremes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch2keras.lower.recorder import ops
from torch2keras.ops.blocks.operands import ranked


def find_extreme(op: Callable[..., Any], x: Any, dim: Any, keepdim: bool) -> Any:
    """The first place of an extreme, or of NaN where there is one.

    Keras counts -0.0 below 0.0, which are equal, so both become 0.0; and on TensorFlow it passes over NaN.
    """
    if not x.ndim:
        return ops.zeros_like(x, dtype="int64")
    if "float" not in x.dtype:
        return op(ranked(x), axis=dim, keepdims=keepdim)
    nan, over = ops.isnan(x), {"axis": dim, "keepdims": keepdim}
    return ops.where(
        ops.any(nan, **over),
        ops.argmax(nan, **over),
        op(ops.where(ops.equal(x, 0.0), 0.0, x), **over),
    )
