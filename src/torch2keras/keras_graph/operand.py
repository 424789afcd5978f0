"""Operand: what a converter receives for a tensor, computed by the model or known at conversion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch


@dataclass(frozen=True, eq=False)
class Operand(ABC):
    """A tensor of the Keras graph: a recorded value (`Tensor`) or a constant (`Weight`).

    Its methods that move elements return an operand of the same kind: that of a recorded value
    records a Keras op, a constant is rearranged when the model is built. Where nothing would
    change, they return the operand itself.
    """

    shape: tuple[Any, ...]
    """The stored sizes: ints, and None where a size is dynamic."""
    dtype: str
    """The dtype in Keras's spelling, "float32"."""

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating point numbers of any precision."""
        return "float" in self.dtype

    @property
    def is_bool(self) -> bool:
        """Whether the elements are truth values."""
        return self.dtype == "bool"

    @property
    @abstractmethod
    def is_constant(self) -> bool:
        """Whether the elements are known at conversion: a layer can hold them as its weight."""

    @abstractmethod
    def values(self) -> torch.Tensor | None:
        """Return the elements, as precisely as they are known; None of a recorded value."""

    @abstractmethod
    def reshape(self, *shape: int) -> Self:
        """Return the elements, row by row, in another shape, of which one size may be -1."""

    @abstractmethod
    def transpose(self, *order: int) -> Self:
        """Return the operand with its dimension `order[k]` as dimension k."""

    @abstractmethod
    def narrow(self, dim: int, start: int, stop: int) -> Self:
        """Return elements `start` to `stop` of one dimension, both counted from its beginning."""

    @abstractmethod
    def flip(self, *dims: int) -> Self:
        """Return the elements of these dimensions in reverse order."""

    @abstractmethod
    def take(self, dim: int, places: tuple[int, ...]) -> Self:
        """Return the elements at these places of one dimension."""

    @abstractmethod
    def squeeze(self, *dims: int) -> Self:
        """Return the operand without these dimensions, of size one each; none is negative."""

    @abstractmethod
    def expand_dims(self, *dims: int) -> Self:
        """Return the operand with ones at these places of the result's shape; none is negative."""


def insert_ones(shape: Sequence[Any], dims: Sequence[int]) -> tuple[Any, ...]:
    """Return the shape with sizes of one at the places `dims` of the result."""
    longer = list(shape)
    for dim in sorted(dims):
        longer.insert(dim, 1)
    return tuple(longer)
