"""Refuse a graph with ops that have no lowering: all of them in one error."""

from __future__ import annotations

import difflib

from torch2keras.declarations.registry import registry
from torch2keras.errors import UnsupportedOpError
from torch2keras.graph.ir import Graph, Node


def require_lowerings(graph: Graph) -> None:
    """Raise UnsupportedOpError for all ops without a lowering, with their places and shapes."""
    missing = [node for node in graph.nodes if node.op not in registry]
    if not missing:
        return
    first, *rest = {node.op: node for node in reversed(missing)}.values()
    raise make_unsupported_error(first, "\n".join(map(_describe_place, rest)))


def _describe_place(node: Node) -> str:
    path = node.origin.path or "(the module itself)"
    return f"{node.op}  {path}  {node.origin.source}"


def make_unsupported_error(node: Node, also: str = "") -> UnsupportedOpError:
    """Return the error for an op that has no lowering."""
    refusal = registry.refused.get(node.op)
    if refusal is None:
        step = f"register one: @t2k.lowering(torch.ops.{node.op}), docs/add-an-op.md"
        advice = [("nearest", nearest_op(node)), ("next", step)]
    else:
        advice = [("why", refusal.why), ("next", refusal.next)]
    inputs = ", ".join(map(str, node.operands))
    rows = [*node.origin.rows(), ("inputs", inputs), *advice, ("also", also)]
    return UnsupportedOpError(f"no lowering for {node.op}", rows)


def nearest_op(node: Node) -> str:
    """Return a sentence that names a supported op of a similar name; empty where there is none."""
    names = {str(op): op for op in registry}
    close = difflib.get_close_matches(str(node.op), names, n=1, cutoff=0.7)
    return f"{close[0]} is supported" if close else ""
