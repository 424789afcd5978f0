"""What acts in training alone is in the graph, which computes the same in eval mode."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from torch2keras.capture.export import capture
from torch2keras.capture.training.mode_alignment import Alignment, Drop
from torch2keras.capture.training.training_ops import insert_training_ops
from training_only import Attention, Behind, Inline, SkipsByPython, Sometimes, by_floor

X = torch.randn(3, 5, 7)


def targets_of(net: nn.Module) -> list[str]:
    graph = capture(net.eval(), (X,)).graph_module.graph
    found = [str(node.target) for node in graph.nodes if node.op == "call_function"]
    return [name.split(".")[1] for name in found if "drop" in name]


CASES = {
    "rows": (lambda: nn.Sequential(Sometimes(by_floor)), ["shared_dropout"], 0),
    "in a block": (Inline, ["shared_dropout", "dropout"], 0),
    "attention": (Attention, ["dropped_attention"], 0),
    "behind what is unread": (Behind, ["shared_dropout", "dropout"], 1),
    "a branch of Python": (SkipsByPython, [], 1),
    "nothing": (lambda: nn.Sequential(nn.Dropout(), nn.Linear(7, 3)), ["dropout"], 0),
}


@pytest.mark.parametrize("name", CASES)
def test_a_capture_has_what_training_adds(name):
    make, names, notes = CASES[name]
    assert targets_of(make()) == names
    captured = capture(make(), (X,))
    assert sum("does otherwise than in eval mode" in note for note in captured.notes) == notes


def test_one_dropout_serves_all_that_take_its_value():
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    x.meta["val"] = X
    one = graph.call_function(torch.tanh, (x,))
    two = graph.call_function(torch.add, (x, x))
    graph.output((one, two))
    drop = Drop(torch.ops.aten.dropout.default, (0.3, False), two)
    found = Alignment({(one, 0): (drop,), (two, 1): (drop,)})
    placed = insert_training_ops(torch.fx.GraphModule(nn.Module(), graph), found).graph
    (dropout,) = placed.find_nodes(op="call_function", target=torch.ops.aten.dropout.default)
    (tanh,) = placed.find_nodes(op="call_function", target=torch.tanh)
    (add,) = placed.find_nodes(op="call_function", target=torch.add)
    assert tanh.args == (dropout,)
    assert add.args == (dropout.args[0], dropout)
