"""Embedding tables."""

from __future__ import annotations

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, as_tensor, call, layers, one, ops

aten = torch.ops.aten


Operand = Tensor | Weight


TABLE = "v' d, ... -> ... d"


@lowering(aten.embedding.default, torch=TABLE, keras=TABLE)
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """`Embedding`; the row of `padding_idx` is read, and gets no gradient."""
    indices = tied(indices) if isinstance(indices, Weight) else indices
    if not isinstance(weight, Weight):
        rows = ops.take(weight, indices, axis=0)
    else:
        rows = call(
            layers.Embedding(input_dim=weight.shape[0], output_dim=weight.shape[1]),
            indices,
            embeddings=weight,
        )
    if padding_idx < 0:
        return rows
    padding = ops.expand_dims(ops.equal(indices, padding_idx), -1)
    return ops.where(padding, ops.stop_gradient(rows), rows)


SUM, MEAN, MAX = 0, 1, 2


@lowering(aten._embedding_bag_forward_only.default, aten._embedding_bag.default)
def embedding_bag(
    weight, indices, offsets, scale_grad_by_freq=False, mode=SUM, sparse=False, per_sample_weights=None,
    include_last_offset=False, padding_idx=-1,
):  # fmt: skip
    """`Embedding`, and sums (means, maxima) of the rows between offsets; what else PyTorch's op tells is not given."""
    rows = embedding(weight, indices)
    if per_sample_weights is not None:
        rows = rows * ops.expand_dims(per_sample_weights, -1)
    offsets = as_tensor(offsets)[:-1] if include_last_offset else as_tensor(offsets)
    place = ops.expand_dims(
        ops.cumsum(ops.ones_like(as_tensor(indices), dtype="int32"), axis=0) - 1, 0
    )
    bag = (
        ops.sum(ops.cast(ops.greater_equal(place, ops.expand_dims(offsets, 1)), "int32"), axis=0)
        - 1
    )
    number = ops.cumsum(ops.ones_like(offsets, dtype="int32"), axis=0) - 1
    within = ops.equal(ops.expand_dims(number, 1), bag)
    if padding_idx >= 0:
        within = ops.logical_and(within, ops.not_equal(indices, padding_idx))
    return bagged(rows, within, mode), None, None, None


def bagged(rows: Tensor, within: Tensor, mode: int) -> Tensor:
    """Sums, means or maxima of the rows of each bag; zero of an empty one."""
    size = ops.sum(ops.cast(within, rows.dtype), axis=-1, keepdims=True)
    if mode == MAX:
        each = ops.where(ops.expand_dims(within, -1), rows, float("-inf"))
        return ops.where(ops.equal(size, 0), 0.0, ops.max(each, axis=1))
    total = ops.matmul(ops.cast(within, rows.dtype), rows)
    return total / ops.maximum(size, 1.0) if mode == MEAN else total


def tied(indices: Weight) -> Tensor:
    """Constant indices as a value of the graph, since a layer is called on values only."""
    row = ops.multiply(one(indices.dtype), indices.reshape(1, -1))
    return ops.reshape(row, indices.shape)


@lowering(aten.one_hot.default, axes="... -> ... classes'")
def one_hot(x, num_classes=-1, *, classes):
    """`keras.ops.one_hot`."""
    if num_classes < 0:
        raise LoweringError(
            "the number of classes of this one_hot is read from the data",
            [("next", "give torch.nn.functional.one_hot its num_classes")],
        )
    return ops.one_hot(x, num_classes, axis=classes if classes < x.ndim else -1, dtype="int64")
