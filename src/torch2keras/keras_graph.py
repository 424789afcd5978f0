"""KerasGraph: a Keras model as data. `build` makes the model of it, and `codegen` the source.

A call is a stock layer (`layers.Conv1D` with its configuration and weights) or a stock op (`ops.softmax`), its
arguments, and where in the user's module it comes from. Values are numbered in the order in which they are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from torch2keras.ir import Constant, Origin, keras_dtype
from torch2keras.moves import Flip, Move, Narrow, Permute, Reshape, Take, element_numbers, rearranged

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
        return self if order == usual else self._moved(Permute(order), tuple(self.shape[i] for i in order))

    def narrow(self, dim: int, start: int, stop: int) -> Weight:
        """Elements `start` to `stop` of one dimension."""
        return self._moved(Narrow(dim, start, stop), (*self.shape[:dim], stop - start, *self.shape[dim + 1 :]))

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
        return np.asarray(tensor.numpy(), order="C").astype("float32" if dtype == "bfloat16" else dtype)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal weights of one tensor: calls of one layer with equal keys share the layer."""
        return id(self.constant.tensor), self.constant.moves, self.moves

    def numbers(self) -> torch.Tensor:
        """For each element its place in the flat PyTorch tensor."""
        return element_numbers(tuple(self.constant.tensor.shape), (*self.constant.moves, *self.moves))


@dataclass(frozen=True)
class Ref:
    """A value of the graph, as an argument of a call."""

    index: int


@dataclass(frozen=True)
class Literal:
    """A small constant written into the call."""

    weight: Weight


@dataclass(frozen=True)
class Call:
    """One call of a stock layer or op."""

    target: str
    """"layers.Conv1D" or "ops.softmax"; "getitem" for slicing."""
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[int, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    """Of a layer: the arguments of its constructor."""
    weights: Mapping[str, Weight] = field(default_factory=dict)
    """Of a layer: attribute -> weight."""
    dtype: str = ""
    """Of a layer: the dtype that it computes in."""
    trainable: bool = True
    name: str = ""
    """Of a layer. Calls with one name are calls of one layer."""
    origin: Origin = field(default_factory=Origin)

    @property
    def is_layer(self) -> bool:
        return self.target.startswith("layers.")

    def reads(self) -> Iterator[int]:
        """The values that the call reads."""
        for argument in (*self.args, *self.kwargs.values()):
            yield from _refs(argument)


@dataclass(frozen=True)
class Input:
    """An input of the Keras model."""

    name: str
    shape: Shape
    """With the batch; None where dynamic."""
    dtype: str


@dataclass(frozen=True)
class KerasGraph:
    """A whole Keras model; inputs are the values 0, 1, ..."""

    name: str
    inputs: tuple[Input, ...]
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]
    float_dtype: str = "float32"
    """The dtype that is exchanged when the model is built in another precision."""

    def last_reads(self) -> dict[int, int]:
        """By value that is read: the place of the last call that reads it."""
        return {i: n for n, call in enumerate(self.calls) for i in call.reads()}

    def weights(self) -> Iterator[tuple[Call, str, Weight]]:
        """Each weight of each layer once."""
        seen = set()
        for call in self.calls:
            if call.weights and call.name not in seen:
                seen.add(call.name)
                for attribute, weight in call.weights.items():
                    yield call, attribute, weight

    def literals(self) -> Sequence[Weight]:
        """The constants that are written into calls."""
        found: list[Weight] = []

        def look(item: Any) -> None:
            if isinstance(item, Literal):
                found.append(item.weight)

        for call in self.calls:
            map_refs([*call.args, *call.kwargs.values()], look)
        return found


def _refs(argument: Any) -> Iterator[int]:
    if isinstance(argument, Ref):
        yield argument.index
    elif isinstance(argument, list | tuple):
        for item in argument:
            yield from _refs(item)


def map_refs(argument: Any, change: Callable[[Any], Any]) -> Any:
    """An argument with each Ref and Literal in it exchanged."""
    if isinstance(argument, Ref | Literal):
        return change(argument)
    if isinstance(argument, list | tuple):
        return type(argument)(map_refs(item, change) for item in argument)
    return argument
