"""All that stays whole does so at once, and nothing is left behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.overrides import _get_current_function_mode_stack

from torch2keras.custom_ops.leaf_modules import LEAVES, Leaf, define_leaf_op
from torch2keras.custom_ops.whole_modules import keep_modules_whole


class Doubles(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrence = nn.GRU(3, 6)
        self.attention = nn.MultiheadAttention(6, 2)
        self.leaf = Doubles()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.recurrence(x)
        y, _ = self.attention(y, y, y)
        return self.leaf(y)


@pytest.fixture
def leaf_op(monkeypatch: pytest.MonkeyPatch) -> torch._ops.OpOverload:
    op = define_leaf_op("Doubles", ["x"], 1)
    monkeypatch.setitem(LEAVES, Doubles, Leaf(op, ("x",), (), 1, None))
    return op


def test_each_module_is_one_op(leaf_op: torch._ops.OpOverload) -> None:
    net, x = Net(), torch.randn(7, 2, 3)
    wanted = net(x)
    with keep_modules_whole(net):
        torch.testing.assert_close(net(x), wanted)
        program = torch.export.export(net, (x,))
    names = [str(node.target).removeprefix("torch2keras.") for node in program.graph.nodes]
    for name in ("recurrent.default", "multi_head_attention.default"):
        assert names.count(name) == 1
    assert leaf_op in {node.target for node in program.graph.nodes}


@pytest.mark.usefixtures("leaf_op")
def test_all_is_as_before_after_an_error() -> None:
    net = Net()
    attributes, modes = dict(vars(net.leaf)), _get_current_function_mode_stack()
    with pytest.raises(KeyError), keep_modules_whole(net):
        assert vars(net.leaf) != attributes
        raise KeyError
    assert vars(net.leaf) == attributes
    assert _get_current_function_mode_stack() == modes
