from __future__ import annotations

import pytest
import torch
from torch import nn

from exported import Calls, assert_same, targets, tripled
from torch2keras.capture.export import capture
from torch2keras.fx_passes.inline import inline

N, L = 2, 7


def x_nl():
    return torch.linspace(-2, 2, N * L).reshape(N, L)


class Autocast(nn.Module):
    """Linear and matmul in bfloat16, softmax in float32, and a part that is left alone."""

    def __init__(self, *, enabled=True):
        super().__init__()
        self.linear, self.enabled = nn.Linear(L, 5), enabled

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.enabled):
            y = self.linear(x)
            z = torch.matmul(y, y.mT).relu_()
            with torch.autocast("cpu", enabled=False):
                w = x @ x.mT
            mixed = torch.cat([y, x], 1)
        return y, z, torch.softmax(z, -1), w, mixed


class Nested(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            table = torch.arange(L).float() / L
            with torch.autocast("cpu", dtype=torch.bfloat16):
                y = (x * table) @ table.unsqueeze(1)
            double = x * 2
        return y, double + x, table


def checked(x):
    assert x.shape[0] > 1
    torch._check(x.shape[1] == L)
    return x.to(torch.float64) + 1


CASES = [
    ("autocast", Autocast(), True),
    ("autocast_off", Autocast(enabled=False), True),
    ("nested", Nested(), True),
    ("assertions", Calls(checked), True),
    (
        "checkpoint",
        Calls(lambda x: torch.utils.checkpoint.checkpoint(torch.sin, x, use_reentrant=False)),
        True,
    ),
]


@pytest.mark.parametrize(
    ("module", "exact"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_regions_are_inlined_with_the_modules_numbers(module, exact):
    captured = capture(module, (x_nl(),))
    for args in ((x_nl(),), tripled((x_nl(),))):
        assert_same(captured, module, args, exact=exact)
    left = [
        target
        for target in targets(captured.graph_module)
        if "wrap_with" in target or "assert" in target
    ]
    assert not left


def test_results_without_gradient_are_detached():
    captured = capture(Nested(), (x_nl(),))
    found = targets(captured.graph_module)
    assert found.count("detach.default") == 2, "y and double; no gradient reaches the table"
    module, x = Nested().eval(), x_nl().requires_grad_()
    (wanted,) = torch.autograd.grad(sum(value.sum() for value in module(x)[:2]), x)
    (given,) = torch.autograd.grad(sum(value.sum() for value in captured.graph_module(x)[:2]), x)
    assert torch.equal(given, wanted)


def test_in_place_without_gradient_is_noted():
    def relu_without_grad(x):
        y = x * 2
        with torch.no_grad():
            y.relu_()
        return y

    (note,) = (
        note for note in capture(Calls(relu_without_grad), (x_nl(),)).notes if "in-place" in note
    )
    assert note.startswith("1 in-place op under torch.no_grad()")


def test_given_graph_is_not_changed():
    program = capture(Nested(), (x_nl(),)).program
    before = program.graph_module.code
    inline(program.graph_module)
    assert program.graph_module.code == before


def test_meta_of_inlined_nodes_says_where_they_come_from():
    captured = capture(Autocast(), (x_nl(),))
    for node in captured.graph_module.graph.nodes:
        if node.op == "call_function":
            assert "val" in node.meta
            assert node.meta["nn_module_stack"]
