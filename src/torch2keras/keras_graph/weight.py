"""Weight: a constant of the PyTorch graph as a Keras layer holds it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from torch2keras.graph.element_moves import (
    ElementMove,
    Flip,
    Narrow,
    Permute,
    Reshape,
    Take,
    element_numbers,
    move_elements,
)
from torch2keras.graph.ir import Constant, keras_dtype
from torch2keras.keras_graph.operand import Operand, insert_ones
from torch2keras.runtime.arrays import to_numpy

Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Weight(Operand):
    """A constant in the order and shape in which a Keras layer holds it: a PyTorch tensor, rearranged by `moves`."""

    shape: tuple[int, ...]
    constant: Constant
    moves: tuple[ElementMove, ...] = ()

    @classmethod
    def of(cls, constant: Constant) -> Weight:
        """The constant as PyTorch has it, nothing moved yet."""
        shape = tuple(int(size) for size in constant.type.shape)
        return cls(shape, keras_dtype(constant.type.dtype), constant)

    def _moved(self, move: ElementMove, shape: tuple[int, ...]) -> Weight:
        return replace(self, moves=(*self.moves, move), shape=shape)

    @property
    def is_constant(self) -> bool:
        return True

    def values(self) -> torch.Tensor:
        return move_elements(self.constant.data, self.moves)

    def reshape(self, *shape: int) -> Weight:
        known = math.prod(s for s in shape if s != -1)
        full = tuple(math.prod(self.shape) // known if s == -1 else s for s in shape)
        return self if full == self.shape else self._moved(Reshape(full), full)

    def transpose(self, *order: int) -> Weight:
        if order == tuple(range(self.ndim)):
            return self
        return self._moved(Permute(order), tuple(self.shape[i] for i in order))

    def narrow(self, dim: int, start: int, stop: int) -> Weight:
        if (start, stop) == (0, self.shape[dim]):
            return self
        shape = (*self.shape[:dim], stop - start, *self.shape[dim + 1 :])
        return self._moved(Narrow(dim, start, stop), shape)

    def flip(self, *dims: int) -> Weight:
        return self._moved(Flip(dims), self.shape) if dims else self

    def take(self, dim: int, places: tuple[int, ...]) -> Weight:
        if places == tuple(range(self.shape[dim])):
            return self
        shape = (*self.shape[:dim], len(places), *self.shape[dim + 1 :])
        return self._moved(Take(dim, places), shape)

    def squeeze(self, *dims: int) -> Weight:
        return self.reshape(*(size for dim, size in enumerate(self.shape) if dim not in dims))

    def expand_dims(self, *dims: int) -> Weight:
        return self.reshape(*insert_ones(self.shape, dims))

    @property
    def trainable(self) -> bool:
        return self.constant.trainable

    def array(self, dtype: str) -> np.ndarray:
        """The values, rounded once to a NumPy dtype; bfloat16 comes as float32."""
        kept = "float32" if dtype == "bfloat16" else dtype
        return np.asarray(to_numpy(self.values()), order="C").astype(kept)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal weights of one tensor: calls of one layer with equal keys share the layer."""
        return id(self.constant.tensor), self.constant.moves, self.moves

    def numbers(self) -> torch.Tensor:
        """For each element its place in the flat PyTorch tensor."""
        return element_numbers(
            tuple(self.constant.tensor.shape), (*self.constant.moves, *self.moves)
        )
