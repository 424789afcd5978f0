"""Weight: a constant of the PyTorch graph as a Keras layer holds it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from torch2keras.graph.element_moves import (
    Flip,
    Move,
    Narrow,
    Permute,
    Reshape,
    Take,
    element_numbers,
    rearranged,
)
from torch2keras.graph.ir import Constant, keras_dtype

Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Weight:
    """A constant in the order and shape in which a Keras layer holds it: a rearrangement of a PyTorch tensor."""

    constant: Constant
    shape: tuple[int, ...]
    moves: tuple[Move, ...] = ()

    @classmethod
    def of(cls, constant: Constant) -> Weight:
        return cls(constant, tuple(int(s) for s in constant.type.shape))

    def _moved(self, move: Move, shape: tuple[int, ...]) -> Weight:
        return replace(self, moves=(*self.moves, move), shape=shape)

    def reshape(self, *shape: int) -> Weight:
        """As `numpy.reshape`."""
        known = math.prod(s for s in shape if s != -1)
        full = tuple(math.prod(self.shape) // known if s == -1 else s for s in shape)
        return self if full == self.shape else self._moved(Reshape(full), full)

    def transpose(self, *order: int) -> Weight:
        """As `numpy.transpose`."""
        usual = tuple(range(len(order)))
        return (
            self
            if order == usual
            else self._moved(Permute(order), tuple(self.shape[i] for i in order))
        )

    def narrow(self, dim: int, start: int, stop: int) -> Weight:
        """Elements `start` to `stop` of one dimension."""
        return self._moved(
            Narrow(dim, start, stop), (*self.shape[:dim], stop - start, *self.shape[dim + 1 :])
        )

    def flip(self, *dims: int) -> Weight:
        """Reverse dimensions."""
        return self._moved(Flip(dims), self.shape)

    def take(self, dim: int, order: tuple[int, ...]) -> Weight:
        """The elements of one dimension in another order."""
        usual = tuple(range(self.shape[dim]))
        return self if order == usual else self._moved(Take(dim, order), self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> str:
        return keras_dtype(self.constant.type.dtype)

    @property
    def trainable(self) -> bool:
        return self.constant.trainable

    def tensor(self) -> torch.Tensor:
        """The values, in the precision in which they are known."""
        return rearranged(self.constant.data, self.moves)

    def array(self, dtype: str) -> np.ndarray:
        """The values, rounded once to a NumPy dtype; bfloat16 comes as float32."""
        tensor = self.tensor().detach().cpu()
        if tensor.dtype in (torch.bfloat16, torch.float16):
            tensor = tensor.float()
        return np.asarray(tensor.numpy(), order="C").astype(
            "float32" if dtype == "bfloat16" else dtype
        )

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal weights of one tensor: calls of one layer with equal keys share the layer."""
        return id(self.constant.tensor), self.constant.moves, self.moves

    def numbers(self) -> torch.Tensor:
        """For each element its place in the flat PyTorch tensor."""
        return element_numbers(
            tuple(self.constant.tensor.shape), (*self.constant.moves, *self.moves)
        )
