"""Arithmetic of several operands, with PyTorch's rules for signs, rounding and types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from torch2keras.declarations.registry import pointwise
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import ops
from torch2keras.ops.blocks.operands import fill_number, find_tensor, to_int32, to_number

aten = torch.ops.aten


NARROW_INTEGERS = ("uint8", "int8", "int16")
"""Integers that some ops of Keras do not take on every backend."""


def to_exact(number: Any, like: Any) -> Any:
    """Return a number as a tensor like `like` where float32, in which Keras reads it, rounds it."""
    if isinstance(number, Operand) or float(np.float32(number)) == number:
        return number
    return ops.full_like(like, number)


def scale(x: Any, factor: Any) -> Any:
    """Return the product of x and a factor, or x itself where the factor is one."""
    if isinstance(factor, int | float) and factor == 1:
        return x
    if isinstance(x, int | float):
        return x * factor
    return ops.multiply(x, factor)


def add(x: Any, other: Any, alpha: Any = 1) -> Any:
    """The sum of x and alpha times `other`, by `keras.ops.add`; of bools, or."""
    if find_tensor(x, other).is_bool:
        return ops.logical_or(x, other)
    return ops.add(x, scale(to_number(other), alpha))


def subtract(x: Any, other: Any, alpha: Any = 1) -> Any:
    """The difference of x and alpha times `other`, by `keras.ops.subtract`."""
    return ops.subtract(x, scale(other, alpha))


def rsub(x: Any, other: Any, alpha: Any = 1) -> Any:
    """The difference of `other` and alpha times x, by `keras.ops.subtract`."""
    return ops.subtract(other, scale(x, alpha))


def multiply(x: Any, other: Any) -> Any:
    """The product, by `keras.ops.multiply`; of bools, and."""
    if find_tensor(x, other).is_bool:
        return ops.logical_and(x, other)
    return ops.multiply(x, to_number(other))


def div(x: Any, other: Any, rounding_mode: str | None = None) -> Any:
    """The quotient, by `keras.ops.divide`, rounded down ("floor") or towards zero ("trunc")."""
    if rounding_mode is None:
        return ops.divide(x, other)
    if rounding_mode == "floor":
        return floor_divide(x, other)
    if find_tensor(x, other).is_float:
        return ops.trunc(ops.divide(x, other))
    down = ops.floor_divide(x, other)
    inexact = ops.not_equal(ops.multiply(down, other), x)
    return down + ops.cast(ops.logical_and(inexact, ops.less(down, 0)), down.dtype)


def floor_divide(x: Any, other: Any) -> Any:
    """The quotient rounded down: what is left without the remainder is divided, and rounded.

    `floor(x / other)` is one too much where the quotient itself is rounded up to a whole number.
    """
    if not find_tensor(x, other).is_float:
        return ops.floor_divide(x, other)
    whole = ops.round(ops.divide(ops.subtract(x, remainder(x, other)), other))
    if isinstance(other, Operand):
        return ops.where(ops.equal(other, 0), ops.divide(x, other), whole)
    if other == 0:
        return ops.divide(x, other)
    return whole


def remainder(x: Any, other: Any) -> Any:
    """The remainder with the sign of `other`, by `keras.ops.mod`."""
    if find_tensor(x, other).dtype in NARROW_INTEGERS:
        return ops.mod(to_int32(x), to_int32(other))
    return ops.mod(to_exact(x, other), to_exact(other, x))


def fmod(x: Any, other: Any) -> Any:
    """The remainder with the sign of x, by `keras.ops.fmod`."""
    return ops.fmod(x, to_exact(other, x))


def raise_to_power(x: Any, exponent: Any) -> Any:
    """The power, by `keras.ops.power`; squares, roots and reciprocals by the op of their name."""
    tensor = find_tensor(x, exponent)
    named = {2: ops.square, 0.5: ops.sqrt, -0.5: ops.rsqrt, -1: ops.reciprocal}
    if tensor.is_float and isinstance(exponent, int | float) and exponent in named:
        return named[exponent](x)
    if tensor.dtype in NARROW_INTEGERS:
        return ops.power(to_int32(x), to_int32(exponent))
    return ops.power(x, exponent)


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """At least `min`, then at most `max`, by `keras.ops.clip`: `max` wins where they cross."""
    are_numbers = isinstance(min, int | float) and isinstance(max, int | float)
    if are_numbers and min <= max and x.dtype != "uint8":
        return ops.clip(x, min, max)
    if min is not None:
        x = ops.maximum(x, min)
    if max is not None:
        x = ops.minimum(x, max)
    return x


def clamp_max(x: Any, max: Any) -> Any:
    """At most `max`, by `keras.ops.minimum`."""
    return ops.minimum(x, max)


def maximum(x: Any, other: Any) -> Any:
    """The larger one, by `keras.ops.maximum`; of bools, or."""
    if find_tensor(x, other).is_bool:
        return ops.logical_or(x, other)
    return ops.maximum(x, other)


def minimum(x: Any, other: Any) -> Any:
    """The smaller one, by `keras.ops.minimum`; of bools, and."""
    if find_tensor(x, other).is_bool:
        return ops.logical_and(x, other)
    return ops.minimum(x, other)


def addcmul(x: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    """The sum of x and `value` times a product, by `keras.ops.add` and `keras.ops.multiply`."""
    return ops.add(x, scale(ops.multiply(tensor1, tensor2), value))


def addcdiv(x: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    """The sum of x and `value` times a quotient, by `keras.ops.add` and `keras.ops.divide`."""
    return ops.add(x, scale(ops.divide(tensor1, tensor2), value))


def lerp(x: Any, end: Any, weight: Any) -> Any:
    """The point between x and `end`, reckoned from the nearer of the two, as PyTorch does."""
    span = ops.subtract(end, x)
    from_start = ops.add(x, ops.multiply(span, weight))
    from_end = ops.subtract(end, ops.multiply(span, ops.subtract(1.0, weight)))
    return ops.where(ops.less(ops.abs(weight), 0.5), from_start, from_end)


def lerp_scalar(x: Any, end: Any, weight: float) -> Any:
    """The point between x and `end`, reckoned from the one that the number is nearer to."""
    span = ops.subtract(end, x)
    if abs(weight) < 0.5:
        return ops.add(x, ops.multiply(span, weight))
    return ops.subtract(end, scale(span, 1.0 - weight))


def xlogy(x: Any, other: Any) -> Any:
    """The product of x and log(other), zero where x is zero; NaN where `other` is."""
    x, other = fill_number(x, other), fill_number(other, x)
    inert = ops.logical_and(ops.equal(x, 0), ops.equal(other, other))
    return ops.multiply(x, ops.log(ops.where(inert, 1.0, other)))


def hypot(x: Any, other: Any) -> Any:
    """The length of (x, other), by `keras.ops.hypot`; infinite where one of them is.

    Keras has NaN where the other one is infinite or NaN.
    """
    infinite = ops.logical_or(ops.isinf(x), ops.isinf(other))
    return ops.where(infinite, math.inf, ops.hypot(x, other))


def copysign(x: Any, other: Any) -> Any:
    """The size of x with the sign of `other`, which zeros have too."""
    size = ops.abs(x)
    if isinstance(other, Operand):
        return ops.where(ops.signbit(other), ops.negative(size), size)
    if math.copysign(1.0, other) > 0:
        return size
    return ops.negative(size)


pointwise(
    {
        aten.add.Tensor: add,
        aten.add.Scalar: add,
        aten.sub.Tensor: subtract,
        aten.sub.Scalar: subtract,
        aten.rsub.Tensor: rsub,
        aten.rsub.Scalar: rsub,
        aten.mul.Tensor: multiply,
        aten.mul.Scalar: multiply,
        aten.div.Tensor: div,
        aten.div.Scalar: div,
        aten.div.Tensor_mode: div,
        aten.div.Scalar_mode: div,
        aten.floor_divide.default: floor_divide,
        aten.floor_divide.Scalar: floor_divide,
        aten.remainder.Tensor: remainder,
        aten.remainder.Scalar: remainder,
        aten.remainder.Scalar_Tensor: remainder,
        aten.fmod.Tensor: fmod,
        aten.fmod.Scalar: fmod,
        aten.pow.Tensor_Tensor: raise_to_power,
        aten.pow.Tensor_Scalar: raise_to_power,
        aten.pow.Scalar: ops.power,
        aten.clamp.default: clamp,
        aten.clamp.Tensor: clamp,
        aten.clamp_min.default: clamp,
        aten.clamp_min.Tensor: clamp,
        aten.clamp_max.default: clamp_max,
        aten.clamp_max.Tensor: clamp_max,
        aten.maximum.default: maximum,
        aten.minimum.default: minimum,
        aten.max.other: maximum,
        aten.min.other: minimum,
        aten.fmax.default: ops.fmax,
        aten.fmin.default: ops.fmin,
        aten.addcmul.default: addcmul,
        aten.addcdiv.default: addcdiv,
        aten.lerp.Tensor: lerp,
        aten.lerp.Scalar: lerp_scalar,
        aten.atan2.default: ops.arctan2,
        aten.hypot.default: hypot,
        aten.logaddexp.default: ops.logaddexp,
        aten.xlogy.Tensor: xlogy,
        aten.xlogy.Scalar_Self: xlogy,
        aten.xlogy.Scalar_Other: xlogy,
        aten.copysign.Tensor: copysign,
        aten.copysign.Scalar: copysign,
        aten.heaviside.default: ops.heaviside,
        aten.nextafter.default: ops.nextafter,
        aten.gcd.default: ops.gcd,
        aten.lcm.default: ops.lcm,
    }
)
