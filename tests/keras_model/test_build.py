from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from op_case import Function
from stages import graph_of, lowered
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Origin
from torch2keras.keras_graph.graph import Call, Input, KerasGraph, Ref
from torch2keras.keras_model.build import build
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.arrays import to_numpy


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.ReLU(), nn.Flatten(), nn.Linear(45, 7)
    ).eval()


def test_the_model_and_the_calls_one_by_one_give_the_same() -> None:
    module = net()
    graph = lowered(graph_of(module, (2, 3, 11))).graph
    model, layers = build(graph)
    x = np.random.default_rng(0).normal(size=(4, 11, 3)).astype("float32")
    alone = run_graph(graph, [x], Layers(graph).layer_with_weights)[graph.outputs[0]]
    assert np.array_equal(to_numpy(model(x)), to_numpy(alone))
    assert list(layers) == [call.name for call in graph.calls if call.is_layer]
    assert model.name == "net"


def test_a_model_in_another_type() -> None:
    graph = lowered(graph_of(net(), (2, 3, 11))).graph
    model, _ = build(graph, "float64")
    assert {w.dtype for w in model.weights} == {"float64"}
    assert model.outputs[0].dtype == "float64"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_module_in_another_type(dtype) -> None:
    name = str(dtype).removeprefix("torch.")
    converted = t2k.convert(net().to(dtype), (torch.randn(2, 3, 11).to(dtype),))
    assert {port.dtype for port in (*converted.model.inputs, *converted.model.outputs)} == {name}
    assert converted.verification is not None
    assert converted.verification.ok


def test_several_inputs_and_outputs_are_a_list_and_one_is_not() -> None:
    one = t2k.convert(Function(lambda x: x + 1), (torch.zeros(2, 3),), verify=False).model
    two = t2k.convert(
        Function(lambda x, y: (x + y, x - y)), (torch.zeros(2, 3),) * 2, verify=False
    ).model
    assert keras.ops.shape(one(np.zeros((5, 3), "float32"))) == (5, 3)
    assert [tuple(y.shape) for y in two([np.zeros((5, 3), "float32")] * 2)] == [(5, 3)] * 2


def test_an_input_that_is_an_output_and_one_that_nothing_reads() -> None:
    converted = t2k.convert(
        Function(lambda x, y: (x, x + 1)), (torch.randn(2, 3), torch.randn(2, 5))
    )
    x, y = torch.randn(4, 3), torch.randn(4, 5)
    first, second = converted(x, y)
    assert np.array_equal(first, x.numpy())
    assert np.array_equal(second, (x + 1).numpy())


def test_what_keras_refuses_names_the_module() -> None:
    call = Call(
        "ops.reshape",
        (Ref(0), (7, 7)),
        {},
        (1,),
        origin=Origin("block.view", "View", "net.py:41", "x.view(7, 7)"),
    )
    graph = KerasGraph("g", (Input("x", (2, 3), "float32"),), (call,), (1,))
    with pytest.raises(
        LoweringError, match=r"(?s)Keras refuses keras.ops.reshape.*block.view \(View\).*net.py:41"
    ):
        build(graph)
