"""Drop what is the identity once no value is written to.

These are clone, contiguous, alias and casts to the same dtype. `view` becomes `reshape`: without
those copies the strides of a value are not what they were, and a functional graph has no use for
the difference. `detach` stays where it stops a gradient, and goes where there is none to stop.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx
from torch.export.graph_signature import InputKind, InputSpec

from torch2keras.fx_passes.fake_values import copy_node, leaves
from torch2keras.op_facts import OpKind, kind_of

aten = torch.ops.aten


FREE_OF_STRIDES = {
    aten.view.default: aten.reshape.default,
    aten._unsafe_view.default: aten.reshape.default,
    aten.view_as.default: aten.reshape_as.default,
}


READS_STRIDES = frozenset({aten.as_strided.default, aten.view_as_complex.default, aten.view.dtype})


CONSTANT_KINDS = (InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


# Memory without content: PyTorch leaves what is read from it open, so zeros are as good, and the
# same each time.
DEFINED = {
    aten.empty.memory_format: aten.zeros.default,
    aten.empty_like.default: aten.zeros_like.default,
    aten.new_empty.default: aten.new_zeros.default,
}


def drop_copies(graph_module: fx.GraphModule, inputs: Sequence[InputSpec] = ()) -> fx.GraphModule:
    """A new graph without copies. `graph_module` must be functional.

    Placeholders that `inputs` does not name count as carriers of a gradient. A graph that reads
    strides (`as_strided`, `view_as_complex`) keeps its copies.
    """
    keeps_strides = any(node.target in READS_STRIDES for node in graph_module.graph.nodes)
    constants = {spec.arg.name for spec in inputs if spec.kind in CONSTANT_KINDS}
    graph = fx.Graph()
    env: dict[fx.Node, fx.Node] = {}
    with_gradient: set[fx.Node] = set()
    for node in graph_module.graph.nodes:
        if _carries_gradient(node, constants, with_gradient):
            with_gradient.add(node)
        if not keeps_strides and _is_copy(node, with_gradient):
            env[node] = env[node.args[0]]
            continue
        env[node] = copy = copy_node(graph, node, env.__getitem__)
        if node.target in DEFINED:
            copy.target = DEFINED[node.target]
            kwargs = dict(copy.kwargs)
            kwargs.pop("memory_format", None)
            copy.kwargs = kwargs
        elif not keeps_strides:
            copy.target = FREE_OF_STRIDES.get(node.target, node.target)
    for node in reversed(graph.nodes):
        if node.op not in ("placeholder", "output") and not node.users:
            graph.erase_node(node)
    graph.lint()
    return fx.GraphModule(graph_module, graph)


def _is_copy(node: fx.Node, with_gradient: set[fx.Node]) -> bool:
    """Whether a node's value is that of its first operand, gradients included."""
    source = node.args[0] if node.args else None
    if not isinstance(source, fx.Node):
        return False
    kind = kind_of(node.target)
    if kind is OpKind.COPIES:
        return True
    if kind is OpKind.DETACHES:
        return source not in with_gradient
    if kind is OpKind.CASTS:
        return bool(node.meta["val"].dtype == source.meta["val"].dtype)
    return False


def _carries_gradient(node: fx.Node, constants: set[str], with_gradient: set[fx.Node]) -> bool:
    """Whether a parameter or a floating input reaches this value through differentiable dtypes."""
    values = list(leaves(node.meta.get("val")))
    if not any(isinstance(value, torch.Tensor) and value.is_floating_point() for value in values):
        return False
    if node.op == "placeholder":
        return node.name not in constants
    if kind_of(node.target) is OpKind.DETACHES:
        return False
    return any(operand in with_gradient for operand in node.all_input_nodes)
