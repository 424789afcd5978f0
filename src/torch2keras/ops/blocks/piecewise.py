"""Functions that are defined piece by piece."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch2keras.lower.recorder import Tensor, ops

INF, NAN = math.inf, math.nan


def below(
    x: Tensor, limit: float, near: Callable[[Tensor], Any], far: Callable[[Tensor], Any]
) -> Tensor:
    """`near` up to a limit, and `far` beyond it."""
    return ops.where(
        ops.less_equal(x, limit), near(ops.minimum(x, limit)), far(ops.maximum(x, limit))
    )


def of_positive(x: Tensor, at_zero: float, function: Callable[[Tensor], Any]) -> Tensor:
    """A function of positive numbers; `at_zero`, and NaN below."""
    there = ops.greater(x, 0)
    value = function(ops.where(ops.less_equal(x, 0), 1.0, x))
    return ops.where(there, value, ops.where(ops.equal(x, 0), at_zero, NAN))
