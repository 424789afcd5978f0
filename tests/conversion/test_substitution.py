"""A conversion with the values of another state."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

import torch2keras as t2k
from torch2keras.conversion.substitution import Substitution
from torch2keras.graph.interpreter import run_nodes
from torch2keras.graph.ir import Constant


class Net(nn.Module):
    """A plain weight, read twice, a computed one, and a small constant."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.v = nn.Parameter(torch.randn(3, 3)), nn.Parameter(torch.randn(3, 3))
        self.register_buffer("shift", torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(F.linear(x, self.w), self.w.t())
        return F.linear(y, torch.exp(self.v).flip(0)) + self.shift


def test_the_graph_computes_with_the_state() -> None:
    module, other, x = Net(), Net(), torch.randn(2, 3)
    conversion = t2k.convert(module, x).conversion
    substitution = Substitution(other.state_dict())
    changed = substitution.conversion(conversion)
    *_, (_, _, result) = run_nodes(changed.graph, [x.double()])
    assert torch.allclose(result, other.double()(x.double()), rtol=1e-12)
    weights = {w.constant.paths or w.constant.folded_from: w for _, _, w in weights_of(changed)}
    assert torch.equal(weights[("w",)].values().abs().sum(), other.w.float().abs().sum())
    assert [w.shape for _, _, w in weights_of(changed)] == [
        w.shape for _, _, w in weights_of(conversion)
    ]
    (literal,) = changed.lowered.graph.literals()
    assert torch.equal(literal.values().reshape(-1), other.shift.float())


def weights_of(conversion) -> list:
    return list(conversion.lowered.graph.weights())


def test_each_node_runs_once() -> None:
    module, x = Net(), torch.randn(2, 3)
    conversion = t2k.convert(module, x).conversion
    substitution = Substitution(module.state_dict())
    constants = [
        value
        for node in conversion.graph.nodes
        for value in node.operands
        if isinstance(value, Constant) and value.recipe is not None
    ]
    first, again = (substitution.constant(constants[0]) for _ in range(2))
    assert first is again
    assert first.moves == constants[0].moves
    assert torch.equal(first.data, constants[0].data)
