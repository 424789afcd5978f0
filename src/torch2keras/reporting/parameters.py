"""The parameters of the module and of the Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torch2keras.conversion.record import Conversion
from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.reporting.facts import Parameters


def count_parameters(conversion: Conversion, keras_trainable: int, keras_frozen: int) -> Parameters:
    """Return the scalars on both sides, and the parameters that are folded, tied or unused.

    The numbers of Keras's scalars are given: they are counted before or after the model is built.
    """
    facts = conversion.facts
    folded = _find_folded_weights(conversion.lowered.graph)
    return Parameters(
        torch_trainable=facts.trainable,
        torch_frozen=facts.frozen,
        torch_buffers=facts.buffers,
        keras_trainable=keras_trainable,
        keras_frozen=keras_frozen,
        folded=folded,
        tied=facts.tied,
        unused=_find_unused_names(conversion, folded),
    )


def count_scalars(weights: Sequence[Any]) -> int:
    """Return the number of scalars in these Keras variables or tensors."""
    return sum(int(np.prod(w.shape)) for w in weights)


def _find_folded_weights(graph: KerasGraph) -> dict[str, tuple[str, ...]]:
    """Return, by name, the Keras weights that are computed, and the parameters they come from."""
    folded = {}
    for call, attribute, weight in graph.weights():
        if weight.constant.folded_from:
            folded[f"{call.name}.{attribute}"] = weight.constant.folded_from
    return folded


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
    return tuple(name for name in conversion.facts.parameters if name not in used)
