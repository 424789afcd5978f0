"""Vectors and smaller tensors beside larger ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch2keras.keras_graph.operand import Operand

AnyOperand = TypeVar("AnyOperand", bound=Operand)


def reshape_along(x: AnyOperand, axes: Sequence[int], ndim: int) -> AnyOperand:
    """Return `x` with `ndim` dimensions: its own are `axes`, the others have the size one.

    Its own dimensions stay in their order, whatever the order of `axes`.
    """
    return x.expand_dims(*(axis for axis in range(ndim) if axis not in axes))
