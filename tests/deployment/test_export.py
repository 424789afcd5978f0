"""What every export has in common."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

import torch2keras as t2k
from deployment_nets import convert_net, make_net, run_by_index
from torch2keras.deployment.export import WRITERS
from torch2keras.deployment.formats import Format

resource = pytest.importorskip("resource", reason="no limits of files on Windows")


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


@pytest.mark.parametrize("name", ["net.tflite", "net.onnx", "net"])
def test_where_no_file_may_grow_the_old_one_stays(name, tmp_path):
    path = tmp_path / name
    converted = convert_net("conv1d")
    converted.export(path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(t2k.OutputError) as caught:
            converted.export(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "free space" in dict(caught.value.rows)["next"]
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", ["net.tflite", "net.onnx", "net"])
def test_ctrl_c_at_any_moment_leaves_a_whole_file_and_no_other(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # it may come within a destructor
    own = signal.signal(signal.SIGINT, signal.default_int_handler)
    path = tmp_path / name
    converted = convert_net("conv1d")
    begun = time.perf_counter()
    converted.export(path)
    seconds = time.perf_counter() - begun
    try:
        for part in (0.1, 0.4, 0.7):
            timer = threading.Timer(part * seconds, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            with contextlib.suppress(KeyboardInterrupt):
                converted.export(path)
                timer.join()
            assert list(tmp_path.iterdir()) == [path]
    finally:
        signal.signal(signal.SIGINT, own)


def test_the_report_has_what_was_exported(tmp_path):
    converted = convert_net("conv1d")
    assert converted.deployments == ()
    deployment = converted.export(tmp_path / "net.tflite")
    assert converted.deployments == (deployment,)
    assert str(deployment) in str(converted.report)
    document = json.loads(converted.report.to_json())
    assert document["deployments"][0]["format"] == "LiteRT"
