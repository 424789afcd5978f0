"""Orthogonal polynomials: by recurrences, those of Chebyshev in a tensor of degrees by a closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from torch2keras.declarations.registry import pointwise
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops

aten = torch.ops.aten


MOST = 64
"""The largest degree that is a number, whose recurrence is written out."""


MOST_OF_TENSOR = 128
"""The largest degree in a tensor. Beyond it is NaN, as PyTorch has for Hermite in float32 (ATen/native/Math.h)."""


Step = Callable[[int, Tensor, Tensor, Any], Tensor]


def recurrence(
    first: Callable[[Tensor], Tensor], step: Step, *, shifted: bool = False
) -> Callable[[Any, Any], Tensor]:
    """The polynomial of a degree that is a number, from those of the degrees 0 and 1.

    `step(k, x, q, p)` is the one of degree k from those of the degrees k - 1 and k - 2. Raises LoweringError beyond
    `MOST`.
    """

    def of(x: Any, n: Any) -> Tensor:
        if n > MOST:
            raise LoweringError(
                f"a polynomial of the degree {n}", [("next", f"give a degree up to {MOST}")]
            )
        x = 2.0 * x - 1.0 if shifted else x
        if n < 1:
            return ops.ones_like(x) if n > -1 else ops.zeros_like(x)
        return up_to(int(n), x, first, step)[-1]

    return of


def up_to(most: int, x: Tensor, first: Callable[[Tensor], Tensor], step: Step) -> list[Tensor]:
    """The polynomials of the degrees 0, 1 and so on up to `most`, at least 1."""
    values = [ops.ones_like(x), first(x)]
    for k in range(2, most + 1):
        values.append(step(k, x, values[-1], values[-2]))
    return values


def chosen(first: Callable[[Tensor], Tensor], step: Step) -> Callable[[Any, Any], Tensor]:
    """A polynomial whose degree may be a tensor: those of all degrees, of which each element takes its own.

    Degrees are rounded towards zero; negative ones give 0, as do NaN and infinity, whose integer is negative in
    PyTorch. Raises LoweringError for degrees beyond `MOST_OF_TENSOR` that are known; computed ones give NaN.
    """

    def of(x: Any, n: Any) -> Tensor:
        """By the recurrence; of a tensor of degrees up to the largest, and each takes its own."""
        if not isinstance(n, Tensor | Weight):
            return recurrence(first, step)(x, n)
        most = largest(n)
        n = ops.trunc(as_tensor(n))
        x = (as_tensor(x) if isinstance(x, Tensor | Weight) else float(x)) + ops.zeros_like(n)
        there = ops.logical_and(ops.greater_equal(n, 0.0), ops.less_equal(n, float(most)))
        at = cast(ops.where(there, n, 0.0), "int32") + ops.zeros_like(x, dtype="int32")
        every = ops.stack(up_to(most, x, first, step), axis=-1)
        value = ops.take_along_axis(every, ops.expand_dims(at, -1), axis=-1)[..., 0]
        beyond = ops.logical_and(ops.greater(n, float(most)), ops.isfinite(n))
        return ops.where(there, value, ops.where(beyond, math.nan, 0.0))

    return of


def largest(n: Tensor | Weight) -> int:
    """The degree up to which to go, at least 1. Raises LoweringError where it is known and beyond `MOST_OF_TENSOR`."""
    if isinstance(n, Tensor):
        return MOST_OF_TENSOR
    known = max(
        (int(degree) for degree in n.values().flatten().tolist() if math.isfinite(degree)),
        default=1,
    )
    if known > MOST_OF_TENSOR:
        most = f"give degrees up to {MOST_OF_TENSOR}"
        raise LoweringError(f"a polynomial of the degree {known}", [("next", most)])
    return max(known, 1)


def twice(_k: int, x: Tensor, q: Tensor, p: Any) -> Tensor:
    """Of all four kinds of Chebyshev."""
    return 2.0 * x * q - p


FIRST: dict[str, Callable[[Tensor], Tensor]] = {
    "t": lambda x: x,
    "u": lambda x: 2.0 * x,
    "v": lambda x: 2.0 * x - 1.0,
    "w": lambda x: 2.0 * x + 1.0,
}


def ratio(kind: str, n: Tensor, angle: Tensor, sine: Any, cosine: Any) -> Tensor:
    """The four kinds by sine and cosine, or by the hyperbolic ones."""
    if kind == "t":
        return cosine(n * angle)
    if kind == "u":
        return sine((n + 1.0) * angle) / sine(angle)
    wave = cosine if kind == "v" else sine
    return wave((n + 0.5) * angle) / wave(0.5 * angle)


def beyond(kind: str, n: Tensor, x: Tensor) -> Tensor:
    """For |x| > 1; below -1 the third kind is the fourth. In float64, since an exponent of 80 takes two digits away."""
    dtype, n, x = x.dtype, cast(n, "float64"), cast(x, "float64")
    other = {"v": "w", "w": "v"}.get(kind, kind)
    angle = ops.arccosh(ops.abs(x))
    even = ops.equal(ops.mod(n, 2.0), 0.0)
    right, left = (ratio(k, n, angle, ops.sinh, ops.cosh) for k in (kind, other))
    return cast(ops.where(ops.greater(x, 0), right, ops.where(even, left, -left)), dtype)


def edge(kind: str, n: Tensor, x: Tensor) -> Tensor:
    """For |x| = 1."""
    one = {"u": n + 1.0, "w": 2.0 * n + 1.0}.get(kind, ops.ones_like(n))
    minus = {"u": n + 1.0, "v": 2.0 * n + 1.0}.get(kind, ops.ones_like(n))
    return ops.where(
        ops.greater(x, 0), one, ops.where(ops.equal(ops.mod(n, 2.0), 0.0), minus, -minus)
    )


def closed(kind: str, *, shifted: bool) -> Callable[[Any, Any], Tensor]:
    """A polynomial of Chebyshev whose degree is a tensor. Two degrees above infinity PyTorch has NaN."""

    def of(x: Any, n: Any) -> Tensor:
        """By the recurrence up to a degree that is a small number, else by sine and cosine or their hyperbolic kin."""
        if isinstance(n, int | float) and n <= MOST:
            return recurrence(FIRST[kind], twice, shifted=shifted)(x, n)
        n = as_tensor(n) if isinstance(n, Tensor | Weight) else float(n) * ops.ones_like(x)
        x = as_tensor(x) if isinstance(x, Tensor | Weight) else float(x) * ops.ones_like(n)
        x, n = (2.0 * x - 1.0 if shifted else x), ops.trunc(n)
        inner, outer = ops.less(ops.abs(x), 1.0), ops.greater(ops.abs(x), 1.0)
        near = ratio(kind, n, ops.arccos(ops.where(inner, x, 0.5)), ops.sin, ops.cos)
        away = ops.where(outer, x, 2.0)
        far = ops.where(ops.isinf(beyond(kind, n - 2.0, away)), math.nan, beyond(kind, n, away))
        value = ops.where(inner, near, ops.where(outer, far, edge(kind, n, x)))
        value = ops.where(ops.equal(n, 0.0), 1.0, ops.where(ops.isnan(x), x, value))
        return ops.where(ops.less(n, 0.0), 0.0, value)

    return of


POLYNOMIALS: dict[str, Callable[[Any, Any], Tensor]] = {
    "hermite_polynomial_h": chosen(
        lambda x: 2.0 * x, lambda k, x, q, p: 2.0 * x * q - 2.0 * (k - 1) * p
    ),
    "hermite_polynomial_he": chosen(lambda x: x, lambda k, x, q, p: x * q - (k - 1.0) * p),
    "laguerre_polynomial_l": chosen(
        lambda x: 1.0 - x, lambda k, x, q, p: ((2.0 * k - 1.0 - x) * q - (k - 1.0) * p) / k
    ),
    "legendre_polynomial_p": chosen(
        lambda x: x, lambda k, x, q, p: ((2.0 * k - 1.0) * x * q - (k - 1.0) * p) / k
    ),
    **{
        f"{before}chebyshev_polynomial_{kind}": closed(kind, shifted=bool(before))
        for before in ("", "shifted_")
        for kind in FIRST
    },
}


pointwise(
    {
        getattr(getattr(aten, f"special_{name}"), overload): convert
        for name, convert in POLYNOMIALS.items()
        for overload in ("default", "n_scalar", "x_scalar")
    }
)
