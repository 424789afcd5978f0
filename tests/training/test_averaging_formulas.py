"""RMSprop, Adagrad and Adadelta by PyTorch's formulas."""

from __future__ import annotations

import pytest
import torch

from optimizer_race import SCALES, race

CASES = {
    "RMSprop": (torch.optim.RMSprop, {"weight_decay": 0.1}),
    "RMSprop, centered": (torch.optim.RMSprop, {"centered": True, "momentum": 0.5}),
    "Adagrad": (torch.optim.Adagrad, {"weight_decay": 0.1}),
    "Adagrad, decay": (
        torch.optim.Adagrad,
        {"lr_decay": 0.1, "initial_accumulator_value": 0.1, "maximize": True},
    ),
    "Adadelta": (torch.optim.Adadelta, {"weight_decay": 0.1, "rho": 0.8}),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", CASES)
def test_it_moves_as_pytorch_does(name, scale):
    cls, options = CASES[name]
    assert race(cls, lr=1e-2, scale=scale, **options) < 1e-10


@pytest.mark.parametrize("cls", [torch.optim.RMSprop, torch.optim.Adagrad, torch.optim.Adadelta])
def test_the_sum_of_two_moves_twice_as_far(cls):
    assert race(cls, lr=1e-2, copies=2) < 1e-10
