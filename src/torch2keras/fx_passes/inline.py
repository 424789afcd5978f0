"""Inline the regions that only set a mode (no_grad, autocast, hints), and drop assertions.

torch.export wraps code under `torch.no_grad()` or `torch.autocast()` in a call of a sub-graph. What
such a mode means is made explicit: the results of a region without gradient pass through
`aten.detach`, the casts of autocast become `aten.to.dtype`. Control flow is written out where that
is possible (control_flow.py). Assertions about sizes and dtypes have no place in a Keras model.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import fx
from torch._ops import HigherOrderOperator, OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode

from torch2keras.fx_passes.autocast import insert_autocast_casts
from torch2keras.fx_passes.control_flow import write_out_control_flow
from torch2keras.fx_passes.fake_values import NewNode, copy_node, fake_mode_of, origin_meta

aten = torch.ops.aten


# Name of the higher-order operator -> position of its sub-graph among the arguments; what follows
# are the operands.
WRAPPERS: dict[str, int] = {
    "wrap_with_set_grad_enabled": 1,
    "wrap_with_autocast": 4,
    "wrap": 0,
    "hints_wrapper": 0,
    "wrap_activation_checkpoint": 0,
    "tag_activation_checkpoint": 0,
    "strict_mode": 0,
    "invoke_subgraph": 0,
}


ASSERTIONS = frozenset(
    {
        "aten::_assert_async",
        "aten::_assert_scalar",
        "aten::_assert_tensor_metadata",
        "aten::_functional_assert_async",
        "aten::_functional_assert_scalar",
        "aten::sym_constrain_range",
        "aten::sym_constrain_range_for_size",
        "aten::_functional_sym_constrain_range",
        "aten::_functional_sym_constrain_range_for_size",
    }
)


@dataclass(frozen=True)
class _Region:
    """A sub-graph that is being copied.

    `prefix` is its path from the root module, `autocast` the dtype of the autocast mode in which it
    runs, None outside of one.
    """

    graph_module: fx.GraphModule
    prefix: str
    autocast: torch.dtype | None

    def enter(self, get_attr: fx.Node, autocast: torch.dtype | None) -> _Region:
        """The region of the sub-graph that a get_attr node of this one names."""
        name = str(get_attr.target)
        inner = cast("fx.GraphModule", self.graph_module.get_submodule(name))
        return _Region(inner, f"{self.prefix}{name}.", autocast)


def inline(graph_module: fx.GraphModule) -> fx.GraphModule:
    """A new graph without mode regions and without assertions.

    Placeholders, names and meta are kept.
    """
    graph = fx.Graph()
    copier = _Copier(graph, fake_mode_of(graph_module.graph))
    outputs = copier.copy(_Region(graph_module, "", None), None)
    result = next(node for node in graph_module.graph.nodes if node.op == "output")
    graph.output(outputs).meta = dict(result.meta)
    graph.lint()
    return fx.GraphModule(graph_module, graph)


def writes_without_grad(graph_module: fx.GraphModule) -> tuple[fx.Node, ...]:
    """The in-place ops under `torch.no_grad()`.

    PyTorch's backward pass does not see them; that of Keras would see their functional form.
    """
    found: list[fx.Node] = []
    for node in graph_module.graph.nodes:
        region = _find_mode_region(graph_module, node)
        if region is None:
            continue
        if _disables_gradient(node):
            found += [inner for inner in region.graph.nodes if _is_write(inner)]
        found += writes_without_grad(region)
    return tuple(found)


class _Copier:
    """Copies regions into one graph, each at the place where it is called."""

    def __init__(self, graph: fx.Graph, mode: FakeTensorMode) -> None:
        self.graph = graph
        self.mode = mode

    def copy(self, region: _Region, operands: Sequence[Any] | None) -> Any:
        """Append the nodes of a region, and return its outputs.

        `operands` stand for its placeholders; None keeps the placeholders.
        """
        env: dict[fx.Node, Any] = {}
        given = iter(operands or ())

        def new(node: fx.Node) -> Any:
            if node not in env and node.op == "get_attr":
                env[node] = self.graph.get_attr(region.prefix + str(node.target))
                env[node].meta = dict(node.meta)
            return env[node]

        for node in region.graph_module.graph.nodes:
            if node.op == "output":
                return fx.node.map_arg(node.args[0], new)
            if node.op == "placeholder" and operands is not None:
                env[node] = next(given)
            elif is_assertion(node):
                continue
            elif node.op == "call_function":
                env[node] = self._copy_call(region, node, env, new)
            elif node.op != "get_attr":  # an attribute is copied where it is first used
                env[node] = copy_node(self.graph, node, new)
        raise AssertionError("a graph ends with an output node")

    def _copy_call(
        self, region: _Region, node: fx.Node, env: dict[fx.Node, Any], new: NewNode
    ) -> Any:
        """Append what stands for a call when its mode is written out."""
        if _find_mode_region(region.graph_module, node) is not None:
            return self._copy_mode_region(region, node, new)
        if node.target is operator.getitem:
            several = env.get(cast("fx.Node", node.args[0]))
            if isinstance(several, (tuple, list)):
                return several[cast("int", node.args[1])]
        written_out = write_out_control_flow(
            self.graph, node, new, partial(self._copy_branch, region)
        )
        if written_out is not None:
            return written_out
        if region.autocast is not None:
            return insert_autocast_casts(self.graph, self.mode, node, new, region.autocast)
        return copy_node(self.graph, node, new)

    def _copy_mode_region(self, region: _Region, node: fx.Node, new: NewNode) -> Any:
        """Append the sub-graph of a call that sets a mode."""
        name = _operator_name(node)
        position = WRAPPERS[name]
        autocast = _autocast_dtype(node) if name == "wrap_with_autocast" else region.autocast
        inner = region.enter(cast("fx.Node", node.args[position]), autocast)
        operands: Any = fx.node.map_arg(node.args[position + 1 :], new)
        if name == "hints_wrapper":
            operands = operands[0]
        if name == "invoke_subgraph" and operands and isinstance(operands[0], str | None):
            operands = operands[1:]  # the identifier of the sub-graph
        outputs = self.copy(inner, operands)
        if _disables_gradient(node):
            return fx.node.map_arg(outputs, lambda out: self._detach(out, node))
        return outputs

    def _copy_branch(self, region: _Region, get_attr: fx.Node, operands: Sequence[Any]) -> Any:
        """Append the sub-graph that a call of control flow names."""
        return self.copy(region.enter(get_attr, region.autocast), operands)

    def _detach(self, out: fx.Node, region: fx.Node) -> fx.Node:
        """The result of a region without gradient.

        What an in-place op returns stays the caller's tensor.
        """
        value = out.meta.get("val")
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or _is_write(out):
            return out
        node = self.graph.call_function(aten.detach.default, (out,))
        node.meta = {**origin_meta(region), **origin_meta(out), "val": value}
        return node


def is_assertion(node: fx.Node) -> bool:
    """Whether a node only checks sizes, dtypes or scalars."""
    return isinstance(node.target, OpOverload) and node.target._schema.name in ASSERTIONS


def _operator_name(node: fx.Node) -> str:
    """The name of the higher-order operator that a node calls, "" for another node."""
    return str(node.target) if isinstance(node.target, HigherOrderOperator) else ""


def _find_mode_region(graph_module: fx.GraphModule, node: fx.Node) -> fx.GraphModule | None:
    """The sub-graph of a call that only sets a mode, None for another node."""
    position = WRAPPERS.get(_operator_name(node))
    if position is None:
        return None
    get_attr = cast("fx.Node", node.args[position])
    inner = graph_module.get_submodule(str(get_attr.target))
    return inner if isinstance(inner, fx.GraphModule) else None


def _disables_gradient(node: fx.Node) -> bool:
    return _operator_name(node) == "wrap_with_set_grad_enabled" and node.args[0] is False


def _autocast_dtype(node: fx.Node) -> torch.dtype | None:
    """The dtype to which a region's autocast mode casts; None where it is off.

    The model is converted on the CPU, where autocast for other devices is idle.
    """
    device, dtype, enabled = node.args[0], node.args[1], node.args[2]
    if not enabled or device != "cpu":
        return None
    return dtype if isinstance(dtype, torch.dtype) else torch.get_autocast_dtype("cpu")


def _is_write(node: fx.Node) -> bool:
    return isinstance(node.target, OpOverload) and node.target._schema.is_mutable
