"""SGD by PyTorch's formula."""

from __future__ import annotations

import pytest
import torch

from optimizer_race import race

CASES = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "damped": {"momentum": 0.9, "dampening": 0.3},
    "nesterov": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "decay": {"momentum": 0.5, "weight_decay": 0.1},
    "uphill": {"momentum": 0.5, "weight_decay": 0.1, "maximize": True},
}


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_it_moves_as_pytorch_does(name, copies):
    assert race(torch.optim.SGD, lr=0.1, copies=copies, **CASES[name]) < 1e-13
