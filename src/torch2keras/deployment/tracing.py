"""The Keras graph as functions of TensorFlow whose ops are called as the user's modules.

`model(x)` names the ops of layers alone. Here each call of the graph has a name scope of its own,
`features.0.conv` or `encoder.transpose_12`, which stays in every file that is made of it: a refusal
by a converter or runtime is traced back to the line of the module by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras

from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.conversion.state_names import State
from torch2keras.conversion.substitution import Substitution
from torch2keras.deployment.formats import PortLayout
from torch2keras.deployment.sizes import Shape
from torch2keras.keras_graph.graph import Call, KerasGraph
from torch2keras.keras_model.execute import run_call

ServeFunction = Callable[[Mapping[str, Any]], dict[str, Any]]
"""From inputs to outputs, both by the names of the ports."""

NOT_IN_SCOPES = re.compile(r"[^A-Za-z0-9_.]")
"""What a name scope of TensorFlow may not hold (or only within)."""


@dataclass(frozen=True, eq=False)
class TracedModel:
    """A Keras graph with its layers, and the ports that it is called by."""

    original: Conversion
    """The record of the conversion as it was made."""
    state: State
    """The values that the named tensors have now."""
    conversion: Conversion
    """The record with these values."""
    graph: KerasGraph
    model: keras.Model | None = None
    """The model that the layers belong to, by which they are saved."""
    layers: Mapping[str, keras.Layer] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports of the inputs, in forward's order."""
        return self.conversion.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports of the outputs, in forward's order."""
        return self.conversion.outputs

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in forward's order."""
        return [port.name for port in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, in forward's order."""
        return [port.name for port in self.outputs]

    @cached_property
    def scopes(self) -> dict[str, Call]:
        """The name scope of each call: its module's path, and what it is called there."""
        found: dict[str, Call] = {}
        for number, call in enumerate(self.graph.calls):
            own = call.name or f"{call.target.rpartition('.')[2]}_{number}"
            path = call.origin.path
            name = own if own.startswith(path) or not path else f"{path}.{own}"
            scope = NOT_IN_SCOPES.sub("_", name).lstrip("_-./")
            while scope in found:
                scope += "_"
            found[scope or f"call_{number}"] = call
        return found

    def output_scopes(self) -> dict[str, str]:
        """Return the name scope of the call that makes each output; inputs passed on have none."""
        makers = {}
        for scope, call in self.scopes.items():
            makers.update(dict.fromkeys(call.outputs, scope))
        pairs = zip(self.output_names, self.graph.outputs, strict=True)
        return {name: makers[index] for name, index in pairs if index in makers}

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Run all calls on tensors in the Keras order, each in its name scope."""
        import tensorflow as tf

        values = dict(enumerate(inputs))
        for scope, call in self.scopes.items():
            with tf.name_scope(scope):
                run_call(call, values, lambda call: self.layers[call.name], {})
        return [values[index] for index in self.graph.outputs]

    def make_function(self, layout: PortLayout) -> ServeFunction:
        """Return the function from inputs to outputs by the names of the ports."""
        import tensorflow as tf

        def serve(inputs: Mapping[str, Any]) -> dict[str, Any]:
            given = [inputs[port.name] for port in self.inputs]
            if layout == "torch":
                pairs = zip(self.inputs, given, strict=True)
                given = [_transpose(x, port.permutation) for port, x in pairs]
            results = {}
            for port, result in zip(self.outputs, self.run(given), strict=True):
                placed = _transpose(result, port.inverse) if layout == "torch" else result
                results[port.name] = tf.convert_to_tensor(placed)
            return results

        return serve

    def input_specs(self, shapes: Sequence[Shape]) -> dict[str, Any]:
        """Return the type of each input by its name."""
        import tensorflow as tf

        specs = {}
        for port, shape in zip(self.inputs, shapes, strict=True):
            specs[port.name] = tf.TensorSpec(shape, port.dtype, name=port.name)
        return specs


def trace_model(
    original: Conversion, state: State, model: keras.Model, layers: Mapping[str, keras.Layer]
) -> TracedModel:
    """Return a converted model with its graph and the state that it has now."""
    conversion = Substitution(state).conversion(original)
    return TracedModel(original, state, conversion, conversion.lowered.graph, model, layers)


def _transpose(x: Any, permutation: Sequence[int]) -> Any:
    """Transpose a tensor, or leave it, where its dimensions stay."""
    if list(permutation) == sorted(permutation):
        return x
    return keras.ops.transpose(x, permutation)
