"""Functions of one tensor, position by position: exponentials, trigonometry, rounding, casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from torch2keras.declarations.registry import lowering, pointwise
from torch2keras.lower.recorder import cast, float_dtype, ops

aten = torch.ops.aten


def absolute(x: Any) -> Any:
    """The size of a number, by `keras.ops.abs`; bools and unsigned integers are their own."""
    if x.is_bool or x.dtype == "uint8":
        return x
    return ops.abs(x)


def sign(x: Any) -> Any:
    """The sign of a number, by `keras.ops.sign`; a bool is its own."""
    if x.is_bool:
        return x
    return ops.sign(x)


def floor(x: Any) -> Any:
    """The next whole number down, by `keras.ops.floor`; integers are their own."""
    return apply_to_floats(ops.floor, x)


def ceil(x: Any) -> Any:
    """The next whole number up, by `keras.ops.ceil`; integers are their own."""
    return apply_to_floats(ops.ceil, x)


def trunc(x: Any) -> Any:
    """The next whole number towards zero, by `keras.ops.trunc`; integers are their own."""
    return apply_to_floats(ops.trunc, x)


def apply_to_floats(op: Callable[[Any], Any], x: Any) -> Any:
    """Return `op(x)` where the numbers can have a fraction; integers and bools as they are."""
    if x.is_float:
        return op(x)
    return x


def frac(x: Any) -> Any:
    """What `keras.ops.trunc` takes away, with the sign of x."""
    return x - ops.trunc(x)


def round_decimals(x: Any, decimals: int = 0) -> Any:
    """The next multiple of 10^-decimals, by `keras.ops.round`, halves to even.

    Numbers are scaled as PyTorch scales them, by a power of ten that is exact.
    """
    if not x.is_float:
        return x
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return ops.round(x * scale) / scale
    if decimals < 0:
        return ops.round(x / scale) * scale
    return ops.round(x)


def logit(x: Any, eps: float | None = None) -> Any:
    """The logarithm of x / (1 - x), of x moved into [eps, 1 - eps].

    Where these limits cross, it is moved to either.
    """
    if eps is not None and eps <= 0.5:
        x = ops.clip(x, eps, 1.0 - eps)
    elif eps is not None:
        x = ops.where(ops.less(x, eps), ops.full_like(x, eps), 1.0 - eps)
    return ops.log(x / (1.0 - x))


def nan_to_num(
    x: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Numbers in place of NaN and infinity, by `keras.ops.nan_to_num`.

    Infinities become the limits of the type that the model is written in, also where it is built in
    another one.
    """
    if not x.is_float:
        return x
    limits = torch.finfo(getattr(torch, x.dtype))
    if posinf is None:
        posinf = limits.max
    if neginf is None:
        neginf = limits.min
    return ops.nan_to_num(x, nan=nan or 0.0, posinf=posinf, neginf=neginf)


def angle(x: Any) -> Any:
    """The angle of a real number in the complex plane: pi where it is negative."""
    if not x.is_float:
        x = cast(x, float_dtype())
    turn = cast(ops.less(x, 0.0), x.dtype) * math.pi
    return ops.where(ops.isnan(x), x, turn)


def isnan(x: Any) -> Any:
    """Whether a number is NaN, by `keras.ops.isnan`; no integer is."""
    return ask_floats(ops.isnan, x)


def isinf(x: Any) -> Any:
    """Whether a number is infinite, by `keras.ops.isinf`; no integer is."""
    return ask_floats(ops.isinf, x)


def isposinf(x: Any) -> Any:
    """Whether a number is plus infinity, by `keras.ops.isposinf`; no integer is."""
    return ask_floats(ops.isposinf, x)


def isneginf(x: Any) -> Any:
    """Whether a number is minus infinity, by `keras.ops.isneginf`; no integer is."""
    return ask_floats(ops.isneginf, x)


def ask_floats(question: Callable[[Any], Any], x: Any) -> Any:
    """Return the answers to a question that is false for every integer."""
    if x.is_float:
        return question(x)
    return ops.zeros_like(x, dtype="bool")


def isfinite(x: Any) -> Any:
    """Whether a number is neither NaN nor infinite, by `keras.ops.isfinite`; every integer is."""
    if x.is_float:
        return ops.isfinite(x)
    return ops.ones_like(x, dtype="bool")


def signbit(x: Any) -> Any:
    """Whether the sign is minus, by `keras.ops.signbit`, which zeros of floats have too."""
    if x.is_float:
        return ops.signbit(x)
    return ops.less(x, 0)


def cast_afterwards(x: Any, dtype: torch.dtype | None = None) -> Any:
    """The operand itself, which is cast by `keras.ops.cast` to the dtype of PyTorch's result.

    Floats become int32 on the way to narrower integers: they wrap round in PyTorch, and stop at the
    limits in some backends.
    """
    if x.is_float and dtype in (torch.int8, torch.int16, torch.uint8):
        return cast(x, torch.int32)
    return x


pointwise(
    {
        aten.neg.default: ops.negative,
        aten.exp.default: ops.exp,
        aten.exp2.default: ops.exp2,
        aten.expm1.default: ops.expm1,
        aten.log.default: ops.log,
        aten.log2.default: ops.log2,
        aten.log10.default: ops.log10,
        aten.log1p.default: ops.log1p,
        aten.sqrt.default: ops.sqrt,
        aten.rsqrt.default: ops.rsqrt,
        aten.square.default: ops.square,
        aten.reciprocal.default: ops.reciprocal,
        aten.sin.default: ops.sin,
        aten.cos.default: ops.cos,
        aten.tan.default: ops.tan,
        aten.asin.default: ops.arcsin,
        aten.acos.default: ops.arccos,
        aten.atan.default: ops.arctan,
        aten.sinh.default: ops.sinh,
        aten.cosh.default: ops.cosh,
        aten.asinh.default: ops.arcsinh,
        aten.acosh.default: ops.arccosh,
        aten.atanh.default: ops.arctanh,
        aten.erf.default: ops.erf,
        aten.erfc.default: ops.erfc,
        aten.erfinv.default: ops.erfinv,
        aten.sinc.default: ops.sinc,
        aten.logit.default: logit,
        aten.frac.default: frac,
    }
)


pointwise(
    {
        aten.abs.default: absolute,
        aten.sign.default: sign,
        aten.floor.default: floor,
        aten.ceil.default: ceil,
        aten.trunc.default: trunc,
        aten.round.default: round_decimals,
        aten.round.decimals: round_decimals,
        aten.nan_to_num.default: nan_to_num,
        aten.angle.default: angle,
        aten.isnan.default: isnan,
        aten.isinf.default: isinf,
        aten.isposinf.default: isposinf,
        aten.isneginf.default: isneginf,
        aten.isfinite.default: isfinite,
        aten.signbit.default: signbit,
    },
    promote=False,
)


pointwise(
    {
        aten.to.dtype: cast_afterwards,
        aten.to.dtype_layout: cast_afterwards,
        aten.to.device: cast_afterwards,
        aten._to_copy.default: cast_afterwards,
        aten.detach.default: ops.stop_gradient,
    },
    promote=False,
)


@lowering(aten.fill.Scalar, axes="...")
def fill(x, value):
    """The value at every position, by `keras.ops.full_like`."""
    return ops.full_like(x, value)
