"""A split that undoes a join is left out, any other one stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from op_case import Function
from stages import graph_of
from torch2keras.ir_passes.undo_joins import SPLITS, undo_joins

X, Y = torch.randn(2, 3, 5), torch.randn(2, 7, 5)


def undone(x, y):
    return torch.cat([x, y], 1).split([3, 7], 1)


def from_behind(x, y):
    return torch.cat([x, y], -2).split([3, 7], 1)


def equal(x, y):
    return torch.cat([x, x * 2], 1).chunk(2, 1)


def elsewhere(x, y):
    return torch.cat([x, y], 1).split([5, 5], 1)


def along_another(x, y):
    return torch.cat([x, x], 1).split([2, 3], 2)


@pytest.mark.parametrize(
    ("function", "left"),
    [(undone, 0), (from_behind, 0), (equal, 0), (elsewhere, 1), (along_another, 1)],
)
def test_a_split_that_undoes_a_join_is_left_out(function, left):
    graph = undo_joins(graph_of(Function(function), X, Y))
    assert sum(node.op in SPLITS for node in graph.nodes) == left
    t2k.convert(Function(function), (X, Y))


class Pooled(nn.Module):
    """As CLIP pools: one bias of three layers, for PyTorch's function, and another size out."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.out = nn.Linear(6, 5)
        self.other = nn.MultiheadAttention(6, 3)

    def join_biases(self, x):
        return torch.cat([self.q.bias, self.k.bias, self.v.bias])

    def forward(self, x):
        x, _ = self.other(x.transpose(0, 1), x.transpose(0, 1), x.transpose(0, 1))
        y, _ = nn.functional.multi_head_attention_forward(
            x, x, x, 6, 2, None, self.join_biases(x),
            None, None, False, 0.0, self.out.weight, self.out.bias,
            use_separate_proj_weight=True, q_proj_weight=self.q.weight, training=False,
            k_proj_weight=self.k.weight, v_proj_weight=self.v.weight, need_weights=False,
        )  # fmt: skip
        return y[0]


class Computed(Pooled):
    """Its biases are computed of the input."""

    def join_biases(self, x):
        return x.mean((0, 1)).repeat(3)


def test_biases_that_are_joined_for_attention_are_the_layers_own():
    module = Pooled().eval()
    converted = t2k.convert(module, torch.randn(2, 7, 6))
    kinds = [layer.__class__.__name__ for layer in converted.model.layers]
    assert kinds.count("MultiHeadAttention") == 2
    state = converted.state_dict()
    for name, value in module.state_dict().items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0)


def test_biases_that_the_model_computes_are_added():
    t2k.convert(Computed().eval(), torch.randn(2, 7, 6))
