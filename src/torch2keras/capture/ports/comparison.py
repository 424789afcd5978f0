"""Whether two runs of a module gave the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from torch2keras.capture.ports.module_ports import copy_nest

CLOSE = 64
"""Numbers may differ by so many units of their type's precision: of sums in another order.
"""


def copy_leaves(outputs: Any) -> list[Any]:
    """Return outputs flat, their tensors copied."""
    return pytree.tree_leaves(copy_nest(outputs))


def are_close(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    """Whether flat outputs agree to rounding; integers and shapes exactly."""
    if len(ours) != len(theirs):
        return False
    for one, other in zip(ours, theirs, strict=True):
        both = isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)
        if both and not _is_close(one, other):
            return False
    return True


def _is_close(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not one.numel() or not one.is_floating_point():
        return torch.equal(one, other)
    finite = other[other.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    allowed = CLOSE * torch.finfo(one.dtype).eps * scale
    return torch.allclose(one, other, rtol=0.0, atol=allowed, equal_nan=True)
