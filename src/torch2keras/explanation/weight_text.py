"""How a Keras weight is made of a PyTorch tensor, as NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import torch

from torch2keras.explanation.move_text import (
    index_text,
    numpy_move,
    reshape_text,
    transpose_text,
)
from torch2keras.graph.element_moves import ElementMove, Permute, element_numbers
from torch2keras.keras_graph.weight import Weight


@dataclass(frozen=True)
class Way:
    """At most one slice, one transpose and one reshape, in this order."""

    order: tuple[int, ...]
    """Where each axis comes from."""
    part: tuple[slice, ...] = ()
    """The part of each axis that a weight has which has not all."""
    shape: tuple[int, ...] | None = None
    """The shape, where it is another one in the end."""

    def text(self, name: str) -> str:
        """Return the way of the array called `name` as NumPy."""
        if self.part:
            name += index_text(self.part)
        name += transpose_text(self.order)
        if self.shape is not None:
            name += reshape_text(self.shape)
        return name


def weight_text(weight: Weight, name: str) -> str:
    """Return the NumPy expression that makes the Keras weight of the PyTorch tensor called `name`.

    It is a short way where there is one, else each move.
    """
    way = find_way(weight)
    if way is not None:
        return way.text(name)
    return _chain(name, (*weight.constant.moves, *weight.moves))


def find_way(weight: Weight) -> Way | None:
    """Return a way that is one slice, transpose and reshape at most; None where there is none.

    It is one without a reshape if there is any.
    """
    moves = (*weight.constant.moves, *weight.moves)
    rank = weight.constant.tensor.ndim
    if not moves:
        return Way(tuple(range(rank)))
    if len(moves) == 1 and isinstance(moves[0], Permute):
        return Way(moves[0].order)
    goal = weight.numbers()
    shape = tuple(goal.shape)
    numbers = element_numbers(tuple(weight.constant.tensor.shape), ())
    part = _find_part(numbers, goal)
    numbers = numbers[part]
    if numbers.numel() != goal.numel():
        return None
    reshaped = None
    for order in permutations(range(rank)):
        moved = numbers.permute(order)
        if moved.shape == goal.shape and torch.equal(moved, goal):
            return Way(order, part)
        if reshaped is None and torch.equal(moved.reshape(shape), goal):
            reshaped = Way(order, part, shape)
    return reshaped


def _find_part(numbers: torch.Tensor, goal: torch.Tensor) -> tuple[slice, ...]:
    """Return the part of each axis, from its first to its last element, that a weight has.

    So has the weight of one group of a convolution. The axes from the last one on that has a part
    are left out.
    """
    if not 0 < goal.numel() < numbers.numel():
        return ()
    part = []
    for places, size in zip(
        torch.unravel_index(goal.reshape(-1), numbers.shape), numbers.shape, strict=True
    ):
        first, last = int(places.min()), int(places.max()) + 1
        part.append(slice(None) if (first, last) == (0, size) else slice(first, last))
    while part and part[-1] == slice(None):
        part.pop()
    return tuple(part)


def _chain(text: str, moves: Sequence[ElementMove]) -> str:
    """Return an array's text with each move behind it."""
    for move in moves:
        text = numpy_move(text, move)
    return text
