"""ONNX files, as ONNX Runtime runs them."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import torch2keras as t2k
from deployment_nets import NETS, convert_net, make_net, slow_case
from torch2keras.deployment import export_onnx

QUICK = ("conv1d", "cell", "swapped")


@pytest.mark.parametrize("name", [*QUICK, *(slow_case(n) for n in NETS if n not in QUICK)])
def test_an_onnx_file_gives_the_modules_numbers_by_name(name, tmp_path):
    converted = convert_net(name)
    path = tmp_path / "net.onnx"
    deployment = converted.export(path)
    module, args = make_net(name)
    args = args if isinstance(args, tuple) else (args,)
    args = [torch.cat([x, x[:1]]) for x in args]  # a batch of 3
    expected = torch.utils._pytree.tree_leaves(module(*args))
    session = onnxruntime.InferenceSession(str(path))
    assert [port.name for port in session.get_outputs()] == [p.name for p in converted.outputs]
    names = [port.name for port in session.get_inputs()]
    assert names == [port.name for port in converted.inputs]
    assert module.training == converted.conversion.module.training
    given = dict(zip(names, [x.numpy() for x in args], strict=True))
    for ours, theirs in zip(session.run(None, given), expected, strict=True):
        np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)
    assert {check.probe for check in deployment.checks} >= {"normal", "wide", "another size"}
    assert "from the module" in deployment.notes[-1]


def test_a_fixed_batch_is_a_number_and_the_file_says_what_it_is(tmp_path):
    path = tmp_path / "net.onnx"
    deployment = convert_net("conv1d").export(path, batch=1)
    (port,) = onnxruntime.InferenceSession(str(path)).get_inputs()
    assert port.shape == [1, 3, 21]
    (entry,) = [m for m in onnx.load(path).metadata_props if m.key == "torch2keras"]
    assert json.loads(entry.value)["layout"] == "torch"
    assert str(deployment.inputs[0]) == "input float32 (1, 3, 21) n c l"
    assert deployment.operators["Conv"] == 1


def test_the_weights_are_the_models(tmp_path):
    converted = convert_net("conv1d")
    module, x = make_net("conv1d")
    doubled = {name: 2 * tensor for name, tensor in module.state_dict().items()}
    converted.load_state_dict(doubled)
    path = tmp_path / "net.onnx"
    converted.export(path)
    (found,) = onnxruntime.InferenceSession(str(path)).run(None, {"input": x.numpy()})
    np.testing.assert_allclose(found, 2 * module(x).detach(), atol=1e-5)


def test_the_models_layout_is_refused(tmp_path):
    with pytest.raises(t2k.InputError, match="an ONNX file has PyTorch's order"):
        convert_net("conv1d").export(tmp_path / "net.onnx", layout="keras")


def test_what_the_exporter_refuses_is_told(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no such op")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(t2k.DeploymentError, match="makes no ONNX file") as caught:
        convert_net("conv1d").export(tmp_path / "net.onnx")
    assert dict(caught.value.rows)["error"] == "RuntimeError: no such op"
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_other_numbers_is_an_error(tmp_path, monkeypatch):
    class Wrong(export_onnx.FlatModule):
        def forward(self, *tensors):
            return (super().forward(*tensors)[0] * 1.001,)

    monkeypatch.setattr(export_onnx, "FlatModule", Wrong)
    with pytest.raises(t2k.VerificationError, match="the ONNX file does not give"):
        convert_net("conv1d").export(tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
