"""The order, names and facts of a `.tflite` file."""

from __future__ import annotations

import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from torch2keras.deployment.flatbuffer import LiteRTFile, read_litert_file


@pytest.fixture(scope="module")
def content() -> bytes:
    """A file as TensorFlow's converter writes it: its inputs are listed as c, a, b or the like."""

    class Model(tf.Module):
        @tf.function(input_signature=[{k: tf.TensorSpec([1, 2], name=k) for k in "abc"}])
        def serve(self, inputs):
            difference = inputs["c"] - inputs["a"] * inputs["b"]
            return {"z": difference, "y": inputs["a"] + 1.0}

    model = Model()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [model.serve.get_concrete_function()], model
    )
    return converter.convert()


def read_ports(file: LiteRTFile):
    main, signature = file.main, file.signature
    by_index = [[main.tensors[i].name.decode() for i in p] for p in (main.inputs, main.outputs)]
    by_name = [[t.name.decode() for t in p] for p in (signature.inputs, signature.outputs)]
    return by_index, by_name


def test_inputs_and_outputs_are_put_in_order_by_index_and_by_name(content):
    file = LiteRTFile(content)
    places = {t.name.decode(): t.tensorIndex for t in file.signature.inputs}
    file.order_ports(["b", "a", "c"], ["z", "y"])
    assert list(file.main.inputs) == [places[name] for name in "bac"]
    again = LiteRTFile(file.pack())
    expected = [["b", "a", "c"], ["z", "y"]]
    assert read_ports(again) == (expected, expected)


def test_operators_are_counted_and_what_they_give_is_named(content):
    file = LiteRTFile(content)
    assert file.operators() == {"ADD": 1, "MUL": 1, "SUB": 1}
    assert len(file.name_results("ADD")) == 1
    assert file.name_results("CONV_2D") == []


def test_a_custom_operator_is_called_so(content):
    file = LiteRTFile(content)
    code = file.model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = file.schema.BuiltinOperator.CUSTOM
    code.builtinCode = file.schema.BuiltinOperator.CUSTOM
    code.customCode = b"FlexRoll"
    assert "CUSTOM:FlexRoll" in file.operators()


def test_facts_come_back(content, tmp_path):
    file = LiteRTFile(content)
    assert file.read_file_facts() == {}
    file.add_facts({"module": "a.B", "inputs": [{"shape": [1, None]}]})
    path = tmp_path / "net.tflite"
    path.write_bytes(file.pack())
    assert read_litert_file(path).read_file_facts()["inputs"] == [{"shape": [1, None]}]
    assert path.read_bytes()[4:8] == b"TFL3"
    Interpreter(model_path=str(path)).allocate_tensors()
