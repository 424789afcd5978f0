"""Axes: the indivisible factors of dimensions, and which of them are the same across an op.

A dimension that is viewed as (3, 4) somewhere has two axes wherever it goes; a view is then a
renaming. `infer_axes` finds the factors of every dimension of every value (union-find over the
labels that ops declare, refined through views to a fixed point), and each node's `Terms`: a label
for each axis of each operand and result. Factors that do not nest (3*4 against 2*6) stay a block,
which is stored in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from torch2keras.declarations.costs import CostFunction
from torch2keras.declarations.labels import AxisLabel, Dim
from torch2keras.declarations.patterns import Pattern
from torch2keras.graph.ir import Node, Size, Value

Factors = tuple[Size, ...]
"""The sizes of the axes of one dimension; their product is its size."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """In which orders an op runs, and at what cost."""

    kernel: Pattern | None = None
    """The order that a kernel wants."""
    reorder_cost: float | None = None
    """The cost of each operand or result that is not in the kernel's order; None: all must be."""
    pointwise: bool = False
    """Every position stands alone."""
    equation: bool = False
    """Each operand and result may be in an order of its own: the converter reads their letters."""
    cost: CostFunction | None = None
    """What an op that takes any order costs in each."""


@dataclass(frozen=True)
class AxisMap(Manner):
    """What one op declares of its dimensions: labels for each operand and result."""

    dims: tuple[tuple[Dim, ...], ...]


@dataclass(frozen=True)
class Terms(Manner):
    """Axis labels of each operand, then of each result of one node."""

    labels: tuple[tuple[AxisLabel, ...], ...]
    view: bool = False
    """Read off the shapes of a view, not declared."""

    def take(self, slot: int, order: Sequence[int]) -> list[AxisLabel]:
        """Return the labels of the axes of one term, in this order."""
        labels = self.labels[slot]
        return [labels[axis] for axis in order]

    def find_axes(self, slot: int, labels: Sequence[AxisLabel]) -> tuple[int, ...]:
        """Return the axes of one term that have these labels, leaving out what it lacks."""
        own = self.labels[slot]
        axis_of = dict(zip(own, range(len(own)), strict=True))
        return tuple(axis_of[label] for label in labels if label in axis_of)


@dataclass(frozen=True)
class AxisSpace:
    """The axes of every value, and the terms of every node; None: pinned to PyTorch's order."""

    factors: Mapping[Value, tuple[Factors, ...]]
    terms: Mapping[Node, Terms | None]

    def sizes(self, value: Value) -> Factors:
        """Return the sizes of all axes in PyTorch's order; a dimension of size one has one axis."""
        return tuple(chain.from_iterable(self.factors[value]))

    def dim_of(self, value: Value) -> tuple[int, ...]:
        """Return for each axis the dimension that it is a factor of."""
        dims: list[int] = []
        for dim, factors in enumerate(self.factors[value]):
            dims += [dim] * len(factors)
        return tuple(dims)

    def solid(self, value: Value) -> tuple[int, ...]:
        """Return the axes that are more than one long: those whose order matters."""
        return tuple(axis for axis, size in enumerate(self.sizes(value)) if not is_one(size))


def is_one(size: Size) -> bool:
    """Return whether a size is the number one."""
    # An int is asked for first: SymPy takes its time to find an expression unequal to one.
    return isinstance(size, int) and size == 1


def term_values(node: Node) -> tuple[Value, ...]:
    """Return the values that a node's terms speak of: its operands, then its results."""
    return node.operands + node.outputs
