"""KerasGraph -> keras.Model, in any float dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from torch2keras.errors import LoweringError
from torch2keras.keras_graph.graph import Call, KerasGraph
from torch2keras.keras_graph.layer_names import make_unique, sanitize
from torch2keras.keras_graph.nesting import Segment, nest_calls
from torch2keras.keras_model.execute import run_call
from torch2keras.keras_model.layers import Layers


def build(
    graph: KerasGraph, dtype: str | None = None
) -> tuple[keras.Model, Mapping[str, keras.Layer]]:
    """The Functional model, with its weights, and its layers by name.

    `dtype` exchanges the graph's float dtype.
    """
    make = Layers(graph, dtype)
    inputs = [
        keras.Input(batch_shape=i.shape, dtype=make.swap.get(i.dtype, i.dtype), name=i.name)
        for i in graph.inputs
    ]
    items = nest_calls(graph)
    values: dict[int, Any] = dict(enumerate(inputs))
    execute(items, values, Scope(make, set(graph.outputs), set(make.names())))
    outputs = [values[i] for i in graph.outputs]
    model = keras.Model(unwrap_single(inputs), unwrap_single(outputs), name=graph.name)
    if any(i.shape and i.shape[0] is not None for i in graph.inputs):
        # Keras checks all sizes of an input but the first, where it is fixed too.
        model.input_spec = [
            keras.InputSpec(shape=i.shape, name=i.name, allow_last_axis_squeeze=len(i.shape) > 1)
            for i in graph.inputs
        ]
    make.load()
    return model, make.made


def unwrap_single(items: Sequence[Any]) -> Any:
    """One item alone is not wrapped."""
    return items[0] if len(items) == 1 else list(items)


@dataclass
class Scope:
    """What the building of nested models needs: the layers, the values read from outside, the names that are taken."""

    layers: Layers
    outside: set[int]
    names: set[str]


def execute(items: Sequence[Call | Segment], values: dict[int, Any], scope: Scope) -> None:
    """Run calls on symbolic tensors; each segment becomes a nested model, called at once."""
    needed: dict[int, set[int]] = {}
    wanted = set(scope.outside)
    for number, item in reversed(list(enumerate(items))):
        if isinstance(item, Segment):
            needed[number] = set(wanted)
        wanted.update(
            i
            for call in (item.calls() if isinstance(item, Segment) else (item,))
            for i in call.reads()
        )
    for number, item in enumerate(items):
        if isinstance(item, Segment):
            _execute_segment(item, values, scope, needed[number])
        else:
            _execute_call(item, values, scope.layers)


def _execute_call(call: Call, values: dict[int, Any], layers: Layers) -> None:
    try:
        run_call(call, values, layers, layers.swap)
    except Exception as error:
        raise LoweringError(
            f"Keras refuses keras.{call.target} here: {error}",
            [
                *call.origin.rows(),
                ("next", "where a shape has None, leave this dimension out of dynamic_shapes"),
            ],
        ) from error


def _execute_segment(
    segment: Segment, values: dict[int, Any], scope: Scope, needed: set[int]
) -> None:
    calls = list(segment.calls())
    made = {i for call in calls for i in call.outputs}
    taken = list(dict.fromkeys(i for call in calls for i in call.reads() if i not in made))
    given = [i for call in calls for i in call.outputs if i in needed]
    inner = {i: keras.Input(batch_shape=values[i].shape, dtype=values[i].dtype) for i in taken}
    inputs = list(inner.values())
    execute(segment.items, inner, Scope(scope.layers, set(given), scope.names))
    name = make_unique(sanitize(segment.path), scope.names)
    scope.names.add(name)
    model = keras.Model(unwrap_single(inputs), unwrap_single([inner[i] for i in given]), name=name)
    results = model(unwrap_single([values[i] for i in taken]))
    values |= dict(zip(given, results if len(given) > 1 else [results], strict=True))
