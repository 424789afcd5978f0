"""Exported programs as their owners hold them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from torch2keras.capture.exported_programs import open_program


class Net(nn.Module):
    """Containers as inputs, an argument by name, and a length that is dynamic."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 7, 5)
        self.norm = nn.BatchNorm1d(7)

    def forward(self, pair, *, shift):
        x, y = pair
        return self.norm(self.conv(x)) + shift, y * 2


def export(shapes=None, net=None):
    pair = [torch.randn(2, 3, 23), torch.randn(2, 11)]
    module = (net or Net()).eval()
    return torch.export.export(module, (pair,), {"shift": torch.randn(7, 1)}, dynamic_shapes=shapes)


SHAPES = {"pair": [{0: Dim.AUTO, 2: Dim.AUTO}, {0: Dim.AUTO}], "shift": None}


def test_the_call_of_a_program():
    call = open_program(export(SHAPES))
    assert call.name == "Net"
    assert call.dynamic_shapes == SHAPES
    assert [x.shape for x in call.args[0]] == [(2, 3, 23), (2, 11)]
    assert list(call.kwargs) == ["shift"]
    assert not any(part.training for part in call.module.modules())


def test_fixed_sizes_are_left_to_the_capture():
    assert open_program(export()).dynamic_shapes is None


def test_a_program_is_converted_as_its_module():
    net = Net()
    converted = t2k.convert(export(SHAPES, net))
    assert converted.model.name == "Net"
    assert [tuple(port.shape) for port in converted.model.inputs] == [
        (None, None, 3),
        (None, 11),
        (1, 7),
    ]
    layers = {layer.name for layer in converted.model.layers}
    assert {"conv", "norm"} <= layers
    state = net.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in converted.state_dict().items())


def test_other_inputs_and_options_go_before_the_programs():
    pair = [torch.randn(5, 3, 23), torch.randn(5, 11)]
    program = export(SHAPES)
    converted = t2k.convert(program, (pair,), {"shift": torch.randn(7, 1)}, name="other")
    assert converted.model.name == "other"
    assert "Conv1D" in str(t2k.inspect(program))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 5, 2, batch_first=True, bidirectional=True)
        self.gru, self.rnn = nn.GRU(10, 4), nn.RNN(4, 3)

    def forward(self, x):
        y, (h, _) = self.lstm(x)
        return self.rnn(self.gru(y)[0])[0], h


def test_recurrent_layers_of_a_program_are_layers_of_keras():
    program = torch.export.export(Recurrent().eval(), (torch.randn(2, 7, 3),))
    converted = t2k.convert(program)
    assert converted.report.verified
    kinds = [type(layer).__name__ for layer in converted.model.layers]
    assert kinds == ["InputLayer", "Bidirectional", "Bidirectional", "GRU", "SimpleRNN"]


def test_an_lstm_with_projections_is_refused_as_one():
    program = torch.export.export(nn.LSTM(3, 5, proj_size=2).eval(), (torch.randn(7, 2, 3),))
    with pytest.raises(t2k.UnsupportedOpError, match="projections"):
        t2k.convert(program)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(5), nn.Dropout(0.3)])
def test_a_program_of_train_mode_is_to_be_exported_in_eval_mode(layer):
    net = nn.Sequential(nn.Conv1d(3, 5, 3), layer).train()
    program = torch.export.export(net, (torch.randn(2, 3, 11),))
    with pytest.raises(t2k.Torch2KerasError, match="in eval mode"):
        t2k.convert(program)
