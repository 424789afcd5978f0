"""Special functions that Keras lacks: gamma and its kin, Bessel functions, and those of the normal distribution.

Each is a smooth series times what grows, has poles or oscillates; where there are two, they meet at a limit to which
the argument of each is held, so that neither gives NaN where the other counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from torch2keras.declarations.registry import lowering, pointwise
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, as_tensor, ops
from torch2keras.ops.blocks import series
from torch2keras.ops.blocks.piecewise import INF, NAN, below, of_positive
from torch2keras.ops.blocks.series import Series

aten = torch.ops.aten


def lgamma(x: Tensor) -> Tensor:
    """Stirling's formula of the next number, by the reflection for negative ones."""
    z = ops.where(ops.less(x, 0), 1.0 - x, x)
    above = z + 1.0
    stirling = (above - 0.5) * (ops.log(above) - 1.0) + series.LGAMMA(1.0 / above) - ops.log(z)
    slope = ops.sin(math.pi * (x - ops.round(x)))
    reflected = math.log(math.pi) - ops.log(ops.abs(slope)) - stirling
    return ops.where(ops.isinf(x), INF, ops.where(ops.less(x, 0), reflected, stirling))


def digamma(x: Tensor) -> Tensor:
    """The asymptotic formula of the next number, by the reflection for negative ones."""
    negative = ops.less(x, 0)
    z = ops.where(negative, 1.0 - x, x)
    above = z + 1.0
    value = ops.log(above) - 0.5 / above + series.DIGAMMA(1.0 / above) - 1.0 / z
    fraction = x - ops.round(x)
    slope = ops.tan(math.pi * ops.where(negative, fraction, 0.25))
    pole = ops.logical_and(negative, ops.equal(fraction, 0))
    return ops.where(
        pole, NAN, ops.where(negative, value - math.pi / ops.where(pole, 1.0, slope), value)
    )


def trigamma(x: Tensor) -> Tensor:
    """PyTorch's own formula, six steps up and three terms, whose error is larger than that of float64."""
    low = ops.less(x, 0.5)
    z = ops.where(low, 1.0 - x, x)
    total = ops.zeros_like(z)
    for _ in range(6):
        total, z = total + 1.0 / (z * z), z + 1.0
    square = 1.0 / (z * z)
    total = (
        total
        + (1.0 + 1.0 / (2.0 * z) + square * (1 / 6 - square * (1 / 30 - square * (1 / 42)))) / z
    )
    slope = ops.sin(math.pi * x)
    return ops.where(low, math.pi**2 / (slope * slope) - total, total)


BERNOULLI = (
    12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10, -2.950130727918164224e12,
    1.1646782814350067249e14, -4.5979787224074726105e15, 1.8152105401943546773e17, -7.1661652561756670113e18,
)  # fmt: skip
"""(2 k)! / B(2 k), k = 1, 2, ..."""


def zeta(s: Any, q: Tensor) -> Tensor:
    """The sum of (q + k)^-s for a positive q: nine terms, and the rest by the formula of Euler and Maclaurin."""
    total = sum((ops.power(q + float(k), -s) for k in range(1, 9)), ops.power(q, -s))
    last = q + 9.0
    term = ops.power(last, -s)
    total = total + term * (last / (s - 1.0) + 0.5)
    for k, number in enumerate(BERNOULLI):
        term = term * ((s + 2.0 * k) / last)
        total = total + term / number
        term = term * ((s + (2.0 * k + 1.0)) / last)
    return total


def hurwitz(x: Any, other: Any) -> Tensor:
    """The sum of (q + k)^-x for q = `other`; of negative q + k the terms are such a sum, of finite length, too."""
    q = (
        as_tensor(other)
        if isinstance(other, Tensor | Weight)
        else float(other) * ops.ones_like(as_tensor(x))
    )
    x = as_tensor(x) if isinstance(x, Tensor | Weight) else float(x) * ops.ones_like(q)
    s, size, negative = (
        ops.where(ops.less_equal(x, 1.0), 2.0, x),
        ops.abs(q),
        ops.less_equal(q, 0.0),
    )
    pole = ops.logical_and(negative, ops.equal(size, ops.floor(size)))
    part = ops.where(ops.logical_and(negative, ops.logical_not(pole)), size - ops.floor(size), 0.5)
    above = zeta(s, ops.where(negative, 1.0 - part, q))
    below = (zeta(s, part) - zeta(s, size + 1.0)) * ops.where(
        ops.equal(ops.mod(s, 2.0), 0.0), 1.0, -1.0
    )
    value = ops.where(negative, ops.where(ops.isinf(below), below, below + above), above)
    value = ops.where(ops.logical_and(negative, ops.not_equal(s, ops.floor(s))), NAN, value)
    value = ops.where(ops.less(x, 1.0), NAN, ops.where(pole, INF, value))
    return ops.where(ops.equal(x, 1.0), INF, value)


def cotangent_slope(n: int, x: Tensor) -> Tensor:
    """The derivative n of cot(pi x), a polynomial in it: that of c is -pi (1 + c^2)."""
    coefficients = [0.0, 1.0]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(coefficients)][1:]
        coefficients = [
            -math.pi * (a + b) for a, b in zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)
        ]
    angle = math.pi * (x - ops.round(x))
    cotangent, value = ops.cos(angle) / ops.sin(angle), 0.0
    for c in coefficients[::-1]:
        value = value * cotangent + c
    return value  # type: ignore[return-value]


