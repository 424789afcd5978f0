from __future__ import annotations

import pytest
import sympy
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch._higher_order_ops import while_loop
from torch.export import Dim

from op_case import Function
from stages import graph_of, node_of, ops_of
from torch2keras.errors import UnsupportedOpError
from torch2keras.graph.ir import Constant, Value

A = Dim.AUTO


def test_every_argument_of_the_schema_is_bound_by_name() -> None:
    node = node_of(
        graph_of(lambda x, w: F.conv1d(x, w, padding=2), (2, 3, 11), (5, 3, 3)), "conv1d"
    )
    assert list(node.args) == ["input", "weight", "bias", "stride", "padding", "dilation", "groups"]
    assert node.args["bias"] is None
    assert [list(node.args[k]) for k in ("stride", "padding", "dilation")] == [[1], [2], [1]]
    assert all(isinstance(node.args[k], Value) for k in ("input", "weight"))
    keyword = node_of(graph_of(lambda x: torch.add(x, x, alpha=3), (2, 3)), "add")
    assert keyword.args["alpha"] == 3


def test_sizes_are_expressions_with_hints() -> None:
    graph = graph_of(lambda x: F.pad(x, (1, 2)).flatten(1), (2, 3, 11), dynamic=(({0: A, 2: A},),))
    batch, _, length = graph.inputs[0].type.shape
    out = next(iter(graph.output_values()))
    assert isinstance(batch, sympy.Symbol)
    assert out.type.shape[0] == batch
    assert sympy.expand(out.type.shape[1] - 3 * length) == 9
    assert graph.hint(out.type.shape[1]) == 42


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight
        self.a.bias.requires_grad_(False)
        self.register_buffer("shift", torch.ones(3))

    def forward(self, x):
        return self.b(self.a(x)) + self.shift + torch.tensor([1.0, 2.0, 3.0])


def test_constants_have_their_names_and_are_one_where_tied() -> None:
    graph = graph_of(Net(), (2, 3))
    first, second = (node for node in graph.nodes if "linear" in str(node.op))
    assert first.args["weight"] is second.args["weight"]
    assert first.args["weight"].paths == ("a.weight", "b.weight")
    constants = {
        v.name: (v.paths, v.trainable)
        for n in graph.nodes
        for v in n.operands
        if isinstance(v, Constant)
    }
    assert constants["a.weight"] == (("a.weight", "b.weight"), True)
    assert constants["a.bias"] == (("a.bias",), False)
    assert constants["b.bias"] == (("b.bias",), True)
    assert constants["shift"] == (("shift",), False)
    assert len(constants) == 5


def test_two_names_of_equal_tensors_are_two_constants() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].load_state_dict(module[0].state_dict())
    graph = graph_of(module, (2, 3))
    assert len({id(v) for n in graph.nodes for v in n.operands if isinstance(v, Constant)}) == 4


def test_each_node_knows_the_users_line() -> None:
    graph = graph_of(nn.Sequential(nn.Sequential(Net())), (2, 3))
    origin = graph.nodes[0].origin
    assert (origin.path, origin.cls, origin.text) == (
        "0.0.a",
        "Linear",
        "return self.b(self.a(x)) + self.shift + torch.tensor([1.0, 2.0, 3.0])",
    )
    assert origin.source.rpartition(":")[0].endswith("test_importer.py")


def test_several_results_and_structures() -> None:
    graph = graph_of(lambda x: {"parts": x.split([1, 2], 1), "n": 3}, (2, 3))
    assert ops_of(graph) == ["split_with_sizes"]
    assert [v.type.shape[1] for v in graph.nodes[0].outputs] == [1, 2]
    assert graph.outputs[-1] == 3 or graph.outputs[0] == 3


def test_control_flow_is_refused_with_its_place() -> None:
    def loop(x):
        return while_loop(lambda y: y.sum() < 9, lambda y: (y + 1,), (x,))

    with pytest.raises(UnsupportedOpError, match=r"(?s)while_loop.*Keras cannot save.*torch.where"):
        graph_of(Function(loop), (2, 3))
