"""Sizes as tensors: each expression of them, computed in Keras, is what it says for any size."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import sympy
from torch.utils._sympy import functions as f

from torch2keras.errors import LoweringError
from torch2keras.keras_graph.graph import Input, KerasGraph
from torch2keras.keras_graph.layer_names import name_calls
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.lower.recorder import Recorder, Tensor, record_to
from torch2keras.lower.size_tensors import SizeTensors

N, M = sympy.symbols("n m", integer=True, positive=True)
INPUTS = (Input("x", (None, 3, None), "float32"), Input("y", (None, 5), "float32"))
SHAPES = ((N, 3, M), (6 * N, 5))
SIZES = [(1, 1), (2, 7), (11, 4)]


def record(make) -> tuple[Recorder, Tensor]:
    """What `make` records of the sizes of inputs of shapes (n, 3, m) and (6 n, 5)."""
    recorder = Recorder(INPUTS, "float32")
    tensors = SizeTensors(lambda: list(zip(recorder.tensors, SHAPES, strict=True)))
    with record_to(recorder):
        return recorder, make(tensors)


def computed(make, n: int, m: int) -> np.ndarray:
    """The number for these sizes."""
    recorder, result = record(make)
    graph = KerasGraph("net", INPUTS, name_calls(recorder.calls, {"x", "y"}), (result.index,))
    given = [np.zeros((n, 3, m), "float32"), np.zeros((6 * n, 5), "float32")]
    values = run_graph(graph, given, Layers(graph).layer_with_weights)
    return keras.ops.convert_to_numpy(values[result.index])


ROWS = {
    "a dimension": M,
    "a part of a dimension": 2 * N,
    "a number": sympy.Integer(7),
    "a difference": M + 6 * N - 1,
    "a sum": M + N + 2,
    "a repeated dimension": 5 * M,
    "a product": N * M,
    "a floor": f.FloorDiv(M, 3),
    "a floor of a sum": f.FloorDiv(M + 2, 3),
    "a dimension and a floor": N + f.FloorDiv(M, 2),
    "a ceiling as a difference": M - f.FloorDiv(M, 2),
    "a ceiling as arange writes it": f.CeilToInt(f.FloatTrueDiv(f.ToFloat(M), 2.0)),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_a_row_is_as_long_as_the_size(name: str, n: int, m: int) -> None:
    size = ROWS[name]
    row = computed(lambda tensors: tensors.row(size), n, m)
    assert row.tolist() == [1] * int(size.subs({N: n, M: m}))
    assert row.dtype == np.int32


SCALARS = {
    "a sum of products": 3 * N + N * M - 2,
    "a floor": f.FloorDiv(N * M + 1, 3),
    "a remainder": f.Mod(M, 3),
    "the largest": f.Max(N, M),
    "the smallest": f.Min(N, M),
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_a_scalar_is_the_size(name: str, n: int, m: int) -> None:
    size = SCALARS[name]
    assert int(computed(lambda tensors: tensors.scalar(size), n, m)) == int(size.subs({N: n, M: m}))


def test_a_float_in_an_expression_is_computed_as_a_float() -> None:
    half = f.TruncToInt(f.FloatTrueDiv(f.ToFloat(M), 2.5))
    assert int(computed(lambda tensors: tensors.scalar(half), 2, 7)) == 2


def test_a_number_stays_a_number_and_each_tensor_is_made_once() -> None:
    recorder, (first, second, number) = record(
        lambda t: (t.scalar(2 * N + 1), t.scalar(1 + 2 * N), t.scalar(sympy.Integer(7)))
    )
    assert first is second
    assert number == 7
    assert [c.target for c in recorder.calls].count("ops.ones_like") == 1


def test_what_cannot_be_made_is_refused() -> None:
    other = sympy.Symbol("k", integer=True, positive=True)
    with pytest.raises(LoweringError, match="no value has a dimension of the size k"):
        record(lambda tensors: tensors.row(other))
    with pytest.raises(LoweringError, match=r"the size .* cannot be computed in Keras"):
        record(lambda tensors: tensors.scalar(sympy.sin(M)))
