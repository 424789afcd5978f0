"""Reductions over some or all dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.errors import LoweringError
from torch2keras.recorder import Tensor, cast, ops
from torch2keras.registry import lowering

aten = torch.ops.aten
DROPS = "... [dim] -> ..."
FULL = "... -> "


def axis(x: Tensor, dim: Any) -> Any:
    """The dimensions as Keras takes them: PyTorch calls the dimension that a scalar does not have 0."""
    return None if x.ndim == 0 or dim == () else dim


def added(x: Any, dtype: torch.dtype | None) -> Any:
    """An operand of a sum or product: in `dtype`, and integers and bools in int64."""
    return cast(x, dtype or (None if "float" in x.dtype else torch.int64))


def ranked(x: Any) -> Any:
    """An operand that is compared by size: bools as 0 and 1."""
    return cast(x, "int32" if x.dtype == "bool" else None)


@lowering(aten.sum.dim_IntList, axes=DROPS)
def sum_dims(x, dim, keepdim=False, dtype=None):
    """`keras.ops.sum`."""
    return ops.sum(added(x, dtype), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.sum.default, axes=FULL)
def sum_all(x, dtype=None):
    """`keras.ops.sum`."""
    return ops.sum(added(x, dtype))


@lowering(aten.mean.dim, axes=DROPS)
def mean_dims(x, dim, keepdim=False, dtype=None):
    """`keras.ops.mean`."""
    return ops.mean(cast(x, dtype), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.mean.default, axes=FULL)
def mean_all(x, dtype=None):
    """`keras.ops.mean`."""
    return ops.mean(cast(x, dtype))


@lowering(aten.prod.dim_int, axes=DROPS)
def prod_dim(x, dim, keepdim=False, dtype=None):
    """`keras.ops.prod`."""
    return ops.prod(added(x, dtype), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.prod.default, axes=FULL)
def prod_all(x, dtype=None):
    """`keras.ops.prod`."""
    return ops.prod(added(x, dtype))


@lowering(aten.amax.default, axes=DROPS)
def amax(x, dim=(), keepdim=False):
    """`keras.ops.max`."""
    return ops.max(ranked(x), axis=axis(x, dim), keepdims=keepdim)


@lowering(aten.amin.default, axes=DROPS)
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
