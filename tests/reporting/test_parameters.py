"""The parameters on both sides: counted, folded, tied, unused."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import torch2keras as t2k
from torch2keras.reporting.facts import Parameters
from torch2keras.reporting.parameters import count_scalars


class Tied(nn.Module):
    """One weight twice, one that nobody uses, one that is frozen."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.idle = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 2)
        self.second.weight = self.first.weight
        self.second.bias.requires_grad_(False)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def counted(module: nn.Module, *shape: int) -> Parameters:
    return t2k.convert(module.eval(), torch.randn(shape), verify=False).report.parameters


def test_scalars_are_counted_on_both_sides():
    counts = counted(nn.Sequential(nn.Conv1d(3, 5, 7), nn.BatchNorm1d(5)), 2, 3, 11)
    assert counts.torch_trainable == counts.keras_trainable == 3 * 5 * 7 + 5 + 2 * 5
    assert counts.torch_frozen == 0
    assert counts.torch_buffers == 2 * 5 + 1  # PyTorch counts its batches too
    assert counts.keras_frozen == 2 * 5
    assert (counts.unused, counts.tied, counts.folded) == ((), (), {})


def test_tied_frozen_and_unused_parameters():
    counts = counted(Tied(), 2, 5)
    assert counts.tied == (("first.weight", "second.weight"),)
    assert counts.unused == ("idle.weight", "idle.bias")
    assert counts.torch_frozen == 5
    assert counts.torch_trainable == 5 * 5 + 5 + 5 * 2 + 2  # the tied weight once


def test_folded_weights_name_what_they_are_computed_from():
    counts = counted(nn.Sequential(weight_norm(nn.Conv1d(3, 5, 3))), 2, 3, 11)
    (names,) = counts.folded.values()
    assert set(names) == {
        "0.parametrizations.weight.original0",
        "0.parametrizations.weight.original1",
    }
    assert counts.unused == ()


def test_a_frozen_parameter_that_is_written_into_the_graph_is_used():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.randn(3), requires_grad=False)

        def forward(self, x):
            return torch.tanh(x) + self.shift

    counts = counted(Shifted(), 2, 3)
    assert (counts.unused, counts.torch_frozen) == ((), 3)


def test_count_scalars():
    assert count_scalars([torch.zeros(3, 5), torch.zeros(())]) == 16
    assert count_scalars([]) == 0
