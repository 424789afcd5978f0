"""Places of extremes, and running sums, products and extremes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import Tensor, cast, ops
from torch2keras.ops.blocks.extremes import find_extreme
from torch2keras.ops.blocks.operands import to_comparable, to_sum_dtype
from torch2keras.ops.blocks.slices import index_along

aten = torch.ops.aten


DROPS = "... [dim'] -> ..."


KEEPS = "... [dim'] -> ... [dim']"


LONG = 256
"""Beyond so many entries a running sum in float32 is several times less exact than PyTorch's,
which is in float64."""


def place_axes(args: Mapping[str, Any]) -> str | None:
    """Without `dim` the answer is a place in the flat tensor, which is PyTorch's order alone."""
    if args["dim"] is None:
        return None
    return DROPS


@lowering(aten.argmax.default, axes=place_axes)
def argmax(x, dim=None, keepdim=False):
    """The first place of the largest entry, by `keras.ops.argmax`."""
    return find_extreme(ops.argmax, x, dim, keepdim)


@lowering(aten.argmin.default, axes=place_axes)
def argmin(x, dim=None, keepdim=False):
    """The first place of the smallest entry, by `keras.ops.argmin`."""
    return find_extreme(ops.argmin, x, dim, keepdim)


@lowering(aten.max.dim, axes=DROPS)
def max_dim(x, dim, keepdim=False):
    """The largest entry and its place, by `keras.ops.max` and `keras.ops.argmax`."""
    place = find_extreme(ops.argmax, x, dim, keepdim)
    if not x.ndim:
        return x, place
    return ops.max(to_comparable(x), axis=dim, keepdims=keepdim), place


@lowering(aten.min.dim, axes=DROPS)
def min_dim(x, dim, keepdim=False):
    """The smallest entry and its place, by `keras.ops.min` and `keras.ops.argmin`."""
    place = find_extreme(ops.argmin, x, dim, keepdim)
    if not x.ndim:
        return x, place
    return ops.min(to_comparable(x), axis=dim, keepdims=keepdim), place


@lowering(aten.cumsum.default, axes=KEEPS)
def cumsum(x, dim, dtype=None):
    """A running sum, by `keras.ops.cumsum`; long ones in float64, as PyTorch adds up."""
    x = to_sum_dtype(x, dtype)
    if not x.ndim:
        return x
    is_long = x.shape[dim] is None or x.shape[dim] > LONG
    if is_long and x.is_float:
        x = cast(x, torch.float64)
    return ops.cumsum(x, axis=dim)


@lowering(aten.cumprod.default, axes=KEEPS)
def cumprod(x, dim, dtype=None):
    """A running product, by `keras.ops.cumprod`."""
    x = to_sum_dtype(x, dtype)
    if not x.ndim:
        return x
    return ops.cumprod(x, axis=dim)


def scan(x: Any, dim: int, combine: Callable[[Any, Any], Any]) -> Any:
    """Return at each place `combine` of all entries up to it.

    It takes log2(size) steps, each of which reaches back twice as far as the one before (Hillis and
    Steele, Data parallel algorithms, 1986). Raises LoweringError where the size is dynamic.
    """
    size = x.shape[dim]
    if size is None:
        raise LoweringError(
            "a running extreme over a dynamic dimension",
            [("next", "give this dimension a fixed size")],
        )
    step = 1
    while step < size:
        earlier, later = (
            x[index_along(dim, slice(None, -step))],
            x[index_along(dim, slice(step, None))],
        )
        start = x[index_along(dim, slice(None, step))]
        x = ops.concatenate([start, combine(earlier, later)], axis=dim)
        step *= 2
    return x


def find_running_extremes(
    x: Any, dim: int, combine: Callable[[Any, Any], Any]
) -> tuple[Tensor, Tensor]:
    """Return running extremes, and the last place up to each where the extreme stands."""
    if not x.ndim:
        return x, ops.zeros_like(x, dtype="int64")
    numbers = to_comparable(x)
    best = scan(numbers, dim, combine)
    places = ops.cumsum(ops.ones_like(numbers, dtype="int32"), axis=dim) - 1
    reached = ops.where(ops.equal(numbers, best), places, 0)
    return best, scan(reached, dim, ops.maximum)


@lowering(aten.cummax.default, axes=KEEPS)
def cummax(x, dim):
    """The largest entry so far and its place, by `keras.ops.maximum` of shifted copies."""
    return find_running_extremes(x, dim, ops.maximum)


@lowering(aten.cummin.default, axes=KEEPS)
def cummin(x, dim):
    """The smallest entry so far and its place, by `keras.ops.minimum` of shifted copies."""
    return find_running_extremes(x, dim, ops.minimum)


@lowering(aten.logcumsumexp.default, axes=KEEPS)
def logcumsumexp(x, dim):
    """The logarithm of a running sum of exponentials, by `keras.ops.logaddexp` of copies."""
    if not x.ndim:
        return x
    return scan(x, dim, ops.logaddexp)
