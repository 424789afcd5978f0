"""Embedding tables, bags of their rows, and one_hot."""

from __future__ import annotations

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, as_tensor, call, layers, one, ops
from torch2keras.ops.blocks.operands import as_keras_axis

aten = torch.ops.aten

TABLE = "v' d, ... -> ... d"

SUM, MEAN, MAX = 0, 1, 2
"""PyTorch's numbers of what is done with the rows of a bag."""


@lowering(aten.embedding.default, torch=TABLE, keras=TABLE)
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """`Embedding`; the row of `padding_idx` is read, and gets no gradient."""
    if indices.is_constant:
        indices = write_out(indices)
    if weight.is_constant:
        entries, size = weight.shape
        layer = layers.Embedding(input_dim=entries, output_dim=size)
        rows = call(layer, indices, embeddings=weight)
    else:
        rows = ops.take(weight, indices, axis=0)
    if padding_idx < 0:
        return rows
    padding = ops.expand_dims(ops.equal(indices, padding_idx), -1)
    return ops.where(padding, ops.stop_gradient(rows), rows)


def write_out(indices: Operand) -> Tensor:
    """Constant indices as a value of the graph, since a layer is called on values only."""
    row = ops.multiply(one(indices.dtype), indices.reshape(1, -1))
    return ops.reshape(row, indices.shape)


@lowering(aten._embedding_bag_forward_only.default, aten._embedding_bag.default)
def embedding_bag(
    weight, indices, offsets, scale_grad_by_freq=False, mode=SUM, sparse=False,
    per_sample_weights=None, include_last_offset=False, padding_idx=-1,
):  # fmt: skip
    """`Embedding`, and sums (means, maxima) of the rows between offsets.

    What else PyTorch's op tells is not given.
    """
    rows = embedding(weight, indices)
    if per_sample_weights is not None:
        rows = rows * ops.expand_dims(per_sample_weights, -1)
    starts = as_tensor(offsets)
    if include_last_offset:
        starts = starts[:-1]
    is_member = find_members(as_tensor(indices), starts)
    if padding_idx >= 0:
        is_member = ops.logical_and(is_member, ops.not_equal(indices, padding_idx))
    return reduce_bags(rows, is_member, mode), None, None, None


def count_along(x: Tensor) -> Tensor:
    """0, 1, ... for the elements of a vector, as int32."""
    return ops.cumsum(ops.ones_like(x, dtype="int32"), axis=0) - 1


def find_members(indices: Tensor, starts: Tensor) -> Tensor:
    """(bags, indices): whether the index is in the bag, which begins at its start."""
    place = ops.expand_dims(count_along(indices), 0)
    has_begun = ops.cast(ops.greater_equal(place, ops.expand_dims(starts, 1)), "int32")
    bag = ops.sum(has_begun, axis=0) - 1
    return ops.equal(ops.expand_dims(count_along(starts), 1), bag)


def reduce_bags(rows: Tensor, is_member: Tensor, mode: int) -> Tensor:
    """Sums, means or maxima of the rows of each bag; zero of an empty one."""
    members = ops.cast(is_member, rows.dtype)
    size = ops.sum(members, axis=-1, keepdims=True)
    if mode == MAX:
        each = ops.where(ops.expand_dims(is_member, -1), rows, float("-inf"))
        return ops.where(ops.equal(size, 0), 0.0, ops.max(each, axis=1))
    total = ops.matmul(members, rows)
    if mode == MEAN:
        return total / ops.maximum(size, 1.0)
    return total


@lowering(aten.one_hot.default, axes="... -> ... classes'")
def one_hot(x, num_classes=-1, *, classes):
    """`keras.ops.one_hot` along a new dimension."""
    if num_classes < 0:
        raise LoweringError(
            "the number of classes of this one_hot is read from the data",
            [("next", "give torch.nn.functional.one_hot its num_classes")],
        )
    axis = as_keras_axis(classes, x.ndim + 1)
    return ops.one_hot(x, num_classes, axis=axis, dtype="int64")
