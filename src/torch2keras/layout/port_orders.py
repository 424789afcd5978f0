"""The orders of the public ports, and the letters that name their dimensions."""

from __future__ import annotations

from collections.abc import Mapping

from torch2keras.errors import InputError
from torch2keras.graph.ir import Graph, Value
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.signatures import Order

LETTERS = {0: "", 1: "n", 2: "n c", 3: "n c l", 4: "n c h w", 5: "n c d h w"}
"""How the dimensions of a port are called, in PyTorch's order."""


def dimension_letters(rank: int) -> list[str]:
    """Names of the dimensions of a tensor, in PyTorch's order."""
    return LETTERS[rank].split() if rank in LETTERS else [chr(ord("a") + i) for i in range(rank)]


def port_names(graph: Graph) -> tuple[list[str], list[str]]:
    """Names of inputs (the module's parameters) and outputs (output, or output_0, output_1 ...)."""
    outputs = [i for i, v in enumerate(graph.outputs) if isinstance(v, Value)]
    numbered = (
        [f"output_{k}" for k in range(len(outputs))]
        if len(outputs) > 1
        else ["output"] * len(outputs)
    )
    return [v.name for v in graph.inputs], numbered


def read_layout(
    graph: Graph, space: AxisSpace, layout: str | Mapping[str, str]
) -> dict[Value | int, Order | None]:
    """What `layout` fixes: "torch" all ports, "keras" none, a mapping those that it names.

    Raises InputError for an unknown layout, name or order.
    """
    inputs, outputs = port_names(graph)
    places = [i for i, v in enumerate(graph.outputs) if isinstance(v, Value)]
    ports: dict[str, tuple[Value | int, Value]] = {
        n: (v, v) for n, v in zip(inputs, graph.inputs, strict=True)
    } | {n: (i, graph.outputs[i]) for n, i in zip(outputs, places, strict=True)}
    if layout == "keras":
        return {}
    if layout == "torch":
        return {key: space.solid(value) for key, value in ports.values()}
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
    return {ports[n][0]: _order(space, n, ports[n][1], order) for n, order in layout.items()}


def _order(space: AxisSpace, name: str, value: Value, order: str) -> Order:
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
    solid = space.solid(value)
    return tuple(i for letter in wanted for i in solid if dims[i] == names.index(letter))
