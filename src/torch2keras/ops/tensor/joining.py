"""Several tensors become one: cat and stack, into which hstack, concat and others decompose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import ops

aten = torch.ops.aten


def cat_axes(args: Mapping[str, Any]) -> str | None:
    """The tensors one after the other along `dim`; None where one of them has another rank.

    PyTorch lets a tensor of the shape (0,) join tensors of any rank; its dims don't correspond.
    """
    ranks = {tensor.type.rank for tensor in args["tensors"]}
    return "... [dim'] -> ... [dim']" if len(ranks) == 1 else None


@lowering(aten.cat.default, axes=cat_axes, promote=True)
def cat(tensors, dim=0):
    """`keras.ops.concatenate` along the dimension."""
    rank = max(tensor.ndim for tensor in tensors)
    full = [tensor for tensor in tensors if tensor.ndim == rank]
    return ops.concatenate(full, axis=dim) if len(full) > 1 else full[0]


@lowering(aten.stack.default, axes="... -> ... [dim']", promote=True)
def stack(tensors, dim=0):
    """`keras.ops.stack` along a new dimension."""
    return ops.stack(tensors, axis=dim)
