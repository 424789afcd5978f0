"""A module with other values in its tensors, which are its own again afterwards."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.runtime.held_values import hold_state

NETS = {
    "linear": (lambda: nn.Linear(3, 5), (2, 3)),
    "lstm, which lists its weights": (lambda: nn.LSTM(3, 5), (7, 3)),
    "weight_norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 5)), (2, 3)),
    "batch norm": (lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).eval(), (2, 3)),
}


def output(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        result = module(x)
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("name", NETS)
def test_the_values_count_within(name: str) -> None:
    build, shape = NETS[name]
    module, other, x = build(), build(), torch.randn(shape)
    before = copy.deepcopy(module.state_dict())
    first = output(module, x)
    with hold_state(module, other.state_dict(), other.state_dict()):
        assert torch.equal(output(module, x), output(other, x))
    assert torch.equal(output(module, x), first)
    for path, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[path])


def test_attributes_too_and_after_an_error() -> None:
    module = nn.Linear(3, 5)
    module.table = torch.zeros(4)
    with pytest.raises(KeyError), hold_state(module, {"table": torch.ones(4)}, ()):
        assert module.table.tolist() == [1] * 4
        raise KeyError
    assert module.table.tolist() == [0] * 4


def test_a_tensor_that_is_gone() -> None:
    module, state = nn.Linear(3, 5), {"weight": torch.ones(5, 3), "gone.bias": torch.zeros(5)}
    weight = module.weight.detach().clone()
    with (
        pytest.raises(t2k.InputError, match=r"no longer has gone\.bias"),
        hold_state(module, state, state),
    ):
        pass
    assert torch.equal(module.weight, weight)
    with hold_state(module, state, ()):
        assert module.weight.sum() == 15
