"""Distances of all pairs of rows."""

from __future__ import annotations

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import as_tensor, ops
from torch2keras.ops.blocks.norms import root
from torch2keras.ops.math.reduction import vector_norm

aten = torch.ops.aten


MANY = 25
"""Rows beyond which PyTorch computes Euclidean distances by a matrix product, which rounds more."""


@lowering(aten._cdist_forward.default)
def cdist(x1, x2, p, compute_mode):
    """The norms of all differences; many Euclidean ones by a matrix product."""
    x1, x2 = as_tensor(x1), as_tensor(x2)
    many = any(size is not None and size > MANY for size in (x1.shape[-2], x2.shape[-2]))
    if p == 2 and (compute_mode == 1 or (many and compute_mode != 2)):
        squares = ops.sum(ops.square(x1), axis=-1, keepdims=True)
        others = ops.expand_dims(ops.sum(ops.square(x2), axis=-1), -2)
        both = squares + others - 2.0 * ops.matmul(x1, ops.swapaxes(x2, -1, -2))
        return root(ops.maximum(both, 0.0))
    apart = ops.expand_dims(x1, -2) - ops.expand_dims(x2, -3)
    return vector_norm(apart, p, -1)
