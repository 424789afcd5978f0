"""Special functions: gamma and its kin, modified Bessel, those of the normal distribution."""

from __future__ import annotations

import math

import pytest
import torch
from torch import special

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
    "spherical": (special.spherical_bessel_j0,),
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
}


@pytest.mark.parametrize("name", CASES)
def test_special(name: str) -> None:
    check(CASES[name])
