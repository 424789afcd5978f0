"""Weight: a constant of the PyTorch graph as a Keras layer holds it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
import torch

from torch2keras.graph.element_moves import (
    ElementMove,
    Flip,
    Narrow,
    Permute,
    Reshape,
    Take,
    describe_arrangement,
    element_numbers,
    move_elements,
)
from torch2keras.graph.interpreter import find_sources
from torch2keras.graph.ir import Constant, keras_dtype
from torch2keras.keras_graph.operand import Operand, insert_ones
from torch2keras.runtime.arrays import to_numpy
from torch2keras.runtime.mapped_memory import release_tensors

Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Weight(Operand):
    """A constant as a Keras layer holds it: a PyTorch tensor whose elements `moves` rearrange."""

    shape: tuple[int, ...]
    constant: Constant
    moves: tuple[ElementMove, ...] = ()

    @classmethod
    def of(cls, constant: Constant) -> Weight:
        """Return the constant as PyTorch has it, nothing moved yet."""
        shape = tuple(int(size) for size in constant.type.shape)
        return cls(shape, keras_dtype(constant.type.dtype), constant)

    def _move(self, move: ElementMove, shape: tuple[int, ...]) -> Weight:
        return replace(self, moves=(*self.moves, move), shape=shape)

    @property
    def is_constant(self) -> bool:
        return True

    def values(self) -> torch.Tensor:
        return move_elements(self.constant.data, self.moves)

    def reshape(self, *shape: int) -> Weight:
        full = list(shape)
        if -1 in full:
            unknown = full.index(-1)
            full[unknown] = 1
            full[unknown] = math.prod(self.shape) // math.prod(full)
        if tuple(full) == self.shape:
            return self
        return self._move(Reshape(tuple(full)), tuple(full))

    def transpose(self, *order: int) -> Weight:
        if order == tuple(range(self.ndim)):
            return self
        return self._move(Permute(order), tuple(self.shape[i] for i in order))

    def narrow(self, dim: int, start: int, stop: int) -> Weight:
        if (start, stop) == (0, self.shape[dim]):
            return self
        shape = (*self.shape[:dim], stop - start, *self.shape[dim + 1 :])
        return self._move(Narrow(dim, start, stop), shape)

    def flip(self, *dims: int) -> Weight:
        return self._move(Flip(dims), self.shape) if dims else self

    def take(self, dim: int, places: tuple[int, ...]) -> Weight:
        if places == tuple(range(self.shape[dim])):
            return self
        shape = (*self.shape[:dim], len(places), *self.shape[dim + 1 :])
        return self._move(Take(dim, places), shape)

    def squeeze(self, *dims: int) -> Weight:
        return self.reshape(*(size for dim, size in enumerate(self.shape) if dim not in dims))

    def expand_dims(self, *dims: int) -> Weight:
        return self.reshape(*insert_ones(self.shape, dims))

    @property
    def trainable(self) -> bool:
        """Whether it is a parameter that requires a gradient."""
        return self.constant.trainable

    def array(self, dtype: str) -> np.ndarray:
        """Return the values, rounded once to a NumPy dtype; bfloat16 comes as float32."""
        return self._read_array(self.values(), dtype)

    def array_parts(self, dim: int, step: int, dtype: str) -> Iterator[np.ndarray]:
        """Yield `array` in parts with at most `step` entries of a dimension.

        A move that copies elements is done once for all of them.
        """
        values = self.values()
        for part in torch.split(values, step, dim):
            yield self._read_array(part, dtype)

    def _read_array(self, values: torch.Tensor, dtype: str) -> np.ndarray:
        """Return a copy of some of its values as an array, and let go of what was mapped for it."""
        kept = "float32" if dtype == "bfloat16" else dtype
        if values.ndim == 2 and not values.is_contiguous():
            # PyTorch turns a matrix block by block, four times as fast as NumPy.
            array = np.asarray(to_numpy(values.contiguous()), dtype=kept, order="C")
        else:
            array = np.array(to_numpy(values), dtype=kept, order="C")
        release_tensors(source.tensor for source in find_sources(self.constant))
        return array

    def keras_array(self, dtype: str) -> np.ndarray:
        """Return `array`, but bfloat16 as such, in the type that Keras's own arrays have."""
        if dtype != "bfloat16" or self.values().dtype is not torch.bfloat16:
            return self.array(dtype)
        values = self.values().detach().clone(memory_format=torch.contiguous_format)
        bits = values.view(torch.int16).numpy()
        release_tensors(source.tensor for source in find_sources(self.constant))
        return bits.view(ml_dtypes.bfloat16)

    @property
    def key(self) -> tuple[Any, ...]:
        """What is equal for equal weights of one tensor: layers of equal keys are one layer."""
        return id(self.constant.tensor), self.constant.moves, self.moves

    def numbers(self) -> torch.Tensor:
        """Return for each element its place in the flat PyTorch tensor, as int64."""
        return element_numbers(tuple(self.constant.tensor.shape), self.all_moves)

    @property
    def arrangement(self) -> tuple[object, ...]:
        """What is equal for weights of one tensor that have its elements at the same places."""
        return describe_arrangement(tuple(self.constant.tensor.shape), self.all_moves)

    @property
    def all_moves(self) -> tuple[ElementMove, ...]:
        """The moves from the PyTorch tensor to what the layer holds."""
        return (*self.constant.moves, *self.moves)
