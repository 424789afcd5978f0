"""A module with further parameters is the module itself to all that looks at it."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from torch2keras.capture.ports.module_ports import add_parameters, copy_call, name_ports

X = torch.linspace(-1.0, 1.0, 2 * 3).reshape(2, 3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 5)
        self.register_buffer("offset", torch.ones(5))

    def forward(self, x, scale=1.0, **rest):
        return self.linear(x) * scale + self.offset, self.training


def test_names_state_class_and_mode_are_the_modules_own():
    net = Net()
    ported = add_parameters(net, ["h"], lambda args, kwargs, given: net(*args, **kwargs))
    assert (type(ported).__name__, type(ported).__module__) == ("Net", __name__)
    assert [name for name, _ in ported.named_modules()] == ["", "linear"]
    assert dict(ported.named_parameters()).keys() == {"linear.weight", "linear.bias"}
    assert ported.linear.weight is net.linear.weight
    assert ported.state_dict().keys() == net.state_dict().keys()
    assert ported.training
    ported.eval()
    assert ported(X, h=X)[1] is False
    assert net.training, "the mode of the caller's module is its own"


def test_the_further_parameters_come_by_keyword():
    net = Net()
    taken = {}

    def run(args, kwargs, given):
        taken.update(given)
        return net(*args, **kwargs)

    ported = add_parameters(net, ["h", "c"], run)
    names = list(inspect.signature(ported.forward).parameters)
    assert names == ["x", "scale", "h", "c", "rest"]
    y, _ = ported(X, scale=3.0, c=X, h=X + 1)
    assert torch.equal(y, net(X, scale=3.0)[0])
    assert taken.keys() == {"h", "c"}
    assert taken["c"] is X


def test_an_overridden_state_dict_is_asked():
    class Renamed(Net):
        def state_dict(self, *args, **kwargs):
            return {f"net.{name}": value for name, value in super().state_dict().items()}

    ported = add_parameters(Renamed(), [], lambda args, kwargs, given: None)
    assert set(ported.state_dict()) == {"net.linear.weight", "net.linear.bias", "net.offset"}


def test_ports_have_names_of_their_own():
    paths = ["encoder.cache['k']", "h[0]", "x", "h_0", "0", "scale"]
    names = name_ports(paths, Net())
    assert names == ["encoder_cache_k", "h_0", "x_2", "h_0_2", "state_0", "scale_2"]


def test_a_copied_call_has_tensors_of_its_own():
    (x, rest), named = copy_call((X, [X, 3]), {"a": X, "b": None})
    copies = (x, rest[0], named["a"])
    assert all(torch.equal(copy, X) and copy is not X for copy in copies)
    assert (rest[1], named["b"]) == (3, None)
