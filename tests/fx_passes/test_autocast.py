"""The casts of autocast: which of them explain a recorded dtype, and where they stand."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn

from exported import Calls, assert_same, targets
from torch2keras.capture.export import capture
from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.autocast import insert_autocast_casts
from torch2keras.fx_passes.fake_values import fake_mode_of

aten = torch.ops.aten
LOW = torch.bfloat16


def with_casts(op, operands, dtype, args=()):
    """The targets of the nodes that stand for one op, recorded with results of a dtype."""
    given, graph = fx.Graph(), fx.Graph()
    mode = fake_mode_of(given)
    env = {}
    for number, operand in enumerate(operands):
        node = given.placeholder(f"x{number}")
        env[node] = graph.placeholder(f"x{number}")
        node.meta["val"] = env[node].meta["val"] = mode.from_tensor(operand)
    node = given.call_function(op, (*env, *args))
    node.meta["val"] = mode.from_tensor(op(*operands, *args).to(dtype))
    result = insert_autocast_casts(graph, mode, node, env.__getitem__, LOW)
    assert result.name == node.name
    assert result.meta["val"] is node.meta["val"]
    calls = [each for each in graph.nodes if each.op == "call_function"]
    return [(str(each.target), *each.args[1:]) for each in calls if each is not result]


X, Y = torch.ones(3, 5), torch.ones(5, 7)
TO = "aten.to.dtype"
CASES = [
    (aten.mm.default, (X, Y), torch.float32, (), []),
    (aten.mm.default, (X, Y), LOW, (), [(TO, LOW), (TO, LOW)]),
    (aten.mul.Tensor, (X.to(LOW), X.to(LOW)), torch.float32, (), [(TO, torch.float32)] * 2),
    (aten.softmax.int, (X.to(LOW),), torch.float32, (-1,), [(TO, torch.float32)]),
    (aten.add.Tensor, (X, X.int()), LOW, (), [(TO, LOW)]),
    (aten.add.Tensor, (X.to(LOW), X.to(LOW)), LOW, (), []),
]


@pytest.mark.parametrize(("op", "operands", "dtype", "args", "casts"), CASES)
def test_the_recorded_dtype_says_which_cast_was_made(op, operands, dtype, args, casts):
    assert with_casts(op, operands, dtype, args) == casts


def test_a_dtype_that_no_cast_explains_is_refused():
    with pytest.raises(UnsupportedOpError, match=r"casts of torch\.autocast around aten\.mm"):
        with_casts(aten.mm.default, (X, Y), torch.float16)


class Autocast(nn.Module):
    def __init__(self, *, enabled=True):
        super().__init__()
        self.linear, self.enabled = nn.Linear(7, 5), enabled

    def forward(self, x):
        with torch.autocast("cpu", dtype=LOW, enabled=self.enabled):
            return self.linear(x)


def test_casts_of_autocast_stand_in_the_graph():
    found = targets(capture(Autocast(), (torch.ones(2, 7),)).graph_module)
    assert found[:4] == ["to.dtype", "to.dtype", "to.dtype", "linear.default"]
    assert "to.dtype" not in targets(
        capture(Autocast(enabled=False), (torch.ones(2, 7),)).graph_module
    )


def test_assertions_in_an_autocast_region_are_dropped():
    def forward(x):
        with torch.autocast("cpu", dtype=LOW):
            return x.to(torch.float64) @ x.double().mT

    module, x = Calls(forward), torch.linspace(-2, 2, 15).reshape(3, 5)
    captured = capture(module, (x,))
    assert not any("assert" in target for target in targets(captured.graph_module))
    assert_same(captured, module, (x,))
