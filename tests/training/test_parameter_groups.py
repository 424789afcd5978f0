"""PyTorch's groups as settings of Keras variables."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.training.optimizer_table import find_formula
from torch2keras.training.parameter_groups import map_groups


class Tied(nn.Module):
    """Logits by the table that was looked up, and a fused projection that attention divides."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 9, bias=False)
        self.head.weight = self.table.weight

    def forward(self, indices):
        x = self.table(indices)
        return self.head(self.attention(x, x, x, need_weights=False)[0])


@pytest.fixture(scope="module")
def converted():
    torch.manual_seed(0)
    return t2k.convert(Tied().eval(), (torch.randint(0, 9, (2, 5)),), verify=False)


def settings(converted, optimizer):
    conversion = converted.conversion
    mapped = map_groups(optimizer, find_formula(optimizer), conversion, converted.layers)
    return {path: item.setting for item in mapped for path in item.paths}


def test_each_variable_has_the_options_and_the_rate_of_its_group(converted):
    module = converted.conversion.module
    groups = [
        {"params": module.attention.parameters()},
        {"params": [module.head.weight], "lr": 0.5, "weight_decay": 0.1},
    ]
    found = settings(converted, torch.optim.SGD(groups, lr=0.25))
    assert found["attention.in_proj_weight"].rate == 1
    assert found["table.weight"].rate == 2
    assert found["table.weight"].options["weight_decay"] == 0.1
    assert found["attention.out_proj.bias"].options["weight_decay"] == 0


def test_what_the_optimizer_was_not_given_stays(converted):
    module = converted.conversion.module
    found = settings(converted, torch.optim.SGD([module.table.weight], lr=0.25))
    assert found["head.weight"].moves
    assert not found["attention.in_proj_bias"].moves


def test_a_rate_that_float32_does_not_have_is_exact(converted):
    found = settings(converted, torch.optim.SGD(converted.conversion.module.parameters(), lr=0.1))
    held = float(torch.tensor(0.1))
    assert {setting.rate * held for setting in found.values()} == {0.1}
