"""From a converter's words back to the module's lines."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from deployment_nets import trace
from torch2keras.deployment.refusals import (
    FAILED_NODE,
    find_calls,
    find_refused_ops,
    refuse_ops,
)
from torch2keras.deployment.tracing import TracedModel

CUSTOM = """loc(fused["Svd:", "0.svd_1/Svd@__inference_serve_5"]): error: 'tf.Svd' op is neither a \
custom op nor a flex op
Some ops in the model are custom ops, See instructions to implement custom ops:
Custom ops: Svd
Details:
\ttf.Svd(tensor<1x4x4xf32>)
"""


@pytest.mark.parametrize(
    ("message", "ops"),
    [
        (CUSTOM, ["Svd"]),
        ("Flex ops: FlexRoll, FlexTranspose", ["Roll", "Transpose"]),
        ("error: 'tf.TensorListReserve' op requires element_shape to be", ["TensorListReserve"]),
        ("error: loc(f): 'tf.Transpose' op x should be of the same rank with y", ["Transpose"]),
        ("something else entirely", []),
    ],
)
def test_the_ops_of_a_message_are_found(message, ops):
    assert find_refused_ops(message) == ops


@pytest.fixture(scope="module")
def traced() -> TracedModel:
    net = nn.Sequential(nn.Conv1d(3, 5, 3), nn.Conv1d(5, 4, 1)).eval()
    return trace(t2k.convert(net, torch.randn(2, 3, 9), verify=False))


def test_the_call_of_a_name_is_found(traced):
    first, second = traced.scopes
    assert find_calls(traced, [f"serve;{second}/layer_1/Conv2D;x"]) == [traced.scopes[second]]
    assert find_calls(traced, [f'"{first}/a@__inference"', f"{first}/b"]) == [traced.scopes[first]]
    assert find_calls(traced, ["nothing/of/ours"]) == []


def test_a_refusal_names_op_layer_and_module(traced):
    _, second = traced.scopes
    error = refuse_ops(traced, ["Roll"], [f"{second}/Roll"], "because", "do this")
    rows = dict(error.rows)
    assert error.headline == "LiteRT has no builtin operator for Roll"
    assert (rows["keras"], rows["module"]) == ("layers.Conv1D", "1 (Conv1d)")
    assert (rows["why"], rows["next"]) == ("because", "do this")


def test_the_operator_that_failed_is_read():
    text = "kernels/rfft2d.cc:121 x was not true.Node number 4 (RFFT2D) failed to prepare."
    assert FAILED_NODE.findall(text) == ["RFFT2D"]
