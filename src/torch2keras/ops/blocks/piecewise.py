"""Functions that are defined piece by piece."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch2keras.lower.recorder import Tensor, ops

INF, NAN = math.inf, math.nan


def join_at(
    x: Tensor, limit: float, near: Callable[[Tensor], Any], far: Callable[[Tensor], Any]
) -> Tensor:
    """Return `near(x)` up to a limit and `far(x)` beyond it.

    Each gets arguments of its own side only, so that neither gives NaN, nor a gradient of NaN, on
    the other.
    """
    return ops.where(
        ops.less_equal(x, limit), near(ops.minimum(x, limit)), far(ops.maximum(x, limit))
    )


def extend_from_positive(x: Tensor, at_zero: float, function: Callable[[Tensor], Any]) -> Tensor:
    """Return `function` of positive numbers; `at_zero` where x is zero, and NaN below it."""
    value = function(ops.where(ops.less_equal(x, 0), 1.0, x))
    otherwise = ops.where(ops.equal(x, 0), at_zero, NAN)
    return ops.where(ops.greater(x, 0), value, otherwise)
