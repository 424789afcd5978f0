"""Python numbers that a graph takes of parameters, buffers and constants become those numbers.

`x.new_full((n,), self.strides[0])` is captured as an `item` of a tensor whose value torch.export
does not know, although no input has a part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
import torch
from torch import fx
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from torch2keras.op_facts import draws_random_numbers

aten = torch.ops.aten

HELD = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def fold_numbers(graph_module: fx.GraphModule, program: ExportedProgram) -> int:
    """Put in the numbers that hang on no input, and return how many there were.

    The graph is functional, so that each value is what it was when it was made.
    """
    graph = graph_module.graph
    values = _find_held(program)
    folded = 0
    for node in list(graph.nodes):
        if node.target is not aten.item.default or not _hangs_on(node, values):
            continue
        number = _compute(node, graph, values)
        _tell_size(node, number)
        for user in list(node.users):
            user.args = _replace(user.args, node, number)
            user.kwargs = _replace(user.kwargs, node, number)
        graph.erase_node(node)
        folded += 1
    if folded:
        graph_module.recompile()
    return folded


def _find_held(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Return the tensors that the module holds, by the names of their placeholders."""
    state = {**program.state_dict, **program.constants}
    held = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind in HELD and spec.target in state:
            held[spec.arg.name] = state[spec.target]
    return held


def _hangs_on(node: fx.Node, values: Mapping[str, Any]) -> bool:
    """Whether a node hangs on these placeholders alone, and not on chance."""
    seen: set[fx.Node] = set()
    behind = [node]
    while behind:
        at = behind.pop()
        if at in seen:
            continue
        seen.add(at)
        if at.op == "placeholder":
            if at.name not in values:
                return False
        elif at.op != "call_function" or _is_by_chance(at.target):
            return False
        behind += at.all_input_nodes
    return True


def _is_by_chance(target: Any) -> bool:
    return isinstance(target, OpOverload) and draws_random_numbers(target)


def _compute(node: fx.Node, graph: fx.Graph, values: Mapping[str, Any]) -> Any:
    """Return the value of a node, from those of the placeholders by their names."""
    needed = {node}
    for at in reversed(graph.nodes):
        if at in needed:
            needed.update(at.all_input_nodes)
    known: dict[fx.Node, Any] = {}
    with torch.no_grad():
        for at in graph.nodes:
            if at not in needed:
                continue
            if at.op == "placeholder":
                known[at] = values[at.name]
            else:
                args, kwargs = fx.node.map_arg((at.args, at.kwargs), known.__getitem__)
                known[at] = at.target(*args, **kwargs)
    return known[node]


def _tell_size(node: fx.Node, number: Any) -> None:
    """Let the sizes that hang on a whole number be that number."""
    value = node.meta.get("val")
    if not isinstance(value, torch.SymInt) or not isinstance(number, int):
        return
    symbol, environment = value.node.expr, value.node.shape_env
    if symbol.is_Symbol and environment is not None:
        replace = environment._set_replacement  # noqa: SLF001 - there is no public one
        replace(symbol, sympy.Integer(number), "read of a constant")


def _replace(arguments: Any, node: fx.Node, number: Any) -> Any:
    return fx.node.map_arg(arguments, lambda other: number if other is node else other)
