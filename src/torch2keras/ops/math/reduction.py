"""Reductions over some or all dimensions: sums, means, extremes, spreads, norms."""

from __future__ import annotations

import math
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.graph.symbolic import product, simple
from torch2keras.lower.dynamic_sizes import size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, cast, ops
from torch2keras.ops.blocks.norms import root
from torch2keras.ops.blocks.operands import added, axis, ranked

aten = torch.ops.aten


ALIKE = "... [dim] -> ..."


FULL = "... -> "


@lowering(aten.sum.dim_IntList, axes=ALIKE)
def sum_dims(x, dim, keepdim=False, dtype=None):
    """`keras.ops.sum`."""
    return ops.sum(added(x, dtype), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.sum.default, axes=FULL)
def sum_all(x, dtype=None):
    """`keras.ops.sum`."""
    return ops.sum(added(x, dtype))


@lowering(aten.mean.dim, axes=ALIKE)
def mean_dims(x, dim, keepdim=False, dtype=None):
    """`keras.ops.mean`."""
    return ops.mean(cast(x, dtype), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.mean.default, axes=FULL)
def mean_all(x, dtype=None):
    """`keras.ops.mean`."""
    return ops.mean(cast(x, dtype))


@lowering(aten.prod.dim_int, axes=ALIKE)
def prod_dim(x, dim, keepdim=False, dtype=None):
    """`keras.ops.prod`."""
    return ops.prod(added(x, dtype), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.prod.default, axes=FULL)
def prod_all(x, dtype=None):
    """`keras.ops.prod`."""
    return ops.prod(added(x, dtype))


@lowering(aten.amax.default, axes=ALIKE)
def amax(x, dim=(), keepdim=False):
    """`keras.ops.max`."""
    return ops.max(ranked(x), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.amin.default, axes=ALIKE)
def amin(x, dim=(), keepdim=False):
    """`keras.ops.min`."""
    return ops.min(ranked(x), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.max.default, axes=FULL)
def max_all(x):
    """`keras.ops.max`."""
    return ops.max(ranked(x))


@lowering(aten.min.default, axes=FULL)
def min_all(x):
    """`keras.ops.min`."""
    return ops.min(ranked(x))


@lowering(aten.any.dim, aten.any.dims, axes=ALIKE)
def any_dims(x, dim=None, keepdim=False):
    """`keras.ops.any`."""
    return ops.any(x, axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.any.default, axes=FULL)
def any_all(x):
    """`keras.ops.any`."""
    return ops.any(x)


@lowering(aten.all.dim, aten.all.dims, axes=ALIKE)
def all_dims(x, dim=None, keepdim=False):
    """`keras.ops.all`."""
    return ops.all(x, axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.all.default, axes=FULL)
def all_all(x):
    """`keras.ops.all`."""
    return ops.all(x)


@lowering(aten.logsumexp.default, axes=ALIKE)
def logsumexp(x, dim, keepdim=False):
    """`keras.ops.logsumexp`."""
    return ops.logsumexp(
        cast(x, None if "float" in x.dtype else torch.float32), axis=axis(x, dim), keepdims=keepdim
    )


@lowering(aten.count_nonzero.default, aten.count_nonzero.dim_IntList, axes=ALIKE)
def count_nonzero(x, dim=None):
    """A sum of ones; `keras.ops.count_nonzero` reverses the dimensions that are left on the PyTorch backend."""
    return ops.sum(
        cast(ops.not_equal(x, 0) if x.dtype != "bool" else x, "int64"), axis=axis(x, dim)
    )


@lowering(aten.linalg_vector_norm.default, axes=ALIKE)
def vector_norm(x, ord=2, dim=None, keepdim=False, dtype=None):
    """The norm of each vector by its formula: `keras.ops.norm` takes two dimensions for a matrix."""
    x, over = cast(x, dtype), {"axis": axis(x, dim), "keepdims": keepdim}
    if ord == 2:
        return root(ops.sum(ops.square(x), **over))
    if ord == 0:
        return ops.sum(ops.cast(ops.not_equal(x, 0), x.dtype), **over)
    if math.isinf(ord):
        return (ops.max if ord > 0 else ops.min)(ops.abs(x), **over)
    if ord == 1:
        return ops.sum(ops.abs(x), **over)
    return root(ops.sum(ops.power(ops.abs(x), ord), **over), ord)


def variance(x: Any, dim: Any, correction: float | None, keepdim: bool) -> Tensor:
    """The mean square distance from the mean, times n / (n - correction)."""
    over, correction = axis(x, dim), 1 if correction is None else correction
    biased = ops.var(x, axis=over, keepdims=keepdim)
    if correction == 0:
        return biased
    places = range(x.ndim) if over is None else over if isinstance(over, tuple) else (over,)
    number = simple(product([sizes_of(x)[d] for d in places]))
    if isinstance(number, int):
        left = max(0, number - correction)
        return biased * (number / left) if left else biased * float(number) / 0.0
    count = cast(size_tensor(number), x.dtype)
    return biased * (count / ops.maximum(count - correction, 0.0))


def spread(
    x: Any, dim: Any, correction: float | None, keepdim: bool, *, deviation: bool, mean: bool
) -> Any:
    """Variance or standard deviation, alone or with the mean."""
    found = variance(x, dim, correction, keepdim)
    found = root(found) if deviation else found
    return (found, ops.mean(x, axis=axis(x, dim), keepdims=keepdim)) if mean else found


def register_spread(op: Any, *, deviation: bool, mean: bool) -> None:
    """The three overloads of var, std, var_mean or std_mean."""
    which = {"deviation": deviation, "mean": mean}

    def full(x, unbiased=True):
        return spread(x, None, float(unbiased), keepdim=False, **which)

    def dims(x, dim, unbiased=True, keepdim=False):
        return spread(x, dim, float(unbiased), keepdim, **which)

    def corrected(x, dim=None, correction=None, keepdim=False):
        return spread(x, dim, correction, keepdim, **which)

    for overload, convert, axes in (
        (op.default, full, FULL),
        (op.dim, dims, ALIKE),
        (op.correction, corrected, ALIKE),
    ):
        convert.__doc__ = "`keras.ops.var`, its divisor corrected" + (
            "; the root of it." if deviation else "."
        )
        lowering(overload, axes=axes)(convert)


register_spread(aten.var, deviation=False, mean=False)


register_spread(aten.std, deviation=True, mean=False)


register_spread(aten.var_mean, deviation=False, mean=True)


register_spread(aten.std_mean, deviation=True, mean=True)
