"""What every export has in common."""

from __future__ import annotations

import json

import numpy as np
import pytest

import torch2keras as t2k
from deployment_nets import convert_net, make_net, run_by_index
from torch2keras.deployment.export import WRITERS
from torch2keras.deployment.formats import Format


def test_each_format_has_a_writer():
    assert set(WRITERS) == set(Format)


@pytest.mark.parametrize("options", [{"batch": 0}, {"layout": "n c l"}])
def test_what_cannot_be_asked_for_is_refused(options, tmp_path):
    with pytest.raises(t2k.InputError):
        convert_net("conv1d").export(tmp_path / "net.tflite", **options)


def test_the_weights_are_those_that_the_model_has_now(tmp_path):
    converted = convert_net("conv1d")
    module, x = make_net("conv1d")
    state = {name: 2 * tensor for name, tensor in module.state_dict().items()}
    converted.load_state_dict(state)
    path = tmp_path / "net.tflite"
    converted.export(path, layout="torch")
    (found,) = run_by_index(path, [x[:1].numpy()])
    np.testing.assert_allclose(found, 2 * module(x[:1]).detach(), atol=1e-5)


def test_the_report_has_what_was_exported(tmp_path):
    converted = convert_net("conv1d")
    assert converted.deployments == ()
    deployment = converted.export(tmp_path / "net.tflite")
    assert converted.deployments == (deployment,)
    assert str(deployment) in str(converted.report)
    document = json.loads(converted.report.to_json())
    assert document["deployments"][0]["format"] == "LiteRT"
