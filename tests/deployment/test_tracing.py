"""The functions that files are made of."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import torch2keras as t2k
from deployment_nets import trace


@pytest.fixture(scope="module")
def converted() -> t2k.Converted:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU(), nn.Conv1d(5, 4, 1)).eval()
    return t2k.convert(net, torch.randn(2, 3, 9), verify=False)


def test_each_call_has_a_scope_that_begins_with_its_modules_path(converted):
    scopes = trace(converted).scopes
    assert len(scopes) == len(converted.conversion.lowered.graph.calls)
    for scope, call in scopes.items():
        assert scope.startswith(call.origin.path)


def test_the_ops_of_a_graph_stand_in_these_scopes(converted):
    traced = trace(converted)
    specs = traced.input_specs([(1, 9, 3)])
    function = tf.function(traced.make_function("keras")).get_concrete_function(specs)
    kinds = {op.name.split("/")[0] for op in function.graph.get_operations() if "/" in op.name}
    assert kinds <= set(traced.scopes)
    assert len(kinds) >= 2


@pytest.mark.parametrize("layout", ["keras", "torch"])
def test_a_function_takes_and_gives_dictionaries_in_the_order_that_is_asked_for(converted, layout):
    x = torch.randn(2, 3, 9)
    (port,) = converted.inputs
    given = x.numpy() if layout == "torch" else port.from_torch(x)
    found = trace(converted).make_function(layout)({port.name: given})
    assert list(found) == ["output"]
    expected = converted(x)
    stored = expected if layout == "torch" else converted.outputs[0].from_torch(expected)
    np.testing.assert_allclose(found["output"], stored, atol=1e-6)
