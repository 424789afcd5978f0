from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

import torch2keras as t2k
from op_case import Function
from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.source_code import literal_text, statements, weight_text
from torch2keras.keras_graph.weight import Weight


def conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 5, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(30, 7)
    )


class First(nn.Module):
    """The first of several results."""

    def forward(self, several):
        return several[0]


NETS = {
    "layers": (conv_net, [(2, 3, 11)]),
    "slices and skips": (
        lambda: Function(lambda x: torch.cat([x[:, 1:], F.relu(x)[:, :-1]], 1) + x.sum()),
        [(2, 5)],
    ),
    "several outputs": (
        lambda: Function(lambda x, y: (x + y, (x * y).split([1, 2], 1))),
        [(2, 3), (2, 3)],
    ),
    "recurrent layers": (
        lambda: nn.Sequential(
            nn.LSTM(5, 7, batch_first=True, bidirectional=True), First(), nn.GRU(14, 3)
        ),
        [(2, 11, 5)],
    ),
    "infinite numbers": (
        lambda: Function(lambda x: F.pad(x, (1, 2), value=float("-inf")).clamp(max=float("inf"))),
        [(2, 3)],
    ),
    "an infinite number in an array": (
        lambda: Function(lambda x: torch.maximum(x, torch.tensor([0.5, float("-inf"), 1.0]))),
        [(2, 3)],
    ),
    "slices with steps": (lambda: Function(lambda x: x[:, 1::2, None] + x[:, :1, None]), [(2, 5)]),
    "a literal array": (lambda: Function(lambda x: x + torch.arange(3.0)), [(2, 3)]),
}


@pytest.mark.parametrize("name", NETS)
def test_the_code_runs_and_gives_the_models_shapes(name: str) -> None:
    """Run by a user, the lines make a model of the same layers, and of the same numbers."""
    build, shapes = NETS[name]
    converted = t2k.convert(build(), tuple(torch.randn(s) for s in shapes), verify=False)
    graph = converted.conversion.lowered.graph
    scope = {"keras": keras, "np": np}
    scope |= {i.name: keras.Input(batch_shape=i.shape, dtype=i.dtype) for i in graph.inputs}
    inputs = [scope[i.name] for i in graph.inputs]
    code = "\n".join(statements(graph))
    exec(code, scope)  # noqa: S102 - the package's own text is what is tested
    outputs = scope["outputs"]
    model = keras.Model(inputs, list(outputs) if isinstance(outputs, tuple) else [outputs])
    model.set_weights(converted.model.get_weights())
    given = [
        np.random.default_rng(0).normal(size=(4, *i.shape[1:])).astype("float32")
        for i in graph.inputs
    ]
    ours, theirs = converted.model(given if len(given) > 1 else given[0]), model(given)
    for a, b in zip(listed(theirs), listed(ours), strict=True):
        np.testing.assert_array_equal(a, b)


def listed(outputs) -> list:
    return outputs if isinstance(outputs, list) else [outputs]


@pytest.mark.parametrize(
    "value",
    [float("-inf"), [0.5, float("inf")], {"a": (float("inf"),)}, (1,), [], "nan", None, 1e-5],
    ids=str,
)
def test_a_plain_value_is_read_back(value) -> None:
    assert eval(literal_text(value), {}) == value  # noqa: S307 - the package's own text


def test_an_axis_of_one_is_transposed_and_not_reshaped() -> None:
    weight = Weight.of(
        Constant("w", TensorType((5, 1, 3), torch.float32), tensor=torch.rand(5, 1, 3))
    )
    assert weight_text(weight.transpose(2, 1, 0), "w") == "w.transpose(2, 1, 0)"


def test_lines() -> None:
    converted = t2k.convert(conv_net(), (torch.randn(2, 3, 11),), verify=False)
    assert statements(converted.conversion.lowered.graph) == [
        "x = keras.layers.ZeroPadding1D(padding=(1, 1))(input)",
        "x = keras.layers.Conv1D(filters=5, kernel_size=3, strides=2, padding='valid')(x)",
        "x = keras.layers.ReLU()(x)",
        "x = keras.layers.Flatten()(x)",
        "x = keras.layers.Dense(units=7)(x)",
        "outputs = x",
    ]


def moved(*shape: int) -> Weight:
    data = torch.randn(shape)
    return Weight.of(Constant("w", TensorType(shape, torch.float32), data, ("w",)))


WEIGHTS = [
    moved(5, 3, 7),
    moved(5, 3, 7).transpose(2, 1, 0),
    moved(6, 1, 7).reshape(3, 2, 7).transpose(2, 0, 1),
    moved(6, 3, 7).narrow(0, 2, 4).transpose(2, 1, 0),
    moved(6, 5).reshape(2, 3, 5).transpose(1, 0, 2).reshape(6, 5),
    moved(5, 3, 7).flip(2).transpose(2, 1, 0),
    moved(6, 5).reshape(3, 2, 5).take(0, (1, 0, 2)).transpose(2, 0, 1),
    moved(1, 5).reshape(5),
    moved(),
]


@pytest.mark.parametrize("weight", WEIGHTS, ids=lambda w: weight_text(w, "w"))
def test_the_way_of_a_weight_is_numpy(weight) -> None:
    scope = {"w": weight.constant.tensor.numpy()}
    value = eval(weight_text(weight, "w"), scope)  # noqa: S307 - as above
    assert np.array_equal(value, weight.array("float32"))
