"""The script that compares the tensors of two files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from torch2keras.deployment.children.compare_tensors import compare_files, decibels


def write_file(path, factor: float, *, before: float = 1.0) -> str:
    """Write a file of two operators, the second of which has another factor.

    With a factor `before` them there is one operator more in front of each.
    """

    @tf.function(input_signature=[tf.TensorSpec([1, 4], name="x")])
    def serve(x):
        with tf.name_scope("first"):
            y = tf.sin(x if before == 1.0 else x * before)
        if before != 1.0:
            y = tf.abs(y)
        with tf.name_scope("second"):
            return y * factor

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], serve
    )
    path.write_bytes(converter.convert())
    return str(path)


def test_an_operator_that_adds_an_error_is_told(tmp_path):
    request = {
        "float": write_file(tmp_path / "a.tflite", 2.0),
        "quantized": write_file(tmp_path / "b.tflite", 2.02),
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    np.savez(tmp_path / "set_0.npz", **{"0": np.arange(4, dtype=np.float32)[None]})
    compare_files(tmp_path)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row[2] for row in rows] == pytest.approx([0.0, 160.0], abs=0.1)
    assert rows[1][1] == pytest.approx(40.0, abs=0.1)


def test_an_error_is_told_once_behind_a_tensor_that_the_float_file_has_not(tmp_path):
    request = {
        "float": write_file(tmp_path / "a.tflite", 2.0),
        "quantized": write_file(tmp_path / "b.tflite", 2.0, before=1.01),
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    np.savez(tmp_path / "set_0.npz", **{"0": np.arange(4, dtype=np.float32)[None]})
    compare_files(tmp_path)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert len(rows) == 2
    assert rows[0][2] > 150
    assert rows[1][2] == pytest.approx(0.0, abs=0.1)


def test_equal_numbers_have_the_most_decibels():
    x = np.ones(3)
    assert decibels(x, x) == 200.0
    assert decibels(1.1 * x, x) == pytest.approx(20.0)
