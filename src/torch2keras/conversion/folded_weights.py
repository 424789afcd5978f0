"""Split a trained Keras weight into the parameters that it was computed from.

PyTorch adds two biases in a recurrent layer, where Keras has one weight, their sum: it is computed
once, when the module is converted (folded), and has to come back as two parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from torch2keras.graph.ir import Constant, Node
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_graph.weight import Weight

aten = torch.ops.aten


@dataclass(frozen=True)
class Inverse:
    """How the result of an op gives its operands again."""

    arguments: Mapping[str, Any]
    """What the op's other arguments must be."""
    split: Callable[[torch.Tensor], Sequence[torch.Tensor]]

    def fits(self, node: Node) -> bool:
        """Return whether this node has the arguments that `split` is the inverse of."""
        return all(node.args[name] == value for name, value in self.arguments.items())


def split_sum(total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two terms of a sum: the first has all of it, as their shares cannot be told."""
    return total, torch.zeros_like(total)


def split_stack(stacked: torch.Tensor) -> Sequence[torch.Tensor]:
    """Return the tensors that were stacked in dimension 0."""
    return stacked.unbind(0)


INVERSES: Mapping[Any, Inverse] = {
    aten.add.Tensor: Inverse({"alpha": 1}, split_sum),
    aten.stack.default: Inverse({"dim": 0}, split_stack),
}


def split_weight(
    weight: Weight, values: torch.Tensor, graph: KerasGraph
) -> list[tuple[Constant, torch.Tensor]] | None:
    """Return the parameters behind a folded weight, each with its part of `values`.

    The answer is None where they cannot be told from `values`, where one of them is frozen, and
    where one of them is read by another weight too, which would have to change with it.
    """
    if weight.constant.recipe is None:
        return None
    node, _ = weight.constant.recipe
    inverse = INVERSES.get(node.op)
    if inverse is None or not inverse.fits(node):
        return None
    sources = [value for value in node.operands if isinstance(value, Constant)]
    elsewhere = _paths_of_other_weights(weight, graph)
    if not all(_is_own_parameter(source, elsewhere) for source in sources):
        return None
    if len({source.type.shape for source in sources}) != 1:
        return None
    folded = torch.empty(weight.constant.tensor.shape, dtype=values.dtype)
    folded.view(-1)[weight.numbers().reshape(-1)] = values.reshape(-1)
    parts = inverse.split(folded)
    if len(parts) != len(sources):  # a number was added, which is no parameter
        return None
    return list(zip(sources, parts, strict=True))


def _is_own_parameter(source: Constant, elsewhere: set[str]) -> bool:
    """Return whether a constant is trained, and read by this weight alone."""
    return source.trainable and bool(source.paths) and elsewhere.isdisjoint(source.paths)


def _paths_of_other_weights(weight: Weight, graph: KerasGraph) -> set[str]:
    """Return the state_dict's names behind the weights of other constants."""
    held = [other for _, _, other in graph.weights()]
    paths: set[str] = set()
    for other in (*held, *graph.literals()):
        if other.constant is not weight.constant:
            paths.update(other.constant.paths, other.constant.folded_from)
    return paths
