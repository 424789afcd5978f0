"""Which dimension of a Keras variable is a dimension of the module's tensor, cut into parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch

from torch2keras.graph.element_moves import move_elements
from torch2keras.graph.ir import Constant
from torch2keras.graph.symbolic import static_size
from torch2keras.keras_graph.weight import Weight

MOST_PARTS = 255
"""The most parts that a byte numbers; more are counted in 32 bits."""


@dataclass(frozen=True)
class DividedDim:
    """A dimension of a tensor whose equal parts lie side by side in one dimension of a variable."""

    places: Mapping[Weight, int]
    """The dimension of each variable that is made of the tensor."""
    keeps_order: bool
    """Whether part i of the tensor is part i of each variable."""


def constant_key(constant: Constant) -> Hashable:
    """Return what is equal for constants that are one tensor, moved in the same way."""
    return id(constant.tensor), constant.moves, tuple(constant.type.shape)


class DividedConstants:
    """The tensors behind the variables of a model, and how each can be cut into `parts`."""

    def __init__(self, weights: Sequence[Weight], parts: int) -> None:
        self.parts = parts
        self._weights: dict[Hashable, list[Weight]] = defaultdict(list)
        for weight in weights:
            self._weights[constant_key(weight.constant)].append(weight)
        self._found: dict[Hashable, dict[int, DividedDim]] = {}

    def find_dims(self, constant: Constant) -> Mapping[int, DividedDim]:
        """Return the dimensions of a constant that can be divided, by their numbers.

        None can where no variable is made of it, or where the parts are scattered in one.
        """
        key = constant_key(constant)
        if key not in self._found:
            dims = {}
            for dim in range(constant.type.rank):
                divided = self._divide(constant, dim)
                if divided is not None:
                    dims[dim] = divided
            self._found[key] = dims
        return self._found[key]

    def _divide(self, constant: Constant, dim: int) -> DividedDim | None:
        weights = self._weights[constant_key(constant)]
        size = static_size(constant.type.shape[dim])
        if self.parts == 1 or not weights or size is None or size % self.parts:
            return None
        numbers = number_parts(constant, dim, self.parts)
        places: dict[Weight, int] = {}
        keeps_order = True
        for weight in weights:
            found = locate_parts(move_elements(numbers, weight.moves), self.parts)
            if found is None:
                return None
            places[weight], in_order = found
            keeps_order = keeps_order and in_order
        return DividedDim(places, keeps_order)


def number_parts(constant: Constant, dim: int, parts: int) -> torch.Tensor:
    """Return a tensor of the constant's shape: for each element, the part of `dim` that it is in.

    It is a view of one row, so that large weights take no memory.
    """
    shape = tuple(map(int, constant.type.shape))
    dtype = torch.uint8 if parts <= MOST_PARTS else torch.int32
    row = torch.arange(parts, dtype=dtype).repeat_interleave(shape[dim] // parts)
    line = [1] * len(shape)
    line[dim] = shape[dim]
    return row.reshape(line).expand(shape)


def locate_parts(numbers: torch.Tensor, parts: int) -> tuple[int, bool] | None:
    """Return the one dimension along which the numbers of parts change, and whether they ascend.

    None where they change along several, or where that dimension is no multiple of `parts`.
    """
    for dim, size in enumerate(numbers.shape):
        if size % parts:
            continue
        line = numbers
        for other in range(numbers.ndim):
            if other != dim:
                line = line.narrow(other, 0, 1)
        if bool((numbers == line).all()):
            row = line.flatten()
            ascending = torch.arange(parts, dtype=row.dtype).repeat_interleave(size // parts)
            return dim, bool((row == ascending).all())
    return None
