"""Files, as their users call them: by index, by name, again and again."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from deployment_nets import NETS, convert_net, make_net, run_by_index, slow_case
from torch2keras.deployment.flatbuffer import LiteRTFile, read_litert_file
from torch2keras.deployment_forms.trace import Trace


@pytest.fixture(scope="module")
def conv() -> t2k.Converted:
    return convert_net("conv1d")


SLOW = ("tcn", "gru", "picture")


@pytest.mark.parametrize("name", [slow_case(n) if n in SLOW else n for n in NETS])
def test_a_litert_file_gives_the_modules_numbers_by_index_in_forwards_order(name, tmp_path):
    converted = convert_net(name)
    path = tmp_path / "net.tflite"
    deployment = converted.export(path)
    module, args = make_net(name)
    args = args if isinstance(args, tuple) else (args,)
    first = [x[:1] for x in args]
    expected = module(*first)
    expected = torch.utils._pytree.tree_leaves(expected)
    stored = [p.from_torch(x) for p, x in zip(converted.inputs, first, strict=True)]
    for port, array, theirs in zip(
        converted.outputs, run_by_index(path, stored), expected, strict=True
    ):
        np.testing.assert_allclose(port.to_torch(array), theirs.detach(), atol=1e-5)
    assert deployment.notes == ()
    assert NETS[name].operators <= set(deployment.operators)
    assert not any(op.startswith("CUSTOM") for op in deployment.operators)
    assert {check.probe for check in deployment.checks} >= {"normal", "wide"}
    assert [port.name for port in deployment.inputs] == [port.name for port in converted.inputs]
    assert all(port.shape[:1] == (1,) for port in deployment.inputs)


def test_a_batch_of_any_size_is_run_at_several(conv, tmp_path):
    deployment = conv.export(tmp_path / "any.tflite", batch=None)
    assert deployment.inputs[0].shape == (None, 21, 3)
    batches = {check.shapes[0][0] for check in deployment.checks}
    assert len(batches) > 1
    deployment = conv.export(tmp_path / "four.tflite", batch=4)
    assert {check.shapes[0][0] for check in deployment.checks} == {4}


def test_a_file_in_pytorchs_order_takes_its_arrays_as_they_are(conv, tmp_path):
    path = tmp_path / "net.tflite"
    deployment = conv.export(path, layout="torch")
    module, x = make_net("conv1d")
    (found,) = run_by_index(path, [x[:1].numpy()])
    np.testing.assert_allclose(found, module(x[:1]).detach(), atol=1e-5)
    assert [str(port) for port in deployment.inputs] == ["input float32 (1, 3, 21) n c l"]


def test_a_file_says_what_it_is(conv, tmp_path):
    path = tmp_path / "net.tflite"
    conv.export(path)
    facts = read_litert_file(path).read_file_facts()
    assert facts["module"] == "torch.nn.modules.conv.Conv1d"
    assert facts["inputs"] == [
        {"name": "input", "dtype": "float32", "shape": [1, 21, 3], "order": "n l c"}
    ]


def swap_ports(self, inputs, outputs, own=LiteRTFile.order_ports):
    own(self, [*inputs[:-2], inputs[-1], inputs[-2]], outputs)


def test_a_file_with_other_numbers_is_an_error_and_the_old_one_stays(tmp_path, monkeypatch):
    path = tmp_path / "cell.tflite"
    path.write_bytes(b"old")
    monkeypatch.setattr(LiteRTFile, "order_ports", swap_ports)
    converted = convert_net("cell")
    with pytest.raises(t2k.VerificationError, match="in its own runtime") as caught:
        converted.export(path)
    assert ("run", "index") in caught.value.rows
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert converted.deployments == ()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_full_disk_and_ctrl_c_leave_the_old_file(conv, error, tmp_path, monkeypatch):
    path = tmp_path / "net.tflite"
    path.write_bytes(b"old")

    def fail(self, content):
        raise error

    monkeypatch.setattr(Path, "write_bytes", fail)
    expected = t2k.OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        conv.export(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_form_that_is_wrong_gives_way_to_the_models_ops_with_a_note(tmp_path, monkeypatch):
    own = Trace.run
    monkeypatch.setattr(Trace, "run", lambda self, x: [1.01 * y for y in own(self, x)])
    deployment = convert_net("conv1d").export(tmp_path / "net.tflite")
    assert deployment.notes[-1].startswith("The forms for LiteRT do not do for this model: the ")
    assert deployment.worst < 1


class Inner(nn.Module):
    def forward(self, x):
        return torch.linalg.svd(x)[1]


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x):
        return self.inner(x) + 1


def test_an_op_without_a_builtin_is_refused_with_its_line(tmp_path):
    converted = t2k.convert(Outer(), torch.randn(2, 3, 3), verify=False)
    with pytest.raises(t2k.DeploymentError, match="no builtin operator for Svd") as caught:
        converted.export(tmp_path / "net.tflite")
    rows = dict(caught.value.rows)
    assert rows["module"] == "inner (Inner)"
    assert "torch.linalg.svd(x)" in rows["source"]
    assert list(tmp_path.iterdir()) == []


def test_a_recurrence_over_any_batch_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(t2k.DeploymentError, match="no builtin operator for TensorList") as caught:
        convert_net("lstm").export(tmp_path / "net.tflite", batch=None)
    assert dict(caught.value.rows)["next"].startswith("fix all sizes: batch=1")


def test_a_file_that_its_runtime_refuses_is_an_error_with_its_line(tmp_path, monkeypatch):
    own = LiteRTFile.pack

    def break_conv(self):
        for op in self.main.operators:
            if len(op.inputs) == 3:
                self.main.tensors[op.outputs[0]].type = self.schema.TensorType.STRING
        return own(self)

    monkeypatch.setattr(LiteRTFile, "pack", break_conv)
    with pytest.raises(t2k.DeploymentError, match="LiteRT does not run the file") as caught:
        convert_net("conv1d").export(tmp_path / "net.tflite")
    assert list(tmp_path.iterdir()) == []
    rows = dict(caught.value.rows)
    assert rows["operator"] == "CONV_2D"
    assert rows["keras"] == "layers.Conv1D"
