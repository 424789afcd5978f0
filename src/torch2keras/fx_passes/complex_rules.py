"""The rules of ATen ops on complex numbers: each computes with pairs, by real ATen ops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch._ops import OpOverload

from torch2keras.fx_passes.complex_fourier import FOURIER
from torch2keras.fx_passes.complex_pair import Pair, Rule, bilinear, pair, partwise, real_dtype
from torch2keras.op_facts import LINEAR, OpKind, count_tensors, ops_of

aten = torch.ops.aten


NORMS = (
    aten.linalg_vector_norm.default,
    aten.norm.Scalar,
    aten.norm.ScalarOpt_dim,
    aten.norm.ScalarOpt_dim_dtype,
)


MOST_FACTORS = 8
"""Whole powers up to this one are computed as products."""


times: Callable[[Any, Any], Pair] = bilinear(aten.mul.Tensor)


def modulus(z: Any) -> torch.Tensor:
    """The absolute value.

    At zero, where it has no derivative, its gradient is zero as in PyTorch.
    """
    re, im = pair(z)
    square = re * re + im * im
    zero = square == 0
    return torch.where(zero, 0.0, torch.sqrt(torch.where(zero, 1.0, square)))


def phase(z: Any) -> torch.Tensor:
    """The angle, from -pi to pi."""
    re, im = pair(z)
    return torch.atan2(im, re)


def polar(radius: Any, angle: Any) -> Pair:
    """The complex numbers of an absolute value (radius) and an angle."""
    return Pair(radius * torch.cos(angle), radius * torch.sin(angle))


def conjugate(z: Any) -> Pair:
    """The mirror image at the real axis."""
    re, im = pair(z)
    return Pair(re, -im)


def reciprocal(z: Any) -> Pair:
    """The reciprocal 1 / z = conj(z) / |z|^2."""
    re, im = pair(z)
    square = re * re + im * im
    return Pair(re / square, -im / square)


def divide(a: Any, b: Any) -> Pair:
    """The quotient a / b: a conj(b) / |b|^2 for a complex divisor."""
    if isinstance(b, complex):
        return times(a, 1 / b)
    if not isinstance(b, Pair):
        return Pair(pair(a).re / b, pair(a).im / b)
    square = b.re * b.re + b.im * b.im
    re, im = times(a, conjugate(b))
    return Pair(re / square, im / square)


def exp(z: Pair) -> Pair:
    """The exponential function: e^(a + bi) = e^a (cos b + i sin b)."""
    return polar(torch.exp(z.re), z.im)


def log(z: Pair) -> Pair:
    """The logarithm with an imaginary part from -pi to pi."""
    return Pair(torch.log(modulus(z)), phase(z))


def power(z: Any, exponent: Any) -> Pair:
    """The power z^exponent, for a real exponent.

    Small whole powers are products, others go by the polar form, as in PyTorch. Raises
    NotImplementedError for a complex exponent, and for a real base.
    """
    if isinstance(exponent, complex) or not isinstance(z, Pair):
        message = f"a power with the exponent {exponent}"
        raise NotImplementedError(message)
    if exponent == int(exponent) and 0 < exponent <= MOST_FACTORS:
        result = z
        for _ in range(int(exponent) - 1):
            result = times(result, z)
        return result
    return polar(modulus(z) ** exponent, phase(z) * exponent)


def sine(z: Pair) -> Pair:
    """The sine: sin(a + bi) = sin a cosh b + i cos a sinh b."""
    return Pair(torch.sin(z.re) * torch.cosh(z.im), torch.cos(z.re) * torch.sinh(z.im))


def cosine(z: Pair) -> Pair:
    """The cosine: cos(a + bi) = cos a cosh b - i sin a sinh b."""
    return Pair(torch.cos(z.re) * torch.cosh(z.im), -torch.sin(z.re) * torch.sinh(z.im))


def hyperbolic_sine(z: Pair) -> Pair:
    """The hyperbolic sine: sinh(a + bi) = sinh a cos b + i cosh a sin b."""
    return Pair(torch.sinh(z.re) * torch.cos(z.im), torch.cosh(z.re) * torch.sin(z.im))


def hyperbolic_cosine(z: Pair) -> Pair:
    """The hyperbolic cosine: cosh(a + bi) = cosh a cos b + i sinh a sin b."""
    return Pair(torch.cosh(z.re) * torch.cos(z.im), torch.sinh(z.re) * torch.sin(z.im))


def direction(z: Any) -> Pair:
    """The direction z / |z|, and zero for zero."""
    re, im = pair(z)
    size = modulus(z)
    size = torch.where(size == 0, 1.0, size)
    return Pair(re / size, im / size)


def apply_linear(x: Any, weight: Any, bias: Any = None) -> Pair:
    """A linear layer: x @ weight.T + bias, of which each may be complex."""
    if isinstance(weight, Pair):
        transposed: Any = Pair(weight.re.mT, weight.im.mT)
    else:
        transposed = weight.mT
    result: Pair = bilinear(aten.matmul.default)(x, transposed)
    if bias is None:
        return result
    return Pair(*partwise(aten.add.Tensor)(result, bias))


def rule_of_cast(op: OpOverload) -> Rule:
    """The rule of a cast: to both parts for a complex dtype, to the real part for a real one."""

    def rule(z: Any, *args: Any, **kwargs: Any) -> Any:
        kinds = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.dtype)]
        if kinds and not kinds[0].is_complex:
            return op(z.re, *args, **kwargs)
        return partwise(op)(z, *args, **kwargs)

    return rule


def on_modulus(op: OpOverload) -> Rule:
    """The rule of a norm, which is that of the absolute values."""

    def rule(z: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        if isinstance(kwargs.get("dtype"), torch.dtype):
            kwargs["dtype"] = real_dtype(kwargs["dtype"])
        result: torch.Tensor = op(modulus(z), *args, **kwargs)
        return result

    return rule


def make_ones_like(z: Any, **kwargs: Any) -> Pair:
    """Ones without an imaginary part, in the shape of `z`."""
    one = torch.ones_like(pair(z).re)
    return Pair(one, torch.zeros_like(one))


def make_complex_ones(size: Any, dtype: Any = None, **kwargs: Any) -> Pair:
    """Ones without an imaginary part, in the parts' dtype of a complex `dtype`."""
    one = torch.ones(size, dtype=real_dtype(dtype))
    return Pair(one, torch.zeros_like(one))


