"""Parts of stored dimensions, between bounds that may be symbolic.

Python slices take numbers only, so the bound `size - k` becomes `-k`; a bound that depends on the
size in another way becomes a lookup of counted positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import count_positions, size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, as_tensor, call, layers, ops

END = 2**63 - 1
"""What PyTorch writes for "to the end"."""


def index_along(dim: int, index: Any) -> tuple[Any, ...]:
    """An index of one dimension, for use in brackets: `x[index_along(2, 0)]` is `x[:, :, 0]`."""
    return (slice(None),) * dim + (index,)


def window_slices(kernel: int, stride: int, dilation: int = 1) -> list[slice]:
    """For each element of a window the slice of a dimension that holds it for all windows.

    There are as many windows as fit into the dimension.
    """
    last = dilation * (kernel - 1)
    step = stride if stride > 1 else None
    return [slice(k or None, k - last or None, step) for k in range(0, last + 1, dilation)]


def simplify_bound(bound: Size, size: Size) -> Size:
    """A bound of a dimension of this size: `size - k` becomes -k, one beyond the end `END`."""
    bound, size = simplify_size(bound), simplify_size(size)
    if isinstance(bound, int):
        return bound
    distance = simplify_size(bound - size)
    if not isinstance(distance, int):
        return bound
    if distance < 0:
        return distance
    return END


def slice_part(x: Operand, dim: int, start: Size, stop: Size, step: Size, length: Size) -> Tensor:
    """Elements `start` to `stop` of a dimension, which are `length` of them.

    Bounds may be symbolic, and negative ones count from the end.
    """
    size = sizes_of(x)[dim]
    start, stop = simplify_bound(start, size), simplify_bound(stop, size)
    known = all(isinstance(number, int) for number in (start, stop, step))
    if known and not x.is_constant:
        return _slice_between(as_tensor(x), dim, start, stop, step)
    if isinstance(start, int) and start < 0:
        start = size + start
    first = size_tensor(start)
    positions = count_positions(length)
    if step != 1:
        positions = positions * step
    if start != 0:
        positions = positions + first
    return take_positions(x, positions, dim)


def _slice_between(x: Tensor, dim: int, start: int, stop: int, step: int) -> Tensor:
    """A Python slice, or `x` itself where that is all of it."""
    limit = None if stop >= END else stop
    if (start, limit, step) == (0, None, 1):
        return x
    return x[index_along(dim, slice(start or None, limit, None if step == 1 else step))]


def take_positions(x: Operand, positions: Tensor, dim: int) -> Tensor:
    """Entries at computed positions, none negative; an `Embedding` holds a table of floats."""
    is_table = x.is_constant and x.is_float and math.prod(x.shape[:dim]) == 1 and x.ndim > dim + 1
    if not is_table:
        return ops.take(x, positions, axis=dim)
    length, *entry = x.shape[dim:]
    width = math.prod(entry)
    table = layers.Embedding(input_dim=length, output_dim=width)
    rows = call(table, positions, embeddings=x.reshape(length, width))
    if len(entry) > 1:
        rows = ops.reshape(rows, (-1, *entry))
    return rows.expand_dims(*range(dim))


def cut_other_dims(x: Operand, shape: Sequence[Size], dim: int) -> Operand:
    """The first entries of each dimension but `dim`, as many as `shape` says."""
    own = sizes_of(x)
    for d, size in enumerate(shape):
        if d == dim or simplify_size(own[d]) == simplify_size(size):
            continue
        whole = as_tensor(x).with_sizes(own)
        own = (*own[:d], size, *own[d + 1 :])
        x = slice_part(whole, d, 0, size, 1, size).with_sizes(own)
    return x
