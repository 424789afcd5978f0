"""The parameters of the module and of the Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torch2keras.conversion.record import Conversion
from torch2keras.graph.ir import Constant
from torch2keras.reporting.facts import Parameters


def parameters_of(conversion: Conversion, keras_trainable: int, keras_frozen: int) -> Parameters:
    """The scalars on both sides; those of Keras are given."""
    module, graph = conversion.module, conversion.lowered.graph
    own = dict(module.named_parameters())
    folded = {
        f"{call.name}.{attribute}": weight.constant.folded_from
        for call, attribute, weight in graph.weights()
        if weight.constant.folded_from
    }
    held = {path for _, _, weight in graph.weights() for path in weight.constant.paths}
    held |= {path for paths in folded.values() for path in paths}
    return Parameters(
        sum(p.numel() for p in own.values() if p.requires_grad),
        sum(p.numel() for p in own.values() if not p.requires_grad),
        sum(b.numel() for b in module.buffers()),
        keras_trainable,
        keras_frozen,
        folded,
        _tied(conversion),
        tuple(name for name in own if name not in held and not _written_out(conversion, name)),
    )


def count_scalars(weights: Sequence[Any]) -> int:
    """The number of scalars in these Keras variables or tensors."""
    return sum(int(np.prod(w.shape)) for w in weights)


def _tied(conversion: Conversion) -> tuple[tuple[str, ...], ...]:
    names: dict[int, list[str]] = {}
    for name, parameter in conversion.module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return tuple(tuple(group) for group in names.values() if len(group) > 1)


def _written_out(conversion: Conversion, name: str) -> bool:
    """Whether a frozen parameter stands in the graph as a small constant."""
    reads = (v for node in conversion.graph.nodes for v in node.operands if isinstance(v, Constant))
    return any(name in v.paths or name in v.folded_from for v in reads)
