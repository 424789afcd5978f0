"""Places of extremes: the first of equal ones, as PyTorch tells them."""

from __future__ import annotations

import math

import pytest
import torch

from recorded import record
from torch2keras.lower.recorder import ops
from torch2keras.ops.blocks.extremes import find_extreme

NAN = math.nan
ROWS = {
    "floats": torch.tensor([[0.5, 2.0, -1.0], [3.0, -7.0, 3.0]]),
    "zeros with signs": torch.tensor([[-0.0, 0.0, -1.0], [0.0, -0.0, 1.0]]),
    "NaN": torch.tensor([[1.0, NAN, NAN], [NAN, 5.0, 2.0]]),
    "infinite": torch.tensor([[-math.inf, math.inf, 0.0], [math.inf, NAN, -math.inf]]),
    "integers": torch.tensor([[3, -5, 3], [-(2**31), 2**31 - 1, 0]], dtype=torch.int32),
    "bools": torch.tensor([[False, True, True], [True, False, True]]),
}


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("name", ROWS)
def test_the_first_place(name: str, dim: int, *, keepdim: bool) -> None:
    x = ROWS[name]
    numbers = x.int() if name == "bools" else x  # PyTorch has no argmax of bools
    largest = record(lambda x: find_extreme(ops.argmax, x, dim, keepdim), x)
    smallest = record(lambda x: find_extreme(ops.argmin, x, dim, keepdim), x)
    assert largest.result.tolist() == numbers.argmax(dim, keepdim).tolist()
    assert smallest.result.tolist() == numbers.argmin(dim, keepdim).tolist()


def test_without_a_dimension_the_place_is_flat() -> None:
    found = record(lambda x: find_extreme(ops.argmax, x, None, keepdim=False), ROWS["floats"])
    assert found.result.item() == 3


def test_a_scalar_is_its_own_extreme() -> None:
    def first(x):
        return find_extreme(ops.argmin, x[0, 0], 0, keepdim=False)

    found = record(first, ROWS["floats"])
    assert found.result.item() == 0
    assert found.result.dtype is torch.int64
