"""Comparisons, choices between values by a condition, and the logic of bools and bits."""

from __future__ import annotations

from typing import Any

import torch

from torch2keras.declarations.registry import pointwise
from torch2keras.lower.recorder import ops
from torch2keras.ops.blocks.operands import fill_number, find_tensor, to_int32

aten = torch.ops.aten


def as_ordered(x: Any, other: Any) -> tuple[Any, Any]:
    """Return two operands as they are compared by size: bools as 0 and 1."""
    if find_tensor(x, other).is_bool:
        return to_int32(x), to_int32(other)
    return x, other


def less(x: Any, other: Any) -> Any:
    """Whether x is below `other`, by `keras.ops.less`; bools count as 0 and 1."""
    return ops.less(*as_ordered(x, other))


def less_equal(x: Any, other: Any) -> Any:
    """Whether x is at most `other`, by `keras.ops.less_equal`; bools count as 0 and 1."""
    return ops.less_equal(*as_ordered(x, other))


def greater(x: Any, other: Any) -> Any:
    """Whether x is above `other`, by `keras.ops.greater`; bools count as 0 and 1."""
    return ops.greater(*as_ordered(x, other))


def greater_equal(x: Any, other: Any) -> Any:
    """Whether x is at least `other`, by `keras.ops.greater_equal`; bools count as 0 and 1."""
    return ops.greater_equal(*as_ordered(x, other))


def where_numbers(condition: Any, x: Any, other: Any) -> Any:
    """A choice between two numbers, by `keras.ops.where`, in the type that PyTorch gives."""
    dtype = "int64"
    if isinstance(x, float) or isinstance(other, float):
        dtype = "float32"
    return ops.where(
        condition,
        ops.full_like(condition, x, dtype=dtype),
        ops.full_like(condition, other, dtype=dtype),
    )


def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """The value where the mask is true and x elsewhere, by `keras.ops.where`."""
    return ops.where(mask, value, x)


def broadcast_together(x: Any, other: Any) -> tuple[Any, Any]:
    """Return two integer operands as tensors of one shape.

    Keras takes tensors alone for operands of ops on bits, and gives the result the first one's
    shape.
    """
    x, other = fill_number(x, other), fill_number(other, x)
    if x.shape == other.shape:
        return x, other
    return ops.add(x, ops.zeros_like(other)), ops.add(other, ops.zeros_like(x))


def bitwise_and(x: Any, other: Any) -> Any:
    """The bits that are set in both, by `keras.ops.bitwise_and`; of bools, `logical_and`."""
    if find_tensor(x, other).is_bool:
        return ops.logical_and(x, other)
    return ops.bitwise_and(*broadcast_together(x, other))


def bitwise_or(x: Any, other: Any) -> Any:
    """The bits that are set in either, by `keras.ops.bitwise_or`; of bools, `logical_or`."""
    if find_tensor(x, other).is_bool:
        return ops.logical_or(x, other)
    return ops.bitwise_or(*broadcast_together(x, other))


def bitwise_xor(x: Any, other: Any) -> Any:
    """The bits that are set in one, by `keras.ops.bitwise_xor`; of bools, `logical_xor`."""
    if find_tensor(x, other).is_bool:
        return ops.logical_xor(x, other)
    return ops.bitwise_xor(*broadcast_together(x, other))


def bitwise_not(x: Any) -> Any:
    """The bits that are not set, by `keras.ops.bitwise_not`; of bools, `keras.ops.logical_not`."""
    if x.is_bool:
        return ops.logical_not(x)
    return ops.bitwise_not(x)


def left_shift(x: Any, other: Any) -> Any:
    """The bits moved up, by `keras.ops.left_shift`."""
    return ops.left_shift(*broadcast_together(x, other))


def right_shift(x: Any, other: Any) -> Any:
    """The bits moved down, by `keras.ops.right_shift`."""
    return ops.right_shift(*broadcast_together(x, other))


pointwise(
    {
        aten.eq.Tensor: ops.equal,
        aten.eq.Scalar: ops.equal,
        aten.ne.Tensor: ops.not_equal,
        aten.ne.Scalar: ops.not_equal,
        aten.lt.Tensor: less,
        aten.lt.Scalar: less,
        aten.le.Tensor: less_equal,
        aten.le.Scalar: less_equal,
        aten.gt.Tensor: greater,
        aten.gt.Scalar: greater,
        aten.ge.Tensor: greater_equal,
        aten.ge.Scalar: greater_equal,
        aten.where.self: ops.where,
        aten.where.ScalarOther: ops.where,
        aten.where.ScalarSelf: ops.where,
        aten.where.Scalar: where_numbers,
        aten.masked_fill.Scalar: masked_fill,
        aten.masked_fill.Tensor: masked_fill,
        aten.bitwise_and.Tensor: bitwise_and,
        aten.bitwise_and.Scalar: bitwise_and,
        aten.bitwise_and.Scalar_Tensor: bitwise_and,
        aten.bitwise_or.Tensor: bitwise_or,
        aten.bitwise_or.Scalar: bitwise_or,
        aten.bitwise_or.Scalar_Tensor: bitwise_or,
        aten.bitwise_xor.Tensor: bitwise_xor,
        aten.bitwise_xor.Scalar: bitwise_xor,
        aten.bitwise_xor.Scalar_Tensor: bitwise_xor,
        aten.bitwise_not.default: bitwise_not,
        aten.bitwise_left_shift.Tensor: left_shift,
        aten.bitwise_left_shift.Tensor_Scalar: left_shift,
        aten.bitwise_right_shift.Tensor: right_shift,
        aten.bitwise_right_shift.Tensor_Scalar: right_shift,
        aten.__lshift__.Tensor: left_shift,
        aten.__lshift__.Scalar: left_shift,
        aten.__rshift__.Tensor: right_shift,
        aten.__rshift__.Scalar: right_shift,
    }
)


pointwise(
    {
        aten.logical_and.default: ops.logical_and,
        aten.logical_or.default: ops.logical_or,
        aten.logical_xor.default: ops.logical_xor,
        aten.logical_not.default: ops.logical_not,
    },
    promote=False,
)
