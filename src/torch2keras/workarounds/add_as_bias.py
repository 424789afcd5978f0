"""When `keras.ops.add`, and `EinsumDense` with its bias, add along another dimension than broadcasting does.

On TensorFlow it takes a second operand with one long dimension for a bias along the last dimension of the first, if
that is as long, else along dimension 1: (3, 3) + (3, 1) is computed as (3, 3) + (3,), and (2, 6, 1) + (6,) as
(2, 6, 1) + (6, 1). (Keras 3.15.1.)
"""

from __future__ import annotations

from collections.abc import Sequence

Sizes = Sequence[int | None]
"""The sizes of an operand's dimensions; None where dynamic."""


def is_misread_as_bias(first: Sizes, second: Sizes) -> bool:
    """Whether `add(first, second)` may go wrong for some sizes. A dynamic size is equal to the one that faces it."""
    long = [d for d, size in enumerate(second) if size != 1]
    sure = [d for d in long if second[d] is not None]
    if len(first) < 2 or len(sure) > 1:
        return False
    return any(
        _misread(_beside(first, second, d), second[d], d - len(second)) for d in sure or long
    )


def _beside(first: Sizes, second: Sizes, long: int) -> Sizes:
    """The first operand's shape where `long` is the only long dimension of the second."""
    ones = {d - len(second) for d, size in enumerate(second) if size is None and d != long}
    return tuple(
        1 if size is None and d - len(first) in ones else size for d, size in enumerate(first)
    )


def _misread(first: Sizes, size: int | None, place: int) -> bool:
    """Whether a bias of this size, meant for the dimension `place` from the end, may be read for another one."""
    last, other = (
        first[axis] != 1 and (None in (size, first[axis]) or first[axis] == size)
        for axis in (-1, 1)
    )
    if not last and not other:
        return False
    if -place > len(first) or first[place] != size:
        return True
    return place != -1 and (last or len(first) + place != 1)
