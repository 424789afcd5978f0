"""Sorting, the largest entries, and order statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._sympy.functions import FloorDiv

from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import product
from torch2keras.lower.dynamic_sizes import size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, cast, ops
from torch2keras.ops.blocks.search import insertion
from torch2keras.ops.blocks.slices import index_along

aten = torch.ops.aten


def reversed_key(x: Tensor) -> Tensor:
    """Numbers in the reverse order, equal ones staying equal: bitwise for ints, whose smallest has no negative."""
    return -x if "float" in x.dtype else ops.bitwise_not(x)


def comparable(x: Tensor) -> Tensor:
    """Bools as numbers."""
    return cast(x, "int32") if x.dtype == "bool" else x


def order(x: Tensor, dim: int, *, descending: bool = False) -> Tensor:
    """The stable order of the entries."""
    numbers = comparable(x)
    return ops.argsort(reversed_key(numbers) if descending else numbers, axis=dim)


@lowering(aten.sort.default, axes="... [dim'] -> ... [dim']")
def sort(x, dim=-1, descending=False):
    """`keras.ops.argsort` and `take_along_axis`, stable as PyTorch's is in practice."""
    if not x.ndim:
        return x, ops.zeros_like(x)
    found = order(x, dim, descending=descending)
    return ops.take_along_axis(x, found, axis=dim), found


@lowering(aten.sort.stable, axes="... [dim'] -> ... [dim']")
def sort_stable(x, stable, dim=-1, descending=False):
    """`keras.ops.argsort` and `take_along_axis`."""
    return sort(x, dim, descending)


@lowering(aten.argsort.default, axes="... [dim'] -> ... [dim']")
def argsort(x, dim=-1, descending=False):
    """`keras.ops.argsort`."""
    return order(x, dim, descending=descending)


@lowering(aten.argsort.stable, axes="... [dim'] -> ... [dim']")
def argsort_stable(x, stable, dim=-1, descending=False):
    """`keras.ops.argsort`."""
    return order(x, dim, descending=descending)


def topk_torch(args: Mapping[str, Any]) -> str:
    """`at` changes its size."""
    names = topk_names(args)
    return f"{' '.join(names)} -> {' '.join(names)}"


def topk_keras(args: Mapping[str, Any]) -> str:
    """`keras.ops.top_k` works on the last dimension."""
    names = sorted(topk_names(args), key=lambda name: name == "at'")
    return f"{' '.join(names)} -> {' '.join(names)}"


def topk_names(args: Mapping[str, Any]) -> list[str]:
    """Names of the dimensions."""
    rank = args["self"].type.rank
    return ["at'" if d == args["dim"] % max(rank, 1) else f"d{d}" for d in range(rank)]


@lowering(aten.topk.default, torch=topk_torch, keras=topk_keras)
def topk(x, k, dim=-1, largest=True, sorted=True):
    """`keras.ops.top_k`."""
    if largest:
        return ops.top_k(x, k, sorted=sorted)
    _, found = ops.top_k(reversed_key(comparable(x)), k, sorted=sorted)
    return ops.take_along_axis(x, found, axis=-1), found


@lowering(aten.kthvalue.default, axes="... [dim'] -> ...")
def kthvalue(x, k, dim=-1, keepdim=False):
    """One entry of the order that `keras.ops.argsort` gives."""
    return statistic(x, dim, k - 1, keepdim=keepdim)


@lowering(aten.median.dim, axes="... [dim'] -> ...")
def median(x, dim, keepdim=False):
    """The lower of the two middle entries of the order."""
    if x.ndim == 0:
        return x, ops.zeros_like(x, dtype="int64")
    return statistic(x, dim, middle(sizes_of(x)[dim]), keepdim=keepdim)


@lowering(aten.median.default)
def median_of_all(x):
    """The lower of the two middle entries of the flattened tensor."""
    flat = ops.sort(ops.reshape(x, (-1,)), axis=0)
    return ops.take(flat, size_tensor(middle(product(sizes_of(x)))), axis=0)


def middle(size: Size) -> Size:
    """The position of the lower middle entry."""
    return (size - 1) // 2 if isinstance(size, int) else FloorDiv(size - 1, 2)


