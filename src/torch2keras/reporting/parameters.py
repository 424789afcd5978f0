"""The parameters of the module and of the Keras model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from torch2keras.conversion.record import Conversion
from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.reporting.facts import Parameters


def count_parameters(conversion: Conversion, keras_trainable: int, keras_frozen: int) -> Parameters:
    """Return the scalars on both sides, and the parameters that are folded, tied or unused.

    The numbers of Keras's scalars are given: they are counted before or after the model is built.
    """
    module, graph = conversion.module, conversion.lowered.graph
    folded = _find_folded_weights(graph)
    trainable = _count_elements(p for p in module.parameters() if p.requires_grad)
    return Parameters(
        torch_trainable=trainable,
        torch_frozen=_count_elements(module.parameters()) - trainable,
        torch_buffers=_count_elements(module.buffers()),
        keras_trainable=keras_trainable,
        keras_frozen=keras_frozen,
        folded=folded,
        tied=_find_tied_names(conversion),
        unused=_find_unused_names(conversion, folded),
    )


def count_scalars(weights: Sequence[Any]) -> int:
    """Return the number of scalars in these Keras variables or tensors."""
    return sum(int(np.prod(w.shape)) for w in weights)


def _count_elements(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _find_folded_weights(graph: KerasGraph) -> dict[str, tuple[str, ...]]:
    """Return, by name, the Keras weights that are computed, and the parameters they come from."""
    folded = {}
    for call, attribute, weight in graph.weights():
        if weight.constant.folded_from:
            folded[f"{call.name}.{attribute}"] = weight.constant.folded_from
    return folded


def _find_tied_names(conversion: Conversion) -> tuple[tuple[str, ...], ...]:
    """Return the names of each parameter that has several."""
    names: dict[int, list[str]] = {}
    for name, parameter in conversion.module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return tuple(tuple(group) for group in names.values() if len(group) > 1)


def _find_unused_names(
    conversion: Conversion, folded: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the parameters that are in no weight, and in no constant of the graph."""
    used = set[str]().union(*folded.values())
    for _, _, weight in conversion.lowered.graph.weights():
        used.update(weight.constant.paths)
    for node in conversion.graph.nodes:
        for value in node.operands:
            if isinstance(value, Constant):  # a frozen one may be written out
                used.update(value.paths, value.folded_from)
    return tuple(name for name, _ in conversion.module.named_parameters() if name not in used)
