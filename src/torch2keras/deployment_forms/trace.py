"""Runs the calls of a KerasGraph on TensorFlow's tensors of known shapes, by the rules."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from torch2keras.deployment_forms.rank4 import lower_rank
from torch2keras.deployment_forms.rules import RULES, WEIGHTS
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.graph import Call, KerasGraph, Literal, Ref, map_refs
from torch2keras.keras_model.execute import run_call
from torch2keras.keras_model.layers import Layers, assign, find_variable

FILLERS: Mapping[str, float] = {"ops.ones_like": 1, "ops.zeros_like": 0}
"""Ops whose result is known where the shape is, by what it is filled with."""


class Trace:
    """The values of a graph, and its layers: each is made once, also for several traces."""

    def __init__(self, graph: KerasGraph) -> None:
        self.graph = graph
        self.layers = Layers(graph)
        self.held: dict[Hashable, dict[str, tf.Variable]] = {}
        """The weights that rules read, by name, of each layer once."""

    def hold_weights(self) -> None:
        """Make the variables of the weights that rules read, unless they are there.

        TensorFlow traces a function twice that makes variables.
        """
        for call in self.graph.calls:
            key = describe_weights(call)
            if call.target not in WEIGHTS or key in self.held:
                continue
            variables = {}
            for name, array in WEIGHTS[call.target](call).items():
                variables[name] = tf.Variable(array, trainable=False, dtype=call.dtype)
            self.held[key] = variables

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the outputs on tensors of known shapes.

        Raises LoweringError where a call is refused, with its place in the user's module.
        """
        self.hold_weights()
        values: dict[int, Any] = dict(enumerate(inputs))
        for call in self.graph.calls:
            try:
                self._run_call(call, values)
            except Exception as error:
                raise LoweringError(
                    f"keras.{call.target} has no form for deployment: {error}",
                    [*call.origin.rows(), ("next", "report it with this message")],
                ) from error
        return [tf.convert_to_tensor(lower_rank(values[index])) for index in self.graph.outputs]

    def _run_call(self, call: Call, values: dict[int, Any]) -> None:
        """Run a call, and let its results join the values."""
        read = {index: values[index] for index in call.reads()}
        if all(isinstance(value, np.ndarray) for value in read.values()):
            self._compute(call, read, values)
            return
        filler = fill_like(call, read)
        if filler is not None:
            values[call.outputs[0]] = filler
            return
        result = self._apply_rule(call, read)
        if result is NotImplemented:
            self._run_stock(call, read, values)
            return
        results = result if isinstance(result, list | tuple) else (result,)
        values.update(zip(call.outputs, results, strict=True))

    def _compute(self, call: Call, read: Mapping[int, np.ndarray], values: dict[int, Any]) -> None:
        """Run a call whose operands are known, and keep its results as arrays."""
        with tf.init_scope():
            own = dict(zip(read, map(tf.constant, read.values()), strict=True))
            self._run_stock(call, own, own)
            for index in call.outputs:
                values[index] = keep_array(own[index])

    def _apply_rule(self, call: Call, read: Mapping[int, Any]) -> Any:
        """Return what the rule for a call gives, NotImplemented where there is none."""
        rule = RULES.get(call.target)
        if rule is None:
            return NotImplemented

        def resolve(item: Ref | Literal) -> Any:
            if isinstance(item, Ref):
                return read[item.index]
            return item.weight.array(item.weight.dtype)

        args = map_refs(call.args, resolve)
        kwargs = {name: map_refs(value, resolve) for name, value in call.kwargs.items()}
        if call.target in WEIGHTS:
            kwargs["weights"] = self.held[describe_weights(call)]
        return rule(call, *args, **kwargs)

    def _run_stock(self, call: Call, read: Mapping[int, Any], values: dict[int, Any]) -> None:
        """Run a call as the Keras model does."""
        own = dict(zip(read, map(lower_rank, read.values()), strict=True))
        run_call(call, own, self._layer, {})
        for index in call.outputs:
            values[index] = own[index]

    def _layer(self, call: Call) -> Any:
        """Return what calls the layer, built and filled outside of what is being traced."""

        def run_layer(*args: Any, **kwargs: Any) -> Any:
            layer = self.layers(call)
            with tf.init_scope():
                if not layer.built:
                    layer.build(*[tuple(x.shape) for x in args if hasattr(x, "shape")])
                if self.layers.filled.get(call.name) != call.name:
                    for attribute, weight in call.weights.items():
                        assign(find_variable(layer, attribute), weight)
                    self.layers.filled[call.name] = call.name
            return layer(*args, **kwargs)

        return run_layer


def describe_weights(call: Call) -> Hashable:
    """Return what is equal for calls whose rule reads the same weights in the same way."""
    keys = tuple((name, weight.key) for name, weight in call.weights.items())
    return call.target, call.dtype, keys, repr(call.kwargs)


def fill_like(call: Call, read: Mapping[int, Any]) -> np.ndarray | None:
    """Return the result of an op that only asks for the shape; None for other calls."""
    if call.target not in FILLERS or not isinstance(call.args[0], Ref):
        return None
    like = lower_rank(read[call.args[0].index])
    if not like.shape.is_fully_defined():
        return None
    dtype = call.kwargs.get("dtype") or like.dtype.name
    if dtype == "bfloat16":
        return None
    return np.full(tuple(like.shape), FILLERS[call.target], dtype)


def keep_array(value: Any) -> Any:
    """Return an eager tensor as an array; bfloat16, which NumPy lacks, as it is."""
    if isinstance(value, tf.Tensor) and value.dtype != tf.bfloat16:
        return value.numpy()
    return value
