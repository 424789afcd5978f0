"""Adam and its family by PyTorch's formulas."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from optimizer_race import SCALES, race
from torch2keras.training.adaptive_formulas import measure_average

CASES = {
    "Adam": (torch.optim.Adam, {}),
    "Adam, decay": (torch.optim.Adam, {"weight_decay": 0.1, "amsgrad": True}),
    "Adam, betas": (torch.optim.Adam, {"betas": (0.0, 0.9), "eps": 1e-4}),
    "AdamW": (torch.optim.AdamW, {"weight_decay": 0.1, "maximize": True}),
    "Adamax": (torch.optim.Adamax, {"weight_decay": 0.1}),
    "NAdam": (torch.optim.NAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "NAdam, decay": (torch.optim.NAdam, {"weight_decay": 0.1, "momentum_decay": 0.5}),
    "RAdam": (torch.optim.RAdam, {"weight_decay": 0.1}),
    "RAdam, never long": (torch.optim.RAdam, {"betas": (0.9, 0.5)}),
}


@pytest.fixture(autouse=True)
def _wide():
    """Make PyTorch's NAdam keep its product in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", CASES)
def test_it_moves_as_pytorch_does(name, scale):
    cls, options = CASES[name]
    assert race(cls, lr=1e-3, scale=scale, **options) < 1e-10


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RAdam, never long"])
def test_the_sum_of_two_moves_twice_as_far(name):
    cls, options = CASES[name]
    assert race(cls, lr=1e-3, copies=2, **options) < 1e-10


def test_float32_keeps_its_places_in_the_first_steps():
    """1 - 0.999 is 1e-3: computed in float32 as PyTorch has it, it would lose four digits."""
    for steps in (1, 5, 12):
        assert race(torch.optim.Adam, lr=1.0, steps=steps, dtype="float32") < 1e-6
        assert race(torch.optim.RAdam, lr=1.0, steps=steps, dtype="float32") < 1e-5


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.999, 0.99999])
def test_the_length_of_an_average(beta):
    for step in (1, 2, 5, 6, 100, 10_000):
        exact = np.longdouble(beta) ** step
        expected = 2 / (1 - np.longdouble(beta)) - 1 - 2 * step * exact / (1 - exact)
        found = float(measure_average(keras.ops.convert_to_tensor(float(step), "float64"), beta))
        assert found == pytest.approx(float(expected), rel=1e-6)
