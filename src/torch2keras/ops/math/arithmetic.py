"""Arithmetic of several operands, with PyTorch's rules for signs, rounding and types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from torch2keras.declarations.registry import pointwise
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.operands import dtype_of, floating

aten = torch.ops.aten


def exact(x: Any, number: Any) -> Any:
    """A number as an operand of an op that would read it in float32: a tensor, where float32 would round it."""
    if isinstance(number, Tensor | Weight) or float(np.float32(number)) == number:
        return number
    return ops.full_like(x, number)


def scaled(x: Any, factor: Any) -> Any:
    """The product, left out where the factor is one (which `True` is too); of two numbers, a number."""
    if isinstance(factor, int | float) and factor == 1:
        return x
    return x * factor if isinstance(x, int | float) else ops.multiply(x, factor)


def add(x: Any, other: Any, alpha: Any = 1) -> Any:
    """The sum of x and alpha times `other`; of bools, or."""
    if dtype_of(x, other) == "bool":
        return ops.logical_or(x, other)
    return ops.add(x, scaled(int(other) if isinstance(other, bool) else other, alpha))


def multiply(x: Any, other: Any) -> Any:
    """The product; of bools, and."""
    if dtype_of(x, other) == "bool":
        return ops.logical_and(x, other)
    return ops.multiply(x, int(other) if isinstance(other, bool) else other)


def divide(x: Any, other: Any, rounding_mode: str | None = None) -> Any:
    """The quotient as it is, or rounded down ("floor") or towards zero ("trunc")."""
    if rounding_mode is None:
        return ops.divide(x, other)
    if rounding_mode == "floor":
        return floor_divide(x, other)
    if floating(x, other):
        return ops.trunc(ops.divide(x, other))
    down = ops.floor_divide(x, other)
    inexact = ops.not_equal(ops.multiply(down, other), x)
    return down + ops.cast(ops.logical_and(inexact, ops.less(down, 0)), down.dtype)


def floor_divide(x: Any, other: Any) -> Any:
    """Rounded down. `floor(x / other)` is one too much where the quotient itself is rounded up to a whole number."""
    if not floating(x, other):
        return ops.floor_divide(x, other)
    whole = ops.round(ops.divide(ops.subtract(x, remainder(x, other)), other))
    if isinstance(other, int | float):
        return whole if other else ops.divide(x, other)
    return ops.where(ops.equal(other, 0), ops.divide(x, other), whole)


def remainder(x: Any, other: Any) -> Any:
    """The remainder with the sign of `other`."""
    if dtype_of(x, other) in ("uint8", "int8", "int16"):
        return ops.mod(
            *(ops.cast(v, "int32") if isinstance(v, Tensor | Weight) else v for v in (x, other))
        )
    return ops.mod(exact(other, x), exact(x, other))


def fmod(x: Any, other: Any) -> Any:
    """The remainder with the sign of `x`."""
    return ops.fmod(x, exact(x, other))


def power(x: Any, exponent: Any) -> Any:
    """The power; the exponents that have an op of their own by that op."""
    named = {2: ops.square, 0.5: ops.sqrt, -0.5: ops.rsqrt, -1: ops.reciprocal}
    if isinstance(exponent, int | float) and exponent in named and floating(x):
        return named[exponent](x)
    if dtype_of(x, exponent) in ("int8", "int16", "uint8"):
        x, exponent = (
            ops.cast(v, "int32") if isinstance(v, Tensor | Weight) else v for v in (x, exponent)
        )
    return ops.power(x, exponent)


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    """At least `min`, then at most `max`, so that `max` wins where they cross."""
    numbers = [v for v in (min, max) if isinstance(v, int | float)]
    if len(numbers) == 2 and min <= max and dtype_of(x) != "uint8":
        return ops.clip(x, min, max)
    x = x if min is None else ops.maximum(x, min)
    return x if max is None else ops.minimum(x, max)


def clamp_max(x: Any, max: Any) -> Any:
    """At most `max`."""
    return clamp(x, None, max)


def maximum(x: Any, other: Any) -> Any:
    """The larger; of bools, or."""
    return ops.logical_or(x, other) if dtype_of(x, other) == "bool" else ops.maximum(x, other)


def minimum(x: Any, other: Any) -> Any:
    """The smaller; of bools, and."""
    return ops.logical_and(x, other) if dtype_of(x, other) == "bool" else ops.minimum(x, other)


def lerp(x: Any, end: Any, weight: Any) -> Any:
    """From `x` to `end`, reckoned from the nearer of the two, as PyTorch does."""
    span = ops.subtract(end, x)
    near, far = (
        ops.add(x, ops.multiply(span, weight)),
        ops.subtract(end, ops.multiply(span, ops.subtract(1.0, weight))),
    )
    return ops.where(ops.less(ops.abs(weight), 0.5), near, far)


def lerp_scalar(x: Any, end: Any, weight: float) -> Any:
    """As `lerp`, with the branch that the number takes."""
    span = ops.subtract(end, x)
    if abs(weight) < 0.5:
        return ops.add(x, ops.multiply(span, weight))
    return ops.subtract(end, scaled(span, 1.0 - weight))


def xlogy(x: Any, other: Any) -> Any:
    """The product of x and log(other), zero where x is zero; NaN where `other` is."""
    x, other = (
        ops.full_like(b, a) if isinstance(a, int | float) else a
        for a, b in ((x, other), (other, x))
    )
    inert = ops.logical_and(ops.equal(x, 0), ops.equal(other, other))
    return ops.multiply(x, ops.log(ops.where(inert, 1.0, other)))


def hypot(x: Any, other: Any) -> Any:
    """The length of (x, other), infinite where one of them is; Keras has NaN where the other one is infinite or NaN."""
    infinite = ops.logical_or(ops.isinf(x), ops.isinf(other))
    return ops.where(infinite, math.inf, ops.hypot(x, other))


def copysign(x: Any, other: Any) -> Any:
    """|x| with the sign of `other`."""
    if isinstance(other, int | float):
        return ops.abs(x) if np.copysign(1, other) > 0 else ops.negative(ops.abs(x))
    return ops.where(ops.signbit(other), ops.negative(ops.abs(x)), ops.abs(x))


pointwise(
    {
        aten.add.Tensor: add,
        aten.add.Scalar: add,
        aten.sub.Tensor: lambda x, other, alpha=1: ops.subtract(x, scaled(other, alpha)),
        aten.sub.Scalar: lambda x, other, alpha=1: ops.subtract(x, scaled(other, alpha)),
        aten.rsub.Tensor: lambda x, other, alpha=1: ops.subtract(other, scaled(x, alpha)),
        aten.rsub.Scalar: lambda x, other, alpha=1: ops.subtract(other, scaled(x, alpha)),
        aten.mul.Tensor: multiply,
        aten.mul.Scalar: multiply,
        aten.div.Tensor: divide,
        aten.div.Scalar: divide,
        aten.div.Tensor_mode: divide,
        aten.div.Scalar_mode: divide,
        aten.floor_divide.default: floor_divide,
        aten.floor_divide.Scalar: floor_divide,
        aten.remainder.Tensor: remainder,
        aten.remainder.Scalar: remainder,
        aten.remainder.Scalar_Tensor: remainder,
        aten.fmod.Tensor: fmod,
        aten.fmod.Scalar: fmod,
        aten.pow.Tensor_Tensor: power,
        aten.pow.Tensor_Scalar: power,
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
        aten.addcmul.default: lambda x, tensor1, tensor2, value=1: ops.add(
            x, scaled(ops.multiply(tensor1, tensor2), value)
        ),
        aten.addcdiv.default: lambda x, tensor1, tensor2, value=1: ops.add(
            x, scaled(ops.divide(tensor1, tensor2), value)
        ),
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
