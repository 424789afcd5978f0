"""State and noise as ports: modules as users have them, threaded, saved; and what is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import noisy
import streams
import torch2keras as t2k
from streams import FRAMES, ONE_SIGNAL, ROWS, SIGNAL, STREAMS, call_in_a_row, make
from torch2keras.capture.example_inputs import Example
from torch2keras.capture.ports.state_ports import vary_inputs
from torch2keras.conversion.open_ports import NO_DRAWS, NO_STATE

CALLS = 7


def vary(x):
    return [vary_inputs(Example((x,), {}), number)[0][0] for number in range(CALLS)]


def find_tensor(outputs):
    return np.asarray(outputs["y"] if isinstance(outputs, dict) else outputs)


@pytest.mark.parametrize("cls", STREAMS)
def test_a_stream_in_keras_is_the_module_called_in_a_row(cls):
    x, _ = STREAMS[cls]
    module = make(cls)
    converted = t2k.convert(module, x, state="ports")
    names = [state.input for state in converted.report.states]
    assert list(converted.initial_state) == names
    assert [port.name for port in converted.outputs[-len(names) :]] == [f"new_{n}" for n in names]
    state = converted.initial_state
    inputs = vary(x)
    expected = call_in_a_row(module, inputs)
    for one, theirs in zip(inputs, expected, strict=True):
        ours, state = converted(one, **state)
        np.testing.assert_allclose(find_tensor(ours), find_tensor(theirs), atol=2e-5)
    assert any(
        probe == f"call {number} in a row" for number in (4,) for probe, _ in _probes(converted)
    )


def _probes(converted):
    return converted.report.verified.probes


def test_the_loop_of_the_docs_runs_on_the_saved_model(tmp_path):
    module = make(streams.CausalStack)
    converted = t2k.convert(module, SIGNAL, state="ports")
    converted.save(tmp_path / "stream.keras")
    model = keras.saving.load_model(tmp_path / "stream.keras")
    to_tensor = keras.ops.convert_to_tensor
    state = [to_tensor(state.initial) for state in converted.report.states]
    x_port, y_port = converted.inputs[0], converted.outputs[0]
    blocks = vary(SIGNAL)
    for block, theirs in zip(blocks, call_in_a_row(module, blocks), strict=True):
        y, *state = model([to_tensor(x_port.from_torch(block)), *state])
        np.testing.assert_allclose(y_port.to_torch(y), find_tensor(theirs), atol=2e-5)


def test_the_report_names_each_state_and_its_first_value():
    report = t2k.convert(make(streams.BufferState), ONE_SIGNAL, state="ports").report
    (state,) = report.states
    assert (state.input, state.output, state.attribute) == ("state", "new_state", "state")
    assert state.initial.shape == (1, 2, 3), "in the order of the Keras model"
    assert np.unique(state.initial).tolist() == [0.25]
    line = "states state <- new_state, at first float32 (1, 2, 3); the module's state"
    assert line in " ".join(str(report).split())
    assert report.as_dict()["states"][0]["initial"] == np.full((1, 2, 3), 0.25).tolist()
    assert '"initial": [' in report.to_json()


def test_the_batch_and_the_length_stay_dynamic():
    auto = torch.export.Dim.AUTO
    converted = t2k.convert(
        make(streams.Causal), SIGNAL, dynamic_shapes=({0: auto, 2: auto},), state="ports"
    )
    assert converted.inputs[0].torch_shape == (None, 3, None)
    assert converted.inputs[1].torch_shape == (None, 3, 2)
    recurrent = t2k.convert(make(streams.Recurrent), FRAMES, state="ports")
    assert [port.torch_shape for port in recurrent.inputs[1:]] == [(1, None, 5)] * 2


def test_the_module_comes_back_as_it_was_and_names_have_no_prefix():
    module = make(streams.CausalStack)
    converted = t2k.convert(module, SIGNAL, state="ports")
    assert module.net[0].state is None
    assert module.net[2].state is None
    assert set(converted.state_dict()) == set(module.state_dict())
    assert converted.model.name == "CausalStack"
    assert {row.path for row in converted.report.rows} == {
        *("net.0", "net.0.conv", "net.1", "net.2", "net.2.conv", "head"),
    }


def test_weights_come_and_go():
    module, other = make(streams.BufferState), streams.BufferState().eval()
    converted = t2k.convert(module, ONE_SIGNAL, state="ports")
    converted.load_state_dict(other.state_dict())
    ours, _ = converted(ONE_SIGNAL, **converted.initial_state)
    np.testing.assert_allclose(ours, other(ONE_SIGNAL).detach().numpy(), atol=1e-5)
    assert torch.equal(converted.state_dict()["conv.weight"], other.conv.weight)


@pytest.mark.parametrize("cls", [streams.Records, nn.ReLU])
def test_nothing_to_do_is_said(cls):
    converted = t2k.convert(make(cls), ROWS, state="ports")
    assert converted.report.states == ()
    assert converted.initial_state == {}
    assert NO_STATE in converted.report.notes


REFUSED_WITHOUT = (streams.Causal, streams.BufferState, streams.Window, streams.Positions)


@pytest.mark.parametrize("cls", REFUSED_WITHOUT)
def test_the_next_step_of_the_refusal_converts(cls):
    x, _ = STREAMS[cls]
    with pytest.raises(t2k.Torch2KerasError) as raised:
        t2k.convert(make(cls), x)
    assert 'convert(..., state="ports")' in dict(raised.value.rows)["next"]
    assert t2k.convert(make(cls), x, state="ports").report.verified


@pytest.mark.parametrize(
    ("cls", "name", "cured"),
    [
        (streams.EveryOther, "step", streams.EveryOtherByTensor),
        (streams.Level, "level", streams.LevelByTensor),
    ],
)
def test_a_number_that_cannot_be_a_tensor_is_refused_by_name(cls, name, cured):
    with pytest.raises(
        t2k.CaptureError, match=f"cannot be given to it as tensors: {name}\n"
    ) as raised:
        t2k.convert(make(cls), ROWS, state="ports")
    assert "without .item(), and choose by torch.where" in dict(raised.value.rows)["next"]
    assert t2k.convert(make(cured), ROWS, state="ports").report.verified


def test_a_cache_that_is_cut_is_refused_by_name():
    with pytest.raises(t2k.CaptureError, match="past"):
        t2k.convert(make(streams.Longest), SIGNAL[:, :, :3], state="ports")


def test_what_is_written_to_an_array_is_still_refused():
    with pytest.raises(t2k.VerificationError, match="other numbers when it is called again"):
        t2k.convert(make(streams.WrittenArray), ROWS, state="ports")


def test_an_inspection_shows_the_ports():
    inspection = t2k.inspect(make(streams.Causal), SIGNAL, state="ports")
    assert [port.name for port in inspection.inputs] == ["x", "state"]
    assert [port.name for port in inspection.outputs] == ["output", "new_state"]


def test_layouts_and_tracing_know_the_ports():
    converted = t2k.convert(
        make(streams.Causal), SIGNAL, state="ports", capture="trace", layout={"new_state": "n c l"}
    )
    assert converted.outputs[1].order == "n c l"
    assert converted.report.verified


@pytest.mark.parametrize("cls", noisy.NOISY)
def test_noise_that_is_given_does_in_keras_what_it_does_in_pytorch(cls):
    x, drawn = noisy.NOISY[cls]
    converted = t2k.convert(noisy.make(cls), x, random="ports")
    report = converted.report
    assert [(draw.op, draw.distribution) for draw in report.draws] == drawn
    assert [port.name for port in converted.inputs[1:]] == [draw.input for draw in report.draws]
    assert report.verified
    line = f"random {report.draws[0].input}: {drawn[0][1]}, for {drawn[0][0]} at noisy.py:"
    assert line in " ".join(str(report).split())


BATCHES = (
    noisy.Autoencoder,
    noisy.Generator,
    noisy.InImages,
    noisy.ActiveDropout,
    noisy.Categories,
)


@pytest.mark.parametrize("cls", BATCHES)
def test_the_batch_of_the_noise_is_that_of_the_inputs(cls):
    converted = t2k.convert(noisy.make(cls), noisy.NOISY[cls][0], random="ports")
    assert all(port.torch_shape[0] is None for port in converted.inputs)
    x = torch.zeros(5, *noisy.NOISY[cls][0].shape[1:])
    noise = [torch.zeros(4, *port.torch_shape[1:]) for port in converted.inputs[1:]]
    with pytest.raises(t2k.InputError, match="does not fit it"):
        converted(x, *noise)


def test_state_and_noise_go_together():
    x = noisy.ROWS[:1]
    module = noisy.make(noisy.RandomWalk)
    converted = t2k.convert(module, x, state="ports", random="ports")
    assert [port.name for port in converted.inputs] == ["x", "noise", "level"]
    state, level = converted.initial_state, torch.zeros(1, 6)
    for number in range(3):
        noise = torch.full((1, 6), float(number))
        ours, state = converted(x, **state, noise=noise)
        level = 0.9 * level + noise + x
        np.testing.assert_allclose(ours, (level * 2).numpy(), rtol=1e-5)


def test_no_noise_is_said():
    converted = t2k.convert(nn.ReLU(), ROWS, random="ports")
    assert NO_DRAWS in converted.report.notes
    assert converted.report.draws == ()


REFUSED_NOISE = (noisy.Autoencoder, noisy.ActiveDropout, noisy.Chosen, noisy.Shuffled)


@pytest.mark.parametrize("cls", REFUSED_NOISE)
def test_the_next_step_for_random_numbers_converts(cls):
    x, _ = noisy.NOISY[cls]
    with pytest.raises(t2k.Torch2KerasError) as raised:
        t2k.convert(noisy.make(cls), x)
    assert 'convert(..., random="ports")' in str(raised.value)
    assert t2k.convert(noisy.make(cls), x, random="ports").report.verified


def test_a_number_of_draws_that_depends_on_numbers_is_refused():
    with pytest.raises(t2k.CaptureError, match="does something else where its random numbers"):
        t2k.convert(noisy.make(noisy.UntilLarge), ROWS, random="ports")


def test_a_conversion_leaves_the_generator_alone():
    torch.manual_seed(7)
    expected = torch.randn(3)
    torch.manual_seed(7)
    t2k.convert(noisy.Masks().eval(), noisy.ROWS, random="ports")
    assert torch.equal(torch.randn(3), expected)
