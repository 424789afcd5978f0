"""Sorting, the largest entries, and order statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._sympy.functions import FloorDiv

from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import size_product
from torch2keras.lower.dynamic_sizes import size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, cast, ops
from torch2keras.ops.blocks.operands import to_comparable
from torch2keras.ops.blocks.search import search_sorted
from torch2keras.ops.blocks.slices import index_along

aten = torch.ops.aten


KEEPS = "... [dim'] -> ... [dim']"


DROPS = "... [dim'] -> ..."


def reverse_order(x: Any) -> Tensor:
    """Return numbers in the reverse order, equal ones staying equal.

    Integers are reversed bit by bit, as the smallest one has no negative.
    """
    if x.is_float:
        return -x
    return ops.bitwise_not(x)


def order_entries(x: Any, dim: int, *, descending: bool = False) -> Tensor:
    """Return the places of the entries in their order, in which equal ones keep theirs."""
    numbers = to_comparable(x)
    if descending:
        numbers = reverse_order(numbers)
    return ops.argsort(numbers, axis=dim)


@lowering(aten.sort.default, axes=KEEPS)
def sort(x, dim=-1, descending=False):
    """The entries in order, by `keras.ops.argsort` and `keras.ops.take_along_axis`.

    The order is stable, as PyTorch's is in practice.
    """
    if not x.ndim:
        return x, ops.zeros_like(x)
    places = order_entries(x, dim, descending=descending)
    return ops.take_along_axis(x, places, axis=dim), places


@lowering(aten.sort.stable, axes=KEEPS)
def sort_stable(x, stable, dim=-1, descending=False):
    """The entries in order, by `keras.ops.argsort` and `keras.ops.take_along_axis`."""
    return sort(x, dim, descending)


@lowering(aten.argsort.default, axes=KEEPS)
def argsort(x, dim=-1, descending=False):
    """The places of the entries in their order, by `keras.ops.argsort`."""
    return order_entries(x, dim, descending=descending)


@lowering(aten.argsort.stable, axes=KEEPS)
def argsort_stable(x, stable, dim=-1, descending=False):
    """The places of the entries in their order, by `keras.ops.argsort`."""
    return order_entries(x, dim, descending=descending)


def topk_names(args: Mapping[str, Any]) -> list[str]:
    """Return names of the dimensions; `dim`, which changes its size, is called at'."""
    rank = args["self"].type.rank
    names = [f"d{dim}" for dim in range(rank)]
    if rank:
        names[args["dim"]] = "at'"
    return names


def topk_torch(args: Mapping[str, Any]) -> str:
    """Return the declaration of topk in PyTorch's order."""
    term = " ".join(topk_names(args))
    return f"{term} -> {term}"


def topk_keras(args: Mapping[str, Any]) -> str:
    """Return the declaration of topk with the dimension last, where Keras wants it."""
    names = topk_names(args)
    if names:
        names.append(names.pop(args["dim"]))
    term = " ".join(names)
    return f"{term} -> {term}"


@lowering(aten.topk.default, torch=topk_torch, keras=topk_keras)
def topk(x, k, dim=-1, largest=True, sorted=True):
    """The largest entries and their places, by `keras.ops.top_k`."""
    if largest:
        return ops.top_k(x, k, sorted=sorted)
    _, places = ops.top_k(reverse_order(to_comparable(x)), k, sorted=sorted)
    return ops.take_along_axis(x, places, axis=-1), places


def take_places(x: Any, places: Any, dim: int, *, keepdim: bool) -> tuple[Tensor, Tensor]:
    """Return the entries at the one place that `places` has along `dim`, and these places."""
    values = ops.take_along_axis(x, places, axis=dim)
    if keepdim:
        return values, places
    return ops.squeeze(values, axis=dim), ops.squeeze(places, axis=dim)


def find_statistic(x: Any, dim: int, position: Size, *, keepdim: bool) -> tuple[Tensor, Tensor]:
    """Return the entry at a position of the order, and its place in `x`."""
    order = order_entries(x, dim)
    if isinstance(position, int):
        places = order[index_along(dim, slice(position, position + 1))]
    else:
        places = ops.expand_dims(ops.take(order, size_tensor(position), axis=dim), dim)
    return take_places(x, places, dim, keepdim=keepdim)


@lowering(aten.kthvalue.default, axes=DROPS)
def kthvalue(x, k, dim=-1, keepdim=False):
    """One entry of the order that `keras.ops.argsort` gives."""
    return find_statistic(x, dim, k - 1, keepdim=keepdim)


def find_middle(size: Size) -> Size:
    """Return the position of the lower one of the middle entries."""
    if isinstance(size, int):
        return (size - 1) // 2
    return FloorDiv(size - 1, 2)


