"""Parts of stored dimensions between bounds that may be symbolic; shared by slicing, indexing and scattering.

Python slices take numbers only, so `size - k` becomes `-k`; a bound that depends on the length in another way becomes a
lookup of counted positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.dynamic_sizes import count_positions, size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, as_tensor, call, layers, ops

END = 2**63 - 1
"""What PyTorch writes for "to the end"."""


def index_along(dim: int, index: Any) -> tuple[Any, ...]:
    """An index of one dimension."""
    return (slice(None),) * dim + (index,)


def bound(value: Size, size: Size) -> Size:
    """A bound of a dimension; one that is `size - k` as -k, and from `size` on as the largest number."""
    value, size = simplify_size(value), simplify_size(size)
    if isinstance(value, int):
        return value
    difference = simplify_size(value - size)
    if not isinstance(difference, int):
        return value
    return difference if difference < 0 else END


def part(x: Tensor | Weight, dim: int, start: Size, stop: Size, step: Size, length: Size) -> Tensor:
    """Elements `start` to `stop` of a dimension, `length` of them; bounds may be symbolic, and count from the end."""
    start, stop = bound(start, sizes_of(x)[dim]), bound(stop, sizes_of(x)[dim])
    if (
        isinstance(x, Tensor)
        and isinstance(start, int)
        and isinstance(stop, int)
        and isinstance(step, int)
    ):
        limit = None if stop >= END else stop
        return (
            x
            if (start, limit, step) == (0, None, 1)
            else x[index_along(dim, slice(start or None, limit, None if step == 1 else step))]
        )
    first = size_tensor(
        start if not isinstance(start, int) or start >= 0 else sizes_of(x)[dim] + start
    )
    positions = count_positions(length)
    positions = positions if step == 1 else positions * step
    return look_up_positions(
        x, positions if isinstance(first, int) and first == 0 else positions + first, dim
    )


def look_up_positions(x: Tensor | Weight, positions: Tensor, dim: int) -> Tensor:
    """Entries at computed positions, none negative; a table of weights is an `Embedding`."""
    if (
        not isinstance(x, Weight)
        or "float" not in x.dtype
        or math.prod(x.shape[:dim]) != 1
        or x.ndim <= dim + 1
    ):
        return ops.take(x, positions, axis=dim)
    length, *rest = x.shape[dim:]
    embedding = layers.Embedding(input_dim=length, output_dim=math.prod(rest))
    rows = call(embedding, positions, embeddings=x.reshape(length, math.prod(rest)))
    if len(rest) > 1:
        rows = ops.reshape(rows, (-1, *rest))
    return ops.expand_dims(rows, axis=tuple(range(dim))) if dim else rows


def cut_beside(x: Tensor | Weight, shape: Sequence[Size], dim: int) -> Tensor | Weight:
    """The first entries of each dimension but `dim`, as many as `shape` says."""
    have = sizes_of(x)
    for d, (own, size) in enumerate(zip(have, shape, strict=True)):
        if d != dim and simplify_size(own) != simplify_size(size):
            cut = part(as_tensor(x), d, 0, size, 1, size)
            have = (*have[:d], size, *have[d + 1 :])
            x = cut.with_sizes(have)
    return x
