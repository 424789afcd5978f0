"""Special functions that Keras lacks: of gamma's kin, modified Bessel, normal quantiles.

Each is a smooth series times what grows, has poles or oscillates; where there are two, they meet at
a limit to which the argument of each is held, so that neither gives NaN where the other counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from torch2keras.declarations.registry import lowering, pointwise
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks import series
from torch2keras.ops.blocks.operands import fill_float
from torch2keras.ops.blocks.piecewise import INF, NAN, extend_from_positive, join_at
from torch2keras.ops.blocks.series import Series, evaluate_polynomial

aten = torch.ops.aten


def lgamma(x: Tensor) -> Tensor:
    """The logarithm of |gamma(x)|: Stirling's formula, reflected for negative numbers.

    The formula is taken of the next number, z + 1 (https://dlmf.nist.gov/5.11, the reflection
    5.5.3).
    """
    is_negative = ops.less(x, 0)
    z = ops.where(is_negative, 1.0 - x, x)
    above = z + 1.0
    stirling = (above - 0.5) * (ops.log(above) - 1.0) + series.LGAMMA(1.0 / above) - ops.log(z)
    sine = ops.sin(math.pi * (x - ops.round(x)))
    reflection = math.log(math.pi) - ops.log(ops.abs(sine)) - stirling
    return ops.where(ops.isinf(x), INF, ops.where(is_negative, reflection, stirling))


def digamma(x: Tensor) -> Tensor:
    """The slope of lgamma: the asymptotic formula, reflected for negative numbers; NaN at poles.

    The formula is taken of the next number, z + 1 (https://dlmf.nist.gov/5.11, the reflection
    5.5.4).
    """
    is_negative = ops.less(x, 0)
    z = ops.where(is_negative, 1.0 - x, x)
    above = z + 1.0
    value = ops.log(above) - 0.5 / above + series.DIGAMMA(1.0 / above) - 1.0 / z
    fraction = x - ops.round(x)
    tangent = ops.tan(math.pi * ops.where(is_negative, fraction, 0.25))
    is_pole = ops.logical_and(is_negative, ops.equal(fraction, 0))
    reflection = value - math.pi / ops.where(is_pole, 1.0, tangent)
    return ops.where(is_pole, NAN, ops.where(is_negative, reflection, value))


def trigamma(x: Tensor) -> Tensor:
    """The slope of digamma, by PyTorch's own formula (ATen/native/Math.h).

    It takes six steps up and three terms, and so its error is larger than that of float64.
    """
    is_low = ops.less(x, 0.5)
    z = ops.where(is_low, 1.0 - x, x)
    total = ops.zeros_like(z)
    for _ in range(6):
        total = total + 1.0 / (z * z)
        z = z + 1.0
    square = 1.0 / (z * z)
    tail = square * (1 / 6 - square * (1 / 30 - square * (1 / 42)))
    total = total + (1.0 + 1.0 / (2.0 * z) + tail) / z
    sine = ops.sin(math.pi * x)
    return ops.where(is_low, math.pi**2 / (sine * sine) - total, total)


BERNOULLI = (
    12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10,
    -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15,
    1.8152105401943546773e17, -7.1661652561756670113e18,
)  # fmt: skip
"""The numbers (2 k)! / B(2 k) for k = 1, 2 and so on, with the Bernoulli numbers B."""

ZETA_TERMS = 9
"""Terms of the zeta function that are added up; the formula stands for the rest, as in PyTorch."""


def zeta(s: Any, q: Tensor) -> Tensor:
    """The sum of (q + k)^-s over k = 0, 1 and so on, for a positive q.

    Nine terms are added up. The formula of the rest, of Euler and Maclaurin, is
    https://dlmf.nist.gov/25.11.E5; its numbers are those of Cephes (zeta.c).
    """
    total = ops.power(q, -s)
    for k in range(1, ZETA_TERMS):
        total = total + ops.power(q + float(k), -s)
    last = q + float(ZETA_TERMS)
    term = ops.power(last, -s)
    total = total + term * (last / (s - 1.0) + 0.5)
    for k, number in enumerate(BERNOULLI):
        term = term * ((s + 2.0 * k) / last)
        total = total + term / number
        term = term * ((s + (2.0 * k + 1.0)) / last)
    return total


def hurwitz_zeta(x: Any, other: Any) -> Tensor:
    """The sum of (q + k)^-x over k = 0, 1 and so on, for q = `other`; infinite at poles."""
    q = fill_float(other, like=x)
    x = fill_float(x, like=q)
    s = ops.where(ops.less_equal(x, 1.0), 2.0, x)
    size, is_negative = ops.abs(q), ops.less_equal(q, 0.0)
    is_pole = ops.logical_and(is_negative, ops.equal(size, ops.floor(size)))
    value = sum_zeta(s, q, size, is_negative, is_pole)
    is_complex = ops.logical_and(is_negative, ops.not_equal(s, ops.floor(s)))
    value = ops.where(is_complex, NAN, value)
    value = ops.where(ops.less(x, 1.0), NAN, ops.where(is_pole, INF, value))
    return ops.where(ops.equal(x, 1.0), INF, value)


def sum_zeta(s: Any, q: Tensor, size: Tensor, is_negative: Tensor, is_pole: Tensor) -> Tensor:
    """Return the zeta function of s > 1 at q, whose size is |q|.

    The terms whose q + k is negative are a sum of finite length, the difference of two zeta
    functions.
    """
    is_fraction = ops.logical_and(is_negative, ops.logical_not(is_pole))
    fraction = ops.where(is_fraction, size - ops.floor(size), 0.5)
    above = zeta(s, ops.where(is_negative, 1.0 - fraction, q))
    sign = ops.where(ops.equal(ops.mod(s, 2.0), 0.0), 1.0, -1.0)
    below = (zeta(s, fraction) - zeta(s, size + 1.0)) * sign
    both = ops.where(ops.isinf(below), below, below + above)
    return ops.where(is_negative, both, above)


def differentiate_cotangent(n: int, x: Tensor) -> Tensor:
    """Return the derivative n of c = cot(pi x).

    It is a polynomial in c, since the derivative of c is -pi (1 + c^2).
    """
    powers = [0.0, 1.0]
    for _ in range(n):
        slopes = [k * c for k, c in enumerate(powers)][1:]
        pairs = zip([*slopes, 0.0, 0.0], [0.0, 0.0, *slopes], strict=True)
        powers = [-math.pi * (a + b) for a, b in pairs]
    angle = math.pi * (x - ops.round(x))
    return evaluate_polynomial(powers[::-1], ops.cos(angle) / ops.sin(angle))


@lowering(aten.polygamma.default, axes="...", promote=True)
def polygamma(n, self):
    """The derivatives of digamma, by the zeta function, reflected for negative numbers."""
    if n == 0:
        return digamma(self)
    if n == 1:
        return trigamma(self)
    odd = n % 2
    sign = math.factorial(n) * (1.0 if odd else -1.0)
    is_negative = ops.less_equal(self, 0)
    value = sign * zeta(n + 1, ops.where(is_negative, 1.0 - self, self))
    is_pole = ops.logical_and(is_negative, ops.equal(self, ops.round(self)))
    is_reflected = ops.logical_and(is_negative, ops.logical_not(is_pole))
    slope = differentiate_cotangent(n, ops.where(is_reflected, self, 0.5))
    reflection = (-value if odd else value) - math.pi * slope
    return ops.where(is_pole, sign * INF, ops.where(is_negative, reflection, value))


def compute_scaled_i(near: Callable[[Tensor], Any], far: Series, x: Tensor) -> Tensor:
    """Return exp(-x) I(x) for x from 0 on, by a series up to 8 and one in 1 / x beyond."""

    def compute_far(v: Tensor) -> Any:
        return far(1.0 / v) / ops.sqrt(v)

    return join_at(x, 8.0, near, compute_far)


def near_i1(x: Tensor) -> Any:
    """Return exp(-x) I1(x) up to 8."""
    return series.I1_NEAR(x) * x


def i0e(x: Tensor) -> Tensor:
    """The modified Bessel function I0, times exp(-|x|)."""
    return compute_scaled_i(series.I0_NEAR, series.I0_FAR, ops.abs(x))


def i1e(x: Tensor) -> Tensor:
    """The modified Bessel function I1, times exp(-|x|)."""
    return compute_scaled_i(near_i1, series.I1_FAR, ops.abs(x)) * ops.sign(x)


def i0(x: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of the order 0."""
    return i0e(x) * ops.exp(ops.abs(x))


