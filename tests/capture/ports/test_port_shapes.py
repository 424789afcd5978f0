"""Dynamic sizes of states, which of them are needed, and growth that torch.export has fixed."""

from __future__ import annotations

import pytest
from torch.export import Dim

import streams
from streams import FRAMES, ROWS, SIGNAL, TOKEN, make
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.export import capture
from torch2keras.capture.ports.port_shapes import (
    add_port_shapes,
    find_needed_states,
    require_growth,
)
from torch2keras.capture.ports.state_ports import open_state_ports
from torch2keras.errors import CaptureError, InputError

AUTO = Dim.AUTO


def open_call(cls, x):
    module = make(cls)
    ports = open_state_ports(module, (x,), {})
    states = {port.name: port.example for port in ports.states}
    return (
        ports,
        bind_example(module, (x,), {}),
        bind_example(ports.wrap_module(), (x,), states),
    )


SHAPES = [
    (streams.Causal, SIGNAL, None, None),
    (
        streams.Causal,
        SIGNAL,
        ({0: AUTO, 2: AUTO},),
        {"x": {0: AUTO, 2: AUTO}, "state": {0: AUTO}},
    ),
    (
        streams.Causal,
        SIGNAL,
        {"x": {2: AUTO}, "state": {1: AUTO}},
        {"x": {2: AUTO}, "state": {1: AUTO}},
    ),
    (
        streams.GrowingCache,
        TOKEN,
        None,
        {"x": {0: AUTO}, "cache_keys": {0: AUTO, 1: AUTO}},
    ),
    (
        streams.Recurrent,
        FRAMES,
        ({0: AUTO},),
        {"x": {0: AUTO}, "hidden_0": {1: AUTO}, "hidden_1": {1: AUTO}},
    ),
    (streams.Recurrent, FRAMES, None, None),
    (streams.EveryOtherByTensor, ROWS, ({0: AUTO},), {"x": {0: AUTO}, "step": None}),
]


@pytest.mark.parametrize(("cls", "x", "asked", "shapes"), SHAPES)
def test_states_follow_the_batch_and_grow(cls, x, asked, shapes):
    ports, *calls = open_call(cls, x)
    assert add_port_shapes(asked, *calls, ports) == shapes


def test_shapes_that_do_not_fit_are_refused():
    ports, *calls = open_call(streams.Causal, SIGNAL)
    with pytest.raises(InputError, match="does not fit the example inputs"):
        add_port_shapes({"y": {0: AUTO}, "state": {0: AUTO}}, *calls, ports)


def capture_ported(ports, x, shapes=None):
    examples = {port.name: port.example for port in ports.states}
    return capture(ports.wrap_module(), (x,), examples, dynamic_shapes=shapes)


@pytest.mark.parametrize(
    ("cls", "x", "needed"),
    [
        (streams.Records, ROWS, []),
        (streams.Window, ROWS, ["window_1", "window_2", "window_3"]),
        (streams.Cells, ROWS, ["hidden_0", "hidden_1"]),
    ],
)
def test_what_no_output_depends_on_is_not_needed(cls, x, needed):
    ports, _, _ = open_call(cls, x)
    assert find_needed_states(capture_ported(ports, x), ports) == needed


def test_growth_that_is_fixed_is_refused_by_name():
    ports, *calls = open_call(streams.GrowingCache, TOKEN)
    shapes = add_port_shapes(None, *calls, ports)
    require_growth(capture_ported(ports, TOKEN, shapes), ports)
    with pytest.raises(CaptureError, match=r"its size is fixed: cache\.keys"):
        require_growth(capture_ported(ports, TOKEN), ports)
