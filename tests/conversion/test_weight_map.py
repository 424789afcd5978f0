"""The map of a conversion names each variable once, with what it is made of."""

from __future__ import annotations

import torch
from torch import nn

import torch2keras as t2k


def test_each_variable_is_named_once() -> None:
    net = nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5)).eval()
    converted = t2k.convert(net, (torch.randn(2, 3, 11),), verify=False)
    found = converted.conversion.weight_map
    assert found.own == set(net.state_dict())
    places = {(layer, name): weight for layer, name, weight in found.weights}
    assert len(places) == len(found.weights) == len(converted.model.weights)
    assert {path for weight in places.values() for path in weight.constant.paths} == {
        name for name in net.state_dict() if name != "1.num_batches_tracked"
    }
