"""What the backward of a custom function is, and the operations that are exported for it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from custom_functions import Doubled, Reversal, Rounding, Sign, Swish, x_of
from torch2keras.capture.training.custom_functions import FunctionTable


class Net(nn.Module):
    """Calls one function twice, with other numbers, after a layer."""

    def __init__(self, function, *numbers):
        super().__init__()
        self.layer, self.function, self.numbers = nn.Linear(5, 5), function, numbers

    def forward(self, x):
        y = self.layer(x)
        for number in self.numbers or ((),):
            y = self.function.apply(y, *number)
        return y.sum(-1)


NETS = {
    "reversal": lambda: Net(Reversal, (0.7,), (3.0,)),
    "rounding": lambda: Net(Rounding),
    "sign": lambda: Net(Sign),
    "swish": lambda: Net(Swish),
}


@pytest.mark.parametrize("name", NETS)
def test_the_exported_operations_have_the_values_and_gradients(name):
    net, x = NETS[name](), x_of()
    table, names = FunctionTable(), []
    with table.measure_calls(lambda cls, measured: names.append(cls)):
        expected = net(x)
    assert names
    with table.write_as_operations():
        exported = torch.export.export(net, (x,)).module()
    found = exported(x)
    assert torch.equal(found, expected)
    cotangent = x_of(3)
    theirs = torch.autograd.grad(expected, net.layer.weight, cotangent)[0]
    (ours,) = torch.autograd.grad(found, exported.get_parameter("layer.weight"), cotangent)
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert (theirs != 0).any()


@torch.no_grad()
def count(y):
    return torch.ones_like(y).sum()


class Checkpointed(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.layers, self.run = nn.Sequential(nn.Linear(5, 5), nn.Tanh()), run

    def forward(self, x):
        return self.run(self.layers, self.layers[0](x))


CHECKPOINTS = {
    "reentrant": lambda layers, x: checkpoint(layers, x, use_reentrant=True),
    "not reentrant": lambda layers, x: checkpoint(layers, x, use_reentrant=False),
    "with a part without gradients": lambda layers, x: checkpoint(
        lambda y: layers(y) * count(y), x, use_reentrant=True
    ),
    "not said": lambda layers, x: checkpoint(layers, x),
    "sequential": lambda layers, x: checkpoint_sequential(layers, 2, x, use_reentrant=True),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_is_exported_with_its_gradients(name):
    net, x = Checkpointed(CHECKPOINTS[name]), x_of()
    with FunctionTable().write_as_operations():
        exported = torch.export.export(net, (x,)).module()
    exported(x).sum().backward()
    net(x).sum().backward()
    theirs = net.layers[0].weight.grad
    assert torch.allclose(exported.get_parameter("layers.0.weight").grad, theirs)
    assert (theirs != 0).any()


kept_apply = Reversal.apply


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("strict", [False, True])
def test_an_apply_that_is_kept_under_another_name_is_found(strict):
    net, x = Net(Reversal, (0.7,)), x_of()
    net.function = SimpleNamespace(apply=kept_apply)
    table = FunctionTable()
    with table.measure_calls(lambda *_: None):
        net(x)
    assert [measured.slopes for measured in table.measured.values()] == [{0: -0.7}]
    with table.write_as_operations():
        exported = torch.export.export(net, (x,), strict=strict)
    assert (torch.ops.aten.detach.default in exported_targets(exported)) is not strict


def exported_targets(program):
    return [node.target for node in program.graph.nodes]


def test_the_classes_are_as_they_were_afterwards():
    own = {cls: cls.__dict__.get("forward") for cls in (Reversal, Doubled)}
    table = FunctionTable()
    with table.measure_calls(lambda *_: None), table.write_as_operations():
        assert all(cls.__dict__["forward"] is not forward for cls, forward in own.items())
    assert {cls: cls.__dict__.get("forward") for cls in own} == own
