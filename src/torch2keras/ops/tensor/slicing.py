"""Parts of a tensor: slice, select, split, unbind; and a tensor with a slice_part exchanged.

Bounds may be symbolic. Python slices take numbers only, so `size - k` becomes `-k`; a simplify_bound that depends on the
length in another way becomes a lookup of counted positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.dynamic_sizes import size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, as_tensor, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.slices import END, index_along, simplify_bound, slice_part

aten = torch.ops.aten


@lowering(aten.slice.Tensor, axes="... [dim'] -> ... [dim']")
def slice_(x, dim=0, start=None, end=None, step=1, *, context):
    """A slice; `keras.ops.take` of counted positions where a simplify_bound depends on the length."""
    return slice_part(
        x,
        dim,
        0 if start is None else start,
        END if end is None else end,
        step,
        context.shapes[0][dim],
    )


@lowering(aten.select.int, axes="... [dim'] -> ...")
def select(x, dim, index):
    """An index of one dimension."""
    index = simplify_bound(index, sizes_of(x)[dim])
    if isinstance(index, int) and isinstance(x, Tensor):
        return x[index_along(dim, index)]
    return ops.take(x, size_tensor(index), axis=dim)


def parts(x: Tensor | Weight, dim: int, lengths: Sequence[Size]) -> list[Tensor]:
    """Neighbouring parts of a dimension: `keras.ops.split` where all lengths are static, else slices."""
    ends = [simplify_size(e) for e in accumulate(lengths)]
    if len(lengths) == 1:
        return [as_tensor(x)]
    if all(isinstance(s, int) for s in ends):
        sections = len(lengths) if len(set(lengths)) == 1 else ends[:-1]
        return list(ops.split(x, sections, axis=dim))
    starts = [0, *ends[:-1]]
    return [
        slice_part(x, dim, a, b, 1, n)
        for a, b, n in zip(starts, [*ends[:-1], END], lengths, strict=True)
    ]


@lowering(aten.split.Tensor, aten.unsafe_split.Tensor, axes="... [dim'] -> ... [dim']")
def split(x, split_size, dim=0, *, context):
    """`keras.ops.split`."""
    return parts(x, dim, [shape[dim] for shape in context.shapes])


@lowering(
    aten.split_with_sizes.default,
    aten.unsafe_split_with_sizes.default,
    axes="... [dim'] -> ... [dim']",
)
def split_with_sizes(x, split_sizes, dim=0, *, context):
    """`keras.ops.split`."""
    return parts(x, dim, [shape[dim] for shape in context.shapes])


@lowering(aten.unbind.int, axes="... [dim'] -> ...")
def unbind(x, dim=0):
    """`keras.ops.unstack`."""
    return ops.unstack(x, axis=dim)


@lowering(aten.slice_scatter.default, axes="... [dim'], ... [dim'] -> ... [dim']")
def slice_scatter(x, src, dim=0, start=None, end=None, step=1, *, context):
    """What stands before, the new slice_part, and what stands behind; of a slice_part with a step, a lookup in both."""
    size, length = context.shapes[0][dim], sizes_of(src)[dim]
    first = simplify_bound(0 if start is None else start, size)
    stop = simplify_bound(END if end is None else end, size)
    if step != 1:
        return interleaved(x, src, dim, (first, stop, step))
    if not isinstance(first, int) or not isinstance(stop, int):
        raise LoweringError(
            "a write to a slice whose bounds are no fixed distance from an end",
            [("next", "make this dimension static")],
        )
    tail = (
        first + length if isinstance(length, int) and (first >= 0 or first + length < 0) else stop
    )
    before = [x[index_along(dim, slice(None, first))]] if first else []
    behind = (
        []
        if tail in (END, size) or (first < 0 and tail == 0)
        else [x[index_along(dim, slice(tail, None))]]
    )
    pieces = [*before, src, *behind]
    return ops.concatenate(pieces, axis=dim) if len(pieces) > 1 else src


def interleaved(x: Tensor, src: Tensor, dim: int, bounds: tuple[Any, Any, Any]) -> Tensor:
    """`x` with the entries of a slice with a step taken from `src`. Raises LoweringError where the size is dynamic."""
    size = sizes_of(x)[dim]
    if not isinstance(size, int):
        raise LoweringError(
            "a write to every so many entries of a dynamic dimension",
            [("next", "make this dimension static")],
        )
    chosen = {position: size + k for k, position in enumerate(range(size)[slice(*bounds)])}
    index = as_constant(torch.tensor([chosen.get(position, position) for position in range(size)]))
    return ops.take(ops.concatenate([x, src], axis=dim), index, axis=dim)


@lowering(aten.select_scatter.default, axes="... [dim'], ... -> ... [dim']")
def select_scatter(x, src, dim, index, *, context):
    """What stands before, the new entry, and what stands behind."""
    size = context.shapes[0][dim]
    index = simplify_bound(index, size)
    if not isinstance(index, int):
        raise LoweringError(
            "a write to an entry at no fixed distance from an end",
            [("next", "make this dimension static")],
        )
    before = [x[index_along(dim, slice(None, index))]] if index and index != -size else []
    behind = [] if index in (-1, size - 1) else [x[index_along(dim, slice(index + 1, None))]]
    return ops.concatenate([*before, ops.expand_dims(src, axis=dim), *behind], axis=dim)