def i1(x: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of the order 1."""
    return i1e(x) * ops.exp(ops.abs(x))


def near_k0(x: Tensor) -> Any:
    """Return K0(x) up to 2."""
    return series.K0_NEAR(x * x) - ops.log(0.5 * x) * i0(x)


def near_k1(x: Tensor) -> Any:
    """Return K1(x) up to 2."""
    return series.K1_NEAR(x * x) * x + ops.log(0.5 * x) * i1(x) + 1.0 / x


def compute_k(near: Callable[[Tensor], Any], far: Series, x: Tensor) -> Tensor:
    """Return K(x), by `near` up to 2 and by a series in 1 / x beyond; NaN below 0."""

    def compute_far(v: Tensor) -> Any:
        return far(1.0 / v) / ops.sqrt(v) * ops.exp(-v)

    join = partial(join_at, limit=2.0, near=near, far=compute_far)
    return extend_from_positive(x, INF, join)


def compute_scaled_k(near: Callable[[Tensor], Any], far: Series, x: Tensor) -> Tensor:
    """Return exp(x) K(x), as `compute_k`."""

    def compute_near(v: Tensor) -> Any:
        return near(v) * ops.exp(v)

    def compute_far(v: Tensor) -> Any:
        return far(1.0 / v) / ops.sqrt(v)

    join = partial(join_at, limit=2.0, near=compute_near, far=compute_far)
    return extend_from_positive(x, INF, join)


def k0(x: Tensor) -> Tensor:
    """The modified Bessel function of the second kind, of the order 0."""
    return compute_k(near_k0, series.K0_FAR, x)


def k1(x: Tensor) -> Tensor:
    """The modified Bessel function of the second kind, of the order 1."""
    return compute_k(near_k1, series.K1_FAR, x)


def k0e(x: Tensor) -> Tensor:
    """The modified Bessel function K0, times exp(x)."""
    return compute_scaled_k(near_k0, series.K0_FAR, x)


def k1e(x: Tensor) -> Tensor:
    """The modified Bessel function K1, times exp(x)."""
    return compute_scaled_k(near_k1, series.K1_FAR, x)


def spherical_j0(x: Tensor) -> Tensor:
    """The quotient sin(x) / x, one at zero and zero at infinity."""
    is_zero = ops.equal(x, 0)
    away = ops.where(is_zero, 1.0, x)
    value = ops.where(is_zero, 1.0, ops.sin(away) / away)
    return ops.where(ops.isinf(x), 0.0, value)


def erfcx(x: Tensor) -> Tensor:
    """The product exp(x^2) erfc(x), by a series in (|x| - 3.75) / (|x| + 3.75).

    The transformation is that of Shepherd and Laframboise, Chebyshev approximation of
    (1 + 2 x) exp(x^2) erfc x, Mathematics of Computation 36 (1981).
    """
    size = ops.abs(x)
    value = series.ERFCX(1.0 - 7.5 / (size + 3.75)) / (1.0 + 2.0 * size)
    reflection = 2.0 * ops.exp(ops.square(ops.minimum(x, 0.0))) - value
    return ops.where(ops.less(x, 0), reflection, value)


def ndtri(x: Tensor) -> Tensor:
    """The number below which a share x of the normal distribution lies, by two series.

    They meet at exp(-2), as in Cephes (ndtri.c).
    """
    limit = math.exp(-2.0)
    share = ops.minimum(x, 1.0 - x)
    middle = ops.clip(x - 0.5, limit - 0.5, 0.5 - limit)
    is_tail = ops.logical_and(ops.greater(share, 0), ops.less(share, limit))
    root = ops.sqrt(-2.0 * ops.log(ops.where(is_tail, share, limit)))
    tail = root - ops.log(root) / root + series.NDTRI_FAR(1.0 / root)
    tail_with_sign = ops.where(ops.less(x, 0.5), -tail, tail)
    value = ops.where(is_tail, tail_with_sign, series.NDTRI_NEAR(middle * middle) * middle)
    ends = ops.where(ops.equal(x, 0), -INF, ops.where(ops.equal(x, 1), INF, NAN))
    return ops.where(ops.greater(share, 0), value, ends)


pointwise(
    {
        aten.lgamma.default: lgamma,
        aten.digamma.default: digamma,
        aten.i0.default: i0,
        aten.special_i0e.default: i0e,
        aten.special_i1.default: i1,
        aten.special_i1e.default: i1e,
        aten.special_modified_bessel_i0.default: i0,
        aten.special_modified_bessel_i1.default: i1,
        aten.special_modified_bessel_k0.default: k0,
        aten.special_modified_bessel_k1.default: k1,
        aten.special_scaled_modified_bessel_k0.default: k0e,
        aten.special_scaled_modified_bessel_k1.default: k1e,
        aten.special_spherical_bessel_j0.default: spherical_j0,
        aten.special_erfcx.default: erfcx,
        aten.special_ndtri.default: ndtri,
        aten.special_zeta.default: hurwitz_zeta,
        aten.special_zeta.self_scalar: hurwitz_zeta,
        aten.special_zeta.other_scalar: hurwitz_zeta,
    }
)
