"""SavedModels as `.tflite` files; `test_export.py` runs them."""

from __future__ import annotations

import pytest

import torch2keras as t2k
from deployment_nets import convert_net, trace
from torch2keras.deployment.flatbuffer import LiteRTFile
from torch2keras.deployment.litert import convert_saved_model, explain_failure, order_file
from torch2keras.deployment.saved_model import SERVE, ServedFunction, write_saved_model
from torch2keras.deployment.sizes import fix_sizes
from torch2keras.deployment.tracing import TracedModel


@pytest.fixture(scope="module")
def traced() -> TracedModel:
    return trace(convert_net("cell"))


@pytest.fixture(scope="module")
def file(traced, tmp_path_factory) -> LiteRTFile:
    folder = tmp_path_factory.mktemp("saved") / "model"
    sizes = fix_sizes(traced.conversion, 1)
    write_saved_model(traced, sizes, [ServedFunction(SERVE, "keras")], folder)
    return convert_saved_model(folder, traced, sizes)


def test_the_ports_stand_in_forwards_order(file):
    names = [file.main.tensors[index].name for index in file.main.inputs]
    assert names == [b"x", b"h", b"c"]
    assert [entry.name for entry in file.signature.outputs] == [b"output_0", b"output_1"]
    assert file.signature.signatureKey.decode() == SERVE


def test_nothing_of_the_converter_is_printed(traced, tmp_path, capfd):
    sizes = fix_sizes(traced.conversion, None)
    write_saved_model(traced, sizes, [ServedFunction(SERVE, "keras")], tmp_path / "model")
    convert_saved_model(tmp_path / "model", traced, sizes)
    assert capfd.readouterr() == ("", "")


def test_a_custom_operator_is_refused(file, traced):
    other = LiteRTFile(file.pack())
    for code in other.model.operatorCodes:
        code.builtinCode = other.schema.BuiltinOperator.CUSTOM
        code.deprecatedBuiltinCode = other.schema.BuiltinOperator.CUSTOM
        code.customCode = b"FlexTanh"
    with pytest.raises(t2k.DeploymentError, match="no builtin operator for FlexTanh"):
        order_file(other.pack(), traced)


def test_a_runtimes_words_are_told_with_the_layer(file, traced):
    said = t2k.DeploymentError("x.cc:1 a != b. Node number 3 (TANH) failed to prepare.")
    rows = dict(explain_failure(said, file, traced).rows)
    assert rows["operator"] == "TANH"
    assert rows["keras"].startswith(("ops.", "layers."))
