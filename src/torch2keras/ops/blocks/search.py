"""Places in sorted rows."""

from __future__ import annotations

from typing import Any

from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import Tensor, ops


def search_sorted(sorted_sequence: Any, values: Any, *, right: bool) -> Tensor:
    """Return how many entries stand before each value.

    Those are the entries below it, and with `right` the equal ones too; all stand before NaN.
    `sorted_sequence` is one row for all values, or (..., b) for values of the
    shape (..., v). PyTorch halves the sequence, and so does this: then they agree on what is not
    sorted too.

    Raises LoweringError for a sequence of dynamic size.
    """
    size = sorted_sequence.shape[-1]
    if size is None:
        raise LoweringError(
            "a search in a dynamic dimension", [("next", "give this dimension a fixed size")]
        )
    stands_behind = ops.greater if right else ops.greater_equal
    start = ops.zeros_like(values, dtype="int32")
    end = start + size
    for _ in range(size.bit_length()):
        middle = ops.floor_divide(start + end, 2)
        entry = _take_entries(sorted_sequence, ops.minimum(middle, size - 1))
        stands_before = ops.logical_not(stands_behind(entry, values))
        forwards = ops.logical_and(ops.less(start, end), stands_before)
        start, end = ops.where(forwards, middle + 1, start), ops.where(forwards, end, middle)
    return start


def _take_entries(sorted_sequence: Any, places: Tensor) -> Tensor:
    """Return the entries at `places` of the one row, or of the row of each."""
    if sorted_sequence.ndim == 1:
        return ops.take(sorted_sequence, places, axis=0)
    return ops.take_along_axis(sorted_sequence, places, axis=-1)