@lowering(aten.median.dim, axes=DROPS)
def median(x, dim, keepdim=False):
    """The lower of the two middle entries of the order that `keras.ops.argsort` gives."""
    if x.ndim == 0:
        return x, ops.zeros_like(x, dtype="int64")
    return find_statistic(x, dim, find_middle(sizes_of(x)[dim]), keepdim=keepdim)


@lowering(aten.median.default)
def median_of_all(x):
    """The lower of the two middle entries of the flattened tensor, by `keras.ops.sort`."""
    flat = ops.sort(ops.reshape(x, (-1,)), axis=0)
    return ops.take(flat, size_tensor(find_middle(size_product(sizes_of(x)))), axis=0)


def order_numbers_first(x: Any, missing: Tensor, dim: int) -> Tensor:
    """Return the places of the entries in their order, with the missing ones behind all others."""
    order = order_entries(ops.where(missing, 0.0, x), dim)
    missing_in_order = cast(ops.take_along_axis(missing, order, axis=dim), "int32")
    return ops.take_along_axis(order, ops.argsort(missing_in_order, axis=dim), axis=dim)


@lowering(aten.nanmedian.dim, axes=DROPS)
def nanmedian(x, dim, keepdim=False):
    """The lower of the two middle numbers, by `keras.ops.argsort`; NaN where there is none."""
    if x.ndim == 0 or not x.is_float:
        return median(x, dim, keepdim)
    missing = ops.isnan(x)
    order = order_numbers_first(x, missing, dim)
    numbers = ops.sum(cast(ops.logical_not(missing), "int32"), axis=dim, keepdims=True)
    middle = ops.floor_divide(ops.maximum(numbers - 1, 0), 2)
    return take_places(x, ops.take_along_axis(order, middle, axis=dim), dim, keepdim=keepdim)


@lowering(aten.nanmedian.default)
def nanmedian_of_all(x):
    """The lower of the two middle entries of the flattened tensor that are numbers."""
    values, _ = nanmedian(ops.reshape(x, (-1,)), 0)
    return values


STABLE = 16
"""The size up to which PyTorch sorts equal entries stably, and so tells the last place of the
mode."""


def find_most_frequent(numbers: Tensor) -> Tensor:
    """Return the smallest of the entries that equal the most, along the last dimension."""
    pairs = ops.equal(ops.expand_dims(numbers, -1), ops.expand_dims(numbers, -2))
    frequency = ops.sum(cast(pairs, "int32"), axis=-1)
    is_most = ops.equal(frequency, ops.max(frequency, axis=-1, keepdims=True))
    largest = ops.max(numbers, axis=-1, keepdims=True)
    return ops.min(ops.where(is_most, numbers, largest), axis=-1, keepdims=True)


@lowering(aten.mode.default, axes=DROPS)
def mode(x, dim=-1, keepdim=False):
    """The smallest of the entries that equal the most; its place only for up to 16 entries."""
    if x.ndim == 0:
        return x, ops.zeros_like(x, dtype="int64")
    numbers = ops.moveaxis(to_comparable(x), dim, -1)
    value = find_most_frequent(numbers)
    places = ops.cumsum(ops.ones_like(numbers, dtype="int32"), axis=-1) - 1
    place = ops.max(ops.where(ops.equal(numbers, value), places, 0), axis=-1, keepdims=True)
    if keepdim:
        value, place = ops.moveaxis(value, -1, dim), ops.moveaxis(place, -1, dim)
    else:
        value, place = ops.squeeze(value, -1), ops.squeeze(place, -1)
    is_stable = x.shape[dim] is not None and x.shape[dim] <= STABLE
    return value, place if is_stable else None


def search_axes(args: Mapping[str, Any]) -> str:
    """Return the declaration for one sequence for all values, or one for each row of values."""
    if args["sorted_sequence"].type.rank == 1:
        return "b', ... -> ..."
    return "... b', ... v -> ... v"


def search_axes_last(args: Mapping[str, Any]) -> str | None:
    """Return the order that several sequences want: their entries last.

    One may be searched in any.
    """
    if args["sorted_sequence"].type.rank == 1:
        return None
    return search_axes(args)


@lowering(aten.searchsorted.Tensor, torch=search_axes, keras=search_axes_last)
def searchsorted(sorted_sequence, self, out_int32=False, right=False, side=None, sorter=None):
    """The number of smaller entries, by bisection with `keras.ops.take_along_axis`."""
    if sorter is not None:
        sorted_sequence = ops.take_along_axis(sorted_sequence, sorter, axis=-1)
    return search_sorted(sorted_sequence, self, right=right or side == "right")


@lowering(aten.bucketize.Tensor, axes="..., b' -> ...")
def bucketize(x, boundaries, out_int32=False, right=False):
    """The number of smaller boundaries, by bisection with `keras.ops.take`."""
    return search_sorted(boundaries, x, right=right)
