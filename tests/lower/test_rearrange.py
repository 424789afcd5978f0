"""Reshapes between stored shapes, static and dynamic: NumPy's numbers, in the form that is due."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import sympy

from torch2keras.keras_graph.graph import Input, KerasGraph
from torch2keras.keras_graph.layer_names import name_calls
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.lower.dynamic_sizes import measure_by
from torch2keras.lower.rearrange import reshape, reshape_units
from torch2keras.lower.recorder import Recorder, record_to
from torch2keras.lower.size_tensors import SizeTensors

N, M = sympy.symbols("n m", integer=True, positive=True)
SIZES = {N: 2, M: 7}

# from, to, and the calls that are made of it
RESHAPES = {
    "nothing": ((2, 3, 5), (2, 3, 5), []),
    "the first stays": ((2, 3, 5), (2, 5, 3), ["layers.Reshape"]),
    "all behind the first in one": ((N, 3, M), (N, 3 * M), ["layers.Flatten"]),
    "the first stays, dynamic": ((N, 3, M), (N, M, 3), ["layers.Reshape"]),
    "one dynamic size": ((3, M, 5), (M, 15), ["ops.reshape"]),
    "only ones come and go": (
        (1, N, 1, M),
        (N, M, 1),
        ["ops.squeeze", "ops.expand_dims"],
    ),
    "around a dynamic size": (
        (3, 2, N, M),
        (6, N, M),
        ["ops.transpose", "layers.Reshape", "ops.transpose"],
    ),
    "one split into two dynamic ones": ((N * M, 3), (N, M, 3), "ops.take"),
    "from the flat tensor": ((N * M, 2, 3), (2, N, 3, M), "ops.take"),
}


def evaluate(shape) -> tuple[int, ...]:
    return tuple(int(sympy.sympify(size).subs(SIZES)) for size in shape)


@pytest.mark.parametrize("name", RESHAPES)
def test_the_elements_stay_in_their_order(name: str) -> None:
    have, want, calls = RESHAPES[name]
    inputs = []
    for number, shape in enumerate((have, (N, M))):  # the second input is there to be measured
        sizes = tuple(size if isinstance(size, int) else None for size in shape)
        inputs.append(Input(f"x{number}", sizes, "float32"))
    recorder = Recorder(tuple(inputs), "float32")
    measured = list(zip(recorder.tensors, (have, (N, M)), strict=True))
    with record_to(recorder), measure_by(SizeTensors(lambda: measured)):
        result = reshape(recorder.tensors[0], have, want)
    targets = [call.target for call in recorder.calls]
    assert (calls in targets) if isinstance(calls, str) else (targets == calls)
    named = name_calls(recorder.calls, {"x0", "x1"})
    graph = KerasGraph("net", tuple(inputs), named, (result.index,))
    x = np.arange(np.prod(evaluate(have)), dtype="float32").reshape(evaluate(have))
    other = np.zeros((SIZES[N], SIZES[M]), "float32")
    values = run_graph(graph, [x, other], Layers(graph).layer_with_weights)
    found = keras.ops.convert_to_numpy(values[result.index])
    assert np.array_equal(found, x.reshape(evaluate(want)))


def test_reshape_units_touches_ones_alone() -> None:
    recorder = Recorder((Input("x", (None, 1, 3), "float32"),), "float32")
    with record_to(recorder):
        assert reshape_units(recorder.tensors[0], (N, 1, 3), (1, N, 3, 1)).shape == (1, None, 3, 1)
        count = len(recorder.calls)
        assert reshape_units(recorder.tensors[0], (N, 3), (N, 3)) is recorder.tensors[0]
    assert len(recorder.calls) == count
