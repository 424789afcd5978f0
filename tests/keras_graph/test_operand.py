"""One operand: what moves the elements of a constant moves those of a recorded value alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.graph import Input, KerasGraph
from torch2keras.keras_graph.layer_names import name_calls
from torch2keras.keras_graph.operand import insert_ones
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.lower.recorder import Recorder, record_to

SHAPE = (2, 3, 5)
X = torch.arange(30, dtype=torch.float32).reshape(SHAPE)

MOVES = {
    "reshape": (lambda x: x.reshape(5, -1), X.reshape(5, 6)),
    "transpose": (lambda x: x.transpose(2, 0, 1), X.permute(2, 0, 1)),
    "narrow": (lambda x: x.narrow(1, 1, 3), X[:, 1:3]),
    "narrow the last": (lambda x: x.narrow(2, 0, 3), X[:, :, :3]),
    "flip": (lambda x: x.flip(0, 2), X.flip(0, 2)),
    "take": (lambda x: x.take(2, (4, 0, 0)), X[:, :, [4, 0, 0]]),
    "expand_dims": (lambda x: x.expand_dims(4, 0), X[None, :, :, :, None]),
    "squeeze": (lambda x: x.narrow(1, 2, 3).squeeze(1), X[:, 2]),
}

UNCHANGED = {
    "reshape": lambda x: x.reshape(*SHAPE),
    "transpose": lambda x: x.transpose(0, 1, 2),
    "narrow": lambda x: x.narrow(1, 0, 3),
    "flip": lambda x: x.flip(),
    "take": lambda x: x.take(1, (0, 1, 2)),
    "squeeze": lambda x: x.squeeze(),
    "expand_dims": lambda x: x.expand_dims(),
}


def weight_of(data: torch.Tensor) -> Weight:
    return Weight.of(Constant("w", TensorType(tuple(data.shape), data.dtype), data))


@pytest.mark.parametrize("name", MOVES)
def test_a_constant_and_a_value_move_alike(name: str) -> None:
    move, expected = MOVES[name]
    constant = move(weight_of(X))
    assert constant.shape == tuple(expected.shape)
    assert torch.equal(constant.values(), expected)
    inputs = (Input("x", SHAPE, "float32"),)
    with record_to(Recorder(inputs, "float32")) as recorder:
        value = move(recorder.tensors[0])
    assert value.shape == tuple(expected.shape)
    graph = KerasGraph("net", inputs, name_calls(recorder.calls, {"x"}), (value.index,))
    computed = run_graph(graph, [X.numpy()], Layers(graph).layer_with_weights)[value.index]
    assert np.array_equal(np.asarray(computed), expected.numpy())


@pytest.mark.parametrize("name", UNCHANGED)
def test_a_move_that_changes_nothing_is_left_out(name: str) -> None:
    constant = weight_of(X)
    assert UNCHANGED[name](constant) is constant
    with record_to(Recorder((Input("x", SHAPE, "float32"),), "float32")) as recorder:
        value = recorder.tensors[0]
        assert UNCHANGED[name](value) is value
    assert not recorder.calls


@pytest.mark.parametrize(
    ("dtype", "is_float", "is_bool"),
    [
        ("bfloat16", True, False),
        ("float64", True, False),
        ("int64", False, False),
        ("bool", False, True),
    ],
)
def test_both_tell_the_kind_of_their_numbers(dtype: str, *, is_float: bool, is_bool: bool) -> None:
    value = Recorder((Input("x", (None, 3), dtype),), "float32").tensors[0]
    for operand in (value, weight_of(torch.zeros(2, 3).to(getattr(torch, dtype)))):
        assert (operand.dtype, operand.ndim) == (dtype, 2)
        assert (operand.is_float, operand.is_bool) == (is_float, is_bool)


def test_only_a_constant_has_values_at_conversion() -> None:
    value = Recorder((Input("x", (None, 3), "float32"),), "float32").tensors[0]
    assert (value.is_constant, value.values()) == (False, None)
    constant = weight_of(X)
    assert constant.is_constant
    assert torch.equal(constant.values(), X)


def test_insert_ones_counts_places_in_the_result() -> None:
    assert insert_ones((3, None), (0, 2)) == (1, 3, 1, None)
    assert insert_ones((3, 5), (3, 2)) == (3, 5, 1, 1)
    assert insert_ones((), (0, 1)) == (1, 1)
