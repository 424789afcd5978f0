"""From a Keras weight that was computed of several parameters (two biases) back to these, where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_graph.weight import Weight

aten = torch.ops.aten


INVERSES: Mapping[
    Any, tuple[Mapping[str, Any], Callable[[torch.Tensor], Sequence[torch.Tensor]]]
] = {
    aten.add.Tensor: ({"alpha": 1}, lambda values: (values, torch.zeros_like(values))),
    aten.stack.default: ({"dim": 0}, lambda values: values.unbind(0)),
}
"""Op -> the arguments that it must have, and what gives its operands again; of a sum, the first has all of it."""


def unfolded(
    weight: Weight, values: torch.Tensor, graph: KerasGraph
) -> list[tuple[Constant, torch.Tensor]] | None:
    """The parameters that a folded weight stands for, each with its values; None where they cannot be told.

    That is so too where one of them is frozen, or is read by another weight, which would have to change with it.
    """
    if weight.constant.recipe is None:
        return None
    node, _ = weight.constant.recipe
    arguments, inverse = INVERSES.get(node.op, ({}, None))
    sources = [value for value in node.operands if isinstance(value, Constant)]
    taken = {
        path
        for constant in _others(weight, graph)
        for path in (*constant.paths, *constant.folded_from)
    }
    own = all(s.trainable and s.paths and not taken & set(s.paths) for s in sources)
    alike = len({s.type.shape for s in sources}) == 1 and all(
        node.args[n] == v for n, v in arguments.items()
    )
    if inverse is None or not own or not alike:
        return None
    folded = torch.empty(weight.constant.tensor.shape, dtype=values.dtype)
    folded.view(-1)[weight.numbers().reshape(-1)] = values.reshape(-1)
    return list(zip(sources, inverse(folded), strict=True))


def _others(weight: Weight, graph: KerasGraph) -> list[Constant]:
    constants = [w.constant for _, _, w in graph.weights()] + [w.constant for w in graph.literals()]
    return [constant for constant in constants if constant is not weight.constant]
