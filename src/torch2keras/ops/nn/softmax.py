"""The softmax family, along any stored dimension."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from torch2keras.declarations.costs import last_axis_cost
from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import size_product
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, cast, layers, ops
from torch2keras.ops.blocks.operands import as_keras_axis

aten = torch.ops.aten


ALONG = "... [dim] -> ... [dim]"

MOST_DIMS = 5
"""TensorFlow's kernel by oneDNN takes no more dimensions; many machines have it on by default."""


@lowering(aten.softmax.int, axes=ALONG, cost=last_axis_cost)
def softmax(x, dim, dtype=None, *, context):
    """`Softmax`; a number without dimensions is a whole of its own."""
    x = cast(x, dtype)
    if not x.ndim:
        return ops.ones_like(x)
    if x.ndim > MOST_DIMS:
        return softmax_of_many_dims(x, dim, context.shapes[0])
    return layers.Softmax(axis=as_keras_axis(dim, x.ndim))(x)


def softmax_of_many_dims(x: Tensor, dim: int, shape: Sequence[Size]) -> Tensor:
    """`Softmax` of (what is before, `dim`, what is behind)."""
    flat = [size_product(shape[:dim]), shape[dim]]
    if shape[dim + 1 :]:
        flat.append(size_product(shape[dim + 1 :]))
    layer = layers.Softmax(axis=as_keras_axis(1, len(flat)))
    return reshape(layer(reshape(x, shape, flat)), flat, shape)


@lowering(aten._softmax.default, axes=ALONG, cost=last_axis_cost)
def softmax_of_dtype(x, dim, half_to_float, *, context):
    """`Softmax`, of half floats in float32."""
    return softmax(x, dim, torch.float32 if half_to_float else None, context=context)


@lowering(aten.log_softmax.int, axes=ALONG, cost=last_axis_cost)
def log_softmax(x, dim, dtype=None):
    """`keras.ops.log_softmax` along the dimension."""
    x = cast(x, dtype)
    if not x.ndim:
        return ops.zeros_like(x)
    return ops.log_softmax(x, axis=dim)


@lowering(aten._log_softmax.default, axes=ALONG, cost=last_axis_cost)
def log_softmax_of_dtype(x, dim, half_to_float):
    """`keras.ops.log_softmax`, of half floats in float32."""
    return log_softmax(x, dim, torch.float32 if half_to_float else None)


@lowering(aten._safe_softmax.default, axes=ALONG, cost=last_axis_cost)
def safe_softmax(x, dim, dtype=None, *, context):
    """`Softmax`, zero where all entries are -inf."""
    x = cast(x, dtype)
    dead = ops.all(ops.equal(x, float("-inf")), axis=dim, keepdims=True)
    return ops.where(dead, 0.0, softmax(ops.where(dead, 0.0, x), dim, context=context))
