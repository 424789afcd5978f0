"""Operands beside numbers, and the types and dimensions in which Keras takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops

AnyOperand = TypeVar("AnyOperand", bound=Operand)


def find_tensor(*operands: Any) -> Operand:
    """Return the first operand that is a tensor and no number.

    All tensors have been promoted to its dtype.
    """
    return next(x for x in operands if isinstance(x, Operand))


def fill_number(number: Any, like: Operand) -> Any:
    """Return a tensor as it is, and a number as a tensor of the shape and dtype of `like`."""
    if isinstance(number, Operand):
        return number
    return ops.full_like(like, number)


def fill_float(x: Any, like: Any) -> Tensor:
    """Return a tensor as a recorded one, or a number as a float at every position of `like`."""
    if isinstance(x, Operand):
        return as_tensor(x)
    return float(x) * ops.ones_like(like)


def reshape_along(x: AnyOperand, axes: Sequence[int], ndim: int) -> AnyOperand:
    """Return `x` with `ndim` dimensions: its own are `axes`, the others have the size one.

    Its own dimensions stay in their order, whatever the order of `axes`.
    """
    return x.expand_dims(*(axis for axis in range(ndim) if axis not in axes))


def as_keras_axis(axis: int, ndim: int) -> int:
    """Return the axis of a tensor of `ndim` dimensions, with -1 for the last one."""
    return -1 if axis == ndim - 1 else axis


def as_keras_axes(axes: Sequence[int], ndim: int) -> int | list[int]:
    """Return one axis as a number, several as an ordered list."""
    if len(axes) == 1:
        return as_keras_axis(axes[0], ndim)
    return sorted(axes)


def reduction_axis(x: Operand, dim: Any) -> Any:
    """Return the dimensions that PyTorch reduces as Keras takes them: none stand for all.

    PyTorch lets a scalar be reduced over a dimension that it does not have, 0.
    """
    if x.ndim == 0 or dim == ():
        return None
    return dim


def to_sum_dtype(x: Operand, dtype: torch.dtype | None) -> Any:
    """Return an operand of a sum in `dtype`; where that is None, integers and bools in int64."""
    if dtype is None and not x.is_float:
        return cast(x, torch.int64)
    return cast(x, dtype)


def to_comparable(x: Operand) -> Any:
    """Return an operand that is compared by size: bools as 0 and 1, anything else as it is."""
    if x.is_bool:
        return cast(x, "int32")
    return x


def to_number(x: Any) -> Any:
    """Return a bool of Python as the number 0 or 1, and anything else as it is."""
    if isinstance(x, bool):
        return int(x)
    return x


def to_int32(x: Any) -> Any:
    """Return a tensor in int32, and a number as an int."""
    if isinstance(x, Operand):
        return cast(x, "int32")
    return int(x)


def split_bias(bias: Operand | None) -> tuple[Operand | None, Operand | None]:
    """The bias that the layer holds, and the bias to add behind it; one of them is None."""
    if bias is None or bias.is_constant:
        return bias, None
    return None, bias


def add_bias(y: Tensor, bias: Operand | None) -> Tensor:
    """`y + bias`, or `y` where there is no bias."""
    return y if bias is None else y + bias
