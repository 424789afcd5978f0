"""The ways to run one op on several devices: by which axis, and what they must tell each other.

An op that is divided by an axis gives each device a slice of every operand and result that has the
axis. What lacks it is whole on each: a result is then a sum over the devices, and so is the
gradient of an operand. Counted are elements that travel in one step of training:
    a sum over devices (all-reduce) 2 for each element, a gathering (all-gather) 1,
as in Megatron-LM (https://arxiv.org/abs/1909.08053, section 3) and GSPMD
(https://arxiv.org/abs/2105.04663).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Any

import torch

from torch2keras.custom_ops.multi_head_attention import multi_head_attention
from torch2keras.custom_ops.recurrent import recurrent
from torch2keras.declarations.labels import AxisLabel, Label, LabelKind, Slot
from torch2keras.distribution.divided_constants import DividedConstants
from torch2keras.graph.ir import Constant, Graph, Node, Value
from torch2keras.graph.symbolic import size_product, static_size
from torch2keras.layout.axes import AxisSpace, Terms, term_values

State = int | None
"""What is divided of a value: an axis of it, of a constant a dimension; None: it is whole."""

SUM, GATHER = 2.0, 1.0

KERNEL_ROWS = 0.1
"""What a convolution pays that sums over its inputs, as a share of its kernel's memory: it is
divided by output channels wherever these can be."""


WORK = 1e-3
"""What each element of a product of two activations costs that every device computes for itself, in
elements of weights: attention is divided by heads though it holds no weight."""


class DivisionKind(Enum):
    """How an op is divided, in words for whoever reads which weight is."""

    WHOLE = "whole"
    OUTPUTS = "by outputs"
    INPUTS = "by inputs, summed"
    OUTPUTS_GATHERED = "by outputs, gathered"
    ROWS = "by rows, summed"
    HEADS = "by heads"
    UNITS = "by units of gates"


@dataclass(frozen=True)
class NodeDivision:
    """One way to run a node."""

    states: tuple[State, ...]
    """What is divided of each operand, then of each result."""
    how: DivisionKind = DivisionKind.WHOLE
    traffic: float = 0.0
    """Elements that travel within the op."""
    memory: float = 0.0
    """What it pays beside, in elements of weights that are not divided."""


@dataclass(frozen=True)
class Inner:
    """An op that is a whole layer: its weights are divided together by the labels of its inside."""

    how: DivisionKind
    names: Collection[str]
    heads: str = ""
    """The argument that the number of parts must divide."""


INNER: Mapping[Any, Inner] = {
    multi_head_attention.default: Inner(DivisionKind.HEADS, ("a", "c"), "num_heads"),
    recurrent.default: Inner(DivisionKind.UNITS, ("g",)),
}

TABLES = (torch.ops.aten.embedding.default,)
"""Ops that look up rows of a table: of each device's rows by itself, what is elsewhere is zero."""


