"""The transposes that are left."""

from __future__ import annotations

from collections.abc import Iterator

from torch2keras.graph.ir import Graph, Node, Value
from torch2keras.layout.assign import LayoutPlan, find_transposes
from torch2keras.layout.port_orders import dimension_letters, port_names
from torch2keras.layout.signatures import Order
from torch2keras.reporting.facts import Transpose


def transposes_of(graph: Graph, plan: LayoutPlan) -> Iterator[Transpose]:
    """The transposes that the plan leaves, and who needs them."""
    uses = graph.uses()
    _, names = port_names(graph)
    ports = dict(
        zip([i for i, v in enumerate(graph.outputs) if isinstance(v, Value)], names, strict=True)
    )
    for value, order in find_transposes(graph, plan):
        readers = [
            _reader(node) for node in uses.get(value, []) if _reads(plan, node, value, order)
        ]
        readers += [
            f"the output {ports[i]}"
            for i, out in enumerate(graph.outputs)
            if out is value and plan.outputs[i] == order
        ]
        yield Transpose(
            value.name, str(value.type), _spelled(plan, value, _written(graph, plan, value)),
            _spelled(plan, value, order), tuple(dict.fromkeys(readers)),
        )  # fmt: skip


def _written(graph: Graph, plan: LayoutPlan, value: Value) -> Order:
    for node in graph.nodes:
        if value in node.outputs:
            return plan.signatures[node].orders[len(node.operands) + node.outputs.index(value)]
    return plan.inputs[value]


def _reads(plan: LayoutPlan, node: Node, value: Value, order: Order) -> bool:
    orders = plan.signatures[node].orders
    return any(
        operand is value and orders[slot] == order for slot, operand in enumerate(node.operands)
    )


def _reader(node: Node) -> str:
    where = node.origin.path or node.origin.cls
    op = str(node.op).removeprefix("aten.").partition(".")[0]
    return f"{op} in {where}" if where else op


def _spelled(plan: LayoutPlan, value: Value, order: Order) -> str:
    """An order as letters; a dimension that is several axes has them numbered: "n c0 l c1"."""
    dims, names = plan.space.dim_of(value), dimension_letters(value.type.rank)
    solid = plan.space.solid(value)
    inside = {i: [j for j in solid if dims[j] == dims[i]] for i in order}
    return " ".join(
        names[dims[i]] + (str(inside[i].index(i)) if len(inside[i]) > 1 else "") for i in order
    )
