"""The parts of a SavedModel; `test_export_saved_model.py` runs them."""

from __future__ import annotations

import pytest
import tensorflow as tf

from deployment_nets import convert_net, trace
from torch2keras.deployment.saved_model import (
    SERVE,
    SERVE_TORCH,
    ServedFunction,
    list_saved_ops,
    write_saved_model,
)
from torch2keras.deployment.sizes import fix_sizes


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    traced = trace(convert_net("conv1d"))
    place = tmp_path_factory.mktemp("saved") / "net"
    functions = [ServedFunction(SERVE, "keras"), ServedFunction(SERVE_TORCH, "torch")]
    write_saved_model(traced, fix_sizes(traced.conversion, None), functions, place)
    return place


def test_signatures_are_called_by_the_ports_names(folder):
    loaded = tf.saved_model.load(str(folder))
    shapes = {}
    for key in (SERVE, SERVE_TORCH):
        _, given = loaded.signatures[key].structured_input_signature
        shapes[key] = given["input"].shape.as_list()
        assert list(loaded.signatures[key].structured_outputs) == ["output"]
    assert shapes == {SERVE: [None, 21, 3], SERVE_TORCH: [None, 3, 21]}


def test_ops_of_functions_are_listed_too(folder):
    ops = list_saved_ops(folder)
    assert ops["Conv2D"] == 2
    assert ops["Transpose"] == 2
