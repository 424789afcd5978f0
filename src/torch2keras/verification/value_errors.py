"""How far every value within the model is from PyTorch's, in both tiers.

Outputs alone are judged (docs/verify.md); these are what a reader looks at to see where an error
comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from torch2keras.conversion.ports import Port, build_port
from torch2keras.conversion.record import Conversion
from torch2keras.graph.interpreter import run_nodes
from torch2keras.graph.ir import Node, Value
from torch2keras.keras_graph.graph import Call
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.arrays import to_numpy
from torch2keras.runtime.isolation import isolate_process
from torch2keras.verification.float64_keras import store_inputs, values64, widen_input
from torch2keras.verification.input_sets import example_tensors
from torch2keras.verification.metric import EPS, Difference, meaning, numerics
from torch2keras.workarounds.float64_promotion import double_precision


@dataclass(frozen=True)
class ValueErrors:
    """One value of the graph, as both sides give it for one set of inputs."""

    node: Node
    value: Value
    meaning: Difference
    """In float64."""
    numerics: Difference
    """As the model is saved."""


@isolate_process()
def measure_values(
    conversion: Conversion, layer_of: Callable[[Call], Callable[..., Any]]
) -> list[ValueErrors]:
    """Compare each value on the example, in the order in which they are computed.

    `layer_of` gives the model's own layer of a call. Values that Keras has in no form of their own
    are left out. Raises NotImplementedError where PyTorch cannot run the graph op by op.
    """
    tensors = [_as_real(tensor) for tensor in example_tensors(conversion)]
    graph = conversion.lowered.graph
    own = run_graph(graph, store_inputs(conversion, tensors, wide=False), layer_of)
    theirs = {value: to_numpy(made) for _, value, made in _run(conversion, tensors, wide=False)}
    wide = [widen_input(tensor) for tensor in tensors]
    found = []
    with double_precision():
        exact = values64(conversion, Layers(graph, "float64", in_turn=True), tensors)
        for node, value, made in _run(conversion, wide, wide=True):
            port = find_port(conversion, value)
            if port is None:
                continue
            place = conversion.lowered.values[value].tensor.index
            y64 = to_numpy(made)
            eps = EPS.get(port.dtype, EPS["float32"])
            same = meaning(port.to_torch(exact[place]), y64, y_t=theirs[value])
            near = numerics(port.to_torch(own[place]), theirs[value], y64, eps)
            found.append(ValueErrors(node, value, same, near))
    return found


def _run(
    conversion: Conversion, tensors: Sequence[torch.Tensor], *, wide: bool
) -> Iterator[tuple[Node, Value, torch.Tensor]]:
    with torch.no_grad():
        yield from run_nodes(conversion.graph, tensors, in_float64=wide)


def find_port(conversion: Conversion, value: Value) -> Port | None:
    """Return how Keras stores a value of the graph; None where no value of its own is stored."""
    stored = conversion.lowered.values.get(value)
    if stored is None or len(stored.storage) != value.type.rank:
        return None
    if any(len(group) != 1 for group in stored.storage):
        return None
    port = build_port(conversion.plan.space, value, stored.storage, value.name)
    # A dimension that merges two axes may be stored as both, next to one of size 1 as none.
    return port if len(set(port.permutation)) == value.type.rank else None


def _as_real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
