"""Keep in eval mode what the module's owner keeps in eval mode while the module is trained.

Keras asks each layer for its own training: dropout would act, and a normalization take the
statistics of the batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import fx

from torch2keras.custom_ops.fixed_batch_norm import fixed_batch_norm
from torch2keras.custom_ops.multi_head_attention import multi_head_attention
from torch2keras.fx_passes.fake_values import copy_node
from torch2keras.fx_passes.source_lines import module_path

aten = torch.ops.aten

RATES: Mapping[Any, int] = {
    aten.dropout.default: 1,
    aten.feature_dropout.default: 1,
    aten.native_dropout.default: 1,
    aten.alpha_dropout.default: 1,
    aten.feature_alpha_dropout.default: 1,
    multi_head_attention.default: 12,
}
"""Ops that drop numbers in training -> the place of the argument that says how many."""


def fix_modes(graph_module: fx.GraphModule, fixed: Collection[str]) -> fx.GraphModule:
    """Return the graph, in which the ops of modules at the `fixed` paths know of no training."""
    if not fixed:
        return graph_module
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph_module.graph.nodes:
        copies[node] = copy_node(graph, node, copies.__getitem__)
        path, _ = module_path(node)
        if path in fixed:
            _fix_mode(copies[node])
    graph.lint()
    return fx.GraphModule(graph_module, graph)


def _fix_mode(node: fx.Node) -> None:
    if node.target in RATES:
        node.update_arg(RATES[node.target], 0.0)
    elif node.target is aten.batch_norm.default:
        _fix_batch_norm(node)


def _fix_batch_norm(node: fx.Node) -> None:
    x, weight, bias, mean, variance, training, _, eps, _ = node.args
    if training or mean is None or variance is None:
        return
    node.target = fixed_batch_norm
    node.args = (x, weight, bias, mean, variance, eps)
