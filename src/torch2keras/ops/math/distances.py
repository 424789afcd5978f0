"""Distances of all pairs of rows."""

from __future__ import annotations

from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import Tensor, as_tensor, ops
from torch2keras.ops.blocks.norms import root, vector_norm

aten = torch.ops.aten


MANY = 25
"""Rows beyond which PyTorch computes Euclidean distances by a matrix product, which rounds more."""

ALWAYS_BY_PRODUCT, NEVER_BY_PRODUCT = 1, 2
"""Values of `compute_mode`; any other one leaves the choice to the number of rows
(ATen/native/Distance.cpp)."""


@lowering(aten._cdist_forward.default)
def cdist(x1, x2, p, compute_mode):
    """The norms of all differences; many Euclidean ones by `keras.ops.matmul`."""
    rows, others = as_tensor(x1), as_tensor(x2)
    is_many = any(size is not None and size > MANY for size in (rows.shape[-2], others.shape[-2]))
    by_product = compute_mode == ALWAYS_BY_PRODUCT or (is_many and compute_mode != NEVER_BY_PRODUCT)
    if p == 2 and by_product:
        return compute_euclidean(rows, others)
    apart = ops.expand_dims(rows, -2) - ops.expand_dims(others, -3)
    return vector_norm(apart, p, -1)


def compute_euclidean(rows: Any, others: Any) -> Tensor:
    """Return the distances of (..., n, d) and (..., m, d) as (..., n, m).

    They are roots of |a|^2 + |b|^2 - 2 a b.
    """
    squares = ops.sum(ops.square(rows), axis=-1, keepdims=True)
    other_squares = ops.expand_dims(ops.sum(ops.square(others), axis=-1), -2)
    products = ops.matmul(rows, ops.swapaxes(others, -1, -2))
    return root(ops.maximum(squares + other_squares - 2.0 * products, 0.0))
