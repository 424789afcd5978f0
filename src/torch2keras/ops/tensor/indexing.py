"""Lookups: index_select, gather, and indexing with integer tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.capture.failures import EXPERTS
from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import size_product
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import size_tensor, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import as_tensor, ops
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
from torch2keras.ops.blocks.slices import cut_other_dims

aten = torch.ops.aten


@lowering(aten.index_select.default, axes="... [dim'], i' -> ... [dim']")
def index_select(x, dim, index):
    """`keras.ops.take` along the dimension."""
    return ops.take(x, index, axis=dim)


def gather_axes(args: Mapping[str, Any]) -> str | None:
    """The same dimensions everywhere; None where one beside `dim` is longer than the index's.

    Its first entries are read then, so that the two do not correspond.
    """
    own, index = args["self"].type.shape, args["index"].type.shape
    dim = args["dim"] % max(len(own), 1)
    own_others = (*own[:dim], *own[dim + 1 :])
    index_others = (*index[:dim], *index[dim + 1 :])
    if len(own) != len(index) or own_others != index_others:
        return None
    return "... [dim'], ... [dim'] -> ... [dim']"


@lowering(aten.gather.default, axes=gather_axes)
def gather(x, dim, index, sparse_grad=False):
    """`keras.ops.take_along_axis` along the dimension."""
    if not x.ndim or not index.ndim:
        return ops.take(ops.reshape(x, (-1,)), index, axis=0)
    dim %= x.ndim
    return ops.take_along_axis(cut_other_dims(x, sizes_of(index), dim), index, axis=dim)


def name_single_index(args: Mapping[str, Any]) -> str | None:
    """The declaration of one index of at most one dimension; None for others.

    Its entries take the place of what they index, in any layout.
    """
    ((dim, index), *others) = find_indices(args).items()
    if others or index.type.rank > 1:
        return None
    names = number_names("d", args["self"].type.rank)
    rest = [*names[:dim], *names[dim + 1 :]]
    names[dim] = f"a{dim}'"
    if index.type.rank == 0:
        return as_pattern([names, []], rest)
    return as_pattern([names, ["i'"]], names)


def index_torch(args: Mapping[str, Any]) -> str | None:
    """The dimensions as PyTorch has them; None for masks, which are refused."""
    if has_mask(args):
        return None
    single = name_single_index(args)
    if single is not None:
        return single
    names = name_indexing(args)
    return as_pattern([names.operand, *names.indices], names.result)


def index_keras(args: Mapping[str, Any]) -> str | None:
    """What several indices index comes first; one index alone takes PyTorch's order."""
    if has_mask(args) or name_single_index(args) is not None:
        return None
    names = name_indexing(args)
    if len(names.indices) == 1:
        return index_torch(args)
    operand = [*names.indexed, *names.others]
    return as_pattern([operand, *names.indices], [*names.broadcast, *names.others])


@lowering(aten.index.Tensor, torch=index_torch, keras=index_keras)
def index(x, indices, *, a=()):
    """`keras.ops.take`; of several dimensions by one number for all of them."""
    tensors = [i for i in indices if i is not None]
    if any(map(is_mask, tensors)):
        step = f"keep the shape: torch.where(mask, x, 0), or multiply by the mask;\n{EXPERTS}"
        raise LoweringError(
            "indexing with a mask gives a shape that depends on the data", [("next", step)]
        )
    if len(tensors) == 1:
        return ops.take(x, tensors[0], axis=a[0])
    shape = sizes_of(x)
    indexed, others = shape[: len(tensors)], shape[len(tensors) :]
    numbers = number_positions(tensors, indexed)
    rows = reshape(as_tensor(x), shape, (size_product(indexed), *others))
    return ops.take(rows, numbers, axis=0)


def number_positions(indices: Sequence[Operand], shape: Sequence[Size]) -> Operand:
    """The row-major number of the position that indices of several dimensions name together."""
    total, *others = map(wrap_negative, indices, shape)
    for position, size in zip(others, shape[1:], strict=True):
        total = _add(_multiply(total, size), position)
    return total


def _multiply(index: Operand, size: Size) -> Operand:
    """The product, which is computed at conversion where both are known."""
    known = index.values()
    if known is not None and isinstance(size, int):
        return as_constant(known * size)
    return ops.multiply(size_tensor(size), index)


def _add(a: Operand, b: Operand) -> Operand:
    """The sum, which is computed at conversion where both are known."""
    first, second = a.values(), b.values()
    if first is not None and second is not None:
        return as_constant(first + second)
    return ops.add(a, b)
