"""Writes at the positions that an index names: scatter and its reductions, put, diagonal_scatter.

index_add, index_copy and index_fill decompose into these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import size_product
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import broadcast_to, count_positions, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.positions import as_pattern, name_diagonal, wrap_negative
from torch2keras.ops.blocks.slices import cut_other_dims

aten = torch.ops.aten

REDUCTIONS = {
    "sum": "add",
    "prod": "mul",
    "amax": "max",
    "amin": "min",
    "add": "add",
    "multiply": "mul",
}
"""PyTorch's names of what happens at a position that is written to twice -> Keras's."""


def find_write_positions(index: Operand, dim: int) -> Operand:
    """The position that each element of `index` names: its own one, with the element along `dim`.

    One position a row, int32 of the shape (elements, rank).
    """
    shape = sizes_of(index)
    known = index.values()
    if known is not None:
        lines = list(torch.meshgrid(*map(torch.arange, index.shape), indexing="ij"))
        lines[dim] = known
        return as_constant(torch.stack(lines, dim=-1).reshape(-1, len(shape)))
    columns: list[Operand] = []
    for d, size in enumerate(shape):
        if d == dim:
            columns.append(cast(index, "int32"))
        else:
            line = count_positions(size).reshape(*ones_but(d, -1, len(shape)))
            columns.append(broadcast_to(line, shape, ones_but(d, size, len(shape))))
    return ops.reshape(ops.stack(columns, axis=-1), (-1, len(shape)))


def ones_but(dim: int, size: Size, rank: int) -> tuple[Any, ...]:
    """A shape of ones, but for one dimension of this size."""
    return (*(1,) * dim, size, *(1,) * (rank - dim - 1))


def find_writes(x: Operand, dim: int, index: Operand, src: Operand) -> tuple[Operand, Tensor]:
    """The positions in `x`, one a row, and the elements of `src` that are written there.

    `src` may be larger than `index`.
    """
    if not x.ndim:
        return as_constant(torch.zeros(1, 1)), ops.reshape(src, (1,))
    positions = find_write_positions(index, dim % x.ndim)
    values = cut_other_dims(src, sizes_of(index), -1)
    return positions, ops.reshape(values, (-1,))


def write(x: Operand, positions: Operand, values: Tensor, reduction: str | None = None) -> Tensor:
    """`x` with values written into it; a scalar has one position."""
    extra = {"reduction": reduction} if reduction else {}
    target = as_tensor(x)
    if x.ndim:
        return ops.scatter_update(target, positions, values, **extra)
    written = ops.scatter_update(ops.reshape(target, (1,)), positions, values, **extra)
    return ops.reshape(written, ())


@lowering(aten.scatter.src)
def scatter(x, dim, index, src):
    """`keras.ops.scatter_update` at computed positions."""
    return write(x, *find_writes(x, dim, index, src))


@lowering(aten.scatter.value)
def scatter_value(x, dim, index, value):
    """`keras.ops.scatter_update` at computed positions."""
    positions = find_write_positions(index, dim % x.ndim)
    values = ops.full_like(as_tensor(positions)[:, 0], value, dtype=x.dtype)
    return write(x, positions, values)


@lowering(aten.scatter_add.default)
def scatter_add(x, dim, index, src):
    """`keras.ops.scatter_update` with reduction "add"."""
    return write(x, *find_writes(x, dim, index, src), "add")


@lowering(aten.scatter.reduce)
def scatter_reduce_old(x, dim, index, src, reduce):
    """`keras.ops.scatter_update` with a reduction."""
    return write(x, *find_writes(x, dim, index, src), REDUCTIONS[reduce])


@lowering(aten.scatter_reduce.two)
def scatter_reduce(x, dim, index, src, reduce, include_self=True):
    """`keras.ops.scatter_update` with a reduction.

    What was there counts as the neutral element where it does not count as itself.
    """
    positions, values = find_writes(x, dim, index, src)
    start = x
    if not include_self:
        start = write_neutral(x, positions, values, reduce)
    if reduce == "mean":
        total = write(start, positions, values, "add")
        return divide_by_counts(total, positions, values, include_self=include_self)
    return write(start, positions, values, REDUCTIONS[reduce])


def write_neutral(x: Operand, positions: Operand, values: Tensor, reduce: str) -> Tensor:
    """`x` with neutral elements where it is written to: for extremes the values themselves."""
    if reduce in ("amax", "amin"):
        return write(x, positions, values)
    neutral = 1 if reduce == "prod" else 0
    return write(x, positions, ops.full_like(values, neutral))


def divide_by_counts(
    total: Tensor, positions: Operand, values: Tensor, *, include_self: bool
) -> Tensor:
    """The sums divided by how many numbers each of them is of; by one where there are none."""
    start = ops.ones_like(total) if include_self else ops.zeros_like(total)
    counts = ops.maximum(write(start, positions, ops.ones_like(values), "add"), 1)
    if total.is_float:
        return ops.divide(total, counts)
    return ops.floor_divide(total, counts)


@lowering(aten.index_reduce.default)
def index_reduce(x, dim, index, source, reduce, include_self=True):
    """`keras.ops.scatter_update` with a reduction, at the same places in all other dimensions."""
    shape, rank = sizes_of(source), max(x.ndim, 1)
    line = as_tensor(index).reshape(*ones_but(dim % rank, -1, rank))
    if not shape:
        return scatter_reduce(x, dim, line.with_sizes((1,)), source, reduce, include_self)
    places = as_tensor(broadcast_to(line, shape, ones_but(dim % rank, shape[dim], rank)))
    return scatter_reduce(x, dim, places.with_sizes(shape), source, reduce, include_self)


@lowering(aten.put.default)
def put(x, index, source, accumulate=False):
    """`keras.ops.scatter_update` at positions of the flattened tensor."""
    shape, size = sizes_of(x), size_product(sizes_of(x))
    flat = reshape(as_tensor(x), shape, (size,))
    positions = wrap_negative(ops.reshape(as_tensor(index), (-1, 1)), size)
    values = ops.reshape(as_tensor(source), (-1,))
    written = write(flat, positions, values, "add" if accumulate else None)
    return reshape(written, (size,), shape)


def diagonal_scatter_torch(args: Mapping[str, Any]) -> str:
    """The diagonal comes last in `src`."""
    names, rest = name_diagonal(args)
    return as_pattern([names, [*rest, "e'"]], names)


def diagonal_scatter_keras(args: Mapping[str, Any]) -> str:
    """The two dimensions last."""
    _, rest = name_diagonal(args)
    names = [*rest, "r'", "c'"]
    return as_pattern([names, [*rest, "e'"]], names)


@lowering(aten.diagonal_scatter.default, torch=diagonal_scatter_torch, keras=diagonal_scatter_keras)
def diagonal_scatter(x, src, offset=0, dim1=0, dim2=1, *, context):
    """`keras.ops.where` on the diagonal, with the entries of `src` stretched along it."""
    rows, columns = map(count_positions, context.shapes[0][-2:])
    rows = ops.expand_dims(rows, 1)
    along = ops.minimum(ops.maximum(ops.minimum(rows, columns), 0), sizes_of(src)[-1] - 1)
    return ops.where(ops.equal(rows + offset, columns), ops.take(src, along, axis=-1), x)
