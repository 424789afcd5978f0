"""Functions of one tensor, position by position: exponentials, trigonometry, rounding, casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from torch2keras.declarations.registry import lowering, pointwise
from torch2keras.lower.recorder import Tensor, cast, float_dtype, ops

aten = torch.ops.aten


Unary = Callable[[Any], Any]


def of_floats(op: Unary) -> Unary:
    """`op` where the numbers have a fraction; integers and bools are unchanged."""
    return lambda x: op(x) if "float" in x.dtype else x


def never_of_integers(op: Unary) -> Unary:
    """`op` asks for what only floats can be, such as NaN."""
    return lambda x: op(x) if "float" in x.dtype else ops.zeros_like(x, dtype="bool")


def round_decimals(x: Tensor, decimals: int = 0) -> Tensor:
    """To a multiple of 10^-decimals, halves to even; scaled as PyTorch scales, by a power of ten that is exact."""
    if "float" not in x.dtype or not decimals:
        return x if "float" not in x.dtype else ops.round(x)
    scale = 10.0 ** abs(decimals)
    return ops.round(x * scale) / scale if decimals > 0 else ops.round(x / scale) * scale


def logit(x: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), of x moved into [eps, 1 - eps]; where these cross, to either of them."""
    if eps is not None:
        x = (
            ops.clip(x, eps, 1.0 - eps)
            if eps <= 0.5
            else ops.where(ops.less(x, eps), ops.full_like(x, eps), 1.0 - eps)
        )
    return ops.log(x / (1.0 - x))


def nan_to_num(
    x: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Infinities become the limits of the type that the model is written in, also where it is built in another one."""
    if "float" not in x.dtype:
        return x
    limits = torch.finfo(getattr(torch, x.dtype))
    return ops.nan_to_num(
        x,
        nan=nan or 0.0,
        posinf=limits.max if posinf is None else posinf,
        neginf=limits.min if neginf is None else neginf,
    )


def angle(x: Tensor) -> Tensor:
    """Pi where negative: the angle of a real number in the complex plane."""
    x = cast(x, None if "float" in x.dtype else float_dtype())
    turned = cast(ops.less(x, 0.0), x.dtype) * math.pi
    return ops.where(ops.isnan(x), x, turned)


def isfinite(x: Tensor) -> Tensor:
    """Neither NaN nor infinite."""
    return ops.isfinite(x) if "float" in x.dtype else ops.ones_like(x, dtype="bool")


def cast_afterwards(x: Any, dtype: torch.dtype | None = None) -> Any:
    """The operand itself: each result is cast to the dtype that PyTorch gives it.

    On the way to narrow integers floats become int32 first: they wrap round in PyTorch, and stop at the limits in some
    backends.
    """
    narrow = dtype in (torch.int8, torch.int16, torch.uint8) and "float" in x.dtype
    return cast(x, torch.int32 if narrow else None)


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
        aten.frac.default: lambda x: x - ops.trunc(x),
    }
)


pointwise(
    {
        aten.abs.default: lambda x: x if x.dtype in ("bool", "uint8") else ops.abs(x),
        aten.sign.default: lambda x: x if x.dtype == "bool" else ops.sign(x),
        aten.floor.default: of_floats(ops.floor),
        aten.ceil.default: of_floats(ops.ceil),
        aten.trunc.default: of_floats(ops.trunc),
        aten.round.default: round_decimals,
        aten.round.decimals: round_decimals,
        aten.nan_to_num.default: nan_to_num,
        aten.angle.default: angle,
        aten.isnan.default: never_of_integers(ops.isnan),
        aten.isinf.default: never_of_integers(ops.isinf),
        aten.isposinf.default: never_of_integers(ops.isposinf),
        aten.isneginf.default: never_of_integers(ops.isneginf),
        aten.isfinite.default: isfinite,
        aten.signbit.default: lambda x: ops.signbit(x) if "float" in x.dtype else ops.less(x, 0),
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
    """`keras.ops.full_like`."""
    return ops.full_like(x, value)
