"""What a converter is called with."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages import graph_of, node_of, plan_of
from torch2keras.declarations.registry import Lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Graph, Node
from torch2keras.graph.symbolic import static_size
from torch2keras.keras_graph.graph import Input
from torch2keras.layout.node_storage import NodeStorage, choose_storage
from torch2keras.lower.converter_arguments import (
    ReadResults,
    collect_arguments,
    locate_axes,
    make_context,
)
from torch2keras.lower.recorder import Recorder, record_to
from torch2keras.lower.stored_values import StoredValues

aten = torch.ops.aten


def lowering(node: Node, declared: str, **more) -> Lowering:
    return Lowering(node.op, lambda: None, declared, **more)


def prepared(graph: Graph, node: Node) -> tuple[StoredValues, NodeStorage, Recorder]:
    """The inputs in their natural storages, and what is chosen for the node."""
    plan = plan_of(graph, "torch")
    shapes = [tuple(map(static_size, v.type.shape)) for v in graph.inputs]
    names = [str(v.type.dtype).removeprefix("torch.") for v in graph.inputs]
    inputs = zip(graph.inputs, shapes, names, strict=True)
    recorder = Recorder(tuple(Input(v.name, s, d) for v, s, d in inputs), "float32")
    values = StoredValues(plan.space)
    for value, tensor in zip(graph.inputs, recorder.tensors, strict=True):
        values.put(value, tensor, tuple((axis,) for axis in range(value.type.rank)))
    stored = list(map(values.storage_of, node.operands))
    return values, choose_storage(plan.space, node, plan.signatures[node], stored), recorder


def arguments(function, *inputs, op: str, declared: str, **more) -> list:
    """The arguments of a function's op, a tensor as its dtype and shape."""
    graph = graph_of(function, *inputs)
    node = node_of(graph, op)
    values, chosen, recorder = prepared(graph, node)
    with record_to(recorder):
        found = collect_arguments(node, lowering(node, declared, **more), chosen, values)
    return [described(argument) for argument in found]


def described(argument):
    if isinstance(argument, list):
        return [described(item) for item in argument]
    return (argument.dtype, argument.shape) if hasattr(argument, "shape") else argument


def test_a_dimension_is_its_stored_position_and_others_stay() -> None:
    found = arguments(
        lambda x: torch.softmax(x, -1), (2, 3, 5), op="softmax", declared="... [dim] -> ... [dim]"
    )
    assert found == [("float32", (None, 3, 5)), 2, None]


def test_several_dimensions_are_a_tuple() -> None:
    found = arguments(lambda x: x.sum((0, -1)), (2, 3, 5), op="sum", declared="... [dim] -> ...")
    assert found == [("float32", (None, 3, 5)), (0, 2), False, None]


def test_a_list_of_values_is_a_list_of_operands() -> None:
    found = arguments(
        lambda x, y: torch.cat([x, y], 1),
        (2, 3),
        (2, 5),
        op="cat",
        declared="... [dim] -> ... [dim']",
    )
    assert found == [[("float32", (None, 3)), ("float32", (None, 5))], 1]


@pytest.mark.parametrize(("promote", "dtype"), [(True, "float32"), (False, "int32")])
def test_operands_are_promoted_where_the_lowering_says_so(*, promote: bool, dtype: str) -> None:
    found = arguments(
        lambda x, y: x + y,
        torch.ones(2, 3, dtype=torch.int32),
        (2, 3),
        op="add",
        declared="...",
        promote=promote,
    )
    assert found == [(dtype, (None, 3)), ("float32", (None, 3)), 1]


def test_positions_are_those_of_the_names_that_are_asked_for() -> None:
    graph = graph_of(lambda x: torch.layer_norm(x, (3, 5)), (2, 3, 5))
    node = node_of(graph, "layer_norm")
    _, chosen, _ = prepared(graph, node)
    asked = lowering(node, "... *n, *n, *n -> ... *n", axis_names=("n",))
    assert locate_axes(asked, node, chosen) == {"n": (1, 2)}


def test_a_name_that_is_absent_needs_a_default() -> None:
    graph = graph_of(lambda x: torch.layer_norm(x, (3, 5)), (2, 3, 5))
    node = node_of(graph, "layer_norm")
    _, chosen, _ = prepared(graph, node)
    declared = "... *n, *n, *n -> ... *n"
    optional = lowering(node, declared, axis_names=("n", "k"), optional=frozenset({"k"}))
    assert locate_axes(optional, node, chosen) == {"n": (1, 2)}
    with pytest.raises(LoweringError, match="asks for axes that its declaration lacks here: k"):
        locate_axes(lowering(node, declared, axis_names=("k",)), node, chosen)


def test_the_context_has_shapes_and_what_is_read() -> None:
    graph = graph_of(lambda x: x.max(1), (2, 3, 5))
    node = node_of(graph, "max")
    values, chosen, _ = prepared(graph, node)
    context = make_context(node, chosen, values.space, ReadResults(graph))
    batch = graph.inputs[0].type.shape[0]
    assert context.shapes == ((batch, 5), (batch, 5))
    assert context.used == (True, True)


def test_a_result_that_nothing_reads_is_not_read() -> None:
    graph = graph_of(lambda x: x.max(1)[0] + 1, (2, 3, 5))
    assert ReadResults(graph).of(node_of(graph, "max")) == (True, False)


class Twice(nn.Module):
    """One normalization called twice, of which only the second call's mean is read."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = aten.native_layer_norm(x, [5], self.weight, None, 1e-5)[0]
        z, mean, _ = aten.native_layer_norm(y, [5], self.weight, None, 1e-5)
        return z, mean


def test_what_another_call_of_the_layer_reads_is_read() -> None:
    graph = graph_of(Twice(), (2, 3, 5))
    first = next(n for n in graph.nodes if n.op is aten.native_layer_norm.default)
    assert ReadResults(graph).of(first) == (True, True, False)
