"""The transposes that are left."""

from __future__ import annotations

from collections.abc import Iterator

from torch2keras.graph.ir import Graph, Node, Value
from torch2keras.layout.assign import LayoutPlan, find_transposes
from torch2keras.layout.port_orders import dimension_letters, port_names
from torch2keras.layout.signatures import Order
from torch2keras.reporting.facts import Transpose


def describe_transposes(graph: Graph, plan: LayoutPlan) -> Iterator[Transpose]:
    """Yield the transposes that the plan leaves, and who needs them."""
    readers_of = graph.uses()
    ports = _output_ports(graph)
    for value, order in find_transposes(graph, plan):
        users = readers_of.get(value, [])
        readers = [_reader_text(n) for n in users if _reads_in_order(plan, n, value, order)]
        for number, port in ports.items():
            if graph.outputs[number] is value and plan.outputs[number] == order:
                readers.append(f"the output {port}")
        yield Transpose(
            value.name,
            str(value.type),
            written=_order_text(plan, value, _order_of_writer(graph, plan, value)),
            read=_order_text(plan, value, order),
            readers=tuple(dict.fromkeys(readers)),
        )


def _output_ports(graph: Graph) -> dict[int, str]:
    """Return the names of the output ports, by their place in the graph's outputs."""
    _, names = port_names(graph)
    places = [i for i, output in enumerate(graph.outputs) if isinstance(output, Value)]
    return dict(zip(places, names, strict=True))


def _order_of_writer(graph: Graph, plan: LayoutPlan, value: Value) -> Order:
    """Return the order in which the value is made."""
    for node in graph.nodes:
        if value in node.outputs:
            slot = len(node.operands) + node.outputs.index(value)
            return plan.signatures[node].orders[slot]
    return plan.inputs[value]


def _reads_in_order(plan: LayoutPlan, node: Node, value: Value, order: Order) -> bool:
    orders = plan.signatures[node].orders
    for slot, operand in enumerate(node.operands):
        if operand is value and orders[slot] == order:
            return True
    return False


def _reader_text(node: Node) -> str:
    """Return the op and its module: "conv1d in blocks.0"."""
    module = node.origin.path or node.origin.cls
    op = str(node.op).removeprefix("aten.").partition(".")[0]
    if module:
        return f"{op} in {module}"
    return op


def _order_text(plan: LayoutPlan, value: Value, order: Order) -> str:
    """Return an order as letters; a dimension of several axes has them numbered: "n c0 l c1"."""
    dims, names = plan.space.dim_of(value), dimension_letters(value.type.rank)
    axes_in: dict[int, list[int]] = {}
    for axis in plan.space.solid(value):
        axes_in.setdefault(dims[axis], []).append(axis)
    spelled = []
    for axis in order:
        letter, axes = names[dims[axis]], axes_in.get(dims[axis], [])
        if len(axes) > 1:
            letter += str(axes.index(axis))
        spelled.append(letter)
    return " ".join(spelled)