class NodeWays:
    """The ways of each node of a graph, over `constants.parts` devices."""

    def __init__(self, graph: Graph, space: AxisSpace, constants: DividedConstants) -> None:
        self.graph, self.space, self.constants = graph, space, constants

    def list_ways(self, node: Node) -> list[NodeDivision]:
        """Return the ways of a node, the one that divides nothing last."""
        terms = self.space.terms[node]
        nothing: tuple[State, ...] = (None,) * len(term_values(node))
        if terms is None:
            return [NodeDivision(nothing)]
        ways: list[NodeDivision] = []
        for label in dict.fromkeys(chain.from_iterable(terms.labels)):
            if not label.label.is_ordered and label.label.slot.kind <= LabelKind.ARGUMENT:
                ways += self._divide_by_label(node, terms, label)
        if node.op in INNER:
            ways += self._divide_inside(node, terms, INNER[node.op])
        ways += self._divide_constants(node, terms)
        work = 0.0
        if _multiplies_activations(node, terms):
            work = WORK * sum(map(self.count, node.outputs))
        return [*ways, NodeDivision(nothing, memory=work)]

    def weigh(self, value: Value) -> float:
        """Return the elements of a value that has a gradient; 0 for indices and masks."""
        return self.count(value) if value.type.dtype.is_floating_point else 0.0

    def count(self, value: Value) -> float:
        """Return the elements of a value in the example."""
        return float(self.graph.hint(size_product(list(value.type.shape))))

    def _divide_by_label(
        self, node: Node, terms: Terms, label: AxisLabel
    ) -> Iterator[NodeDivision]:
        """Yield the way that divides all that has a label; none where that is not possible."""
        states: list[State] = []
        for value, labels in zip(term_values(node), terms.labels, strict=True):
            states.append(self._find_axis(value, labels, label))
        if all(state is None for state in states):
            return
        is_sum = all(state is None for state in states[len(node.operands) :])
        memory = 0.0
        if is_sum:
            memory = KERNEL_ROWS * self._count_kernels(node, terms, label)
        how = DivisionKind.INPUTS if is_sum else DivisionKind.OUTPUTS
        yield NodeDivision(tuple(states), how, self._sum_traffic(node, states), memory)

    def _find_axis(self, value: Value, labels: tuple[AxisLabel, ...], label: AxisLabel) -> State:
        """Return what a label divides of a value; None where it lacks it or cannot be divided."""
        sizes = self.space.sizes(value)
        for axis, (own, size) in enumerate(zip(labels, sizes, strict=True)):
            number = static_size(size)
            if own != label or number is None or number == 1 or number % self.constants.parts:
                continue
            if not isinstance(value, Constant):
                return axis
            dim = self.space.dim_of(value)[axis]
            is_first = self._first_axis(value, dim) == axis
            found = self.constants.find_dims(value).get(dim)
            if is_first and found is not None and found.keeps_order:
                return dim
        return None

    def _first_axis(self, value: Value, dim: int) -> int:
        """Return the outermost axis longer than one of a dimension."""
        solid = self.space.solid(value)
        dims = self.space.dim_of(value)
        return next((axis for axis in solid if dims[axis] == dim), -1)

    def _sum_traffic(self, node: Node, states: list[State]) -> float:
        """Return what travels to sum the results, and the gradients of operands, that lack it."""
        traffic = 0.0
        for value, state in zip(term_values(node), states, strict=True):
            if state is None and not isinstance(value, Constant):
                traffic += SUM * self.weigh(value)
        return traffic

    def _count_kernels(self, node: Node, terms: Terms, label: AxisLabel) -> float:
        """Return the elements of kernels of convolutions that have a label."""
        total = 0.0
        for value, labels in zip(node.operands, terms.labels, strict=False):
            if isinstance(value, Constant) and label in labels and _has_window(labels):
                total += self.count(value)
        return total

    def _divide_inside(self, node: Node, terms: Terms, inner: Inner) -> Iterator[NodeDivision]:
        """Yield the way that divides the weights of a layer by what only its inside knows."""
        if inner.heads and node.args[inner.heads] % self.constants.parts:
            return
        states: list[State] = []
        for value, labels in zip(term_values(node), terms.labels, strict=True):
            states.append(None)
            if not isinstance(value, Constant):
                continue
            dims = self.space.dim_of(value)
            found = self.constants.find_dims(value)
            for axis, label in enumerate(labels):
                is_inner = label.label.is_ordered and label.label.slot.name in inner.names
                if is_inner and dims[axis] in found:
                    states[-1] = dims[axis]
        if any(state is not None for state in states):
            yield NodeDivision(tuple(states), inner.how, self._sum_traffic(node, states))

    def _divide_constants(self, node: Node, terms: Terms) -> Iterator[NodeDivision]:
        """Yield ways that divide a dimension of a weight as a whole, though no label does.

        So the columns of queries, keys and values that lie in one kernel, which is why the result
        is gathered, and the rows of a table.
        """
        for slot, value in enumerate(node.operands):
            if not isinstance(value, Constant):
                continue
            for dim, found in self.constants.find_dims(value).items():
                labels = self._labels_of(value, terms.labels[slot], dim)
                if any(label.label.is_ordered for label in labels):
                    if node.op in TABLES:
                        yield self._divide_whole_dim(node, terms, labels, DivisionKind.ROWS)
                elif not (found.keeps_order and self._is_divisible(value, dim)):
                    yield self._divide_whole_dim(node, terms, labels, DivisionKind.INPUTS)

    def _is_divisible(self, value: Value, dim: int) -> bool:
        """Whether a label alone divides a dimension: its outermost axis is a multiple."""
        size = static_size(self.space.sizes(value)[self._first_axis(value, dim)])
        return size is not None and size % self.constants.parts == 0

    def _divide_whole_dim(
        self, node: Node, terms: Terms, labels: list[AxisLabel], how: DivisionKind
    ) -> NodeDivision:
        """Return the way that divides each dimension of a constant that has just these labels.

        All else is whole: results that have them are gathered, others are summed.
        """
        states: list[State] = []
        for value, own in zip(term_values(node), terms.labels, strict=True):
            states.append(self._match_dim(value, own, labels))
        traffic = self._sum_traffic(node, states)
        results = terms.labels[len(node.operands) :]
        if any(set(labels) <= set(own) for own in results):
            how = DivisionKind.OUTPUTS_GATHERED
            traffic -= (SUM - GATHER) * sum(map(self.weigh, node.outputs))
        return NodeDivision(tuple(states), how, traffic)

    def _labels_of(self, value: Value, own: tuple[AxisLabel, ...], dim: int) -> list[AxisLabel]:
        """Return the labels of the axes of one dimension."""
        dims = self.space.dim_of(value)
        return [label for label, at in zip(own, dims, strict=True) if at == dim]

    def _match_dim(
        self, value: Value, own: tuple[AxisLabel, ...], labels: list[AxisLabel]
    ) -> State:
        """Return the dimension of a constant that has just these labels; None for all else."""
        if not isinstance(value, Constant):
            return None
        for dim in self.constants.find_dims(value):
            if self._labels_of(value, own, dim) == labels:
                return dim
        return None


def _multiplies_activations(node: Node, terms: Terms) -> bool:
    """Whether an op sums over an axis that two of its operands have, neither of them a weight."""
    seen: set[tuple[Slot, int]] = set()
    shared: set[tuple[Slot, int]] = set()
    for value, labels in zip(node.operands, terms.labels, strict=False):
        if not isinstance(value, Constant):
            own = {(label.slot, factor) for label, factor in labels}
            shared |= seen & own
            seen |= own
    for labels in terms.labels[len(node.operands) :]:
        shared -= {(label.slot, factor) for label, factor in labels}
    return bool(shared)


def _has_window(labels: tuple[AxisLabel, ...]) -> bool:
    """Whether an operand is the kernel of a convolution: the order of some dimension matters."""
    return any(_is_window(label.label) for label in labels)


def _is_window(label: Label) -> bool:
    return label.is_ordered and label.slot.kind is LabelKind.NAMED
