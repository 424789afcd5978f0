"""Layouts: the order in which each value's axes are stored, chosen for all values at once.

A value that is read in another order than it is written in costs one transpose, shared by all who
read it so. Each node chooses one of its signatures, each port of the model an order, and the sum of
the costs is to be least: a partitioned boolean quadratic problem (`pbqp`). Where several nodes read
a value, a hub between its writer and them chooses the orders in which it is kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np

from torch2keras.graph.ir import Graph, Node, Value
from torch2keras.graph.symbolic import size_product
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.candidates import Candidates
from torch2keras.layout.pbqp import Array, Edge, Problem, add_edge, solve
from torch2keras.layout.signatures import Order, Signature, keep_solid, keeps_dims_whole
from torch2keras.layout.unit_places import place_input_units

BYTES = 1e-9
"""Tie break between equal numbers of transposes: the smaller tensor moves."""

FOREIGN = 1e-11
"""Tie break of a node: PyTorch's own order, so that equal blocks are stored equally."""

UNUSUAL = 1e-6
"""Tie break of a public port: the batch first before all, then PyTorch's own order."""


@dataclass(frozen=True)
class LayoutPlan:
    """The chosen signature of each node, and the order of each input and output."""

    space: AxisSpace
    signatures: Mapping[Node, Signature]
    inputs: Mapping[Value, Order]
    outputs: tuple[Order | None, ...]
    """None for an output that is no tensor."""
    units: Mapping[Value | int, Order] = field(default_factory=dict)
    """The order of a port with its axes of size one: of an input, or of the number of an output.

    Those that are missing in it lie where PyTorch has them, or at an output where they are.
    """


class Output(NamedTuple):
    """An output of the model, by its number."""

    number: int


class Hub(NamedTuple):
    """What keeps a value that several nodes or outputs read."""

    value: Value


Chooser = Node | Value | Output
"""Who has an order to choose: a node, an input or an output."""


class End(NamedTuple):
    """A node or port that touches a value, and the term of it that does."""

    chooser: Chooser
    slot: int


def assign_layouts(
    graph: Graph, space: AxisSpace, layout: Mapping[Value | int, Order | None]
) -> LayoutPlan:
    """Choose a signature for every node.

    `layout` fixes ports: an input (its Value) or an output (its number) has the order given; where
    it is None or absent, it is free. The orders given have the axes of size one too.
    """
    candidates = Candidates(graph, space)
    given: dict[Value | int, Order] = {}
    fixed: dict[Value | int, Order] = {}
    for port, order in layout.items():
        if order is None:
            continue
        given[port] = order
        value = graph.outputs[port] if isinstance(port, int) else port
        assert isinstance(value, Value)
        fixed[port] = keep_solid(space, value, order)
        candidates.add_order(value, fixed[port])
    candidates.grow()
    choices = _Choices(candidates)
    for node in graph.nodes:
        choices.add_node(node)
    for value in graph.inputs:
        choices.add_port(value, value, fixed.get(value))
    for number, value in enumerate(graph.outputs):
        if isinstance(value, Value):
            choices.add_port(Output(number), value, fixed.get(number))
    for value, (writer, readers) in _find_ends(graph).items():
        choices.connect(value, writer, readers)
    plan = choices.solve()
    units = place_input_units(graph, space, plan.signatures, plan.inputs)
    return replace(plan, units=units | given)


