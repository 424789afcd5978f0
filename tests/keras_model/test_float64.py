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
from torch2keras.keras_model import float64
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


class Text(nn.Module):
    """A table of embeddings that is read and multiplied by, and a layer with a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.middle = nn.Embedding(23, 7), nn.Linear(7, 11)
        self.back = nn.Linear(11, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.back(torch.relu(self.middle(self.table(x))))
        return y @ self.table.weight.T


@pytest.mark.parametrize(("most", "is_by_parts"), [(2**26, False), (150, True)])
def test_a_layer_of_large_weights_is_run_by_parts(monkeypatch, most, is_by_parts) -> None:
    ran: list[str] = []
    for target, function in float64.BY_PARTS.items():

        def run(call: Call, *args: object, function=function, **kwargs: object) -> object:
            ran.append(call.target)
            return function(call, *args, **kwargs)

        monkeypatch.setitem(float64.BY_PARTS, target, run)
    monkeypatch.setattr(float64, "MOST_BYTES", most)
    net = Text().eval()
    converted = t2k.convert(net, torch.randint(0, 23, (2, 5)))
    assert set(ran) == ({"layers.ReversibleEmbedding", "layers.Dense"} if is_by_parts else set())
    differences = [check.difference for check in converted.verification.checks]
    in_float64 = [difference for difference in differences if difference.tier == "S"]
    assert in_float64
    assert max(difference.max_abs for difference in in_float64) < 1e-13


def test_an_embedding_has_the_type_of_its_table() -> None:
    net = nn.Sequential(nn.Embedding(23, 7), nn.Linear(7, 3)).bfloat16()
    converted = t2k.convert(net, torch.randint(0, 23, (2, 5)))
    assert {weight.dtype for weight in converted.model.weights} == {"bfloat16"}
