"""A module that is given its state does what it does with its own; what cannot be is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import streams
from streams import ROWS, SIGNAL, STREAMS, call_in_a_row, make
from torch2keras.capture.example_inputs import Example
from torch2keras.capture.ports.state_ports import open_state_ports, vary_inputs
from torch2keras.errors import CaptureError, InputError

INPUTS = 6


@pytest.mark.parametrize("cls", STREAMS)
def test_state_that_is_given_does_what_the_modules_own_does(cls):
    x, shapes = STREAMS[cls]
    module = make(cls)
    ports = open_state_ports(module, (x,), {})
    found = {name: tuple(first.shape) for name, first in ports.initial_state.items()}
    assert shapes.items() <= found.items()
    ported = ports.wrap_module()
    state = ports.initial_state
    inputs = [vary_inputs(Example((x,), {}), number)[0][0] for number in range(INPUTS)]
    given = []
    for one in inputs:
        y, state = ported(one, **state)
        given.append(y)
    for ours, theirs in zip(given, call_in_a_row(module, inputs), strict=True):
        assert torch.allclose(_find_tensor(ours), _find_tensor(theirs), atol=1e-6)


def _find_tensor(outputs):
    return outputs["y"] if isinstance(outputs, dict) else outputs


def test_what_a_module_holds_is_the_first_value():
    module = make(streams.Causal)
    module(SIGNAL)
    ports = open_state_ports(module, (SIGNAL,), {})
    assert torch.equal(ports.initial_state["state"], SIGNAL[..., -2:])
    held = open_state_ports(make(streams.BufferState), (SIGNAL[:1],), {}).initial_state["state"]
    assert held.unique().tolist() == [0.25]


def test_a_window_that_has_begun_is_filled_from_its_end():
    module = make(streams.Window)
    module(ROWS)
    first = open_state_ports(module, (ROWS,), {}).initial_state
    assert torch.equal(first["window_3"], ROWS)
    assert not first["window_2"].any()


@pytest.mark.parametrize("cls", [streams.Records, nn.ReLU])
def test_where_no_output_depends_on_an_earlier_call_nothing_is_needed(cls):
    module = make(cls)
    ports = open_state_ports(module, (ROWS,), {})
    assert all(port.attribute == "seen['last']" for port in ports.states)


@pytest.mark.parametrize(
    ("cls", "x", "headline"),
    [
        (streams.Difference, SIGNAL, "no first value is known for what forward keeps: previous"),
        (streams.MeanOfWindow, SIGNAL, r"no first value .*: window\[0\], window\[1\], window\[2\]"),
        (streams.History, ROWS, "cannot be given to it as tensors: history"),
    ],
)
def test_what_cannot_be_given_is_refused_by_name(cls, x, headline):
    with pytest.raises(CaptureError, match=headline):
        open_state_ports(make(cls), (x,), {})


@pytest.mark.parametrize("cls", [streams.Difference, streams.MeanOfWindow])
def test_the_next_step_without_a_first_value_works(cls):
    module = make(cls)
    with pytest.raises(CaptureError) as raised:
        open_state_ports(module, (SIGNAL,), {})
    step = dict(raised.value.rows)["next"]
    words = step.split()
    assert words[:3] == ["call", "the", "module"]
    for _ in range(1 if words[3] == "once" else int(words[3])):
        module(SIGNAL)
    assert open_state_ports(module, (SIGNAL,), {}).states


def test_a_module_that_does_not_run_is_an_input_error():
    with pytest.raises(InputError, match="itself fails on the example inputs"):
        open_state_ports(nn.Linear(5, 7), (ROWS,), {})
    with pytest.raises(InputError, match="the example inputs do not fit"):
        open_state_ports(nn.Linear(5, 7), (ROWS, ROWS), {})
