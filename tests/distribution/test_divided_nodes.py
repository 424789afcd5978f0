"""The ways of single ops: what is divided, what travels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.distribution.divided_constants import DividedConstants
from torch2keras.distribution.divided_nodes import DivisionKind, NodeDivision, NodeWays
from torch2keras.graph.ir import Node

PARTS = 4


def list_ways(
    module: nn.Module, *inputs: Any, op: str = "", parts: int = PARTS
) -> list[NodeDivision]:
    """Return the ways of the one op of a module, or of the first whose name has `op`."""
    conversion = t2k.convert(module.eval(), inputs, verify=False).conversion
    weights = [weight for _, _, weight in conversion.weight_map.weights]
    ways = NodeWays(conversion.graph, conversion.plan.space, DividedConstants(weights, parts))
    nodes: list[Node] = [node for node in conversion.graph.nodes if op in str(node.op)]
    return ways.list_ways(nodes[0])


def table(ways: list[NodeDivision]) -> dict[DivisionKind, tuple[tuple[int | None, ...], float]]:
    return {way.how: (way.states, way.traffic) for way in ways}


def test_a_linear_map_sums_its_results_or_the_gradient_of_its_input() -> None:
    ways = list_ways(nn.Linear(8, 12), torch.randn(3, 8))
    assert table(ways) == {
        DivisionKind.INPUTS: ((1, 1, None, None), 2.0 * 3 * 12),
        DivisionKind.OUTPUTS: ((None, 0, 0, 1), 2.0 * 3 * 8),
        DivisionKind.WHOLE: ((None,) * 4, 0.0),
    }
    assert ways[-1].how is DivisionKind.WHOLE


def test_a_size_that_the_devices_do_not_divide_is_no_way() -> None:
    assert set(table(list_ways(nn.Linear(6, 12), torch.randn(3, 6)))) == {
        DivisionKind.OUTPUTS,
        DivisionKind.WHOLE,
    }
    assert set(table(list_ways(nn.Linear(6, 5), torch.randn(3, 6)))) == {DivisionKind.WHOLE}


def test_a_convolution_pays_for_being_divided_by_its_inputs() -> None:
    ways = list_ways(nn.Conv1d(8, 12, 3), torch.randn(2, 8, 10))
    memory = {way.how: way.memory for way in ways}
    assert memory[DivisionKind.OUTPUTS] == 0
    assert memory[DivisionKind.INPUTS] == pytest.approx(0.1 * 8 * 12 * 3)


def test_a_window_is_never_divided() -> None:
    ways = list_ways(nn.Conv1d(3, 5, 4), torch.randn(2, 3, 10))
    assert set(table(ways)) == {DivisionKind.WHOLE}


def test_a_table_is_divided_by_rows_or_columns() -> None:
    ways = list_ways(nn.Embedding(16, 8), torch.randint(0, 16, (2, 5)))
    assert table(ways) == {
        DivisionKind.OUTPUTS: ((1, None, 2), 0.0),
        DivisionKind.ROWS: ((0, None, None), 2.0 * 2 * 5 * 8),
        DivisionKind.WHOLE: ((None,) * 3, 0.0),
    }


class Attention(nn.Module):
    def __init__(self, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, heads, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


def test_attention_in_one_layer_is_divided_by_heads() -> None:
    ways = table(list_ways(Attention(4), torch.randn(2, 5, 16), op="multi_head"))
    states, _ = ways[DivisionKind.HEADS]
    assert states == (None, None, None, 0, 0, 0, 1, 0, 0, 0, None, None, None)


def test_heads_that_the_devices_do_not_divide_are_no_way() -> None:
    assert DivisionKind.HEADS not in table(
        list_ways(Attention(2), torch.randn(2, 5, 16), op="multi_head")
    )


def test_a_recurrent_layer_is_divided_by_its_gates() -> None:
    states, _ = table(list_ways(nn.GRU(6, 8), torch.randn(5, 2, 6), op="recurrent"))[
        DivisionKind.UNITS
    ]
    assert 0 in states


class Product(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b


def test_a_product_of_activations_pays_for_being_computed_everywhere() -> None:
    whole = list_ways(Product(), torch.randn(3, 5, 7), torch.randn(3, 7, 9))[-1]
    assert whole.memory == pytest.approx(1e-3 * 3 * 5 * 9)
    assert list_ways(nn.Linear(8, 12), torch.randn(3, 8))[-1].memory == 0


class Fused(nn.Module):
    """Three parts of two heads each: no label divides the kernel by four."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x).reshape(*x.shape[:2], 3, 2, 4).sum(2)


def test_columns_of_several_parts_are_divided_and_gathered() -> None:
    ways = table(list_ways(Fused(), torch.randn(2, 5, 8), op="linear"))
    states, traffic = ways[DivisionKind.OUTPUTS_GATHERED]
    assert states == (None, 0, 0, None)
    assert traffic == 2 * 5 * (1 * 24 + 2 * 8)
    assert ways[DivisionKind.OUTPUTS][0] == (None, None, None, 4), "the kernel is whole"
