"""A model in the forms for LiteRT, in name scopes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import torch2keras
from deployment_nets import convert_net, trace
from torch2keras.deployment.forms_model import FormsModel, make_forms_model


def test_it_gives_the_models_numbers_and_its_ops_are_called_as_the_modules():
    converted = convert_net("tcn")
    model = make_forms_model(trace(converted))
    specs = model.input_specs([(1, 30, 4)])
    serve = tf.function(model.make_function("keras"))
    names = [op.name for op in serve.get_concrete_function(specs).graph.get_operations()]
    scopes = {name.split("/")[0] for name in names if "/" in name}
    assert scopes <= set(model.scopes)
    assert any(scope.startswith("0.conv") for scope in scopes)
    x = np.random.default_rng(0).standard_normal((1, 4, 30)).astype("float32")
    (port,), (out,) = converted.inputs, converted.outputs
    found = serve({port.name: port.from_torch(x)})[out.name]
    np.testing.assert_allclose(out.to_torch(found), converted(x), atol=1e-5)


@pytest.mark.parametrize("name", ["tcn", "picture", "attention"])
def test_an_export_runs_the_calls_once(name, tmp_path, monkeypatch):
    own, ran = FormsModel.run, []

    def run(self, inputs):
        ran.append(len(inputs))
        return own(self, inputs)

    monkeypatch.setattr(FormsModel, "run", run)
    convert_net(name).export(tmp_path / "net.tflite")
    assert ran == [1]


class LongRecurrent(nn.Module):
    """An LSTM over more steps than are written out."""

    def __init__(self):
        super().__init__()
        self.layer = nn.LSTM(4, 5, batch_first=True, bidirectional=True)

    def forward(self, x):
        return self.layer(x)[0]


def test_a_long_lstm_is_exported_as_the_fused_operator(tmp_path):
    converted = torch2keras.convert(LongRecurrent(), (torch.randn(2, 80, 4),), verify=False)
    deployment = converted.export(tmp_path / "net.tflite", batch=1)
    assert deployment.operators["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 2
    assert "WHILE" not in deployment.operators
    assert not deployment.notes
