"""The layers of a graph: made once, filled with their weights, or used in turn."""

from __future__ import annotations

from copy import deepcopy

import keras
import numpy as np
import pytest
import torch
from torch import nn

from stages import graph_of, lowered
from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.graph import Call, Input, KerasGraph, LayerSpec, Ref
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers, assign, find_variable, make_layer
from torch2keras.runtime.arrays import to_numpy
from torch2keras.workarounds.float64_promotion import double_precision

DATA = torch.arange(15, dtype=torch.float64).reshape(5, 3) / 3
KERNEL = Weight.of(
    Constant("w", TensorType((5, 3), torch.float32), DATA, ("w",), trainable=True)
).transpose(1, 0)


def dense(number: int, name: str, *, trainable: bool = True) -> Call:
    config = {"units": 5, "use_bias": False}
    weights = {"kernel": KERNEL}
    return Call(
        "layers.Dense", (Ref(0),), {}, (number,), config, weights, "float32", trainable, name
    )


def graph(*calls: Call) -> KerasGraph:
    return KerasGraph("net", (Input("x", (None, 3), "float32"),), calls, (1,))


def test_a_layer_is_made_of_its_spec_and_the_spec_within_it() -> None:
    spec = LayerSpec(
        "Bidirectional", {"layer": LayerSpec("GRU", {"units": 5}), "merge_mode": "sum"}
    )
    layer = make_layer(spec, "float64", name="both")
    assert (layer.name, layer.merge_mode, layer.dtype) == ("both", "sum", "float64")
    assert (type(layer.forward_layer), layer.forward_layer.units) == (keras.layers.GRU, 5)


def test_calls_of_one_name_are_calls_of_one_layer() -> None:
    first, second, other = dense(1, "one"), dense(2, "one"), dense(3, "two", trainable=False)
    layers = Layers(graph(first, second, other))
    assert layers(first) is layers(second) is not layers(other)
    assert (layers(first).trainable, layers(other).trainable) == (True, False)
    assert list(layers.names()) == ["one", "one", "two", "x"]


def test_layers_are_of_the_dtype_that_is_asked_for() -> None:
    call = dense(1, "one")
    assert Layers(graph(call))(call).compute_dtype == "float32"
    assert Layers(graph(call), "float16")(call).compute_dtype == "float16"


@pytest.mark.parametrize(("dtype", "numpy"), [(None, "float32"), ("float64", "float64")])
def test_a_layer_is_filled_when_it_is_called_and_rounded_once(dtype, numpy) -> None:
    call = dense(1, "one")
    with double_precision():
        run = Layers(graph(call), dtype).layer_with_weights(call)
        found = to_numpy(run(keras.ops.convert_to_tensor(np.eye(3, dtype=numpy))))
    assert np.array_equal(found, DATA.numpy().astype(numpy).T)


def test_weights_are_loaded_into_layers_that_are_built() -> None:
    call = dense(1, "one")
    layers = Layers(graph(call))
    layer = layers(call)
    layer.build((2, 3))
    assert not to_numpy(layer.kernel.value).any()
    layers.load()
    assert np.array_equal(to_numpy(layer.kernel.value), DATA.numpy().T.astype("float32"))
    assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)


def test_variables_are_found_in_layers_within_a_layer() -> None:
    layer = keras.layers.LSTM(5)
    layer.build((2, 7, 3))
    assert find_variable(layer, "cell.kernel") is layer.cell.kernel
    assign(find_variable(layer, "cell.bias"), KERNEL.narrow(1, 0, 1).reshape(3).take(0, (0,) * 20))
    assert np.array_equal(to_numpy(layer.cell.bias.value), np.zeros(20))


class Alike(nn.Module):
    """Layers that differ in their weights alone, and two that differ in their inputs' rank too."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv1d(3, 3, 5, padding=2), nn.Conv1d(3, 3, 5, padding=2)
        self.long, self.flat = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
        for norm in (self.long, self.flat):
            nn.init.normal_(norm.running_mean)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.flat(self.long(self.first(self.second(self.first(x)))).mean(-1))


def test_alike_layers_take_their_weights_in_turn() -> None:
    module = Alike().eval()
    graph = lowered(graph_of(module, (2, 3, 11))).graph
    layers = Layers(graph, "float64", in_turn=True)
    with double_precision():
        for seed in range(2):
            x = torch.randn(
                4, 3, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
            )
            values = run_graph(
                graph, [x.transpose(1, 2).numpy()], layers.layer_with_weights, "float64", keep=False
            )
            assert set(values) == set(graph.outputs)
            result = to_numpy(values[graph.outputs[0]])
            exact = deepcopy(module).double()(x).detach().numpy()
            np.testing.assert_allclose(result, exact, rtol=1e-12, atol=1e-13)
    assert len(layers.made) == len({call.name for call in graph.calls if call.is_layer}) - 1
