"""The softmax family, along any stored dimension."""

from __future__ import annotations

import torch

from torch2keras.declarations.costs import last_axis_cost
from torch2keras.declarations.registry import lowering
from torch2keras.graph.symbolic import size_product
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import cast, layers, ops

aten = torch.ops.aten


ALONG = "... [dim] -> ... [dim]"


MOST_DIMS = 5
"""TensorFlow's kernel by oneDNN takes no more dimensions; many machines have it on by default."""


@lowering(aten.softmax.int, axes=ALONG, cost=last_axis_cost)
def softmax(x, dim, dtype=None, *, context):
    """`Softmax`; a number without dimensions is a whole of its own."""
    x, (shape,) = cast(x, dtype), context.shapes
    if x.ndim > MOST_DIMS:
        behind = shape[dim + 1 :] and (size_product(shape[dim + 1 :]),)
        flat = (size_product(shape[:dim]), shape[dim], *behind)
        return reshape(
            layers.Softmax(axis=1 if behind else -1)(reshape(x, shape, flat)), flat, shape
        )
    return layers.Softmax(axis=dim if dim < x.ndim - 1 else -1)(x) if x.ndim else ops.ones_like(x)


@lowering(aten._softmax.default, axes=ALONG, cost=last_axis_cost)
def softmax_of_dtype(x, dim, half_to_float, *, context):
    """`Softmax`."""
    return softmax(x, dim, torch.float32 if half_to_float else None, context=context)


@lowering(aten.log_softmax.int, axes=ALONG, cost=last_axis_cost)
def log_softmax(x, dim, dtype=None):
    """`keras.ops.log_softmax`."""
    x = cast(x, dtype)
    return ops.log_softmax(x, axis=dim) if x.ndim else ops.zeros_like(x)


@lowering(aten._log_softmax.default, axes=ALONG, cost=last_axis_cost)
def log_softmax_of_dtype(x, dim, half_to_float):
    """`keras.ops.log_softmax`."""
    return log_softmax(x, dim, torch.float32 if half_to_float else None)


@lowering(aten._safe_softmax.default, axes=ALONG, cost=last_axis_cost)
def safe_softmax(x, dim, dtype=None, *, context):
    """`Softmax`, zero where all entries are -inf."""
    x = cast(x, dtype)
    dead = ops.all(ops.equal(x, float("-inf")), axis=dim, keepdims=True)
    return ops.where(dead, 0.0, softmax(ops.where(dead, 0.0, x), dim, context=context))
