"""Tensors made of nothing, of dynamic sizes; with static sizes they are constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Size
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import count_positions, make_ones
from torch2keras.lower.recorder import Tensor, cast, float_dtype, ops

aten = torch.ops.aten


def find_dtype(*numbers: Any) -> str:
    """The dtype in which numbers (and tensors of sizes) are exact, or as exact as floats are."""
    if all(isinstance(number, bool) for number in numbers):
        return "bool"
    if any(map(has_fraction, numbers)):
        return float_dtype()
    largest = max(0 if isinstance(number, Operand) else abs(number) for number in numbers)
    return "int32" if largest < 2**31 else "int64"


def has_fraction(number: Any) -> bool:
    """Whether a number or a tensor is a float."""
    if isinstance(number, Operand):
        return number.is_float
    return isinstance(number, float)


def fill(like: Tensor, value: Any) -> Tensor:
    """A tensor with this value, which may be one that the model computes, in place of ones."""
    if isinstance(value, Operand):
        return cast(value, like.dtype) * like
    return ops.full_like(like, value)


@lowering(aten.zeros.default, axes="-> ...")
def zeros(size, dtype=None, *, context):
    """`keras.ops.zeros_like` of ones of this shape; so is memory that PyTorch leaves as it is."""
    return ops.zeros_like(make_ones(context.shapes[0], dtype or "int32"))


@lowering(aten.ones.default, axes="-> ...")
def ones_(size, dtype=None, *, context):
    """A product of ones along dimensions of the inputs."""
    return make_ones(context.shapes[0], dtype or "int32")


@lowering(aten.full.default, axes="-> ...")
def full(size, fill_value, dtype=None, *, context):
    """`keras.ops.full_like` of ones of this shape."""
    return fill(make_ones(context.shapes[0], dtype or find_dtype(fill_value)), fill_value)


@lowering(aten.arange.default, axes="-> n'")
def arange(end, dtype=None, *, context):
    """A cumulated sum of ones."""
    return count_positions(context.shapes[0][0])


@lowering(aten.arange.start, axes="-> n'")
def arange_start(start, end, dtype=None, *, context):
    """A cumulated sum of ones, shifted."""
    return count_from(start, 1, context.shapes[0][0])


@lowering(aten.arange.start_step, axes="-> n'")
def arange_start_step(start, end, step=1, dtype=None, *, context):
    """A cumulated sum of ones, scaled and shifted."""
    return count_from(start, step, context.shapes[0][0])


def count_from(start: Any, step: Any, length: Size) -> Tensor:
    """Numbers from `start` on, `step` apart; the model may compute both of these."""
    values = cast(count_positions(length), find_dtype(start, step))
    if isinstance(step, Operand) or step != 1:
        values = values * step
    if isinstance(start, Operand) or start != 0:
        values = values + start
    return values


@lowering(aten.linspace.default, axes="-> n'")
def linspace(start, end, steps, dtype=None):
    """Counted from both ends to the middle, as PyTorch does; only its ends can be dynamic."""
    step = (end - start) / max(steps - 1, 1)
    forwards = cast(count_positions(steps), float_dtype())
    left, right = start + forwards * step, end - ops.flip(forwards) * step
    middle = (steps + 1) // 2
    return ops.concatenate([left[:middle], right[middle:]])


@lowering(aten.eye.default, axes="-> r' c'")
def eye(n, dtype=None, *, context):
    """Counted rows equal to counted columns."""
    return mark_diagonal(context.shapes[0])


@lowering(aten.eye.m, axes="-> r' c'")
def eye_m(n, m, dtype=None, *, context):
    """Counted rows equal to counted columns."""
    return mark_diagonal(context.shapes[0])


def mark_diagonal(shape: Sequence[Size]) -> Tensor:
    """A matrix that is true on its diagonal."""
    rows, columns = map(count_positions, shape)
    return ops.equal(ops.expand_dims(rows, 1), columns)


@lowering(aten.zeros_like.default, axes="...")
def zeros_like(x, dtype=None):
    """`keras.ops.zeros_like` of the operand."""
    return ops.zeros_like(x)


@lowering(aten.ones_like.default, axes="...")
def ones_like(x, dtype=None):
    """`keras.ops.ones_like` of the operand."""
    return ops.ones_like(x)


@lowering(aten.full_like.default, axes="...")
def full_like(x, fill_value, dtype=None):
    """`keras.ops.full_like` of the operand."""
    name = x.dtype if dtype is None else str(dtype).removeprefix("torch.")
    return fill(ops.ones_like(x, dtype=name), fill_value)


@lowering(aten.scalar_tensor.default, axes="-> ...")
def scalar_tensor(s, dtype=None):
    """A size as a tensor."""
    return s