def statistic(x: Tensor, dim: int, position: Any, *, keepdim: bool) -> tuple[Tensor, Tensor]:
    """The entry at a position of the order, and its index."""
    if isinstance(position, int):
        found = order(x, dim)[index_along(dim, slice(position, position + 1))]
    else:
        found = ops.expand_dims(ops.take(order(x, dim), size_tensor(position), axis=dim), dim)
    values = ops.take_along_axis(x, found, axis=dim)
    return (
        (values, found)
        if keepdim
        else (ops.squeeze(values, axis=dim), ops.squeeze(found, axis=dim))
    )


@lowering(aten.nanmedian.dim, axes="... [dim'] -> ...")
def nanmedian(x, dim, keepdim=False):
    """The lower of the two middle entries of the order of those that are numbers; NaN where none is."""
    if x.ndim == 0 or "float" not in x.dtype:
        return median(x, dim, keepdim)
    missing = ops.isnan(x)
    found = order(ops.where(missing, 0.0, x), dim)
    last = ops.argsort(cast(ops.take_along_axis(missing, found, axis=dim), "int32"), axis=dim)
    found = ops.take_along_axis(found, last, axis=dim)
    there = ops.sum(cast(ops.logical_not(missing), "int32"), axis=dim, keepdims=True)
    at = ops.floor_divide(ops.maximum(there - 1, 0), 2)
    found = ops.take_along_axis(found, at, axis=dim)
    values = ops.take_along_axis(x, found, axis=dim)
    return (
        (values, found)
        if keepdim
        else (ops.squeeze(values, axis=dim), ops.squeeze(found, axis=dim))
    )


@lowering(aten.nanmedian.default)
def nanmedian_of_all(x):
    """The lower of the two middle entries of those of the flattened tensor that are numbers."""
    return nanmedian(ops.reshape(x, (-1,)), 0)[0]


STABLE = 16
"""The size up to which PyTorch sorts equal entries stably, and so tells the last place of the mode."""


@lowering(aten.mode.default, axes="... [dim'] -> ...")
def mode(x, dim=-1, keepdim=False):
    """The smallest of the entries that equal the most entries; its place only for up to 16 entries."""
    if x.ndim == 0:
        return x, ops.zeros_like(x, dtype="int64")
    numbers = ops.moveaxis(comparable(x), dim, -1)
    equal = cast(ops.equal(ops.expand_dims(numbers, -1), ops.expand_dims(numbers, -2)), "int32")
    often = ops.sum(equal, axis=-1)
    most = ops.equal(often, ops.max(often, axis=-1, keepdims=True))
    value = ops.min(
        ops.where(most, numbers, ops.max(numbers, axis=-1, keepdims=True)), axis=-1, keepdims=True
    )
    known = x.shape[dim] is not None and x.shape[dim] <= STABLE
    places = ops.cumsum(ops.ones_like(numbers, dtype="int32"), axis=-1) - 1
    place = ops.max(ops.where(ops.equal(numbers, value), places, 0), axis=-1, keepdims=True)
    pair = [ops.moveaxis(v, -1, dim) if keepdim else ops.squeeze(v, -1) for v in (value, place)]
    return pair[0], pair[1] if known else None


def searched(args: Mapping[str, Any]) -> str:
    """One sequence for all values, or one for each row of values."""
    if args["sorted_sequence"].type.rank == 1:
        return "b', ... -> ..."
    return "... b', ... v -> ... v"


def searched_last(args: Mapping[str, Any]) -> str | None:
    """Several sequences want their entries last."""
    return None if args["sorted_sequence"].type.rank == 1 else searched(args)


@lowering(aten.searchsorted.Tensor, torch=searched, keras=searched_last)
def searchsorted(sorted_sequence, self, out_int32=False, right=False, side=None, sorter=None):
    """The number of smaller entries."""
    if sorter is not None:
        sorted_sequence = ops.take_along_axis(sorted_sequence, sorter, axis=-1)
    return insertion(sorted_sequence, self, right=right or side == "right")


@lowering(aten.bucketize.Tensor, axes="..., b' -> ...")
def bucketize(x, boundaries, out_int32=False, right=False):
    """The number of smaller boundaries."""
    return insertion(boundaries, x, right=right)
