"""The pipeline up to a stage, for tests that look at what one stage makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

import torch2keras.ops  # noqa: F401 - fills the registry
from op_case import Function
from torch2keras.capture.export import capture
from torch2keras.declarations.registry import registry
from torch2keras.fx_passes.decompose import decompose
from torch2keras.graph.importer import import_graph
from torch2keras.graph.ir import Graph, Node, Value
from torch2keras.layout.assign import LayoutPlan, assign_layouts
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.axis_inference import infer_axes
from torch2keras.layout.port_orders import read_layout
from torch2keras.lower.lower import Lowered, lower
from torch2keras.workarounds.triton_import import load_exporter


def graph_of(module: nn.Module | Callable[..., Any], *inputs: Any, dynamic: Any = None) -> Graph:
    """The imported graph of a module or function.

    An input is a tensor, or the shape of a normal one.
    """
    load_exporter()
    torch.manual_seed(0)
    made = module if isinstance(module, nn.Module) else Function(module)
    tensors = tuple(i if isinstance(i, torch.Tensor) else torch.randn(i) for i in inputs)
    captured = capture(made, tensors, dynamic_shapes=dynamic)
    return import_graph(captured.program, decompose(captured.graph_module, registry.__contains__))


def axes_of(graph: Graph) -> AxisSpace:
    return infer_axes(graph)


def plan_of(graph: Graph, layout: str | Mapping[str, str] = "keras") -> LayoutPlan:
    space = infer_axes(graph)
    return assign_layouts(graph, space, read_layout(graph, space, layout))


def lowered(graph: Graph, layout: str | Mapping[str, str] = "keras") -> Lowered:
    return lower(graph, plan_of(graph, layout), "net")


def ops_of(graph: Graph) -> list[str]:
    """Each node's op, as "conv1d"."""
    return [str(node.op).removeprefix("aten.").partition(".")[0] for node in graph.nodes]


def node_of(graph: Graph, op: str) -> Node:
    """The first node of an op."""
    return graph.nodes[ops_of(graph).index(op)]


def value_of(graph: Graph, name: str) -> Value:
    """The value that an output, an input or a node has by its name in the graph."""
    return next(
        v for v in (*graph.inputs, *(v for n in graph.nodes for v in n.outputs)) if v.name == name
    )
