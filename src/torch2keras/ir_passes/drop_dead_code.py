"""Drop nodes whose results nothing reads."""

from __future__ import annotations

from dataclasses import replace

from torch2keras.graph.ir import Graph, Value


def drop_dead_code(graph: Graph) -> Graph:
    """Return the graph with only those nodes that an output depends on."""
    alive: set[Value] = set(graph.output_values())
    kept = []
    for node in reversed(graph.nodes):
        if alive & set(node.outputs):
            kept.append(node)
            alive |= set(node.operands)
    return replace(graph, nodes=tuple(reversed(kept)))
