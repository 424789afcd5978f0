"""The memory of one call on the example, counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from op_case import Function
from torch2keras.reporting.memory import Memory

FLOAT = 4


def predicted(module: nn.Module, *shape: int) -> Memory:
    return t2k.inspect(module.eval(), torch.randn(shape)).memory


def test_weights_are_those_of_the_model():
    module = nn.Sequential(nn.Conv1d(3, 5, 3, padding=1), nn.BatchNorm1d(5)).eval()
    converted = t2k.convert(module, torch.randn(2, 3, 11), verify=False)
    expected = FLOAT * sum(int(w.numpy().size) for w in converted.model.weights)
    assert predicted(module, 2, 3, 11).weights == expected


# function of x with 2 x 3 numbers, numbers that are alive at once
CASES = {
    "a chain: source and result": (lambda x: x.exp().sin().cos(), 12),
    "a value that is read again stays": (lambda x: x.exp().sin() + x, 18),
    "a view is its source": (lambda x: x.exp().flatten().sin(), 12),
    "an output stays": (lambda x: (x.exp(), x.sin(), x.cos()), 24),
    "a wider value counts as wide": (lambda x: torch.cat([x, x, x], 1).exp(), 36),
}


@pytest.mark.parametrize("name", CASES)
def test_the_values_that_are_alive_at_once(name):
    function, numbers = CASES[name]
    memory = predicted(Function(function), 2, 3)
    assert memory.values == FLOAT * numbers
    assert memory.peak == memory.weights + memory.values
