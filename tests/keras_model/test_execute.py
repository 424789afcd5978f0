"""The calls of a graph, run one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Constant, Origin, TensorType
from torch2keras.keras_graph.graph import GETITEM, Call, Input, KerasGraph, Literal, Ref
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.execute import run_call, run_graph, run_in_step
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.arrays import to_numpy

THIRDS = torch.tensor([1 / 3, 2 / 3], dtype=torch.float64)
LITERAL = Literal(Weight.of(Constant("w", TensorType((2,), torch.float32), THIRDS)))


def call(target: str, *args, outputs=(1,), **kwargs) -> Call:
    return Call(target, args, kwargs, outputs)


def run_one(made: Call, *values: np.ndarray, swap=None) -> list[np.ndarray]:
    """The results of a call on values 0, 1, ..."""
    there = dict(enumerate(values))
    run_call(made, there, lambda _: pytest.fail("an op has no layer"), swap or {})
    return [to_numpy(there[index]) for index in made.outputs]


X = np.arange(6, dtype="float32").reshape(2, 3)


def test_an_op_takes_values_and_literals() -> None:
    (found,) = run_one(call("ops.add", Ref(0), LITERAL, outputs=(2,)), X[:, :2])
    assert np.array_equal(found, X[:, :2] + THIRDS.numpy().astype("float32"))


def test_values_in_lists_and_keywords_are_found() -> None:
    made = call("ops.concatenate", [Ref(0), Ref(1)], axis=1, outputs=(2,))
    assert np.array_equal(run_one(made, X, X + 7)[0], np.concatenate([X, X + 7], 1))


def test_an_index_is_taken() -> None:
    made = call(GETITEM, Ref(0), (slice(None), slice(1, None)))
    assert np.array_equal(run_one(made, X)[0], X[:, 1:])


def test_several_results_are_several_values() -> None:
    found = run_one(call("ops.split", Ref(0), [1], axis=1, outputs=(3, 2)), X)
    assert [part.shape for part in found] == [(2, 1), (2, 2)]


@pytest.mark.parametrize(
    "made",
    [
        call("ops.cast", Ref(0), "float32"),
        call("ops.cast", Ref(0), dtype="float32"),
        call("ops.zeros_like", Ref(0), dtype="float32"),
    ],
)
def test_a_type_that_is_exchanged_is_exchanged_in_arguments(made: Call) -> None:
    found = run_one(made, X, swap={"float32": "float16"})
    assert found[0].dtype == np.float16
    assert run_one(made, X)[0].dtype == np.float32


def chain(*targets: str) -> KerasGraph:
    calls = tuple(
        Call(target, (Ref(i),), {}, (i + 1,), origin=Origin(f"block.{i}", "Block", "net.py:41"))
        for i, target in enumerate(targets)
    )
    return KerasGraph("net", (Input("x", (2, 3), "float32"),), calls, (len(targets),))


def test_all_values_are_kept_or_the_outputs_alone() -> None:
    graph = chain("ops.tanh", "ops.exp", "ops.relu")
    layer_of = Layers(graph).layer_with_weights
    assert set(run_graph(graph, [X], layer_of)) == {0, 1, 2, 3}
    kept = run_graph(graph, [X], layer_of, keep=False)
    assert set(kept) == {3}
    np.testing.assert_allclose(to_numpy(kept[3]), np.exp(np.tanh(X)), rtol=1e-6)


def test_what_fails_names_its_place() -> None:
    graph = chain("ops.tanh", "ops.cholesky")
    with pytest.raises(LoweringError, match=r"(?s)keras.ops.cholesky fails.*block.1.*net.py:41"):
        run_graph(graph, [X], Layers(graph).layer_with_weights)


def test_each_call_runs_on_all_sets_before_the_next_call() -> None:
    seen = []

    def layer_of(made: Call) -> object:
        return lambda x: seen.append((made.name, x[0, 0])) or x + 1

    layers = tuple(
        Call("layers.Rescaling", (Ref(i),), {}, (i + 1,), name=f"plus_{i}") for i in range(2)
    )
    graph = KerasGraph("net", (Input("x", (2, 3), "float32"),), layers, (2,))
    first, second = run_in_step(graph, [[X], [X + 10]], layer_of, keep=False)
    assert seen == [("plus_0", 0), ("plus_0", 10), ("plus_1", 1), ("plus_1", 11)]
    assert np.array_equal(first[2], X + 2)
    assert np.array_equal(second[2], X + 12)
