"""Inline the regions that only set a mode (no_grad, autocast, hints), and drop assertions about sizes and dtypes.

torch.export wraps code under `torch.no_grad()` or `torch.autocast()` in a call of a sub-graph. What such a mode means
is made explicit: the results of a region without gradient pass through `aten.detach`, the casts of autocast become
`aten.to.dtype`. Control flow is written out where that is possible (`control_flow`).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import fx

from torch2keras.fx_passes.autocast import casts_of_autocast
from torch2keras.fx_passes.control_flow import straightened
from torch2keras.fx_passes.fake_values import copied, fake_mode_of, origin_of

aten = torch.ops.aten


# Name of the higher-order operator -> position of its sub-graph among the arguments; what follows are the operands.
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
    """A sub-graph that is being copied: its module, its path from the root, the modes that hold in it."""

    graph_module: fx.GraphModule
    prefix: str
    autocast: torch.dtype | None


def inline(graph_module: fx.GraphModule) -> fx.GraphModule:
    """A new graph without mode regions and without assertions; placeholders, names and meta are kept."""
    graph = fx.Graph()
    copier = _Copier(graph, fake_mode_of(graph_module.graph))
    outputs = copier.copy(_Region(graph_module, "", None), None)
    result = next(node for node in graph_module.graph.nodes if node.op == "output")
    graph.output(outputs).meta = dict(result.meta)
    graph.lint()
    return fx.GraphModule(graph_module, graph)


def writes_without_grad(graph_module: fx.GraphModule) -> tuple[fx.Node, ...]:
    """The in-place ops under `torch.no_grad()`: PyTorch's backward pass does not see them, Keras' would."""
    found: list[fx.Node] = []
    for node in graph_module.graph.nodes:
        region = _wrapped(graph_module, node)
        if region is None:
            continue
        if _name(node) == "wrap_with_set_grad_enabled" and node.args[0] is False:
            found += [inner for inner in region.graph.nodes if _is_write(inner)]
        found += writes_without_grad(region)
    return tuple(found)


class _Copier:
    """Copies regions into one graph, each at the place where it is called."""

    def __init__(self, graph: fx.Graph, mode: Any) -> None:
        self.graph = graph
        self.mode = mode

    def copy(self, region: _Region, operands: list[Any] | None) -> Any:
        """Append the region's nodes; `operands` stand for its placeholders (None: keep them). Returns its outputs."""
        env: dict[fx.Node, Any] = {}
        given = iter(operands or ())

        def new(node: fx.Node) -> Any:
            if node not in env and node.op == "get_attr":
                env[node] = self.graph.get_attr(region.prefix + str(node.target))
                env[node].meta = dict(node.meta)
            return env[node]

        for node in region.graph_module.graph.nodes:
            inner = _wrapped(region.graph_module, node)
            if node.op == "output":
                return fx.node.map_arg(node.args[0], new)
            if node.op == "placeholder" and operands is not None:
                env[node] = next(given)
            elif inner is not None:
                env[node] = self._copy_wrapped(region, node, inner, new)
            elif node.target is operator.getitem and isinstance(
                env.get(node.args[0]), (tuple, list)
            ):
                env[node] = env[node.args[0]][node.args[1]]
            elif (
                straight := straightened(self.graph, node, new, partial(self._copy_named, region))
            ) is not None:
                env[node] = straight
            elif node.op == "call_function" and region.autocast is not None:
                env[node] = casts_of_autocast(self.graph, self.mode, node, new, region.autocast)
            elif node.op != "get_attr" and not is_assertion(node):
                env[node] = copied(self.graph, node, new)
        raise AssertionError("a graph ends with an output node")

    def _copy_wrapped(self, region: _Region, node: fx.Node, inner: fx.GraphModule, new: Any) -> Any:
        at = WRAPPERS[_name(node)]
        get_attr = cast("fx.Node", node.args[at])
        autocast = region.autocast
        if _name(node) == "wrap_with_autocast":
            autocast = _autocast_dtype(node)
        operands: Any = fx.node.map_arg(node.args[at + 1 :], new)
        if (
            operands
            and isinstance(operands[0], (str, type(None)))
            and _name(node) == "invoke_subgraph"
        ):
            operands = operands[1:]
        elif _name(node) == "hints_wrapper":
            operands = operands[0]
        outputs = self.copy(
            _Region(inner, f"{region.prefix}{get_attr.target}.", autocast), list(operands)
        )
        if _name(node) == "wrap_with_set_grad_enabled" and node.args[0] is False:
            outputs = fx.node.map_arg(outputs, lambda out: self._detached(out, node))
        return outputs

    def _copy_named(self, region: _Region, get_attr: fx.Node, operands: Sequence[Any]) -> Any:
        """Append the sub-graph that a node of the region names."""
        inner = cast("fx.GraphModule", region.graph_module.get_submodule(str(get_attr.target)))
        return self.copy(
            _Region(inner, f"{region.prefix}{get_attr.target}.", region.autocast), list(operands)
        )

    def _detached(self, out: fx.Node, region: fx.Node) -> fx.Node:
        """The result of a region without gradient; what an in-place op returns stays the caller's tensor."""
        value = out.meta.get("val")
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or _is_write(out):
            return out
        node = self.graph.call_function(aten.detach.default, (out,))
        node.meta = {**origin_of(region), **origin_of(out), "val": value}
        return node


def is_assertion(node: fx.Node) -> bool:
    """Whether a node only checks sizes, dtypes or scalars."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.name in ASSERTIONS


def _name(node: fx.Node) -> str:
    return str(node.target) if isinstance(node.target, torch._ops.HigherOrderOperator) else ""


def _wrapped(graph_module: fx.GraphModule, node: fx.Node) -> fx.GraphModule | None:
    """The sub-graph of a call that only sets a mode, else None."""
    at = WRAPPERS.get(_name(node))
    if at is None:
        return None
    get_attr = cast("fx.Node", node.args[at])
    inner = graph_module.get_submodule(str(get_attr.target))
    return inner if isinstance(inner, fx.GraphModule) else None


def _autocast_dtype(node: fx.Node) -> torch.dtype | None:
    device, dtype, enabled = node.args[0], node.args[1], node.args[2]
    if (
        not enabled or device != "cpu"
    ):  # the model is converted on the CPU, where autocast for other devices is idle
        return None
    return dtype if isinstance(dtype, torch.dtype) else torch.get_autocast_dtype("cpu")


def _is_write(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
