"""KerasGraph -> keras.Model, in any float dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from torch2keras.errors import LoweringError
from torch2keras.keras_graph.graph import Call, KerasGraph
from torch2keras.keras_graph.layer_names import make_unique, sanitize
from torch2keras.keras_graph.nesting import Segment, calls_of, nest_calls
from torch2keras.keras_model.execute import run_call
from torch2keras.keras_model.layers import Layers
from torch2keras.workarounds.fixed_batch import check_fixed_batch


def build(
    graph: KerasGraph, dtype: str | None = None
) -> tuple[keras.Model, Mapping[str, keras.Layer]]:
    """Return the Functional model, with its weights, and its layers by name.

    `dtype` is exchanged for the graph's float dtype.
    Raises LoweringError where Keras refuses a call, with its place in the user's module.
    """
    layers = Layers(graph, dtype)
    inputs = []
    for port in graph.inputs:
        own = layers.swap.get(port.dtype, port.dtype)
        inputs.append(keras.Input(batch_shape=port.shape, dtype=own, name=port.name))
    values: dict[int, Any] = dict(enumerate(inputs))
    execute(nest_calls(graph), values, Scope(layers, set(graph.outputs), set(layers.names())))
    outputs = [values[index] for index in graph.outputs]
    model = keras.Model(unwrap_single(inputs), unwrap_single(outputs), name=graph.name)
    check_fixed_batch(model, {port.name: port.shape for port in graph.inputs})
    layers.load()
    return model, layers.made


def unwrap_single(items: Sequence[Any]) -> Any:
    """Return the items as a list, or one item alone as itself, as Keras has a model's inputs."""
    return items[0] if len(items) == 1 else list(items)


@dataclass
class Scope:
    """What the building of nested models needs."""

    layers: Layers
    outside: set[int]
    """The values that are read outside of what is built."""
    names: set[str]
    """The names of layers that are taken."""


def execute(items: Sequence[Call | Segment], values: dict[int, Any], scope: Scope) -> None:
    """Run calls on symbolic tensors; each segment becomes a nested model, called at once."""
    read_later = _find_read_later(items, scope.outside)
    for item, later in zip(items, read_later, strict=True):
        if isinstance(item, Segment):
            _execute_segment(item, values, scope, later)
        else:
            _execute_call(item, values, scope.layers)


def _find_read_later(items: Sequence[Call | Segment], outside: set[int]) -> list[set[int]]:
    """Return, for each segment, the values that are read behind it; an empty set for a call."""
    read_later: list[set[int]] = []
    wanted = set(outside)
    for item in reversed(items):
        read_later.append(set(wanted) if isinstance(item, Segment) else set())
        for call in calls_of(item):
            wanted.update(call.reads())
    return read_later[::-1]


def _execute_call(call: Call, values: dict[int, Any], layers: Layers) -> None:
    """Run one call on symbolic tensors."""
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
    segment: Segment, values: dict[int, Any], scope: Scope, read_later: set[int]
) -> None:
    """Make a nested model of a segment, and call it."""
    inputs: dict[int, Any] = {}
    made: set[int] = set()
    given: list[int] = []
    for call in segment.calls():
        for index in call.reads():
            if index not in made and index not in inputs:
                outer = values[index]
                inputs[index] = keras.Input(batch_shape=outer.shape, dtype=outer.dtype)
        made.update(call.outputs)
        given += filter(read_later.__contains__, call.outputs)
    inner = dict(inputs)
    execute(segment.items, inner, Scope(scope.layers, set(given), scope.names))
    name = make_unique(sanitize(segment.path), scope.names)
    scope.names.add(name)
    outputs = unwrap_single([inner[index] for index in given])
    model = keras.Model(unwrap_single(list(inputs.values())), outputs, name=name)
    results = model(unwrap_single([values[index] for index in inputs]))
    values.update(zip(given, results if len(given) > 1 else [results], strict=True))
