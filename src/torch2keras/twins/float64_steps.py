"""Steps of a model run in float64, with other weights where that is asked for.

The layers that are run are copies: the caller's model stays as it is. A layer without weights runs
itself, in float64 meanwhile; so does one that cannot be copied, with the weights for that call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from torch2keras.keras_graph.graph import Call, Ref
from torch2keras.keras_model.float64 import FLOAT64_OPS, float64_function, widen_layer
from torch2keras.runtime.arrays import to_numpy
from torch2keras.twins.own_weights import WeightSource
from torch2keras.twins.steps import FUSED, LayerGraph, LayerStep
from torch2keras.workarounds.channels_first_float64 import move_channels_last

FLOAT64 = "float64"


@dataclass
class Float64Steps:
    """Runs steps of one model in float64."""

    arrays: dict[int, np.ndarray] = field(default_factory=dict)
    """What a variable holds here, by its `id`; without an entry what it holds itself."""
    copies: dict[tuple[int, bool], Any] = field(default_factory=dict)

    def run(self, step: LayerStep, values: Mapping[int, Any]) -> list[Any]:
        """Return the results of a step. Raises what Keras raises."""
        args = keras.tree.map_structure(lambda item: _resolve(item, values), step.args)
        kwargs = keras.tree.map_structure(lambda item: _resolve(item, values), dict(step.kwargs))
        operation = step.operation
        if isinstance(operation, WeightSource):
            return [widen(self._array(operation.variable))]
        exact = _exact_function(step)
        if exact is not None:
            return [exact(args[0])]
        if not isinstance(operation, keras.Layer):
            with _widen_operation(operation):
                return _flatten(operation(*args, **kwargs))
        if not operation.weights:
            with _widen_weightless(operation):
                return _flatten(operation(*args, **kwargs))
        copied = self._copy(step, args)
        if copied is None:
            with self._hold_arrays(operation):
                return _flatten(operation(*args, **kwargs))
        return _flatten(copied(*args, **kwargs))

    def run_all(self, graph: LayerGraph, inputs: Sequence[np.ndarray]) -> dict[int, Any]:
        """Return all values of a model on inputs, by number."""
        values: dict[int, Any] = {}
        for number, array in zip(graph.inputs, inputs, strict=True):
            values[number] = widen(array)
        for step in graph.steps:
            values.update(zip(step.outputs, self.run(step, values), strict=True))
        return values

    def _copy(self, step: LayerStep, args: Sequence[Any]) -> Any | None:
        """Return a layer's copy in float64, filled; None where it cannot be made."""
        layer = step.operation
        key = (id(layer), step.is_linear)
        if key not in self.copies:
            self.copies[key] = _make_copy(step, args)
        copied = self.copies[key]
        if copied is None:
            return None
        for own, variable in zip(copied.weights, layer.weights, strict=True):
            if own.dtype == FLOAT64:
                own.assign(self._array(variable))
        return copied

    def _array(self, variable: Any) -> np.ndarray:
        """Return what a variable holds here."""
        array = self.arrays.get(id(variable))
        return to_numpy(variable.value) if array is None else array

    @contextmanager
    def _hold_arrays(self, layer: Any) -> Iterator[None]:
        """Let a layer's own variables hold what they do here, and give them back."""
        before = [(variable, to_numpy(variable.value).copy()) for variable in layer.weights]
        try:
            for variable, _ in before:
                variable.assign(self._array(variable))
            yield
        finally:
            for variable, array in before:
                variable.assign(array)


def widen(array: Any) -> Any:
    """Return an array as a tensor, floats in float64."""
    given = np.asarray(array)
    if given.dtype.kind == "f":
        given = given.astype(FLOAT64)
    return keras.ops.convert_to_tensor(given)


def _flatten(results: Any) -> list[Any]:
    return list(keras.tree.flatten(results))


def _resolve(item: Any, values: Mapping[int, Any]) -> Any:
    return values[item.index] if isinstance(item, Ref) else item


def _exact_function(step: LayerStep) -> Any | None:
    """Return what is called in place of a layer or op that TensorFlow computes in float32."""
    operation = step.operation
    if step.kind == "Gelu":
        return lambda x: FLOAT64_OPS["ops.gelu"](x, operation.approximate)
    if not isinstance(operation, keras.Layer) or operation.weights:
        return None
    if step.kind not in ("LeakyReLU", "Activation", "MaxPooling3D", "AveragePooling3D"):
        return None
    config = {key: getattr(operation, key, None) for key in ("negative_slope", "padding")}
    config |= {key: getattr(operation, key, None) for key in ("pool_size", "strides")}
    if step.kind == "Activation":
        config[FUSED] = getattr(operation.activation, "__name__", "")
    return float64_function(Call(f"layers.{step.kind}", (), {}, (), config=config))


@contextmanager
def _widen_operation(operation: Any) -> Iterator[None]:
    """Let an op that names a float type name float64 meanwhile."""
    dtype = getattr(operation, "dtype", None)
    is_float = isinstance(dtype, str) and "float" in dtype
    if is_float:
        operation.dtype = FLOAT64
    try:
        yield
    finally:
        if is_float:
            operation.dtype = dtype


@contextmanager
def _widen_weightless(layer: Any) -> Iterator[None]:
    """Let a layer without weights compute in float64 meanwhile."""
    policy = layer.dtype_policy
    layer.dtype_policy = FLOAT64
    try:
        yield
    finally:
        layer.dtype_policy = policy


def _make_copy(step: LayerStep, args: Sequence[Any]) -> Any | None:
    """Return a new layer of the same configuration in float64, with its variables."""
    layer = step.operation
    try:
        config = widen_config(layer.get_config())
        if step.is_linear:
            config[FUSED] = "linear"
        copied = type(layer).from_config(config)
        if hasattr(copied, "kernel_size"):
            copied.build(tuple(args[0].shape))
            move_channels_last(copied)
        copied(*args, **{key: value for key, value in step.kwargs.items() if value is None})
        widen_layer(copied)
        shapes = [tuple(variable.shape) for variable in copied.weights]
    except Exception:  # noqa: BLE001 - a stranger's layer may raise anything
        return None
    return copied if shapes == [tuple(variable.shape) for variable in layer.weights] else None


def widen_config(config: Any) -> Any:
    """Return a layer's configuration with float64 for each dtype in it."""
    if isinstance(config, list | tuple):
        return type(config)(widen_config(item) for item in config)
    if not isinstance(config, dict):
        return config
    widened = {}
    for key, value in config.items():
        is_dtype = key == "dtype" and value is not None
        widened[key] = FLOAT64 if is_dtype else widen_config(value)
    return widened
