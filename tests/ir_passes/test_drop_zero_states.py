"""A recurrent layer loses its states where they are zero whatever the inputs and weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages import graph_of
from torch2keras.custom_ops.recurrent import recurrent
from torch2keras.ir_passes.drop_zero_states import drop_zero_states
from torch2keras.ir_passes.fold_constants import fold_constants


class Recurrence(nn.Module):
    def __init__(self, start) -> None:
        super().__init__()
        self.layer = nn.GRU(3, 5, batch_first=True)
        self.register_buffer("state", torch.zeros(1, 2, 5))
        self.start = start

    def forward(self, x):
        return self.layer(x, self.start(self, x))[0]


# how the states of (1, 2, 5) begin, and whether they are zero for sure
STARTS = {
    "none": (lambda m, x: None, True),
    "zeros": (lambda m, x: torch.zeros(1, 2, 5), True),
    "zeros of the input's dtype": (lambda m, x: x.new_zeros(1, 2, 5), True),
    "filled with zero": (lambda m, x: torch.full_like(x[:, :5, :1], 0.0).permute(2, 0, 1), True),
    "zeros, moved": (lambda m, x: torch.zeros(7, 2).t()[:, 1:6].unsqueeze(0).flip(0), True),
    "zeros, repeated": (lambda m, x: torch.zeros(5).expand(1, 2, 5).detach().clone(), True),
    "filled with a number": (lambda m, x: torch.full((1, 2, 5), 0.3), False),
    "a buffer of zeros, which a state_dict may set": (lambda m, x: m.state, False),
    "half of it ones": (
        lambda m, x: torch.cat([torch.zeros(1, 1, 5), x[:1, :1, :1] + torch.ones(5)], 1),
        False,
    ),
    "the input": (lambda m, x: x[:, :5, 0].unsqueeze(0), False),
}


@pytest.mark.parametrize("name", STARTS)
def test_zero_states_are_dropped(name) -> None:
    start, zero = STARTS[name]
    graph = drop_zero_states(fold_constants(graph_of(Recurrence(start), (2, 7, 3))))
    states = [node.args["states"] for node in graph.nodes if node.op is recurrent.default]
    assert [not values for values in states] == [zero]