RULES: dict[OpOverload, Rule] = {
    **{op: partwise(op) for op in ops_of(*LINEAR)},
    **{op: bilinear(op) for op in ops_of(OpKind.MULTIPLIES)},
    **{op: rule_of_cast(op) for op in ops_of(OpKind.CASTS) if count_tensors(op) == 1},
    **{op: on_modulus(op) for op in NORMS},
    **FOURIER,
    aten.view_as_real.default: lambda z: torch.stack([z.re, z.im], -1),
    aten.view_as_complex.default: lambda x: Pair(x.select(-1, 0), x.select(-1, 1)),
    aten.complex.default: lambda re, im: Pair(*aten.broadcast_tensors([re, im])),
    aten.polar.default: polar,
    aten.real.default: lambda z: pair(z).re,
    aten.imag.default: lambda z: z.im,
    aten.conj.default: conjugate,
    aten._conj.default: conjugate,
    aten._conj_physical.default: conjugate,
    aten.conj_physical.default: conjugate,
    aten.resolve_conj.default: pair,
    aten.abs.default: modulus,
    aten.angle.default: phase,
    aten.sgn.default: direction,
    aten.div.Tensor: divide,
    aten.div.Scalar: divide,
    aten.reciprocal.default: reciprocal,
    aten.square.default: lambda z: times(z, z),
    aten.pow.Tensor_Scalar: power,
    aten.sqrt.default: lambda z: power(z, 0.5),
    aten.rsqrt.default: lambda z: power(z, -0.5),
    aten.exp.default: exp,
    aten.log.default: log,
    aten.log2.default: lambda z: divide(log(z), math.log(2)),
    aten.log10.default: lambda z: divide(log(z), math.log(10)),
    aten.sin.default: sine,
    aten.cos.default: cosine,
    aten.sinh.default: hyperbolic_sine,
    aten.cosh.default: hyperbolic_cosine,
    aten.linear.default: apply_linear,
    aten.ones.default: make_complex_ones,
    aten.ones_like.default: make_ones_like,
    aten.eq.Tensor: lambda a, b: (pair(a).re == pair(b).re) & (pair(a).im == pair(b).im),
    aten.ne.Tensor: lambda a, b: (pair(a).re != pair(b).re) | (pair(a).im != pair(b).im),
    aten.isnan.default: lambda z: torch.isnan(z.re) | torch.isnan(z.im),
    aten.isinf.default: lambda z: torch.isinf(z.re) | torch.isinf(z.im),
    aten.isfinite.default: lambda z: torch.isfinite(z.re) & torch.isfinite(z.im),
    aten.var.correction: lambda z, *args, **kwargs: (
        aten.var.correction(z.re, *args, **kwargs) + aten.var.correction(z.im, *args, **kwargs)
    ),
    aten.sym_size.int: lambda z, dim: z.re.shape[dim],
}
"""Keyed by op; a rule takes the op's arguments, with a Pair for each complex tensor."""
