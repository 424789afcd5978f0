"""A model of fixed sizes in the forms that LiteRT runs best, its ops in name scopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import tensorflow as tf

from torch2keras.conversion.substitution import Substitution
from torch2keras.deployment.formats import PortLayout
from torch2keras.deployment.tracing import ServeFunction, TracedModel
from torch2keras.deployment_forms.deployment_graph import lower_for_deployment
from torch2keras.deployment_forms.trace import Trace
from torch2keras.keras_graph.graph import Call, KerasGraph


class ScopedTrace(Trace):
    """A trace whose ops are called as the user's modules."""

    def __init__(self, graph: KerasGraph, scopes: Mapping[str, Call]) -> None:
        super().__init__(graph)
        self._scopes = {id(call): scope for scope, call in scopes.items()}

    def _run_call(self, call: Call, values: dict[int, Any]) -> None:
        with tf.name_scope(self._scopes[id(call)]):
            super()._run_call(call, values)


@dataclass(frozen=True, eq=False)
class FormsModel(TracedModel):
    """A graph in other forms, whose layers are its own."""

    @cached_property
    def _trace(self) -> ScopedTrace:
        return ScopedTrace(self.graph, self.scopes)

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Run all calls on tensors of known shapes.

        Raises LoweringError where a call has no form.
        """
        return self._trace.run(inputs)

    def make_function(self, layout: PortLayout) -> ServeFunction:
        """Return the function from inputs to outputs, whose weights are held already."""
        self._trace.hold_weights()
        return super().make_function(layout)


def make_forms_model(traced: TracedModel, *, is_quantized: bool = False) -> FormsModel:
    """Return a model in the forms for LiteRT, with the weights that it has now.

    `is_quantized` for a file whose values or constants will have fewer bits.
    Raises LoweringError where an op has none.
    """
    lowered = lower_for_deployment(traced.original, is_quantized=is_quantized)
    conversion = Substitution(traced.state).conversion(replace(traced.original, lowered=lowered))
    graph = conversion.lowered.graph
    return FormsModel(traced.original, traced.state, traced.conversion, graph)
