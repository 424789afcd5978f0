"""Power series: Horner's scheme, and each table against the function that it is fitted to."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import torch

from recorded import record
from series import FITS
from torch2keras.ops.blocks import series
from torch2keras.ops.blocks.series import Series, evaluate_polynomial


def test_the_highest_power_comes_first() -> None:
    x = torch.tensor([-1.0, 0.0, 2.0])
    found = record(lambda x: evaluate_polynomial((3.0, 0.0, -5.0), x), x)
    assert found.result.tolist() == [-2.0, -5.0, 7.0]


def test_the_argument_runs_from_minus_one_to_one() -> None:
    cubic = Series(2, 6, (1.0, 10.0, 100.0))
    found = record(cubic, torch.tensor([2.0, 4.0, 5.0, 6.0]))
    assert found.result.tolist() == pytest.approx([91.0, 1.0, 31.0, 111.0])


@pytest.mark.parametrize("name", FITS)
def test_each_table_is_its_function(name: str) -> None:
    """The functions are those that `tools/series.py` fits, in many digits."""
    table = getattr(series, name)
    function, low, high = FITS[name]
    assert (table.low, table.high) == (low, high)
    x = np.linspace(low, high, 13)[1:-1]
    found = record(table, torch.from_numpy(x)).result
    with mp.workdps(30):
        expected = [float(function(mp.mpf(float(v)))) for v in x]
    assert np.allclose(found.numpy(), expected, rtol=1e-12, atol=1e-13)
