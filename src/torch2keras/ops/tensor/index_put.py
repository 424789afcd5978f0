"""Writes at the positions that several integer tensors name together, or where a mask is true."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size, broadcast_shape
from torch2keras.graph.symbolic import size_product
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import broadcast_to, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.positions import (
    as_pattern,
    find_indices,
    has_mask,
    is_mask,
    name_indexing,
    number_names,
    wrap_negative,
)

aten = torch.ops.aten


def index_put_torch(args: Mapping[str, Any]) -> str | None:
    """The values broadcast against what indexing would give; a mask lies along what it indexes."""
    if has_mask(args):
        return mask_torch(args)
    names = name_indexing(args)
    values = take_last(names.result, args["values"].type.rank)
    return as_pattern([names.operand, *names.indices, values], names.operand)


def index_put_keras(args: Mapping[str, Any]) -> str | None:
    """The indexed dimensions first."""
    if has_mask(args):
        return mask_keras(args)
    names = name_indexing(args)
    present = take_last(names.result, args["values"].type.rank)
    values = replace_absent([*names.broadcast, *names.others], present)
    operand = [*names.indexed, *names.others]
    return as_pattern([operand, *names.indices, values], operand)


def take_last(names: list[str], count: int) -> list[str]:
    """The last names, against which the dimensions of a smaller tensor broadcast."""
    return names[len(names) - count :]


def replace_absent(names: list[str], present: list[str]) -> list[str]:
    """The names with "1" in place of those that are not present."""
    return [name if name in present else "1" for name in names]


@dataclass(frozen=True)
class MaskNames:
    """Names of the dimensions where one mask indexes: `m0` those of the mask, `d1` others."""

    operand: list[str]
    mask: list[str]
    values: list[str]
    """Where the values differ from place to place, "c'" counts the places that the mask names."""


def name_mask(args: Mapping[str, Any]) -> MaskNames | None:
    """The names where a mask is the only index, else None.

    Where values differ from place to place, the order of the places matters.
    """
    ((start, mask), *others) = find_indices(args).items()
    if others:
        return None
    values = args["values"].type
    end = start + mask.type.rank
    ordered = "" if is_one_value(values.shape) else "'"
    names = number_names("d", args["self"].type.rank)
    names[start:end] = [f"m{d}{ordered}" for d in range(start, end)]
    if not ordered:
        return MaskNames(names, names[start:end], number_names("v", values.rank))
    result = [*names[:start], "c'", *names[end:]]
    return MaskNames(names, names[start:end], take_last(result, values.rank))


def mask_torch(args: Mapping[str, Any]) -> str | None:
    """PyTorch's order of a write by a mask; None where there are several indices."""
    names = name_mask(args)
    if names is None:
        return None
    return as_pattern([names.operand, names.mask, names.values], names.operand)


def mask_keras(args: Mapping[str, Any]) -> str | None:
    """The dimensions of the mask first; None where one value alone is written, in any order."""
    names = name_mask(args)
    if names is None or is_one_value(args["values"].type.shape):
        return None
    others = [name for name in names.operand if name not in names.mask]
    operand = [*names.mask, *others]
    return as_pattern([operand, names.mask, replace_absent(["c'", *others], names.values)], operand)


def is_one_value(shape: Sequence[Size]) -> bool:
    """Whether a tensor of this shape has one element."""
    return all(size == 1 for size in shape)


@lowering(aten.index_put.default, torch=index_put_torch, keras=index_put_keras)
def index_put(x, indices, values, accumulate=False, *, m=()):
    """`keras.ops.scatter_update`; of a mask, `keras.ops.where`."""
    tensors = [i for i in indices if i is not None]
    if any(map(is_mask, tensors)):
        return write_where(x, tensors, values, m, accumulate=accumulate)
    shape = sizes_of(x)
    positions, common = find_common_positions(tensors, shape)
    updates = as_tensor(broadcast_to(values, (*common, *shape[len(tensors) :])))
    extra = {"reduction": "add"} if accumulate else {}
    rows = flatten_leading(updates, len(common))
    return ops.scatter_update(as_tensor(x), positions, rows, **extra)


def find_common_positions(
    indices: Sequence[Operand], sizes: Sequence[Size]
) -> tuple[Operand, tuple[Size, ...]]:
    """The positions that index tensors name together, and the shape to which these broadcast.

    One position a row, int32 of the shape (positions, indices).
    """
    shape = broadcast_shape(list(map(sizes_of, indices)))
    wrapped = list(map(wrap_negative, indices, sizes))
    known = [values for index in wrapped if (values := index.values()) is not None]
    if len(known) == len(wrapped):
        rows = torch.stack(torch.broadcast_tensors(*known), -1).reshape(-1, len(known))
        return as_constant(rows), shape
    columns = []
    for index, own in zip(wrapped, indices, strict=True):
        columns.append(as_tensor(broadcast_to(index, shape, sizes_of(own))))
    return flatten_leading(ops.stack(columns, axis=-1), len(shape)), shape


def flatten_leading(x: Tensor, count: int) -> Tensor:
    """`x` with its first dimensions as one.

    Raises LoweringError where several sizes are dynamic, of which Keras can compute one only.
    """
    first, rest = x.shape[:count], x.shape[count:]
    if count == 1:
        return x
    if None not in rest:
        return ops.reshape(x, (-1, *rest))
    if None in first or rest.count(None) > 1:
        raise LoweringError(
            "values of several dynamic sizes are written",
            [("next", "make these dimensions static")],
        )
    computed = [-1 if size is None else size for size in rest]
    return ops.reshape(x, (math.prod(first), *computed))


def write_where(
    x: Operand, masks: Sequence[Operand], values: Operand, m: tuple[int, ...], *, accumulate: bool
) -> Tensor:
    """`x` with values where a mask is true, which lies along its dimensions `m`.

    Raises LoweringError where there are several masks.
    """
    if len(masks) > 1:
        raise LoweringError(
            "several masks at once", [("next", "combine them into one mask with &")]
        )
    (mask,) = masks
    target = as_tensor(x)
    if is_one_value(sizes_of(values)):
        value: Any = values.reshape(*(1,) * x.ndim)
    else:
        value = take_rows_in_turn(as_tensor(mask), as_tensor(values), sizes_of(x))
    others = [d for d in range(x.ndim) if d not in m]
    if accumulate:
        value = target + value
    return ops.where(mask.expand_dims(*others), value, target)


def take_rows_in_turn(mask: Tensor, values: Tensor, shape: Sequence[Size]) -> Tensor:
    """For each place of a mask the row that is written there: one for all, or the next in turn."""
    rows, *entry = sizes_of(values)
    if rows == 1:
        return values.expand_dims(*range(1, mask.ndim))
    numbers = ops.cumsum(cast(ops.reshape(mask, (-1,)), "int32")) - 1
    taken = ops.take(values, ops.maximum(numbers, 0), axis=0)
    places = shape[: mask.ndim]
    return reshape(taken, (size_product(places), *entry), (*places, *entry))
