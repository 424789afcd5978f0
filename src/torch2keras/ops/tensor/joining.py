"""Several tensors become one: cat and stack. What else PyTorch has (hstack, concat ...) decomposes into these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import ops

aten = torch.ops.aten


def cat_axes(args: Mapping[str, Any]) -> str | None:
    """PyTorch lets a tensor of shape (0,) join tensors of any rank; with one, the dims don't correspond."""
    ranks = {v.type.rank for v in args["tensors"]}
    return "... [dim'] -> ... [dim']" if len(ranks) == 1 else None


@lowering(aten.cat.default, axes=cat_axes, promote=True)
def cat(tensors, dim=0):
    """`keras.ops.concatenate`."""
    rank = max(t.ndim for t in tensors)
    full = [t for t in tensors if t.ndim == rank]
    return ops.concatenate(full, axis=dim) if len(full) > 1 else full[0]


@lowering(aten.stack.default, axes="... -> ... [dim']", promote=True)
def stack(tensors, dim=0):
    """`keras.ops.stack`."""
    return ops.stack(tensors, axis=dim)
