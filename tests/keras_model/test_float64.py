"""Other float types: which become which, and what is run for an op or layer in float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from op_case import Function
from torch2keras.keras_graph.graph import Call, Ref
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.float64 import dtype_substitutes, float64_function, widen_layer
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.arrays import to_numpy
from torch2keras.workarounds.float64_promotion import double_precision

FLOATS = ("float16", "bfloat16", "float32", "mixed_bfloat16", "mixed_float16")


@pytest.mark.parametrize(
    ("own", "dtype", "substitutes"),
    [
        ("float32", None, {"float32": "float32"}),
        ("float32", "float16", {"float32": "float16"}),
        ("float16", "float64", dict.fromkeys(FLOATS, "float64")),
    ],
)
def test_in_float64_all_floats_are_exchanged_else_the_graphs_own(own, dtype, substitutes) -> None:
    assert dtype_substitutes(own, dtype) == substitutes


FUNCTIONS = {
    "gelu": nn.GELU(),
    "gelu by tanh": nn.GELU(approximate="tanh"),
    "leaky_relu": nn.LeakyReLU(0.1),
    "max_pool3d": nn.MaxPool3d((2, 3, 1), stride=(1, 2, 3)),
    "avg_pool3d": nn.AvgPool3d((2, 3, 1), stride=(1, 2, 3)),
    "grouped convolution": nn.Conv1d(6, 8, 3, groups=2),
    "attention": nn.TransformerEncoderLayer(6, 2, 11, batch_first=True).eval(),
    "convolution": nn.Conv2d(3, 5, (3, 2)),
    "product of integers": Function(lambda x: x * torch.tensor([1, 2, 3, 5, 7])[: x.shape[-1]]),
}
SHAPES = {
    "max_pool3d": (2, 3, 5, 7, 11),
    "avg_pool3d": (2, 3, 5, 7, 11),
    "grouped convolution": (2, 6, 11),
    "convolution": (2, 3, 7, 11),
    "attention": (2, 5, 6),
    "product of integers": (2, 5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_graph_in_float64_is_exact(name: str) -> None:
    module, shape = FUNCTIONS[name], SHAPES.get(name, (2, 3, 11))
    torch.manual_seed(0)
    converted = t2k.convert(module, torch.randn(shape), layout="torch", verify=False)
    graph = converted.conversion.lowered.graph
    x = torch.randn(shape, dtype=torch.float64)
    with double_precision(), torch.no_grad():
        layers = Layers(graph, "float64")
        inputs = [keras.ops.convert_to_tensor(x.numpy())]
        values = run_graph(graph, inputs, layers.layer_with_weights, "float64")
        exact = module.double()(x).numpy()
        module.float()
    np.testing.assert_allclose(to_numpy(values[graph.outputs[0]]), exact, rtol=1e-13, atol=1e-14)


def test_a_layer_that_is_right_is_run_itself() -> None:
    for target, config in [("layers.ReLU", {}), ("layers.Activation", {"activation": "tanh"})]:
        assert float64_function(Call(target, (Ref(0),), {}, (1,), config)) is None


def test_a_layer_is_widened_in_what_it_is() -> None:
    attention, dense = keras.layers.MultiHeadAttention(2, 3), keras.layers.Dense(3)
    convolution = keras.layers.Conv1D(4, 3, groups=2)
    before = convolution.convolution_op
    for layer in (attention, dense, convolution):
        widen_layer(layer)
    assert isinstance(attention._inverse_sqrt_key_dim, np.float64)
    assert convolution.convolution_op is not before
