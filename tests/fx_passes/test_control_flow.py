"""Control flow that is written out, and what has to stay a call."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._higher_order_ops import scan, while_loop

import torch2keras as t2k
from exported import targets
from op_case import Case, Function, check, function
from torch2keras.capture.export import capture

N, L = 3, 7


class Branches(nn.Module):
    """Another layer for each sign."""

    def __init__(self) -> None:
        super().__init__()
        self.high, self.low = nn.Linear(L, 5), nn.Linear(L, 5)

    def forward(self, x):
        y = torch.cond(x.mean() > 0, self.high, self.low, (x,))
        return torch.cond(
            y.sum() < 3, lambda a, b: (a + b, a * b), lambda a, b: (a - b, a.exp()), (y, y.sin())
        )


class Recurrence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 5) / 5)

    def forward(self, x):
        def step(state, entry):
            state = torch.tanh(state @ self.weight + entry)
            return state, 2 * state

        return scan(step, torch.ones(N, 5), x, dim=0)


CASES = {
    "cond": Case(Branches, lambda: (torch.randn(N, L),)),
    "cond, the other branch": function(
        lambda x: torch.cond((x * 0 - 1).sum() > 0, torch.sin, torch.cos, (x,)), (N, L)
    ),
    "cond of one element": function(
        lambda x: torch.cond((x.sum() > 0).reshape(1), torch.sin, torch.cos, (x,)), (N, L)
    ),
    "cond under no_grad": function(
        torch.no_grad()(lambda x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,))), (N, L)
    ),
    "scan": Case(Recurrence, lambda: (torch.randn(4, N, 5),)),
    "scan of sums": function(
        lambda x: scan(lambda a, b: (a + b, a * b), torch.zeros(L), x, dim=0)[1], (4, L)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_control_flow(name: str) -> None:
    converted = check(CASES[name])
    flat = targets(converted.conversion.captured.graph_module)
    assert not {"cond", "scan"} & set(flat)


def test_both_branches_are_verified() -> None:
    converted = check(CASES["cond"])
    x = torch.randn(N, L)
    torch.manual_seed(0)
    module = Branches().eval()
    for shift in (-5, 5):
        given = x + shift
        for ours, theirs in zip(converted(given), module(given), strict=True):
            torch.testing.assert_close(torch.from_numpy(ours), theirs)


def test_a_loop_stays_and_is_refused() -> None:
    module = Function(lambda x: while_loop(lambda y: y.sum() < 9, lambda y: (y + 1,), (x,)))
    assert "while_loop" in targets(capture(module.eval(), (torch.randn(N, L),)).graph_module)
    with pytest.raises(t2k.UnsupportedOpError, match="while_loop"):
        t2k.convert(module.eval(), (torch.randn(N, L),))


def test_a_long_scan_is_refused() -> None:
    with pytest.raises(t2k.UnsupportedOpError, match="scan"):
        check(
            function(
                lambda x: scan(lambda a, b: (a + b, a * b), torch.zeros(2), x, dim=0)[1], (257, 2)
            )
        )
