from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from exported import assert_golden


class Inner(nn.Module):
    def forward(self, x):
        return torch.geqrf(x)[0] + torch.igamma(x, x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.inner = nn.Conv1d(3, 3, 3, padding=1), Inner()

    def forward(self, x):
        return torch.special.airy_ai(self.inner(self.conv(x)))


def test_all_ops_without_lowering_are_in_one_error() -> None:
    with pytest.raises(t2k.UnsupportedOpError) as raised:
        t2k.convert(Net(), (torch.randn(2, 3, 3),))
    assert_golden("unsupported_ops", str(raised.value))
