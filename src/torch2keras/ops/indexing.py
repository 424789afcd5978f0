"""Lookups: index_select, gather, index with integer tensors, and scattered writes."""

from __future__ import annotations

import torch

from torch2keras.keras_graph import Weight
from torch2keras.recorder import Tensor, ops
from torch2keras.registry import lowering

aten = torch.ops.aten


def look_up(x: Tensor | Weight, index: Tensor | Weight, dim: int) -> Tensor:
    """Entries of a dimension; the index's dimensions stand in its place."""
    return ops.take(x, index, axis=dim)  # type: ignore[no-any-return]


@lowering(aten.index_select.default, axes="... [dim'], i' -> ... [dim']")
def index_select(x, dim, index):
    """`keras.ops.take`."""
    return look_up(x, index, dim)
