"""Places in sorted rows."""

from __future__ import annotations

from typing import Any

from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import Tensor, ops


def insertion(sorted_sequence: Any, values: Any, *, right: bool) -> Tensor:
    """How many entries stand before each value: those below it, and with `right` those equal to it; all before NaN.

    PyTorch halves the sequence, and so does this: then they agree on what is not sorted too. Raises LoweringError for
    a sequence of dynamic size.
    """
    behind, size = ops.greater if right else ops.greater_equal, sorted_sequence.shape[-1]
    if size is None:
        raise LoweringError(
            "a search in a dynamic dimension", [("next", "give this dimension a fixed size")]
        )
    start = ops.zeros_like(values, dtype="int32")
    end = start + size
    for _ in range(size.bit_length()):
        half = ops.floor_divide(start + end, 2)
        at = ops.minimum(half, size - 1)
        if sorted_sequence.ndim == 1:
            entry = ops.take(sorted_sequence, at, axis=0)
        else:
            entry = ops.take_along_axis(sorted_sequence, at, axis=-1)
        forwards = ops.logical_and(ops.less(start, end), ops.logical_not(behind(entry, values)))
        start, end = ops.where(forwards, half + 1, start), ops.where(forwards, end, half)
    return start
