"""An addition along the wrong dimension: by `keras.ops.add`, and by `EinsumDense` with its bias.

On TensorFlow it takes a second operand with one long dimension for a bias along the last dimension
of the first, if that is as long, else along dimension 1: (3, 3) + (3, 1) is computed as
(3, 3) + (3,), and (2, 6, 1) + (6,) as (2, 6, 1) + (6, 1). (Keras 3.15.1.)
"""

from __future__ import annotations

from collections.abc import Sequence

Sizes = Sequence[int | None]
"""The sizes of an operand's dimensions; None where dynamic."""


def is_misread_as_bias(first: Sizes, second: Sizes) -> bool:
    """Whether `add(first, second)` may go wrong for some sizes.

    A dynamic size is taken to be equal to the one that faces it.
    """
    long = [d for d, size in enumerate(second) if size != 1]
    surely_long = [d for d in long if second[d] is not None]
    if len(first) < 2 or len(surely_long) > 1:
        return False
    for d in surely_long or long:
        faced = _with_ones(first, second, d)
        if _is_misread(faced, second[d], d - len(second)):
            return True
    return False


def _with_ones(first: Sizes, second: Sizes, long: int) -> Sizes:
    """Return the first operand's shape where `long` is the only long dimension of the second."""
    ones = set()
    for d, size in enumerate(second):
        if size is None and d != long:
            ones.add(d - len(second))
    shape = list(first)
    for d, size in enumerate(first):
        if size is None and d - len(first) in ones:
            shape[d] = 1
    return shape


def _is_misread(first: Sizes, size: int | None, place: int) -> bool:
    """Whether a bias of this size, for dimension `place` from the end, may be read for another."""
    last, other = _may_fit(first[-1], size), _may_fit(first[1], size)
    if not last and not other:
        return False
    if -place > len(first) or first[place] != size:
        return True
    return place != -1 and (last or len(first) + place != 1)


def _may_fit(there: int | None, size: int | None) -> bool:
    """Whether a bias of this size may be added along a dimension of the size `there`."""
    return there != 1 and (there is None or size is None or there == size)
