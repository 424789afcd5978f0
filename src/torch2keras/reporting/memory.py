"""How much memory a model needs at once: its weights, and the values that are alive together."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from torch2keras.declarations.registry import registry
from torch2keras.graph.ir import Constant, Graph, Value
from torch2keras.keras_graph.graph import KerasGraph


@dataclass(frozen=True)
class Memory:
    """Bytes that one call on the example needs."""

    weights: int
    values: int
    """The values that are alive at the worst moment."""

    @property
    def peak(self) -> int:
        """All of it."""
        return self.weights + self.values


def predict_memory(graph: Graph, keras_graph: KerasGraph) -> Memory:
    """Return the least that inference needs at the example's sizes.

    A value is freed behind its last reader. A framework's own buffers come on top.
    """
    weights = 0
    for _, _, weight in keras_graph.weights():
        weights += math.prod(weight.shape) * weight.constant.type.dtype.itemsize
    return Memory(weights, _largest_live_set(graph))


def _largest_live_set(graph: Graph) -> int:
    """Return the bytes of the values that are alive at the worst node."""
    sources = _view_sources(graph)
    freed = _count_freed_bytes(graph, sources)
    alive = largest = sum(_byte_count(graph, value) for value in graph.inputs)
    for step, node in enumerate(graph.nodes):
        for value in node.outputs:
            if value not in sources:
                alive += _byte_count(graph, value)
        largest = max(largest, alive)
        alive -= freed[step]
    return largest


def _view_sources(graph: Graph) -> dict[Value, Value]:
    """Return, for each view, the value whose memory it is: views need none of their own."""
    sources: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.op in registry and node.op not in registry.lowerings:
            source = node.operands[0]
            sources[node.outputs[0]] = sources.get(source, source)
    return sources


def _count_freed_bytes(graph: Graph, sources: dict[Value, Value]) -> Counter[int]:
    """Return, for each node by its place, the bytes of the values that it reads last.

    Outputs of the graph are never freed.
    """
    last_reads: dict[Value, int] = {}
    for step, node in enumerate(graph.nodes):
        for value in (*node.operands, *node.outputs):
            last_reads[sources.get(value, value)] = step
    for value in graph.output_values():
        last_reads.pop(sources.get(value, value), None)
    freed = Counter[int]()
    for value, step in last_reads.items():
        freed[step] += _byte_count(graph, value)
    return freed


def _byte_count(graph: Graph, value: Value) -> int:
    """Return the bytes of a value at the example's sizes; constants count as weights."""
    if isinstance(value, Constant):
        return 0
    elements = math.prod(graph.hint(size) for size in value.type.shape)
    return elements * value.type.dtype.itemsize
