"""Moves: rearrangements of a tensor's elements, as hashable values that can be called.

A weight is a PyTorch tensor and the moves that bring it into Keras's order and shape. Applied to
the element numbers (an arange) instead of the data, the same moves tell which element stands where;
so weights travel both ways.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch


class ElementMove(Protocol):
    """A rearrangement of elements."""

    def __call__(self, tensor: torch.Tensor, /) -> torch.Tensor: ...


@dataclass(frozen=True)
class Reshape:
    """The elements in another shape, as `torch.reshape`."""

    shape: tuple[int, ...]

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.reshape(self.shape)


@dataclass(frozen=True)
class Permute:
    """The dimensions in another order, as `torch.permute`."""

    order: tuple[int, ...]

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.permute(self.order)


@dataclass(frozen=True)
class Narrow:
    """Elements `start` to `stop` of one dimension."""

    dim: int
    start: int
    stop: int

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.narrow(self.dim, self.start, self.stop - self.start)


@dataclass(frozen=True)
class Flip:
    """The elements of some dimensions backwards, as `torch.flip`."""

    dims: tuple[int, ...]

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.flip(self.dims)


@dataclass(frozen=True)
class Take:
    """Elements of one dimension in another order, as `torch.index_select`."""

    dim: int
    order: tuple[int, ...]

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.index_select(self.dim, torch.tensor(self.order))


@dataclass(frozen=True)
class Apply:
    """An ATen op that only moves elements, with the arguments beside its tensor."""

    op: torch._ops.OpOverload
    name: str
    """The schema's name of the tensor argument."""
    args: tuple[tuple[str, Any], ...]
    result: int | None = None
    """Which result is meant, of an op that has several."""

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        arguments: dict[str, Any] = {self.name: tensor}
        for name, argument in self.args:
            arguments[name] = list(argument) if isinstance(argument, tuple) else argument
        out = self.op(**arguments)
        return out if self.result is None else out[self.result]  # type: ignore[no-any-return]


SHOWN = 8
"""The most numbers of an order that are written out."""


def describe_moves(moves: Iterable[ElementMove]) -> tuple[str, ...]:
    """Return moves in the words of the map that a saved model has: `permute [2, 1, 0]`."""
    return tuple(map(_describe_move, moves))


def _describe_move(move: ElementMove) -> str:
    match move:
        case Reshape(shape):
            return f"reshape {list(shape)}"
        case Permute(order):
            return f"permute {list(order)}"
        case Narrow(dim, start, stop):
            return f"narrow {[dim, start, stop]}"
        case Flip(dims):
            return f"flip {list(dims)}"
        case Take(dim, order):
            return f"take [{dim}, {_shorten(order)}]"
        case Apply(op):
            return f"apply {op}"
    return type(move).__name__.lower()


def _shorten(order: Sequence[int]) -> str:
    if len(order) <= SHOWN:
        return str(list(order))
    first = ", ".join(map(str, order[:SHOWN]))
    return f"[{first}, ... of {len(order)}]"


def view_elements(tensor: torch.Tensor) -> torch.Tensor:
    """Return the real numbers of a tensor: of complex ones their parts, in a last dimension."""
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def move_elements(tensor: torch.Tensor, moves: Iterable[ElementMove]) -> torch.Tensor:
    """Return the tensor after all moves, one after the other."""
    for move in moves:
        tensor = move(tensor)
    return tensor


def element_numbers(shape: tuple[int, ...], moves: Iterable[ElementMove]) -> torch.Tensor:
    """Return for each element of the moved tensor its place in the flat original of this shape."""
    numbers = torch.arange(int(torch.Size(shape).numel())).reshape(shape)
    return move_elements(numbers, moves)


def describe_arrangement(
    shape: tuple[int, ...], moves: Iterable[ElementMove]
) -> tuple[object, ...]:
    """Return what is equal for moves that bring the elements to the same places, and for no others.

    It takes no memory where the moved tensor is a view of the original, however large that is.
    """
    moves = tuple(moves)
    if all(isinstance(move, Reshape | Permute | Narrow) for move in moves):
        original = torch.empty(shape, device="meta")
        moved = move_elements(original, moves)
        if moved.untyped_storage()._cdata == original.untyped_storage()._cdata:  # noqa: SLF001
            return tuple(moved.shape), _count_strides(moved), moved.storage_offset()
    numbers = element_numbers(shape, moves)
    if numbers.numel():
        first = int(numbers.reshape(-1)[0])
        strides = [_measure_stride(numbers, dim, first) for dim in range(numbers.ndim)]
        if _has_strides(numbers, strides, first, math.prod(shape)):
            return tuple(numbers.shape), tuple(strides), first
    digest = hashlib.sha256(numbers.contiguous().numpy().data).digest()
    return tuple(numbers.shape), digest


def _has_strides(numbers: torch.Tensor, strides: Sequence[int], first: int, count: int) -> bool:
    """Return whether these numbers of elements, of so many, are those of a strided view."""
    last = first + sum(s * (n - 1) for s, n in zip(strides, numbers.shape, strict=True))
    if min(strides, default=0) < 0 or last >= count:
        return False
    return torch.equal(torch.arange(count).as_strided(numbers.shape, strides, first), numbers)


def _count_strides(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return the strides; 0 for a dimension that has no second element."""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    return tuple(stride if size > 1 else 0 for size, stride in pairs)


def _measure_stride(numbers: torch.Tensor, dim: int, first: int) -> int:
    """Return how far the second element of a dimension is from the first."""
    if numbers.shape[dim] < 2:
        return 0
    start = [0] * numbers.ndim
    start[dim] = 1
    return int(numbers[tuple(start)]) - first
