"""Bessel functions of the first and second kind: drawn numbers, and where their pieces meet."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import special

from op_case import check, function
from recorded import record
from torch2keras.ops.math.bessel import Quotient, compute_waves

FUNCTIONS = (special.bessel_j0, special.bessel_j1, special.bessel_y0, special.bessel_y1)

EDGES = (0.0, -0.0, 1e-30, 1e-3, 1.0, -1.0, 4.999, 5.0, -5.0, 5.001, 8.0, 50.0, -50.0, math.nan)


@pytest.mark.parametrize("call", FUNCTIONS)
def test_bessel(call) -> None:
    check(function(call, (5, 29)))


@pytest.mark.parametrize("call", FUNCTIONS)
def test_edges(call) -> None:
    check(function(lambda x: call(x * torch.tensor(EDGES)), lambda: torch.ones(2, 1)))


def test_a_quotient_has_the_highest_power_first() -> None:
    x = torch.tensor([2.0, 3.0])
    found = record(Quotient((1.0, 0.0, -1.0), (2.0, 5.0)), x)
    assert found.result.tolist() == pytest.approx([3 / 9, 8 / 11])


def test_waves_keep_their_wronskian() -> None:
    """J_0 Y_1 - J_1 Y_0 = -2 / (pi x): https://dlmf.nist.gov/10.5.E2."""
    x = torch.linspace(5, 60, 37)
    found = record(lambda x: (*compute_waves(0, x), *compute_waves(1, x)), x)
    j0, y0, j1, y1 = found.results
    assert np.allclose(j0 * y1 - j1 * y0, -2 / (math.pi * x), atol=2e-7)
