"""The orders of the public ports, and the letters that name their dimensions."""

from __future__ import annotations

import string
from collections.abc import Mapping

from torch2keras.errors import InputError
from torch2keras.graph.ir import Graph, Value
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.signatures import Order

LETTERS = {0: "", 1: "n", 2: "n c", 3: "n c l", 4: "n c h w", 5: "n c d h w"}
"""How the dimensions of a port are called, in PyTorch's order."""


def dimension_letters(rank: int) -> list[str]:
    """Return the names of the dimensions of a tensor, in PyTorch's order."""
    if rank in LETTERS:
        return LETTERS[rank].split()
    return list(string.ascii_lowercase[:rank])


def port_names(graph: Graph) -> tuple[list[str], list[str]]:
    """Return the names of the inputs and of the outputs.

    Inputs are called as forward's parameters, outputs `output`, or `output_0`, `output_1` ...
    Behind these come the next values of what forward keeps, by names of their own.
    """
    inputs = [value.name for value in graph.inputs]
    states = graph.state_outputs
    count = len(list(graph.output_values())) - len(states)
    if count == 1:
        return inputs, ["output", *states]
    return inputs, [*(f"output_{number}" for number in range(count)), *states]


def read_layout(
    graph: Graph, space: AxisSpace, layout: str | Mapping[str, str]
) -> dict[Value | int, Order | None]:
    """Return the orders that `layout` fixes, by input or by the place of the output.

    They have all axes, those of size one too. "torch" fixes all ports, "keras" none, a mapping
    those that it names.

    Raises InputError for an unknown layout, name or order.
    """
    if layout == "keras":
        return {}
    ports = _ports_by_name(graph)
    if layout == "torch":
        return {key: _number_axes(space, value) for key, value in ports.values()}
    if isinstance(layout, str):
        raise InputError(
            f"unknown layout {layout!r}",
            [("next", 'use "keras", "torch", or a mapping like {"x": "n l c"}')],
        )
    unknown = [name for name in layout if name not in ports]
    if unknown:
        raise InputError(
            f"layout names no port {unknown[0]!r}",
            [("ports", ", ".join(ports)), ("next", "name one of these")],
        )
    orders: dict[Value | int, Order | None] = {}
    for name, order in layout.items():
        key, value = ports[name]
        orders[key] = _read_order(space, name, value, order)
    return orders


def _ports_by_name(graph: Graph) -> dict[str, tuple[Value | int, Value]]:
    """Return name -> (the input, or the place of the output; its value)."""
    inputs, outputs = port_names(graph)
    ports: dict[str, tuple[Value | int, Value]] = {}
    for name, value in zip(inputs, graph.inputs, strict=True):
        ports[name] = value, value
    names = iter(outputs)
    for place, output in enumerate(graph.outputs):
        if isinstance(output, Value):
            ports[next(names)] = place, output
    return ports


def _read_order(space: AxisSpace, name: str, value: Value, order: str) -> Order:
    names = dimension_letters(value.type.rank)
    wanted = order.split()
    if sorted(wanted) != sorted(names):
        raise InputError(
            f"layout of {name!r} is {order!r}, which does not order its dimensions",
            [
                ("shape", str(value.type)),
                ("next", f"order the letters {' '.join(names)!r} (PyTorch's order)"),
            ],
        )
    dims = space.dim_of(value)
    axes = _number_axes(space, value)
    return tuple(sorted(axes, key=lambda axis: wanted.index(names[dims[axis]])))


def _number_axes(space: AxisSpace, value: Value) -> Order:
    """Return all axes of a value in PyTorch's order."""
    return tuple(range(len(space.sizes(value))))
