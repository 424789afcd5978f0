"""SavedModels, as TensorFlow alone loads them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.export import Dim

import torch2keras as t2k
from deployment_nets import NETS, convert_net, make_net, slow_case
from torch2keras.deployment import export_saved_model

QUICK = ("cell", "swapped", "tokens")


@pytest.mark.parametrize("name", [*QUICK, *(slow_case(n) for n in NETS if n not in QUICK)])
def test_both_signatures_give_the_modules_numbers_by_name(name, tmp_path):
    converted = convert_net(name)
    deployment = converted.export(tmp_path / "net")
    module, args = make_net(name)
    args = args if isinstance(args, tuple) else (args,)
    args = [torch.cat([x, x[:1]]) for x in args]  # a batch of 3
    expected = torch.utils._pytree.tree_leaves(module(*args))
    loaded = tf.saved_model.load(str(tmp_path / "net"))
    for key in ("serve", "serve_torch_layout"):
        given = {}
        for port, x in zip(converted.inputs, args, strict=True):
            given[port.name] = port.from_torch(x) if key == "serve" else x.numpy()
        found = loaded.signatures[key](**{n: tf.constant(x) for n, x in given.items()})
        for port, theirs in zip(converted.outputs, expected, strict=True):
            ours = found[port.name].numpy()
            ours = port.to_torch(ours) if key == "serve" else ours
            np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)
    assert deployment.signatures == ("serve", "serve_torch_layout")
    assert {check.probe for check in deployment.checks} >= {"normal", "wide", "another size"}
    assert all(port.shape[:1] == (None,) for port in deployment.inputs)


def test_lengths_that_were_asked_for_are_dynamic_too(tmp_path):
    module, x = make_net("conv1d")
    shapes = {"input": {0: Dim("batch"), 2: Dim("length", min=8)}}
    converted = t2k.convert(module, x, dynamic_shapes=shapes, verify=False)
    converted.export(tmp_path / "net")
    serve = tf.saved_model.load(str(tmp_path / "net")).signatures["serve_torch_layout"]
    longer = torch.randn(4, 3, 50)
    found = serve(input=tf.constant(longer.numpy()))["output"]
    np.testing.assert_allclose(found, module(longer).detach(), atol=1e-5)


ALONE = """
import sys
import numpy as np
import tensorflow as tf
folder, result = sys.argv[1:]
serve = tf.saved_model.load(folder).signatures["serve_torch_layout"]
np.save(result, serve(input=tf.ones((2, 3, 21)))["output"].numpy())
print(sorted(set(sys.modules) & {"torch", "torch2keras"}))
"""


@pytest.mark.slow
def test_tensorflow_needs_neither_us_nor_pytorch(tmp_path):
    convert_net("conv1d").export(tmp_path / "net")
    command = [sys.executable, "-P", "-c", ALONE, str(tmp_path / "net"), str(tmp_path / "y.npy")]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
    module, _ = make_net("conv1d")
    expected = module(torch.ones(2, 3, 21)).detach()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-5)


def test_a_folder_is_replaced_by_a_whole_one_alone(tmp_path, monkeypatch):
    converted = convert_net("conv1d")
    folder = tmp_path / "net"
    converted.export(folder)
    before = sorted(folder.rglob("*"))
    converted.export(folder, batch=2)
    assert sorted(folder.rglob("*")) == before

    monkeypatch.setattr(export_saved_model, "FORBIDDEN", ("Conv2D",))
    with pytest.raises(t2k.DeploymentError, match="would hold Conv2D"):
        converted.export(folder)
    assert sorted(folder.rglob("*")) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_other_numbers_are_an_error_and_nothing_is_left(tmp_path, monkeypatch):
    converted = convert_net("conv1d")
    monkeypatch.setattr(type(converted.inputs[0]), "inverse", (0, 1, 2))
    with pytest.raises(t2k.VerificationError, match="the SavedModel file does not give") as caught:
        converted.export(tmp_path / "net")
    assert dict(caught.value.rows)["run"].startswith("serve")
    assert list(tmp_path.iterdir()) == []
