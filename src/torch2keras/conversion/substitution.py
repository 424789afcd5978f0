"""A conversion with other values for its named tensors: the same graph, other numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from torch2keras.conversion.record import Conversion
from torch2keras.conversion.state_names import State
from torch2keras.graph.interpreter import Results, recompute_source
from torch2keras.graph.ir import Constant, Graph, Value, map_values
from torch2keras.keras_graph.graph import KerasGraph, Literal, map_refs
from torch2keras.keras_graph.weight import Weight


class Substitution:
    """Exchanges the values of constants for those that a state gives, each computed once."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._results: Results = {}
        self._constants: dict[Constant, Constant] = {}

    def source(self, constant: Constant) -> torch.Tensor:
        """Return what the constant's moves start from."""
        return recompute_source(constant, self.state, self._results)

    def constant(self, constant: Constant) -> Constant:
        """Return the constant with its new value."""
        if constant not in self._constants:
            self._constants[constant] = replace(constant, tensor=self.source(constant))
        return self._constants[constant]

    def weight(self, weight: Weight) -> Weight:
        """Return the weight with its new values."""
        return replace(weight, constant=self.constant(weight.constant))

    def conversion(self, conversion: Conversion) -> Conversion:
        """Return the record of what would have been made of a module with this state."""
        lowered = conversion.lowered
        lowered = replace(lowered, graph=self._keras_graph(lowered.graph))
        return replace(conversion, graph=self._graph(conversion.graph), lowered=lowered)

    def _keras_graph(self, graph: KerasGraph) -> KerasGraph:
        calls = []
        for call in graph.calls:
            weights = {name: self.weight(weight) for name, weight in call.weights.items()}
            args = tuple(map_refs(argument, self._swap_literal) for argument in call.args)
            kwargs = {name: map_refs(a, self._swap_literal) for name, a in call.kwargs.items()}
            calls.append(replace(call, args=args, kwargs=kwargs, weights=weights))
        return replace(graph, calls=tuple(calls))

    def _swap_literal(self, item: Any) -> Any:
        return Literal(self.weight(item.weight)) if isinstance(item, Literal) else item

    def _graph(self, graph: Graph) -> Graph:
        nodes = tuple(node.replace_values(self._swap) for node in graph.nodes)
        outputs = tuple(map_values(output, self._swap) for output in graph.outputs)
        return replace(graph, nodes=nodes, outputs=outputs)

    def _swap(self, value: Value) -> Value:
        return self.constant(value) if isinstance(value, Constant) else value
