"""The map and the record as data: narrow and complex tensors, views, extra state."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.conversion.weight_files.weight_data import read_weight_data, write_weight_data
from torch2keras.conversion.weights import load_state_dict, read_state


class Strange(nn.Module):
    """Complex numbers, bfloat16, a view outside of the state_dict, and a tensor of extra state."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = nn.Parameter(torch.randn(5, dtype=torch.complex64))
        self.unread = nn.Parameter(torch.randn(7, dtype=torch.complex64))
        self.narrow = nn.Parameter(torch.randn(3).bfloat16())
        self.scale = nn.Parameter(torch.randn(5))
        self.view = self.scale.detach()[1:4]

    def get_extra_state(self) -> Any:
        return torch.arange(3)

    def set_extra_state(self, state: Any) -> None:
        pass

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.view_as_real(torch.view_as_complex(x) * self.pairs)
        return y * self.scale[:, None] + self.view.sum() * self.narrow.float().sum()


def test_all_kinds_come_back_to_the_bit() -> None:
    torch.manual_seed(0)
    module = Strange().eval()
    converted = t2k.convert(module, (torch.randn(2, 5, 2),), verify=False)
    weight_map, record = converted.conversion.weight_map, converted.state_record
    state = read_state(weight_map, converted.layers, record)
    data, values = write_weight_data(weight_map, record, state)
    other_map, other = read_weight_data(json.loads(json.dumps(data)), values)
    again = other.names.to_entries(read_state(other_map, converted.layers, other))
    assert list(again) == list(module.state_dict())
    for name, value in module.state_dict().items():
        assert again[name].dtype == value.dtype
        assert torch.equal(again[name], value), name
    moved = dict(module.state_dict())
    moved["scale"] = moved["scale"] + 1
    with pytest.raises(t2k.InputError, match="lies in the memory of scale"):
        load_state_dict(other_map, converted.layers, other, moved)
