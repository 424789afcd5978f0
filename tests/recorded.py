"""What converters and blocks record, run on numbers: for tests that need no module around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from torch2keras.graph.ir import Constant, TensorType, keras_dtype
from torch2keras.keras_graph.graph import Input, KerasGraph
from torch2keras.keras_graph.layer_names import name_calls
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.lower.dynamic_sizes import measure_by
from torch2keras.lower.recorder import Recorder, as_tensor, record_to
from torch2keras.lower.size_tensors import SizeTensors


@dataclass(frozen=True)
class Recording:
    """The targets of the recorded calls, the symbolic shapes of the results, and their numbers."""

    targets: list[str]
    shapes: list[tuple[int | None, ...]]
    results: list[torch.Tensor]

    @property
    def result(self) -> torch.Tensor:
        (only,) = self.results
        return only


def record(
    function: Callable[..., Any], *inputs: torch.Tensor, dynamic: tuple[int, ...] = ()
) -> Recording:
    """Run what `function` records: it takes a `Tensor` for each input and returns one or several.

    The dimensions `dynamic` of each input have no static size.
    """
    shapes = [[None if d in dynamic else s for d, s in enumerate(x.shape)] for x in inputs]
    given = tuple(
        Input(f"x{k}", tuple(shape), keras_dtype(x.dtype))
        for k, (x, shape) in enumerate(zip(inputs, shapes, strict=True))
    )
    with record_to(Recorder(given, "float32")) as recorder, measure_by(SizeTensors(list)):
        tensors = recorder.tensors
        if not dynamic:
            tensors = [t.with_sizes(x.shape) for t, x in zip(tensors, inputs, strict=True)]
        made = function(*tensors)
        outputs = [as_tensor(y) for y in (made if isinstance(made, list | tuple) else [made])]
    calls = name_calls(recorder.calls, {i.name for i in given})
    graph = KerasGraph("net", given, calls, tuple(y.index for y in outputs))
    values = run_graph(graph, [x.numpy() for x in inputs], Layers(graph).layer_with_weights)
    results = [torch.from_numpy(np.array(values[y.index])) for y in outputs]
    return Recording([c.target for c in calls], [y.shape for y in outputs], results)


def weight_of(data: torch.Tensor, *, trainable: bool = False) -> Weight:
    """A tensor as the constant that a converter is given for a parameter or a buffer."""
    kind = TensorType(tuple(data.shape), data.dtype)
    return Weight.of(Constant("w", kind, data, trainable=trainable))
