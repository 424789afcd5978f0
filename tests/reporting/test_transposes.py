"""The transposes that are left, with their orders and readers."""

from __future__ import annotations

import re

import torch
from torch import nn

import torch2keras as t2k


def left(module: nn.Module, *shape: int, layout: str = "keras"):
    converted = t2k.convert(module.eval(), torch.randn(shape), layout=layout, verify=False)
    return converted.report.transposes


def test_a_plain_net_has_none():
    net = nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.ReLU(), nn.Conv1d(5, 7, 3))
    assert left(net, 2, 3, 11) == ()


def test_a_transpose_is_named_with_its_orders_and_readers():
    transposes = left(nn.Conv1d(3, 5, 3), 2, 3, 11, layout="torch")
    assert {(t.written, t.read) for t in transposes} == {("n c l", "n l c"), ("n l c", "n c l")}
    assert [t.readers for t in transposes] == [("conv1d in Conv1d",), ("the output output",)]
    assert [re.sub(r"s\d+", "s", t.type) for t in transposes] == ["f32[s, 3, 11]", "f32[s, 5, 9]"]


def test_one_transpose_serves_all_who_read_the_value_so():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv1d(3, 5, 3), nn.Conv1d(3, 5, 3)

        def forward(self, x):
            return self.left(x) + self.right(x)

    first, _ = left(Twice(), 2, 3, 11, layout="torch")
    assert first.readers == ("conv1d in left", "conv1d in right")


def test_the_axes_of_a_split_dimension_are_numbered():
    class Shuffled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(6, 6, 3)

        def forward(self, x):
            y = self.conv(x).view(x.shape[0], 2, 3, 9).transpose(1, 2)
            return self.conv(y.reshape(x.shape[0], 6, 9))

    first, last = left(Shuffled(), 5, 6, 11, layout="torch")
    assert (first.written, first.read) == ("n c0 c1 l", "n l c0 c1")
    assert (last.written, last.read) == ("n l c0 c1", "n c0 c1 l")
