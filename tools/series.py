"""Fit the power series of `torch2keras.ops.blocks.series` anew: python tools/series.py.

Each is the Chebyshev interpolant of a smooth function on an interval, written as a polynomial in t,
which runs over [-1, 1] there; computed with 60 digits. Such functions are left of special functions
once their growth, their poles and their oscillation are divided out.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

DIGITS = 60
SMALLEST = 1e-17
"""Coefficients of Chebyshev polynomials below this share of the largest are left out."""

Function = Callable[[mp.mpf], mp.mpf]


def chebyshev(function: Function, low: float, high: float, points: int = 60) -> list[mp.mpf]:
    """Coefficients of the interpolant in the Chebyshev points, as many as count."""
    angles = [mp.pi * (k + mp.mpf(1) / 2) / points for k in range(points)]
    middle, half = (low + high) / mp.mpf(2), (high - low) / mp.mpf(2)
    values = [function(middle + half * mp.cos(angle)) for angle in angles]
    found = []
    for degree in range(points):
        cosines = [mp.cos(degree * angle) for angle in angles]
        weight = 2 if degree else 1
        found.append(weight * mp.fdot(values, cosines) / points)
    limit = SMALLEST * max(map(abs, found))
    while abs(found[-1]) <= limit:
        found.pop()
    return found


def powers(coefficients: list[mp.mpf]) -> list[mp.mpf]:
    """A sum of Chebyshev polynomials by powers of t, the constant first."""
    before, now = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
    total = [mp.mpf(0)] * len(coefficients)
    for coefficient in coefficients:
        for power, value in enumerate(before):
            total[power] += coefficient * value
        after = [mp.mpf(0), *(2 * v for v in now)]
        for power, value in enumerate(before):
            after[power] -= value
        before, now = now, after
    return total


def at_infinity(function: Function, limit: float) -> Function:
    """A function of 1 / x, with its limit."""
    return lambda u: function(1 / u) if u > mp.mpf(10) ** -8 else mp.mpf(limit)


def subtract_log(order: int, x: mp.mpf) -> mp.mpf:
    """Return K_order(x) less its logarithm and pole, over x^order."""
    x = max(x, mp.mpf(10) ** -12)
    if order == 0:
        return mp.besselk(0, x) + mp.log(x / 2) * mp.besseli(0, x)
    return (mp.besselk(1, x) - mp.log(x / 2) * mp.besseli(1, x) - 1 / x) / x


def root(u: mp.mpf) -> mp.mpf:
    """The square root."""
    return mp.sqrt(u)


FITS: dict[str, tuple[Function, float, float]] = {
    "I0_NEAR": (lambda x: mp.besseli(0, x) * mp.exp(-x), 0, 8),
    "I0_FAR": (
        at_infinity(lambda x: mp.besseli(0, x) * mp.exp(-x) * mp.sqrt(x), 1 / (2 * mp.pi) ** 0.5),
        0,
        0.125,
    ),
    "I1_NEAR": (lambda x: mp.besseli(1, x) * mp.exp(-x) / x if x else mp.mpf(0.5), 0, 8),
    "I1_FAR": (
        at_infinity(lambda x: mp.besseli(1, x) * mp.exp(-x) * mp.sqrt(x), 1 / (2 * mp.pi) ** 0.5),
        0,
        0.125,
    ),
    "K0_NEAR": (lambda u: subtract_log(0, root(u)), 0, 4),
    "K0_FAR": (
        at_infinity(lambda x: mp.besselk(0, x) * mp.exp(x) * mp.sqrt(x), (mp.pi / 2) ** 0.5),
        0,
        0.5,
    ),
    "K1_NEAR": (lambda u: subtract_log(1, root(u)), 0, 4),
    "K1_FAR": (
        at_infinity(lambda x: mp.besselk(1, x) * mp.exp(x) * mp.sqrt(x), (mp.pi / 2) ** 0.5),
        0,
        0.5,
    ),
    "ERFCX": (
        lambda t: mp.erfc(_shepherd(t)) * mp.exp(_shepherd(t) ** 2) * (1 + 2 * _shepherd(t)),
        -1,
        1,
    ),
    "LGAMMA": (
        at_infinity(
            lambda z: mp.loggamma(z) - (z - 0.5) * (mp.log(z) - 1), mp.log(2 * mp.pi) / 2 - 0.5
        ),
        0,
        1,
    ),
    "DIGAMMA": (at_infinity(lambda z: mp.psi(0, z) - mp.log(z) + 1 / (2 * z), 0), 0, 1),
    "NDTRI_NEAR": (lambda u: mp.sqrt(2) * mp.erfinv(2 * root(u)) / root(u), 0, 0.141),
    "NDTRI_FAR": (lambda v: _quantile(1 / v) - 1 / v + mp.log(1 / v) * v, 0.025, 0.5),
}


def _shepherd(t: mp.mpf) -> mp.mpf:
    """The x of (x - 3.75) / (x + 3.75) = t."""
    return 3.75 * (1 + t) / (1 - t)


def _quantile(x: mp.mpf) -> mp.mpf:
    """The y above which a share exp(-x^2 / 2) of the normal distribution lies."""
    return mp.findroot(lambda y: mp.log(mp.erfc(y / mp.sqrt(2)) / 2) + x * x / 2, x - mp.log(x) / x)


def main() -> None:
    """Print all of them as Python."""
    mp.mp.dps = DIGITS
    for name, (function, low, high) in FITS.items():
        numbers = ", ".join(mp.nstr(c, 17) for c in powers(chebyshev(function, low, high)))
        print(f"{name} = Series({low}, {high}, ({numbers}))")


if __name__ == "__main__":
    main()
