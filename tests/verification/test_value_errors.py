"""Values within a model, compared one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.verification.value_errors import find_port, measure_values

CASES = {
    "convolutions": (lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU()), (2, 3, 11)),
    "folded bias": (lambda: nn.LSTM(3, 5, batch_first=True), (2, 7, 3)),
    "attention": (lambda: nn.TransformerEncoderLayer(6, 2, 11, batch_first=True), (2, 5, 6)),
}


@pytest.mark.parametrize("name", CASES)
def test_each_value_agrees(name: str) -> None:
    torch.manual_seed(0)
    make, shape = CASES[name]
    converted = t2k.convert(make().eval(), torch.randn(shape))
    found = measure_values(converted.conversion, lambda call: converted.layers[call.name])
    assert found
    assert all(errors.meaning.ok for errors in found)
    assert all(np.isfinite(errors.numerics.share_of_bound) for errors in found)


def test_a_wrong_weight_shows_where_it_acts() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(3, 5, 3), nn.Tanh(), nn.Conv1d(5, 2, 2)).eval()
    converted = t2k.convert(net, torch.randn(2, 3, 11))
    last = converted.layers["2"] if "2" in converted.layers else converted.model.layers[-1]
    last.bias.assign_add([0.5, 0.0])
    found = measure_values(converted.conversion, lambda call: converted.layers[call.name])
    off = {errors.node.origin.path for errors in found if not errors.numerics.ok}
    assert off == {"2"}
    assert all(errors.meaning.ok for errors in found)


def test_a_value_without_a_place_of_its_own_has_no_port() -> None:
    converted = t2k.convert(nn.Conv1d(3, 5, 3).eval(), torch.randn(2, 3, 11), verify=False)
    conversion = converted.conversion
    (node,) = conversion.graph.nodes
    assert find_port(conversion, node.outputs[0]) is not None
    assert find_port(conversion, conversion.graph.nodes[0].operands[1]) is None


def test_a_dimension_stored_as_two_next_to_one_stored_as_none_has_no_port() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv(x).sum(1)
            column = y.flatten(1).unsqueeze(-1) * 2
            return column.squeeze(-1).view(y.shape)

    torch.manual_seed(0)
    converted = t2k.convert(Net().eval(), torch.randn(2, 3, 7, 11))
    conversion = converted.conversion
    merged = [
        value
        for value, stored in conversion.lowered.values.items()
        if value.type.shape[1:] == (45, 1) and len(stored.storage) == 3
    ]
    assert len(merged) == 2
    assert all(find_port(conversion, value) is None for value in merged)
    found = measure_values(conversion, lambda call: converted.layers[call.name])
    assert found
    assert all(errors.meaning.ok for errors in found)
