"""Reductions over some or all dimensions: sums, means, extremes, spreads, norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size, size_product
from torch2keras.lower.dynamic_sizes import size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, cast, ops
from torch2keras.ops.blocks import norms
from torch2keras.ops.blocks.operands import reduction_axis, to_comparable, to_sum_dtype

aten = torch.ops.aten


DROPS = "... [dim] -> ..."


FULL = "... -> "


@lowering(aten.sum.dim_IntList, axes=DROPS)
def sum_dims(x, dim, keepdim=False, dtype=None):
    """The sum over dimensions, by `keras.ops.sum`."""
    return ops.sum(to_sum_dtype(x, dtype), axis=reduction_axis(x, dim), keepdims=keepdim)


@lowering(aten.sum.default, axes=FULL)
def sum_all(x, dtype=None):
    """The sum of all entries, by `keras.ops.sum`."""
    return ops.sum(to_sum_dtype(x, dtype))


@lowering(aten.mean.dim, axes=DROPS)
def mean_dims(x, dim, keepdim=False, dtype=None):
    """The mean over dimensions, by `keras.ops.mean`."""
    return ops.mean(cast(x, dtype), axis=reduction_axis(x, dim), keepdims=keepdim)


@lowering(aten.mean.default, axes=FULL)
def mean_all(x, dtype=None):
    """The mean of all entries, by `keras.ops.mean`."""
    return ops.mean(cast(x, dtype))


@lowering(aten.prod.dim_int, axes=DROPS)
def prod_dim(x, dim, keepdim=False, dtype=None):
    """The product over a dimension, by `keras.ops.prod`."""
    return ops.prod(to_sum_dtype(x, dtype), axis=reduction_axis(x, dim), keepdims=keepdim)


@lowering(aten.prod.default, axes=FULL)
def prod_all(x, dtype=None):
    """The product of all entries, by `keras.ops.prod`."""
    return ops.prod(to_sum_dtype(x, dtype))


@lowering(aten.amax.default, axes=DROPS)
def amax(x, dim=(), keepdim=False):
    """The largest entry over dimensions, by `keras.ops.max`."""
    return ops.max(to_comparable(x), axis=reduction_axis(x, dim), keepdims=keepdim)


@lowering(aten.amin.default, axes=DROPS)
def amin(x, dim=(), keepdim=False):
    """The smallest entry over dimensions, by `keras.ops.min`."""
    return ops.min(to_comparable(x), axis=reduction_axis(x, dim), keepdims=keepdim)


@lowering(aten.max.default, axes=FULL)
def max_all(x):
    """The largest of all entries, by `keras.ops.max`."""
    return ops.max(to_comparable(x))


@lowering(aten.min.default, axes=FULL)
def min_all(x):
    """The smallest of all entries, by `keras.ops.min`."""
    return ops.min(to_comparable(x))


@lowering(aten.any.dim, aten.any.dims, axes=DROPS)
def any_dims(x, dim=None, keepdim=False):
    """Whether an entry is true, by `keras.ops.any`."""
    return ops.any(x, axis=reduction_axis(x, dim), keepdims=keepdim)


@lowering(aten.any.default, axes=FULL)
def any_all(x):
    """Whether any entry is true, by `keras.ops.any`."""
    return ops.any(x)


@lowering(aten.all.dim, aten.all.dims, axes=DROPS)
def all_dims(x, dim=None, keepdim=False):
    """Whether the entries are true, by `keras.ops.all`."""
    return ops.all(x, axis=reduction_axis(x, dim), keepdims=keepdim)


@lowering(aten.all.default, axes=FULL)
def all_all(x):
    """Whether all entries are true, by `keras.ops.all`."""
    return ops.all(x)


@lowering(aten.logsumexp.default, axes=DROPS)
def logsumexp(x, dim, keepdim=False):
    """The logarithm of a sum of exponentials, by `keras.ops.logsumexp`."""
    if not x.is_float:
        x = cast(x, torch.float32)
    return ops.logsumexp(x, axis=reduction_axis(x, dim), keepdims=keepdim)


@lowering(aten.count_nonzero.default, aten.count_nonzero.dim_IntList, axes=DROPS)
def count_nonzero(x, dim=None):
    """The number of entries that are not zero, by `keras.ops.sum`.

    `keras.ops.count_nonzero` reverses the dimensions that are left on the PyTorch backend.
    """
    is_counted = x
    if not x.is_bool:
        is_counted = ops.not_equal(x, 0)
    return ops.sum(cast(is_counted, "int64"), axis=reduction_axis(x, dim))


@lowering(aten.linalg_vector_norm.default, axes=DROPS)
def vector_norm(x, ord=2, dim=None, keepdim=False, dtype=None):
    """The norm of each vector, by its formula and `keras.ops.sum`."""
    x = cast(x, dtype)
    return norms.vector_norm(x, ord, reduction_axis(x, dim), keepdims=keepdim)


Spread = Callable[[Any, Any, float | None, bool], Any]
"""A function of x, its dimensions, the correction of the divisor, and whether dimensions are
kept."""


def variance(x: Any, dim: Any, correction: float | None, keepdim: bool) -> Tensor:
    """The variance, by `keras.ops.var`, whose divisor n becomes n - correction."""
    axis = reduction_axis(x, dim)
    if correction is None:
        correction = 1
    biased = ops.var(x, axis=axis, keepdims=keepdim)
    if correction == 0:
        return biased
    number = count_elements(x, axis)
    if not isinstance(number, int):
        count = cast(size_tensor(number), x.dtype)
        return biased * (count / ops.maximum(count - correction, 0.0))
    divisor = max(0, number - correction)
    if divisor == 0:
        return biased * float(number) / 0.0
    return biased * (number / divisor)


def count_elements(x: Any, axis: Any) -> Size:
    """Return how many entries of `x` become one over the dimensions `axis`, or over all."""
    have = sizes_of(x)
    if axis is None:
        return simplify_size(size_product(have))
    if not isinstance(axis, tuple):
        return simplify_size(have[axis])
    return simplify_size(size_product([have[dim] for dim in axis]))


def deviation(x: Any, dim: Any, correction: float | None, keepdim: bool) -> Tensor:
    """The standard deviation, the root of the variance that `keras.ops.var` gives."""
    return norms.root(variance(x, dim, correction, keepdim))


def variance_and_mean(
    x: Any, dim: Any, correction: float | None, keepdim: bool
) -> tuple[Tensor, Tensor]:
    """The variance and the mean, by `keras.ops.var` and `keras.ops.mean`."""
    mean = ops.mean(x, axis=reduction_axis(x, dim), keepdims=keepdim)
    return variance(x, dim, correction, keepdim), mean


def deviation_and_mean(
    x: Any, dim: Any, correction: float | None, keepdim: bool
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean, by `keras.ops.var` and `keras.ops.mean`."""
    mean = ops.mean(x, axis=reduction_axis(x, dim), keepdims=keepdim)
    return deviation(x, dim, correction, keepdim), mean


def register_spread(op: Any, spread: Spread) -> None:
    """Register a spread for the three overloads of its op, under the docstring of `spread`.

    The older two correct the divisor by one or not at all.
    """

    def convert_all(x, unbiased=True):
        return spread(x, None, float(unbiased), False)

    def convert_dims(x, dim, unbiased=True, keepdim=False):
        return spread(x, dim, float(unbiased), keepdim)

    def convert_correction(x, dim=None, correction=None, keepdim=False):
        return spread(x, dim, correction, keepdim)

    overloads = (
        (op.default, convert_all, FULL),
        (op.dim, convert_dims, DROPS),
        (op.correction, convert_correction, DROPS),
    )
    for overload, convert, axes in overloads:
        convert.__doc__ = spread.__doc__
        lowering(overload, axes=axes)(convert)


register_spread(aten.var, variance)
register_spread(aten.std, deviation)
register_spread(aten.var_mean, variance_and_mean)
register_spread(aten.std_mean, deviation_and_mean)
