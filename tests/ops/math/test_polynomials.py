"""Orthogonal polynomials of degrees that are numbers, tensors, known and computed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, special

import torch2keras as t2k
from op_case import Case, check, function

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
def test_polynomials(name: str) -> None:
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
