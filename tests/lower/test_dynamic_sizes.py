"""What converters do with sizes, on values whose sizes are dynamic and on those that are not."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import sympy
import torch

from recorded import weight_of
from torch2keras.keras_graph.graph import Input, KerasGraph
from torch2keras.keras_graph.layer_names import name_calls
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.lower.dynamic_sizes import (
    broadcast_to,
    count_positions,
    make_ones,
    measure_by,
    number_elements,
    size_tensor,
    sizes_of,
)
from torch2keras.lower.recorder import Recorder, as_tensor, ops, record_to
from torch2keras.lower.size_tensors import SizeTensors

N, M = sympy.symbols("n m", integer=True, positive=True)
INPUTS = (Input("x", (None, 3, None), "float32"),)
SHAPE = (N, 3, M)


def recorded(function):
    """The recorder, and what the function records of an x of the shape (n, 3, m)."""
    recorder = Recorder(INPUTS, "float32")
    x = recorder.tensors[0].with_sizes(SHAPE)
    with record_to(recorder), measure_by(SizeTensors(lambda: [(x, SHAPE)])):
        return recorder, as_tensor(function(x))


def computed(function, n: int = 2, m: int = 7) -> np.ndarray:
    recorder, result = recorded(function)
    graph = KerasGraph("net", INPUTS, name_calls(recorder.calls, {"x"}), (result.index,))
    values = run_graph(graph, [data(n, m)], Layers(graph).layer_with_weights)
    return keras.ops.convert_to_numpy(values[result.index])


def data(n: int, m: int) -> np.ndarray:
    return np.arange(n * 3 * m, dtype="float32").reshape(n, 3, m)


def test_operands_have_sizes_and_what_is_computed_of_them_has_none() -> None:
    assert sizes_of(weight_of(torch.zeros(2, 3))) == (2, 3)
    assert recorded(lambda x: ops.relu(x) if sizes_of(x) == SHAPE else x)[1].index == 1
    with pytest.raises(LookupError, match="with_sizes"):
        recorded(lambda x: sizes_of(ops.relu(x)))
    recorded(lambda x: x if sizes_of(ops.relu(x).with_sizes(SHAPE)) == SHAPE else None)


def test_sizes_are_asked_for_while_a_graph_is_lowered_only() -> None:
    with pytest.raises(LookupError):
        size_tensor(N)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 7)])
def test_positions_are_counted(n: int, m: int) -> None:
    assert computed(lambda _: count_positions(M), n, m).tolist() == list(range(m))
    assert computed(lambda _: count_positions(5), n, m).tolist() == list(range(5))


@pytest.mark.parametrize("shape", [(N, 3, M), (3, M), (M,), (2, N, 5)])
def test_elements_are_numbered_row_by_row(shape) -> None:
    sizes = [int(sympy.sympify(size).subs({N: 2, M: 7})) for size in shape]
    found = computed(lambda _: number_elements(shape))
    assert np.array_equal(found, np.arange(np.prod(sizes)).reshape(sizes))


@pytest.mark.parametrize("shape", [(N, 3, M), (3, 1), (), (1, M, 1)])
def test_ones_of_any_shape(shape) -> None:
    sizes = [int(sympy.sympify(size).subs({N: 2, M: 7})) for size in shape]
    found = computed(lambda _: make_ones(shape, torch.int32))
    assert np.array_equal(found, np.ones(sizes, "int32"))
    assert found.dtype == np.int32


W = torch.arange(1.0, 4)

# what is broadcast, to which shape, and NumPy's answer for n = 2 and m = 7
BROADCASTS = {
    "a weight": (lambda _: weight_of(W.reshape(3, 1)), (N, 3, M), W.reshape(3, 1).numpy()),
    "a weight to static sizes": (lambda _: weight_of(W), (2, 3), W.numpy()),
    "a value": (
        lambda x: x[:, :1, :1].with_sizes((N, 1, 1)),
        (N, 3, M),
        data(2, 7)[:, :1, :1],
    ),
    "a value of fewer dimensions": (lambda x: x[0].with_sizes((3, M)), (N, 3, M), data(2, 7)[0]),
    "bools": (
        lambda x: ops.equal(x[:, :1], 3.0).with_sizes((N, 1, M)),
        (N, 3, M),
        data(2, 7)[:, :1] == 3,
    ),
    "only static sizes grow": (
        lambda x: x[:, :1].with_sizes((N, 1, M)),
        (5, N, 3, M),
        data(2, 7)[:, :1],
    ),
}


@pytest.mark.parametrize("name", BROADCASTS)
def test_broadcast_as_numpy_does(name: str) -> None:
    make, shape, given = BROADCASTS[name]
    sizes = [int(sympy.sympify(size).subs({N: 2, M: 7})) for size in shape]
    found = computed(lambda x: broadcast_to(make(x), shape))
    assert np.array_equal(found, np.broadcast_to(given, sizes))
    assert found.dtype == given.dtype


def test_what_has_the_shape_already_stays() -> None:
    recorder, result = recorded(lambda x: broadcast_to(x, SHAPE))
    assert (result.index, recorder.calls) == (0, [])
