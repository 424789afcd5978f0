"""Recurrent layers that start at zero are given no states: Keras starts there too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch2keras.custom_ops.recurrent import recurrent
from torch2keras.graph.ir import Constant, Graph, Node, Value
from torch2keras.op_facts import MOVES_ELEMENTS, OpKind, kind_of


def drop_zero_states(graph: Graph) -> Graph:
    """Return the graph in which no recurrent layer reads states that are all zeros."""
    made: dict[Value, Node] = {}
    for node in graph.nodes:
        made.update(dict.fromkeys(node.outputs, node))
    return replace(graph, nodes=tuple(_drop_states(node, made) for node in graph.nodes))


def _drop_states(node: Node, made: Mapping[Value, Node]) -> Node:
    if node.op is not recurrent.default:
        return node
    if not all(is_zero(state, made) for state in node.args["states"]):
        return node
    return replace(node, args={**node.args, "states": ()})


def is_zero(value: Value, made: Mapping[Value, Node]) -> bool:
    """Whether a value is zero for all inputs and all weights."""
    if isinstance(value, Constant):
        return _is_anonymous(value) and not value.tensor.count_nonzero()
    node = made.get(value)
    if node is None:
        return False
    kind = kind_of(node.op)
    if kind is OpKind.FILLS:
        return bool(node.args["fill_value"] == 0)
    if kind in MOVES_ELEMENTS:
        return is_zero(node.operands[0], made)
    return kind is OpKind.ZEROS


def _is_anonymous(constant: Constant) -> bool:
    """Whether no state_dict can give the constant other values."""
    sources = constant.recipe[0].operands if constant.recipe else ()
    return not constant.paths and all(isinstance(s, Constant) and _is_anonymous(s) for s in sources)
