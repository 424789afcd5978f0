"""Axes: the indivisible factors of dimensions, and which of them are the same across an op.

A dimension that is viewed as (3, 4) somewhere has two axes wherever it goes; a view is then a renaming. `infer_axes`
finds the factors of every dimension of every value (union-find over the labels that ops declare, refined through views
to a fixed point), and each node's `Terms`: a label for each axis of each operand and result.
Factors that do not nest (3*4 against 2*6) stay a block, which is stored in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch2keras.declarations.costs import CostFunction
from torch2keras.declarations.labels import AxisLabel, Dim
from torch2keras.declarations.patterns import Pattern
from torch2keras.graph.ir import Node, Size, Value

Factors = tuple[Size, ...]


@dataclass(frozen=True, kw_only=True)
class Manner:
    """In which orders an op runs, and at what cost."""

    kernel: Pattern | None = None
    """The order that a kernel wants."""
    reorder_cost: float | None = None
    """The cost of each operand or result that is not in the kernel's order; None where all have to be."""
    pointwise: bool = False
    equation: bool = False
    """Each operand and result may be in an order of its own: the converter is told their letters."""
    cost: CostFunction | None = None
    """Of the order in which an op that takes any is run."""


@dataclass(frozen=True)
class AxisMap(Manner):
    """What one op declares of its dimensions: labels for each operand and result."""

    dims: tuple[tuple[Dim, ...], ...]


@dataclass(frozen=True)
class Terms(Manner):
    """Axis labels of each operand, then of each result of one node."""

    labels: tuple[tuple[AxisLabel, ...], ...]
    view: bool = False


@dataclass(frozen=True)
class AxisSpace:
    """The axes of every value, and the terms of every node; no terms means pinned to PyTorch's order."""

    factors: Mapping[Value, tuple[Factors, ...]]
    terms: Mapping[Node, Terms | None]

    def sizes(self, value: Value) -> Factors:
        """Sizes of all axes in PyTorch's order; a dimension of size one has one axis of size one."""
        return tuple(size for dim in self.factors[value] for size in dim)

    def dim_of(self, value: Value) -> tuple[int, ...]:
        """For each axis, the dimension it is a factor of."""
        return tuple(d for d, factors in enumerate(self.factors[value]) for _ in factors)

    def solid(self, value: Value) -> tuple[int, ...]:
        """The axes that are more than one long: those whose order matters."""
        # An int is asked for first: SymPy takes its time to find an expression unequal to one.
        return tuple(
            i
            for i, size in enumerate(self.sizes(value))
            if not (isinstance(size, int) and size == 1)
        )


def term_values(node: Node) -> tuple[Value, ...]:
    """Operands, then results: the values a node's terms speak of."""
    return node.operands + node.outputs
