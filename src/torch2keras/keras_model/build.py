"""KerasGraph -> keras.Model, in any float dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import keras

from torch2keras.errors import LoweringError
from torch2keras.keras_graph.graph import Call, KerasGraph
from torch2keras.keras_graph.nesting import (
    Segment,
    SegmentPorts,
    find_segment_ports,
    nest_calls,
)
from torch2keras.keras_model.automatic_names import OperationNames, count_anew
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
    names = set(layers.names())
    with count_anew([graph.name, *names]):
        model = _build_model(graph, layers, names)
        check_fixed_batch(model, {port.name: port.shape for port in graph.inputs})
        layers.load()
    return model, layers.made


def _build_model(graph: KerasGraph, layers: Layers, names: AbstractSet[str]) -> keras.Model:
    """Return the model; `names` are those of its layers and inputs."""
    inputs = []
    for port in graph.inputs:
        own = layers.swap.get(port.dtype, port.dtype)
        inputs.append(keras.Input(batch_shape=port.shape, dtype=own, name=port.name))
    values: dict[int, Any] = dict(enumerate(inputs))
    items = nest_calls(graph)
    ports = find_segment_ports(items, graph.outputs, names)
    nested = {own.name for own in ports.values()}
    builder = Builder(layers, ports, OperationNames(graph, names | nested))
    builder.execute(items, values)
    outputs = [values[index] for index in graph.outputs]
    return keras.Model(unwrap_single(inputs), unwrap_single(outputs), name=graph.name)


def unwrap_single(items: Sequence[Any]) -> Any:
    """Return the items as a list, or one item alone as itself, as Keras has a model's inputs."""
    return items[0] if len(items) == 1 else list(items)


@dataclass(frozen=True)
class Builder:
    """Runs calls on symbolic tensors, of which Keras makes models."""

    layers: Layers
    ports: Mapping[int, SegmentPorts]
    """The ports of each segment, by its id."""
    names: OperationNames

    def execute(self, items: Sequence[Call | Segment], values: dict[int, Any]) -> None:
        """Run calls, and let their results join the values; each segment is a nested model."""
        for item in items:
            if isinstance(item, Segment):
                self._execute_segment(item, values)
            else:
                self._execute_call(item, values)

    def _execute_call(self, call: Call, values: dict[int, Any]) -> None:
        try:
            run_call(call, values, self.layers, self.layers.swap)
        except Exception as error:
            raise LoweringError(
                f"Keras refuses keras.{call.target} here: {error}",
                [
                    *call.origin.rows(),
                    ("next", "where a shape has None, leave this dimension out of dynamic_shapes"),
                ],
            ) from error
        self.names.name_operations(call, map(values.__getitem__, call.outputs))

    def _execute_segment(self, segment: Segment, values: dict[int, Any]) -> None:
        """Make a nested model of a segment, and call it."""
        own = self.ports[id(segment)]
        inputs: dict[int, Any] = {}
        for index in own.inputs:
            outer = values[index]
            inputs[index] = keras.Input(batch_shape=outer.shape, dtype=outer.dtype)
        inner = dict(inputs)
        self.execute(segment.items, inner)
        outputs = unwrap_single([inner[index] for index in own.outputs])
        model = keras.Model(unwrap_single(list(inputs.values())), outputs, name=own.name)
        results = model(unwrap_single([values[index] for index in own.inputs]))
        results = results if len(own.outputs) > 1 else [results]
        values.update(zip(own.outputs, results, strict=True))
