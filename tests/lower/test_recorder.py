from __future__ import annotations

import numpy as np
import pytest
import torch

from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.graph import Input, KerasGraph, Literal, Ref
from torch2keras.keras_graph.layer_names import name_calls
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.lower.recorder import LITERAL_BYTES, Recorder, call, cast, layers, ops, record_to


def weight(*shape: int, dtype=torch.float32, trainable: bool = False, name: str = "w") -> Weight:
    data = torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype)
    return Weight.of(Constant(name, TensorType(shape, dtype), data, (name,), trainable))


def recorded(convert, *shapes: tuple[int | None, ...]):
    """What `convert` records on inputs of these shapes, and its result."""
    recorder = Recorder(
        tuple(Input(f"x{i}", s, "float32") for i, s in enumerate(shapes)), "float32"
    )
    with record_to(recorder):
        return recorder.calls, convert(*recorder.tensors)


def test_nothing_is_recorded_outside_of_lowering() -> None:
    with pytest.raises(LookupError):
        ops.relu(1)


def test_shapes_and_dtypes_are_those_of_keras() -> None:
    calls, y = recorded(lambda x: ops.softmax(x[:, 1:] + 1, axis=1), (None, 3, 5))
    assert (y.shape, y.dtype, y.ndim) == ((None, 2, 5), "float32", 3)
    assert [c.target for c in calls] == ["getitem", "ops.add", "ops.softmax"]
    assert calls[1].args == (Ref(1), 1)


def test_what_keras_refuses_fails_at_once() -> None:
    with pytest.raises(ValueError, match="axis"):
        recorded(lambda x: ops.split(x, 2, axis=1), (None, 3))
    with pytest.raises(AttributeError, match="no Conv9D"):
        layers.Conv9D  # noqa: B018 - the attribute is what fails


def test_a_layer_has_its_weights_by_attribute() -> None:
    kernel, bias = weight(3, 5, trainable=True), weight(5, trainable=True)
    (made,), y = recorded(
        lambda x: call(layers.Dense(units=5), x, kernel=kernel, bias=bias, nothing=None), (None, 3)
    )
    assert y.shape == (None, 5)
    assert made.weights == {"kernel": kernel, "bias": bias}
    assert (made.target, made.config, made.trainable) == ("layers.Dense", {"units": 5}, True)


def test_several_results_and_casts() -> None:
    calls, parts = recorded(lambda x: ops.split(x, [1, 3], axis=1), (None, 5))
    assert [p.shape for p in parts] == [(None, 1), (None, 2), (None, 2)]
    assert calls[0].outputs == (1, 2, 3)
    calls, y = recorded(lambda x: cast(cast(cast(x, None), torch.float32), torch.int64), (None, 5))
    assert (len(calls), y.dtype) == (1, "int64")


LIMIT = LITERAL_BYTES // 8
# the constant, whether it is written out
CONSTANTS = [
    (weight(LIMIT), True),
    (weight(LIMIT + 1), False),
    (weight(3, trainable=True), False),
    (weight(), True),
    (weight(trainable=True), False),
    (weight(7, dtype=torch.int64), True),
    (weight(LIMIT + 1, dtype=torch.int64), False),
    (weight(0), True),
]


@pytest.mark.parametrize(("constant", "written"), CONSTANTS)
def test_small_constants_are_written_out_and_the_others_are_weights(constant, written) -> None:
    calls, y = recorded(lambda x: ops.add(ops.sum(x), constant), (None, 3))
    literal = any(isinstance(a, Literal) for c in calls for a in c.args)
    dense = [c for c in calls if c.target == "layers.Dense"]
    assert (literal, len(dense)) == (written, not written)
    assert all(c.trainable == constant.trainable for c in dense)
    graph = KerasGraph("g", (Input("x", (None, 3), "float32"),), name_calls(calls, ()), (y.index,))
    values = run_graph(graph, [np.ones((2, 3), "float32")], Layers(graph).layer_with_weights)
    assert np.array_equal(np.asarray(values[y.index]), constant.array("float32") + 6)


def test_one_weight_is_materialised_once() -> None:
    big = weight(LIMIT + 1)
    calls, _ = recorded(lambda x: (ops.add(x, big), ops.multiply(x, big)), (None, LIMIT + 1))
    assert [c.target for c in calls].count("layers.Dense") == 1


@pytest.mark.parametrize("shape", [(None, 7), (None, None), (3, None), (None, 5, None), (None,)])
def test_a_one_has_a_known_last_size(shape: tuple[int | None, ...]) -> None:
    """A layer that stands for a weight is built on it, and must know its size."""
    recorder = Recorder((Input("x", shape, "float32"),), "float32")
    with record_to(recorder):
        one = recorder.one("float32")
    assert one.shape[-1] == 1
    graph = KerasGraph("one", recorder.inputs, tuple(recorder.calls), (one.index,))
    given = np.full([size or 2 for size in shape], 7, "float32")
    made = run_graph(graph, [given], Layers(graph).layer_with_weights)[one.index]
    assert np.array_equal(made, np.ones((1, 1)))
