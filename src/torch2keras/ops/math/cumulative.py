"""What hangs on the order inside a dimension: places of extremes, and running sums, products and extremes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import cast, ops
from torch2keras.ops.blocks.extremes import find_extreme
from torch2keras.ops.blocks.operands import added, ranked

aten = torch.ops.aten


DROPS = "... [dim'] -> ..."


KEEPS = "... [dim'] -> ... [dim']"


LONG = 256
"""Beyond so many entries a running sum in float32 is several times less exact than PyTorch's, which is in float64."""


def place_axes(args: Mapping[str, Any]) -> str | None:
    """Without `dim` the answer is a place in the flat tensor, which is PyTorch's order alone."""
    return None if args["dim"] is None else DROPS


@lowering(aten.argmax.default, axes=place_axes)
def argmax(x, dim=None, keepdim=False):
    """`keras.ops.argmax`."""
    return find_extreme(ops.argmax, x, dim, keepdim)


@lowering(aten.argmin.default, axes=place_axes)
def argmin(x, dim=None, keepdim=False):
    """`keras.ops.argmin`."""
    return find_extreme(ops.argmin, x, dim, keepdim)


@lowering(aten.max.dim, axes=DROPS)
def max_dim(x, dim, keepdim=False):
    """`keras.ops.max` and `keras.ops.argmax`."""
    return (ops.max(ranked(x), axis=dim, keepdims=keepdim) if x.ndim else x), find_extreme(
        ops.argmax, x, dim, keepdim
    )


@lowering(aten.min.dim, axes=DROPS)
def min_dim(x, dim, keepdim=False):
    """`keras.ops.min` and `keras.ops.argmin`."""
    return (ops.min(ranked(x), axis=dim, keepdims=keepdim) if x.ndim else x), find_extreme(
        ops.argmin, x, dim, keepdim
    )


@lowering(aten.cumsum.default, axes=KEEPS)
def cumsum(x, dim, dtype=None):
    """`keras.ops.cumsum`; long ones in float64, as PyTorch adds up."""
    x = added(x, dtype)
    if not x.ndim:
        return x
    long = x.shape[dim] is None or x.shape[dim] > LONG
    return ops.cumsum(cast(x, torch.float64 if long and "float" in x.dtype else None), axis=dim)


@lowering(aten.cumprod.default, axes=KEEPS)
def cumprod(x, dim, dtype=None):
    """`keras.ops.cumprod`."""
    return ops.cumprod(added(x, dtype), axis=dim) if x.ndim else added(x, dtype)


def scan(x: Any, dim: int, combine: Callable[[Any, Any], Any]) -> Any:
    """At each place `combine` of all entries up to it, in log2(size) steps: each reaches back twice as far.

    Raises LoweringError where the size is dynamic.
    """
    size, step, lead = x.shape[dim], 1, (slice(None),) * dim
    if size is None:
        raise LoweringError(
            "a running extreme over a dynamic dimension",
            [("next", "give this dimension a fixed size")],
        )
    while step < size:
        reached = combine(x[(*lead, slice(None, -step))], x[(*lead, slice(step, None))])
        x = ops.concatenate([x[(*lead, slice(None, step))], reached], axis=dim)
        step *= 2
    return x


def running(x: Any, dim: int, combine: Callable[[Any, Any], Any]) -> Any:
    """Running extremes, and the last place up to each where the extreme stands."""
    if not x.ndim:
        return x, ops.zeros_like(x, dtype="int64")
    ranks = ranked(x)
    best = scan(ranks, dim, combine)
    numbers = ops.cumsum(ops.ones_like(ranks, dtype="int32"), axis=dim) - 1
    return best, scan(ops.where(ops.equal(ranks, best), numbers, 0), dim, ops.maximum)


@lowering(aten.cummax.default, axes=KEEPS)
def cummax(x, dim):
    """`keras.ops.maximum` of shifted copies."""
    return running(x, dim, ops.maximum)


@lowering(aten.cummin.default, axes=KEEPS)
def cummin(x, dim):
    """`keras.ops.minimum` of shifted copies."""
    return running(x, dim, ops.minimum)


@lowering(aten.logcumsumexp.default, axes=KEEPS)
def logcumsumexp(x, dim):
    """`keras.ops.logaddexp` of shifted copies."""
    return scan(x, dim, ops.logaddexp) if x.ndim else x
