from __future__ import annotations

from copy import deepcopy

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
from torch2keras.keras_model.float64 import double_precision
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


def test_float64_is_exact() -> None:
    module = net()
    graph = lowered(graph_of(module, (2, 3, 11))).graph
    x = torch.randn(4, 3, 11, dtype=torch.float64)
    with double_precision():
        values = run_graph(
            graph,
            [x.transpose(1, 2).numpy()],
            Layers(graph, "float64").layer_with_weights,
            "float64",
        )
    result = to_numpy(values[graph.outputs[0]])
    assert result.dtype == "float64"
    np.testing.assert_allclose(result, module.double()(x).detach().numpy(), rtol=1e-12, atol=1e-13)


class Alike(nn.Module):
    """Layers that differ in their weights alone, one called twice, and two that differ in their inputs' rank too."""

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


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_is_exact_in_float64(approximate: str) -> None:
    module = Function(lambda x: nn.functional.gelu(x, approximate=approximate))
    graph = lowered(graph_of(module, (2, 3, 11))).graph
    x = np.random.default_rng(0).normal(size=(2, 3, 11))
    with double_precision():
        inputs = [keras.ops.convert_to_tensor(x)]
        found = to_numpy(
            run_graph(graph, inputs, Layers(graph, "float64").layer_with_weights, "float64")[
                graph.outputs[0]
            ]
        )
    np.testing.assert_allclose(found, module(torch.from_numpy(x)).numpy(), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv1d(3, 5, 7), (2, 3, 17)),
        (nn.Linear(3, 5), (2, 3)),
        (nn.LSTM(3, 5, bidirectional=True, batch_first=True), (2, 11, 3)),
    ],
    ids=lambda item: type(item).__name__,
)
def test_layers_keep_their_initializers(module: nn.Module, shape: tuple[int, ...]) -> None:
    """They begin as zeros only until the weights are copied: a model made anew from the configuration draws."""
    model = t2k.convert(module.eval(), torch.randn(shape)).model
    anew = keras.models.clone_model(model)
    kernels = [w for w in anew.weights if w.name.endswith("kernel")]
    assert kernels
    assert all(np.abs(to_numpy(w.value)).min() > 0 for w in kernels)


def test_layers_within_layers_keep_their_initializers() -> None:
    module = nn.TransformerEncoderLayer(6, 2, 11, batch_first=True).eval()
    layers = t2k.convert(module, torch.randn(2, 5, 6)).model._flatten_layers()
    kinds = [
        type(layer.kernel_initializer) for layer in layers if hasattr(layer, "kernel_initializer")
    ]
    assert kinds == [keras.initializers.GlorotUniform] * 6


@pytest.mark.parametrize("shape", [(5, 3), (5,), (1,), (5, 1)])
def test_a_fixed_first_dimension_is_checked(shape: tuple[int, ...]) -> None:
    """`cumsum` along it takes any size in Keras; what was captured does not."""
    module, other = Function(lambda x: x.flip(0).cumsum(0)), np.ones((7, *shape[1:]), "float32")
    model = t2k.convert(module, torch.randn(shape), dynamic_shapes=({0: None},)).model
    assert model(np.ones(shape, "float32")).shape == shape
    with pytest.raises(ValueError, match=r"expected shape=.*found shape="):
        model(other)
    with pytest.raises(ValueError, match=r"expected shape=.*found shape="):
        model.predict(other, verbose=0)