@lowering(aten.polygamma.default, axes="...", promote=True)
def polygamma(n, self):
    """The digamma function and its derivatives, by the zeta function and the reflection for negative numbers."""
    if n < 2:
        return trigamma(self) if n else digamma(self)
    sign = math.factorial(n) * (1.0 if n % 2 else -1.0)
    negative = ops.less_equal(self, 0)
    value = sign * zeta(n + 1, ops.where(negative, 1.0 - self, self))
    pole = ops.logical_and(negative, ops.equal(self, ops.round(self)))
    slope = cotangent_slope(
        n, ops.where(ops.logical_and(negative, ops.logical_not(pole)), self, 0.5)
    )
    reflected = (value if n % 2 == 0 else -value) - math.pi * slope
    return ops.where(pole, sign * INF, ops.where(negative, reflected, value))


def scaled_i(near: Callable[[Tensor], Any], far: Series, x: Tensor) -> Tensor:
    """exp(-x) I(x) for x from 0 on."""
    return below(x, 8.0, near, lambda v: far(1.0 / v) / ops.sqrt(v))


def i0e(x: Tensor) -> Tensor:
    """exp(-|x|) I0(x)."""
    return scaled_i(series.I0_NEAR, series.I0_FAR, ops.abs(x))


def i1e(x: Tensor) -> Tensor:
    """exp(-|x|) I1(x)."""
    return scaled_i(lambda v: series.I1_NEAR(v) * v, series.I1_FAR, ops.abs(x)) * ops.sign(x)


def i0(x: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of the order 0."""
    return i0e(x) * ops.exp(ops.abs(x))


def i1(x: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of the order 1."""
    return i1e(x) * ops.exp(ops.abs(x))


def near_k(order: int) -> Callable[[Tensor], Any]:
    """K(x) up to 2."""
    if order == 0:
        return lambda x: series.K0_NEAR(x * x) - ops.log(0.5 * x) * i0(x)
    return lambda x: series.K1_NEAR(x * x) * x + ops.log(0.5 * x) * i1(x) + 1.0 / x


def modified_k(order: int, *, scaled: bool) -> Callable[[Tensor], Tensor]:
    """The modified Bessel function of the second kind; `scaled` by exp(x)."""
    near, far = near_k(order), (series.K0_FAR, series.K1_FAR)[order]

    def of(x: Tensor) -> Tensor:
        """A series near zero and another one beyond 2."""

        def close(v: Tensor) -> Tensor:
            return near(v) * ops.exp(v) if scaled else near(v)

        def distant(v: Tensor) -> Tensor:
            value = far(1.0 / v) / ops.sqrt(v)
            return value if scaled else value * ops.exp(-v)

        return of_positive(x, INF, lambda v: below(v, 2.0, close, distant))

    return of


def spherical_j0(x: Tensor) -> Tensor:
    """sin(x) / x."""
    away = ops.where(ops.equal(x, 0), 1.0, x)
    return ops.where(ops.isinf(x), 0.0, ops.where(ops.equal(x, 0), 1.0, ops.sin(away) / away))


def erfcx(x: Tensor) -> Tensor:
    """exp(x^2) erfc(x)."""
    away = ops.abs(x)
    value = series.ERFCX(1.0 - 7.5 / (away + 3.75)) / (1.0 + 2.0 * away)
    return ops.where(ops.less(x, 0), 2.0 * ops.exp(ops.square(ops.minimum(x, 0.0))) - value, value)


def ndtri(x: Tensor) -> Tensor:
    """The number below which a share x of the normal distribution lies."""
    outer = math.exp(-2.0)
    least = ops.minimum(x, 1.0 - x)
    middle = ops.clip(x - 0.5, outer - 0.5, 0.5 - outer)
    inside = ops.logical_and(ops.greater(least, 0), ops.less(least, outer))
    root = ops.sqrt(-2.0 * ops.log(ops.where(inside, least, outer)))
    tail = root - ops.log(root) / root + series.NDTRI_FAR(1.0 / root)
    value = ops.where(
        inside,
        ops.where(ops.less(x, 0.5), -tail, tail),
        series.NDTRI_NEAR(middle * middle) * middle,
    )
    ends = ops.where(ops.equal(x, 0), -INF, ops.where(ops.equal(x, 1), INF, NAN))
    return ops.where(ops.greater(least, 0), value, ends)


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
        aten.special_modified_bessel_k0.default: modified_k(0, scaled=False),
        aten.special_modified_bessel_k1.default: modified_k(1, scaled=False),
        aten.special_scaled_modified_bessel_k0.default: modified_k(0, scaled=True),
        aten.special_scaled_modified_bessel_k1.default: modified_k(1, scaled=True),
        aten.special_spherical_bessel_j0.default: spherical_j0,
        aten.special_erfcx.default: erfcx,
        aten.special_ndtri.default: ndtri,
        aten.special_zeta.default: hurwitz,
        aten.special_zeta.self_scalar: hurwitz,
        aten.special_zeta.other_scalar: hurwitz,
    }
)
