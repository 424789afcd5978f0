"""A model whose state goes from call to call is held to the module called in a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import streams
import torch2keras as t2k
from streams import FRAMES, SIGNAL, make
from torch2keras.capture.ports import state_ports
from torch2keras.capture.ports.slots import ModulePorts, StateSlot
from torch2keras.errors import VerificationError
from torch2keras.verification.state_steps import STEPS, name_call, run_row, split_calls


@pytest.fixture(scope="module")
def conversion():
    return t2k.convert(make(streams.Causal), SIGNAL, state="ports", verify=False).conversion


def test_the_module_is_called_in_a_row_with_other_inputs_each_time(conversion):
    row = run_row(conversion)
    module = make(streams.Causal)
    assert len(row.given) == len(row.outputs) == STEPS
    for (tensors, outputs), before in zip(split_calls(row), [None, *row.given], strict=False):
        np.testing.assert_array_equal(outputs[0], module(*tensors).detach().numpy())
        assert before is None or not torch.equal(before[0], tensors[0])


def test_a_call_has_its_state_behind_its_inputs():
    given = name_call(2, (SIGNAL,), [np.zeros((2, 3, 2), "float32")], [])
    assert given.probe == "call 3 in a row"
    assert [tuple(tensor.shape) for tensor in given.tensors] == [(2, 3, 11), (2, 3, 2)]


def test_a_module_that_takes_its_example_alone_is_called_on_that():
    class Picky(streams.Causal):
        def forward(self, x):
            if (x > 2.0).any():
                raise ValueError("too loud")
            return super().forward(x)

    module = Picky().eval()
    converted = t2k.convert(module, SIGNAL, state="ports")
    row = run_row(converted.conversion)
    assert all(torch.equal(tensors[0], SIGNAL) for tensors in row.given)


def change_first_value(monkeypatch):
    """Let the first value be another than the one that was proved."""
    first = ModulePorts.states.fget

    def change(ports):
        return tuple(replace(port, initial=port.initial + 1) for port in first(ports))

    monkeypatch.setattr(ModulePorts, "states", property(change))
    monkeypatch.setattr(state_ports._Row, "equals", lambda *_: True)


def give_old_state(monkeypatch):
    """Let the next state be the one that was given."""
    fill, given_to = StateSlot.fill, {}

    def note(slot, given):
        given_to[id(slot)] = given
        fill(slot, given)

    def collect(slot):
        return {port.name: given_to[id(slot)][port.name] * 1 for port in slot.ports.values()}

    monkeypatch.setattr(StateSlot, "fill", note)
    monkeypatch.setattr(StateSlot, "collect", collect)
    monkeypatch.setattr(state_ports._Row, "equals", lambda *_: True)


BUGS = [change_first_value, give_old_state]


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize(("cls", "x"), [(streams.Causal, SIGNAL), (streams.Recurrent, FRAMES)])
def test_a_state_that_goes_wrong_is_found(monkeypatch, bug, cls, x):
    bug(monkeypatch)
    with pytest.raises(VerificationError) as raised:
        t2k.convert(make(cls), x, state="ports")
    assert "in a row" in dict(raised.value.rows)["probe"]
