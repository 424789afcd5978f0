from __future__ import annotations

from dataclasses import replace

import torch

from stages import graph_of, ops_of
from torch2keras.ir_passes.drop_dead_code import drop_dead_code


def net(x):
    _, second = x.split([1, 2], 1)
    return torch.relu(second), torch.exp(torch.tanh(x))


def test_only_what_an_output_needs_stays_and_in_order() -> None:
    graph = graph_of(net, (2, 3))
    graph = replace(graph, outputs=graph.outputs[:1])
    kept = drop_dead_code(graph)
    assert set(ops_of(graph)) >= {"exp", "tanh"}
    assert ops_of(kept) == ["split_with_sizes", "relu"]
    assert kept.inputs == graph.inputs
    assert drop_dead_code(kept).nodes == kept.nodes


def test_an_input_that_nothing_reads_stays() -> None:
    graph = drop_dead_code(graph_of(lambda x, y: x + 1, (2, 3), (2, 5)))
    assert len(graph.inputs) == 2
