from __future__ import annotations

import pytest
import torch
from torch import nn

from stages import graph_of, node_of, ops_of
from torch2keras.graph.ir import Constant
from torch2keras.ir_passes.fold_constants import fold_constants


class Parameters(nn.Module):
    def __init__(self, forward) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(5, 3)), nn.Parameter(torch.randn(5))
        self.register_buffer("mask", torch.arange(3) % 2 == 0)
        self.function = forward

    def forward(self, x):
        return self.function(self, x)


linear = nn.functional.linear

# what forward computes, the ops that stay, names of the parameters that a weight was computed from
FOLDED = [
    (
        "views of a parameter are the parameter",
        lambda m, x: linear(x, m.weight.reshape(3, 5).t(), m.bias),
        ["linear"],
        (),
    ),
    (
        "a part of a parameter is the parameter",
        lambda m, x: linear(x, m.weight[1:4], m.bias.flip(0)[:3]),
        ["linear"],
        (),
    ),
    (
        "shifted elements of a parameter are the parameter",
        lambda m, x: linear(x, m.weight, m.weight.roll(2, 0).diagonal(1).roll(1)[:1]),
        ["linear"],
        (),
    ),
    (
        "elements that are repeated are computed from it",
        lambda m, x: x + m.bias.unfold(0, 3, 1).sum(0),
        ["unfold", "sum", "add"],
        None,
    ),
    (
        "the weight of a layer",
        lambda m, x: linear(x, m.weight / m.weight.norm(), m.bias),
        ["linear"],
        ("weight",),
    ),
    (
        "arithmetic outside of weights is trained",
        lambda m, x: x + m.bias[:3] * 2,
        ["mul", "add"],
        None,
    ),
    (
        "buffers are computed",
        lambda m, x: torch.where(~m.mask, x, torch.arange(3) * 0.5),
        ["where"],
        None,
    ),
    (
        "a weight that is also a result",
        lambda m, x: (linear(x, m.weight * 2), m.weight * 3),
        ["linear", "mul"],
        ("weight",),
    ),
    (
        "sizes are not constants",
        lambda m, x: x + torch.arange(x.shape[0]).unsqueeze(1),
        ["arange", "unsqueeze", "add"],
        None,
    ),
]


@pytest.mark.parametrize(
    ("forward", "ops", "source"), [row[1:] for row in FOLDED], ids=[row[0] for row in FOLDED]
)
def test_folded(forward, ops, source) -> None:
    module = Parameters(forward)
    graph = fold_constants(graph_of(module, (2, 3)))
    assert ops_of(graph) == ops
    if source is None:
        return
    weight = node_of(graph, "linear").args["weight"]
    assert isinstance(weight, Constant)
    assert (weight.trainable, weight.folded_from) == (True, source)
    assert weight.paths == (() if source else ("weight",))


def test_a_moved_parameter_has_the_moved_values() -> None:
    module = Parameters(FOLDED[1][1])
    node = node_of(fold_constants(graph_of(module, (2, 3))), "linear")
    assert torch.equal(node.args["weight"].data, module.weight[1:4])
    assert torch.equal(node.args["bias"].data, module.bias.flip(0)[:3])


def test_constants_are_rounded_once() -> None:
    third = torch.tensor([1.0]) / 3
    module = Parameters(lambda m, x: x + torch.full((3,), 1.0) / 3 * 3)
    graph = fold_constants(graph_of(module, (2, 3)))
    value = node_of(graph, "add").args["other"]
    assert value.data.dtype == torch.float64
    assert torch.equal(value.data, torch.ones(3, dtype=torch.float64))
    assert third.dtype == torch.float32


def test_random_numbers_are_not_frozen() -> None:
    graph = fold_constants(graph_of(lambda x: x + torch.rand(3), (2, 3)))
    assert "rand" in ops_of(graph)
