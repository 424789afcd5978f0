"""The script that runs a `.tflite` file: twice in a row by index, and by signature."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from torch2keras.deployment.children.run_litert import IndexRunner, SignatureRunner, run_litert_sets


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> str:
    """A file that counts its calls, as one does whose state was left in it."""

    class Counter(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = tf.Variable(0.0)

        @tf.function(input_signature=[tf.TensorSpec([None, 2], name="x")])
        def serve(self, x):
            return {"y": x + self.calls.assign_add(1.0)}

    model = Counter()
    folder = tmp_path_factory.mktemp("counter")
    tf.saved_model.save(model, str(folder / "saved"), signatures={"serve": model.serve})
    path = folder / "counter.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved")).convert())
    return str(path)


def test_a_call_by_index_takes_any_size_and_keeps_the_state(file):
    runner = IndexRunner(file)
    for size in (1, 3, 3, 2):
        (found,) = runner.run([np.zeros((size, 2), np.float32)])
        assert found.shape == (size, 2)
    assert found[0, 0] >= 1


def test_all_ways_are_written(file, tmp_path):
    x = np.ones((2, 2), np.float32)
    np.savez(tmp_path / "set_0.npz", **{"0": x})
    request = {"file": file, "signature": "serve", "inputs": ["x"], "outputs": ["y"], "sets": 1}
    (tmp_path / "request.json").write_text(json.dumps(request))
    run_litert_sets(tmp_path)
    found = np.load(tmp_path / "out_0.npz")
    assert sorted(found.files) == ["again_0", "index_0", "signature_0"]
    np.testing.assert_array_equal(found["index_0"], x + 1)
    np.testing.assert_array_equal(found["again_0"], x + 2)
    np.testing.assert_array_equal(found["signature_0"], x + 1)


def test_a_signature_is_called_by_name(file):
    request = {"file": file, "signature": "serve", "inputs": ["x"], "outputs": ["y"]}
    (found,) = SignatureRunner(request).run([np.zeros((1, 2), np.float32)])
    np.testing.assert_array_equal(found, np.ones((1, 2)))
