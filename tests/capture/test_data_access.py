"""`tensor.data` is read and written in an export as it is in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from exported import Calls
from torch2keras.capture.data_access import DataAccess

X = torch.randn(3, 7)


def write(x):
    y = x * 2
    y.data = y.data + 1
    return y * x


def write_in_place(x):
    y = x * 2
    y.data[:, 0] = 5
    y.data.mul_(3)
    return y


def read_then_write(x):
    y = x * 2
    kept = y.data.clone()
    y.data = x.data
    return y - kept


@pytest.mark.parametrize(
    "function", [lambda x: (x * 2).data + x, write, write_in_place, read_then_write]
)
def test_it_converts(function):
    converted = t2k.convert(Calls(function), (X,))
    x = torch.randn(11, 7)
    np.testing.assert_allclose(np.asarray(converted(x)), function(x), rtol=1e-5, atol=1e-6)


def test_what_is_written_has_no_gradient():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(7, 5)

        def forward(self, x):
            return self.linear(x) + self.linear(x).data

    assert t2k.convert(Net(), (X,)).verify(level="gradients").ok


def test_another_shape_is_refused():
    def shrink(x):
        y = x * 2
        y.data = x[:, :3]
        return y

    with pytest.raises(t2k.Torch2KerasError):
        t2k.convert(Calls(shrink), (X,))


def test_real_tensors_are_left_to_pytorch():
    one, two = torch.ones(3), torch.zeros(5)
    with DataAccess():
        one.data = two
        data = one.data
    assert one.is_set_to(two)
    assert data.is_set_to(two)
