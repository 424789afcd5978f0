"""Roots and vector norms."""

from __future__ import annotations

import math
from typing import Any

from torch2keras.lower.recorder import Tensor, ops


def root(x: Any, order: float = 2) -> Tensor:
    """Return the root of numbers that are not negative, with no gradient where they are zero.

    The slope is infinite there; PyTorch trains on over silence, as its norms have a gradient of
    zero in it.
    """
    there = ops.not_equal(x, 0)
    inside = ops.where(there, x, 1.0)
    value = ops.sqrt(inside) if order == 2 else ops.power(inside, 1.0 / order)
    return ops.where(there, value, 0.0)


def vector_norm(x: Any, order: float, axis: Any, *, keepdims: bool = False) -> Tensor:
    """Return sum(|x|^order)^(1 / order) over the dimensions `axis`, or over all where it is None.

    The order 0 counts what is not zero, an infinite one gives the largest or the smallest size, as
    in `torch.linalg.vector_norm`. `keras.ops.norm` takes two dimensions for those of a matrix.
    """
    if order == 2:
        return root(ops.sum(ops.square(x), axis=axis, keepdims=keepdims))
    if order == 0:
        return ops.sum(ops.cast(ops.not_equal(x, 0), x.dtype), axis=axis, keepdims=keepdims)
    size = ops.abs(x)
    if order == math.inf:
        return ops.max(size, axis=axis, keepdims=keepdims)
    if order == -math.inf:
        return ops.min(size, axis=axis, keepdims=keepdims)
    if order == 1:
        return ops.sum(size, axis=axis, keepdims=keepdims)
    return root(ops.sum(ops.power(size, order), axis=axis, keepdims=keepdims), order)
