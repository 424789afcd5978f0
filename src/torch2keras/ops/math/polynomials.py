"""Orthogonal polynomials by recurrences; those of Chebyshev also in sines and cosines."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from torch2keras.declarations.registry import pointwise
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.operands import fill_float

aten = torch.ops.aten


MOST = 64
"""The largest degree that is a number, whose recurrence is written out."""


MOST_OF_TENSOR = 128
"""The largest degree in a tensor. Beyond it is NaN, as PyTorch has for Hermite in float32
(ATen/native/Math.h)."""


Step = Callable[[int, Any, Any, Any], Any]


@dataclass(frozen=True)
class Recurrence:
    """Polynomials of which that of the degree 0 is one, and each follows from the two before it."""

    first: Callable[[Any], Any]
    """The polynomial of the degree 1, as a function of x."""
    step: Step
    """The polynomial of the degree k from k, x, and those of the degrees k - 1 and k - 2."""

    def expand(self, most: int, x: Any) -> list[Tensor]:
        """Return the polynomials of the degrees 0, 1 and so on up to `most`, at least 1."""
        values = [ops.ones_like(x), self.first(x)]
        for k in range(2, most + 1):
            values.append(self.step(k, x, values[-1], values[-2]))
        return values

    def evaluate(self, x: Any, n: float) -> Tensor:
        """Return the polynomial of a degree that is a number, zero below 0.

        Raises LoweringError beyond the degree `MOST`.
        """
        if n > MOST:
            raise LoweringError(
                f"a polynomial of the degree {n}", [("next", f"give a degree up to {MOST}")]
            )
        if n <= -1:
            return ops.zeros_like(x)
        if n < 1:
            return ops.ones_like(x)
        return self.expand(int(n), x)[-1]


def select_degree(family: Recurrence, x: Any, n: Any) -> Tensor:
    """Return the polynomial of a degree that may be a tensor, whose elements have each its own.

    Degrees are rounded towards zero; negative ones give 0, as do NaN and infinity, whose integer is
    negative in PyTorch. Raises LoweringError for degrees beyond `MOST_OF_TENSOR` that are known;
    computed ones give NaN.
    """
    if not isinstance(n, Operand):
        return family.evaluate(x, n)
    most = find_largest_degree(n)
    n = ops.trunc(as_tensor(n))
    x = fill_float(x, like=n) + ops.zeros_like(n)
    has_value = ops.logical_and(ops.greater_equal(n, 0.0), ops.less_equal(n, float(most)))
    degree = cast(ops.where(has_value, n, 0.0), "int32") + ops.zeros_like(x, dtype="int32")
    values = ops.stack(family.expand(most, x), axis=-1)
    value = ops.take_along_axis(values, ops.expand_dims(degree, -1), axis=-1)[..., 0]
    is_beyond = ops.logical_and(ops.greater(n, float(most)), ops.isfinite(n))
    return ops.where(has_value, value, ops.where(is_beyond, math.nan, 0.0))


def find_largest_degree(n: Operand) -> int:
    """Return the degree up to which to go, at least 1.

    Raises LoweringError where it is known and beyond `MOST_OF_TENSOR`.
    """
    known = n.values()
    if known is None:
        return MOST_OF_TENSOR
    degrees = known[known.isfinite()].tolist()
    largest = max(map(int, degrees), default=1)
    if largest > MOST_OF_TENSOR:
        most = f"give degrees up to {MOST_OF_TENSOR}"
        raise LoweringError(f"a polynomial of the degree {largest}", [("next", most)])
    return max(largest, 1)


HERMITE_H = Recurrence(lambda x: 2.0 * x, lambda k, x, q, p: 2.0 * x * q - 2.0 * (k - 1) * p)
HERMITE_HE = Recurrence(lambda x: x, lambda k, x, q, p: x * q - (k - 1.0) * p)
LAGUERRE_L = Recurrence(
    lambda x: 1.0 - x, lambda k, x, q, p: ((2.0 * k - 1.0 - x) * q - (k - 1.0) * p) / k
)
LEGENDRE_P = Recurrence(
    lambda x: x, lambda k, x, q, p: ((2.0 * k - 1.0) * x * q - (k - 1.0) * p) / k
)
# The recurrences stand in https://dlmf.nist.gov/18.9; He is Hermite's for the weight exp(-x^2 / 2).


def hermite_h(x: Any, n: Any) -> Tensor:
    """The polynomial H of Hermite, by its recurrence."""
    return select_degree(HERMITE_H, x, n)


def hermite_he(x: Any, n: Any) -> Tensor:
    """The polynomial He of Hermite, by its recurrence."""
    return select_degree(HERMITE_HE, x, n)


def laguerre_l(x: Any, n: Any) -> Tensor:
    """The polynomial of Laguerre, by its recurrence."""
    return select_degree(LAGUERRE_L, x, n)


def legendre_p(x: Any, n: Any) -> Tensor:
    """The polynomial of Legendre, by its recurrence."""
    return select_degree(LEGENDRE_P, x, n)


def step_chebyshev(_k: int, x: Any, q: Any, p: Any) -> Any:
    """Return the next polynomial of any of the four kinds of Chebyshev."""
    return 2.0 * x * q - p


CHEBYSHEV: Mapping[str, Recurrence] = {
    "t": Recurrence(lambda x: x, step_chebyshev),
    "u": Recurrence(lambda x: 2.0 * x, step_chebyshev),
    "v": Recurrence(lambda x: 2.0 * x - 1.0, step_chebyshev),
    "w": Recurrence(lambda x: 2.0 * x + 1.0, step_chebyshev),
}
"""The four kinds, which begin differently."""


MIRROR = {"t": "t", "u": "u", "v": "w", "w": "v"}
"""Kind -> the one that is its mirror image: P(-x) = (-1)^n M(x)."""


def evaluate_waves(kind: str, n: Tensor, angle: Tensor, sine: Any, cosine: Any) -> Tensor:
    """Return a polynomial at cos(angle), or with the hyperbolic functions at cosh(angle).

    The formulas are https://dlmf.nist.gov/18.5.i; the third and fourth kind are called V and W
    there.
    """
    if kind == "t":
        return cosine(n * angle)
    if kind == "u":
        return sine((n + 1.0) * angle) / sine(angle)
    if kind == "v":
        return cosine((n + 0.5) * angle) / cosine(0.5 * angle)
    return sine((n + 0.5) * angle) / sine(0.5 * angle)


def is_even(n: Tensor) -> Tensor:
    """Return whether a whole number is even."""
    return ops.equal(ops.mod(n, 2.0), 0.0)


def evaluate_outside(kind: str, n: Tensor, x: Tensor) -> Tensor:
    """Return a polynomial for |x| > 1.

    It is computed in float64, since an exponent of 80 takes two digits away.
    """
    degree = cast(n, "float64")
    position = cast(x, "float64")
    angle = ops.arccosh(ops.abs(position))
    right = evaluate_waves(kind, degree, angle, ops.sinh, ops.cosh)
    left = evaluate_waves(MIRROR[kind], degree, angle, ops.sinh, ops.cosh)
    left = ops.where(is_even(degree), left, -left)
    return cast(ops.where(ops.greater(position, 0), right, left), x.dtype)


def evaluate_at_one(kind: str, n: Tensor) -> Tensor:
    """Return a polynomial at 1."""
    if kind == "u":
        return n + 1.0
    if kind == "w":
        return 2.0 * n + 1.0
    return ops.ones_like(n)


def evaluate_at_edge(kind: str, n: Tensor, x: Tensor) -> Tensor:
    """Return a polynomial for |x| = 1."""
    left = evaluate_at_one(MIRROR[kind], n)
    left = ops.where(is_even(n), left, -left)
    return ops.where(ops.greater(x, 0), evaluate_at_one(kind, n), left)


def chebyshev(kind: str, x: Any, n: Any, *, shifted: bool = False) -> Tensor:
    """Return a polynomial of Chebyshev, of 2 x - 1 if `shifted`.

    Up to a degree that is a small number it is written out, else in sines and cosines. PyTorch has
    NaN from two degrees above the first that is infinite.
    """
    is_small = isinstance(n, int | float) and n <= MOST
    if not is_small:
        n = fill_float(n, like=x)
        x = fill_float(x, like=n)
    if shifted:
        x = 2.0 * x - 1.0
    if is_small:
        return CHEBYSHEV[kind].evaluate(x, n)
    return evaluate_any_degree(kind, x, ops.trunc(n))


def evaluate_any_degree(kind: str, x: Tensor, n: Tensor) -> Tensor:
    """Return a polynomial of Chebyshev of a whole degree, zero where that is negative."""
    is_inside, is_outside = ops.less(ops.abs(x), 1.0), ops.greater(ops.abs(x), 1.0)
    angle = ops.arccos(ops.where(is_inside, x, 0.5))
    inside = evaluate_waves(kind, n, angle, ops.sin, ops.cos)
    far = ops.where(is_outside, x, 2.0)
    two_below = evaluate_outside(kind, n - 2.0, far)
    outside = ops.where(ops.isinf(two_below), math.nan, evaluate_outside(kind, n, far))
    beyond = ops.where(is_outside, outside, evaluate_at_edge(kind, n, x))
    value = ops.where(is_inside, inside, beyond)
    value = ops.where(ops.equal(n, 0.0), 1.0, ops.where(ops.isnan(x), x, value))
    return ops.where(ops.less(n, 0.0), 0.0, value)


def chebyshev_t(x: Any, n: Any) -> Tensor:
    """The polynomial of Chebyshev of the first kind."""
    return chebyshev("t", x, n)


def chebyshev_u(x: Any, n: Any) -> Tensor:
    """The polynomial of Chebyshev of the second kind."""
    return chebyshev("u", x, n)


def chebyshev_v(x: Any, n: Any) -> Tensor:
    """The polynomial of Chebyshev of the third kind."""
    return chebyshev("v", x, n)


def chebyshev_w(x: Any, n: Any) -> Tensor:
    """The polynomial of Chebyshev of the fourth kind."""
    return chebyshev("w", x, n)


def chebyshev_shifted_t(x: Any, n: Any) -> Tensor:
    """The polynomial of Chebyshev of the first kind, of 2 x - 1."""
    return chebyshev("t", x, n, shifted=True)


def chebyshev_shifted_u(x: Any, n: Any) -> Tensor:
    """The polynomial of Chebyshev of the second kind, of 2 x - 1."""
    return chebyshev("u", x, n, shifted=True)


def chebyshev_shifted_v(x: Any, n: Any) -> Tensor:
    """The polynomial of Chebyshev of the third kind, of 2 x - 1."""
    return chebyshev("v", x, n, shifted=True)


def chebyshev_shifted_w(x: Any, n: Any) -> Tensor:
    """The polynomial of Chebyshev of the fourth kind, of 2 x - 1."""
    return chebyshev("w", x, n, shifted=True)


POLYNOMIALS = {
    aten.special_hermite_polynomial_h: hermite_h,
    aten.special_hermite_polynomial_he: hermite_he,
    aten.special_laguerre_polynomial_l: laguerre_l,
    aten.special_legendre_polynomial_p: legendre_p,
    aten.special_chebyshev_polynomial_t: chebyshev_t,
    aten.special_chebyshev_polynomial_u: chebyshev_u,
    aten.special_chebyshev_polynomial_v: chebyshev_v,
    aten.special_chebyshev_polynomial_w: chebyshev_w,
    aten.special_shifted_chebyshev_polynomial_t: chebyshev_shifted_t,
    aten.special_shifted_chebyshev_polynomial_u: chebyshev_shifted_u,
    aten.special_shifted_chebyshev_polynomial_v: chebyshev_shifted_v,
    aten.special_shifted_chebyshev_polynomial_w: chebyshev_shifted_w,
}


for op, polynomial in POLYNOMIALS.items():
    pointwise({op.default: polynomial, op.n_scalar: polynomial, op.x_scalar: polynomial})
