"""Refuse a graph with ops that have no lowering: all of them in one error."""

from __future__ import annotations

import difflib

from torch2keras.errors import UnsupportedOpError
from torch2keras.ir import Graph, Node
from torch2keras.registry import registry


def require_lowerings(graph: Graph) -> None:
    """Raises UnsupportedOpError, which names each op without a lowering, where it stands and with which shapes."""
    missing = [node for node in graph.nodes if node.op not in registry]
    if not missing:
        return
    first, *rest = {node.op: node for node in reversed(missing)}.values()
    others = [(str(node.op), node) for node in rest]
    also = "\n".join(f"{op}  {node.origin.path or '(the module itself)'}  {node.origin.source}" for op, node in others)
    raise UnsupportedOpError(
        f"no lowering for {first.op}",
        [
            *first.origin.rows(),
            ("inputs", ", ".join(map(str, first.operands))),
            ("why", registry.refused.get(first.op, "")),
            ("nearest", "" if first.op in registry.refused else nearest(first)),
            ("next", f"register one: @t2k.lowering(torch.ops.{first.op}), docs/add-an-op.md"),
            ("also", also),
        ],
    )


def nearest(node: Node) -> str:
    """A supported op with a similar name."""
    names = {str(op): op for op in registry}
    close = difflib.get_close_matches(str(node.op), names, n=1, cutoff=0.7)
    return f"{close[0]} is supported" if close else ""
