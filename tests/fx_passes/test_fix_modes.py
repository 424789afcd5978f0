"""Ops of modules that stay in eval mode know of no training."""

from __future__ import annotations

import torch
from torch import nn

from torch2keras.capture.export import capture
from torch2keras.custom_ops.fixed_batch_norm import fixed_batch_norm
from torch2keras.fx_passes.fix_modes import RATES, fix_modes

aten = torch.ops.aten


def captured_graph():
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.3), nn.BatchNorm1d(4), nn.Dropout(0.3))
    return capture(net.eval(), (torch.randn(3, 4),)).graph_module


def rates(graph_module):
    nodes = graph_module.graph.nodes
    return [node.args[RATES[node.target]] for node in nodes if node.target in RATES]


def targets(graph_module):
    norms = (aten.batch_norm.default, fixed_batch_norm)
    return [node.target for node in graph_module.graph.nodes if node.target in norms]


def test_the_named_modules_are_fixed_and_no_others():
    graph_module = captured_graph()
    fixed = fix_modes(graph_module, {"0", "1"})
    assert targets(fixed) == [fixed_batch_norm, aten.batch_norm.default]
    assert rates(fixed) == [0.0, 0.3]
    assert rates(graph_module) == [0.3, 0.3], "the graph that was given stays as it is"


def test_without_such_modules_it_is_the_same_graph():
    graph_module = captured_graph()
    assert fix_modes(graph_module, ()) is graph_module
