"""KerasGraph -> keras.Model, in any float dtype."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from torch2keras.keras_graph import Call, KerasGraph, Literal, Ref, Weight, map_refs


def build(graph: KerasGraph, dtype: str | None = None) -> tuple[keras.Model, Mapping[str, keras.Layer]]:
    """The Functional model, with its weights, and its layers by name.

    `dtype` exchanges the graph's float dtype.
    """
    make = Layers(graph, dtype)
    swap = {graph.float_dtype: dtype or graph.float_dtype}
    inputs = [keras.Input(batch_shape=i.shape, dtype=swap.get(i.dtype, i.dtype), name=i.name) for i in graph.inputs]
    values = run(graph, inputs, make, dtype)
    outputs = [values[i] for i in graph.outputs]
    model = keras.Model(inputs if len(inputs) != 1 else inputs[0], outputs if len(outputs) != 1 else outputs[0], name=graph.name)
    make.load()
    return model, make.made


class Layers:
    """The layers of a graph, made when first called, each once."""

    def __init__(self, graph: KerasGraph, dtype: str | None = None) -> None:
        self.graph, self.swap = graph, {graph.float_dtype: dtype or graph.float_dtype}
        self.made: dict[str, keras.Layer] = {}
        self.filled: set[str] = set()

    def __call__(self, call: Call) -> keras.Layer:
        if call.name not in self.made:
            dtype = self.swap.get(call.dtype, call.dtype)
            cls = getattr(keras.layers, call.target.removeprefix("layers."))
            layer = cls(**call.config, dtype=dtype, name=call.name)
            if not call.trainable:
                layer.trainable = False
            self.made[call.name] = layer
        return self.made[call.name]

    def loaded(self, call: Call) -> Callable[..., Any]:
        """The layer of a call, which takes its weights before it is first called, on real tensors too."""
        layer = self(call)

        def run_layer(*args: Any, **kwargs: Any) -> Any:
            if call.weights and call.name not in self.filled:
                if not layer.built:
                    layer.build(tuple(args[0].shape))
                for attribute, weight in call.weights.items():
                    assign(getattr(layer, attribute), weight)
                self.filled.add(call.name)
            return layer(*args, **kwargs)

        return run_layer

    def load(self) -> None:
        """Copy the weights into all layers that are built."""
        for call, attribute, weight in self.graph.weights():
            variable = getattr(self.made[call.name], attribute)
            assign(variable, weight)


def assign(variable: keras.Variable, weight: Weight) -> None:
    """Copy a weight, in the variable's own dtype."""
    variable.assign(weight.array(keras.backend.standardize_dtype(variable.dtype)))


def run(
    graph: KerasGraph,
    inputs: Sequence[Any],
    layer_of: Callable[[Call], Callable[..., Any]],
    dtype: str | None = None,
    after: Callable[[Call, Any], None] | None = None,
) -> list[Any]:
    """Execute the calls on symbolic or real tensors; the list of all values. `after` sees each call's result."""
    swap = {graph.float_dtype: dtype or graph.float_dtype}
    values: list[Any] = [*inputs, *([None] * sum(len(c.outputs) for c in graph.calls))]

    def resolve(item: Ref | Literal) -> Any:
        if isinstance(item, Ref):
            return values[item.index]
        wanted = swap.get(item.weight.dtype, item.weight.dtype)
        return item.weight.array(wanted)

    for call in graph.calls:
        args = [map_refs(a, resolve) for a in call.args]
        kwargs = {k: map_refs(v, resolve) for k, v in call.kwargs.items()}
        if call.is_layer:
            result = layer_of(call)(*args, **kwargs)
        else:
            result = _op(call.target, args, kwargs, swap)
        results = result if len(call.outputs) > 1 or isinstance(result, list | tuple) else (result,)
        for index, value in zip(call.outputs, results, strict=True):
            values[index] = value
        if after:
            after(call, result)
    return values


def _op(target: str, args: list[Any], kwargs: Mapping[str, Any], swap: Mapping[str, str]) -> Any:
    kwargs = {k: swap.get(v, v) if k == "dtype" and isinstance(v, str) else v for k, v in kwargs.items()}
    if target == "getitem":
        return operator.getitem(*args)
    if target == "ops.cast":
        args = [args[0], swap.get(args[1], args[1])]
    return getattr(keras.ops, target.removeprefix("ops."))(*args, **kwargs)


def to_numpy(tensor: Any) -> np.ndarray:
    """A backend tensor as NumPy; bfloat16 as float32."""
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = keras.ops.cast(tensor, "float32")
    return np.asarray(keras.ops.convert_to_numpy(tensor))
