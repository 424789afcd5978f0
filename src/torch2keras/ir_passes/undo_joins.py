"""Tensors that are joined and then split where they were joined are the tensors themselves.

CLIP joins the biases of three projections for PyTorch's attention, which takes them apart again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from torch2keras.graph.ir import Graph, Node, Value

aten = torch.ops.aten

SPLITS = (aten.split.Tensor, aten.split_with_sizes.default, aten.chunk.default)


def undo_joins(graph: Graph) -> Graph:
    """Return the graph in which parts of a join are read as what was joined."""
    made: dict[Value, Node] = {}
    parts: dict[Value, Value] = {}
    nodes = []
    for given in graph.nodes:
        node = given.replace_values(lambda value: parts.get(value, value))
        joined = _find_joined(node, made)
        if joined:
            parts.update(zip(node.outputs, joined, strict=True))
            continue
        made.update(dict.fromkeys(node.outputs, node))
        nodes.append(node)
    outputs = [parts.get(o, o) if isinstance(o, Value) else o for o in graph.outputs]
    return replace(graph, nodes=tuple(nodes), outputs=tuple(outputs))


def _find_joined(node: Node, made: Mapping[Value, Node]) -> list[Value]:
    """Return the tensors that a split gives back; none where it is no such split."""
    if node.op not in SPLITS:
        return []
    value = node.operands[0]
    join = made.get(value)
    if join is None or join.op is not aten.cat.default:
        return []
    rank = value.type.rank
    if node.args["dim"] % rank != join.args["dim"] % rank:
        return []
    joined = list(join.operands)
    if [part.type for part in node.outputs] != [part.type for part in joined]:
        return []
    return joined
