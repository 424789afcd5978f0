"""Orders grow from kernels and ports through all ops; each node has the signatures they give."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages import axes_of, graph_of, node_of
from torch2keras.graph.ir import Value
from torch2keras.layout.candidates import MOST_ORDERS, Candidates, find_weight_sharers


def grown(graph, **orders) -> Candidates:
    """The candidates of a graph, some values of which have another order to begin with."""
    candidates = Candidates(graph, axes_of(graph))
    values = {value.name: value for value in candidates.space.factors}
    for name, order in orders.items():
        candidates.add_order(values[name], order)
    candidates.grow()
    return candidates


def test_a_kernels_order_reaches_the_ports() -> None:
    graph = graph_of(nn.Sequential(nn.ReLU(), nn.Conv1d(3, 5, 7), nn.Tanh()), (2, 3, 11))
    candidates = grown(graph)
    (x,), (y,) = graph.inputs, graph.outputs
    assert list(candidates.orders[x]) == [(0, 1, 2), (0, 2, 1)]
    assert list(candidates.orders[y]) == [(0, 1, 2), (0, 2, 1)]
    assert len(candidates.signatures[node_of(graph, "relu")]) == 2
    assert len(candidates.signatures[node_of(graph, "conv1d")]) == 1


def test_an_order_that_is_added_spreads_through_views() -> None:
    graph = graph_of(lambda x: x.transpose(1, 2).relu().unflatten(2, (3, 5)), (2, 15, 7))
    candidates = grown(graph, args_0=(3, 1, 2, 0))
    (y,) = graph.outputs
    assert set(candidates.orders[y]) == {(0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0)}


def test_a_node_without_a_declaration_has_pytorchs_order_alone() -> None:
    graph = graph_of(lambda x: x.relu().roll(2), (2, 3, 5))
    candidates = grown(graph, args_0=(2, 0, 1))
    assert list(candidates.signatures[node_of(graph, "roll")]) == [((0, 1, 2), (0, 1, 2))]
    assert len(candidates.signatures[node_of(graph, "relu")]) == 2


def test_orders_are_few() -> None:
    graph = graph_of(lambda x, y: (x + y).relu(), (2, 3, 5, 7), (2, 3, 5, 7))
    candidates = Candidates(graph, axes_of(graph))
    for number in range(4):
        rest = [axis for axis in range(4) if axis != number]
        candidates.add_order(graph.inputs[0], (number, *rest))
        candidates.add_order(graph.inputs[1], (number, *reversed(rest)))
    candidates.grow()
    assert all(len(orders) <= MOST_ORDERS + 4 for orders in candidates.orders.values())
    assert len(candidates.orders[graph.outputs[0]]) == MOST_ORDERS


def test_the_operands_of_an_equation_are_each_in_an_order_of_their_own() -> None:
    graph = graph_of(lambda x, y: x.transpose(1, 2).relu() @ y, (2, 5, 3), (2, 5, 7))
    signatures = grown(graph, args_0=(0, 2, 1)).signatures[node_of(graph, "matmul")]
    firsts = {orders[0] for orders in signatures}
    assert len(firsts) > 1
    others = {orders[1:] for orders in signatures}
    assert {(first, *rest) for first in firsts for rest in others} == signatures.keys()


def test_a_kernel_with_a_cost_runs_in_other_orders_but_not_where_its_weight_is_shared() -> None:
    single = graph_of(nn.Linear(3, 5), (2, 7, 3))
    found = grown(single, input=(0, 2, 1)).signatures[node_of(single, "linear")]
    assert {signature.cost > 0 for signature in found.values()} == {False, True}

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x).relu())

    double = graph_of(Twice(), (2, 7, 3))
    for signatures in grown(double, x=(0, 2, 1)).signatures.values():
        assert {signature.cost for signature in signatures.values()} == {0.0}


def test_nodes_that_share_a_weight() -> None:
    weight = nn.Parameter(torch.randn(3, 3))

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = weight, nn.Parameter(torch.randn(3, 3))

        def forward(self, x):
            return (x @ self.first).relu() @ self.second, torch.exp(x * self.first)

    graph = graph_of(Shared(), (3, 3))
    sharers = {str(node.op) for node in find_weight_sharers(graph)}
    assert sharers == {"aten.matmul.default", "aten.mul.Tensor"}
    assert len(find_weight_sharers(graph)) == 2


@pytest.mark.parametrize("name", ["args_0", "nobody"])
def test_only_values_of_the_graph_get_an_order(name) -> None:
    graph = graph_of(torch.relu, (2, 3))
    candidates = Candidates(graph, axes_of(graph))
    value = graph.inputs[0] if name == "args_0" else Value(name, graph.inputs[0].type)
    candidates.add_order(value, (1, 0))
    assert ((1, 0) in candidates.orders.get(value, {})) is (name == "args_0")
