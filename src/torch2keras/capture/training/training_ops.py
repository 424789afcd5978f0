"""What acts in training alone, put into the graph of a module in eval mode."""

from __future__ import annotations

from itertools import count

from torch import fx

from torch2keras.capture.training.mode_alignment import (
    ATTENTION,
    Alignment,
    Drop,
    bind_arguments,
)
from torch2keras.custom_ops.training_noise import dropped_attention
from torch2keras.fx_passes.fake_values import copy_node, origin_meta


def insert_training_ops(graph_module: fx.GraphModule, found: Alignment) -> fx.GraphModule:
    """Return the graph with what was found; it computes the same in eval mode.

    A value that several ops take behind one dropout is dropped once for all of them.
    """
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    dropped: dict[tuple[fx.Node, tuple[fx.Node, ...]], fx.Node] = {}
    for node in graph_module.graph.nodes:
        places = count()

        def find_operand(operand: fx.Node) -> fx.Node:
            drops = found.uses.get((node, next(places)), ())  # noqa: B023 - called at once
            result = copies[operand]
            for number, drop in enumerate(drops, start=1):
                key = operand, tuple(drop.origin for drop in drops[:number])
                if key not in dropped:
                    dropped[key] = _add_drop(graph, result, drop)
                result = dropped[key]
            return result

        copies[node] = copy_node(graph, node, find_operand)
        if node in found.rates:
            _set_rate(copies[node], found.rates[node])
    graph.lint()
    return fx.GraphModule(graph_module, graph)


def _add_drop(graph: fx.Graph, value: fx.Node, drop: Drop) -> fx.Node:
    node = graph.call_function(drop.target, (value, *drop.args))
    node.meta = {**origin_meta(drop.origin), "val": value.meta["val"]}
    return node


def _set_rate(node: fx.Node, rate: float) -> None:
    """Let dropout or attention drop so much in training."""
    bound = bind_arguments(node)
    if node.target is not ATTENTION:
        node.args = (node.args[0], rate, False)
        node.kwargs = {}
        return
    names = ("query", "key", "value", "attn_mask")
    operands = tuple(bound[name] for name in names)
    node.target = dropped_attention
    node.args = (*operands, rate, bound["is_causal"], bound["scale"], bound["enable_gqa"])
    node.kwargs = {}
