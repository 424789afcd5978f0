"""The script that quantises."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from torch2keras.deployment.children.quantize import (
    quantize_by_ai_edge,
    quantize_by_tensorflow,
    read_sets,
)
from torch2keras.deployment.flatbuffer import LiteRTFile


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A SavedModel, its float file, and two sets of calibration."""

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(tf.random.stateless_normal([16, 8], (1, 2)))

        @tf.function(input_signature=[{"x": tf.TensorSpec([1, 16], name="x")}])
        def serve(self, inputs):
            with tf.name_scope("first"):
                y = tf.matmul(inputs["x"], self.weight)
            with tf.name_scope("second"):
                return {"y": tf.matmul(tf.nn.relu(y), self.weight, transpose_b=True)}

    model, place = Model(), tmp_path_factory.mktemp("quantized")
    tf.saved_model.save(model, str(place / "saved"), signatures={"serve": model.serve})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(place / "saved"))
    (place / "float.tflite").write_bytes(converter.convert())
    rng = np.random.default_rng(0)
    for number in (0, 1):
        x = rng.standard_normal((1, 16)).astype("float32")
        np.savez(place / f"set_{number}.npz", **{"0": x})
    return place


def make_request(folder, mode, keep=()):
    return {
        "mode": mode,
        "saved_model": str(folder / "saved"),
        "float": str(folder / "float.tflite"),
        "signature": "serve",
        "inputs": ["x"],
        "sets": 2,
        "keep": list(keep),
        "integer_ports": False,
    }


def list_types(content: bytes) -> list[int]:
    """Return the types of what the fully connected layers give."""
    file = LiteRTFile(content)
    ops = [op for op in file.main.operators if len(op.inputs) == 3]
    return [file.main.tensors[op.outputs[0]].type for op in ops]


def test_sets_come_by_name(folder):
    sets = list(read_sets(folder, make_request(folder, "int8")))
    assert [list(one) for one in sets] == [["x"], ["x"]]


def test_int8_has_integers_between_float_ports(folder):
    for quantize in (quantize_by_tensorflow, quantize_by_ai_edge):
        content = quantize(folder, make_request(folder, "int8"))
        file = LiteRTFile(content)
        ports = [*file.main.inputs, *file.main.outputs]
        assert [file.main.tensors[index].type for index in ports] == [0, 0]
        assert list_types(content) == [file.schema.TensorType.INT8] * 2


def test_a_scope_that_is_kept_stays_float(folder):
    content = quantize_by_ai_edge(folder, make_request(folder, "int8", keep=["first"]))
    kinds = LiteRTFile(content).schema.TensorType
    assert list_types(content) == [kinds.FLOAT32, kinds.INT8]


@pytest.mark.parametrize("mode", ["float16", "dynamic"])
def test_other_modes_keep_the_values_float(folder, mode):
    content = quantize_by_tensorflow(folder, make_request(folder, mode))
    assert list_types(content) == [0, 0]
