"""Special functions: gamma and its kin, Bessel functions, those of the normal distribution, polynomials."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, special

import torch2keras as t2k
from op_case import Case, check, function

FUNCTIONS = {
    "gamma": (
        torch.lgamma,
        torch.digamma,
        lambda x: torch.mvlgamma(x.abs() + 3, 3),
        lambda x: torch.polygamma(1, x),
        lambda x: torch.polygamma(2, x),
        lambda x: torch.polygamma(5, x),
    ),
    "modified Bessel": (
        *(
            torch.i0,
            special.i0e,
            special.i1,
            special.i1e,
            special.modified_bessel_i0,
            special.modified_bessel_i1,
        ),
        *(special.modified_bessel_k0, special.modified_bessel_k1),
        *(special.scaled_modified_bessel_k0, special.scaled_modified_bessel_k1),
    ),
    "Bessel": (
        *(
            special.bessel_j0,
            special.bessel_j1,
            special.bessel_y0,
            special.bessel_y1,
            special.spherical_bessel_j0,
        ),
    ),
    "normal distribution": (
        *(special.erfcx, special.ndtri, special.log_ndtr),
        lambda x: special.ndtri(torch.sigmoid(x / 9)),
    ),
}
EDGES = torch.tensor(
    [
        *(0.0, -0.0, 1.0, -1.0, 2.0, 5.0, 8.0, -3.0, 0.5, 1e-3, 1e-30, 50.0, math.nan),
        *(0.1353, 0.8647, 1 - 2**-20),
    ]
)
ZETA_EDGES = torch.tensor(
    [
        *(0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 0.5, -0.5, -7.5, 1.5, 1e-3, 40.0, 1e4, math.nan),
        *(1e30, math.inf, -math.inf),
    ]
)
POLYNOMIALS = (
    special.hermite_polynomial_h,
    special.hermite_polynomial_he,
    special.laguerre_polynomial_l,
    special.legendre_polynomial_p,
)
CHEBYSHEV = tuple(
    getattr(special, f"{before}chebyshev_polynomial_{kind}")
    for before in ("", "shifted_")
    for kind in "tuvw"
)


def degrees(x: Tensor) -> Tensor:
    """Whole and broken numbers from -2 to 12."""
    return torch.tanh(x) * 7 + 5


CASES: dict[str, Case] = {
    **{
        name: function(lambda x, calls=calls: [call(x) for call in calls], (5, 29))
        for name, calls in FUNCTIONS.items()
    },
    **{
        f"{name} at edges": function(
            lambda x, calls=calls: [call(x.sign().abs() * EDGES) for call in calls],
            lambda: torch.ones(2, 1),
        )
        for name, calls in FUNCTIONS.items()
    },
    "zeta": function(lambda x, q: special.zeta(1.0 + x.abs(), q.abs()), (5, 1), (1, 29)),
    "zeta of negative numbers": function(lambda x, q: special.zeta(x.round(), q), (13, 1), (1, 29)),
    "zeta by number": function(
        lambda x: (special.zeta(x, 0.75), special.zeta(3, x), special.zeta(2.5, x)), (5, 7)
    ),
    "zeta at edges": function(
        lambda x: special.zeta(x * ZETA_EDGES[:14, None], ZETA_EDGES), lambda: torch.ones(1)
    ),
    "gamma of whole numbers": function(
        lambda x: (torch.lgamma(x), torch.digamma(x), torch.polygamma(2, x)),
        lambda: torch.arange(-3, 8),
    ),
    **{
        f"polynomials of the degree {n}": function(
            lambda x, n=n: [call(x, n) for call in (*POLYNOMIALS, *CHEBYSHEV)], (3, 7)
        )
        for n in (-1, 0, 1, 2, 7)
    },
    "polynomials of a computed degree": function(
        lambda x, y: [call(torch.tanh(x) * 1.7, degrees(y)) for call in (*POLYNOMIALS, *CHEBYSHEV)],
        (3, 29),
        (3, 29),
    ),
    "polynomials of any degree": function(
        lambda x, y: [call(x, (y * 9).clamp(max=128)) for call in POLYNOMIALS], (11, 1), (1, 13)
    ),
    "polynomials of known degrees": function(
        lambda x: [call(x, torch.tensor([3, -1, 0, 7, 1])) for call in POLYNOMIALS], (3, 5)
    ),
    "polynomials of no degree above 0": function(
        lambda x: [
            call(x, torch.tensor([0.0, math.nan, math.inf, -math.inf, -0.5]))
            for call in POLYNOMIALS
        ],
        (3, 5),
    ),
    "polynomials at the edges": function(
        lambda y: (
            [call(torch.tensor([0.0, 1.0, -1.0, 0.5]), degrees(y)) for call in CHEBYSHEV[:4]],
            [call(torch.tensor([0.0, 1.0, 0.75, 0.5]), degrees(y)) for call in CHEBYSHEV[4:]],
        ),
        (29, 1),
    ),
    "polynomials of a number": function(
        lambda y: [call(0.3, degrees(y)) for call in (*POLYNOMIALS, *CHEBYSHEV)], (3, 5)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_special(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("call", POLYNOMIALS)
def test_degrees_up_to_the_largest(call) -> None:
    converted = check(function(lambda x, y: call(x, y), (3, 5), (5,)))
    x, degrees = (
        torch.linspace(-1, 1, 15).reshape(3, 5),
        torch.tensor([127.0, 128.9, 0.5, 129.0, 1e9]),
    )
    assert np.allclose(
        converted(x, degrees)[:, :3], call(x, degrees)[:, :3], rtol=1e-3, equal_nan=True
    )
    assert np.isnan(converted(x, degrees)[:, 3:]).all()


@pytest.mark.parametrize("degree", [65, torch.tensor([3.0, 2.0, 129.0])], ids=["number", "tensor"])
def test_other_degrees_are_refused(degree) -> None:
    with pytest.raises(t2k.LoweringError, match="degree"):
        check(function(lambda x: special.legendre_polynomial_p(x, degree), (5, 3)))
