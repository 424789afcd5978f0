"""The script that runs an ONNX file."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper

from torch2keras.deployment.children.run_onnx import run_onnx_sets


def test_each_set_is_run_twice_by_name(tmp_path):
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None]) for n in "abz"]
    graph = helper.make_graph(
        [helper.make_node("Sub", ["b", "a"], ["z"])], "g", ports[:2], ports[2:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "net.onnx")
    request = {
        "file": str(tmp_path / "net.onnx"),
        "inputs": ["a", "b"],
        "outputs": ["z"],
        "sets": 2,
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    for number in (0, 1):
        arrays = {"0": np.ones(3 + number, np.float32), "1": np.full(3 + number, 5, np.float32)}
        np.savez(tmp_path / f"set_{number}.npz", **arrays)
    run_onnx_sets(tmp_path)
    for number in (0, 1):
        found = np.load(tmp_path / f"out_{number}.npz")
        assert sorted(found.files) == ["again_0", "run_0"]
        np.testing.assert_array_equal(found["run_0"], np.full(3 + number, 4))
