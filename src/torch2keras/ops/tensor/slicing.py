"""Parts of a tensor: slice, select, split, unbind; and a tensor with a part replaced.

Bounds may be symbolic (`blocks/slices.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, as_tensor, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.slices import END, index_along, simplify_bound, slice_part

aten = torch.ops.aten


def fill_bounds(start: Size | None, end: Size | None) -> tuple[Size, Size]:
    """The bounds of a slice with PyTorch's defaults, the whole dimension."""
    return 0 if start is None else start, END if end is None else end


@lowering(aten.slice.Tensor, axes="... [dim'] -> ... [dim']")
def slice_(x, dim=0, start=None, end=None, step=1, *, context):
    """A slice; `keras.ops.take` of counted positions where a bound depends on the length."""
    return slice_part(x, dim, *fill_bounds(start, end), step, context.shapes[0][dim])


@lowering(aten.select.int, axes="... [dim'] -> ...")
def select(x, dim, index):
    """An index of one dimension."""
    index = simplify_bound(index, sizes_of(x)[dim])
    if isinstance(index, int) and not x.is_constant:
        return x[index_along(dim, index)]
    return ops.take(x, size_tensor(index), axis=dim)


def split_dim(x: Operand, dim: int, lengths: Sequence[Size]) -> list[Tensor]:
    """Neighbouring parts of a dimension: `keras.ops.split` for static lengths, else slices."""
    if len(lengths) == 1:
        return [as_tensor(x)]
    *inner, last = [simplify_size(end) for end in accumulate(lengths)]
    if all(isinstance(end, int) for end in (*inner, last)):
        sections: int | list[int] = inner
        if len(set(lengths)) == 1:
            sections = len(lengths)
        return list(ops.split(x, sections, axis=dim))
    rows = zip([0, *inner], [*inner, END], lengths, strict=True)
    return [slice_part(x, dim, start, stop, 1, length) for start, stop, length in rows]


@lowering(aten.split.Tensor, aten.unsafe_split.Tensor, axes="... [dim'] -> ... [dim']")
def split(x, split_size, dim=0, *, context):
    """`keras.ops.split` along the dimension."""
    return split_dim(x, dim, [shape[dim] for shape in context.shapes])


@lowering(
    aten.split_with_sizes.default, aten.unsafe_split_with_sizes.default,
    axes="... [dim'] -> ... [dim']",
)  # fmt: skip
def split_with_sizes(x, split_sizes, dim=0, *, context):
    """`keras.ops.split` along the dimension."""
    return split_dim(x, dim, [shape[dim] for shape in context.shapes])


@lowering(aten.unbind.int, axes="... [dim'] -> ...")
def unbind(x, dim=0):
    """`keras.ops.unstack` along the dimension."""
    return ops.unstack(x, axis=dim)


@lowering(aten.slice_scatter.default, axes="... [dim'], ... [dim'] -> ... [dim']")
def slice_scatter(x, src, dim=0, start=None, end=None, step=1, *, context):
    """What stands before, the new part, and what stands behind; with a step, a lookup in both."""
    size = context.shapes[0][dim]
    first, stop = [simplify_bound(bound, size) for bound in fill_bounds(start, end)]
    if step != 1:
        return replace_every(x, src, dim, slice(first, stop, step))
    if not isinstance(first, int) or not isinstance(stop, int):
        raise LoweringError(
            "a write to a slice whose bounds are no fixed distance from an end",
            [("next", "make this dimension static")],
        )
    return replace_part(x, src, dim, first, find_tail(first, stop, sizes_of(src)[dim], size))


def find_tail(first: int, stop: int, length: Size, size: Size) -> int | None:
    """Where begins what stands behind a slice of this length; None where nothing does.

    Like the bounds of the slice it counts from the end where it is negative.
    """
    tail = stop
    if isinstance(length, int) and (first >= 0 or first + length < 0):
        tail = first + length
    if tail in (END, size) or (first < 0 and tail == 0):
        return None
    return tail


def replace_part(x: Operand, src: Tensor, dim: int, first: int, tail: int | None) -> Tensor:
    """`x` up to `first`, then `src`, then `x` from `tail` on."""
    pieces = [src]
    if first != 0:
        pieces.insert(0, as_tensor(x)[index_along(dim, slice(None, first))])
    if tail is not None:
        pieces.append(as_tensor(x)[index_along(dim, slice(tail, None))])
    if len(pieces) == 1:
        return src
    return ops.concatenate(pieces, axis=dim)


def replace_every(x: Operand, src: Tensor, dim: int, part: slice) -> Tensor:
    """`x` with the entries of a slice with a step taken from `src`.

    Raises LoweringError where the size of the dimension is dynamic.
    """
    size = sizes_of(x)[dim]
    if not isinstance(size, int):
        raise LoweringError(
            "a write to every so many entries of a dynamic dimension",
            [("next", "make this dimension static")],
        )
    places = torch.arange(size)
    places[part] = size + torch.arange(len(places[part]))
    return ops.take(ops.concatenate([x, src], axis=dim), as_constant(places), axis=dim)


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
    first = 0 if index == -size else index
    tail = None if index in (-1, size - 1) else index + 1
    return replace_part(x, ops.expand_dims(src, axis=dim), dim, first, tail)
