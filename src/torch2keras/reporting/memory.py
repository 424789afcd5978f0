"""How much memory a model needs at once: its weights, and the values that are alive together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch2keras.declarations.registry import registry
from torch2keras.graph.ir import Constant, Graph, Value
from torch2keras.keras_graph.graph import KerasGraph


@dataclass(frozen=True)
class Memory:
    """Bytes of the weights, and of the values that are alive at the worst moment of one call on the example."""

    weights: int
    values: int

    @property
    def peak(self) -> int:
        return self.weights + self.values


def predicted_memory(graph: Graph, keras_graph: KerasGraph) -> Memory:
    """The least that inference needs at the example's sizes: a value is freed behind its last reader.

    A framework's own buffers come on top.
    """
    held = sum(
        math.prod(w.shape) * w.constant.type.dtype.itemsize for _, _, w in keras_graph.weights()
    )
    return Memory(held, _most_alive(graph))


def _most_alive(graph: Graph) -> int:
    """Bytes of the values alive at the worst node; a view is its source."""
    source: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.op in registry and node.op not in registry.lowerings:
            source[node.outputs[0]] = source.get(node.operands[0], node.operands[0])
    last: dict[Value, int] = {}
    for step, node in enumerate(graph.nodes):
        last |= {source.get(v, v): step for v in (*node.operands, *node.outputs)}
    last |= {source.get(v, v): len(graph.nodes) for v in graph.output_values()}
    dying: dict[int, list[Value]] = {}
    for value, step in last.items():
        dying.setdefault(step, []).append(value)
    alive = most = sum(_bytes(graph, v) for v in graph.inputs)
    for step, node in enumerate(graph.nodes):
        alive += sum(_bytes(graph, v) for v in node.outputs if v not in source)
        most = max(most, alive)
        alive -= sum(_bytes(graph, v) for v in dying.get(step, ()))
    return most


def _bytes(graph: Graph, value: Value) -> int:
    if isinstance(value, Constant):
        return 0
    return math.prod(graph.hint(size) for size in value.type.shape) * value.type.dtype.itemsize
