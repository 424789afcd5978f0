"""Comparisons, choices between values by a condition, and the logic of bools and bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from torch2keras.declarations.registry import pointwise
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.operands import dtype_of

aten = torch.ops.aten


Binary = Callable[[Any, Any], Any]


def ordered(op: Binary) -> Binary:
    """A comparison by size; bools are compared as 0 and 1."""

    def compare(x: Any, other: Any) -> Any:
        if dtype_of(x, other) == "bool":
            x, other = (
                ops.cast(v, "int32") if isinstance(v, Tensor | Weight) else int(v)
                for v in (x, other)
            )
        return op(x, other)

    return compare


def on_integers(op: Binary) -> Binary:
    """An op on the bits of integers: Keras takes two tensors there, and gives the result the first one's shape."""

    def combine(x: Any, other: Any) -> Any:
        x, other = (
            ops.full_like(b, a) if isinstance(a, int) else a for a, b in ((x, other), (other, x))
        )
        if x.shape != other.shape:
            x, other = ops.add(x, ops.zeros_like(other)), ops.add(other, ops.zeros_like(x))
        return op(x, other)

    return combine


def bits(of_bools: Binary, of_integers: Binary) -> Binary:
    """An op on each bit, of which a bool has one."""
    of_more = on_integers(of_integers)
    return lambda x, other: (of_bools if dtype_of(x, other) == "bool" else of_more)(x, other)


left_shift, right_shift = on_integers(ops.left_shift), on_integers(ops.right_shift)


both = bits(ops.logical_and, ops.bitwise_and)


either = bits(ops.logical_or, ops.bitwise_or)


differ = bits(ops.logical_xor, ops.bitwise_xor)


def where_numbers(condition: Any, x: Any, other: Any) -> Any:
    """A choice between two numbers, in the type that PyTorch gives numbers."""
    kind = "float32" if isinstance(x, float) or isinstance(other, float) else "int64"
    return ops.where(
        condition,
        ops.full_like(condition, x, dtype=kind),
        ops.full_like(condition, other, dtype=kind),
    )


pointwise(
    {
        aten.eq.Tensor: ops.equal,
        aten.eq.Scalar: ops.equal,
        aten.ne.Tensor: ops.not_equal,
        aten.ne.Scalar: ops.not_equal,
        aten.lt.Tensor: ordered(ops.less),
        aten.lt.Scalar: ordered(ops.less),
        aten.le.Tensor: ordered(ops.less_equal),
        aten.le.Scalar: ordered(ops.less_equal),
        aten.gt.Tensor: ordered(ops.greater),
        aten.gt.Scalar: ordered(ops.greater),
        aten.ge.Tensor: ordered(ops.greater_equal),
        aten.ge.Scalar: ordered(ops.greater_equal),
        aten.where.self: ops.where,
        aten.where.ScalarOther: ops.where,
        aten.where.ScalarSelf: ops.where,
        aten.where.Scalar: where_numbers,
        aten.masked_fill.Scalar: lambda x, mask, value: ops.where(mask, value, x),
        aten.masked_fill.Tensor: lambda x, mask, value: ops.where(mask, value, x),
        aten.bitwise_and.Tensor: both,
        aten.bitwise_and.Scalar: both,
        aten.bitwise_and.Scalar_Tensor: both,
        aten.bitwise_or.Tensor: either,
        aten.bitwise_or.Scalar: either,
        aten.bitwise_or.Scalar_Tensor: either,
        aten.bitwise_xor.Tensor: differ,
        aten.bitwise_xor.Scalar: differ,
        aten.bitwise_xor.Scalar_Tensor: differ,
        aten.bitwise_not.default: lambda x: (
            ops.logical_not if x.dtype == "bool" else ops.bitwise_not
        )(x),
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