class _Choices:
    """The problem under construction: who chooses between which orders, and at what cost."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        self.space = candidates.space
        self.orders: dict[Chooser, list[tuple[Order, ...]]] = {}
        """For each choice of a node or port the orders of its terms; a port has one term."""
        self.costs: dict[Hashable, Array] = {}
        self.edges: dict[Edge, Array] = {}

    def add_node(self, node: Node) -> None:
        """Let a node choose between its signatures."""
        signatures = self.candidates.signatures[node]
        self.orders[node] = list(signatures)
        costs = []
        for orders, signature in signatures.items():
            own = orders[len(node.operands) :]
            moved = sum(o != self.space.solid(v) for o, v in zip(own, node.outputs, strict=False))
            costs.append(signature.cost + FOREIGN * moved)
        self.costs[node] = np.array(costs)

    def add_port(self, port: Chooser, value: Value, wanted: Order | None) -> None:
        """Let a port choose between orders of whole dimensions, or give it the one wanted."""
        if wanted is not None:
            self.orders[port] = [(wanted,)]
            self.costs[port] = np.zeros(1)
            return
        orders = [
            o for o in self.candidates.orders[value] if keeps_dims_whole(self.space, value, o)
        ]
        self.orders[port] = [(order,) for order in orders]
        self.costs[port] = np.array([self._port_cost(value, order) for order in orders])

    def _port_cost(self, value: Value, order: Order) -> float:
        """Return the tie break of a port: nothing for PyTorch's own order."""
        usual = self.space.solid(value)
        if order == usual:
            return 0.0
        dims = self.space.dim_of(value)
        has_other_first = bool(order) and dims[order[0]] != dims[usual[0]]
        return UNUSUAL * (has_other_first + 0.1)

    def connect(self, value: Value, writer: End, readers: Sequence[End]) -> None:
        """Let the writer of a value and its readers pay for the transposes between them.

        Several readers share a hub, so that one copy serves them all.
        """
        if len(self.space.solid(value)) < 2:
            return
        cost = 1.0 + BYTES * self.candidates.graph.hint(size_product(self.space.sizes(value)))
        given = self._orders_at(writer)
        if len(readers) == 1:
            table = _count_pairs(given, self._orders_at(readers[0]), lambda a, b: a != b)
            add_edge(self.edges, writer.chooser, readers[0].chooser, cost * table)
            return
        hub, kept = Hub(value), _list_copies(self.candidates.orders[value], len(readers))
        self.costs[hub] = np.zeros(len(kept))
        table = _count_pairs(given, kept, lambda a, copies: sum(a != b for b in copies))
        add_edge(self.edges, writer.chooser, hub, cost * table)
        for reader in readers:
            table = _count_pairs(kept, self._orders_at(reader), lambda copies, b: b not in copies)
            add_edge(self.edges, hub, reader.chooser, cost * table)

    def _orders_at(self, end: End) -> list[Order]:
        """Return for each choice of a node or port the order that a value has there."""
        return [orders[end.slot] for orders in self.orders[end.chooser]]

    def solve(self) -> LayoutPlan:
        """Return the plan of least cost."""
        chosen = solve(Problem(self.costs, self.edges)).choice
        picked = {chooser: orders[chosen[chooser]] for chooser, orders in self.orders.items()}
        graph = self.candidates.graph
        signatures: dict[Node, Signature] = {}
        for node in graph.nodes:
            signatures[node] = self.candidates.signatures[node][picked[node]]
        outputs: list[Order | None] = []
        for number, value in enumerate(graph.outputs):
            outputs.append(picked[Output(number)][0] if isinstance(value, Value) else None)
        inputs = {value: picked[value][0] for value in graph.inputs}
        return LayoutPlan(self.space, signatures, inputs, tuple(outputs))


def _find_ends(graph: Graph) -> dict[Value, tuple[End, list[End]]]:
    """Return who writes and who reads each value that can move: all but constants."""
    writers: dict[Value, End] = {value: End(value, 0) for value in graph.inputs}
    readers: dict[Value, list[End]] = {}
    for node in graph.nodes:
        for slot, value in enumerate(node.operands):
            readers.setdefault(value, []).append(End(node, slot))
        for slot, value in enumerate(node.outputs, len(node.operands)):
            writers[value] = End(node, slot)
    for number, value in enumerate(graph.outputs):
        if isinstance(value, Value):
            readers.setdefault(value, []).append(End(Output(number), 0))
    return {value: (writers[value], ends) for value, ends in readers.items() if value in writers}


Row = TypeVar("Row", bound=Hashable)
Column = TypeVar("Column", bound=Hashable)


def _count_pairs(
    rows: Sequence[Row], columns: Sequence[Column], count: Callable[[Row, Column], int]
) -> Array:
    """Return how many transposes each row needs beside each column: an array (rows, columns).

    Both repeat, so each pair is asked for once.
    """
    row_of, column_of = _number(rows), _number(columns)
    table = np.zeros((len(row_of), len(column_of)))
    for row, i in row_of.items():
        for column, j in column_of.items():
            table[i, j] = count(row, column)
    places = list(map(row_of.__getitem__, rows)), list(map(column_of.__getitem__, columns))
    return table[np.ix_(*places)]


Key = TypeVar("Key", bound=Hashable)


def _number(items: Iterable[Key]) -> dict[Key, int]:
    """Return a number for each of the items that differ."""
    numbers: dict[Key, int] = {}
    for item in items:
        numbers.setdefault(item, len(numbers))
    return numbers


def _list_copies(orders: Iterable[Order], readers: int) -> list[tuple[Order, ...]]:
    """Return the orders in which a hub may keep a value.

    That is one; or two at once, which pays where three or more read it.
    """
    single: list[tuple[Order, ...]] = [(order,) for order in orders]
    return single + list(itertools.combinations(orders, 2)) if readers > 2 else single


def find_transposes(graph: Graph, plan: LayoutPlan) -> Iterator[tuple[Value, Order]]:
    """Yield the transposes that the plan leaves, each once.

    Each is a value, and the order in which it is needed beside the one it is written in.
    """
    for value, (writer, readers) in _find_ends(graph).items():
        given = _order_at(plan, writer)
        for order in dict.fromkeys(_order_at(plan, reader) for reader in readers):
            if order != given:
                yield value, order


def _order_at(plan: LayoutPlan, end: End) -> Order:
    """Return the order that a value has where a node or port touches it."""
    chooser, slot = end
    if isinstance(chooser, Node):
        return plan.signatures[chooser].orders[slot]
    if isinstance(chooser, Value):
        return plan.inputs[chooser]
    order = plan.outputs[chooser.number]
    assert order is not None
    return order
