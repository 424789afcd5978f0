"""Tensors made of nothing. With static sizes they are constants; here are those of dynamic sizes."""

from __future__ import annotations

from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.dynamic_sizes import count_positions, ones
from torch2keras.lower.recorder import Tensor, cast, float_dtype, ops

aten = torch.ops.aten


def number_dtype(*numbers: Any) -> str:
    """The dtype in which Python numbers (and tensors of sizes) are exact, or as exact as floats are."""
    if all(isinstance(n, bool) for n in numbers):
        return "bool"
    if any(isinstance(n, float) or (isinstance(n, Tensor) and "float" in n.dtype) for n in numbers):
        return float_dtype()
    return "int32" if all(isinstance(n, Tensor) or abs(n) < 2**31 for n in numbers) else "int64"


@lowering(aten.zeros.default, axes="-> ...")
def zeros(size, dtype=None, *, context):
    """`keras.ops.zeros_like` of ones of this shape; so is memory that PyTorch leaves as it is."""
    return ops.zeros_like(ones(context.shapes[0], "int32" if dtype is None else dtype))


@lowering(aten.ones.default, axes="-> ...")
def ones_(size, dtype=None, *, context):
    """A product of ones along dimensions of the inputs."""
    return ones(context.shapes[0], "int32" if dtype is None else dtype)


@lowering(aten.full.default, axes="-> ...")
def full(size, fill_value, dtype=None, *, context):
    """`keras.ops.full_like` of ones of this shape."""
    base = ones(context.shapes[0], number_dtype(fill_value) if dtype is None else dtype)
    return (
        cast(fill_value, base.dtype) * base
        if isinstance(fill_value, Tensor)
        else ops.full_like(base, fill_value)
    )


@lowering(aten.arange.default, axes="-> n'")
def arange(end, dtype=None, *, context):
    """A cumulated sum of ones."""
    return count_positions(context.shapes[0][0])


@lowering(aten.arange.start, axes="-> n'")
def arange_start(start, end, dtype=None, *, context):
    """A cumulated sum of ones, shifted."""
    return _progression(start, 1, context.shapes[0][0])


@lowering(aten.arange.start_step, axes="-> n'")
def arange_start_step(start, end, step=1, dtype=None, *, context):
    """A cumulated sum of ones, scaled and shifted."""
    return _progression(start, step, context.shapes[0][0])


def _progression(start: Any, step: Any, length: Any) -> Tensor:
    values = cast(count_positions(length), number_dtype(start, step))
    values = values if not isinstance(step, Tensor) and step == 1 else values * step
    return values if not isinstance(start, Tensor) and start == 0 else values + start


@lowering(aten.linspace.default, axes="-> n'")
def linspace(start, end, steps, dtype=None):
    """Counted from both ends to the middle, as PyTorch does; only its ends can be dynamic."""
    step = (end - start) / max(steps - 1, 1)
    forwards = cast(count_positions(steps), float_dtype())
    left, right = start + forwards * step, end - ops.flip(forwards) * step
    return ops.concatenate([left[: (steps + 1) // 2], right[(steps + 1) // 2 :]])


@lowering(aten.eye.default, axes="-> r' c'")
def eye(n, dtype=None, *, context):
    """Counted rows equal to counted columns."""
    return _diagonal_ones(context.shapes[0])


@lowering(aten.eye.m, axes="-> r' c'")
def eye_m(n, m, dtype=None, *, context):
    """Counted rows equal to counted columns."""
    return _diagonal_ones(context.shapes[0])


def _diagonal_ones(shape: Any) -> Tensor:
    rows, columns = map(count_positions, shape)
    return ops.equal(ops.expand_dims(rows, 1), columns)


@lowering(aten.zeros_like.default, axes="...")
def zeros_like(x, dtype=None):
    """`keras.ops.zeros_like`."""
    return ops.zeros_like(x)


@lowering(aten.ones_like.default, axes="...")
def ones_like(x, dtype=None):
    """`keras.ops.ones_like`."""
    return ops.ones_like(x)


@lowering(aten.full_like.default, axes="...")
def full_like(x, fill_value, dtype=None):
    """`keras.ops.full_like`."""
    like = ops.ones_like(x, dtype=x.dtype if dtype is None else str(dtype).removeprefix("torch."))
    return (
        cast(fill_value, like.dtype) * like
        if isinstance(fill_value, Tensor)
        else ops.full_like(like, fill_value)
    )


@lowering(aten.scalar_tensor.default, axes="-> ...")
def scalar_tensor(s, dtype=None):
    """A size as a tensor."""
    return s
