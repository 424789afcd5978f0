"""The example of a capture: bound to forward's parameters, copied, doubled, run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from exported import Calls
from torch2keras.capture.example_inputs import (
    Example,
    bind_example,
    double_batch,
    name_leaves,
)
from torch2keras.errors import InputError

X, Y = torch.arange(6.0).reshape(2, 3), torch.ones(1, 5)


class Takes(nn.Module):
    def forward(self, x, *rest, scale: float = 2.0, **more):
        return x * scale


def test_arguments_are_bound_by_name():
    call = bind_example(Takes(), (X, Y, 3), {"scale": 5, "mask": Y})
    assert list(call.bound) == ["x", "rest", "scale", "more"]
    assert [name for name, _ in call.leaves()] == [
        "x",
        "rest[0]",
        "rest[1]",
        "scale",
        "more['mask']",
    ]


def test_a_call_that_does_not_fit_is_refused_with_the_signature():
    with pytest.raises(InputError) as raised:
        bind_example(nn.Linear(3, 5), (X, X), {"mask": X})
    rows = dict(raised.value.rows)
    assert rows["forward"] == "Linear.forward(input)"
    assert rows["given"] == "2 by position, mask"
    with pytest.raises(InputError, match="no example inputs"):
        bind_example(nn.Linear(3, 5), (), {})


def test_leaves_are_named_by_their_path():
    leaves = name_leaves({"x": X, "states": (Y, [X]), "n": {"a": 3}})
    assert [name for name, _ in leaves] == ["x", "states[0]", "states[1][0]", "n['a']"]


def test_copies_share_nothing():
    example = Example((X, [X]), {"y": Y, "n": 3})
    args, kwargs = example.copy_arguments()
    assert torch.equal(args[0], X)
    assert kwargs["n"] == 3
    addresses = {tensor.data_ptr() for tensor in (X, Y, args[0], args[1][0], kwargs["y"])}
    assert len(addresses) == 5


def test_only_the_named_tensors_are_doubled():
    example = double_batch(Example((X, 7, {"y": Y}), {"z": X}, {"x": None}), {1: 1})
    x, number, nest = example.args
    assert torch.equal(nest["y"], torch.cat([Y, Y], 1))
    assert (x is X, number, example.kwargs["z"] is X) == (True, 7, True)
    assert (example.doubled, example.shapes) == ({1: 1}, {"x": None})


def test_a_run_leaves_state_and_inputs_alone():
    class Counting(nn.BatchNorm1d):
        def forward(self, x):
            self.running_mean += 1
            self.weight.data.mul_(3)
            return x.mul_(2)

    module = Counting(3)
    assert torch.equal(bind_example(module, (X,), {}).run(), X * 2)
    assert torch.equal(X, torch.arange(6.0).reshape(2, 3))
    assert (module.running_mean.tolist(), module.weight.tolist()) == ([0] * 3, [1] * 3)


def test_a_module_that_fails_is_refused():
    call = bind_example(Calls(lambda x: x.reshape(5)), (X,), {})
    with pytest.raises(InputError, match="itself fails"):
        call.run()
