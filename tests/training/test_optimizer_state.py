"""What an optimizer has gathered; that it goes on from there, tests/fitting shows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.training.optimizer_state import count_steps


@pytest.fixture(scope="module")
def conversion():
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).eval()
    return t2k.convert(module, (torch.randn(2, 3),), verify=False).conversion


def step(optimizer, module, *parts):
    optimizer.zero_grad()
    for part in parts:
        part.weight.grad = torch.ones_like(part.weight)
    optimizer.step()


def test_steps_are_counted(conversion):
    module = conversion.module
    adam = torch.optim.Adam(module.parameters())
    assert count_steps(adam, conversion) == 0
    step(adam, module, *module)
    step(adam, module, *module)
    assert count_steps(adam, conversion) == 2
    assert count_steps(torch.optim.Adagrad(module.parameters()), conversion) == 0


def test_an_optimizer_without_a_count_has_made_one(conversion):
    sgd = torch.optim.SGD(conversion.module.parameters(), 0.1, momentum=0.9)
    assert count_steps(sgd, conversion) == 0
    step(sgd, conversion.module, *conversion.module)
    assert count_steps(sgd, conversion) == 1


def test_different_counts_are_refused(conversion):
    adam = torch.optim.Adam(conversion.module.parameters())
    step(adam, conversion.module, conversion.module[0])
    step(adam, conversion.module, *conversion.module)
    with pytest.raises(t2k.InputError, match=r"1 of 1.weight; 2 of 0.weight"):
        count_steps(adam, conversion)
